// Package dispatch sends copies: it takes them in hand, hands them to a mail operator,
// and records what the operator said.
//
// A batch holds copies of one or more slots. Each slot's copies are, ten at a time or
// as many as the worker says, taken in hand in one write of one item (alert.Hand), sent
// in order over one connection, and recorded in one write. What a crash leaves in hand
// is sent again, and counted: a duplicate is better than silence.
//
// How many copies leave at once, and how fast, the lane's gate says (package gate).
//
// The retry policy, whole: what the operator refuses for good is refused; what it
// puts off because of the recipient (greylisting, a full mailbox) waits as long as
// the operator says, or greyDelays or RetryDelays, one copy alone, in its lane's turn; what it puts off because
// of the lane stays at the head of its slot, and the lane pauses until a probe passes
// (package pace); if the relay itself is away all lanes wait for one probe, up to a
// minute, and if the account's rate is reached the slot waits about Pause. Then each
// goes on with the same copy. What SES took and gave up comes back, see package feedback.
// Nothing leaves after the alert ceased to be useful.
package dispatch

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"strconv"
	"sync"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/todoku/todoku/shared/alert"
	"github.com/todoku/todoku/shared/lane/gate"
	"github.com/todoku/todoku/shared/letter"
	"github.com/todoku/todoku/shared/link"
	"github.com/todoku/todoku/shared/mail"
	"github.com/todoku/todoku/shared/queue"
	"github.com/todoku/todoku/shared/roster"
)

// RetryDelays is how long a copy waits after its 1st, 2nd, ... temporary failure,
// and again the last ever after, until the alert ceases to be useful. The second
// is past the five minutes of the usual greylisting (RFC 6647, section 4.2).
var RetryDelays = []time.Duration{time.Minute, 5*time.Minute + 10*time.Second, 10 * time.Minute, 15 * time.Minute}

// greyDelays is the same where the operator says that it is greylisting. To come too early costs
// the lane a place and the recipient another wait; `make bench-lanes` says what these reach.
var greyDelays = []time.Duration{6 * time.Minute, 2 * time.Minute}

// Pause is how long a slot waits, plus or minus a quarter, when the mail operator
// itself cannot be used; after the nth time in a row n times as long, up to
// longestPause. A queue gives a message up after a thousand receives
// (https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-dead-letter-queues.html):
// with these figures an operator may be away for 16 hours.
const (
	Pause        = 8 * time.Second
	longestPause = time.Minute
)

// Handler sends copies.
type Handler struct {
	Alerts  *alert.Store
	Roster  *roster.Store
	Queue   queue.Queue // where the messages come from
	Mail    mail.Sender
	Gate    *gate.Gate // hands out the places of lanes; nil: their slots are all that holds
	Court   Court      // judges refusals, and holds lanes; nil: nobody does
	Links   *link.Signer
	BaseURL string // where answer pages are, without a slash at the end
	Replies string // the domain that takes replies; "": they go to the sender
	Worker  alert.Worker
	Now     func() time.Time
	Jitter  func() float64 // random in [0, 1)
	Log     *slog.Logger

	mu   sync.Mutex
	busy map[string]bool // slots that this process is at
}

// enter notes that this process is at a slot, and reports false if it was already:
// the queue handed the slot out again because the first batch takes too long. So
// what a slot's hand says of this worker is always of a batch that has ended.
func (h *Handler) enter(group string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.busy[group] {
		return false
	}
	if h.busy == nil {
		h.busy = map[string]bool{}
	}
	h.busy[group] = true
	return true
}

func (h *Handler) leave(group string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.busy, group)
}

// Handle sends the copies that the messages name.
func (h *Handler) Handle(ctx context.Context, e events.SQSEvent) (events.SQSEventResponse, error) {
	return queue.EachGroup(ctx, e, func(ctx context.Context, msgs []events.SQSMessage) ([]events.SQSMessage, error) {
		failed, why := h.slot(ctx, msgs)
		if len(msgs) < len(e.Records) {
			h.settle(ctx, msgs[:len(msgs)-len(failed)])
		}
		return failed, why
	}), nil
}

// settle lets a slot go on while others of the batch still wait for their turns.
func (h *Handler) settle(ctx context.Context, handled []events.SQSMessage) {
	q, ok := h.Queue.(queue.Settler)
	if !ok || len(handled) == 0 {
		return
	}
	if err := q.Settle(ctx, queue.Receipts(handled)...); err != nil {
		h.Log.Info("messages are deleted later", "messages", len(handled), "err", err)
	}
}

// slot sends the copies of one slot, and returns the messages to be handed back, and why.
func (h *Handler) slot(ctx context.Context, msgs []events.SQSMessage) ([]events.SQSMessage, error) {
	b := &batch{
		Handler: h, group: msgs[0].Attributes[queue.AttrGroup], msgs: msgs,
		writers: map[writerKey]*letter.Writer{},
	}
	err := errWait
	if h.enter(b.group) {
		defer h.leave(b.group)
		err = b.work(ctx)
	}
	if err == nil {
		return nil, nil
	}
	if !errors.Is(err, errWait) {
		h.Log.Warn("copies handed back", "lane", b.group, "copies", len(msgs)-b.handled, "err", err)
	}
	b.postpone(ctx)
	return msgs[b.handled:], cmp.Or(b.said, err)
}

// errWait says that copies are handed back for a time, as planned: the operator is
// away, or another worker has the slot.
var errWait = errors.New("dispatch: wait")

// postpone hides what is handed back until it is worth trying again. SQS hides
// the group with its first message.
func (b *batch) postpone(ctx context.Context) {
	if b.wait == 0 {
		b.wait = pause(b.msgs[b.handled], b.Jitter())
	}
	rest := b.msgs[b.handled:]
	if err := b.Queue.Postpone(ctx, b.wait, queue.Receipts(rest)...); err != nil {
		b.Log.Warn("messages not postponed", "lane", b.group, "messages", len(rest), "err", err)
	}
}

// pause returns how long to hide a message that has been received in vain.
func pause(m events.SQSMessage, jitter float64) time.Duration {
	p := min(Pause*time.Duration(min(receives(m), 100)), longestPause)
	return time.Duration(float64(p) * (0.75 + jitter/2))
}

// receives returns how often a message was received, this time included.
func receives(m events.SQSMessage) int {
	n, err := strconv.Atoi(m.Attributes[queue.AttrReceiveCount])
	if err != nil {
		return 1
	}
	return max(n, 1)
}

// nth returns the delay after so many tries.
func nth(delays []time.Duration, tries int) time.Duration {
	return delays[min(max(tries, 1), len(delays))-1]
}
