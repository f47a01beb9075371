package dead_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/todoku/todoku/shared/alert"
	"github.com/todoku/todoku/shared/dead"
	"github.com/todoku/todoku/shared/id"
	"github.com/todoku/todoku/shared/proof"
	"github.com/todoku/todoku/shared/queue"
	"github.com/todoku/todoku/shared/table/bbolt/bbolttest"
)

// TestLetters buries letters, lists them with their reasons, and has them put back, one
// and then all.
func TestLetters(t *testing.T) {
	now := time.Date(2026, 9, 1, 8, 0, 0, 0, time.UTC)
	tab := bbolttest.Open(t, func() time.Time { return now })
	s := &dead.Store{Table: tab, Now: func() time.Time { return now }}

	must(t, s.Because(t.Context(), "copies", "m1", "the relay is away"))
	bury := func(i int, id string) {
		l := queue.DeadLetter{Message: queue.Message{Group: "docomo#1", ID: id, Body: "body of " + id}, Receives: 1000, Died: now.Add(time.Duration(i) * time.Second)}
		must(t, s.Bury(t.Context(), "copies", id, l))
	}
	for i, id := range []string{"m1", "m1", "m2", "m1", "m3"} { // the clock may be cut off before it takes one out of its queue
		bury(i, id)
	}
	must(t, s.Bury(t.Context(), "events", "e1", queue.DeadLetter{Message: queue.Message{Body: "x"}, Died: now}))
	if n, err := s.Counts(t.Context()); err != nil || !cmp.Equal(n, map[string]int{"copies": 3, "events": 1}) {
		t.Errorf("counts %v, %v", n, err)
	}
	q := s.Queue("copies")
	first, err := q.ListDead(t.Context(), "", 1)
	must(t, err)
	if len(first) != 1 || first[0].Reason != "the relay is away" || first[0].Message.Group != "docomo#1" || first[0].Receives != 1000 {
		t.Fatalf("%+v", first)
	}
	rest, err := q.ListDead(t.Context(), first[0].Handle, 10)
	must(t, err)
	if len(rest) != 2 {
		t.Errorf("%d letters after the first", len(rest))
	}
	for want, handles := range [][]string{{"gone"}, {first[0].Handle}, nil} {
		if n, err := q.Redrive(t.Context(), handles...); err != nil || n != want {
			t.Errorf("redrive of %v: %d, %v", handles, n, err)
		}
	}
	if left, err := q.ListDead(t.Context(), "", 10); err != nil || len(left) != 0 {
		t.Errorf("%d left, %v", len(left), err)
	}
	full := errors.New("full")
	if err := s.Return(t.Context(), []string{"copies"}, func(context.Context, string, queue.Message) error { return full }); !errors.Is(err, full) {
		t.Errorf("put back into a full queue: %v", err)
	}
	var back []string
	for range 2 { // the second finds nothing
		must(t, s.Return(t.Context(), []string{"jobs", "copies"}, func(_ context.Context, name string, m queue.Message) error {
			back = append(back, name+" "+m.ID)
			return nil
		}))
	}
	if d := cmp.Diff([]string{"copies m1", "copies m2", "copies m3"}, back); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
	bury(9, "m2")
	if n, err := s.Counts(t.Context()); err != nil || !cmp.Equal(n, map[string]int{"events": 1}) {
		t.Errorf("buried once more, after it was put back: %v, %v", n, err)
	}
	now = now.Add(dead.Life)
	if n, err := s.Counts(t.Context()); err != nil || len(n) != 0 {
		t.Errorf("after its life: %v, %v", n, err)
	}
}

// TestNoQueue: what is to be put back into a queue that there is not any more fails nothing,
// and waits.
func TestNoQueue(t *testing.T) {
	s := &dead.Store{Table: bbolttest.Open(t, time.Now), Now: time.Now}
	must(t, s.Bury(t.Context(), "mails", "m1", queue.DeadLetter{Message: queue.Message{ID: "m1", Body: "x"}, Died: time.Now()}))
	_, err := s.Queue("mails").Redrive(t.Context())
	must(t, err)
	for _, queues := range [][]string{{"jobs", "copies", "events"}, {"jobs", "copies", "events", "mails"}} {
		n := 0
		must(t, s.Return(t.Context(), queues, func(context.Context, string, queue.Message) error { n++; return nil }))
		if want := len(queues) - 3; n != want {
			t.Errorf("%d put back to %v, want %d", n, queues, want)
		}
	}
}

// TestCountsEach: a hundred letters of one queue do not hide those of another.
func TestCountsEach(t *testing.T) {
	s := &dead.Store{Table: bbolttest.Open(t, time.Now), Now: time.Now}
	for i := range 120 {
		must(t, s.Bury(t.Context(), "copies", fmt.Sprintf("m%d", i), queue.DeadLetter{Died: time.Now()}))
	}
	must(t, s.Bury(t.Context(), "jobs", "j1", queue.DeadLetter{Died: time.Now()}))
	if n, err := s.Counts(t.Context()); err != nil || !cmp.Equal(n, map[string]int{"copies": 100, "jobs": 1}) {
		t.Errorf("counts %v, %v", n, err)
	}
}

// TestOfSchool lists and puts back what is of one of two schools, many more than a page holds,
// and leaves the other's and nobody's.
func TestOfSchool(t *testing.T) {
	tab := bbolttest.Open(t, time.Now)
	alerts := &alert.Store{Table: tab, IDs: id.NewSource(time.Now, rand.Reader), Now: time.Now}
	s := &dead.Store{Table: tab, Now: time.Now}
	of := map[string]string{}
	for _, school := range []string{"s1", "s2", proof.School} {
		a, _, err := alerts.Accept(t.Context(), alert.Draft{School: school, Kind: alert.Safety, Subject: "台風", Body: "回答してください。", All: true, UsefulUntil: time.Now().Add(time.Hour)}, "")
		must(t, err)
		of[school] = a.ID
	}
	began := time.Now()
	bury := func(i int, name, body string) {
		must(t, s.Bury(t.Context(), "copies", fmt.Sprintf("%s-%d", name, i), queue.DeadLetter{Message: queue.Message{ID: name, Body: body}, Died: began.Add(time.Duration(i) * time.Second)}))
	}
	for i := range 120 {
		bury(i, "mine", `{"a":"`+of["s1"]+`"}`)
		bury(i, "theirs", `{"a":"`+of["s2"]+`"}`)
	}
	bury(0, "invitation", `{"invite":{"s":"s1","j":"j"}}`)
	bury(1, "of no alert", `{"a":"a1"}`)
	bury(2, "of the system", `{"a":"`+of[proof.School]+`"}`)

	q := dead.OfSchool(s.Queue("copies"), "s1", alerts)
	first, err := q.ListDead(t.Context(), "", 50)
	must(t, err)
	rest, err := q.ListDead(t.Context(), first[len(first)-1].Handle, 1000)
	must(t, err)
	if len(first) != 50 || len(rest) != 71 {
		t.Errorf("%d letters, and then %d", len(first), len(rest))
	}
	others, err := dead.OfSchool(s.Queue("copies"), "s2", alerts).ListDead(t.Context(), "", 1)
	must(t, err)
	for _, tt := range []struct {
		handles []string
		want    int
	}{
		{[]string{others[0].Handle}, 0},
		{[]string{others[0].Handle, first[0].Handle}, 1},
		{nil, 120},
		{nil, 0},
	} {
		if n, err := q.Redrive(t.Context(), tt.handles...); err != nil || n != tt.want {
			t.Errorf("redrive of %v: %d, %v, want %d", tt.handles, n, err, tt.want)
		}
	}
	if left, err := s.Queue("copies").ListDead(t.Context(), "", 1000); err != nil || len(left) != 122 {
		t.Errorf("%d left, %v", len(left), err)
	}
}

// TestOf finds whose a message is.
func TestOf(t *testing.T) {
	ref := alert.CopyRef{Ref: alert.Ref{Alert: "a1", Class: "c", Family: "f"}, Contact: "k"}
	for _, tt := range []struct{ name, body, alert, school string }{
		{"copy", ref.Message("docomo#1", 0).Body, "a1", ""},
		{"bundle", alert.Bundle("docomo#1", []alert.CopyRef{ref, ref}).Body, "a1", ""},
		{"job", alert.JobMessage("a1", alert.FanOut, 0).Body, "a1", ""},
		{"import", `{"school":"s1","import":"i","run":1}`, "", "s1"},
		{"memo", `{"memo":{"school":"s1","staff":"p"}}`, "", "s1"},
		{"invitation", `{"invite":{"s":"s1","j":"j"}}`, "", "s1"},
		{"an event of SES", `{"Type":"Notification","Message":"{}"}`, "", ""},
		{"no JSON", "x", "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if a, s := dead.Of(tt.body); a != tt.alert || s != tt.school {
				t.Errorf("alert %q, school %q", a, s)
			}
		})
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
