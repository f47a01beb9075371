package queue

import (
	"context"
	"sync"
	"time"

	"github.com/aws/aws-lambda-go/events"
)

// EachGroup hands the messages of a batch to handle group by group, the groups
// side by side, each in its order. handle returns the messages that it could not
// handle; after a failure it must return all later ones of its group, too.
func EachGroup(ctx context.Context, e events.SQSEvent, handle func(ctx context.Context, group []events.SQSMessage) (failed []events.SQSMessage)) events.SQSEventResponse {
	groups := split(e.Records)
	failed := make([][]events.SQSMessage, len(groups))
	var wg sync.WaitGroup
	for i, g := range groups {
		wg.Go(func() { failed[i] = handle(ctx, g) })
	}
	wg.Wait()
	var r events.SQSEventResponse
	for _, f := range failed {
		for _, m := range f {
			r.BatchItemFailures = append(r.BatchItemFailures, events.SQSBatchItemFailure{ItemIdentifier: m.MessageId})
		}
	}
	return r
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
