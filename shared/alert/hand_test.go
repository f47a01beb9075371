package alert_test

import (
	"errors"
	"testing"
	"time"

	"github.com/todoku/todoku/shared/alert"
)

// slotBench is an alert with two families, and a slot where their first copies wait.
type slotBench struct {
	*testing.T
	store *alert.Store
	clock *clock
	alert alert.Alert
	refs  []alert.CopyRef
}

const slotGroup = "docomo#0"

func newSlotBench(t *testing.T) *slotBench {
	s, c := newStore(t)
	b := &slotBench{T: t, store: s, clock: c, alert: accept(t, s, draft(c), "")}
	for range 2 {
		m := family(s, "class")
		create(t, s, b.alert, m)
		b.refs = append(b.refs, alert.CopyRef{Ref: m.Ref(b.alert.ID), Contact: m.Family.Copies[0].Contact})
	}
	return b
}

func (b *slotBench) hand() *alert.Hand {
	b.Helper()
	h, err := b.store.Hand(b.Context(), b.alert.ID, slotGroup)
	if err != nil {
		b.Fatal(err)
	}
	return h
}

func (b *slotBench) take(h *alert.Hand, w alert.Worker, refs ...alert.CopyRef) error {
	return b.store.Editor().Take(b.Context(), h, w, b.clock.now, refs)
}

func (b *slotBench) copy(i int) alert.Copy {
	b.Helper()
	f, err := b.store.Family(b.Context(), b.refs[i].Ref)
	if err != nil {
		b.Fatal(err)
	}
	return f.Copies[0]
}

func (b *slotBench) sent(i int) alert.Change {
	return alert.Change{Ref: b.refs[i].Ref, Apply: func(f *alert.Family) bool { f.Copies[0].Accept(b.clock.now); return true }}
}

// counts checks what the status says of the copies: six in all.
func (b *slotBench) counts(queued, sending, sent, again int64) {
	b.Helper()
	st, err := b.store.Status(b.Context(), b.alert)
	if err != nil {
		b.Fatal(err)
	}
	got := st.Copies.By
	if got["queued"] != queued || got["sending"] != sending || got["sent"] != sent || st.Again != again {
		b.Errorf("%d queued, %d sending, %d sent, %d again; want %d, %d, %d, %d",
			got["queued"], got["sending"], got["sent"], st.Again, queued, sending, sent, again)
	}
}

var (
	me    = alert.Worker{ID: "me", Lease: time.Minute}
	other = alert.Worker{ID: "other", Lease: time.Minute}
)

func TestHand(t *testing.T) {
	b := newSlotBench(t)
	h := b.hand()
	if err := b.take(h, me, b.refs...); err != nil {
		t.Fatal(err)
	}
	b.counts(4, 2, 0, 0)
	if until, held := b.hand().Held(other, b.clock.now); !held || !until.Equal(b.clock.now.Add(time.Minute)) {
		t.Errorf("held for another worker: %v until %v", held, until)
	}
	alone := alert.Worker{ID: "alone", Alone: true}
	for _, w := range []alert.Worker{me, alone} {
		if _, held := b.hand().Held(w, b.clock.now); held {
			t.Errorf("the hand is held against %s", w.ID)
		}
	}
	if err := b.store.Editor().Return(t.Context(), h, b.sent(0)); err != nil {
		t.Fatal(err)
	}
	b.counts(5, 0, 1, 0)
	if _, held := b.hand().Held(other, b.clock.now); held {
		t.Error("an empty hand is held")
	}
}

// TestHandOfADeadWorker has a worker die with two copies in hand, of which one is
// known to have left: the other is doubtful, once.
func TestHandOfADeadWorker(t *testing.T) {
	b := newSlotBench(t)
	if err := b.take(b.hand(), me, b.refs...); err != nil {
		t.Fatal(err)
	}
	event := func(f *alert.Family) bool { return f.Copies[0].Event(alert.Delivered, alert.Failure{}, b.clock.now) }
	if err := b.store.Update(t.Context(), alert.Change{Ref: b.refs[0].Ref, Apply: event}); err != nil {
		t.Fatal(err)
	}
	b.clock.Advance(me.Lease)
	h := b.hand()
	if _, held := h.Held(other, b.clock.now); held {
		t.Fatal("held when the lease is over")
	}
	if err := b.take(h, other, b.refs[1]); err != nil {
		t.Fatal(err)
	}
	if first, second := b.copy(0), b.copy(1); first.Again != 0 || second.Again != 1 {
		t.Errorf("again: %d, %d; want 0, 1", first.Again, second.Again)
	}
	if err := b.store.Editor().Return(t.Context(), h, b.sent(1)); err != nil {
		t.Fatal(err)
	}
	b.counts(4, 0, 1, 1)
}

// TestHandTakenOver has a worker that is slower than its lease: the next one sends,
// too, and what the slow one did is recorded all the same.
func TestHandTakenOver(t *testing.T) {
	b := newSlotBench(t)
	slow := b.hand()
	if err := b.take(slow, me, b.refs[0]); err != nil {
		t.Fatal(err)
	}
	b.clock.Advance(me.Lease)
	h := b.hand()
	if err := b.take(h, other, b.refs[0]); err != nil {
		t.Fatal(err)
	}
	if err := b.store.Editor().Return(t.Context(), slow, b.sent(0)); err != nil {
		t.Fatalf("the slow worker's record: %v", err)
	}
	b.counts(4, 1, 1, 1)
	if err := b.store.Editor().Return(t.Context(), h, b.sent(0)); err != nil {
		t.Fatal(err)
	}
	b.counts(5, 0, 1, 1)
}

// TestHandIsTakenOnce has two workers that saw the same hand.
func TestHandIsTakenOnce(t *testing.T) {
	for _, used := range []bool{false, true} { // the first batch of a slot makes the item
		b := newSlotBench(t)
		if used {
			h := b.hand()
			if err := errors.Join(b.take(h, me, b.refs[0]), b.store.Editor().Return(t.Context(), h)); err != nil {
				t.Fatal(err)
			}
		}
		first, second := b.hand(), b.hand()
		if err := b.take(first, me, b.refs...); err != nil {
			t.Fatal(err)
		}
		if err := b.take(second, other, b.refs...); !errors.Is(err, alert.ErrTaken) {
			t.Errorf("taken a second time: %v, want ErrTaken", err)
		}
		if err := b.store.Editor().Return(t.Context(), first, b.sent(0)); err != nil {
			t.Fatal(err)
		}
		if err := b.take(second, other, b.refs...); !errors.Is(err, alert.ErrTaken) {
			t.Errorf("taken on what was read before the other's batch: %v, want ErrTaken", err)
		}
	}
}

// TestCancelledInHand has an alert end while a copy is on its way: what left is
// not counted as not told.
func TestCancelledInHand(t *testing.T) {
	b := newSlotBench(t)
	h := b.hand()
	if err := b.take(h, me, b.refs...); err != nil {
		t.Fatal(err)
	}
	for _, ref := range b.refs {
		cancel := func(f *alert.Family) bool { return f.Copies[0].Cancel(b.clock.now) }
		if err := b.store.Update(t.Context(), alert.Change{Ref: ref.Ref, Apply: cancel}); err != nil {
			t.Fatal(err)
		}
	}
	delay := alert.Change{Ref: b.refs[1].Ref, Apply: func(f *alert.Family) bool {
		f.Copies[0].Delay(alert.Failure{Code: 450}, b.clock.now)
		return true
	}}
	if err := b.store.Editor().Return(t.Context(), h, b.sent(0), delay); err != nil {
		t.Fatal(err)
	}
	if left, stayed := b.copy(0).State, b.copy(1).State; left != alert.Sent || stayed != alert.Cancelled {
		t.Errorf("the copy that left is %s, the one that was put off %s; want sent, cancelled", left, stayed)
	}
}

// TestHandOfDeletedFamilies has the records be gone that a dead worker's hand names.
func TestHandOfDeletedFamilies(t *testing.T) {
	b := newSlotBench(t)
	gone := b.refs[0]
	gone.Family = b.store.IDs.New()
	h := b.hand()
	if err := b.take(h, me, gone); err != nil {
		t.Fatal(err)
	}
	if err := b.take(h, other, b.refs[1]); err != nil {
		t.Errorf("taken after them: %v", err)
	}
}
