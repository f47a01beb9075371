package bbolt_test

import (
	"errors"
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
func entries(t *testing.T, db *journal.DB) (items, expiring int) {
	t.Helper()
	err := db.View(func(tx *journal.Tx) error {
		count := func(n *int) func(_, _ []byte) error { return func(_, _ []byte) error { *n++; return nil } }
		return errors.Join(tx.Bucket([]byte("table")).ForEach(count(&items)), tx.Bucket([]byte("expiry")).ForEach(count(&expiring)))
	})
	if err != nil {
		t.Fatal(err)
	}
	return items, expiring
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
		after           time.Duration
		limit, want     int
		items, expiring int
		reason          string
	}{
		{0, 10, 0, 20, 18, "nothing has expired"},
		{3 * time.Second, 10, 0, 20, 18, "what would have expired was changed or deleted"},
		{4 * time.Second, 10, 1, 19, 17, "at its second"},
		{10 * time.Second, 4, 4, 15, 13, "no more than the limit"},
		{10 * time.Second, 4, 2, 13, 11, "the rest"},
		{10 * time.Second, 4, 0, 13, 11, "nothing is left"},
		{table.TokenLife + time.Second, 100, 10, 3, 1, "the token too"},
		{time.Hour, 1, 1, 2, 0, "the last"},
	} {
		now = noon.Add(step.after)
		before := db.Commits()
		n, err := tbl.Sweep(t.Context(), step.limit)
		if err != nil || n != step.want {
			t.Errorf("%s: Sweep = %d, %v; want %d", step.reason, n, err, step.want)
		}
		if items, expiring := entries(t, db); items != step.items || expiring != step.expiring {
			t.Errorf("%s: left %d items, %d expiring; want %d, %d", step.reason, items, expiring, step.items, step.expiring)
		}
		if step.want == 0 && db.Commits() != before {
			t.Errorf("%s: a sweep of nothing wrote to the file", step.reason)
		}
	}
	page, err := tbl.Query(t.Context(), table.Query{Partition: "p"})
	if err != nil || len(page.Items) != 2 {
		t.Errorf("items left: %v, %v", page.Items, err)
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
	if n, err := tbl.Sweep(t.Context(), 10); n != 0 || err != nil {
		t.Errorf("Sweep = %d, %v", n, err)
	}
	if items, expiring := entries(t, db); items != 3 || expiring != 1 {
		t.Errorf("left %d items, %d expiring", items, expiring)
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

func TestSweepLimits(t *testing.T) {
	now := noon
	_, tbl := openAt(t, &now)
	for _, limit := range []int{-1, 0, bbolt.MaxSweep + 1} {
		if _, err := tbl.Sweep(t.Context(), limit); !errors.Is(err, table.ErrInvalid) {
			t.Errorf("Sweep(%d) = %v, want ErrInvalid", limit, err)
		}
	}
}
