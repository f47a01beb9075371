package docket

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/todoku/todoku/shared/alert"
	"github.com/todoku/todoku/shared/judge"
	"github.com/todoku/todoku/shared/lang"
	"github.com/todoku/todoku/shared/problem"
	"github.com/todoku/todoku/shared/table"
)

// Event is a policy event: an operator that refuses a school's mail. While it lasts,
// nothing is sent to that operator for that school; other schools go on.
type Event struct {
	Lane    string      `json:"lane"`
	Alert   string      `json:"alert"`
	Since   time.Time   `json:"since"`
	Class   judge.Class `json:"class"`
	Words   string      `json:"words"` // the operator's, with their numbers
	Alike   int64       `json:"alike"`
	Settled int64       `json:"settled"`
	Number  int         `json:"n"` // how many there have been in the lane

	// Test is the last mail with which it was tried whether the operator takes mail again.
	Test Test `json:"test,omitzero"`
	// Resumed is when the lane was let go; Before is how many copies of Alert were
	// settled then.
	Resumed  time.Time `json:"resumed,omitzero"`
	Before   int64     `json:"before,omitempty"`
	By       string    `json:"by,omitempty"`       // who let it go; "": a test that passed, or it was
	Mistaken bool      `json:"mistaken,omitempty"` // of what was out then, most was taken after all

	// Past are earlier events of the lane, the newest last: cases of theirs may be undecided.
	Past []Spell `json:"past,omitempty"`
}

// Spell is the time during which an operator refused a school's mail.
type Spell struct {
	Alert   string      `json:"a"` // of which it was known first
	Kind    judge.Class `json:"c"`
	Since   time.Time   `json:"t"`
	Resumed time.Time   `json:"r,omitzero"` // zero: it lasts
}

// mostPast bounds the spells that are remembered of a lane.
const mostPast = 8

// spells returns the event's own and those before it.
func (e Event) spells() []Spell {
	if e.Since.IsZero() || e.Mistaken {
		return e.Past
	}
	past := e.Past[max(len(e.Past)-mostPast+1, 0):]
	return append(slices.Clone(past), Spell{Alert: e.Alert, Kind: e.Class.Kind(), Since: e.Since, Resumed: e.Resumed})
}

// covers reports whether a case of an alert is part of the spell: one of the alert of which
// it was known first, or one of another that was refused alike meanwhile. An operator begins
// before it is known, and what it says comes late; Patience is for both.
func (s Spell) covers(alertID string, v Case) bool {
	if s.Kind != v.Class.Kind() {
		return false
	}
	meanwhile := !v.At.Before(s.Since.Add(-Patience)) && (s.Resumed.IsZero() || !v.At.After(s.Resumed.Add(Patience)))
	return s.Alert == alertID || meanwhile
}

// Test is a mail that is sent to see whether an operator takes mail again.
type Test struct {
	ID      string      `json:"id"`
	At      time.Time   `json:"at"`
	Refused judge.Class `json:"refused,omitempty"` // "": not known yet
	Words   string      `json:"words,omitempty"`
}

// Held reports whether the lane is held.
func (e Event) Held() bool { return !e.Since.IsZero() && e.Resumed.IsZero() }

// Said returns what happened in a sentence.
func (e Event) Said() lang.Text {
	return lang.T("%[1]d通のうち%[2]d通が、同じ返事で拒否されました：「%[3]s」", "Of %[1]d mails %[2]d were refused alike: \"%[3]s\"", max(e.Settled, e.Alike), e.Alike, e.Words)
}

// before is how many copies of an alert were settled before refusals were counted from zero.
func (e Event) before(alertID string) int64 {
	if e.Alert != alertID {
		return 0
	}
	return e.Before
}

// tally is where refusals in the lane are counted since it was last let go.
func (e Event) tally(alertID, lane string) table.Key {
	return table.Key{Partition: casesPart(alertID), Sort: tallyPrefix + lane + "#" + strconv.Itoa(e.Number)}
}

func heldKey(school string) table.Key {
	return table.Key{Partition: "school/" + school + "/held", Sort: "lanes"}
}

// read returns the events of a school by lane.
func (s *Store) read(ctx context.Context, school string) (map[string]Event, int64, error) {
	events, revision, err := table.Load[map[string]Event](ctx, s.Table, heldKey(school))
	if err != nil {
		return nil, 0, fmt.Errorf("docket: the held lanes of %s: %w", school, err)
	}
	if events == nil {
		events = map[string]Event{}
	}
	return events, revision, nil
}

// change has f change the event of a lane, and writes it with further ops if f says so.
func (s *Store) change(ctx context.Context, school, lane string, f func(*Event) bool, more ...table.Op) error {
	return table.Again(func() error {
		events, revision, err := s.read(ctx, school)
		if err != nil {
			return err
		}
		e := events[lane]
		if !f(&e) {
			return nil
		}
		events[lane] = e
		op := table.Put(table.Item{Key: heldKey(school), Revision: revision, Value: table.Encode(events)})
		err = s.Table.Write(ctx, "", append([]table.Op{op}, more...)...)
		s.forget(school)
		return err
	})
}

// words puts an operator's numbers before its words.
func words(code int, status, said string) string {
	for _, number := range []string{status, strconv.Itoa(code)} {
		if number != "" && number != "0" && !strings.HasPrefix(said, number) && !strings.Contains(said, " "+number) {
			said = number + " " + said
		}
	}
	return said
}

// hold stops a lane for a school, and has its managers told.
func (s *Store) hold(ctx context.Context, a alert.Alert, r Refusal, t judge.Tally) error {
	now := s.Now().UTC()
	return s.change(ctx, a.School, r.Lane, func(e *Event) bool {
		if e.Held() {
			return false
		}
		*e = Event{
			Lane: r.Lane, Alert: a.ID, Since: now, Class: r.Class, Words: words(r.Code, r.Status, r.Words), Alike: t.Alike, Settled: t.Settled, Number: e.Number,
			Before: e.before(a.ID), Past: e.spells(),
		}
		return true
	}, due{School: a.School, Lane: r.Lane}.op(now))
}

// EventsOf returns a school's policy events, those that last first, then the newest first.
func (s *Store) EventsOf(ctx context.Context, school string) ([]Event, error) {
	events, _, err := s.read(ctx, school)
	list := slices.SortedFunc(maps.Values(events), func(a, b Event) int {
		switch {
		case a.Held() == b.Held():
			return b.Since.Compare(a.Since)
		case a.Held():
			return -1
		}
		return 1
	})
	return list, err
}

// Event returns the event of a lane, the zero Event if there was none.
func (s *Store) Event(ctx context.Context, school, lane string) (Event, error) {
	events, _, err := s.read(ctx, school)
	return events[lane], err
}

// known is which lanes are held, as was read a moment ago.
type known struct {
	at    time.Time
	lanes map[string]bool
}

// Fresh is for how long Holds believes what it has read.
const Fresh = 5 * time.Second

// Holds reports whether nothing may be sent in a lane for a school. It is asked for
// each batch of copies, so it remembers for a moment what it has read.
func (s *Store) Holds(ctx context.Context, school, lane string) (bool, error) {
	now := s.Now()
	s.mu.Lock()
	k, ok := s.held[school]
	s.mu.Unlock()
	if age := now.Sub(k.at); ok && age >= 0 && age < Fresh {
		return k.lanes[lane], nil
	}
	events, _, err := s.read(ctx, school)
	if err != nil {
		return false, err
	}
	k = known{now, map[string]bool{}}
	for _, e := range events {
		k.lanes[e.Lane] = e.Held()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.held == nil {
		s.held = map[string]known{}
	}
	s.held[school] = k
	return k.lanes[lane], nil
}

func (s *Store) forget(school string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.held, school)
}

// errNotHeld says that there is nothing to be tried or let go.
var errNotHeld = problem.New(problem.Conflict,
	"このメール会社あては、もう止まっていません。画面を開き直してください。",
	"This operator is not held any more. Open the page again.")

// errNotBraked says that the brake is off.
var errNotBraked = problem.New(problem.Conflict,
	"お知らせの送信は、もう止まっていません。画面を開き直してください。",
	"Notices are not stopped any more. Open the page again.")

// Resume lets a lane go. by is who says so.
func (s *Store) Resume(ctx context.Context, school, lane, by string) error {
	e, err := s.Event(ctx, school, lane)
	if err != nil {
		return err
	}
	before, err := s.settled(ctx, e.Alert, lane)
	if err != nil {
		return err
	}
	held := true
	err = s.change(ctx, school, lane, func(e *Event) bool {
		if held = e.Held(); held {
			e.Resumed, e.Before, e.By, e.Number = s.Now().UTC(), before, by, e.Number+1
		}
		return held
	})
	if err == nil && !held {
		return errNotHeld
	}
	return err
}

// mistaken lets a lane go if its event turns out to be none, in a write with further ops, and
// reports whether it does: events come late, and in any order.
func (s *Store) mistaken(ctx context.Context, school string, was Event, more ...table.Op) (bool, error) {
	t, err := s.tallied(ctx, was.Alert, was.Lane, was.Class, was)
	if err != nil || !judge.Mistaken(was.Class, t) {
		return false, err
	}
	return true, s.change(ctx, school, was.Lane, func(e *Event) bool {
		if !e.Held() || !e.Since.Equal(was.Since) {
			return false
		}
		e.Resumed, e.Mistaken, e.Alike, e.Settled = s.Now().UTC(), true, t.Alike, t.Settled
		return true
	}, more...)
}

// Tried notes that a test mail is on its way.
func (s *Store) Tried(ctx context.Context, school, lane, id string) error {
	return s.change(ctx, school, lane, func(e *Event) bool {
		e.Test = Test{ID: id, At: s.Now().UTC()}
		return e.Held()
	})
}

// Tested notes what became of the test mail with the id. One that the operator took
// lets the lane go; one that it refused leaves it held, with the new words.
func (s *Store) Tested(ctx context.Context, school, id string, refused judge.Class, words string) error {
	events, _, err := s.read(ctx, school)
	if err != nil {
		return err
	}
	for lane, e := range events {
		if !e.Held() || e.Test.ID != id {
			continue
		}
		if refused == "" {
			return s.Resume(ctx, school, lane, "")
		}
		return s.change(ctx, school, lane, func(e *Event) bool {
			e.Test.Refused, e.Test.Words = refused, words
			return e.Held() && e.Test.ID == id
		})
	}
	return nil
}

// Names of the tags that a test mail carries, for the operator's events.
const (
	tagTest   = "test"
	tagSchool = "school"
)

// TestTags returns what events about a test mail carry back.
func TestTags(school, id string) map[string]string {
	return map[string]string{tagTest: id, tagSchool: school}
}

// TestOfTags is the inverse of TestTags. It is false for the tags of something else.
func TestOfTags(tags map[string]string) (school, id string, ok bool) {
	return tags[tagSchool], tags[tagTest], tags[tagSchool] != "" && tags[tagTest] != ""
}
