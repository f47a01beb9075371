package each_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/todoku/todoku/shared/each"
)

// TestMap: the order is kept, whichever call is done first, and no more than the limit run
// at once.
func TestMap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var now, most int32
		var mu sync.Mutex
		count := func(by int32) {
			mu.Lock()
			defer mu.Unlock()
			now += by
			most = max(most, now)
		}
		got, err := each.Map(t.Context(), 3, []int{5, 4, 3, 2, 1, 0}, func(_ context.Context, n int) (int, error) {
			count(+1)
			defer count(-1)
			time.Sleep(time.Duration(n) * time.Second)
			return n * n, nil
		})
		if want := []int{25, 16, 9, 4, 1, 0}; err != nil || !slices.Equal(got, want) {
			t.Errorf("Map returned %v, %v; want %v", got, err, want)
		}
		if most != 3 {
			t.Errorf("%d calls at once, want 3", most)
		}
	})
}

// TestMapFails: an error ends the others' context, and none of them is left running.
func TestMapFails(t *testing.T) {
	failure := errors.New("failure")
	synctest.Test(t, func(t *testing.T) {
		_, err := each.Map(t.Context(), 2, []bool{false, true}, func(ctx context.Context, fails bool) (int, error) {
			if fails {
				return 0, failure
			}
			<-ctx.Done()
			return 0, ctx.Err()
		})
		if !errors.Is(err, failure) {
			t.Errorf("Map returned %v, want %v", err, failure)
		}
	})
}
