// Package esm plays the event source mapping of AWS Lambda on the API of SQS: it
// polls a FIFO queue, calls a handler with what came, deletes what the handler has
// handled and leaves the rest to the visibility timeout.
//
// The promise that no two batches of one group are at work at once is the queue's
// own; the mapping adds no order to it.
// https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html
package esm

import (
	"context"
	"fmt"
	"log/slog"
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
	Timeout     time.Duration // the function's timeout, the deadline of its context; 0: DefaultTimeout
	Wait        time.Duration // how long a poll waits for messages, whole seconds, at most 20; 0: DefaultWait
	Log         *slog.Logger  // gets ids and counts, never a body
}

// What the zero values of a Mapping mean. A short poll costs more requests than the
// 20 seconds of Lambda and lets Run return soon.
const (
	DefaultConcurrency = 10
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
	var pollers sync.WaitGroup
	for range orDefault(m.Concurrency, DefaultConcurrency) {
		pollers.Go(func() { m.poll(ctx, arn, h) })
	}
	pollers.Wait()
	return nil
}

func orDefault[T comparable](v, otherwise T) T {
	var zero T
	if v == zero {
		return otherwise
	}
	return v
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

// poll is one of the mapping's hands: it holds at most one batch. A poll is never
// broken off, because the queue might have given its messages away already.
func (m *Mapping) poll(ctx context.Context, arn string, h queue.Handler) {
	calls := context.WithoutCancel(ctx)
	for ctx.Err() == nil {
		out, err := m.Client.ReceiveMessage(calls, m.receiveRequest())
		switch {
		case err != nil:
			m.Log.Warn("esm: poll failed", "queue", m.QueueURL, "err", err)
			rest(ctx, retryPause)
		case len(out.Messages) == 0:
		case ctx.Err() != nil:
			m.handBack(calls, out.Messages)
		default:
			m.handle(calls, h, event(arn, out.Messages))
		}
	}
}

func rest(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

func (m *Mapping) receiveRequest() *sqs.ReceiveMessageInput {
	return &sqs.ReceiveMessageInput{
		QueueUrl:                    &m.QueueURL,
		MaxNumberOfMessages:         queue.MaxBatch,
		WaitTimeSeconds:             int32(orDefault(m.Wait, DefaultWait) / time.Second), //nolint:gosec // at most 20
		MessageSystemAttributeNames: []types.MessageSystemAttributeName{types.MessageSystemAttributeNameAll},
		MessageAttributeNames:       []string{"All"},
	}
}

// handBack makes messages visible that came when nobody was to handle them.
func (m *Mapping) handBack(ctx context.Context, msgs []types.Message) {
	in := &sqs.ChangeMessageVisibilityBatchInput{QueueUrl: &m.QueueURL}
	for _, msg := range msgs {
		in.Entries = append(in.Entries, types.ChangeMessageVisibilityBatchRequestEntry{
			Id: msg.MessageId, ReceiptHandle: msg.ReceiptHandle, VisibilityTimeout: 0,
		})
	}
	if _, err := m.Client.ChangeMessageVisibilityBatch(ctx, in); err != nil {
		m.Log.Warn("esm: messages were not handed back", "queue", m.QueueURL, "err", err)
	}
}

func (m *Mapping) handle(ctx context.Context, h queue.Handler, e events.SQSEvent) {
	called, cancel := context.WithTimeout(ctx, orDefault(m.Timeout, DefaultTimeout))
	defer cancel()
	failed := m.call(called, h, e)
	m.delete(ctx, e, failed)
}

// delete removes the messages that have not failed. A receipt that has run out
// while the handler was at work is no news: the message comes again.
func (m *Mapping) delete(ctx context.Context, e events.SQSEvent, failed map[string]bool) {
	in := &sqs.DeleteMessageBatchInput{QueueUrl: &m.QueueURL}
	for _, msg := range e.Records {
		if !failed[msg.MessageId] {
			in.Entries = append(in.Entries, types.DeleteMessageBatchRequestEntry{
				Id: aws.String(msg.MessageId), ReceiptHandle: aws.String(msg.ReceiptHandle),
			})
		}
	}
	if len(in.Entries) == 0 {
		return
	}
	out, err := m.Client.DeleteMessageBatch(ctx, in)
	if err != nil {
		m.Log.Warn("esm: messages were not deleted", "queue", m.QueueURL, "messages", len(in.Entries), "err", err)
		return
	}
	for _, f := range out.Failed {
		m.Log.Info("esm: a message was not deleted", "id", aws.ToString(f.Id), "code", aws.ToString(f.Code))
	}
}
