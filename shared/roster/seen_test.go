package roster

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// TestSeen: a plan that does something else than the one that was looked at has another
// name, and one that does the same has not, whatever happened beside.
func TestSeen(t *testing.T) {
	const first = "組,氏名,保護者,電話,メール\n1-1,山田太郎,山田恵,090-1234-5678,a@example.jp\n1-1,海野舞,海野 母,,m@example.jp\n"
	const second = "組,氏名,保護者,電話,メール\n1-1,山田太郎,山田恵,090-1234-5678,a@example.jp\n1-1,海野舞,海野 母,03-1234-5678,m@example.jp\n1-2,川田花子,,,c@example.jp\n"
	change := func(f func(*Family)) func(*testing.T, *Store) {
		return func(t *testing.T, s *Store) {
			t.Helper()
			for _, family := range families(t, s) {
				f(&family)
				if _, err := s.PutFamily(t.Context(), testSchool, family); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	of := func(name string, f func(*Family)) func(*testing.T, *Store) {
		return change(func(family *Family) {
			if family.Children[0].Name == name {
				f(family)
			}
		})
	}
	add := func(address string, state ContactState) func(*Family) {
		return func(f *Family) {
			f.Guardians[0].Contacts = append(f.Guardians[0].Contacts, Contact{Address: address, State: state})
		}
	}
	imports := func(csv string) func(*testing.T, *Store) {
		return func(t *testing.T, s *Store) { t.Helper(); load(t, s, csv) }
	}
	tests := map[string]struct {
		do   func(*testing.T, *Store)
		same bool
	}{
		"nothing":                             {func(*testing.T, *Store) {}, true},
		"an address for who was unchanged":    {of("山田太郎", add("b@example.jp", Unverified)), false},
		"an address for who changes":          {of("海野舞", add("b@example.jp", Unverified)), false},
		"an address that a guardian adds":     {of("海野舞", add("b@example.jp", Verified)), true},
		"a guardian who confirms the address": {change(func(f *Family) { f.Guardians[0].Contacts[0].State = Verified }), true},
		"a guardian who answers":              {change(func(f *Family) { f.Guardians[0].Contacts[0].Answered = time.Unix(1, 0).UTC() }), true},
		"another phone":                       {of("海野舞", func(f *Family) { f.Guardians[0].Phones = []string{"03-0000-0000"} }), false},
		"another seat":                        {of("山田太郎", func(f *Family) { f.Children[0].Seat = 7 }), true},
		"another name":                        {of("海野舞", func(f *Family) { f.Children[0].Name = "海野 真衣" }), false},
		"somebody else":                       {imports("組,氏名,メール\n1-1,途中転入,z@example.jp\n"), false},
		"somebody else with an address of it": {imports("組,氏名,メール\n3-1,川田次郎,c@example.jp\n"), false},
		"the same file":                       {imports(second), false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			s := newStore(t)
			load(t, s, first)
			before := plan(t, s, second).Seen()
			tt.do(t, s)
			if after := plan(t, s, second).Seen(); (after == before) != tt.same {
				t.Errorf("%q became %q", before, after)
			}
		})
	}
}

// TestSeenIsSteady: what is new has other ids each time, and goes by what it is called.
func TestSeenIsSteady(t *testing.T) {
	s := newStore(t)
	load(t, s, "組,氏名,メール\n"+many(20, "1-1,子%[1]d,a%[1]d@example.jp\n"))
	csv := "組,氏名,保護者,電話,メール\n" + many(20, "1-1,子%[1]d,親,090-0000-00%02[1]d,a%[1]d@example.jp b%[1]d@example.jp\n") + many(20, "1-2,新%[1]d,,,n%[1]d@example.jp\n")
	var names []string
	for range 5 {
		names = append(names, plan(t, s, csv).Seen())
	}
	if len(slices.Compact(names)) != 1 || strings.Trim(names[0], "0123456789abcdef") != "" {
		t.Errorf("names are %q", names)
	}
}
