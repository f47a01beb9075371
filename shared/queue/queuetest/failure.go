package queuetest

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/google/go-cmp/cmp"
	"github.com/todoku/todoku/shared/queue"
)

// early is how much sooner than promised a message may come back: a server's timer
// starts when it sends the message, not when the handler gets it.
const early = 200 * time.Millisecond

func testPartialFailure(t *testing.T, s Subject) {
	bad, badIDs := numbered("bad", 5)
	good, goodIDs := numbered("good", 5)
	s.send(t, bad...)
	s.send(t, good...)
	h := s.consume(t, failing(func(d delivery) bool {
		return d.id() == "bad-002" && d.receives() == 1
	})).awaitHandled(append(badIDs, goodIDs...)...)
	if diff := cmp.Diff(badIDs, firsts(h.handled, "bad")); diff != "" {
		t.Errorf("order in which the failing group was handled (-want +got):\n%s", diff)
	}
	seen := of(h.delivered, "bad-002")
	retry := s.Retry
	if retry == 0 {
		retry = s.Visibility
	}
	if waited := seen[1].at.Sub(seen[0].at); waited < retry-early || waited > retry+2*time.Second-early {
		t.Errorf("the failed message came back after %v, not after %v", waited, retry)
	}
	for _, id := range append(goodIDs, "bad-000", "bad-001") {
		if of(h.handled, id)[0].at.After(seen[1].at) {
			t.Errorf("%s waited for the failed message", id)
		}
	}
}

func testBatchFailure(t *testing.T, s Subject) {
	for _, way := range []struct {
		name string
		end  func() (events.SQSEventResponse, error)
	}{
		{"error", func() (events.SQSEventResponse, error) { return events.SQSEventResponse{}, errors.New("no") }},
		{"panic", func() (events.SQSEventResponse, error) { panic("no") }},
		{"unknown", func() (events.SQSEventResponse, error) { return failureOf("nobody"), nil }},
		{"empty", func() (events.SQSEventResponse, error) { return failureOf(""), nil }},
	} {
		msgs, ids := numbered(way.name, 3)
		s.send(t, msgs...)
		c := s.consume(t, func(_ context.Context, e events.SQSEvent) (events.SQSEventResponse, error) {
			for _, d := range deliveries(e) {
				if d.group() == way.name && d.receives() == 1 {
					return way.end()
				}
			}
			return events.SQSEventResponse{}, nil
		})
		h := c.await("the second delivery", func(h history) bool { return len(of(h.handled, ids[2])) > 0 })
		c.stop()
		for _, id := range ids {
			if got := of(h.delivered, id); len(got) < 2 {
				t.Errorf("%s: the batch did not fail; delivered %s", way.name, summary(h.delivered))
			}
		}
	}
}

func failureOf(id string) events.SQSEventResponse {
	return events.SQSEventResponse{BatchItemFailures: []events.SQSBatchItemFailure{{ItemIdentifier: id}}}
}

// testOverrun keeps a handler for longer than the visibility timeout: the message
// is handed out again, and the receipt of the first time is worth nothing.
func testOverrun(t *testing.T, s Subject) {
	second := make(chan struct{})
	var once sync.Once
	s.send(t, queue.Message{Group: "a", ID: "slow", Body: "x"})
	c := s.consume(t, func(_ context.Context, e events.SQSEvent) (events.SQSEventResponse, error) {
		if deliveries(e)[0].receives() > 1 {
			once.Do(func() { close(second) })
			return events.SQSEventResponse{}, nil
		}
		<-second
		err := s.Postpone(context.Background(), time.Second, e.Records[0].ReceiptHandle)
		if !errors.Is(err, queue.ErrNotInFlight) {
			t.Errorf("Postpone by the handler that overran: %v", err)
		}
		return events.SQSEventResponse{}, nil
	})
	h := c.await("the second delivery", func(h history) bool { return len(of(h.handled, "slow")) == 2 })
	if waited := h.delivered[1].at.Sub(h.delivered[0].at); waited < s.Visibility-early {
		t.Errorf("handed out again after %v, before the visibility timeout", waited)
	}
	if got := h.delivered[1].receives(); got != 2 {
		t.Errorf("receive count of the second delivery: %d", got)
	}
	time.Sleep(2 * s.Visibility)
	if h = c.history(); len(h.delivered) != 2 {
		t.Errorf("a handled message was delivered again: %s", summary(h.delivered))
	}
}

func testReceiveCount(t *testing.T, s Subject) {
	s.send(t, queue.Message{Group: "a", ID: "m", Body: "x"})
	h := s.consume(t, failing(func(d delivery) bool { return d.receives() < s.MaxReceives })).awaitHandled("m")
	first := h.delivered[0].Attributes[queue.AttrFirstReceive]
	for i, d := range of(h.delivered, "m") {
		if d.receives() != i+1 {
			t.Errorf("delivery %d says it is number %d", i+1, d.receives())
		}
		if got := d.Attributes[queue.AttrFirstReceive]; got != first || got == "" {
			t.Errorf("delivery %d: first receive %q, said %q at first", i+1, got, first)
		}
	}
}

func testDuplicates(t *testing.T, s Subject) {
	original := queue.Message{Group: "a", ID: "m", Body: "original"}
	duplicate := queue.Message{Group: "a", ID: "m", Body: "duplicate"}
	s.send(t, original, duplicate)
	s.send(t, duplicate)
	c := s.consume(t, succeed)
	c.awaitHandled("m")
	s.send(t, duplicate, queue.Message{Group: "a", ID: "last", Body: "x"})
	c.awaitHandled("last")
	time.Sleep(time.Second)
	for _, d := range c.history().delivered {
		if d.Body == "duplicate" {
			t.Fatal("a duplicate was delivered")
		}
	}
}

func testDedupInterval(t *testing.T, s Subject) {
	if !s.Hours {
		t.Log("only the beginning of the interval was tested: this queue's clock cannot be moved")
		return
	}
	c := s.consume(t, succeed)
	for i, wait := range []time.Duration{0, queue.DedupInterval - time.Second, time.Second} {
		time.Sleep(wait)
		s.send(t, queue.Message{Group: "a", ID: "m", Body: []string{"first", "too soon", "in time"}[i]})
	}
	h := c.await("delivery after the interval", func(h history) bool {
		return len(h.handled) > 0 && h.handled[len(h.handled)-1].Body == "in time"
	})
	for _, d := range h.delivered {
		if d.Body == "too soon" {
			t.Error("a duplicate within the interval was delivered")
		}
	}
}

func testPostpone(t *testing.T, s Subject) {
	for _, test := range []struct {
		name string
		d    time.Duration
	}{
		{"now", 0},
		{"sooner", s.Visibility - 2*time.Second},
		{"later", s.Visibility + 2*time.Second},
	} {
		msgs, ids := numbered(test.name, 1)
		other, otherIDs := numbered("other-than-"+test.name, 3)
		next := queue.Message{Group: test.name, ID: "next-" + test.name, Body: "x"}
		s.send(t, msgs...)
		c := s.consume(t, s.postponing(t, ids[0], test.d))
		c.await("the first delivery", func(h history) bool { return len(of(h.delivered, ids[0])) > 0 })
		s.send(t, append(other, next)...)
		h := c.awaitHandled(append(otherIDs, ids[0], next.ID)...)
		c.stop()
		s.checkPostponed(t, h, ids[0], next.ID, test.d)
	}
}

// postponing returns a handler that postpones the message with the id once.
func (s Subject) postponing(t *testing.T, id string, d time.Duration) queue.Handler {
	first := func(m delivery) bool { return m.id() == id && m.receives() == 1 }
	fail := failing(first)
	return func(ctx context.Context, e events.SQSEvent) (events.SQSEventResponse, error) {
		for _, m := range deliveries(e) {
			if !first(m) {
				continue
			}
			if err := s.Postpone(ctx, d, m.ReceiptHandle); err != nil {
				t.Errorf("Postpone: %v", err)
			}
		}
		return fail(ctx, e)
	}
}

func (s Subject) checkPostponed(t *testing.T, h history, id, next string, d time.Duration) {
	t.Helper()
	got := of(h.delivered, id)
	if waited := got[1].at.Sub(got[0].at); waited < d-early || waited > d+2*time.Second-early {
		t.Errorf("%s was postponed by %v and came after %v", id, d, waited)
	}
	if of(h.delivered, next)[0].at.Before(got[1].at) {
		t.Errorf("%s stepped over the postponed message of its group", next)
	}
	for _, other := range h.handled {
		if other.group() != got[0].group() && d > time.Second && other.receives() == 1 && other.at.After(got[1].at) {
			t.Errorf("%s of another group waited for the postponed message", other.id())
		}
	}
}

// testLongPostpone postpones for longer than the visibility timeout, and then
// overruns that: the message stays hidden all the same.
func testLongPostpone(t *testing.T, s Subject) {
	const d = 2 * time.Second
	s.send(t, queue.Message{Group: "a", ID: "m", Body: "x"})
	postpone := s.postponing(t, "m", 2*s.Visibility)
	h := s.consume(t, func(ctx context.Context, e events.SQSEvent) (events.SQSEventResponse, error) {
		resp, err := postpone(ctx, e)
		if deliveries(e)[0].receives() == 1 {
			time.Sleep(s.Visibility + d)
		}
		return resp, err
	}).awaitHandled("m")
	got := of(h.delivered, "m")
	if waited := got[1].at.Sub(got[0].at); waited < 2*s.Visibility-early {
		t.Errorf("postponed by %v and came after %v", 2*s.Visibility, waited)
	}
}

func testNotInFlight(t *testing.T, s Subject) {
	s.send(t, queue.Message{Group: "a", ID: "m", Body: "x"})
	c := s.consume(t, succeed)
	h := c.awaitHandled("m")
	c.stop()
	receipt := h.delivered[0].ReceiptHandle
	for _, test := range []struct {
		name    string
		receipt string
		d       time.Duration
		want    error
	}{
		{"handled", receipt, time.Second, queue.ErrNotInFlight},
		{"unknown", "nonsense", time.Second, queue.ErrNotInFlight},
		{"empty", "", time.Second, queue.ErrNotInFlight},
		{"negative", receipt, -time.Second, queue.ErrInvalid},
		{"too long", receipt, queue.MaxDelay + time.Second, queue.ErrInvalid},
	} {
		err := s.Postpone(t.Context(), test.d, test.receipt)
		if !errors.Is(err, test.want) {
			t.Errorf("%s: got %v, want %v", test.name, err, test.want)
		}
	}
}
