package enrol_test

import (
	"testing"
	"time"

	"github.com/todoku/todoku/shared/enrol"
	"github.com/todoku/todoku/shared/roster"
)

const year = 366 * 24 * time.Hour

// sweep has the tick come every minute for a while, and returns how many letters left.
func (b *bench) sweep(minutes int) (letters int) {
	b.Helper()
	before := len(b.inbox.List())
	for range minutes {
		b.now = b.now.Add(time.Minute)
		b.must(b.store.Recheck(b.Context(), b.lanes()))
		b.feed()
	}
	return len(b.inbox.List()) - before
}

// TestRecheck: who was not heard of for a year is asked, three times at most, and then
// left in peace for a year; who answers the mail, or an alert, is not.
func TestRecheck(t *testing.T) {
	b := newBench(t)
	j := b.register("parent@gmail.com", "親", b.codes(b.one)[0])
	if _, err := b.store.Confirm(t.Context(), "s1", j.ID); err != nil {
		t.Fatal(err)
	}
	_, _, c, children := b.contact("parent@gmail.com")
	if !c.Answered.Equal(b.now) {
		t.Errorf("a confirmation is no sign of life: %v", c.Answered)
	}
	b.now = b.now.Add(year - 2*24*time.Hour)
	if n := b.sweep(3); n != 0 {
		t.Fatalf("%d letters before a year was over", n)
	}
	b.now = b.now.Add(8 * 24 * time.Hour)
	if n := b.sweep(3); n != 1 {
		t.Fatalf("%d letters after a year", n)
	}
	if n := b.sweep(30); n != 0 {
		t.Errorf("asked again at once: %d", n)
	}
	n := 0
	for range 60 {
		b.now = b.now.Add(24 * time.Hour)
		n += b.sweep(1)
	}
	if n != len(enrol.Reminders) {
		t.Errorf("%d reminders, want %d", n, len(enrol.Reminders))
	}
	if _, _, c, _ = b.contact("parent@gmail.com"); c.State != roster.Verified {
		t.Errorf("who does not answer became %s", c.State)
	}

	b.now = b.now.Add(year)
	if n := b.sweep(3); n != 1 {
		t.Fatalf("%d letters in the next year", n)
	}
	again := b.newestJoin()
	if again.Door != enrol.Recheck {
		t.Fatalf("the newest registration came by %s", again.Door)
	}
	if _, err := b.store.Confirm(t.Context(), "s1", again.ID); err != nil {
		t.Fatal(err)
	}
	_, _, c, same := b.contact("parent@gmail.com")
	if !c.Answered.Equal(b.now) || len(same) != len(children) {
		t.Errorf("after the confirmation: %v, %v", c.Answered, same)
	}
	for range 300 {
		b.now = b.now.Add(24 * time.Hour)
		if n := b.sweep(1); n != 0 {
			t.Fatalf("asked although it answered")
		}
	}
}

func (b *bench) newestJoin() enrol.Join {
	b.Helper()
	joins, err := b.store.Joins(b.Context(), "s1")
	b.must(err)
	return joins[len(joins)-1]
}

// TestRecheckIsBounded: a page of families a run, and every family once.
func TestRecheckIsBounded(t *testing.T) {
	b := newBench(t)
	const families = 120
	for i := range families {
		_, err := b.store.Roster.PutFamily(t.Context(), "s1", roster.Family{
			Children: []roster.Child{{Name: "子", Class: "c1", Number: string(rune('a'+i%26)) + string(rune('a'+i/26)), Guardians: []string{"g"}}},
			Guardians: []roster.Guardian{{ID: "g", Contacts: []roster.Contact{
				{Address: string(rune('a'+i%26)) + string(rune('a'+i/26)) + "@gmail.com", State: roster.Verified}}}},
		})
		b.must(err)
	}
	b.now = b.now.Add(year)
	asked := func() int {
		joins, err := b.store.Joins(t.Context(), "s1")
		b.must(err)
		return len(joins)
	}
	b.must(b.store.Recheck(t.Context(), b.lanes()))
	first := asked()
	if first == 0 || first > 50 {
		t.Errorf("%d were asked at once", first)
	}
	b.must(b.store.Recheck(t.Context(), b.lanes())) // not a minute later
	if asked() != first {
		t.Error("two pages in a minute")
	}
	for range 10 {
		b.now = b.now.Add(time.Minute)
		b.must(b.store.Recheck(t.Context(), b.lanes()))
	}
	if n := asked(); n != families {
		t.Errorf("%d of %d were asked", n, families)
	}
}

// TestRecheckRefused: an address that was confirmed and takes no mail now is shown so.
func TestRecheckRefused(t *testing.T) {
	now := time.Date(2026, 4, 6, 0, 0, 0, 0, time.UTC)
	r := enrol.Route{
		Contact: roster.Contact{State: roster.Verified, Answered: now.Add(-year), Rechecked: now},
		Join:    enrol.Join{Door: enrol.Recheck, Mail: enrol.Letter{State: enrol.Refused, At: now, Code: 550}},
	}
	if !r.Refused() || !r.Stale(now) || r.Why().JA == "" {
		t.Errorf("refused %v, stale %v, %q", r.Refused(), r.Stale(now), r.Why().JA)
	}
	r.Contact.Answered = now.Add(time.Hour)
	if r.Refused() || r.Stale(now.Add(2*time.Hour)) {
		t.Error("it has answered since")
	}
}
