package dispatch_test

import (
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/todoku/todoku/shared/alert"
	"github.com/todoku/todoku/shared/lane"
	"github.com/todoku/todoku/shared/lane/gate"
	"github.com/todoku/todoku/shared/mail"
)

// gated runs a test in a bubble, on a bench whose lanes have a gate, as on one machine.
// The queue behaves: one that dawdles would hide when a lane lets go.
func gated(t *testing.T, families int, test func(t *testing.T, b *bench)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		b := newBenchAt(t, families, &clock{}, false)
		b.gate()
		test(t, b)
	})
}

func (b *bench) gate() {
	t := b.t
	lanes, err := lane.Load(nil)
	must(t, err)
	b.handler.Gate = &gate.Gate{
		Table: b.alerts.Table, Lanes: lanes, Alone: true, Now: b.clock.Now, Dice: func() float64 { return 0.5 }, Log: b.handler.Log,
	}
}

// TestLanePauses has one operator put everything off for ten minutes: it is asked
// rarely, none of the others waits, and all is sent soon after it has reopened.
func TestLanePauses(t *testing.T) { gated(t, 90, lanePauses) }

func lanePauses(t *testing.T, b *bench) {
	start := b.clock.Now()
	opens := start.Add(10 * time.Minute)
	var asked atomic.Int64
	b.inbox.FailWith(func(m *mail.Message) error {
		if b.clock.Now().Before(opens) && isLane(b, m, "docomo") {
			asked.Add(1)
			return &mail.SendError{Code: 451, Enhanced: "4.7.0", Text: "Too many messages, slow down"}
		}
		return nil
	})
	b.runUntil(func(st alert.Status) bool { return st.Copies.By["sent"] == 30 })
	if took := b.clock.Now().Sub(start); took > 5*time.Second {
		t.Errorf("the other lane was done after %v", took)
	}
	b.runUntil(all(alert.Sent))
	if late := b.clock.Now().Sub(opens); late > 4*time.Minute {
		t.Errorf("all was sent %v after the operator had reopened", late)
	}
	if n := asked.Load(); n > 30 {
		t.Errorf("it was asked %d times in vain", n)
	}
	if n := b.inbox.Total(); n != 90 {
		t.Errorf("%d mails, want 90", n)
	}
}

// isLane reports whether the mail is of a copy in the lane: addresses do not tell in
// these tests.
func isLane(b *bench, m *mail.Message, name string) bool {
	for i := range b.made {
		if c := b.made[i].Family.Copies[0]; c.Mailbox == m.To.Address {
			return c.Lane == name
		}
	}
	return false
}

// TestRecipientsDoNotSlowALane: greylisting and full mailboxes are those recipients'
// own.
func TestRecipientsDoNotSlowALane(t *testing.T) { gated(t, 90, recipientsDoNotSlowALane) }

func recipientsDoNotSlowALane(t *testing.T, b *bench) {
	var tries [90]atomic.Int64
	b.inbox.FailWith(func(m *mail.Message) error {
		var i int
		_, _ = fmt.Sscanf(m.To.Address, "g%d@", &i)
		if i%3 == 0 && tries[i].Add(1) == 1 {
			return &mail.SendError{Code: 450, Enhanced: "4.7.1", Text: "Greylisted, try again in 240 seconds"}
		}
		return nil
	})
	start := b.clock.Now()
	b.runUntil(func(st alert.Status) bool { return st.Copies.By["sent"] == 60 })
	if took := b.clock.Now().Sub(start); took > 5*time.Second {
		t.Errorf("the others were done after %v", took)
	}
	b.runUntil(all(alert.Sent))
	if took := b.clock.Now().Sub(start); took < 240*time.Second || took > 260*time.Second {
		t.Errorf("done after %v, the operator asked for 240 s", took)
	}
}

// TestRelayAwayAsksOnce: a relay that is away is asked by one slot for all.
func TestRelayAwayAsksOnce(t *testing.T) { gated(t, 90, relayAwayAsksOnce) }

func relayAwayAsksOnce(t *testing.T, b *bench) {
	back := b.clock.Now().Add(10 * time.Minute)
	var asked atomic.Int64
	b.inbox.FailWith(func(*mail.Message) error {
		if b.clock.Now().Before(back) {
			asked.Add(1)
			return &mail.SendError{Scope: mail.ScopeOperator, Text: "connection refused", Err: errors.New("refused")}
		}
		return nil
	})
	b.runUntil(all(alert.Sent))
	if late := b.clock.Now().Sub(back); late > 75*time.Second {
		t.Errorf("done %v after the relay had come back", late)
	}
	if n := asked.Load(); n > 30 {
		t.Errorf("the relay was asked %d times", n)
	}
	if b.inbox.Total() != 90 {
		t.Errorf("%d mails, want 90", b.inbox.Total())
	}
}

// TestMemory: what a lane has learned outlives the process; what was out does not.
func TestMemory(t *testing.T) { gated(t, 9, memory) }

func memory(t *testing.T, b *bench) {
	b.runUntil(all(alert.Sent))
	must(t, b.handler.Gate.Flush(t.Context()))
	again := &gate.Gate{Table: b.alerts.Table, Lanes: b.handler.Gate.Lanes, Alone: true, Now: b.clock.Now, Dice: b.handler.Gate.Dice}
	ls, err := again.Known(t.Context())
	must(t, err)
	if len(ls) != 2 || ls[0].Name != "au" || ls[1].Name != "docomo" || ls[1].State.Passed != 6 || ls[1].State.Out != 0 {
		t.Errorf("known: %+v", ls)
	}
}

// TestHold: a lane that people hold sends nothing until they let it go.
func TestHold(t *testing.T) { gated(t, 9, hold) }

func hold(t *testing.T, b *bench) {
	must(t, b.handler.Gate.Hold(t.Context(), "docomo", gate.Hold{Since: b.clock.Now(), Why: "policy"}))
	b.runUntil(func(st alert.Status) bool { return st.Copies.By["sent"] == 3 })
	for range 100 {
		b.clock.Advance(time.Second)
		b.copies.Wake()
	}
	if n := b.inbox.Total(); n != 3 {
		t.Fatalf("%d mails left, want those of the other lane", n)
	}
	must(t, b.handler.Gate.Release(t.Context(), "docomo"))
	b.runUntil(all(alert.Sent))
}
