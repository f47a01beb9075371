// Package queuetest is what every adapter of package queue must do, as one suite.
//
// The suite is written in plain time: it sleeps, and looks at the clock. An adapter
// in this process runs it in a synctest bubble, where that takes no time and is
// exact; a server in another process really takes the time, which is why all
// waits are small multiples of the visibility timeout that the adapter declares.
//
// It bears what a queue may do, handing out again what was handled among it, so an
// adapter also passes it while it misbehaves on purpose.
package queuetest

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/todoku/todoku/shared/queue"
)

// Subject is an empty queue and what it takes to drive it.
type Subject struct {
	queue.Queue
	// Run hands messages to the handler until ctx ends, waits for handlers that are
	// running and returns nil. It runs at least 8 of them at once.
	Run func(ctx context.Context, h queue.Handler) error
	// Visibility is the visibility timeout: whole seconds, at least 3.
	Visibility time.Duration
	// Retry is how long a message stays hidden that was handed back and not postponed: at
	// least 3 seconds, Visibility at most and if zero.
	Retry time.Duration
	// MaxReceives makes a message that was received as often a dead letter: 3 or
	// more.
	MaxReceives int
	// Hours says that sleeping for hours takes no time.
	Hours bool
}

// Run runs the suite. Each test gets a subject of its own from open, called within
// in: synctest.Test if all of the adapter is in this process. A server keeps its own time:
// there in just calls the test.
func Run(t *testing.T, in func(*testing.T, func(*testing.T)), open func(*testing.T) Subject) {
	tests := []struct {
		name string
		test func(*testing.T, Subject)
	}{
		{"order in a group", testOrder},
		{"an event looks like one from SQS", testEvent},
		{"groups do not wait for each other", testIndependence},
		{"one batch of a group in flight", testOneInFlight},
		{"many senders", testManySenders},
		{"a stop lets handlers finish", testStop},
		{"a failure hands back the rest of its group", testPartialFailure},
		{"ways for a whole batch to fail", testBatchFailure},
		{"an overrun handler", testOverrun},
		{"the receive count grows", testReceiveCount},
		{"duplicates", testDuplicates},
		{"duplicates after the interval", testDedupInterval},
		{"postponing", testPostpone},
		{"postponing for longer than the timeout", testLongPostpone},
		{"postponing what is not in flight", testNotInFlight},
		{"limits", testLimits},
		{"beyond the limits", testBeyondLimits},
		{"nothing to send", testSendNothing},
		{"dead letters", testDeadLetters},
		{"redriving", testRedrive},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			in(t, func(t *testing.T) { test.test(t, open(t)) })
		})
	}
}

// delivery is a message as a handler got it.
type delivery struct {
	events.SQSMessage
	at time.Time
}

func (d delivery) id() string    { return d.Attributes[queue.AttrID] }
func (d delivery) group() string { return d.Attributes[queue.AttrGroup] }

func (d delivery) receives() int {
	n, _ := strconv.Atoi(d.Attributes[queue.AttrReceiveCount])
	return n
}

// history is what a consumer has seen so far.
type history struct {
	delivered []delivery // when the handler was called
	handled   []delivery // when it had returned and not failed them
}

// firsts returns the ids of a group's deliveries without repetitions.
func firsts(all []delivery, group string) []string {
	var ids []string
	for _, d := range all {
		if d.group() == group && !slices.Contains(ids, d.id()) {
			ids = append(ids, d.id())
		}
	}
	return ids
}

// of returns the deliveries of the message with the id.
func of(all []delivery, id string) []delivery {
	var some []delivery
	for _, d := range all {
		if d.id() == id {
			some = append(some, d)
		}
	}
	return some
}

// consumer runs a handler and remembers what it got.
type consumer struct {
	t       *testing.T
	limit   time.Duration
	changed chan struct{}
	cancel  context.CancelFunc
	ended   chan error
	once    sync.Once

	mu  sync.Mutex
	all history
}

// consume runs the handler until the test ends or stop is called.
func (s Subject) consume(t *testing.T, h queue.Handler) *consumer {
	ctx, cancel := context.WithCancel(context.Background())
	c := &consumer{
		t: t, limit: time.Minute + 5*s.Visibility,
		changed: make(chan struct{}, 1), cancel: cancel, ended: make(chan error, 1),
	}
	go func() { c.ended <- s.Run(ctx, c.watch(h)) }()
	t.Cleanup(c.stop)
	return c
}

// stop ends Run and checks that it ends well.
func (c *consumer) stop() {
	c.once.Do(func() {
		c.cancel()
		if err := <-c.ended; err != nil {
			c.t.Errorf("Run: %v", err)
		}
	})
}

func (c *consumer) watch(h queue.Handler) queue.Handler {
	return func(ctx context.Context, e events.SQSEvent) (events.SQSEventResponse, error) {
		if n := len(e.Records); n == 0 || n > queue.MaxBatch {
			c.t.Errorf("a batch of %d messages", n)
		}
		got := deliveries(e)
		c.note(func(h *history) { h.delivered = append(h.delivered, got...) })
		resp, err := h(ctx, e)
		if err == nil {
			failed := queue.Failed(e, resp, nil)
			handled := slices.DeleteFunc(got, func(d delivery) bool { return failed[d.MessageId] })
			c.note(func(h *history) { h.handled = append(h.handled, handled...) })
		}
		return resp, err
	}
}

func (c *consumer) note(change func(*history)) {
	c.mu.Lock()
	change(&c.all)
	c.mu.Unlock()
	select {
	case c.changed <- struct{}{}:
	default:
	}
}

func (c *consumer) history() history {
	c.mu.Lock()
	defer c.mu.Unlock()
	return history{slices.Clone(c.all.delivered), slices.Clone(c.all.handled)}
}

// await waits until the condition holds, and returns the history by then.
func (c *consumer) await(what string, holds func(history) bool) history {
	c.t.Helper()
	late := time.After(c.limit)
	for {
		h := c.history()
		if holds(h) {
			return h
		}
		select {
		case <-c.changed:
		case <-late:
			c.t.Fatalf("%s: did not happen; delivered so far: %s", what, summary(h.delivered))
		}
	}
}

// awaitHandled waits until all messages with the ids are handled.
func (c *consumer) awaitHandled(ids ...string) history {
	c.t.Helper()
	return c.await(fmt.Sprintf("handling %d messages", len(ids)), func(h history) bool {
		handled := map[string]bool{}
		for _, d := range h.handled {
			handled[d.id()] = true
		}
		for _, id := range ids {
			if !handled[id] {
				return false
			}
		}
		return true
	})
}

func summary(all []delivery) (s string) {
	for _, d := range all {
		s += fmt.Sprintf("%s(%d) ", d.id(), d.receives())
	}
	return s
}

func deliveries(e events.SQSEvent) []delivery {
	var all []delivery
	for _, m := range e.Records {
		all = append(all, delivery{m, time.Now()})
	}
	return all
}

// succeed handles everything.
func succeed(context.Context, events.SQSEvent) (events.SQSEventResponse, error) {
	return events.SQSEventResponse{}, nil
}

// failing returns a handler that fails the messages that fails says, and hands back
// those behind them in their groups, as handlers must.
func failing(fails func(delivery) bool) queue.Handler {
	return func(ctx context.Context, e events.SQSEvent) (events.SQSEventResponse, error) {
		var resp events.SQSEventResponse
		stuck := map[string]bool{}
		for _, d := range deliveries(e) {
			if stuck[d.group()] || fails(d) {
				stuck[d.group()] = true
				queue.HandBack(ctx, &resp, d.MessageId, nil)
			}
		}
		return resp, nil
	}
}

// numbered returns n messages of a group, and their ids.
func numbered(group string, n int) (msgs []queue.Message, ids []string) {
	for i := range n {
		id := fmt.Sprintf("%s-%03d", group, i)
		msgs = append(msgs, queue.Message{Group: group, ID: id, Body: "body of " + id})
		ids = append(ids, id)
	}
	return msgs, ids
}

func (s Subject) send(t *testing.T, msgs ...queue.Message) {
	t.Helper()
	err := s.Send(t.Context(), msgs...)
	if err != nil {
		t.Fatalf("Send: %v", err)
	}
}
