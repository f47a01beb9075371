// Package esm plays the event source mapping of AWS Lambda on the API of SQS: it
// polls a FIFO queue, calls a handler with what came, deletes what the handler has
// handled and leaves the rest to the visibility timeout.
//
// The promise that no two batches of one group are at work at once is the queue's
// own; the mapping adds no order to it.
// https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html
package esm

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/todoku/todoku/shared/queue"
)

// Mapping is a queue and how its messages are handed out. Client, QueueURL and Log
// are required.
type Mapping struct {
	Client      *sqs.Client
	QueueURL    string
	Concurrency int           // MaximumConcurrency: handlers at work at once; 0: DefaultConcurrency
	Pollers     int           // polls that wait at once; 0: DefaultPollers
	Timeout     time.Duration // the function's timeout, the deadline of its context; 0: DefaultTimeout
	Batch       int           // BatchSize; 0: queue.MaxBatch, and no more without a Window
	Window      time.Duration // MaximumBatchingWindow: how long a batch waits to become full; 0: not at all
	Wait        time.Duration // how long a poll waits for messages, whole seconds, at most 20; 0: DefaultWait
	Log         *slog.Logger  // gets ids and counts, never a body
}

// What the zero values of a Mapping mean. A short poll costs more requests than the
// 20 seconds of Lambda and lets Run return soon.
const (
	DefaultConcurrency = 10
	DefaultPollers     = 5 // those that Lambda begins with
	DefaultTimeout     = 30 * time.Second
	DefaultWait        = time.Second
)

// retryPause is how long a poller rests after a poll that failed.
const retryPause = 200 * time.Millisecond

// Run hands messages to the handler until ctx ends, waits for polls and handlers
// that are running, and returns nil. It fails if it cannot begin. A handler is
// never cut off: one that outlives Timeout has a context that has ended, and its
// messages may be handed out again meanwhile.
func (m *Mapping) Run(ctx context.Context, h queue.Handler) error {
	arn, err := m.queueARN(ctx)
	if err != nil {
		return fmt.Errorf("esm: the queue's name: %w", err)
	}
	r := &run{Mapping: m, arn: arn, handler: h, slots: make(chan struct{}, cmp.Or(m.Concurrency, DefaultConcurrency))}
	var pollers sync.WaitGroup
	for range cmp.Or(m.Pollers, DefaultPollers) {
		pollers.Go(func() { r.poll(ctx) })
	}
	pollers.Wait()
	r.handlers.Wait()
	return nil
}

func (m *Mapping) queueARN(ctx context.Context) (string, error) {
	out, err := m.Client.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{
		QueueUrl:       &m.QueueURL,
		AttributeNames: []types.QueueAttributeName{types.QueueAttributeNameQueueArn},
	})
	if err != nil {
		return "", err
	}
	return out.Attributes[string(types.QueueAttributeNameQueueArn)], nil
}

// run is a mapping at work.
type run struct {
	*Mapping
	arn      string
	handler  queue.Handler
	slots    chan struct{} // holds one for each poll or handler at work
	handlers sync.WaitGroup
}

// poll asks for messages while there is a slot for who handles them. A poll is
// never broken off, because the queue might have given its messages away already.
// What comes after the end of ctx is left to the visibility timeout: handed back,
// it would go round among the polls that still wait until it is a dead letter.
func (r *run) poll(ctx context.Context) {
	calls := context.WithoutCancel(ctx)
	for r.takeSlot(ctx) {
		msgs, err := r.receive(calls, queue.MaxBatch)
		if err != nil {
			r.Log.Warn("esm: poll failed", "queue", r.QueueURL, "err", err)
			rest(ctx, retryPause)
		}
		if len(msgs) == 0 || ctx.Err() != nil {
			<-r.slots
			continue
		}
		msgs = r.fill(calls, msgs)
		r.handlers.Go(func() {
			defer func() { <-r.slots }()
			r.handle(calls, r.handler, event(r.arn, msgs))
		})
	}
}

// fill receives more messages until the batch is full or its window is over. A poll
// that fails is no reason to lose those that are there.
func (r *run) fill(ctx context.Context, msgs []types.Message) []types.Message {
	batch := cmp.Or(r.Batch, queue.MaxBatch)
	for end := time.Now().Add(r.Window); len(msgs) < batch && time.Now().Before(end); {
		more, err := r.receive(ctx, min(batch-len(msgs), queue.MaxBatch))
		if err != nil {
			r.Log.Warn("esm: poll failed", "queue", r.QueueURL, "err", err)
			break
		}
		msgs = append(msgs, more...)
	}
	return msgs
}

// takeSlot reports false when ctx has ended.
func (r *run) takeSlot(ctx context.Context) bool {
	select {
	case r.slots <- struct{}{}:
	case <-ctx.Done():
		return false
	}
	if ctx.Err() != nil {
		<-r.slots
		return false
	}
	return true
}

func rest(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

func (m *Mapping) receive(ctx context.Context, most int) ([]types.Message, error) {
	out, err := m.Client.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{
		QueueUrl:                    &m.QueueURL,
		MaxNumberOfMessages:         int32(most),
		WaitTimeSeconds:             int32(cmp.Or(m.Wait, DefaultWait) / time.Second),
		MessageSystemAttributeNames: []types.MessageSystemAttributeName{types.MessageSystemAttributeNameAll},
		MessageAttributeNames:       []string{"All"},
	})
	if err != nil {
		return nil, err
	}
	return out.Messages, nil
}

func (m *Mapping) handle(ctx context.Context, h queue.Handler, e events.SQSEvent) {
	called, cancel := context.WithTimeout(ctx, cmp.Or(m.Timeout, DefaultTimeout))
	defer cancel()
	failed := m.call(called, h, e)
	m.delete(ctx, e, failed)
}

// delete removes the messages that have not failed, as many with each request as SQS
// allows. A receipt that has run out while the handler was at work is no news: the
// message comes again.
func (m *Mapping) delete(ctx context.Context, e events.SQSEvent, failed map[string]bool) {
	var done []types.DeleteMessageBatchRequestEntry
	for _, msg := range e.Records {
		if !failed[msg.MessageId] {
			done = append(done, types.DeleteMessageBatchRequestEntry{
				Id: aws.String(msg.MessageId), ReceiptHandle: aws.String(msg.ReceiptHandle),
			})
		}
	}
	for entries := range slices.Chunk(done, queue.MaxBatch) {
		out, err := m.Client.DeleteMessageBatch(ctx, &sqs.DeleteMessageBatchInput{QueueUrl: &m.QueueURL, Entries: entries})
		if err != nil {
			m.Log.Warn("esm: messages were not deleted", "queue", m.QueueURL, "messages", len(entries), "err", err)
			continue
		}
		for _, f := range out.Failed {
			m.Log.Info("esm: a message was not deleted", "id", aws.ToString(f.Id), "code", aws.ToString(f.Code))
		}
	}
}
