package queuetest

import (
	"context"
	"crypto/md5"
	"fmt"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/google/go-cmp/cmp"
	"github.com/todoku/todoku/shared/queue"
)

func testOrder(t *testing.T, s Subject) {
	msgs, ids := numbered("a", 35)
	s.send(t, msgs[:1]...)
	s.send(t, msgs[1:24]...)
	c := s.consume(t, succeed)
	s.send(t, msgs[24:]...)
	h := c.awaitHandled(ids...)
	if diff := cmp.Diff(ids, firsts(h.delivered, "a")); diff != "" {
		t.Errorf("order of a group (-sent +delivered):\n%s", diff)
	}
}

func testEvent(t *testing.T, s Subject) {
	msgs, ids := numbered("lane#1", 3)
	msgs[1].Body = "件名：下校の連絡\n\"本文\"\t<&>"
	before := time.Now().Add(-2 * time.Second) // a server's clock is another clock
	s.send(t, msgs...)
	h := s.consume(t, succeed).awaitHandled(ids...)
	seen := map[string]string{}
	sequence := ""
	for i, m := range msgs {
		d := of(h.delivered, m.ID)[0]
		checkRecord(t, d, m, before)
		if d.Attributes[queue.AttrSequence] <= sequence {
			t.Errorf("message %d: sequence %s is not after %s", i, d.Attributes[queue.AttrSequence], sequence)
		}
		sequence = d.Attributes[queue.AttrSequence]
		if other, ok := seen[d.MessageId]; ok {
			t.Errorf("messages %s and %s have one message id", other, m.ID)
		}
		seen[d.MessageId] = m.ID
	}
}

func checkRecord(t *testing.T, d delivery, m queue.Message, before time.Time) {
	t.Helper()
	got := []string{d.group(), d.id(), d.Body, d.Md5OfBody, d.EventSource, d.Attributes[queue.AttrReceiveCount]}
	sum := fmt.Sprintf("%x", md5.Sum([]byte(m.Body)))
	want := []string{m.Group, m.ID, m.Body, sum, "aws:sqs", "1"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("record (-want +got):\n%s", diff)
	}
	if d.MessageId == "" || d.ReceiptHandle == "" {
		t.Error("a record without message id or receipt")
	}
	ms, err := strconv.ParseInt(d.Attributes[queue.AttrSent], 10, 64)
	if sent := time.UnixMilli(ms); err != nil || sent.Before(before) || sent.After(d.at.Add(2*time.Second)) {
		t.Errorf("sent at %q: not between Send and delivery", d.Attributes[queue.AttrSent])
	}
}

// testIndependence lets a group sit in its handler, and another fail, until a third
// is through.
func testIndependence(t *testing.T, s Subject) {
	release := make(chan struct{})
	fail := failing(func(d delivery) bool { return d.group() == "failing" })
	c := s.consume(t, func(ctx context.Context, e events.SQSEvent) (events.SQSEventResponse, error) {
		if e.Records[0].Attributes[queue.AttrGroup] == "stuck" {
			<-release
		}
		return fail(ctx, e)
	})
	defer c.stop()
	defer close(release)
	s.send(t, queue.Message{Group: "stuck", ID: "stuck", Body: "x"})
	c.await("delivery of stuck", func(h history) bool { return len(of(h.delivered, "stuck")) > 0 })
	s.send(t, queue.Message{Group: "failing", ID: "failing", Body: "x"})
	c.await("delivery of failing", func(h history) bool { return len(of(h.delivered, "failing")) > 0 })
	msgs, ids := numbered("free", 25)
	s.send(t, msgs...)
	h := c.awaitHandled(ids...)
	if len(of(h.handled, "stuck")) > 0 {
		t.Error("the stuck message was handled meanwhile")
	}
}

// testOneInFlight counts handlers at work on a group, under load.
func testOneInFlight(t *testing.T, s Subject) {
	const groups, each = 8, 40
	var all []string
	var sends [groups][]queue.Message
	for g := range groups {
		msgs, ids := numbered(fmt.Sprintf("g%d", g), each)
		sends[g], all = msgs, append(all, ids...)
	}
	for i := range each {
		var mixed []queue.Message
		for g := range groups {
			mixed = append(mixed, sends[g][i])
		}
		s.send(t, mixed...)
	}
	w := &watermark{now: map[string]int{}}
	c := s.consume(t, w.handle)
	h := c.awaitHandled(all...)
	c.stop()
	if len(w.over) > 0 {
		t.Errorf("groups with two batches in flight: %v", w.over)
	}
	for g := range groups {
		_, ids := numbered(fmt.Sprintf("g%d", g), each)
		if diff := cmp.Diff(ids, firsts(h.delivered, fmt.Sprintf("g%d", g))); diff != "" {
			t.Errorf("order of group %d (-sent +delivered):\n%s", g, diff)
		}
	}
	if w.most < 2 {
		t.Error("no two handlers ran at once")
	}
}

// watermark counts the handlers at work, in all and for each group.
type watermark struct {
	mu      sync.Mutex
	now     map[string]int
	running int
	most    int
	over    []string
}

func (w *watermark) handle(_ context.Context, e events.SQSEvent) (events.SQSEventResponse, error) {
	groups := map[string]bool{}
	for _, d := range deliveries(e) {
		groups[d.group()] = true
	}
	w.count(groups, 1)
	time.Sleep(5 * time.Millisecond) // long enough for another to come in wrongly
	w.count(groups, -1)
	return events.SQSEventResponse{}, nil
}

func (w *watermark) count(groups map[string]bool, n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.running += n
	w.most = max(w.most, w.running)
	for g := range groups {
		w.now[g] += n
		if w.now[g] > 1 {
			w.over = append(w.over, g)
		}
	}
}

func testManySenders(t *testing.T, s Subject) {
	const senders, each = 8, 30
	c := s.consume(t, succeed)
	var wg sync.WaitGroup
	var all []string
	for n := range senders {
		msgs, ids := numbered(fmt.Sprintf("sender%d", n), each)
		all = append(all, ids...)
		wg.Go(func() {
			for _, m := range msgs {
				if err := s.Send(context.Background(), m); err != nil {
					t.Errorf("Send: %v", err)
				}
			}
		})
	}
	wg.Wait()
	h := c.awaitHandled(all...)
	for n := range senders {
		group := fmt.Sprintf("sender%d", n)
		_, ids := numbered(group, each)
		if diff := cmp.Diff(ids, firsts(h.delivered, group)); diff != "" {
			t.Errorf("order of %s (-sent +delivered):\n%s", group, diff)
		}
	}
}

// testStop ends Run in the middle of a handler.
func testStop(t *testing.T, s Subject) {
	first, second := queue.Message{Group: "a", ID: "first", Body: "x"}, queue.Message{Group: "a", ID: "second", Body: "x"}
	s.send(t, first)
	entered, release := make(chan struct{}, 10), make(chan struct{})
	c := s.consume(t, func(ctx context.Context, _ events.SQSEvent) (events.SQSEventResponse, error) {
		entered <- struct{}{}
		<-release
		if err := ctx.Err(); err != nil {
			t.Errorf("the handler's context has ended: %v", err)
		}
		return events.SQSEventResponse{}, nil
	})
	<-entered
	c.cancel()
	s.send(t, second)
	time.Sleep(time.Second)
	if len(c.ended) > 0 {
		t.Error("Run returned before its handler did")
	}
	close(release)
	c.stop()
	h := c.history()
	if len(of(h.handled, "first")) != 1 || len(of(h.delivered, "second")) != 0 {
		t.Errorf("after the stop: delivered %s", summary(h.delivered))
	}
	again := s.consume(t, succeed).awaitHandled("second")
	if got := len(of(again.delivered, "first")); got > 1 {
		t.Errorf("the message handled before the stop came again %d times", got)
	}
}
