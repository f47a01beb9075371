package tabletest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/google/go-cmp/cmp"

	"github.com/todoku/todoku/shared/table"
)

// testQueryCalls makes reads that are outside the limits.
func testQueryCalls(f *fixture) {
	p := f.partition()
	long := filler(table.MaxSortBytes + 1)
	for name, q := range map[string]table.Query{
		"no partition":     {},
		"long partition":   {Partition: filler(table.MaxPartitionBytes + 1)},
		"NUL in partition": {Partition: "a\x00"},
		"long prefix":      {Partition: p, Prefix: long},
		"prefix not UTF-8": {Partition: p, Prefix: "a\xff"},
		"NUL in prefix":    {Partition: p, Prefix: "\x00"},
		"long cursor":      {Partition: p, After: long},
		"cursor not UTF-8": {Partition: p, After: "\xff"},
		"NUL in cursor":    {Partition: p, After: "a\x00"},
		"negative limit":   {Partition: p, Limit: -1},
	} {
		if _, err := f.table.Query(f.Context(), q); !errors.Is(err, table.ErrInvalid) {
			f.Errorf("%s: Query = %v, want ErrInvalid", name, err)
		}
	}
	for name, k := range map[string]table.Key{
		"no key": {}, "no partition": {Sort: "a"}, "no sort key": {Partition: p}, "long sort key": {Partition: p, Sort: long},
		"NUL": {Partition: p, Sort: "\x00"}, "not UTF-8": {Partition: "\xff", Sort: "a"},
	} {
		if _, err := f.table.Get(f.Context(), k); !errors.Is(err, table.ErrInvalid) {
			f.Errorf("%s: Get = %v, want ErrInvalid", name, err)
		}
	}
	if page := f.query(table.Query{Partition: p}); len(page.Items) != 0 || page.Next != "" {
		f.Errorf("an empty partition has the page %v", page)
	}
}

// testCursors asks every question about a few items that lie around the borders
// of prefixes, and compares with the definition. Two of the cursors are keys of
// items that are deleted, others never existed.
func testCursors(f *fixture) {
	keys := []string{"\x01", "a", "a\x01", "a/1", "a/2", "a/3", "a0", "a\u00ff", "a\U0010ffff", "a\U0010ffffz", "b", "b/1", "語", "😀"}
	deleted := []string{"a/2", "b/1"}
	k := in(f.partition())
	f.write(create(in(k("").Partition+"0")("a/1"), "of another partition"))
	for _, key := range keys {
		f.write(create(k(key), key))
	}
	for _, key := range deleted {
		f.write(table.Delete{Key: k(key), Revision: 1})
	}
	keys = slices.DeleteFunc(keys, func(key string) bool { return slices.Contains(deleted, key) })
	afters := append(slices.Clone(orderedSorts[:3]), "", "a", "a/", "a/1", "a/2", "a/3", "a0", "a9", "a\U0010ffff", "b", "b/1", "語", "\U0010ffff")
	for _, prefix := range []string{"", "\x01", "a", "a/", "a/2", "a\u00ff", "a\U0010ffff", "b", "b/1", "c", "語", "😀", "\U0010ffff"} {
		for _, after := range afters {
			for _, q := range []table.Query{{Limit: 1}, {Limit: 1, Reverse: true}, {Limit: 2}, {Limit: 3, Reverse: true}, {}, {Reverse: true}} {
				q.Partition, q.Prefix, q.After = k("").Partition, prefix, after
				if diff := cmp.Diff(asDefined(keys, q), sorts(f.all(q))); diff != "" {
					f.Errorf("Query(%+v) (-want +got):\n%s", q, diff)
				}
			}
		}
	}
}

// asDefined is what a query over keys returns on all its pages.
func asDefined(keys []string, q table.Query) []string {
	var out []string
	for _, key := range keys {
		behind := q.After == "" || key > q.After
		if q.Reverse {
			behind = q.After == "" || key < q.After
		}
		if behind && strings.HasPrefix(key, q.Prefix) {
			out = append(out, key)
		}
	}
	slices.Sort(out)
	if q.Reverse {
		slices.Reverse(out)
	}
	return out
}

// testBetweenPages writes before, at and behind the cursor between two pages.
func testBetweenPages(f *fixture) {
	for _, reverse := range []bool{false, true} {
		k := in(f.partition())
		for _, key := range []string{"b", "d", "f", "h"} {
			f.write(create(k(key), key))
		}
		q := table.Query{Partition: k("").Partition, Limit: 2, Reverse: reverse}
		first := sorts(f.query(q).Items)
		q.After = first[len(first)-1]
		f.write(create(k("a"), "new"), create(k("e"), "new"), create(k("i"), "new"), table.Delete{Key: k(q.After), Revision: 1})
		got := append(first, sorts(f.all(q))...)
		want := []string{"b", "d", "e", "f", "h", "i"}
		if reverse {
			want = []string{"h", "f", "e", "d", "b", "a"}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			f.Errorf("reverse %t: pages (-want +got):\n%s", reverse, diff)
		}
	}
}

// testWhileWriting reads pages while others replace, create and delete around the
// items that stay: those must be there exactly once.
func testWhileWriting(f *fixture) {
	k := in(f.partition())
	var stay []string
	for i := range 20 {
		stay = append(stay, fmt.Sprintf("%02d", i))
		f.write(create(k(stay[i]), "stays"))
	}
	stop := make(chan struct{})
	var busy sync.WaitGroup
	for w := range 2 {
		busy.Go(func() { comeAndGo(f, k, w, stop) })
	}
	for round := range 30 {
		items := f.all(table.Query{Partition: k("").Partition, Limit: 3, Reverse: round%2 == 1})
		if round%2 == 1 {
			slices.Reverse(items)
		}
		got := slices.DeleteFunc(sorts(items), func(s string) bool { return len(s) != 2 })
		if diff := cmp.Diff(stay, got); diff != "" {
			f.Errorf("items that stay (-want +got):\n%s", diff)
		}
	}
	close(stop)
	busy.Wait()
}

// comeAndGo creates and deletes items between those that stay, until stop.
func comeAndGo(f *fixture, k func(string) table.Key, writer int, stop chan struct{}) {
	for i := 0; ; i++ {
		key := k(fmt.Sprintf("%02d-%d", i%20, writer))
		for _, op := range []table.Op{create(key, "goes"), table.Delete{Key: key, Revision: 1}} {
			if err := retry(f.Context(), func() error { return f.table.Write(f.Context(), "", op) }); err != nil {
				f.Errorf("Write(%T): %v", op, err)
				return
			}
		}
		select {
		case <-stop:
			return
		default:
		}
	}
}

// testLongPages reads more items than a page holds.
func testLongPages(f *fixture) {
	k := in(f.partition())
	var want []string
	for len(want) < table.MaxPage+table.MaxOps {
		var ops []table.Op
		for range table.MaxOps {
			key := fmt.Sprintf("%05d", len(want))
			want = append(want, key)
			ops = append(ops, create(k(key), key))
		}
		f.write(ops...)
	}
	for _, limit := range []int{0, table.MaxPage, table.MaxPage + 1, 1 << 30} {
		got := f.all(table.Query{Partition: k("").Partition, Limit: limit})
		if diff := cmp.Diff(want, sorts(got)); diff != "" {
			f.Errorf("limit %d (-want +got):\n%s", limit, diff)
		}
	}
	if page := f.query(table.Query{Partition: k("").Partition, Prefix: "0000"}); len(page.Items) != 10 || page.Next != "" {
		f.Errorf("a query that has an end returned %d items, next %q; want 10 and none", len(page.Items), page.Next)
	}
}

// testHeavyPages reads more bytes than a store likes to return at once.
func testHeavyPages(f *fixture) {
	k := in(f.partition())
	var want []table.Item
	for i := range 8 {
		it := record(k(fmt.Sprint(i)), 1, strings.Repeat(fmt.Sprint(i), 350<<10))
		want = append(want, it)
		f.write(create(it.Key, string(it.Value)))
	}
	got := f.contents(k("").Partition)
	if !slices.EqualFunc(want, got, func(a, b table.Item) bool { return a.Key == b.Key && string(a.Value) == string(b.Value) }) {
		f.Errorf("got the items %v", sorts(got))
	}
}
