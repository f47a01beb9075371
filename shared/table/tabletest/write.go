package tabletest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/todoku/todoku/shared/table"
)

func testItems(f *fixture) {
	k := in(f.partition())
	f.wantNone(k("a"))
	f.write(create(k("a"), "one"))
	f.want(record(k("a"), 1, "one"))
	f.write(table.Replace{Key: k("a"), Revision: 1, Value: []byte("two")})
	f.write(table.Replace{Key: k("a"), Revision: 2, Value: nil})
	f.want(record(k("a"), 3, ""))
	f.write(table.Check{Key: k("a"), Revision: 3}, table.CheckAbsent{Key: k("b")})
	f.want(record(k("a"), 3, ""))
	f.wantNone(k("b"))
	f.write(table.Delete{Key: k("a"), Revision: 3})
	f.wantNone(k("a"))
	f.write(create(k("a"), "again"))
	f.want(record(k("a"), 1, "again"))
}

func testGetMany(f *fixture) {
	k := in(f.partition())
	other := in(f.partition())("a")
	many := make([]table.Key, table.MaxOps)
	for i := range many {
		many[i] = k(fmt.Sprintf("%03d", i))
		if i%2 == 0 {
			f.write(create(many[i], many[i].Sort))
		}
	}
	gone := table.Create{Key: k("gone"), Value: []byte("x"), Expires: f.clock.Now().Add(time.Second)}
	f.write(gone, create(other, "other"), table.Add{Key: k("count"), Deltas: map[string]int64{"n": 2}})
	f.clock.advance(time.Second)
	for _, keys := range [][]table.Key{nil, many, {k("b"), k("a")}, {other, k("count"), gone.Key, many[2], many[2], other}} {
		got, err := f.table.GetMany(f.Context(), keys...)
		if err != nil || len(got) != len(keys) {
			f.Fatalf("GetMany of %d keys: %d items, %v", len(keys), len(got), err)
		}
		for i, key := range keys {
			want, err := f.table.Get(f.Context(), key)
			if err != nil && !errors.Is(err, table.ErrNotFound) {
				f.Fatal(err)
			}
			if diff := diffItems(want, got[i]); diff != "" {
				f.Errorf("item %d of %d (-Get +GetMany):\n%s", i, len(keys), diff)
			}
		}
	}
	for name, keys := range map[string][]table.Key{"too many": append(many, other), "no key": {other, {}}} {
		if _, err := f.table.GetMany(f.Context(), keys...); !errors.Is(err, table.ErrInvalid) {
			f.Errorf("%s: %v", name, err)
		}
	}
}

// stage is a set of items on which every kind of op can succeed and fail. The
// items lie in two partitions, and the failing ops in one of them.
type stage struct {
	partitions []string
	good       []table.Op // one or more of each kind; they succeed together
	bad        []badOp
}

type badOp struct {
	name string
	op   table.Op
}

// setStage writes what the ops need: records at revision 2 and counters.
func setStage(f *fixture) stage {
	s := stage{partitions: []string{f.partition(), f.partition()}}
	near, far := in(s.partitions[0]), in(s.partitions[1])
	for _, k := range []table.Key{near("replaced"), near("deleted"), near("checked"), far("replaced"), near("record")} {
		f.write(create(k, "first"))
		f.write(table.Replace{Key: k, Revision: 1, Value: []byte("second")})
	}
	f.write(
		table.Add{Key: near("added"), Deltas: map[string]int64{"n": 5}},
		table.Add{Key: near("counter"), Deltas: map[string]int64{"n": 5, "m": 1}},
	)
	s.good = []table.Op{
		create(near("created"), "new"),
		table.Replace{Key: near("replaced"), Revision: 2, Value: []byte("third")},
		table.Delete{Key: near("deleted"), Revision: 2},
		table.Check{Key: near("checked"), Revision: 2},
		table.CheckAbsent{Key: near("absent")},
		table.Add{Key: near("added"), Deltas: map[string]int64{"n": -5, "m": 2}},
		table.Add{Key: far("counted"), Deltas: map[string]int64{"n": 1}},
		create(far("created"), "new"),
		table.Replace{Key: far("replaced"), Revision: 2, Value: []byte("third")},
	}
	s.bad = badOps(near)
	return s
}

// badOps returns every op in every way in which its condition can fail, on the
// keys "record", "counter" and "none".
func badOps(k func(string) table.Key) []badOp {
	return []badOp{
		{"create a record that exists", create(k("record"), "x")},
		{"create a counter that exists", create(k("counter"), "x")},
		{"replace nothing", table.Replace{Key: k("none"), Revision: 1}},
		{"replace nothing at revision 0", table.Replace{Key: k("none")}},
		{"replace the revision before", table.Replace{Key: k("record"), Revision: 1}},
		{"replace the revision after", table.Replace{Key: k("record"), Revision: 3}},
		{"replace a record at revision 0", table.Replace{Key: k("record")}},
		{"replace a counter", table.Replace{Key: k("counter")}},
		{"delete nothing", table.Delete{Key: k("none"), Revision: 1}},
		{"delete the revision before", table.Delete{Key: k("record"), Revision: 1}},
		{"delete the revision after", table.Delete{Key: k("record"), Revision: 3}},
		{"delete a counter", table.Delete{Key: k("counter")}},
		{"check nothing", table.Check{Key: k("none"), Revision: 1}},
		{"check nothing at revision 0", table.Check{Key: k("none")}},
		{"check the revision before", table.Check{Key: k("record"), Revision: 1}},
		{"check the revision after", table.Check{Key: k("record"), Revision: 3}},
		{"check a counter", table.Check{Key: k("counter")}},
		{"check that a record is absent", table.CheckAbsent{Key: k("record")}},
		{"check that a counter is absent", table.CheckAbsent{Key: k("counter")}},
		{"take too much", table.Add{Key: k("counter"), Deltas: map[string]int64{"n": -6}}},
		{"take from an absent field", table.Add{Key: k("counter"), Deltas: map[string]int64{"o": -1}}},
		{"take from an absent counter", table.Add{Key: k("none"), Deltas: map[string]int64{"n": -1}}},
		{"take too much of one field of three", table.Add{Key: k("counter"), Deltas: map[string]int64{"a": 1, "m": -2, "n": -1}}},
		{"add to a record", table.Add{Key: k("record"), Deltas: map[string]int64{"n": 1}}},
	}
}

// testFailInEveryPosition puts each failing op between succeeding ops of all kinds,
// in every position, and looks at everything afterwards.
func testFailInEveryPosition(f *fixture) {
	s := setStage(f)
	before := f.contents(s.partitions...)
	for _, bad := range s.bad {
		for i := range len(s.good) + 1 {
			f.wantConflict([]int{i}, slices.Insert(slices.Clone(s.good), i, bad.op)...)
			f.wantContents(before, s.partitions...)
			if f.Failed() {
				f.Fatalf("%s, as op %d", bad.name, i)
			}
		}
		f.wantConflict([]int{0}, bad.op)
	}
	f.write(s.good...) // they were good indeed
	near, far := in(s.partitions[0]), in(s.partitions[1])
	f.wantNone(near("deleted"), near("absent"))
	f.want(
		record(near("created"), 1, "new"), record(near("replaced"), 3, "third"), record(near("checked"), 2, "second"),
		counter(near("added"), map[string]int64{"n": 0, "m": 2}), counter(far("counted"), map[string]int64{"n": 1}),
		record(far("created"), 1, "new"), record(far("replaced"), 3, "third"),
	)
}

// testAllFailingOpsNamed mixes several failing ops, one for each of their keys,
// into the good ones.
func testAllFailingOpsNamed(f *fixture) {
	s := setStage(f)
	before := f.contents(s.partitions...)
	rnd := newRand(f)
	for range 40 {
		ops, failing := mix(rnd, s)
		f.wantConflict(failing, ops...)
		f.wantContents(before, s.partitions...)
	}
}

func mix(rnd *rand.Rand, s stage) (ops []table.Op, failing []int) {
	ops = slices.Clone(s.good)
	used := map[table.Key]bool{}
	var bad []table.Op
	for _, i := range rnd.Perm(len(s.bad)) {
		if op := s.bad[i].op; !used[op.OpKey()] {
			used[op.OpKey()] = true
			bad = append(bad, op)
		}
	}
	bad = bad[:1+rnd.IntN(len(bad))]
	ops = append(ops, bad...)
	rnd.Shuffle(len(ops), func(i, j int) { ops[i], ops[j] = ops[j], ops[i] })
	for i, op := range ops {
		if used[op.OpKey()] {
			failing = append(failing, i)
		}
	}
	return ops, failing
}

func testCounters(f *fixture) {
	k := in(f.partition())
	add := func(deltas map[string]int64) table.Op { return table.Add{Key: k("n"), Deltas: deltas} }
	f.write(add(map[string]int64{"a": 0, "b": 3}))
	f.want(counter(k("n"), map[string]int64{"a": 0, "b": 3}))
	f.write(add(map[string]int64{"b": -3, "配送": 7}))
	f.want(counter(k("n"), map[string]int64{"a": 0, "b": 0, "配送": 7}))
	f.write(add(map[string]int64{"c": table.MaxDelta}))
	f.write(add(map[string]int64{"c": -table.MaxDelta + 1, "a": 1}))
	want := counter(k("n"), map[string]int64{"a": 1, "b": 0, "c": 1, "配送": 7})
	f.wantConflict([]int{0}, add(map[string]int64{"a": -2, "b": 1}))
	f.wantConflict([]int{0}, add(map[string]int64{"b": -1}))
	f.wantConflict([]int{0}, add(map[string]int64{"c": -2, "a": -1, "z": 5}))
	f.want(want)
	f.wantContents([]table.Item{want}, k("").Partition)
}

// testNotAliased changes what went in and what came out, which must not change
// what is stored, and changes what is stored, which must not change what came out.
// Values are long, since stores treat short ones otherwise.
func testNotAliased(f *fixture) {
	k := in(f.partition())
	value, deltas := []byte(strings.Repeat("value", 1000)), map[string]int64{"n": 1}
	a, b := record(k("a"), 1, string(value)), record(k("b"), 1, strings.Repeat("other", 1000))
	want := []table.Item{a, b, counter(k("c"), map[string]int64{"n": 1})}
	f.write(table.Create{Key: a.Key, Value: value}, create(b.Key, string(b.Value)), table.Add{Key: k("c"), Deltas: deltas})
	value[0], deltas["n"] = 'X', 9
	f.want(want...)
	for _, it := range append(f.contents(k("").Partition), f.each(want)...) {
		spoil(it)
	}
	f.want(want...)

	page, each := f.contents(k("").Partition), f.each(want)
	_ = append(page[0].Value, "longer than it was"...)
	for r := range int64(5) {
		f.write(
			table.Replace{Key: a.Key, Revision: 1 + r, Value: []byte(strings.Repeat("new", 1500))},
			table.Replace{Key: b.Key, Revision: 1 + r}, table.Add{Key: k("c"), Deltas: deltas})
	}
	for _, kept := range [][]table.Item{page, each} {
		if diff := diffItems(want, kept); diff != "" {
			f.Errorf("items that were read before others wrote (-want +got):\n%s", diff)
		}
	}
}

func spoil(it table.Item) {
	for i := range it.Value {
		it.Value[i] = 'X'
	}
	if it.Counts != nil {
		it.Counts["n"] = 9
	}
}

// testContext calls with a context that has ended.
func testContext(f *fixture) {
	k := in(f.partition())
	f.write(create(k("a"), "there"))
	cancelled, cancel := context.WithCancel(f.Context())
	cancel()
	late, cancel := context.WithDeadline(f.Context(), time.Unix(1, 0))
	defer cancel()
	for want, ctx := range map[error]context.Context{context.Canceled: cancelled, context.DeadlineExceeded: late} {
		_, getErr := f.table.Get(ctx, k("a"))
		_, manyErr := f.table.GetMany(ctx, k("a"))
		_, queryErr := f.table.Query(ctx, table.Query{Partition: k("").Partition})
		writeErr := f.table.Write(ctx, "token", create(k("b"), "never"))
		for call, err := range map[string]error{"Get": getErr, "GetMany": manyErr, "Query": queryErr, "Write": writeErr} {
			if !errors.Is(err, want) {
				f.Errorf("%s = %v, want %v", call, err, want)
			}
		}
	}
	f.wantContents([]table.Item{record(k("a"), 1, "there")}, k("").Partition)
}

// testHealth calls CheckHealth, again and at once from several sides.
func testHealth(f *fixture) {
	c, ok := f.table.(table.Checker)
	if !ok {
		f.Fatal("the adapter is no table.Checker")
	}
	inCrowd(f, 4, func(int) error {
		for range 3 {
			if err := c.CheckHealth(f.Context()); err != nil {
				return err
			}
		}
		return nil
	})
}
