package queue

import (
	"context"
	"sync"
	"time"

	"github.com/aws/aws-lambda-go/events"
)

// RetryAfter is how long to postpone what failed, in a busy store for example.
const RetryAfter = 2 * time.Second

// EachGroup hands the messages of a batch to handle group by group, the groups
// side by side, each in its order. handle returns the messages that it could not
// handle, and why; after a failure it must return all later ones of its group, too.
func EachGroup(ctx context.Context, e events.SQSEvent, handle func(ctx context.Context, group []events.SQSMessage) (failed []events.SQSMessage, why error)) events.SQSEventResponse {
	groups := split(e.Records)
	failed, why := make([][]events.SQSMessage, len(groups)), make([]error, len(groups))
	var wg sync.WaitGroup
	for i, g := range groups {
		wg.Go(func() { failed[i], why[i] = handle(ctx, g) })
	}
	wg.Wait()
	var r events.SQSEventResponse
	for i := range groups {
		for _, m := range failed[i] {
			HandBack(ctx, &r, m.MessageId, why[i])
		}
	}
	return r
}

// Beside returns a handler that hands a batch to next but for the messages for which is
// holds, and then does those, one by one. What follows one in its group that cannot be
// done waits with it.
func Beside(next Handler, is func(events.SQSMessage) bool, do func(context.Context, events.SQSMessage) error) Handler {
	return func(ctx context.Context, e events.SQSEvent) (res events.SQSEventResponse, err error) {
		mine, others := Part(e, is)
		if len(others.Records) > 0 {
			if res, err = next(ctx, others); err != nil {
				return res, err
			}
		}
		waits := map[string]error{} // groups, and for what
		for _, m := range mine.Records {
			group := m.Attributes[AttrGroup]
			if waits[group] == nil {
				waits[group] = do(ctx, m)
			}
			if why := waits[group]; why != nil {
				HandBack(ctx, &res, m.MessageId, why)
			}
		}
		return res, nil
	}
}

// Part divides a batch into the messages for which is holds and the others.
func Part(e events.SQSEvent, is func(events.SQSMessage) bool) (yes, no events.SQSEvent) {
	for _, m := range e.Records {
		if is(m) {
			yes.Records = append(yes.Records, m)
		} else {
			no.Records = append(no.Records, m)
		}
	}
	return yes, no
}

// HandBack adds a message to those that a handler fails, and says why with Because.
func HandBack(ctx context.Context, r *events.SQSEventResponse, messageID string, why error) {
	Because(ctx, messageID, why)
	r.BatchItemFailures = append(r.BatchItemFailures, events.SQSBatchItemFailure{ItemIdentifier: messageID})
}

// Failed returns the ids of the messages that a Handler failed, by what it returned.
func Failed(e events.SQSEvent, r events.SQSEventResponse, err error) map[string]bool {
	all, failed := map[string]bool{}, map[string]bool{}
	for _, m := range e.Records {
		all[m.MessageId] = true
	}
	if err != nil {
		return all
	}
	for _, f := range r.BatchItemFailures {
		if !all[f.ItemIdentifier] {
			return all // AWS: https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html
		}
		failed[f.ItemIdentifier] = true
	}
	return failed
}

// Receipts are by what a queue knows messages that it has handed out.
func Receipts(msgs []events.SQSMessage) []string {
	receipts := make([]string, len(msgs))
	for i := range msgs {
		receipts[i] = msgs[i].ReceiptHandle
	}
	return receipts
}

// spare is the time of an invocation that InTime keeps.
const spare = 5 * time.Second

// InTime returns a context that ends before the invocation does, so that what was done is
// still recorded, and the rest handed back.
func InTime(ctx context.Context) (context.Context, context.CancelFunc) {
	if end, ok := ctx.Deadline(); ok {
		return context.WithDeadline(ctx, end.Add(-spare))
	}
	return context.WithCancel(ctx)
}

// split sorts messages by group, keeping the order in each.
func split(records []events.SQSMessage) [][]events.SQSMessage {
	var groups [][]events.SQSMessage
	place := map[string]int{}
	for _, m := range records {
		g := m.Attributes[AttrGroup]
		i, ok := place[g]
		if !ok {
			i = len(groups)
			place[g] = i
			groups = append(groups, nil)
		}
		groups[i] = append(groups[i], m)
	}
	return groups
}
