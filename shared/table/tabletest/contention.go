package tabletest

import (
	"errors"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"

	"github.com/todoku/todoku/shared/table"
)

const (
	crowd  = 16 // goroutines that contend
	rounds = 6  // successes each of them needs
)

// inCrowd runs f n times at once.
func inCrowd(f *fixture, n int, do func(i int) error) {
	f.Helper()
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() {
			if err := do(i); err != nil {
				f.Errorf("%d of %d: %v", i, n, err)
			}
		})
	}
	all.Wait()
}

// testContendedReplace counts in the value of a record: an update that is lost, or
// done twice, shows in the sum. The token makes it safe to repeat a busy write.
func testContendedReplace(f *fixture) {
	k := in(f.partition())
	f.write(create(k("sum"), "0"))
	var conflicts atomic.Int64
	inCrowd(f, crowd, func(i int) error {
		for done, try := 0, 0; done < rounds; try++ {
			err := increment(f, k("sum"), fmt.Sprintf("replace-%d-%d", i, try))
			failed, conflict := table.Conflict(err)
			switch {
			case err == nil:
				done++
			case conflict && len(failed) == 1 && failed[0] == 0:
				conflicts.Add(1)
			default:
				return err
			}
		}
		return nil
	})
	f.want(record(k("sum"), 1+crowd*rounds, strconv.Itoa(crowd*rounds)))
	f.Logf("%d writes, %d conflicts", crowd*rounds, conflicts.Load())
}

func increment(f *fixture, k table.Key, token string) error {
	var it table.Item
	err := retry(f.Context(), func() (err error) {
		it, err = f.table.Get(f.Context(), k)
		return err
	})
	if err != nil {
		return err
	}
	n, err := strconv.Atoi(string(it.Value))
	if err != nil {
		return err
	}
	op := table.Replace{Key: k, Revision: it.Revision, Value: []byte(strconv.Itoa(n + 1))}
	return retry(f.Context(), func() error { return f.table.Write(f.Context(), token, op) })
}

// testContendedCreate lets all create the same item beside one of their own: the
// own items of those who fail must not be there.
func testContendedCreate(f *fixture) {
	k := in(f.partition())
	for r := range rounds {
		var won atomic.Int64
		inCrowd(f, crowd, func(i int) error {
			prize, own := k(fmt.Sprintf("prize-%d", r)), k(fmt.Sprintf("own-%d-%d", r, i))
			token := fmt.Sprintf("create-%d-%d", r, i)
			err := retry(f.Context(), func() error {
				return f.table.Write(f.Context(), token, create(own, ""), create(prize, own.Sort))
			})
			failed, conflict := table.Conflict(err)
			switch {
			case err == nil:
				won.Add(1)
				return nil
			case conflict && len(failed) == 1 && failed[0] == 1:
				return nil
			}
			return err
		})
		if won.Load() != 1 {
			f.Errorf("round %d: %d creations of one item succeeded", r, won.Load())
		}
	}
	if got := len(f.contents(k("").Partition)); got != 2*rounds {
		f.Errorf("%d items, want %d", got, 2*rounds)
	}
}

// testContendedAdd takes from a counter more often than there is something to
// take, and moves what was taken to another counter.
func testContendedAdd(f *fixture) {
	const stock = crowd * rounds / 2
	k := in(f.partition())
	f.write(table.Add{Key: k("stock"), Deltas: map[string]int64{"n": stock, "seen": 0}})
	var refused atomic.Int64
	inCrowd(f, crowd, func(i int) error {
		for r := range rounds {
			token := fmt.Sprintf("add-%d-%d", i, r)
			err := retry(f.Context(), func() error {
				return f.table.Write(f.Context(), token,
					table.Add{Key: k("taken"), Deltas: map[string]int64{"n": 1}},
					table.Add{Key: k("stock"), Deltas: map[string]int64{"n": -1, "seen": 1}})
			})
			if failed, ok := table.Conflict(err); ok && len(failed) == 1 && failed[0] == 1 {
				refused.Add(1)
			} else if err != nil {
				return err
			}
		}
		return nil
	})
	if got := refused.Load(); got != crowd*rounds-stock {
		f.Errorf("%d refused, want %d", got, crowd*rounds-stock)
	}
	f.want(counter(k("stock"), map[string]int64{"n": 0, "seen": stock}), counter(k("taken"), map[string]int64{"n": stock}))
}

// checkOutcome compares what a Write returned with nil, ErrInvalid or a
// ConflictError, and reports whether it is the same.
func checkOutcome(f *fixture, what string, got, want error) bool {
	f.Helper()
	wantOps, wantConflict := table.Conflict(want)
	gotOps, gotConflict := table.Conflict(got)
	same := wantConflict == gotConflict && fmt.Sprint(wantOps) == fmt.Sprint(gotOps)
	if !wantConflict {
		same = same && errors.Is(got, want)
	}
	if !same {
		f.Errorf("%s = %v, want %v", what, got, want)
	}
	return same
}
