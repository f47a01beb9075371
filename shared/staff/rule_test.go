package staff

import (
	"errors"
	"testing"
	"time"

	"github.com/todoku/todoku/shared/problem"
	"github.com/todoku/todoku/shared/table/tabletest"
)

// strict is a school with two managers who have passkeys, which signs in by a rule.
func strict(t *testing.T, r Rule) (s *Store, c *clock, first, second Staff) {
	t.Helper()
	s, c, first = newStore(t)
	signInAs(t, s, first)
	second = signedInManager(t, s, "二人 目")
	for _, m := range []Staff{first, second} {
		addKey(t, s, m)
	}
	if err := s.SetRule(t.Context(), "s1", r); err != nil {
		t.Fatal(err)
	}
	return s, c, first, second
}

func addKey(t *testing.T, s *Store, m Staff) Key {
	t.Helper()
	k, err := s.AddKey(t.Context(), m.ID, "a", []byte("{}"))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// byMail signs a person in by a link that is mailed now.
func byMail(t *testing.T, s *Store, m Staff) (Staff, error) {
	t.Helper()
	browser := s.NewBrowser()
	token, err := s.NewMailedLink(t.Context(), m.ID, browser, Asker{Source: "192.0.2.1"})
	if err != nil {
		return Staff{}, err
	}
	secret, _, err := s.SignIn(t.Context(), token, browser)
	if err != nil {
		return Staff{}, err
	}
	return s.BySession(t.Context(), secret)
}

// TestRules: which way signs in under which rule. What a manager or the operator hands
// over always does.
func TestRules(t *testing.T) {
	by := Subject{Issuer: "https://issuer.example", ID: "1"}
	for r, opens := range map[Rule]struct{ mail, openID bool }{AnyWay: {true, true}, NoMail: {false, true}, PasskeyOnly: {false, false}} {
		s, _, m, _ := strict(t, r)
		expect := func(way string, err error, ok bool) {
			t.Helper()
			if ok && err != nil || !ok && !errors.Is(err, ErrPasskey) {
				t.Errorf("rule %q, by %s: %v", r, way, err)
			}
		}
		_, err := byMail(t, s, m)
		expect("mail", err, opens.mail)
		_, _, err = s.SignInAs(t.Context(), m.ID, by)
		expect("OpenID", err, opens.openID)
		code, _, err := s.NewCode(t.Context(), m.ID)
		if err == nil {
			_, _, err = s.SignIn(t.Context(), code, "")
		}
		expect("a manager's code", err, true)
		signInAs(t, s, m) // the operator's link
		keys, err := s.Keys(t.Context(), m.ID)
		if err == nil {
			_, _, err = s.SignInByKey(t.Context(), m.ID, keys[0])
		}
		expect("a passkey", err, true)
		if other, err := s.PutStaff(t.Context(), Staff{School: "s2", Name: "よその 人", Role: Teacher}); err != nil {
			t.Error(err)
		} else if _, err := byMail(t, s, other); err != nil {
			t.Errorf("at another school: %v", err)
		}
	}
}

// TestLinkBeforeTheRule: a link that is out when the rule becomes stricter.
func TestLinkBeforeTheRule(t *testing.T) {
	s, _, m, _ := strict(t, AnyWay)
	browser := s.NewBrowser()
	token, err := s.NewMailedLink(t.Context(), m.ID, browser, Asker{Source: "192.0.2.1"})
	if err == nil {
		err = s.SetRule(t.Context(), "s1", PasskeyOnly)
	}
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.SignIn(t.Context(), token, browser); !errors.Is(err, ErrPasskey) {
		t.Errorf("SignIn = %v", err)
	}
}

// TestAllowance: one sign-in by mail, which proves who it is, within a week, and not after
// the person was disabled or has a passkey again.
func TestAllowance(t *testing.T) {
	allow := func(t *testing.T, s *Store, m Staff) {
		t.Helper()
		if err := s.Allow(t.Context(), m.ID); err != nil {
			t.Fatal(err)
		}
	}
	for name, tt := range map[string]struct {
		then func(t *testing.T, s *Store, c *clock, m Staff)
		ok   bool
	}{
		"at once":               {func(*testing.T, *Store, *clock, Staff) {}, true},
		"twice given":           {func(t *testing.T, s *Store, _ *clock, m Staff) { t.Helper(); allow(t, s, m) }, true},
		"within a week":         {func(_ *testing.T, _ *Store, c *clock, _ Staff) { c.pass(CodeLife - time.Second) }, true},
		"after it":              {func(_ *testing.T, _ *Store, c *clock, _ Staff) { c.pass(CodeLife) }, false},
		"with a new passkey":    {func(t *testing.T, s *Store, _ *clock, m Staff) { t.Helper(); addKey(t, s, m) }, false},
		"enabled again":         {func(t *testing.T, s *Store, _ *clock, m Staff) { t.Helper(); outAndBack(t, s, m) }, false},
		"after one was used up": {func(t *testing.T, s *Store, _ *clock, m Staff) { t.Helper(); _, _ = byMail(t, s, m) }, false},
	} {
		t.Run(name, func(t *testing.T) {
			s, c, _, _ := strict(t, PasskeyOnly)
			m, err := s.PutStaff(t.Context(), Staff{School: "s1", Name: "例 一子", Mail: "ichiko@school.example", Role: Teacher})
			if err != nil {
				t.Fatal(err)
			}
			addKey(t, s, m) // which is lost
			allow(t, s, m)
			tt.then(t, s, c, m)
			who, err := byMail(t, s, m)
			if tt.ok != (err == nil) || !tt.ok && !errors.Is(err, ErrPasskey) {
				t.Fatalf("by mail: %v", err)
			}
			if tt.ok && !who.Proven.Equal(c.Now().Truncate(0)) {
				t.Errorf("proven %v", who.Proven)
			}
		})
	}
}

func outAndBack(t *testing.T, s *Store, m Staff) {
	t.Helper()
	for _, out := range []bool{true, false} {
		m, err := s.Staff(t.Context(), m.ID)
		if err != nil {
			t.Fatal(err)
		}
		m.Disabled = out
		if err := s.Change(t.Context(), "s1", m); err != nil {
			t.Fatal(err)
		}
	}
}

// TestLastKeys: of two passkeys that are removed at the same moment one is left.
func TestLastKeys(t *testing.T) {
	s, _, m, _ := strict(t, PasskeyOnly)
	addKey(t, s, m)
	keys, err := s.Keys(t.Context(), m.ID)
	if err != nil {
		t.Fatal(err)
	}
	other := *s
	s.Table = &tabletest.Before{Table: s.Table, Do: func() {
		if err := other.RemoveKey(t.Context(), m.ID, keys[1].ID); err != nil {
			t.Error(err)
		}
	}}
	if err := s.RemoveKey(t.Context(), m.ID, keys[0].ID); !problem.Is(err, problem.Conflict) {
		t.Errorf("the other of two: %v", err)
	}
	if left, err := s.Keys(t.Context(), m.ID); len(left) != 1 || err != nil {
		t.Errorf("%d are left, %v", len(left), err)
	}
}

// TestNobodyIsLockedOut: two managers who can let others in, before the rule and under it.
func TestNobodyIsLockedOut(t *testing.T) {
	s, _, first := newStore(t)
	signInAs(t, s, first)
	second := signedInManager(t, s, "二人 目")
	key := addKey(t, s, first)
	for _, r := range []Rule{NoMail, PasskeyOnly} {
		if err := s.SetRule(t.Context(), "s1", r); !problem.Is(err, problem.Conflict) {
			t.Errorf("with one passkey among managers, %q: %v", r, err)
		}
	}
	addKey(t, s, second)
	if err := s.SetRule(t.Context(), "s1", PasskeyOnly); err != nil {
		t.Fatal(err)
	}
	if err := s.RemoveKey(t.Context(), first.ID, key.ID); !problem.Is(err, problem.Conflict) {
		t.Errorf("the last passkey: %v", err)
	}
	third := signedInManager(t, s, "三人 目") // without a passkey: no help to anybody
	if n, err := s.ReadyManagers(t.Context(), "s1"); n != 2 || err != nil {
		t.Errorf("%d managers can act, %v", n, err)
	}
	out := func(m Staff) error { m.Disabled = true; return s.Change(t.Context(), "s1", m) }
	if err := out(first); !problem.Is(err, problem.Conflict) {
		t.Errorf("one of two who have passkeys is disabled: %v", err)
	}
	addKey(t, s, third)
	if err := out(first); err != nil {
		t.Errorf("one of three: %v", err)
	}
	if err := s.SetRule(t.Context(), "s1", AnyWay); err != nil {
		t.Fatal(err)
	}
	if r, err := s.Rule(t.Context(), "s1"); r != AnyWay || err != nil {
		t.Errorf("the rule is %q, %v", r, err)
	}
}
