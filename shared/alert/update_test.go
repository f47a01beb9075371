package alert_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"

	"github.com/todoku/todoku/shared/alert"
	"github.com/todoku/todoku/shared/table"
)

// counting is a table that counts what is read one by one.
type counting struct {
	table.Table
	gets atomic.Int64
}

func (c *counting) Get(ctx context.Context, key table.Key) (table.Item, error) {
	c.gets.Add(1)
	return c.Table.Get(ctx, key)
}

func (c *counting) GetMany(ctx context.Context, keys ...table.Key) ([]table.Item, error) {
	c.gets.Add(int64(len(keys)))
	return c.Table.GetMany(ctx, keys...)
}

// TestEditor changes a family that somebody else changes meanwhile.
func TestEditor(t *testing.T) {
	s, c := newStore(t)
	reads := &counting{Table: s.Table}
	s.Table = reads
	a := accept(t, s, draft(c), "")
	m := family(s, "class")
	create(t, s, a, m)
	copyTo := func(i int, change func(*alert.Copy)) alert.Change {
		return alert.Change{Ref: m.Ref(a.ID), Apply: func(f *alert.Family) bool { change(&f.Copies[i]); return true }}
	}
	doubt := func(x *alert.Copy) { x.Doubt() }
	sent := func(x *alert.Copy) { x.Accept(c.now) }

	e := s.Editor()
	steps := []struct {
		name  string
		by    func(context.Context, ...alert.Change) error
		what  alert.Change
		reads int64
	}{
		{"the first change reads", e.Update, copyTo(0, doubt), 1},
		{"the second does not", e.Update, copyTo(0, sent), 0},
		{"somebody else's reads", s.Update, copyTo(1, sent), 1},
		{"what is out of date is read anew", e.Update, copyTo(2, sent), 1},
		{"and known from then on", e.Update, copyTo(2, sent), 0},
	}
	for _, step := range steps {
		before := reads.gets.Load()
		if err := step.by(t.Context(), step.what); err != nil {
			t.Fatalf("%s: %v", step.name, err)
		}
		if got := reads.gets.Load() - before; got != step.reads {
			t.Errorf("%s: %d reads, want %d", step.name, got, step.reads)
		}
	}
	f, err := s.Family(t.Context(), m.Ref(a.ID))
	if err != nil {
		t.Fatal(err)
	}
	for i := range f.Copies {
		if f.Copies[i].State != alert.Sent {
			t.Errorf("copy %d is %s, want sent: a change was lost", i, f.Copies[i].State)
		}
	}
	compare(t, s, a, []alert.Ref{m.Ref(a.ID)})
}

// TestEditorKeepsNothingOfAFailure has a change refused after it was made.
func TestEditorKeepsNothingOfAFailure(t *testing.T) {
	s, c := newStore(t)
	a := accept(t, s, draft(c), "")
	m := family(s, "class")
	create(t, s, a, m)
	e := s.Editor()
	halfDone := func(f *alert.Family) bool {
		f.Copies[0].State = alert.Refused
		f.Children[0].Answer = &alert.Answer{Choice: "safe"}
		return false
	}
	look := func(f *alert.Family) bool {
		if f.Copies[0].State != alert.Queued || f.Children[0].Answer != nil {
			t.Errorf("copy %s, answer %v; want what is stored", f.Copies[0].State, f.Children[0].Answer)
		}
		return false
	}
	for _, apply := range []func(*alert.Family) bool{halfDone, look} {
		if err := e.Update(t.Context(), alert.Change{Ref: m.Ref(a.ID), Apply: apply}); err != nil {
			t.Fatal(err)
		}
	}
	gone := alert.Ref{Alert: a.ID, Class: "class", Family: s.IDs.New()}
	if err := e.Update(t.Context(), alert.Change{Ref: gone, Apply: look}); !errors.Is(err, alert.ErrNotFound) {
		t.Errorf("a family that is not there: %v, want ErrNotFound", err)
	}
}

// TestStrandsAddUp holds that a fan-out's totals are those of its strands, and are
// not counted twice when the whole is done.
func TestStrandsAddUp(t *testing.T) {
	s, c := newStore(t)
	a := accept(t, s, draft(c), "")
	for i := range 3 {
		p := alert.Progress{Job: alert.Strand(i), Families: 1, Children: 2, Copies: map[string]int64{"au": 3}}
		if err := s.SaveProgress(t.Context(), a, &p); err != nil {
			t.Fatal(err)
		}
	}
	for _, done := range []bool{false, true} {
		p, err := s.Progress(t.Context(), a.ID, alert.FanOut)
		if err != nil {
			t.Fatal(err)
		}
		if p.Done != done || p.Families != 3 || p.Children != 6 || p.Copies["au"] != 9 || !p.At.Equal(c.now) {
			t.Errorf("done=%v: %+v; want 3 families, 6 children, 9 copies", done, p)
		}
		p.Done = true
		if err := s.SaveProgress(t.Context(), a, &p); err != nil {
			t.Fatal(err)
		}
	}
}
