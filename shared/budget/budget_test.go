package budget_test

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/todoku/todoku/shared/budget"
	"github.com/todoku/todoku/shared/table/bbolt/bbolttest"
)

func newStore(t *testing.T, now func() time.Time) budget.Store {
	t.Helper()
	tb := bbolttest.Open(t, now)
	return budget.Store{Table: tb, Now: now}
}

func TestSpend(t *testing.T) {
	now := time.Date(2026, 4, 6, 3, 0, 0, 0, time.UTC)
	s := newStore(t, func() time.Time { return now })
	three, other := budget.Budget{Kind: "three", Most: 3, Window: time.Minute}, budget.Budget{Kind: "other", Most: 1, Window: time.Minute}
	spend := func(b budget.Budget, whose string) bool {
		t.Helper()
		left, err := s.Left(t.Context(), b, whose)
		if err != nil {
			t.Fatal(err)
		}
		ok, err := s.Spend(t.Context(), b, whose)
		if err != nil || ok != left {
			t.Fatalf("left %v, spent %v: %v", left, ok, err)
		}
		return ok
	}
	for i, tt := range []struct {
		b     budget.Budget
		whose string
		pass  time.Duration
		want  bool
	}{
		{three, "a", 0, true},
		{three, "a", 0, true},
		{three, "b", 0, true},
		{three, "a", 59 * time.Second, true},
		{three, "a", 0, false},
		{other, "a", 0, true},
		{other, "a", 0, false},
		{three, "b", 0, true},
		{three, "a", time.Second, true},
		{other, "a", 0, true},
	} {
		now = now.Add(tt.pass)
		if got := spend(tt.b, tt.whose); got != tt.want {
			t.Errorf("%d: %s of %s: %v", i, tt.b.Kind, tt.whose, got)
		}
	}
}

// TestSpendAtOnce: of many at the same time no more than the budget get through.
func TestSpendAtOnce(t *testing.T) {
	s := newStore(t, time.Now)
	day := budget.Budget{Kind: "day", Most: 5, Window: 24 * time.Hour}
	var got atomic.Int64
	var wg sync.WaitGroup
	for range 40 {
		wg.Go(func() {
			if ok, err := s.Spend(t.Context(), day, "x"); err == nil && ok {
				got.Add(1)
			}
		})
	}
	wg.Wait()
	if n := got.Load(); n < 1 || n > 5 {
		t.Errorf("%d got through", n)
	}
}
