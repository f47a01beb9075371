package desk_test

import (
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/todoku/todoku/shared/alert"
	"github.com/todoku/todoku/shared/desk"
	"github.com/todoku/todoku/shared/id"
	"github.com/todoku/todoku/shared/problem"
	"github.com/todoku/todoku/shared/table/bbolt/bbolttest"
	"github.com/todoku/todoku/shared/table/tabletest"
)

var begin = time.Date(2026, 9, 1, 8, 0, 0, 0, time.UTC)

// room is a call desk with an open alert.
type room struct {
	*testing.T
	desk.Desk
	passed atomic.Int64 // since begin
	alert  alert.Alert
}

func newRoom(t *testing.T) *room {
	t.Helper()
	r := &room{T: t}
	now := func() time.Time { return begin.Add(time.Duration(r.passed.Load())) }
	tab := bbolttest.Open(t, now)
	r.Alerts = &alert.Store{Table: tab, IDs: id.NewSource(now, rand.Reader), Now: now}
	var err error
	r.alert, _, err = r.Alerts.Accept(t.Context(), alert.Draft{
		School: "school", Kind: alert.Safety, Subject: "台風", Body: "状況を回答してください。", All: true,
		UsefulUntil: begin.Add(6 * time.Hour), Sender: alert.Sender{ID: "staff", Name: "校長"},
	}, "")
	r.must(err)
	r.pass(time.Minute)
	return r
}

func (r *room) must(err error) {
	r.Helper()
	if err != nil {
		r.Fatal(err)
	}
}

func (r *room) pass(d time.Duration) { r.passed.Add(int64(d)) }

// family makes a family with one child, and what change does to it.
func (r *room) family(class string, change func(*alert.Family)) alert.Ref {
	r.Helper()
	m := r.made(class)
	if change != nil {
		change(&m.Family)
	}
	r.must(r.Alerts.Table.Write(r.Context(), "", alert.CreateOps(r.alert.ID, []alert.Made{m})...))
	return m.Ref(r.alert.ID)
}

func (r *room) made(class string) alert.Made {
	return alert.Made{Class: class, Family: alert.Family{
		ID:        r.Alerts.IDs.New(),
		Children:  []alert.Child{{ID: r.Alerts.IDs.New(), Name: "見本 一郎", Class: class, Guardians: []int{0}}},
		Guardians: []alert.Guardian{{ID: r.Alerts.IDs.New(), Name: "見本 幸子", Phones: []string{"090-0000-0001", "090-0000-0002"}}},
	}}
}

func (r *room) rows(classes ...string) []desk.Row {
	r.Helper()
	rows, err := r.Rows(r.Context(), r.alert.ID, classes, desk.Lanes{})
	r.must(err)
	return rows
}

func (r *room) row(ref alert.Ref) desk.Row {
	r.Helper()
	row, err := r.Row(r.Context(), ref)
	r.must(err)
	return row
}

// answer answers for all children as a guardian does.
func (r *room) answer(ref alert.Ref, choice string) {
	r.Helper()
	choices := map[string]string{}
	for _, c := range r.row(ref).Children {
		choices[c.ID] = choice
	}
	r.must(r.Alerts.Answer(r.Context(), r.alert, alert.AnswerRequest{Ref: ref, Guardian: 0, By: "g", Way: alert.ByLink, Choices: choices}))
}

func (r *room) entry(who desk.Person, o desk.Outcome) desk.Entry {
	return desk.Entry{Call: desk.Call{ID: r.Alerts.IDs.New(), By: who, Outcome: o}}
}

var (
	sato   = desk.Person{ID: "sato", Name: "佐藤"}
	suzuki = desk.Person{ID: "suzuki", Name: "鈴木"}
)

func (r *room) isConflict(err error) {
	r.Helper()
	if !problem.Is(err, problem.Conflict) {
		r.Errorf("got %v, want a conflict", err)
	}
}

func TestClaim(t *testing.T) {
	r := newRoom(t)
	ref := r.family("1-1", nil)
	_, err := r.Claim(t.Context(), ref, sato)
	r.must(err)
	_, err = r.Claim(t.Context(), ref, suzuki)
	r.isConflict(err)
	r.isConflict(r.HandOver(t.Context(), ref, suzuki, suzuki, ""))
	r.must(r.Release(t.Context(), ref, suzuki)) // which gives back what is not hers: nothing
	if !r.row(ref).HeldBy(sato.ID, r.Alerts.Now()) {
		t.Error("sato lost the family to somebody who had none")
	}
	r.pass(desk.HoldFor)
	_, err = r.Claim(t.Context(), ref, suzuki)
	r.must(err)
	r.must(r.HandOver(t.Context(), ref, suzuki, sato, "英語で"))
	if row := r.row(ref); row.Holder != sato || row.From != suzuki || row.Note != "英語で" {
		t.Errorf("handed over: %+v", row.Record)
	}
	r.must(r.Release(t.Context(), ref, sato))
	if r.row(ref).Held(r.Alerts.Now()) {
		t.Error("the family was not given back")
	}
}

// A colleague takes the family, phones it and enters the answer, all while somebody is
// about to take it: it has answered, and is in nobody's hands any more.
func TestClaimOvertaken(t *testing.T) {
	r := newRoom(t)
	ref := r.family("1-1", nil)
	e := r.entry(sato, desk.Answered)
	e.Choices = map[string]string{r.row(ref).Children[0].ID: "safe"}
	slow := *r.Alerts
	slow.Table = &tabletest.Before{Table: slow.Table, Do: func() {
		_, err := r.Claim(t.Context(), ref, sato)
		r.must(err)
		_, err = r.Enter(t.Context(), r.alert, ref, e)
		r.must(err)
	}}
	_, err := desk.Desk{Alerts: &slow}.Claim(t.Context(), ref, suzuki)
	r.isConflict(err)
	if r.row(ref).Held(r.Alerts.Now()) {
		t.Error("a family that has answered was taken in hand")
	}
}

func TestAnswerTakesFamilyOffTheDesk(t *testing.T) {
	r := newRoom(t)
	ref := r.family("1-1", nil)
	before, err := r.Version(t.Context(), r.alert.ID)
	r.must(err)
	r.answer(ref, "safe")
	after, err := r.Version(t.Context(), r.alert.ID)
	r.must(err)
	if before == after || len(r.rows("1-1")) != 0 {
		t.Errorf("the version went from %s to %s, %d rows", before, after, len(r.rows("1-1")))
	}
	_, err = r.Claim(t.Context(), ref, sato)
	r.isConflict(err)
}

func TestOrder(t *testing.T) {
	r := newRoom(t)
	copies := func(s alert.CopyState) func(*alert.Family) {
		return func(f *alert.Family) { f.Copies = []alert.Copy{{Contact: "c", Lane: "docomo", State: s}} }
	}
	arrived := r.family("1-1", copies(alert.Delivered))
	silent := r.family("1-1", copies(alert.Sent))
	refused := r.family("1-1", copies(alert.Refused))
	untold := r.family("1-1", copies(alert.Cancelled))
	help := r.family("1-1", nil)
	r.answer(help, "help")
	later := r.family("1-1", nil)
	e := r.entry(sato, desk.CallBack)
	e.CallAt = r.Alerts.Now().Add(time.Hour)
	_, err := r.Enter(t.Context(), r.alert, later, e)
	r.must(err)
	r.inOrder(r.rows("1-1"), help, refused, untold, silent, arrived, later)
	suspect, err := r.Rows(t.Context(), r.alert.ID, []string{"1-1"}, desk.Lanes{Suspect: map[string]bool{"docomo": true}})
	r.must(err)
	if suspect[3].Need != desk.MailSuspect || suspect[4].Need != desk.MailSuspect {
		t.Errorf("needs %v and %v", suspect[3].Need, suspect[4].Need)
	}
	r.pass(time.Hour)
	r.inOrder(r.rows("1-1"), help, later, refused, untold, silent, arrived)
	heard := r.entry(sato, desk.Answered)
	heard.Choices, heard.Newest = map[string]string{r.row(help).Children[0].ID: "help"}, r.Alerts.Now()
	_, err = r.Enter(t.Context(), r.alert, help, heard)
	r.must(err)
	r.inOrder(r.rows("1-1"), later, refused, untold, silent, arrived)
}

// Families whose mail waits in a lane that is held come before those that may have been told.
func TestHeldLaneIsPhonedFirst(t *testing.T) {
	r := newRoom(t)
	copies := func(list ...alert.Copy) func(*alert.Family) {
		return func(f *alert.Family) { f.Copies = list }
	}
	sent := r.family("1-1", copies(alert.Copy{Lane: "au", State: alert.Sent}, alert.Copy{Lane: "au", Round: 1, State: alert.Queued}))
	other := r.family("1-1", copies(alert.Copy{Lane: "au", State: alert.Queued}, alert.Copy{Lane: "google", State: alert.Queued}))
	waits := r.family("1-1", copies(alert.Copy{Lane: "au", State: alert.Queued}))
	r.inOrder(r.rows("1-1"), sent, other, waits)
	held, err := r.Rows(t.Context(), r.alert.ID, []string{"1-1"}, desk.Lanes{Held: map[string]bool{"au": true}})
	r.must(err)
	r.inOrder(held, waits, sent, other)
	if held[0].Need != desk.NotTold || held[1].Need != desk.NotHeard {
		t.Errorf("needs %v and %v", held[0].Need, held[1].Need)
	}
}

func (r *room) inOrder(rows []desk.Row, want ...alert.Ref) {
	r.Helper()
	for i := range max(len(rows), len(want)) {
		if i >= len(rows) || i >= len(want) || rows[i].Ref != want[i] {
			r.Fatalf("row %d is not what is wanted: %d rows, %d wanted", i+1, len(rows), len(want))
		}
	}
}

// Siblings in two classes are one row, whichever class is looked at.
func TestSiblingsAreOneRow(t *testing.T) {
	r := newRoom(t)
	ref := r.family("1-1", func(f *alert.Family) {
		f.Children = append(f.Children, alert.Child{ID: r.Alerts.IDs.New(), Name: "見本 二葉", Class: "2-1", Guardians: []int{0}})
	})
	_, err := r.Claim(t.Context(), ref, sato)
	r.must(err)
	for _, classes := range [][]string{{"1-1"}, {"2-1"}, {"1-1", "2-1"}} {
		rows := r.rows(classes...)
		r.inOrder(rows, ref)
		if rows[0].Holder != sato {
			t.Errorf("seen from %v nobody has the family", classes)
		}
	}
}

// An entry that is sent again, and one that comes after a guardian's answer.
func TestEntries(t *testing.T) {
	r := newRoom(t)
	ref := r.family("1-1", nil)
	child := r.row(ref).Children[0].ID
	for _, o := range []desk.Outcome{desk.NoReply, desk.Answered} {
		e := r.entry(sato, o)
		e.Phone, e.Choices = "090-0000-0001", map[string]string{child: "safe"}
		for range 2 {
			_, err := r.Enter(t.Context(), r.alert, ref, e)
			r.must(err)
			r.pass(time.Second)
		}
		for _, other := range []desk.Outcome{desk.Message, desk.Answered} { // somebody went back to the form
			e.Outcome, e.Choices = other, map[string]string{child: "help"}
			if _, err := r.Enter(t.Context(), r.alert, ref, e); !errors.Is(err, desk.ErrRecorded) {
				t.Errorf("%s over %s: %v", other, o, err)
			}
		}
	}
	row := r.row(ref)
	history, err := r.Alerts.History(t.Context(), ref, child)
	r.must(err)
	if len(row.Calls) != 2 || len(history) != 1 || history[0].Way != alert.ByPhone || history[0].By != sato.ID {
		t.Errorf("%d calls, history %+v", len(row.Calls), history)
	}
	if n := row.Numbers(); n[0].Phone != "090-0000-0002" || n[1].Calls != 2 {
		t.Errorf("numbers %+v", n)
	}
	late := r.entry(suzuki, desk.Answered)
	late.Choices, late.Newest = map[string]string{child: "help"}, r.Alerts.Now()
	r.pass(time.Second)
	r.answer(ref, "safe")
	_, err = r.Enter(t.Context(), r.alert, ref, late)
	r.isConflict(err)
	if row := r.row(ref); row.Children[0].Answer.Help || len(row.Calls) != 2 {
		t.Error("an entry that is in doubt was recorded")
	}
	r.pass(7 * time.Hour) // the alert is over; what was heard on the phone is true all the same
	late.Newest = r.Alerts.Now()
	_, err = r.Enter(t.Context(), r.alert, ref, late)
	r.must(err)
	if !r.row(ref).Children[0].Answer.Help {
		t.Error("the late entry was not recorded")
	}
}

func TestEntryIsChecked(t *testing.T) {
	r := newRoom(t)
	ref := r.family("1-1", nil)
	for name, change := range map[string]func(*desk.Entry){
		"outcome":           func(e *desk.Entry) { e.Outcome = "party" },
		"choice":            func(e *desk.Entry) { e.Outcome = desk.Answered },
		"call_at":           func(e *desk.Entry) { e.Outcome = desk.CallBack },
		"call_at long past": func(e *desk.Entry) { e.Outcome, e.CallAt = desk.CallBack, begin.Add(-time.Minute) },
		"note":              func(e *desk.Entry) { e.Note = fmt.Sprintf("%*d", desk.MaxNote+1, 1) },
	} {
		e := r.entry(sato, desk.NoReply)
		change(&e)
		_, err := r.Enter(t.Context(), r.alert, ref, e)
		field, _, _ := strings.Cut(name, " ")
		if p := problem.Of(err)[0]; p.Kind != problem.Invalid || p.Field != field {
			t.Errorf("%s: %v", name, err)
		}
	}
	late := r.entry(sato, desk.CallBack) // it was kept on a device until its time had come
	late.CallAt = begin.Add(time.Minute)
	r.pass(time.Hour)
	_, err := r.Enter(t.Context(), r.alert, ref, late)
	r.must(err)
}

func TestPaper(t *testing.T) {
	r := newRoom(t)
	for range 3 {
		r.family("1-1", nil)
	}
	rows := r.rows("1-1")
	for want := 1; want <= 2; want++ {
		p, err := r.Print(t.Context(), r.alert.ID, sato, rows)
		r.must(err)
		got, err := r.Paper(t.Context(), r.alert.ID, p.Number)
		r.must(err)
		if p.Number != want || len(got.Rows) != 3 || got.Rows[2] != rows[2].Ref {
			t.Errorf("paper %d: %+v", want, got)
		}
	}
	if _, err := r.Paper(t.Context(), r.alert.ID, 9); !errors.Is(err, alert.ErrNotFound) {
		t.Errorf("paper 9: %v", err)
	}
	if _, err := r.Print(t.Context(), r.alert.ID, sato, make([]desk.Row, desk.MaxPaper+1)); !problem.Is(err, problem.Invalid) {
		t.Errorf("more rows than a copy has: %v", err)
	}
}

// Copies of a scope have numbers of their own, keep which families are one row, and end.
func TestScopePaper(t *testing.T) {
	r := newRoom(t)
	for range 3 {
		r.family("1-1", nil)
	}
	rows := r.rows("1-1")
	d := r.Desk
	d.Place = desk.Place{Scope: "district/d1"}
	homes := []desk.Household{{Rows: rows[:2]}, {Rows: rows[2:]}}
	for want := 1; want <= 2; want++ {
		p, err := d.PrintHouseholds(t.Context(), sato, homes)
		r.must(err)
		got, err := d.ScopePaper(t.Context(), p.Number)
		r.must(err)
		if of := got.Households(); p.Number != want || len(of) != 2 || len(of[0]) != 2 || of[0][1] != rows[1].Ref || of[1][0] != rows[2].Ref {
			t.Errorf("paper %d: %+v", want, got)
		}
	}
	other := r.Desk
	other.Place = desk.Place{Scope: "district/d2"}
	if _, err := other.ScopePaper(t.Context(), 1); !errors.Is(err, alert.ErrNotFound) {
		t.Errorf("a copy of another scope: %v", err)
	}
	r.pass(desk.PapersKept)
	if _, err := d.ScopePaper(t.Context(), 1); !errors.Is(err, alert.ErrNotFound) {
		t.Errorf("a copy is there after its end: %v", err)
	}
}

func TestParts(t *testing.T) {
	for i := range 100 {
		in := 0
		for n := 1; n <= 3; n++ {
			if desk.InPart(fmt.Sprint(i), n, 3) {
				in++
			}
		}
		if in != 1 {
			t.Errorf("family %d is in %d parts", i, in)
		}
	}
}
