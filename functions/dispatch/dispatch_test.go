package dispatch_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/todoku/todoku/functions/dispatch"
	"github.com/todoku/todoku/functions/tick"
	"github.com/todoku/todoku/shared/alert"
	"github.com/todoku/todoku/shared/id"
	"github.com/todoku/todoku/shared/link"
	"github.com/todoku/todoku/shared/mail"
	"github.com/todoku/todoku/shared/mail/inbox"
	"github.com/todoku/todoku/shared/queue"
	boltqueue "github.com/todoku/todoku/shared/queue/bbolt"
	"github.com/todoku/todoku/shared/roster"
	"github.com/todoku/todoku/shared/table/bbolt/bbolttest"
)

// clock is a clock that a test moves; several goroutines read it.
type clock struct {
	mu  sync.Mutex
	now time.Time // zero: that of the bubble (testing/synctest) which the test runs in
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.now.IsZero() {
		return time.Now()
	}
	return c.now
}

func (c *clock) Advance(d time.Duration) {
	c.mu.Lock()
	bubble := c.now.IsZero()
	if !bubble {
		c.now = c.now.Add(d)
	}
	c.mu.Unlock()
	if bubble {
		time.Sleep(d)
	}
}

// bench is a dispatch function at work on an embedded queue.
type bench struct {
	t       *testing.T
	clock   *clock
	alerts  *alert.Store
	copies  *boltqueue.Queue
	inbox   *inbox.Inbox
	handler *dispatch.Handler
	alert   alert.Alert
	made    []alert.Made
}

func newBench(t *testing.T, families int) *bench {
	return newBenchAt(t, families, &clock{now: time.Date(2026, 9, 1, 8, 0, 0, 0, time.UTC)}, true)
}

func newBenchAt(t *testing.T, families int, c *clock, misbehave bool) *bench {
	t.Helper()
	b := &bench{t: t, clock: c}
	db, tab := bbolttest.OpenFile(t, b.clock.Now)
	b.alerts = &alert.Store{Table: tab, IDs: id.NewSource(b.clock.Now, rand.Reader), Now: b.clock.Now}
	log := slog.New(slog.NewTextHandler(t.Output(), nil))
	var err error
	b.copies, err = boltqueue.New(db, boltqueue.Config{
		Name: "copies", VisibilityTimeout: time.Hour, MaxReceives: 1000, Now: b.clock.Now, Log: log, Update: tab.Update, Misbehave: misbehave,
	})
	must(t, err)
	b.inbox = inbox.New(0, b.clock.Now)
	signer, err := link.NewSigner(link.Key{ID: 1, Secret: make([]byte, 32)})
	must(t, err)
	school := &roster.Store{Table: tab, IDs: b.alerts.IDs, Now: b.clock.Now}
	must(t, school.PutSchool(t.Context(), roster.School{ID: "school", Name: "見本小学校", Mail: "anzen@school.example.jp", Phone: "03-0000-0000"}))
	b.handler = &dispatch.Handler{
		Alerts: b.alerts, Roster: school, Queue: b.copies, Mail: b.inbox, Links: signer, BaseURL: "http://todoku.test",
		Worker: alert.Worker{ID: "worker", Lease: 10 * time.Minute}, Now: b.clock.Now, Jitter: func() float64 { return 0.5 }, Log: log,
	}
	b.fanOut(families)
	return b
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// fanOut makes an alert to families of one child and one contact, and queues the
// copies, three slots in two lanes.
func (b *bench) fanOut(families int) {
	b.t.Helper()
	a, _, err := b.alerts.Accept(b.t.Context(), alert.Draft{
		School: "school", Kind: alert.Safety, Subject: "台風", Body: "回答してください。", All: true, UsefulUntil: b.clock.Now().Add(6 * time.Hour),
	}, "")
	must(b.t, err)
	b.alert = a
	p := alert.Progress{Job: alert.FanOut, Copies: map[string]int64{}, Done: true}
	class := b.alerts.IDs.New()
	var msgs []queue.Message
	for i := range families {
		m := alert.Made{Class: class, Family: alert.Family{
			ID:        b.alerts.IDs.New(),
			Children:  []alert.Child{{ID: b.alerts.IDs.New(), Class: class, Guardians: []int{0}}},
			Guardians: []alert.Guardian{{ID: b.alerts.IDs.New()}},
			Copies: []alert.Copy{{
				Contact: b.alerts.IDs.New(), Mailbox: fmt.Sprintf("g%d@docomo.ne.jp", i),
				Lane: []string{"docomo", "docomo", "au"}[i%3], Slot: i % 3 % 2, State: alert.Queued, At: b.clock.Now(),
			}},
		}}
		c := &m.Family.Copies[0]
		p.Children++
		p.Copies[c.Lane]++
		b.made = append(b.made, m)
		msgs = append(msgs, alert.CopyRef{Ref: m.Ref(a.ID), Contact: c.Contact}.Message(c.Group(a), 0))
	}
	must(b.t, b.alerts.SaveProgress(b.t.Context(), a, &p, alert.CreateOps(a.ID, b.made)...))
	must(b.t, b.copies.Send(b.t.Context(), msgs...))
}

// runUntil works the queue until ok, moving the clock on whenever nothing is left
// to be done at its time.
func (b *bench) runUntil(ok func(alert.Status) bool) alert.Status {
	b.t.Helper()
	ctx, stop := context.WithCancel(b.t.Context())
	done := make(chan error, 1)
	go func() { done <- b.copies.Run(ctx, b.handler.Handle) }()
	defer func() { stop(); must(b.t, <-done) }()
	tk := &tick.Handler{Alerts: b.alerts, Jobs: b.copies, Copies: b.copies, Now: b.clock.Now, Log: b.handler.Log}
	for range 5000 {
		st, err := b.alerts.Status(b.t.Context(), b.alert)
		must(b.t, err)
		if ok(st) {
			return st
		}
		if !b.clock.now.IsZero() {
			b.settle()
		}
		b.clock.Advance(time.Second)
		b.copies.Wake()
		must(b.t, tk.Handle(b.t.Context(), events.CloudWatchEvent{}))
	}
	st, _ := b.alerts.Status(b.t.Context(), b.alert)
	b.t.Fatalf("it never came to that; copies: %v", st.Copies.By)
	return st
}

// settle waits until the queue has nothing more to do at the clock's time: what is
// visible then waits behind something hidden.
func (b *bench) settle() {
	for {
		s, err := b.copies.Stats()
		must(b.t, err)
		if s.InFlight == 0 && (s.Visible == 0 || s.Hidden > 0) {
			return
		}
		runtime.Gosched()
	}
}

func all(state alert.CopyState) func(alert.Status) bool {
	return func(st alert.Status) bool { return st.Copies.By[string(state)] == st.Copies.Total }
}

func (b *bench) subjects() map[string]int {
	n := map[string]int{}
	for _, e := range b.inbox.List() {
		n[e.To]++
	}
	return n
}

func TestEveryCopyOnce(t *testing.T) {
	b := newBench(t, 90)
	b.runUntil(all(alert.Sent))
	mails := b.subjects()
	for to, n := range mails {
		if n != 1 {
			t.Errorf("%d mails to one address %s", n, to)
		}
	}
	if len(mails) != 90 {
		t.Errorf("%d addresses were mailed, want 90", len(mails))
	}
	m := b.inbox.List()[0]
	if !strings.Contains(m.Text, "http://todoku.test/a/") || !strings.HasPrefix(m.Text, "台風\n回答してください。") {
		t.Errorf("the mail does not begin with the instruction, or has no link:\n%s", m.Text)
	}
}

func TestRefusedForGood(t *testing.T) {
	b := newBench(t, 9)
	b.inbox.FailWith(func(m *mail.Message) error {
		if m.To.Address == "g4@docomo.ne.jp" {
			return &mail.SendError{Permanent: true, Code: 550, Enhanced: "5.1.1", Text: "Unknown user"}
		}
		return nil
	})
	st := b.runUntil(func(st alert.Status) bool { return st.Copies.By["sent"] == 8 && st.Copies.By["refused"] == 1 })
	if st.Children.By["refused"] != 1 || st.Children.By["silent"] != 8 {
		t.Errorf("children: %v, want the one whose only copy was refused", st.Children.By)
	}
	f, err := b.alerts.Family(t.Context(), b.made[4].Ref(b.alert.ID))
	must(t, err)
	if c := f.Copies[0]; c.Code != 550 || c.Status != "5.1.1" || c.Reason != "Unknown user" {
		t.Errorf("the reason is not kept: %+v", c)
	}
}

// TestPutOff has every address deferred twice: each is tried a third time, and
// none of the others waits for it.
func TestPutOff(t *testing.T) {
	b := newBench(t, 12)
	var mu sync.Mutex
	tries := map[string]int{}
	b.inbox.FailWith(func(m *mail.Message) error {
		mu.Lock()
		defer mu.Unlock()
		tries[m.To.Address]++
		if tries[m.To.Address] <= 2 && m.To.Address != "g0@docomo.ne.jp" {
			return &mail.SendError{Code: 450, Enhanced: "4.2.0", Text: "greylisted"}
		}
		return nil
	})
	start := b.clock.Now()
	b.runUntil(all(alert.Sent))
	if took := b.clock.Now().Sub(start); took < dispatch.RetryDelays[0]+dispatch.RetryDelays[1] {
		t.Errorf("took %v, less than the two waits", took)
	}
	for to, n := range tries {
		if want := map[bool]int{true: 1, false: 3}[to == "g0@docomo.ne.jp"]; n != want {
			t.Errorf("%s: tried %d times, want %d", to, n, want)
		}
	}
}

// TestRelayAway has the relay away for ten minutes: nothing is lost, nothing is
// given up, nothing is sent twice.
func TestRelayAway(t *testing.T) {
	b := newBench(t, 30)
	back := b.clock.Now().Add(10 * time.Minute)
	b.inbox.FailWith(func(*mail.Message) error {
		if b.clock.Now().Before(back) {
			return &mail.SendError{Scope: mail.ScopeOperator, Text: "connection refused", Err: errors.New("refused")}
		}
		return nil
	})
	st := b.runUntil(all(alert.Sent))
	if b.inbox.Total() != 30 || st.Again != 0 {
		t.Errorf("%d mails, %d again; want 30, 0", b.inbox.Total(), st.Again)
	}
}

func TestNothingLeavesAfterTheEnd(t *testing.T) {
	for name, end := range map[string]func(b *bench){
		"closed": func(b *bench) {
			_, err := b.alerts.Close(b.t.Context(), b.alert.ID)
			must(b.t, err)
		},
		"expired": func(b *bench) { b.clock.Advance(6 * time.Hour) },
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, 15)
			end(b)
			b.runUntil(all(alert.Cancelled))
			if n := b.inbox.Total(); n > 0 {
				t.Errorf("%d mails left after the end", n)
			}
		})
	}
}

// takeInHand has a worker take copies of different slots in hand.
func (b *bench) takeInHand(w alert.Worker, copies ...int) {
	b.t.Helper()
	for _, i := range copies {
		c := &b.made[i].Family.Copies[0]
		h, err := b.alerts.Hand(b.t.Context(), b.alert.ID, c.Group(b.alert))
		must(b.t, err)
		ref := alert.CopyRef{Ref: b.made[i].Ref(b.alert.ID), Contact: c.Contact}
		must(b.t, b.alerts.Editor().Take(b.t.Context(), h, w, b.clock.Now(), []alert.CopyRef{ref}))
	}
}

// TestDeadWorkersClaim has a worker die between sending and recording: its
// copies are sent again when the claim ends, not before, and counted.
func TestDeadWorkersClaim(t *testing.T) {
	b := newBench(t, 3)
	dead := alert.Worker{ID: "dead", Lease: 5 * time.Minute}
	b.takeInHand(dead, 1)
	start := b.clock.Now()
	st := b.runUntil(all(alert.Sent))
	if st.Again != 1 {
		t.Errorf("again = %d, want 1", st.Again)
	}
	if took := b.clock.Now().Sub(start); took < dead.Lease {
		t.Errorf("the claim was taken over after %v, before it ended", took)
	}
}

// TestAloneTakesOverAtOnce is the restart of a single machine.
func TestAloneTakesOverAtOnce(t *testing.T) {
	b := newBench(t, 3)
	b.handler.Worker.Alone = true
	dead := alert.Worker{ID: "dead", Lease: time.Hour}
	b.takeInHand(dead, 1)
	start := b.clock.Now()
	st := b.runUntil(all(alert.Sent))
	if took := b.clock.Now().Sub(start); st.Again != 1 || took > 10*time.Minute {
		t.Errorf("again = %d after %v; want 1, long before the hour is over", st.Again, took)
	}
}

// brief is a context with a second left, which is less than what is kept for recording,
// however slow the machine is.
type brief struct{ context.Context }

// Deadline implements context.Context.
func (brief) Deadline() (time.Time, bool) { return time.Now().Add(time.Second), true }

// TestRunsOutOfTime has an invocation that ends before it can send: what it has
// claimed is put back.
func TestRunsOutOfTime(t *testing.T) {
	b := newBench(t, 1)
	ref := alert.CopyRef{Ref: b.made[0].Ref(b.alert.ID), Contact: b.made[0].Family.Copies[0].Contact}
	m := ref.Message("docomo#0", 0)
	ctx := brief{t.Context()}
	r, err := b.handler.Handle(ctx, events.SQSEvent{Records: []events.SQSMessage{{MessageId: "m", Body: m.Body, ReceiptHandle: "r"}}})
	if err != nil || len(r.BatchItemFailures) != 1 || b.inbox.Total() != 0 {
		t.Errorf("%v, %v, %d mails; want it handed back and nothing sent", r, err, b.inbox.Total())
	}
	f, err := b.alerts.Family(t.Context(), ref.Ref)
	must(t, err)
	if c := f.Copies[0]; c.State != alert.Queued || c.Again != 0 {
		t.Errorf("the copy is %s, again %d; want it queued as before", c.State, c.Again)
	}
}

// TestNotACopy has messages of no copy before one of a copy: they are dropped, and
// hold up nobody.
func TestNotACopy(t *testing.T) {
	b := newBench(t, 1)
	good := alert.CopyRef{Ref: b.made[0].Ref(b.alert.ID), Contact: b.made[0].Family.Copies[0].Contact}
	noFamily, noAlert, noContact := good, good, good
	noFamily.Family, noAlert.Alert, noContact.Contact = b.alerts.IDs.New(), b.alerts.IDs.New(), b.alerts.IDs.New()
	var e events.SQSEvent
	for i, body := range []string{"{", noAlert.Message("g", 0).Body, noFamily.Message("g", 0).Body, noContact.Message("g", 0).Body, good.Message("g", 0).Body} {
		e.Records = append(e.Records, events.SQSMessage{MessageId: fmt.Sprint(i), Body: body, ReceiptHandle: "r"})
	}
	r, err := b.handler.Handle(t.Context(), e)
	if err != nil || len(r.BatchItemFailures) != 0 || b.inbox.Total() != 1 {
		t.Errorf("%v, %v, %d mails; want nothing handed back, and the copy sent", r, err, b.inbox.Total())
	}
}

// event returns a batch of messages of one group that name the copies.
func (b *bench) event(copies ...int) events.SQSEvent {
	var e events.SQSEvent
	for i, n := range copies {
		ref := alert.CopyRef{Ref: b.made[n].Ref(b.alert.ID), Contact: b.made[n].Family.Copies[0].Contact}
		e.Records = append(e.Records, events.SQSMessage{
			MessageId: fmt.Sprint(i), Body: ref.Message("docomo#0", 0).Body, ReceiptHandle: "r",
			Attributes: map[string]string{queue.AttrGroup: "docomo#0"},
		})
	}
	return e
}

// TestTwiceInABatch has a copy queued twice, as after a step of a fan-out that was
// done again.
func TestTwiceInABatch(t *testing.T) {
	b := newBench(t, 4)
	r, err := b.handler.Handle(t.Context(), b.event(0, 3, 0))
	if err != nil || len(r.BatchItemFailures) != 0 || b.inbox.Total() != 2 {
		t.Errorf("%v, %v, %d mails; want nothing handed back, and two mails", r, err, b.inbox.Total())
	}
}

// TestSlowBatch has the queue hand a slot out again while its first batch is still
// at work in the same process: nothing is sent twice.
func TestSlowBatch(t *testing.T) {
	b := newBench(t, 1)
	b.handler.Worker.Alone = true
	var again events.SQSEventResponse
	b.inbox.FailWith(func(*mail.Message) error {
		again, _ = b.handler.Handle(t.Context(), b.event(0))
		return nil
	})
	r, err := b.handler.Handle(t.Context(), b.event(0))
	if err != nil || len(r.BatchItemFailures) != 0 || len(again.BatchItemFailures) != 1 || b.inbox.Total() != 1 {
		t.Errorf("%v, %v, meanwhile %v, %d mails; want only the second handed back, and one mail", r, err, again, b.inbox.Total())
	}
	b.inbox.FailWith(nil)
	r, err = b.handler.Handle(t.Context(), b.event(0))
	if err != nil || len(r.BatchItemFailures) != 0 || b.inbox.Total() != 1 {
		t.Errorf("afterwards %v, %v, %d mails; want it taken as done", r, err, b.inbox.Total())
	}
}
