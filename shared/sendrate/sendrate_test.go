package sendrate

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/todoku/todoku/shared/table"
	"github.com/todoku/todoku/shared/table/bbolt/bbolttest"
)

var start = time.Date(2026, 9, 1, 8, 0, 0, 0, time.UTC)

// rig is an account on an embedded store, with a clock that stands still.
type rig struct {
	Account
	now   time.Time
	rate  float64
	fails error
	asked atomic.Int64
}

func newRig(t *testing.T) *rig {
	t.Helper()
	r := &rig{now: start, rate: 20}
	clock := func() time.Time { return r.now }
	tab := bbolttest.Open(t, clock)
	r.Table, r.Now = tab, clock
	r.Rate = func(context.Context) (float64, error) { r.asked.Add(1); return r.rate, r.fails }
	return r
}

// TestNeverMoreThanTheRate has many workers reserve at once, and counts the turns in
// every second.
func TestNeverMoreThanTheRate(t *testing.T) {
	r := newRig(t)
	var mu sync.Mutex
	var turns []time.Time
	var g sync.WaitGroup
	for w := range 6 {
		g.Go(func() {
			for range 4 {
				got, err := r.Reserve(t.Context(), Want{N: 1 + w})
				var far *TooFarAheadError
				if errors.As(err, &far) || errors.Is(err, table.ErrBusy) {
					continue
				}
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				turns = append(turns, got...)
				mu.Unlock()
			}
		})
	}
	g.Wait()
	slices.SortFunc(turns, time.Time.Compare)
	gap := time.Duration(float64(time.Second) / (r.rate * share))
	for i, at := range turns {
		if want := start.Add(-credit).Add(time.Duration(i) * gap); at.Sub(want).Abs() > time.Microsecond {
			t.Fatalf("turn %d is at %v, want %v: each once, and none left out", i, at.Sub(start), want.Sub(start))
		}
	}
	if len(turns) < 20 || r.asked.Load() == 0 {
		t.Errorf("%d turns, the rate was asked for %d times", len(turns), r.asked.Load())
	}
}

func TestAhead(t *testing.T) {
	r := newRig(t)
	for range 8 { // 160 turns, a little more than eight seconds' worth
		if _, err := r.Reserve(t.Context(), Want{N: 20}); err != nil {
			t.Fatal(err)
		}
	}
	_, err := r.Reserve(t.Context(), Want{N: 1})
	var far *TooFarAheadError
	if !errors.As(err, &far) || far.Ahead <= MaxAhead {
		t.Fatalf("got %v, want that it is too far ahead", err)
	}
	r.now = r.now.Add(time.Hour)
	turns, err := r.Reserve(t.Context(), Want{N: 1})
	if err != nil || turns[0].Before(r.now.Add(-credit)) || turns[0].After(r.now.Add(50*time.Millisecond)) {
		t.Errorf("%v, %v: time in which nobody sent must not be made up for", turns, err)
	}
}

// TestRate has the account's rate change, and not be told.
func TestRate(t *testing.T) {
	r := newRig(t)
	gap := func() time.Duration {
		t.Helper()
		turns, err := r.Reserve(t.Context(), Want{N: 2})
		if err != nil {
			t.Fatal(err)
		}
		return turns[1].Sub(turns[0])
	}
	at20 := gap()
	r.rate = 40
	if gap() != at20 || r.asked.Load() != 1 {
		t.Errorf("asked %d times within the life of an answer", r.asked.Load())
	}
	r.now = r.now.Add(rateLife)
	if got := gap(); got != at20/2 {
		t.Errorf("gap %v at twice the rate, was %v", got, at20)
	}
	r.now, r.fails = r.now.Add(rateLife), errors.New("throttled")
	if gap(); gap() != at20/2 || r.asked.Load() != 3 {
		t.Errorf("the old rate must serve on; asked %d times", r.asked.Load())
	}
}

// TestChange has the rate change while turns are taken: they stay so.
func TestChange(t *testing.T) {
	for _, to := range []float64{7, 20, 333} {
		s := schedule{Rate: 20}
		gap := s.gap()
		before, _ := s.reserve(start, Want{N: 30})
		s.change(to)
		after, _ := s.reserve(start, Want{N: 1})
		if last := before[29]; !after[0].After(last) || after[0].Sub(last) > gap+2*s.gap() {
			t.Errorf("at a rate of %v the next turn is %v after the last", to, after[0].Sub(last))
		}
	}
}

// TestApart has two workers whose sends take long: each gets turns far apart, and none
// is left between them.
func TestApart(t *testing.T) {
	s := schedule{Rate: 20 / share}
	gap := s.gap()
	var all []time.Time
	for range 4 {
		turns, _ := s.reserve(start, Want{N: 10, Apart: 150 * time.Millisecond})
		for i := range turns[1:] {
			if d := turns[i+1].Sub(turns[i]); d < 150*time.Millisecond {
				t.Errorf("turns %v apart", d)
			}
		}
		all = append(all, turns...)
	}
	slices.SortFunc(all, time.Time.Compare)
	for i, at := range all[:30] {
		if want := all[0].Add(time.Duration(i) * gap); !at.Equal(want) {
			t.Fatalf("turn %d after %v, want %v", i, at.Sub(all[0]), want.Sub(all[0]))
		}
	}
}

// TestPlace has nine slots that are far and one that lags behind, all of which always
// want more. The last comes to as much as it can use, up to half, and no turn is lost.
func TestPlace(t *testing.T) {
	s := schedule{Rate: 80}
	free := make([]time.Time, 10) // when each slot has sent its batch
	var got [10]int
	var behind time.Duration
	last := start
	for now := start; now.Before(start.Add(time.Minute)); now = now.Add(10 * time.Millisecond) {
		for slot := range free {
			if now.Before(free[slot]) {
				continue
			}
			place := time.Minute + now.Sub(start)
			if slot == 9 {
				place = behind
			}
			turns, _ := s.reserve(now, Want{N: 10, Apart: 30 * time.Millisecond, Place: place})
			if turns == nil {
				continue
			}
			got[slot] += 10
			behind += 10 * time.Millisecond
			free[slot] = turns[9]
			if turns[9].After(last) {
				last = turns[9]
			}
		}
	}
	total := 0
	for _, n := range got {
		total += n
	}
	used := float64(total) / (last.Sub(start).Seconds() * s.Rate)
	t.Logf("used %.1f %%: %v", 100*used, got)
	if used < 0.95 || got[9] < 2*got[0] || got[9] > total/2 {
		t.Errorf("used %.1f %%, the slot that lags behind had %d turns of %d, another %d", 100*used, got[9], total, got[0])
	}
}

func TestNoRate(t *testing.T) {
	r := newRig(t)
	r.fails = errors.New("no")
	for range 2 {
		if _, err := r.Reserve(t.Context(), Want{N: 1}); !errors.Is(err, r.fails) || r.asked.Load() != 1 {
			t.Errorf("got %v, asked %d times", err, r.asked.Load())
		}
	}
	r.now, r.fails, r.rate = r.now.Add(rest), nil, 0
	if _, err := r.Reserve(t.Context(), Want{N: 1}); !errors.Is(err, errNoRate) {
		t.Errorf("got %v for an account without a rate", err)
	}
	r.now, r.rate = r.now.Add(rest), 1
	if _, err := r.Reserve(t.Context(), Want{N: 1}); err != nil {
		t.Error(err)
	}
}

// TestMix sends a school's alert over lanes with few slots and with many, as an invocation
// a slot does: it takes ten copies, reserves, waits for each turn, and comes again. All
// lanes are to end together, for who is alone at the end uses a part of the rate only.
func TestMix(t *testing.T) {
	for _, fanOut := range []time.Duration{2 * time.Second, 10 * time.Second, time.Minute} {
		used, ends := mix(schedule{Rate: 80}, fanOut)
		t.Logf("fan-out of %v: used %.1f %%, done after %v", fanOut, 100*used, ends)
		if used < 0.95 {
			t.Errorf("fan-out of %v: used %.1f %%, want 95 %%", fanOut, 100*used)
		}
	}
}

// mix returns which share of the rate was used from the first to the last, and when the
// lanes were done.
func mix(s schedule, fanOut time.Duration) (used float64, ends map[string]time.Duration) {
	lanes := []struct {
		name          string
		copies, slots int
	}{
		{"google", 4000, 10}, {"docomo", 1500, 4}, {"apple", 1300, 10}, {"au", 900, 4}, {"softbank", 900, 3},
		{"yahoo-jp", 900, 2}, {"microsoft", 200, 5}, {"nifty.com", 100, 2}, {"rakuten", 100, 2}, {"example.jp", 100, 2},
	}
	const batch, takes, between = 10, 40 * time.Millisecond, 200 * time.Millisecond
	type slot struct {
		lane       string
		all, left  int
		free, last time.Time
	}
	var slots []*slot
	total := 0
	for _, l := range lanes {
		for i := range l.slots {
			n := l.copies/l.slots + min(1, max(0, l.copies%l.slots-i))
			slots = append(slots, &slot{lane: l.name, all: n, left: n, free: start})
			total += n
		}
	}
	ends = map[string]time.Duration{}
	var last time.Time
	for now := start; now.Before(start.Add(10 * time.Minute)); now = now.Add(10 * time.Millisecond) {
		for _, sl := range slots {
			if sl.left == 0 || now.Before(sl.free) {
				continue
			}
			place := time.Duration(float64(fanOut) * float64(sl.all-sl.left) / float64(sl.all))
			if start.Add(place).After(now) {
				continue // not queued yet
			}
			n := min(batch, sl.left)
			turns, ahead := s.reserve(now, Want{N: n, Apart: takes, Place: place})
			if turns == nil {
				sl.free = now.Add(ahead / 2)
				continue
			}
			sl.left -= n
			sl.last = turns[n-1]
			sl.free = sl.last.Add(takes + between)
			ends[sl.lane] = max(ends[sl.lane], sl.last.Sub(start).Round(time.Second/10))
			if sl.last.After(last) {
				last = sl.last
			}
		}
	}
	return float64(total) / (last.Sub(start).Seconds() * s.Rate), ends
}
