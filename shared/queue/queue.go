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
	"fmt"
	"time"
	"unicode/utf8"

	"github.com/aws/aws-lambda-go/events"
)

// Limits of every adapter. They are those of Amazon SQS, or stricter:
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
	// as Group. Use an ID in one group only: whether a queue looks for it in the
	// others depends on how it is set up.
	ID string
	// Body is UTF-8 text, 1 to MaxMessageBytes long, without the characters that
	// XML 1.0 leaves out: control characters other than tab, line feed and
	// carriage return, and U+FFFE and U+FFFF.
	Body string
}

// Check returns an error matching ErrInvalid that names the first message outside
// the limits, by its index and never by its content. Every Send starts with it,
// so that all adapters refuse alike.
func Check(msgs ...Message) error {
	for i, m := range msgs {
		if fault := m.fault(); fault != "" {
			return fmt.Errorf("%w: message %d: %s", ErrInvalid, i, fault)
		}
	}
	return nil
}

func (m Message) fault() string {
	switch {
	case !isName(m.Group):
		return "group is not 1 to 128 letters, digits and punctuation"
	case !isName(m.ID):
		return "id is not 1 to 128 letters, digits and punctuation"
	case m.Body == "":
		return "body is empty"
	case len(m.Body) > MaxMessageBytes:
		return "body is longer than 256 KiB"
	case !isText(m.Body):
		return "body is not UTF-8 text"
	}
	return ""
}

func isName(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' {
			return false
		}
	}
	return s != "" && len(s) <= MaxIDBytes
}

func isText(s string) bool {
	for _, r := range s {
		if r < ' ' && r != '\t' && r != '\n' && r != '\r' || r == 0xFFFE || r == 0xFFFF {
			return false
		}
	}
	return utf8.ValidString(s)
}

// Sender accepts messages. Its method is safe for concurrent use.
type Sender interface {
	// Send stores messages durably; when it returns nil they survive a crash. It
	// takes any number. On error some may have been accepted: send them all
	// again, deduplication drops the repeated ones. Errors match ErrInvalid (a
	// message is outside the limits; none was accepted), ErrBusy (try again) or
	// the context's error; any other is a fault of the store, a full disk for
	// example, and not worth retrying at once.
	Send(ctx context.Context, msgs ...Message) error
}

// Queue is a Sender that lets a handler postpone what it was handed. Its methods are
// safe for concurrent use.
type Queue interface {
	Sender

	// Postpone hides messages that are being handled for d from now (0 to
	// MaxDelay, else ErrInvalid), instead of the queue's visibility timeout. The
	// handler must then report them as failed; the time holds from that report on.
	// While one is hidden no other message of its group is handed out: a queue that
	// keeps order cannot step over one. For the same reason a group waits for the
	// last of its hidden messages, so whoever postpones one and hands back those
	// after it postpones them, too. A postponed receive counts towards the
	// queue's maximum like any other. A receipt that is no longer valid, because
	// the message was handled, handed back or its visibility timeout ended, is
	// ErrNotInFlight; the other messages may be hidden all the same.
	Postpone(ctx context.Context, d time.Duration, receipts ...string) error
}

// Settler is a Queue of which a batch can hold several groups. Settle says, before the
// handler returns, that messages are handled, so that their groups need not wait for
// the others of the batch. The handler must not hand them back.
type Settler interface {
	Settle(ctx context.Context, receipts ...string) error
}

// Handler consumes a batch. A message named in BatchItemFailures becomes visible
// again when what Postpone said ends, or else when the queue says: at the latest when its
// visibility timeout ends. The others are deleted. An error, a panic, or a failure that names no message of the batch
// means that the whole batch failed. After a failure in a group the handler must
// also hand back the later messages of that group, or they would be handled out
// of order.
//
// The context is not cancelled when the consumer is asked to stop: a handler that
// has begun may finish. It has a deadline, at which the handler should have
// returned.
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
	AttrFirstReceive = "ApproximateFirstReceiveTimestamp"
	AttrSequence     = "SequenceNumber" // 20 digits, grows within a group
)

// DeadLetters is implemented by adapters whose dead letters Todoku itself can
// list and redrive. A message becomes a dead letter when it has been received
// the queue's maximum number of times without being handled.
type DeadLetters interface {
	// ListDead returns up to limit dead letters, oldest death first, that come
	// after the one with handle after ("" for the first; it may have been redriven
	// meanwhile). A handle that no ListDead returned is ErrInvalid.
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
	Reason   string // the handler's last error, how it ended, or what it said with Because; "" if none of these is known
}
