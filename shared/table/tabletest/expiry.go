package tabletest

import (
	"fmt"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/todoku/todoku/shared/table"
)

// moments are those around the second at which an item expires.
var moments = []struct {
	name string
	at   time.Duration // from the second of expiry
	gone bool
}{
	{"a second before", -time.Second, false},
	{"a nanosecond before", -1, false},
	{"at the second", 0, true},
	{"a nanosecond after", 1, true},
	{"an hour after", time.Hour, true},
}

func testExpiryOfReads(f *fixture) {
	for _, m := range moments {
		k := in(f.partition())
		expires := f.clock.Now().Truncate(time.Second).Add(10 * time.Second)
		f.write(
			create(k("a"), "stays"),
			table.Create{Key: k("b"), Value: []byte("goes"), Expires: expires.Add(999 * time.Millisecond).In(time.FixedZone("JST", 9*3600))},
			create(k("c"), "stays"),
		)
		f.clock.set(expires.Add(m.at))
		want := []table.Item{record(k("a"), 1, "stays"), record(k("c"), 1, "stays")}
		if m.gone {
			f.wantNone(k("b"))
		} else {
			it := record(k("b"), 1, "goes")
			it.Expires = expires
			f.want(it)
			want = []table.Item{want[0], it, want[1]}
		}
		f.wantContents(want, k("").Partition)
		if got := f.all(table.Query{Partition: k("").Partition, Limit: 1}); len(got) != len(want) {
			f.Errorf("%s: pages of one: %v", m.name, sorts(got))
		}
		if got := f.all(table.Query{Partition: k("").Partition, Limit: 1, Reverse: true}); len(got) != len(want) {
			f.Errorf("%s: pages of one, descending: %v", m.name, sorts(got))
		}
		if f.Failed() {
			f.Fatal(m.name)
		}
	}
}

// testExpiryOfOps tries each op at each moment: the item is there, or it is as if
// it had never been.
func testExpiryOfOps(f *fixture) {
	for _, m := range moments {
		for _, test := range []struct {
			name     string
			op       func(table.Key) table.Op
			conflict bool       // at this moment
			after    table.Item // if there is no conflict; no revision: nothing is there
		}{
			{"create", func(k table.Key) table.Op { return create(k, "new") }, !m.gone, table.Item{Revision: 1, Value: []byte("new")}},
			{"replace", func(k table.Key) table.Op {
				return table.Replace{Key: k, Revision: 2, Value: []byte("new")}
			}, m.gone, table.Item{Revision: 3, Value: []byte("new")}},
			{"delete", func(k table.Key) table.Op { return table.Delete{Key: k, Revision: 2} }, m.gone, table.Item{}},
			{"check", func(k table.Key) table.Op { return table.Check{Key: k, Revision: 2} }, m.gone, table.Item{Revision: 2, Value: []byte("old")}},
			{"check absent", func(k table.Key) table.Op { return table.CheckAbsent{Key: k} }, !m.gone, table.Item{}},
			{"add", func(k table.Key) table.Op { return table.Add{Key: k, Deltas: map[string]int64{"n": 1}} }, !m.gone, table.Item{Counts: map[string]int64{"n": 1}}},
			{"add below zero", func(k table.Key) table.Op { return table.Add{Key: k, Deltas: map[string]int64{"n": -1}} }, true, table.Item{}},
		} {
			k := in(f.partition())
			expires := f.clock.Now().Truncate(time.Second).Add(10 * time.Second)
			f.write(table.Create{Key: k("a"), Value: []byte("older"), Expires: expires.Add(-5 * time.Second)})
			f.write(table.Replace{Key: k("a"), Revision: 1, Value: []byte("old"), Expires: expires})
			f.clock.set(expires.Add(m.at))
			if test.conflict {
				f.wantConflict([]int{1}, create(k("other"), ""), test.op(k("a")))
				f.wantNone(k("other"))
			} else {
				f.write(create(k("other"), ""), test.op(k("a")))
				test.after.Key = k("a")
				if test.name == "check" {
					test.after.Expires = expires
				}
				f.wantContents(itemsBeside(test.after, record(k("other"), 1, "")), k("").Partition)
			}
			if f.Failed() {
				f.Fatalf("%s, %s", test.name, m.name)
			}
		}
	}
}

// itemsBeside leaves it out if it stands for nothing.
func itemsBeside(it, other table.Item) []table.Item {
	if it.Revision == 0 && it.Counts == nil {
		return []table.Item{other}
	}
	return []table.Item{it, other}
}

// testExpiryChanges replaces items by others that expire earlier, later or never.
func testExpiryChanges(f *fixture) {
	k := in(f.partition())
	now := f.clock.Now()
	at := func(s int) time.Time { return now.Add(time.Duration(s) * time.Second) }
	f.write(
		table.Create{Key: k("earlier"), Expires: at(20)},
		table.Create{Key: k("later"), Expires: at(20)},
		table.Create{Key: k("never"), Expires: at(20)},
		table.Create{Key: k("now, once never")},
		table.Create{Key: k("past"), Expires: at(-20)},
		table.Create{Key: k("again"), Expires: at(10)},
	)
	f.wantNone(k("past"))
	f.write(
		table.Replace{Key: k("earlier"), Revision: 1, Expires: at(10)},
		table.Replace{Key: k("later"), Revision: 1, Expires: at(30)},
		table.Replace{Key: k("never"), Revision: 1},
		table.Replace{Key: k("now, once never"), Revision: 1, Expires: at(10)},
		create(k("past"), ""),
	)
	left := func(want ...string) {
		f.Helper()
		if diff := cmp.Diff(want, sorts(f.contents(k("").Partition))); diff != "" {
			f.Errorf("at %v (-want +got):\n%s", f.clock.Now().Sub(now), diff)
		}
	}
	f.clock.set(at(9))
	left("again", "earlier", "later", "never", "now, once never", "past")
	f.clock.set(at(10))
	left("later", "never", "past")
	f.write(create(k("again"), ""))
	f.clock.set(at(29))
	left("again", "later", "never", "past")
	f.clock.set(at(30))
	left("again", "never", "past")
	f.write(table.Delete{Key: k("again"), Revision: 1}, table.Delete{Key: k("never"), Revision: 2})
	left("past")
}

// testTokens repeats writes.
func testTokens(f *fixture) {
	k := in(f.partition())
	n := 0
	write := func(token string, want error, ops ...table.Op) {
		f.Helper()
		n++
		checkOutcome(f, fmt.Sprintf("write %d", n), f.table.Write(f.Context(), token, ops...), want)
	}
	once := []table.Op{create(k("a"), "1"), table.Add{Key: k("n"), Deltas: map[string]int64{"x": 1, "y": 2}}}
	write("one", nil, once...)
	write("one", nil, once...)
	write("two", &table.ConflictError{Ops: []int{0}}, once...)
	write("two", nil, once[1]) // not used up
	write("two", nil, once[1])
	f.want(counter(k("n"), map[string]int64{"x": 2, "y": 4}))

	invalid := table.ErrInvalid
	write("one", invalid, once[1])
	write("one", invalid, create(k("a"), "2"), once[1])
	write("one", invalid, once[1], once[0])
	write("one", invalid, create(k("a"), "1"), table.Add{Key: k("n"), Deltas: map[string]int64{"x": 1, "y": 3}})
	write("one", invalid, table.Create{Key: k("a"), Value: []byte("1"), Expires: start.Add(time.Hour)}, once[1])
	write("one", invalid, create(k("b"), "1"), once[1])
	write("one", invalid, append(once, create(k("b"), "1"))...)
	f.wantContents([]table.Item{record(k("a"), 1, "1"), counter(k("n"), map[string]int64{"x": 2, "y": 4})}, k("").Partition)

	f.write(table.Replace{Key: k("a"), Revision: 1, Value: []byte("2")}) // others write on
	f.clock.advance(table.TokenLife - time.Second)
	write("one", nil, once...)
	f.want(record(k("a"), 2, "2"), counter(k("n"), map[string]int64{"x": 2, "y": 4}))

	f.clock.advance(2 * time.Second)
	write("one", &table.ConflictError{Ops: []int{0}}, once...)
	write("one", nil, once[1])
	write("", nil, once[1])
	write("", nil, once[1])
	f.want(record(k("a"), 2, "2"), counter(k("n"), map[string]int64{"x": 5, "y": 10}))
	f.wantContents([]table.Item{record(k("a"), 2, "2"), counter(k("n"), map[string]int64{"x": 5, "y": 10})}, k("").Partition)
}
