package staff

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/todoku/todoku/shared/problem"
)

// signedInManager adds a manager who has signed in.
func signedInManager(t *testing.T, s *Store, name string) Staff {
	t.Helper()
	m, err := s.PutStaff(t.Context(), Staff{School: "s1", Name: name, Role: Manager})
	if err != nil {
		t.Fatal(err)
	}
	signInAs(t, s, m)
	return m
}

func TestManagersAreLeft(t *testing.T) {
	s, _, first := newStore(t)
	signInAs(t, s, first)
	invited, err := s.PutStaff(t.Context(), Staff{School: "s1", Name: "招待 中", Role: Manager})
	if err != nil {
		t.Fatal(err)
	}
	out := func(m Staff) Staff { m.Disabled = true; return m }
	teacher := func(m Staff) Staff { m.Role = Teacher; return m }
	refused := func(what string, changed ...Staff) {
		t.Helper()
		if err := s.Change(t.Context(), "s1", changed...); !problem.Is(err, problem.Conflict) {
			t.Errorf("%s: %v", what, err)
		}
	}
	refused("the only one who has signed in is disabled", out(first))
	refused("and demoted", teacher(first))
	if err := s.Change(t.Context(), "s1", out(invited)); err != nil {
		t.Errorf("one who never signed in: %v", err)
	}
	second := signedInManager(t, s, "二人 目")
	refused("one of two", out(first))
	refused("both of two", teacher(first), teacher(second))
	third, err := s.PutStaff(t.Context(), Staff{School: "s1", Name: "教頭 予定", Role: Teacher})
	if err != nil {
		t.Fatal(err)
	}
	signInAs(t, s, third)
	promoted := third
	promoted.Role = Manager
	if err := s.Change(t.Context(), "s1", out(first), promoted); err != nil {
		t.Errorf("one of two, with one in the place: %v", err)
	}
	if n, err := s.ReadyManagers(t.Context(), "s1"); n != 2 || err != nil {
		t.Errorf("%d managers, %v", n, err)
	}
	refused("of a stale revision", first)
	other, err := s.PutStaff(t.Context(), Staff{School: "s2", Name: "よその 人", Role: Teacher})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Change(t.Context(), "s1", other); !errors.Is(err, ErrNotFound) {
		t.Errorf("of another school: %v", err)
	}
}

// TestManagersWhoDemoteEachOther: of three managers, each disables the next at the
// same time; two are left.
func TestManagersWhoDemoteEachOther(t *testing.T) {
	s, _, first := newStore(t)
	signInAs(t, s, first)
	all := []Staff{first, signedInManager(t, s, "二"), signedInManager(t, s, "三")}
	var wg sync.WaitGroup
	for _, m := range all {
		m.Disabled = true
		wg.Go(func() { _ = s.Change(context.WithoutCancel(t.Context()), "s1", m) })
	}
	wg.Wait()
	if n, err := s.ReadyManagers(t.Context(), "s1"); n != 2 || err != nil {
		t.Errorf("%d managers are left, %v", n, err)
	}
}

// TestManyChange: a whole staff is handed over.
func TestManyChange(t *testing.T) {
	s, _, first := newStore(t)
	signInAs(t, s, first)
	signedInManager(t, s, "二人 目")
	var changed []Staff
	for i := range 150 {
		m, err := s.PutStaff(t.Context(), Staff{School: "s1", Name: fmt.Sprint("教員", i), Mail: fmt.Sprintf("t%d@school.example", i), Role: Teacher})
		if err != nil {
			t.Fatal(err)
		}
		m.Disabled, m.Groups, m.Mail = i%2 == 0, []string{"a"}, fmt.Sprintf("u%d@school.example", i)
		changed = append(changed, m)
	}
	if err := s.Change(t.Context(), "s1", changed...); err != nil {
		t.Fatal(err)
	}
	people, err := s.People(t.Context(), "s1")
	if err != nil {
		t.Fatal(err)
	}
	disabled := 0
	for _, p := range people {
		if p.Disabled {
			disabled++
		}
	}
	if len(people) != 152 || disabled != 75 {
		t.Errorf("%d people, %d disabled", len(people), disabled)
	}
	if found, err := s.ByMail(t.Context(), "u1@school.example"); len(found) != 1 || err != nil {
		t.Errorf("by the new address: %v, %v", found, err)
	}
}

// TestDisabledForGood: what was made before somebody was disabled does not come back.
func TestDisabledForGood(t *testing.T) {
	s, _, first := newStore(t)
	signInAs(t, s, first)
	m, err := s.PutStaff(t.Context(), Staff{School: "s1", Name: "教員", Role: Teacher})
	if err != nil {
		t.Fatal(err)
	}
	session := signInAs(t, s, m)
	_, token, err := s.NewToken(t.Context(), m.ID, "x", 0)
	if err != nil {
		t.Fatal(err)
	}
	code, _, err := s.NewCode(t.Context(), m.ID)
	if err != nil {
		t.Fatal(err)
	}
	for _, out := range []bool{true, false} {
		m, err = s.Staff(t.Context(), m.ID)
		if err != nil {
			t.Fatal(err)
		}
		m.Disabled = out
		if err := s.Change(t.Context(), "s1", m); err != nil {
			t.Fatal(err)
		}
		if _, err := s.BySession(t.Context(), session); !errors.Is(err, ErrSession) {
			t.Errorf("disabled %v: the session: %v", out, err)
		}
		if _, err := s.ByToken(t.Context(), token); !errors.Is(err, ErrToken) {
			t.Errorf("disabled %v: the token: %v", out, err)
		}
		if _, _, err := s.SignIn(t.Context(), code, ""); !errors.Is(err, ErrLink) {
			t.Errorf("disabled %v: the code: %v", out, err)
		}
	}
	signInAs(t, s, m)
	if all, err := s.Sessions(t.Context(), m.ID); len(all) != 1 || err != nil {
		t.Errorf("%d sessions, %v", len(all), err)
	}
	if all, err := s.Tokens(t.Context(), m.ID); len(all) != 0 || err != nil {
		t.Errorf("%d tokens, %v", len(all), err)
	}
}

func TestPrintedCode(t *testing.T) {
	s, c, m := newStore(t)
	code := func() string {
		t.Helper()
		code, ends, err := s.NewCode(t.Context(), m.ID)
		if err != nil || !ends.Equal(day.Add(CodeLife)) {
			t.Fatal(err, ends)
		}
		return code
	}
	first, second := code(), code()
	if _, _, err := s.SignIn(t.Context(), first, ""); !errors.Is(err, ErrLink) {
		t.Errorf("the earlier code: %v", err)
	}
	typed := "　" + strings.ToLower(PrettyCode(second)) + " "
	for _, ok := range []bool{true, false} { // once
		if _, _, err := s.SignIn(t.Context(), ParseCode(typed), ""); (err == nil) != ok {
			t.Errorf("works %v: %v", ok, err)
		}
	}
	third := code()
	c.pass(CodeLife)
	if _, _, err := s.SignIn(t.Context(), third, ""); !errors.Is(err, ErrLink) {
		t.Errorf("after its time: %v", err)
	}
}

func FuzzParseCode(f *testing.F) {
	for _, s := range []string{"0123-4567-89AB-CDEF", "０１２３４５６７８９ＡＢＣＤＥＦ", "", "\xff", strings.Repeat("-", 99)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		code := ParseCode(s)
		if code != "" && (len(code) != codeLen || ParseCode(PrettyCode(code)) != code) {
			t.Errorf("%q became %q", s, code)
		}
	})
}
