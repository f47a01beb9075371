package bbolt_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/todoku/todoku/shared/journal"

	"github.com/todoku/todoku/shared/table"
	"github.com/todoku/todoku/shared/table/bbolt"
	"github.com/todoku/todoku/shared/table/bbolt/bbolttest"
)

var noon = time.Date(2026, 4, 1, 12, 0, 0, 0, time.UTC)

// openAt opens a table whose clock is *now.
func openAt(t *testing.T, now *time.Time) (*journal.DB, *bbolt.Table) {
	t.Helper()
	return bbolttest.OpenFile(t, func() time.Time { return *now })
}

func mustWrite(t *testing.T, tbl *bbolt.Table, token string, ops ...table.Op) {
	t.Helper()
	if err := tbl.Write(t.Context(), token, ops...); err != nil {
		t.Fatal(err)
	}
}

// entries counts what the file holds of the table, expired or not.
func entries(t *testing.T, db *journal.DB) (n int) {
	t.Helper()
	err := db.View(func(tx *journal.Tx) error {
		return tx.Bucket([]byte("table")).ForEach(func(_, _ []byte) error { n++; return nil })
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestSweep(t *testing.T) {
	now := noon
	db, tbl := openAt(t, &now)
	key := func(i int) table.Key { return table.Key{Partition: "p", Sort: fmt.Sprintf("%02d", i)} }
	for i := range 20 { // item i expires at second i, and item 0 never
		op := table.Create{Key: key(i)}
		if i > 0 {
			op.Expires = noon.Add(time.Duration(i) * time.Second)
		}
		mustWrite(t, tbl, "", op)
	}
	mustWrite(t, tbl, "", table.Replace{Key: key(1), Revision: 1, Expires: noon.Add(time.Hour)})
	mustWrite(t, tbl, "", table.Replace{Key: key(2), Revision: 1})
	mustWrite(t, tbl, "", table.Delete{Key: key(3), Revision: 1})
	mustWrite(t, tbl, "token", table.Replace{Key: key(0), Revision: 1})

	for _, step := range []struct {
		after  time.Duration
		items  int
		reason string
	}{
		{0, 20, "nothing has expired"},
		{3 * time.Second, 20, "what would have expired was changed or deleted"},
		{4 * time.Second, 19, "at its second"},
		{10 * time.Second, 13, "some"},
		{10 * time.Second, 13, "nothing is left"},
		{table.TokenLife + time.Second, 3, "the token too"},
		{time.Hour, 2, "the last"},
	} {
		now = noon.Add(step.after)
		before, commits := entries(t, db), db.Commits()
		if end, err := tbl.Sweep(t.Context()); !end || err != nil {
			t.Errorf("%s: Sweep = %t, %v", step.reason, end, err)
		}
		if n := entries(t, db); n != step.items {
			t.Errorf("%s: left %d items, want %d", step.reason, n, step.items)
		}
		if step.items == before && db.Commits() != commits {
			t.Errorf("%s: a sweep of nothing wrote to the file", step.reason)
		}
	}
	page, err := tbl.Query(t.Context(), table.Query{Partition: "p"})
	if err != nil || len(page.Items) != 2 {
		t.Errorf("items left: %v, %v", page.Items, err)
	}
}

// TestSweepGoesOn comes to the end of a table in steps, and begins anew.
func TestSweepGoesOn(t *testing.T) {
	now := noon
	db, tbl := openAt(t, &now)
	const steps = 3
	fill := func() {
		for i := 0; i < steps*bbolt.MaxSweep; i += table.MaxOps {
			ops := make([]table.Op, table.MaxOps)
			for j := range ops { // every other expires
				op := table.Create{Key: table.Key{Partition: "p", Sort: fmt.Sprintf("%05d", i+j)}}
				if j%2 == 0 {
					op.Expires = now.Add(time.Second)
				}
				ops[j] = op
			}
			mustWrite(t, tbl, "", ops...)
		}
	}
	fill()
	now = now.Add(time.Minute)
	for left := steps*bbolt.MaxSweep - bbolt.MaxSweep/2; ; left -= bbolt.MaxSweep / 2 {
		end, err := tbl.Sweep(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if n := entries(t, db); n != max(left, steps*bbolt.MaxSweep/2) {
			t.Fatalf("left %d items, want %d", n, left)
		}
		if end {
			break
		}
	}
	mustWrite(t, tbl, "", table.Create{Key: table.Key{Partition: "a", Sort: "first"}, Expires: now.Add(time.Second)})
	now = now.Add(time.Minute)
	before := entries(t, db)
	if _, err := tbl.Sweep(t.Context()); err != nil || entries(t, db) != before-1 {
		t.Errorf("after its end it has not begun anew: %d of %d left, %v", entries(t, db), before, err)
	}
}

// TestSweepSparesSuccessors writes items over those that have expired.
func TestSweepSparesSuccessors(t *testing.T) {
	now := noon
	db, tbl := openAt(t, &now)
	record, counter, later := table.Key{Partition: "p", Sort: "r"}, table.Key{Partition: "p", Sort: "c"}, table.Key{Partition: "p", Sort: "l"}
	for _, k := range []table.Key{record, counter, later} {
		mustWrite(t, tbl, "", table.Create{Key: k, Expires: noon.Add(time.Second)})
	}
	now = noon.Add(time.Minute)
	mustWrite(t, tbl, "", table.Create{Key: record}, table.Add{Key: counter, Deltas: map[string]int64{"n": 1}},
		table.Create{Key: later, Expires: now.Add(time.Second)})
	if _, err := tbl.Sweep(t.Context()); err != nil {
		t.Error(err)
	}
	if n := entries(t, db); n != 3 {
		t.Errorf("left %d items, want 3", n)
	}
}

// TestSkipsExpired reads over more expired items than one page steps over.
func TestSkipsExpired(t *testing.T) {
	now := noon
	_, tbl := openAt(t, &now)
	for i := 0; i < 3*table.MaxPage; i += table.MaxOps {
		ops := make([]table.Op, table.MaxOps)
		for j := range ops {
			ops[j] = table.Create{Key: table.Key{Partition: "p", Sort: fmt.Sprintf("%05d", i+j)}, Expires: noon.Add(time.Second)}
		}
		mustWrite(t, tbl, "", ops...)
	}
	mustWrite(t, tbl, "", table.Create{Key: table.Key{Partition: "p", Sort: "last"}})
	now = noon.Add(time.Minute)
	q := table.Query{Partition: "p"}
	for pages := 1; ; pages++ {
		page, err := tbl.Query(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		if page.Next != "" {
			q.After = page.Next
			continue
		}
		if pages < 3 || len(page.Items) != 1 {
			t.Errorf("page %d is the last and has %d items; want several bounded pages, then 1 item", pages, len(page.Items))
		}
		return
	}
}
