// Package tabletest says what every table.Table promises as an executable suite.
// An adapter's own test opens a table and calls Run; there are no options.
//
// The suite assumes no more than the port says, so it also runs against a server
// over a network: it makes a few thousand calls, and waits for nothing.
package tabletest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/todoku/todoku/shared/table"
)

// Run tests the adapter that open opens. Each call of open returns an empty table
// whose clock is now, which the suite moves, and leaves its cleaning up to
// t.Cleanup.
func Run(t *testing.T, open func(t *testing.T, now func() time.Time) table.Table) {
	for _, test := range []struct {
		name string
		run  func(*fixture)
	}{
		{"Items", testItems},
		{"GetMany", testGetMany},
		{"FailInEveryPosition", testFailInEveryPosition},
		{"AllFailingOpsNamed", testAllFailingOpsNamed},
		{"Counters", testCounters},
		{"NotAliased", testNotAliased},
		{"KeyOrder", testKeyOrder},
		{"KeysApart", testKeysApart},
		{"Largest", testLargest},
		{"Limits", testLimits},
		{"QueryCalls", testQueryCalls},
		{"Cursors", testCursors},
		{"BetweenPages", testBetweenPages},
		{"WhileWriting", testWhileWriting},
		{"LongPages", testLongPages},
		{"HeavyPages", testHeavyPages},
		{"ExpiryOfReads", testExpiryOfReads},
		{"ExpiryOfOps", testExpiryOfOps},
		{"ExpiryChanges", testExpiryChanges},
		{"Tokens", testTokens},
		{"ContendedReplace", testContendedReplace},
		{"ContendedCreate", testContendedCreate},
		{"ContendedAdd", testContendedAdd},
		{"Context", testContext},
		{"Health", testHealth},
		{"Walk", testWalk},
		{"RandomOps", testRandomOps},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := &clock{now: start}
			test.run(&fixture{T: t, table: open(t, c.Now), clock: c})
		})
	}
}

// start is far ahead, so that a store which removes items by its own clock leaves
// those alone that expire by the suite's.
var start = time.Date(2100, 4, 1, 8, 30, 0, 0, time.UTC)

// clock stands still until it is moved.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) set(t time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = t
}

func (c *clock) advance(d time.Duration) { c.set(c.Now().Add(d)) }

// fixture is what one test of the suite works with.
type fixture struct {
	*testing.T
	table table.Table
	clock *clock
	parts int
}

// partition returns one that no other test case has used.
func (f *fixture) partition() string {
	f.parts++
	return fmt.Sprintf("part-%d", f.parts)
}

// write writes ops, which must succeed.
func (f *fixture) write(ops ...table.Op) {
	f.Helper()
	if err := f.table.Write(f.Context(), "", ops...); err != nil {
		f.Fatalf("Write(%s): %v", describe(ops), err)
	}
}

// wantConflict writes ops, of which exactly those at the indexes must fail.
func (f *fixture) wantConflict(indexes []int, ops ...table.Op) {
	f.Helper()
	err := f.table.Write(f.Context(), "", ops...)
	got, ok := table.Conflict(err)
	if !ok {
		f.Fatalf("Write(%s) = %v, want a conflict of ops %v", describe(ops), err, indexes)
	}
	if diff := cmp.Diff(indexes, got); diff != "" {
		f.Errorf("Write(%s): failing ops (-want +got):\n%s", describe(ops), diff)
	}
}

// want reads items one by one.
func (f *fixture) want(items ...table.Item) {
	f.Helper()
	for _, want := range items {
		got, err := f.table.Get(f.Context(), want.Key)
		if err != nil {
			f.Errorf("Get(%s): %v", short(want.Key), err)
			continue
		}
		if diff := diffItems(want, got); diff != "" {
			f.Errorf("Get(%s) (-want +got):\n%s", short(want.Key), diff)
		}
	}
}

func (f *fixture) wantNone(keys ...table.Key) {
	f.Helper()
	for _, k := range keys {
		got, err := f.table.Get(f.Context(), k)
		if !errors.Is(err, table.ErrNotFound) {
			f.Errorf("Get(%s) = %d bytes, revision %d, %v; want ErrNotFound", short(k), len(got.Value), got.Revision, err)
		}
	}
}

// wantContents reads whole partitions, which must hold exactly items.
func (f *fixture) wantContents(items []table.Item, partitions ...string) {
	f.Helper()
	if diff := diffItems(items, f.contents(partitions...)); diff != "" {
		f.Errorf("contents (-want +got):\n%s", diff)
	}
}

func (f *fixture) contents(partitions ...string) []table.Item {
	f.Helper()
	var all []table.Item
	for _, p := range partitions {
		all = append(all, f.all(table.Query{Partition: p})...)
	}
	return all
}

// each reads the same items again, one by one.
func (f *fixture) each(items []table.Item) []table.Item {
	f.Helper()
	var got []table.Item
	for _, it := range items {
		it, err := f.table.Get(f.Context(), it.Key)
		if err != nil {
			f.Fatal(err)
		}
		got = append(got, it)
	}
	return got
}

// all reads every page of q.
func (f *fixture) all(q table.Query) []table.Item {
	f.Helper()
	var items []table.Item
	for {
		page := f.query(q)
		items = append(items, page.Items...)
		if page.Next == "" {
			return items
		}
		if page.Next == q.After {
			f.Fatalf("Query(%+v) does not advance", q)
		}
		q.After = page.Next
	}
}

func (f *fixture) query(q table.Query) table.Page {
	f.Helper()
	page, err := f.table.Query(f.Context(), q)
	if err != nil {
		f.Fatalf("Query(%+v): %v", q, err)
	}
	most := q.Limit
	if most == 0 || most > table.MaxPage {
		most = table.MaxPage
	}
	if len(page.Items) > most {
		f.Fatalf("Query(%+v) returned %d items", q, len(page.Items))
	}
	return page
}

// retry repeats call while the store is busy, which calls in a crowd may meet.
func retry(ctx context.Context, call func() error) error {
	for {
		err := call()
		if !errors.Is(err, table.ErrBusy) || ctx.Err() != nil {
			return err
		}
	}
}

// diffItems takes a nil value and an empty one for the same. It compares values as
// a whole, since the largest are too long to compare byte by byte.
func diffItems(want, got any) string {
	filled := func(a, b []byte) bool { return len(a)+len(b) > 0 }
	return cmp.Diff(want, got, cmpopts.EquateEmpty(), cmp.FilterValues(filled, cmp.Comparer(bytes.Equal)))
}

func record(k table.Key, revision int64, value string) table.Item {
	return table.Item{Key: k, Revision: revision, Value: []byte(value)}
}

func counter(k table.Key, counts map[string]int64) table.Item {
	return table.Item{Key: k, Counts: counts}
}

func create(k table.Key, value string) table.Create {
	return table.Create{Key: k, Value: []byte(value)}
}

// in returns a function that makes keys of a partition.
func in(partition string) func(sort string) table.Key {
	return func(sort string) table.Key { return table.Key{Partition: partition, Sort: sort} }
}

func sorts(items []table.Item) []string {
	var ss []string
	for _, it := range items {
		ss = append(ss, it.Sort)
	}
	return ss
}

// describe names ops without their values, which can be long.
func describe(ops []table.Op) string {
	s := ""
	for i, op := range ops {
		if i == 10 {
			return fmt.Sprintf("%s... %d ops", s, len(ops))
		}
		s += fmt.Sprintf("%T %s; ", op, short(op.OpKey()))
	}
	return s
}

func short(k table.Key) string { return fmt.Sprintf("%.40q %.40q", k.Partition, k.Sort) }
