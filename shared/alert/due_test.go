package alert_test

import (
	"testing"

	"github.com/todoku/todoku/shared/alert"
	"github.com/todoku/todoku/shared/table"
	"github.com/todoku/todoku/shared/table/tabletest"
)

// TestDone: many copies are forgotten in few writes, those included of which others were
// forgotten already.
func TestDone(t *testing.T) {
	s, c := newStore(t)
	const many = 2*table.MaxOps + 50
	for range many {
		op := alert.DueOp(alert.Due{CopyRef: alert.CopyRef{Contact: s.IDs.New()}, Group: "docomo#0"}, c.now)
		if err := s.Table.Write(t.Context(), "", op); err != nil {
			t.Fatal(err)
		}
	}
	due, err := s.DueBy(t.Context(), c.now, many)
	if err != nil || len(due) != many {
		t.Fatalf("%d are due, %v", len(due), err)
	}
	counting := &tabletest.Counted{Table: s.Table}
	s.Table = counting
	for _, some := range [][]alert.Due{{due[0], due[7], due[many-1]}, due, due} {
		counting.Writes = 0
		if err := s.Done(t.Context(), some); err != nil || counting.Writes > 5 {
			t.Errorf("%d forgotten in %d writes, %v", len(some), counting.Writes, err)
		}
	}
	if left, err := s.Aside(t.Context()); left || err != nil {
		t.Errorf("some are left: %t, %v", left, err)
	}
}

// TestDueForm: what waits is read by the versions before and after.
func TestDueForm(t *testing.T) {
	s, c := newStore(t)
	d := alert.Due{CopyRef: alert.CopyRef{Ref: alert.Ref{Alert: "a", Class: "c", Family: "f"}, Contact: "k"}, Group: "docomo#0", Number: 3}
	op := alert.DueOp(d, c.now).(table.Create)
	if got, want := string(op.Value), `{"a":"a","c":"c","f":"f","k":"k","q":"docomo#0","n":3}`; got != want {
		t.Errorf("written %s, want %s", got, want)
	}
	if err := s.Table.Write(t.Context(), "", op); err != nil {
		t.Fatal(err)
	}
	if due, err := s.DueBy(t.Context(), c.now, 1); err != nil || len(due) != 1 || due[0].Number != 3 {
		t.Errorf("read %+v, %v", due, err)
	}
}
