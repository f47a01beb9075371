package move_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/todoku/todoku/infra/move"
	"github.com/todoku/todoku/shared/format"
	"github.com/todoku/todoku/shared/keep"
	"github.com/todoku/todoku/shared/problem"
	"github.com/todoku/todoku/shared/table"
)

const (
	oldAlert = "01knfzpn60td2qk7ze0wgytexg"
	families = 60
)

// place is a family's in a group, which form 1 wrote as JSON.
var place = table.Key{Partition: "school/s/in/class-1-1", Sort: "f"}

func family(i int) table.Key {
	return table.Key{Partition: "alert/" + oldAlert + "/class", Sort: fmt.Sprintf("family/%02d", i)}
}

// asForm1 fills a store as version 1 did: without a mark, and without ends.
func asForm1(t *testing.T, s format.Store) {
	t.Helper()
	ops := []table.Op{
		table.Create{Key: table.Key{Partition: "schools", Sort: "s"}, Value: []byte("{}")},
		table.Create{Key: place, Value: []byte(`{"children":["c"]}`)},
		table.Add{Key: table.Key{Partition: "alert/" + oldAlert, Sort: "class/c"}, Deltas: map[string]int64{"n": 1}},
	}
	for i := range families {
		ops = append(ops, table.Create{Key: family(i), Value: []byte("old")})
	}
	must(t, s.Write(t.Context(), "", ops...))
}

// ends returns how many families have their end.
func ends(t *testing.T, s table.Table) (n int) {
	t.Helper()
	for i := range families {
		it, err := s.Get(t.Context(), family(i))
		must(t, err)
		if it.Expires.Equal(keep.End(it.Key, 0)) {
			n++
		}
	}
	return n
}

func wantMark(t *testing.T, s table.Table, want format.Mark) {
	t.Helper()
	if got, _, err := format.Read(t.Context(), s); err != nil || got != want {
		t.Errorf("the mark is %+v, %v, want %+v", got, err, want)
	}
}

var errCut = errors.New("the power failed")

// cut is a store that fails after some writes, and on which somebody else writes before.
type cut struct {
	format.Store
	left  int
	other func()
}

func (c *cut) Write(ctx context.Context, token string, ops ...table.Op) error {
	if c.left == 0 {
		return errCut
	}
	c.left--
	if c.other != nil {
		c.other()
		c.other = nil
	}
	return c.Store.Write(ctx, token, ops...)
}

// TestMigrate takes a store of form 1 through the three states, in both modes.
func TestMigrate(t *testing.T) {
	for name, open := range map[string]func(t *testing.T) format.Store{
		"one machine": func(t *testing.T) format.Store { return oneMachine(t) },
		"AWS":         func(t *testing.T) format.Store { return onAWS(t, "migrated") },
	} {
		t.Run(name, func(t *testing.T) { testMigrate(t, open(t)) })
	}
}

func testMigrate(t *testing.T, s format.Store) {
	asForm1(t, s)
	guard := func() table.Table { return &format.Guard{Table: keep.Table{Table: s}} } // a program that starts

	// Before: what is old is read, and reading changes nothing.
	if it, err := guard().Get(t.Context(), family(0)); err != nil || string(it.Value) != "old" {
		t.Errorf("before: %v, %v", it, err)
	}
	wantMark(t, s, format.Mark{Is: 1, To: 1})

	// During: the first write raises the mark, and is new.
	must(t, guard().Write(t.Context(), "", table.Replace{Key: family(0), Revision: 1, Value: []byte("new")}))
	wantMark(t, s, format.Mark{Is: 1, To: format.Now})
	if n := ends(t, s); n != 1 {
		t.Errorf("%d families have an end, and one was written", n)
	}
	// Nothing ends before its time because nobody said when that is.
	if _, err := move.Migrate(t.Context(), s, 0); !errors.Is(err, move.ErrKeep) || ends(t, s) != 1 {
		t.Errorf("without the time for which alerts are kept: %v, %d ends", err, ends(t, s))
	}
	// A migration that is cut off has done a part, and all can be read and written.
	_, err := move.Migrate(t.Context(), &cut{Store: s, left: 1}, keep.Alerts)
	if !errors.Is(err, errCut) {
		t.Fatalf("cut off: %v", err)
	}
	if n := ends(t, s); n < 2 || n == families {
		t.Errorf("after it was cut off %d of %d families have an end", n, families)
	}
	wantMark(t, s, format.Mark{Is: 1, To: format.Now})
	must(t, guard().Write(t.Context(), "", table.Replace{Key: family(1), Revision: revision(t, s, family(1)), Value: []byte("newer")}))

	// It is begun again, and somebody writes what it has just read.
	last := family(families - 1)
	other := func() {
		must(t, guard().Write(t.Context(), "", table.Replace{Key: last, Revision: revision(t, s, last), Value: []byte("faster")}))
	}
	rep, err := move.Migrate(t.Context(), &cut{Store: s, left: 100, other: other}, keep.Alerts)
	must(t, err)
	t.Logf("%+v", rep)

	// After: nothing old is left, nothing is lost, and there is no more to do.
	wantMark(t, s, format.Mark{Is: format.Now, To: format.Now})
	if n := ends(t, s); n != families {
		t.Errorf("after it %d of %d families have an end", n, families)
	}
	if it, err := s.Get(t.Context(), place); err != nil || it.Value[0] == '{' {
		t.Errorf("a place in a group is %q, %v", it.Value, err)
	}
	for key, want := range map[table.Key]string{family(0): "new", family(1): "newer", last: "faster", family(7): "old"} {
		if it, err := s.Get(t.Context(), key); err != nil || string(it.Value) != want {
			t.Errorf("%s: %q, %v, want %q", key, it.Value, err, want)
		}
	}
	if rep, err := move.Migrate(t.Context(), s, 0); err != nil || rep.Looked > 0 {
		t.Errorf("once more: %+v, %v", rep, err)
	}
	newer(t, s, guard())
}

// newer gives a store the mark of a version to come: this one refuses it, and changes nothing.
func newer(t *testing.T, s format.Store, g table.Table) {
	t.Helper()
	m, revision, err := format.Read(t.Context(), s)
	must(t, err)
	must(t, format.Put(t.Context(), s, format.Mark{Is: m.Is, To: format.Now + 1}, revision))
	before := contents(t, s)
	_, get := g.Get(t.Context(), family(0))
	_, many := g.GetMany(t.Context(), family(0))
	_, query := g.Query(t.Context(), table.Query{Partition: family(0).Partition})
	write := g.Write(t.Context(), "", table.Create{Key: table.Key{Partition: "p", Sort: "s"}})
	_, migrate := move.Migrate(t.Context(), s, 0)
	for name, err := range map[string]error{"Get": get, "GetMany": many, "Query": query, "Write": write, "Migrate": migrate} {
		if !problem.Is(err, problem.Conflict) {
			t.Errorf("%s of a newer store: %v", name, err)
		}
	}
	if d := cmp.Diff(before, contents(t, s)); d != "" {
		t.Errorf("a newer store was changed (-want +got):\n%s", d)
	}
}

func revision(t *testing.T, s table.Table, key table.Key) int64 {
	t.Helper()
	it, err := s.Get(t.Context(), key)
	must(t, err)
	return it.Revision
}
