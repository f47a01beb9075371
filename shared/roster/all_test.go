package roster

import (
	"context"
	"errors"
	"slices"
	"testing"
)

func TestAll(t *testing.T) {
	s := newStore(t)
	load(t, s, oldYear)
	var ids []string
	for f, err := range s.All(t.Context(), testSchool) {
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, f.ID)
	}
	if want := families(t, s); len(ids) != len(want) || !slices.IsSorted(ids) {
		t.Errorf("%d families of %d, %v", len(ids), len(want), ids)
	}
	ended, end := context.WithCancel(t.Context())
	end()
	n := 0
	for _, err := range s.All(ended, testSchool) {
		if n++; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	}
	if n != 1 {
		t.Errorf("an error is yielded %d times", n)
	}
	for range s.All(t.Context(), "not/usable") {
		t.Error("a family of no school")
	}
}

func TestChildrenOf(t *testing.T) {
	f := Family{Children: []Child{{ID: "c1", Guardians: []string{"g1"}}, {ID: "c2", Guardians: []string{"g1", "g2"}}}}
	if of := f.ChildrenOf("g2"); len(of) != 1 || of[0].ID != "c2" || len(f.Children) != 2 {
		t.Errorf("g2 answers for %v of %v", of, f.Children)
	}
	if c, there := f.Child("c1"); !there || !c.AnsweredBy("g1") || c.AnsweredBy("g2") {
		t.Errorf("c1 is %v, %t", c, there)
	}
	if c, there := f.Child("c3"); there || c.AnsweredBy("") {
		t.Errorf("c3 is %v, %t", c, there)
	}
}
