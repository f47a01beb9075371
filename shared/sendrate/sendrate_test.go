package sendrate

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/todoku/todoku/shared/table"
	"github.com/todoku/todoku/shared/table/bbolt"
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
	db, err := bbolt.Open(filepath.Join(t.TempDir(), "todoku.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	tab, err := bbolt.New(db, clock)
	if err != nil {
		t.Fatal(err)
	}
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
				got, err := r.Reserve(t.Context(), 1+w)
				var far *TooFarAheadError
				if errors.As(err, &far) || errors.Is(err, table.ErrBusy) {
					continue
				}
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				for i := range 1 + w {
					turns = append(turns, got.At(i))
				}
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
		if _, err := r.Reserve(t.Context(), 20); err != nil {
			t.Fatal(err)
		}
	}
	_, err := r.Reserve(t.Context(), 1)
	var far *TooFarAheadError
	if !errors.As(err, &far) || far.Ahead <= MaxAhead {
		t.Fatalf("got %v, want that it is too far ahead", err)
	}
	r.now = r.now.Add(time.Hour)
	turns, err := r.Reserve(t.Context(), 1)
	if err != nil || !turns.First.Equal(r.now.Add(-credit)) {
		t.Errorf("%v, %v: time in which nobody sent must not be made up for", turns, err)
	}
}

// TestRate has the account's rate change, and not be told.
func TestRate(t *testing.T) {
	r := newRig(t)
	gap := func() time.Duration {
		t.Helper()
		turns, err := r.Reserve(t.Context(), 1)
		if err != nil {
			t.Fatal(err)
		}
		return turns.Gap
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

func TestNoRate(t *testing.T) {
	r := newRig(t)
	r.fails = errors.New("no")
	for range 2 {
		if _, err := r.Reserve(t.Context(), 1); !errors.Is(err, r.fails) || r.asked.Load() != 1 {
			t.Errorf("got %v, asked %d times", err, r.asked.Load())
		}
	}
	r.now, r.fails, r.rate = r.now.Add(rest), nil, 0
	if _, err := r.Reserve(t.Context(), 1); !errors.Is(err, errNoRate) {
		t.Errorf("got %v for an account without a rate", err)
	}
	r.now, r.rate = r.now.Add(rest), 1
	if _, err := r.Reserve(t.Context(), 1); err != nil {
		t.Error(err)
	}
}
