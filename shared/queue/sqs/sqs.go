// Package sqs sends to a queue.Queue in Amazon SQS: a FIFO queue, whose consumer
// is an event source mapping of AWS Lambda.
//
// The queue is set up for it like this: FIFO without content-based deduplication,
// a redrive policy, and the visibility timeout that its consumer needs. A Yard takes
// its dead letters, which package dead keeps.
package sqs

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/todoku/todoku/shared/queue"
)

// Queue implements queue.Queue.
type Queue struct {
	client *sqs.Client
	url    string
}

var _ queue.Queue = (*Queue)(nil)

// New returns the queue with this address. The role that client acts for needs
// SendMessage on it to send, and ChangeMessageVisibility to postpone.
func New(client *sqs.Client, url string) *Queue { return &Queue{client: client, url: url} }

// Entries that SQS could not take are sent again a few times before Send gives up:
// it calls such a fault its own.
const (
	sendTries  = 4
	firstPause = 100 * time.Millisecond
)

// Send implements queue.Queue. It sends ten messages a call, one call after the
// other, so that each group keeps its order, and takes groups in turn: SQS looks
// for groups only among the first 120,000 messages of a queue, so a long group in
// front would hide those behind it.
//
// If SQS takes a message and puts off one before it in its group, their order is
// lost; nothing that a sender could do keeps it.
func (q *Queue) Send(ctx context.Context, msgs ...queue.Message) error {
	if err := queue.Check(msgs...); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	for _, batch := range batches(interleave(msgs)) {
		if err := q.sendBatch(ctx, batch); err != nil {
			return err
		}
	}
	return nil
}

// sendBatch sends until all are taken. It may try again as it likes: the queue
// drops what it has already.
func (q *Queue) sendBatch(ctx context.Context, batch []queue.Message) error {
	pause := firstPause
	for try := 1; ; try++ {
		out, err := q.client.SendMessageBatch(ctx, sendRequest(q.url, batch))
		if err != nil {
			return fault(ctx, err)
		}
		batch, err = putOff(batch, out)
		if err != nil || len(batch) == 0 {
			return err
		}
		if try == sendTries {
			return fmt.Errorf("%w: SQS put off %d messages %d times", queue.ErrBusy, len(batch), try)
		}
		if err := sleep(ctx, pause); err != nil {
			return err
		}
		pause *= 2
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("sqs: %w", ctx.Err())
	}
}

// Postpone implements queue.Queue, in whole seconds, rounded up. SQS counts the
// time from this call on and not from the handler's report, which a handler that
// reports at once does not notice. It hides a message for at most 12 hours after
// it was received, so d is cut to longestHidden.
func (q *Queue) Postpone(ctx context.Context, d time.Duration, receipts ...string) error {
	switch {
	case d < 0 || d > queue.MaxDelay:
		return fmt.Errorf("%w: postponed by %v", queue.ErrInvalid, d)
	case ctx.Err() != nil:
		return ctx.Err()
	case slices.Contains(receipts, ""):
		return queue.ErrNotInFlight
	}
	var errs []error
	for some := range slices.Chunk(receipts, maxEntries) {
		out, err := q.client.ChangeMessageVisibilityBatch(ctx, postponeRequest(q.url, d, some))
		if err != nil {
			return errors.Join(append(errs, fault(ctx, err))...)
		}
		for _, f := range out.Failed {
			errs = append(errs, entryFault(f))
		}
	}
	return errors.Join(errs...)
}

var _ queue.Settler = (*Queue)(nil)

// Settle implements queue.Settler. The event source mapping deletes the messages once
// more, which SQS takes.
func (q *Queue) Settle(ctx context.Context, receipts ...string) error {
	var errs []error
	for some := range slices.Chunk(receipts, maxEntries) {
		out, err := q.client.DeleteMessageBatch(ctx, settleRequest(q.url, some))
		if err != nil {
			return errors.Join(append(errs, fault(ctx, err))...)
		}
		for _, f := range out.Failed {
			errs = append(errs, entryFault(f))
		}
	}
	return errors.Join(errs...)
}
