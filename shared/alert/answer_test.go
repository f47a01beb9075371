package alert_test

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/todoku/todoku/shared/alert"
	"github.com/todoku/todoku/shared/problem"
	"github.com/todoku/todoku/shared/table/tabletest"
)

func TestAnswer(t *testing.T) {
	s, c := newStore(t)
	a := accept(t, s, draft(c), "")
	m := family(s, "class")
	create(t, s, a, m)
	ref, kids := m.Ref(a.ID), m.Family.Children
	answer := func(guardian int, choices map[string]string) error {
		return s.Answer(t.Context(), a, alert.AnswerRequest{Ref: ref, Guardian: guardian, By: "g", Way: alert.ByLink, Choices: choices})
	}
	if err := answer(0, map[string]string{kids[1].ID: "safe"}); !problem.Is(err, problem.Forbidden) {
		t.Errorf("answering for another's child: %v, want forbidden", err)
	}
	if err := answer(1, map[string]string{kids[0].ID: "safe", kids[1].ID: "maybe"}); !problem.Is(err, problem.Invalid) {
		t.Errorf("answering what is not offered: %v, want invalid", err)
	}
	if err := answer(1, nil); !problem.Is(err, problem.Invalid) {
		t.Errorf("answering nothing: %v, want invalid", err)
	}
	assertCounts(t, s, a, 2, map[string]int64{"silent": 2}, 0)

	c.Advance(90 * time.Second)
	if err := answer(1, map[string]string{kids[0].ID: "help", kids[1].ID: "safe"}); err != nil {
		t.Fatal(err)
	}
	assertCounts(t, s, a, 2, map[string]int64{"answered": 2}, 1)
	c.Advance(time.Hour)
	if err := answer(0, map[string]string{kids[0].ID: "safe"}); err != nil {
		t.Fatal(err)
	}
	st := assertCounts(t, s, a, 2, map[string]int64{"answered": 2}, 0)
	want := []alert.CurvePoint{{After: 2 * time.Minute, Answered: 2}}
	if diff := cmp.Diff(want, st.Curve); diff != "" {
		t.Errorf("curve (-want +got):\n%s", diff)
	}
	history, err := s.History(t.Context(), ref, kids[0].ID)
	if err != nil || len(history) != 2 || history[0].Choice != "help" || history[1].Choice != "safe" {
		t.Errorf("history = %+v, %v; want help, then safe", history, err)
	}
	if _, err := s.Close(t.Context(), a.ID); err != nil {
		t.Fatal(err)
	}
	a, _ = s.Alert(t.Context(), a.ID)
	if err := answer(0, map[string]string{kids[0].ID: "safe"}); !problem.Is(err, problem.Gone) {
		t.Errorf("answering a closed alert: %v, want gone", err)
	}
}

// A reminder that was cancelled in its queue has failed nobody: it is not among the copies
// that tell who was not told.
func TestCancelledReminder(t *testing.T) {
	s, c := newStore(t)
	a := accept(t, s, draft(c), "")
	m := family(s, "class")
	create(t, s, a, m)
	change := func(apply func(f *alert.Family)) alert.Status {
		t.Helper()
		err := s.Update(t.Context(), alert.Change{Ref: m.Ref(a.ID), Apply: func(f *alert.Family) bool { apply(f); return true }})
		if err != nil {
			t.Fatal(err)
		}
		st, err := s.Status(t.Context(), a)
		if err != nil {
			t.Fatal(err)
		}
		return st
	}
	first := m.Family.Copies[0]
	reminder := alert.Copy{Contact: first.Contact, Lane: first.Lane, Round: 1, State: alert.Queued}
	before := change(func(f *alert.Family) { f.Copies[0].Accept(c.now) })
	st := change(func(f *alert.Family) { f.Copies = append(f.Copies, reminder) })
	if st.Copies.Total != before.Copies.Total+1 {
		t.Errorf("with the reminder there are %d copies, before %d", st.Copies.Total, before.Copies.Total)
	}
	st = change(func(f *alert.Family) { f.Copies[len(f.Copies)-1].Cancel(c.now) })
	if diff := cmp.Diff(before.Copies, st.Copies); diff != "" {
		t.Errorf("copies (-before +after):\n%s", diff)
	}
	st = change(func(f *alert.Family) { f.Copies[1].Cancel(c.now) })
	if st.Copies.By[string(alert.Cancelled)] != 1 {
		t.Error("a first mail that was cancelled is not counted")
	}
	change(func(f *alert.Family) { f.Copies[2].Cancel(c.now) })
	assertCounts(t, s, a, 2, map[string]int64{"silent": 1, "untold": 1}, 0)
	change(func(f *alert.Family) { f.Copies[0].Refuse(alert.Failure{Code: 550}, c.now) })
}

// What staff recorded can be taken back while it is the newest: the answer before counts
// again, and so do the counters and the curve.
func TestTakeBack(t *testing.T) {
	s, c := newStore(t)
	a := accept(t, s, draft(c), "")
	m := family(s, "class")
	create(t, s, a, m)
	ref, kid := m.Ref(a.ID), m.Family.Children[0].ID
	see := func(id, choice string) time.Time {
		t.Helper()
		r := alert.AnswerRequest{Ref: ref, Guardian: -1, By: "staff", Way: alert.ByStaff, ID: id, Choices: map[string]string{kid: choice}}
		for range 2 { // sent again by a bad connection: it counts once
			if err := s.Answer(t.Context(), a, r); err != nil {
				t.Fatal(err)
			}
		}
		return c.now
	}
	back := func(at time.Time, want error) {
		t.Helper()
		c.Advance(time.Minute)
		for range 2 {
			if err := s.TakeBack(t.Context(), a, ref, kid, at, "other"); !errors.Is(err, want) {
				t.Fatalf("taking back: %v, want %v", err, want)
			}
		}
	}
	first := see("one", "safe")
	c.Advance(time.Minute)
	second := see("two", "help")
	assertCounts(t, s, a, 2, map[string]int64{"answered": 1, "silent": 1}, 1)
	back(first, alert.ErrNewer)
	back(second, nil)
	assertCounts(t, s, a, 2, map[string]int64{"answered": 1, "silent": 1}, 0)
	back(first, nil)
	if st := assertCounts(t, s, a, 2, map[string]int64{"silent": 2}, 0); len(st.Curve) != 0 {
		t.Errorf("curve = %v; want none", st.Curve)
	}
	back(c.now, alert.ErrNotFound)
	history, err := s.History(t.Context(), ref, kid)
	if err != nil || len(history) != 2 || history[0].BackBy != "other" || history[1].BackBy != "other" {
		t.Errorf("history = %+v, %v", history, err)
	}
	see("three", "safe")
	assertCounts(t, s, a, 2, map[string]int64{"answered": 1, "silent": 1}, 0)
}

// TestAnswerTwiceAtOnce sends an answer again while it is recorded.
func TestAnswerTwiceAtOnce(t *testing.T) {
	s, _ := newStore(t)
	a := accept(t, s, draft(&clock{now: s.Now()}), "")
	m := family(s, "class")
	create(t, s, a, m)
	r := alert.AnswerRequest{
		Ref: m.Ref(a.ID), Guardian: -1, By: "teacher", Way: alert.ByStaff, ID: "form",
		Choices: map[string]string{m.Family.Children[0].ID: "safe"},
	}
	again := *s
	again.Table = &tabletest.Before{Table: s.Table, Do: func() {
		if err := s.Answer(t.Context(), a, r); err != nil {
			t.Error(err)
		}
	}}
	if err := again.Answer(t.Context(), a, r); err != nil {
		t.Error(err)
	}
}
