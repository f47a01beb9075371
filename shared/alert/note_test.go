package alert_test

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/todoku/todoku/shared/alert"
	"github.com/todoku/todoku/shared/problem"
)

func TestAnnotate(t *testing.T) {
	s, c := newStore(t)
	a := accept(t, s, draft(c), "")
	for range 2 { // a form that is sent twice
		if _, err := s.Annotate(t.Context(), a.ID, " 体育館に移りました\r\n", "校長"); err != nil {
			t.Fatal(err)
		}
	}
	a, err := s.Alert(t.Context(), a.ID)
	if err != nil || len(a.Notes) != 1 || a.Notes[0].Text != "体育館に移りました" || a.Notes[0].By != "校長" {
		t.Fatalf("%+v, %v", a.Notes, err)
	}
	for name, text := range map[string]string{"nothing": " \n", "too much": strings.Repeat("長", alert.MaxNote+1), "a turn of writing": "a\u202eb"} {
		if _, err := s.Annotate(t.Context(), a.ID, text, ""); !problem.Is(err, problem.Invalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for i := 1; i < alert.MaxNotes; i++ {
		if _, err := s.Annotate(t.Context(), a.ID, strconv.Itoa(i), ""); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.Annotate(t.Context(), a.ID, "もう一つ", ""); !problem.Is(err, problem.Conflict) {
		t.Errorf("more than there may be: %v", err)
	}
	b := accept(t, s, draft(c), "")
	c.Advance(7 * time.Hour)
	if _, err := s.Annotate(t.Context(), b.ID, "おそい", ""); !problem.Is(err, problem.Conflict) {
		t.Errorf("after the end: %v", err)
	}
}
