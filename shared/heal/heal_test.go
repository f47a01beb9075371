package heal_test

import (
	"context"
	"crypto/rand"
	"slices"
	"testing"
	"time"

	"github.com/todoku/todoku/shared/alert"
	"github.com/todoku/todoku/shared/heal"
	"github.com/todoku/todoku/shared/id"
	"github.com/todoku/todoku/shared/lane"
	"github.com/todoku/todoku/shared/lane/gate"
	"github.com/todoku/todoku/shared/queue"
	"github.com/todoku/todoku/shared/table"
	"github.com/todoku/todoku/shared/table/bbolt/bbolttest"
)

// bench is a sweeper whose jobs nobody does.
type bench struct {
	*testing.T
	now     time.Time
	table   table.Table
	sweeper *heal.Sweeper
	waiting int // messages in the copies' queue
	jobs    []alert.Job
}

func (b *bench) Send(_ context.Context, msgs ...queue.Message) error {
	for _, m := range msgs {
		j, err := alert.ParseJobRef(m.Body)
		b.must(err)
		b.jobs = append(b.jobs, j.Job)
	}
	return nil
}

func (b *bench) must(err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}

func newBench(t *testing.T) *bench {
	b := &bench{T: t, now: time.Date(2026, 9, 1, 8, 0, 0, 0, time.UTC)}
	now := func() time.Time { return b.now }
	tab := bbolttest.Open(t, now)
	lanes, err := lane.Load(nil)
	b.must(err)
	b.table = tab
	b.sweeper = &heal.Sweeper{
		Records: heal.Records{Table: tab}, Events: true, Jobs: b, Now: now,
		Alerts:  &alert.Store{Table: tab, IDs: id.NewSource(now, rand.Reader), Now: now},
		Gate:    &gate.Gate{Table: tab, Lanes: lanes, Events: true, Now: now, Dice: func() float64 { return 0 }},
		Waiting: func(context.Context) (int, error) { return b.waiting, nil },
	}
	return b
}

func (b *bench) accept() alert.Alert {
	a, _, err := b.sweeper.Alerts.Accept(b.Context(), alert.Draft{
		School: "s", Kind: alert.Safety, Subject: "台風", Body: "回答してください。", All: true, UsefulUntil: b.now.Add(3 * time.Hour),
	}, "")
	b.must(err)
	return a
}

// fannedOut makes the record of a family with one copy in a state, and says that all is made.
func (b *bench) fannedOut(a alert.Alert, state alert.CopyState) { b.made(a, alert.Copy{State: state}) }

func (b *bench) made(a alert.Alert, c alert.Copy) {
	c.Contact, c.Lane, c.At = "k", "docomo", b.now
	f := alert.Family{ID: "f", Children: []alert.Child{{ID: "c", Class: "1", Guardians: []int{0}}}, Guardians: []alert.Guardian{{ID: "g"}},
		Copies: []alert.Copy{c}}
	p := alert.Progress{Job: alert.FanOut, Done: true, Families: 1, Children: 1, Copies: map[string]int64{"docomo": 1}}
	b.must(b.sweeper.Alerts.SaveProgress(b.Context(), a, &p, alert.CreateOps(a.ID, []alert.Made{{Class: "1", Family: f}})...))
}

// after lets minutes pass, with a run of the sweeper in each, and returns what is stuck.
func (b *bench) after(minutes int) heal.State {
	b.Helper()
	for range minutes {
		b.now = b.now.Add(time.Minute)
		b.must(b.sweeper.Run(b.Context()))
	}
	s, err := b.sweeper.State(b.Context())
	b.must(err)
	return s
}

// TestSweep has each kind of thing get stuck: it is counted, and put right if it can be.
func TestSweep(t *testing.T) {
	t.Run("all is well", func(t *testing.T) {
		b := newBench(t)
		b.fannedOut(b.accept(), alert.Delivered)
		b.after(90)
		if _, err := b.table.Get(t.Context(), table.Key{Partition: "heal", Sort: "state"}); err == nil || len(b.jobs) > 0 {
			t.Errorf("something was written: %v, jobs %v", err, b.jobs)
		}
	})
	t.Run("accepted and not fanned out", func(t *testing.T) {
		b := newBench(t)
		a := b.accept()
		if s := b.after(3); s.Stuck[heal.FanOut] != 0 {
			t.Errorf("too early: %+v", s)
		}
		if s := b.after(1); s.Stuck[heal.FanOut] != 1 || s.Healed[heal.FanOut] != 0 || !slices.Equal(b.jobs, []alert.Job{alert.FanOut}) {
			t.Errorf("%+v, jobs %v", s, b.jobs)
		}
		b.after(5)
		b.fannedOut(a, alert.Delivered)
		if s := b.after(2); s.Stuck[heal.FanOut] != 0 || s.Healed[heal.FanOut] != 1 {
			t.Errorf("one alert, begun anew several times: %+v", s)
		}
	})
	t.Run("ticks that are not exact", func(t *testing.T) {
		b := newBench(t)
		b.accept()
		for i := range 20 {
			b.now = b.now.Add(time.Minute + []time.Duration{1, -1}[i%2]*100*time.Millisecond)
			b.must(b.sweeper.Run(t.Context()))
		}
		if len(b.jobs) != 17 { // one a tick from the fourth minute on
			t.Errorf("%d looks found it, want 17", len(b.jobs))
		}
	})
	t.Run("fell out of the queue", func(t *testing.T) {
		b := newBench(t)
		a := b.accept()
		b.fannedOut(a, alert.Queued)
		b.waiting = 1
		if s := b.after(20); s.Stuck[heal.Lost] != 0 {
			t.Errorf("while the queue has it: %+v", s)
		}
		b.waiting = 0
		s := b.after(5)
		if s.Stuck[heal.Lost] != 1 || s.Healed[heal.Lost] != 1 || len(b.jobs) != 1 || !b.jobs[0].Requeues() {
			t.Errorf("%+v, jobs %v", s, b.jobs)
		}
		b.must(b.table.Write(t.Context(), "", alert.DueOp(alert.Due{CopyRef: alert.CopyRef{Ref: alert.Ref{Alert: a.ID}}}, b.now.Add(time.Hour))))
		if s := b.after(9); s.Healed[heal.Lost] != 1 || s.Stuck[heal.Lost] != 0 {
			t.Errorf("what was put aside for a time is not lost: %+v", s)
		}
	})
	for _, c := range []struct {
		name         string
		events, away bool
		lost         int64
	}{
		{"put off, then fell out of the queue", false, false, 1},
		{"put off, then fell out of the queue, where events come", true, false, 1},
		{"put off in the operator's hands", true, true, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBench(t)
			b.sweeper.Events = c.events
			b.made(b.accept(), alert.Copy{State: alert.Delayed, Away: c.away})
			if s := b.after(8); s.Stuck[heal.Lost] != c.lost || int64(len(b.jobs)) != c.lost {
				t.Errorf("%+v, jobs %v", s, b.jobs)
			}
		})
	}
	t.Run("in a dead worker's hands", func(t *testing.T) {
		b := newBench(t)
		a := b.accept()
		b.fannedOut(a, alert.Queued)
		b.waiting = 1
		h, err := b.sweeper.Alerts.Hand(t.Context(), a.ID, "docomo#1")
		b.must(err)
		ref := alert.CopyRef{Ref: alert.Ref{Alert: a.ID, Class: "1", Family: "f"}, Contact: "k"}
		b.must(b.sweeper.Alerts.Editor().Take(t.Context(), h, alert.Worker{ID: "w", Lease: 10 * time.Minute}, b.now, []alert.CopyRef{ref}))
		if s := b.after(9); s.Stuck[heal.Hand] != 0 {
			t.Errorf("while it may live: %+v", s)
		}
		if s := b.after(1); s.Stuck[heal.Hand] != 1 {
			t.Errorf("after its lease: %+v", s)
		}
	})
	t.Run("sent without verdict", func(t *testing.T) {
		b := newBench(t)
		b.fannedOut(b.accept(), alert.Sent)
		if s := b.after(59); s.Stuck[heal.Verdict] != 0 {
			t.Errorf("too early: %+v", s)
		}
		if s := b.after(1); s.Stuck[heal.Verdict] != 1 {
			t.Errorf("after an hour: %+v", s)
		}
	})
	t.Run("a lane that is held too long", func(t *testing.T) {
		b := newBench(t)
		b.fannedOut(b.accept(), alert.Delivered)
		b.must(b.sweeper.Gate.Hold(t.Context(), "docomo", gate.Hold{Since: b.now, Why: "test"}))
		if s := b.after(29); s.Stuck[heal.Lane] != 0 {
			t.Errorf("too early: %+v", s)
		}
		if s := b.after(1); s.Stuck[heal.Lane] != 1 {
			t.Errorf("after half an hour: %+v", s)
		}
		b.must(b.sweeper.Gate.Release(t.Context(), "docomo"))
		if s := b.after(1); len(s.Stuck) != 0 {
			t.Errorf("let go: %+v", s)
		}
	})
}
