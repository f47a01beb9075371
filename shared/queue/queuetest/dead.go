package queuetest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/todoku/todoku/shared/queue"
)

// die makes dead letters of messages "dead-0" to "dead-N", in this order, with a
// handler that ends with an error until it is mended.
func (s Subject) die(t *testing.T, n int) (c *consumer, mend func(), msgs []queue.Message) {
	var mended atomic.Bool
	c = s.consume(t, func(_ context.Context, e events.SQSEvent) (events.SQSEventResponse, error) {
		if !mended.Load() && strings.HasPrefix(deliveries(e)[0].id(), "dead") {
			return events.SQSEventResponse{}, errors.New("relay is away")
		}
		return events.SQSEventResponse{}, nil
	})
	for i := range n {
		m := queue.Message{Group: "a", ID: fmt.Sprintf("dead-%d", i), Body: fmt.Sprintf("body %d", i)}
		s.send(t, m)
		msgs = append(msgs, m)
		c.await("the last receive", func(h history) bool { return len(of(h.delivered, m.ID)) == s.MaxReceives })
		time.Sleep(s.Visibility + time.Second)
	}
	return c, func() { mended.Store(true) }, msgs
}

func testDeadLetters(t *testing.T, s Subject) {
	c, _, msgs := s.die(t, 1)
	s.send(t, queue.Message{Group: "a", ID: "next", Body: "x"})
	h := c.awaitHandled("next")
	if got := len(of(h.delivered, "dead-0")); got != s.MaxReceives {
		t.Errorf("received %d times, want %d", got, s.MaxReceives)
	}
	dead, ok := s.Queue.(queue.DeadLetters)
	if !ok {
		return // the port leaves it to the adapter
	}
	letters, err := dead.ListDead(t.Context(), "", 10)
	if err != nil {
		t.Fatal(err)
	}
	want := []queue.DeadLetter{{Message: msgs[0], Receives: s.MaxReceives, Reason: "relay is away"}}
	if diff := cmp.Diff(want, letters, cmpopts.IgnoreFields(queue.DeadLetter{}, "Handle", "Died")); diff != "" {
		t.Errorf("dead letters (-want +got):\n%s", diff)
	}
	last := h.delivered[s.MaxReceives-1].at
	if died := letters[0].Died; died.Before(last.Add(-early)) || died.After(time.Now()) {
		t.Errorf("died at %v, received last at %v", died, last)
	}
}

func testRedrive(t *testing.T, s Subject) {
	dead, ok := s.Queue.(queue.DeadLetters)
	if !ok {
		t.Log("this queue's dead letters are redriven by other means")
		return
	}
	c, mend, msgs := s.die(t, 3)
	handles := s.checkPages(t, dead, msgs)
	mend()
	if n, err := dead.Redrive(t.Context(), handles[1]); n != 1 || err != nil {
		t.Errorf("Redrive of one: %d, %v", n, err)
	}
	c.awaitHandled("dead-1")
	if n, err := dead.Redrive(t.Context(), handles[1]); n != 0 || err != nil {
		t.Errorf("Redrive of one that lives: %d, %v", n, err)
	}
	if _, err := dead.Redrive(t.Context(), "nonsense"); !errors.Is(err, queue.ErrInvalid) {
		t.Errorf("Redrive of nonsense: %v", err)
	}
	if n, err := dead.Redrive(t.Context()); n != 2 || err != nil {
		t.Errorf("Redrive of all: %d, %v", n, err)
	}
	h := c.awaitHandled("dead-0", "dead-2")
	if diff := cmp.Diff([]string{"dead-1", "dead-0", "dead-2"}, firsts(h.handled, "a")); diff != "" {
		t.Errorf("order after the redrive (-want +got):\n%s", diff)
	}
	for _, m := range msgs {
		if got := of(h.delivered, m.ID)[s.MaxReceives].receives(); got != 1 {
			t.Errorf("%s: receive count %d after the redrive", m.ID, got)
		}
	}
	if left, err := dead.ListDead(t.Context(), "", 10); len(left) > 0 || err != nil {
		t.Errorf("dead letters left: %v, %v", left, err)
	}
}

// checkPages lists the dead letters one by one and returns their handles.
func (s Subject) checkPages(t *testing.T, dead queue.DeadLetters, want []queue.Message) (handles []string) {
	t.Helper()
	after := ""
	for _, m := range want {
		page, err := dead.ListDead(t.Context(), after, 1)
		if err != nil || len(page) != 1 {
			t.Fatalf("ListDead after %q: %v, %v", after, page, err)
		}
		if diff := cmp.Diff(m, page[0].Message); diff != "" {
			t.Errorf("dead letter (-want +got):\n%s", diff)
		}
		after = page[0].Handle
		handles = append(handles, after)
	}
	if rest, err := dead.ListDead(t.Context(), after, 1); len(rest) > 0 || err != nil {
		t.Errorf("after the last dead letter: %v, %v", rest, err)
	}
	if _, err := dead.ListDead(t.Context(), "nonsense", 1); !errors.Is(err, queue.ErrInvalid) {
		t.Errorf("ListDead after nonsense: %v", err)
	}
	return handles
}
