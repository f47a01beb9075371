package fanout_test

import (
	mathrand "math/rand/v2"
	"testing"
	"time"

	"github.com/todoku/todoku/shared/alert"
	"github.com/todoku/todoku/shared/roster"
)

// mixed returns a change that makes of every hundred contacts so many heard of lately
// and never, and the rest quiet, and notes which is which.
func mixed(heard, never int) (kinds map[string]byte, change func(*roster.Contact)) {
	kinds = map[string]byte{}
	n := 0
	return kinds, func(c *roster.Contact) {
		n++
		switch place := n * 37 % 100; {
		case place < heard:
			c.State, c.Answered, kinds[c.ID] = roster.Verified, time.Date(2026, 7, 1, 0, 0, 0, 0, time.UTC), 'h'
		case place < heard+never:
			c.State, kinds[c.ID] = roster.Unverified, 'n'
		default:
			c.State, c.Answered, kinds[c.ID] = roster.Verified, time.Date(2025, 7, 1, 0, 0, 0, 0, time.UTC), 'q'
		}
	}
}

// byLane returns the kinds of the queued copies of each lane, in their order.
func (b *bench) byLane(a alert.Alert, kinds map[string]byte) map[string]string {
	b.t.Helper()
	lanes := map[string]string{}
	for _, m := range b.copies.msgs {
		refs, err := alert.ParseCopies(m.Body)
		must(b.t, err)
		f, err := b.handler.Alerts.Family(b.t.Context(), refs[0].Ref)
		must(b.t, err)
		lane := f.Copies[f.Copy(refs[0].Contact, 0)].Lane
		for _, ref := range refs {
			lanes[lane] += string(kinds[ref.Contact])
		}
	}
	return lanes
}

// most returns the most of a kind in any so many consecutive copies of order.
func most(order string, kind byte, window int) int {
	best, n := 0, 0
	for i := range order {
		if order[i] == kind {
			n++
		}
		if i >= window && order[i-window] == kind {
			n--
		}
		best = max(best, n)
	}
	return best
}

// body returns order without those of a kind at its very end.
func body(order string, kind byte) string {
	for order != "" && order[len(order)-1] == kind {
		order = order[:len(order)-1]
	}
	return order
}

// middle returns the mean place of a kind in order, from 0 to 1.
func middle(order string, kind byte) float64 {
	sum, n := 0, 0
	for i := range order {
		if order[i] == kind {
			sum, n = sum+i, n+1
		}
	}
	return float64(sum) / float64(max(n, 1)) / float64(len(order))
}

// TestOrder looks at the order of each lane: contacts heard of lately come before the
// quiet ones, and those never heard of are 3 % of any 300 at most until only they are left.
func TestOrder(t *testing.T) {
	for _, c := range []struct {
		name         string
		heard, never int
	}{
		{"few never heard of", 60, 2}, {"a tenth", 60, 10}, {"a third", 40, 33}, {"nobody heard of lately", 0, 10},
	} {
		t.Run(c.name, func(t *testing.T) {
			kinds, change := mixed(c.heard, c.never)
			b := newBenchOf(t, 3000, change)
			a := b.accept(func(*alert.Draft) {})
			b.run(a, alert.FanOut)
			if got := len(b.refs()); got != 3000 {
				t.Errorf("%d copies are queued, want each of 3000 once", got)
			}
			for lane, order := range b.byLane(a, kinds) {
				if n := most(body(order, 'n'), 'n', 300); n > 8 {
					t.Errorf("%s: %d of 300 copies go to contacts never heard of, want 8 at most", lane, n)
				}
				if h, q := middle(order, 'h'), middle(order, 'q'); len(order) > 100 && c.heard > 0 && q < h+0.25 {
					t.Errorf("%s: those heard of lately are at %.2f of the lane, the quiet at %.2f: want them well before", lane, h, q)
				}
			}
			t.Logf("%d messages for 3000 copies", len(b.copies.msgs))
		})
	}
}

// TestNobodyKnown has a roster that was just imported: copies leave while the walk goes
// on, because there is nobody to wait for.
func TestNobodyKnown(t *testing.T) {
	_, change := mixed(0, 100)
	b := newBenchOf(t, 3000, change)
	a := b.accept(func(*alert.Draft) {})
	b.run(a, alert.FanOut)
	if got := len(b.refs()); got != 3000 {
		t.Errorf("%d copies are queued, want each of 3000 once", got)
	}
	if b.copies.sends < 8 {
		t.Errorf("the copies were queued %d times, want some all the while", b.copies.sends)
	}
}

// TestCutOffMixed cuts off a fan-out that holds copies back: none is forgotten.
func TestCutOffMixed(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	_, change := mixed(50, 20)
	b := newBenchOf(t, 800, change)
	b.handler.Strands = 3
	a := b.accept(func(*alert.Draft) {})
	b.frail.rand, b.frail.odds = mathrand.New(mathrand.NewPCG(seed, 4)), 8
	b.run(a, alert.FanOut)
	b.frail.odds = 0
	if got := len(b.queued()); got != 800 {
		t.Errorf("%d copies are queued, want 800", got)
	}
}
