package alert_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/todoku/todoku/shared/alert"
	"github.com/todoku/todoku/shared/id"
	"github.com/todoku/todoku/shared/problem"
	"github.com/todoku/todoku/shared/table/bbolt/bbolttest"
)

// clock is a clock that a test moves.
type clock struct{ now time.Time }

func (c *clock) Now() time.Time          { return c.now }
func (c *clock) Advance(d time.Duration) { c.now = c.now.Add(d) }

func newStore(t *testing.T) (*alert.Store, *clock) {
	t.Helper()
	c := &clock{now: time.Date(2026, 9, 1, 8, 0, 0, 0, time.UTC)}
	tab := bbolttest.Open(t, c.Now)
	return &alert.Store{Table: tab, IDs: id.NewSource(c.Now, rand.Reader), Now: c.Now}, c
}

func draft(c *clock) alert.Draft {
	return alert.Draft{
		School: "school", Kind: alert.Safety, Subject: "台風による安否確認", Body: "状況を回答してください。",
		All: true, UsefulUntil: c.now.Add(6 * time.Hour), Sender: alert.Sender{ID: "staff", Name: "校長"},
	}
}

func accept(t *testing.T, s *alert.Store, d alert.Draft, key string) alert.Alert {
	t.Helper()
	a, _, err := s.Accept(t.Context(), d, key)
	if err != nil {
		t.Fatalf("Accept: %v", err)
	}
	return a
}

// family returns a record with two children, two guardians and three copies.
func family(s *alert.Store, class string) alert.Made {
	return alert.Made{Class: class, Family: alert.Family{
		ID: s.IDs.New(),
		Children: []alert.Child{
			{ID: s.IDs.New(), Name: "あおい", Class: class, Guardians: []int{0, 1}},
			{ID: s.IDs.New(), Name: "はると", Class: "other", Guardians: []int{1}},
		},
		Guardians: []alert.Guardian{{ID: "g0"}, {ID: "g1"}},
		Copies: []alert.Copy{
			{Contact: s.IDs.New(), Guardian: 0, Lane: "docomo", State: alert.Queued},
			{Contact: s.IDs.New(), Guardian: 1, Lane: "google", Slot: 1, State: alert.Queued},
			{Contact: s.IDs.New(), Guardian: 1, Lane: "au", State: alert.Queued},
		},
	}}
}

func create(t *testing.T, s *alert.Store, a alert.Alert, made ...alert.Made) {
	t.Helper()
	p, err := s.Progress(t.Context(), a.ID, alert.FanOut)
	if err != nil {
		t.Fatal(err)
	}
	if p.Copies == nil {
		p.Copies = map[string]int64{}
	}
	for _, m := range made {
		p.Families++
		p.Children += int64(len(m.Family.Children))
		for _, c := range m.Family.Copies {
			p.Copies[c.Lane]++
		}
	}
	if err := s.SaveProgress(t.Context(), a, &p, alert.CreateOps(a.ID, made)...); err != nil {
		t.Fatal(err)
	}
}

func TestAcceptIsIdempotent(t *testing.T) {
	s, c := newStore(t)
	first := accept(t, s, draft(c), "key")
	c.Advance(time.Minute)
	again, made, err := s.Accept(t.Context(), draft(&clock{now: first.Accepted}), "key")
	if err != nil || made || again.ID != first.ID {
		t.Errorf("repeated Accept = %s, %v, %v; want %s, false, nil", again.ID, made, err, first.ID)
	}
	other := draft(c)
	other.Subject = "別の連絡"
	if _, _, err := s.Accept(t.Context(), other, "key"); !problem.Is(err, problem.Conflict) {
		t.Errorf("another draft with the same key: %v, want a conflict", err)
	}
	if a := accept(t, s, draft(c), "key2"); a.ID == first.ID {
		t.Error("another key gave the same alert")
	}
	open, _, err := s.Open(t.Context(), "", 10)
	if err != nil || len(open) != 2 {
		t.Errorf("open alerts = %d, %v; want 2", len(open), err)
	}
}

func TestAcceptConcurrently(t *testing.T) {
	s, c := newStore(t)
	const callers = 8
	ids := make(chan string, callers)
	d := draft(c)
	for range callers {
		go func() {
			a, _, err := s.Accept(context.Background(), d, "double click")
			if err != nil {
				t.Error(err)
			}
			ids <- a.ID
		}()
	}
	seen := map[string]bool{}
	for range callers {
		seen[<-ids] = true
	}
	if len(seen) != 1 {
		t.Errorf("%d alerts were made of one double click", len(seen))
	}
}

func TestDraftProblems(t *testing.T) {
	now := time.Date(2026, 9, 1, 8, 0, 0, 0, time.UTC)
	tests := []struct {
		name   string
		change func(d *alert.Draft)
		field  string
	}{
		{"no subject", func(d *alert.Draft) { d.Subject = " \u3000" }, "subject"},
		{"subject without width", func(d *alert.Draft) { d.Subject = "\u200b\ufeff\u3164" }, "subject"},
		{"lost subject", func(d *alert.Draft) { d.Subject = "\ufffd" }, "subject"},
		{"long subject", func(d *alert.Draft) { d.Subject = strings.Repeat("あ", alert.MaxSubject+1) }, "subject"},
		{"NUL in subject", func(d *alert.Draft) { d.Subject = "a\x00b" }, "subject"},
		{"right-to-left override", func(d *alert.Draft) { d.Subject = "a\u202eb" }, "subject"},
		{"invalid UTF-8", func(d *alert.Draft) { d.Subject = "a\xff" }, "subject"},
		{"no body", func(d *alert.Draft) { d.Body = "\n" }, "body"},
		{"long body", func(d *alert.Draft) { d.Body = strings.Repeat("x", alert.MaxBody+1) }, "body"},
		{"escape in body", func(d *alert.Draft) { d.Body = "a\x1b[1m" }, "body"},
		{"unknown kind", func(d *alert.Draft) { d.Kind = "panic" }, "kind"},
		{"no groups", func(d *alert.Draft) { d.All = false }, "groups"},
		{"too many groups", func(d *alert.Draft) { d.Groups = make([]string, alert.MaxGroups+1) }, "groups"},
		{"no end", func(d *alert.Draft) { d.UsefulUntil = time.Time{} }, "useful_until"},
		{"end now", func(d *alert.Draft) { d.UsefulUntil = now }, "useful_until"},
		{"end within the undo window", func(d *alert.Draft) { d.Undo, d.UsefulUntil = alert.UndoWindow, now.Add(time.Second) }, "useful_until"},
		{"end too late", func(d *alert.Draft) { d.UsefulUntil = now.Add(alert.MaxUseful + time.Second) }, "useful_until"},
		{"negative reminder", func(d *alert.Draft) { d.RemindAfter = -1 }, "remind_after"},
		{"too many answers", func(d *alert.Draft) {
			for i := range alert.MaxChoices + 1 {
				d.Choices = append(d.Choices, alert.Choice{ID: fmt.Sprint(i), JA: fmt.Sprint(i)})
			}
		}, "choices"},
		{"two answers alike", func(d *alert.Draft) {
			d.Choices = []alert.Choice{{ID: "a", JA: "はい"}, {ID: "a", JA: "はい"}}
		}, "choices"},
		{"empty answer", func(d *alert.Draft) { d.Choices = []alert.Choice{{ID: "a"}} }, "choices"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := draft(&clock{now: now})
			tt.change(&d)
			_, wrong := d.Tidy(now)
			if len(wrong) != 1 || wrong[0].Field != tt.field {
				t.Fatalf("problems = %v, want one of field %q", wrong, tt.field)
			}
			if wrong[0].Text.JA == "" || wrong[0].Text.EN == "" || strings.Contains(wrong[0].Text.String(), "%!") {
				t.Errorf("sentence is not whole: %q", wrong[0].Text)
			}
		})
	}
	if _, wrong := draft(&clock{now: now}).Tidy(now); len(wrong) > 0 {
		t.Errorf("a good draft: %v", wrong)
	}
}

func TestUndoOnlyWithinTheWindow(t *testing.T) {
	s, c := newStore(t)
	d := draft(c)
	d.Undo = alert.UndoWindow
	a := accept(t, s, d, "")
	late := accept(t, s, d, "")
	c.Advance(alert.UndoWindow - time.Second)
	if a, err := s.Undo(t.Context(), a.ID); err != nil || a.State(c.now) != alert.StateUndone {
		t.Errorf("Undo in time: state %s, %v", a.State(c.now), err)
	}
	c.Advance(time.Second)
	if _, err := s.Undo(t.Context(), late.ID); !problem.Is(err, problem.Conflict) {
		t.Errorf("Undo too late: %v, want a conflict", err)
	}
}

// TestNewer reads what is known, and what has changed or is another since.
func TestNewer(t *testing.T) {
	s, c := newStore(t)
	d := draft(c)
	d.Undo = alert.UndoWindow
	a, other := accept(t, s, d, ""), accept(t, s, d, "")
	known, err := s.Newer(t.Context(), a.ID, alert.Alert{})
	if err != nil || known.ID != a.ID {
		t.Fatalf("of nothing known: %s, %v", known.ID, err)
	}
	marked := known
	marked.Subject = "as it was known"
	if got, err := s.Newer(t.Context(), a.ID, marked); err != nil || got.Subject != marked.Subject {
		t.Errorf("unchanged: decoded again, %v", err)
	}
	if got, err := s.Newer(t.Context(), other.ID, marked); err != nil || got.ID != other.ID {
		t.Errorf("another: %s, %v", got.ID, err)
	}
	if _, err := s.Undo(t.Context(), a.ID); err != nil {
		t.Fatal(err)
	}
	if got, err := s.Newer(t.Context(), a.ID, marked); err != nil || got.State(c.now) != alert.StateUndone {
		t.Errorf("changed: state %s, %v", got.State(c.now), err)
	}
}

func TestSupersede(t *testing.T) {
	s, c := newStore(t)
	old := accept(t, s, draft(c), "")
	d := draft(c)
	d.Supersedes, d.Undo = old.ID, alert.UndoWindow
	undone := accept(t, s, d, "")
	if _, _, err := s.Accept(t.Context(), d, ""); !problem.Is(err, problem.Conflict) {
		t.Errorf("while another is about to supersede it: %v, want a conflict", err)
	}
	if _, err := s.Undo(t.Context(), undone.ID); err != nil {
		t.Fatal(err)
	}
	closed := accept(t, s, d, "")
	closed, err := s.Close(t.Context(), closed.ID)
	if err != nil {
		t.Fatal(err)
	}
	newer := accept(t, s, d, "")
	c.Advance(alert.UndoWindow)
	if err := s.Supersede(t.Context(), closed); err != nil {
		t.Fatal(err)
	}
	if old, _ := s.Alert(t.Context(), old.ID); old.SupersededBy != "" {
		t.Error("superseded before the newer alert started")
	}
	for range 2 {
		if err := s.Supersede(t.Context(), newer); err != nil {
			t.Fatal(err)
		}
	}
	if old, err = s.Alert(t.Context(), old.ID); err != nil {
		t.Fatal(err)
	}
	if newest, err := s.Newest(t.Context(), old); err != nil || newest.ID != newer.ID {
		t.Errorf("newest = %s, %v; want %s", newest.ID, err, newer.ID)
	}
	if _, _, err := s.Accept(t.Context(), d, ""); !problem.Is(err, problem.Conflict) {
		t.Errorf("superseding twice: %v, want a conflict", err)
	}
	d.Supersedes = s.IDs.New()
	if _, _, err := s.Accept(t.Context(), d, ""); !problem.Is(err, problem.Invalid) {
		t.Errorf("superseding nothing: %v, want a problem", err)
	}
}

// TestSupersedeChain has an alert replaced before it starts that was to replace another.
func TestSupersedeChain(t *testing.T) {
	s, c := newStore(t)
	first := accept(t, s, draft(c), "")
	d := draft(c)
	d.Supersedes, d.Undo = first.ID, alert.UndoWindow
	second := accept(t, s, d, "")
	d.Supersedes, d.Undo = second.ID, 0
	third := accept(t, s, d, "")
	for _, started := range []alert.Alert{third, second} {
		a, err := s.Alert(t.Context(), started.ID)
		if err == nil {
			err = s.Supersede(t.Context(), a)
		}
		if err != nil {
			t.Fatal(err)
		}
		c.Advance(alert.UndoWindow)
	}
	first, err := s.Alert(t.Context(), first.ID)
	if err != nil {
		t.Fatal(err)
	}
	if newest, err := s.Newest(t.Context(), first); err != nil || newest.ID != third.ID {
		t.Errorf("newest = %s, %v; want %s", newest.ID, err, third.ID)
	}
}

func assertCounts(t *testing.T, s *alert.Store, a alert.Alert, total int64, want map[string]int64, help int64) alert.Status {
	t.Helper()
	st, err := s.Status(t.Context(), a)
	if err != nil {
		t.Fatal(err)
	}
	if st.Children.Total != total || st.Help != help {
		t.Errorf("children total %d, help %d; want %d, %d", st.Children.Total, st.Help, total, help)
	}
	for _, state := range alert.ChildStates {
		if got := st.Children.By[string(state)]; got != want[string(state)] {
			t.Errorf("children %s = %d, want %d", state, got, want[string(state)])
		}
	}
	return st
}

// TestCountersFollowRecords changes records at random and compares every counter
// with a count of the records.
func TestCountersFollowRecords(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rng := mathrand.New(mathrand.NewPCG(seed, 0))
	s, c := newStore(t)
	a := accept(t, s, draft(c), "")
	var refs []alert.Ref
	for i := range 12 {
		m := family(s, fmt.Sprintf("class%d", i%3))
		create(t, s, a, m)
		refs = append(refs, m.Ref(a.ID))
	}
	why := alert.Failure{Code: 450, Unsure: true}
	for range 400 {
		c.Advance(time.Duration(rng.IntN(40)) * time.Second)
		var changes []alert.Change
		for range 1 + rng.IntN(4) {
			i, op := rng.IntN(3), rng.IntN(9)
			changes = append(changes, alert.Change{Ref: refs[rng.IntN(len(refs))], Apply: func(f *alert.Family) bool {
				step(f, &f.Copies[i], op, why, c.now)
				return true
			}})
		}
		if err := s.Update(t.Context(), changes...); err != nil {
			t.Fatal(err)
		}
	}
	compare(t, s, a, refs)
}

func step(f *alert.Family, c *alert.Copy, op int, why alert.Failure, now time.Time) {
	switch op {
	case 0, 1:
		c.Doubt()
	case 2:
		c.Accept(now)
	case 3:
		c.Delay(why, now)
	case 4:
		c.Refuse(why, now)
	case 5:
		c.Event(alert.Delivered, why, now)
	case 6:
		c.Cancel(now)
	case 7:
		f.AddRound(alert.Round{Number: 1, Rest: true, Now: now})
	case 8:
		f.Children[len(f.Copies)%2].Answer = &alert.Answer{Choice: "help", Help: now.Second()%2 == 0, At: now}
	}
}

func compare(t *testing.T, s *alert.Store, a alert.Alert, refs []alert.Ref) {
	t.Helper()
	children, copies, lanes := map[string]int64{}, map[string]int64{}, map[string]int64{}
	classes := map[string]map[string]int64{}
	var again, help int64
	for _, ref := range refs {
		f, err := s.Family(t.Context(), ref)
		if err != nil {
			t.Fatal(err)
		}
		for i, c := range f.Children {
			children[string(f.State(i))]++
			if c.Answer != nil && c.Answer.Help {
				help++
			}
			if classes[c.Class] == nil {
				classes[c.Class] = map[string]int64{}
			}
			classes[c.Class][string(f.State(i))]++
		}
		for _, c := range f.Copies {
			copies[string(c.State)]++
			lanes[c.Lane]++
			again += int64(c.Again)
		}
	}
	st := assertCounts(t, s, a, int64(2*len(refs)), children, help)
	for _, state := range alert.CopyStates {
		if got := st.Copies.By[string(state)]; got != copies[string(state)] {
			t.Errorf("copies %s = %d, counted %d", state, got, copies[string(state)])
		}
	}
	for _, l := range st.Lanes {
		if l.Total != lanes[l.Lane] {
			t.Errorf("lane %s = %d, counted %d", l.Lane, l.Total, lanes[l.Lane])
		}
	}
	if st.Again != again {
		t.Errorf("again = %d, counted %d", st.Again, again)
	}
	got, _, err := s.Classes(t.Context(), a.ID, "", 100)
	if err != nil {
		t.Fatal(err)
	}
	for _, cl := range got {
		if want := classes[cl.Class]["answered"]; cl.Answered != want {
			t.Errorf("class %s answered = %d, counted %d", cl.Class, cl.Answered, want)
		}
	}
}

func TestChildrenOfAClass(t *testing.T) {
	s, c := newStore(t)
	a := accept(t, s, draft(c), "")
	for range 5 {
		create(t, s, a, family(s, "class"))
	}
	lines, next, err := s.Children(t.Context(), a.ID, "other", "", 0)
	if err != nil || next != "" || len(lines) != 5 {
		t.Fatalf("Children(other) = %d, %q, %v; want the 5 siblings kept with another class", len(lines), next, err)
	}
	for _, l := range lines {
		if l.Name != "はると" || len(l.GuardianList()) != 1 || l.GuardianList()[0].ID != "g1" {
			t.Errorf("line = %+v", l.Child)
		}
	}
	var all int
	for cursor := ""; ; {
		lines, next, err := s.AllChildren(t.Context(), a.ID, cursor, 2)
		if err != nil {
			t.Fatal(err)
		}
		all += len(lines)
		if next == "" {
			break
		}
		cursor = next
	}
	if all != 10 {
		t.Errorf("all children, two families at a time: %d, want 10", all)
	}
}

func TestUnknownAlert(t *testing.T) {
	s, _ := newStore(t)
	for _, id := range []string{"", "x", "../..", s.IDs.New(), strings.Repeat("a", 3000)} {
		if _, err := s.Alert(t.Context(), id); !errors.Is(err, alert.ErrNotFound) {
			t.Errorf("Alert(%.10q) = %v, want ErrNotFound", id, err)
		}
	}
}
