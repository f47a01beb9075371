package staff

import (
	"errors"
	"fmt"
	"testing"
	"time"
)

// TestMailsOfSchool: however many addresses strangers know, one school's sign-in mails leave
// alerts their part of the day's mails; other schools and known browsers have their own.
func TestMailsOfSchool(t *testing.T) {
	s, c, me := newStore(t)
	c.now = day.Truncate(24 * time.Hour)
	var people []Staff
	for i := range 200 {
		m, err := s.PutStaff(t.Context(), Staff{School: "s1", Name: "教員", Role: Teacher, Mail: fmt.Sprintf("u%d@school.example", i)})
		if err != nil {
			t.Fatal(err)
		}
		people = append(people, m)
	}
	mailed := func(m Staff, a Asker) bool {
		t.Helper()
		_, err := s.NewMailedLink(t.Context(), m.ID, "browser", a)
		if err != nil && !errors.Is(err, ErrNotFound) {
			t.Fatal(err)
		}
		return err == nil
	}
	n := 0
	for hour, want := range []int{150, 300, 450, 500, 500} {
		for i, m := range people {
			if mailed(m, Asker{whose: fmt.Sprintf("source %d/%d", hour, i)}) {
				n++
			}
		}
		if n != want {
			t.Errorf("%d mails after %d hours, want %d", n, hour+1, want)
		}
		c.pass(time.Hour)
	}
	other, err := s.PutStaff(t.Context(), Staff{School: "s2", Name: "よその 人", Role: Teacher})
	if err != nil {
		t.Fatal(err)
	}
	if !mailed(other, Asker{whose: "source x"}) {
		t.Error("another school's person gets none")
	}
	if !mailed(me, Asker{Known: []string{me.ID}, whose: "browser x"}) {
		t.Error("a person whose browser is known gets none")
	}
	c.pass(24 * time.Hour)
	if !mailed(me, Asker{whose: "source x"}) {
		t.Error("none on the next day")
	}
}
