// Package queue is the port to a queue of messages with the semantics of Amazon
// SQS FIFO: messages of one group are handed out in order, and at most one batch
// of a group is in flight at a time.
//
// A consumer is a Lambda handler: it takes an events.SQSEvent of at most MaxBatch
// messages, of one group or several, and returns the ids of those that it could
// not handle. On AWS the event source mapping calls it; the embedded adapter
// (queue/bbolt) calls it with the same types, so a handler cannot tell where it
// runs. Package queuetest says the promises as an executable suite.
//
// Delivery is at least once: a handler sees a message again after a failure, a
// crash, an expired visibility timeout, or for no reason at all.
package queue

import (
	"context"
	"errors"
	"time"

	"github.com/aws/aws-lambda-go/events"
)

// Limits of every adapter, which are those of Amazon SQS:
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html
const (
	MaxBatch        = 10        // messages handed to a handler at once
	MaxMessageBytes = 256 << 10 // length of Message.Body
	MaxIDBytes      = 128       // length of Message.Group and of Message.ID
	DedupInterval   = 5 * time.Minute
	MaxDelay        = 12 * time.Hour
)

// Message is something to send.
type Message struct {
	// Group orders: messages of a group are handed out in the order sent, one
	// batch at a time. 1 to MaxIDBytes characters: ASCII letters, digits and
	// punctuation.
	Group string
	// ID deduplicates: a message with the ID of one sent within DedupInterval is
	// accepted and dropped, even if the first was already handled. Same characters
	// as Group.
	ID string
	// Body is UTF-8 text, 1 to MaxMessageBytes long.
	Body string
}

// Queue accepts messages and lets a handler postpone one. Its methods are safe
// for concurrent use.
type Queue interface {
	// Send stores messages durably; when it returns nil they survive a crash. It
	// takes any number. On error some may have been accepted: send them all
	// again, deduplication drops the repeated ones. Errors match ErrInvalid (a
	// message is outside the limits; none was accepted) or ErrBusy (try again).
	Send(ctx context.Context, msgs ...Message) error

	// Postpone hides a message that is being handled for d from now (0 to
	// MaxDelay), instead of the queue's visibility timeout. The handler must then
	// report it as failed. While it is hidden no other message of its group is
	// handed out: a queue that keeps order cannot step over one. A receipt that is
	// no longer valid is ErrNotInFlight.
	Postpone(ctx context.Context, receipt string, d time.Duration) error
}

// Handler consumes a batch. A message named in BatchItemFailures becomes visible
// again when its visibility timeout (or what Postpone said) ends; the others are
// deleted. An error means that the whole batch failed. After a failure in a
// group the handler must also hand back the later messages of that group, or
// they would be handled out of order.
type Handler func(ctx context.Context, e events.SQSEvent) (events.SQSEventResponse, error)

// Errors of every adapter, to be tested with errors.Is.
var (
	ErrInvalid     = errors.New("queue: invalid call")
	ErrBusy        = errors.New("queue: busy, try again")
	ErrNotInFlight = errors.New("queue: message is not in flight")
)

// Names of the attributes of an events.SQSMessage that handlers use.
const (
	AttrGroup        = "MessageGroupId"
	AttrID           = "MessageDeduplicationId"
	AttrReceiveCount = "ApproximateReceiveCount"
	AttrSent         = "SentTimestamp" // Unix milliseconds
)

// DeadLetters is implemented by adapters whose dead letters Todoku itself can
// list and redrive. A message becomes a dead letter when it has been received
// the queue's maximum number of times without being handled.
type DeadLetters interface {
	// ListDead returns up to limit dead letters, oldest first, that come after the
	// one with handle after ("" for the first).
	ListDead(ctx context.Context, after string, limit int) ([]DeadLetter, error)
	// Redrive puts dead letters back at the end of their groups with a receive
	// count of zero, all of them if no handle is given, and returns how many.
	Redrive(ctx context.Context, handles ...string) (int, error)
}

// DeadLetter is a message that was given up.
type DeadLetter struct {
	Handle   string // names it for Redrive
	Message  Message
	Receives int
	Died     time.Time
	Reason   string // the handler's last error, "" if it only reported the item as failed
}
