package bbolt

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"

	"github.com/aws/aws-lambda-go/events"
	"github.com/todoku/todoku/shared/queue"
)

// batch is what one call of a handler gets.
type batch struct {
	number uint64
	parts  []*part
}

// handle lets the handler handle a batch. However that ends, even with
// runtime.Goexit, the batch is finished.
func (q *Queue) handle(ctx context.Context, handler queue.Handler, b *batch) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), q.cfg.VisibilityTimeout)
	defer cancel()
	e := q.event(b)
	ctx, reasons := queue.WithReasons(ctx)
	var resp events.SQSEventResponse
	err := errors.New("the handler did not return")
	defer func() { q.finish(b, queue.Failed(e, resp, err), reasons, err) }()
	resp, err = q.call(ctx, handler, e)
}

// call calls the handler. That it panics is an error of it.
func (q *Queue) call(ctx context.Context, handler queue.Handler, e events.SQSEvent) (resp events.SQSEventResponse, err error) {
	defer func() {
		if v := recover(); v != nil {
			err = panicError(v)
			q.log.Error("queue: handler panicked", "err", err, "stack", string(debug.Stack()))
		}
	}()
	resp, err = handler(ctx, e)
	if err != nil {
		q.log.Warn("queue: handler failed", "messages", len(e.Records), "err", err)
	}
	return resp, err
}

// panicError says what a handler panicked with. Only the runtime's own words are
// sure to hold nobody's data.
func panicError(v any) error {
	if err, ok := v.(runtime.Error); ok {
		return fmt.Errorf("panic: %w", err)
	}
	return fmt.Errorf("panic: %T", v)
}

// finish notes the outcome of a batch for the next round. Parts whose visibility
// timeout has ended are no longer the handler's to report on.
func (q *Queue) finish(b *batch, failed map[string]bool, reasons *queue.Reasons, err error) {
	for _, p := range b.parts {
		for i := range p.entries {
			id := q.messageID(p.entries[i].seq)
			reason := reasons.Of(id)
			if err != nil {
				reason = err.Error()
			}
			p.entries[i].fail(failed[id], shorten(reason))
		}
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	defer q.Wake()
	delete(q.batches, b.number)
	q.handlers--
	for _, p := range b.parts {
		if p.group.part != p {
			continue
		}
		q.retryLater(p)
		if q.rand != nil {
			q.handOutAgain(p)
		}
		q.schedule.hold(p.group)
		q.finished = append(q.finished, p)
	}
}

// retryLater says when those messages come again, if they failed, that were not
// postponed.
func (q *Queue) retryLater(p *part) {
	if q.cfg.RetryAfter == 0 {
		return
	}
	until := q.cfg.Now().Add(q.cfg.RetryAfter)
	for i := range p.entries {
		if e := &p.entries[i]; e.until.IsZero() {
			e.until = until
		}
	}
}

// A receipt is EPOCH-BATCH-INDEX; the epoch keeps a restarted process from
// honouring the receipts of the one before.
func (q *Queue) receipt(batch uint64, index int) string {
	return q.epoch + "-" + strconv.FormatUint(batch, 36) + "-" + strconv.Itoa(index)
}

// inFlight returns the message with the receipt, or nil.
func (q *Queue) inFlight(receipt string) (*part, *entry) {
	epoch, rest, _ := strings.Cut(receipt, "-")
	number, index, _ := strings.Cut(rest, "-")
	n, err1 := strconv.ParseUint(number, 36, 64)
	i, err2 := strconv.ParseUint(index, 10, 16)
	b := q.batches[n]
	if err1 != nil || err2 != nil || epoch != q.epoch || b == nil {
		return nil, nil
	}
	return b.at(int(i))
}

// at returns the i-th message of the batch, or nil if it is in flight no more.
func (b *batch) at(i int) (*part, *entry) {
	for _, p := range b.parts {
		if i >= len(p.entries) {
			i -= len(p.entries)
			continue
		}
		if p.group.part != p {
			return nil, nil
		}
		return p, &p.entries[i]
	}
	return nil, nil
}
