package roster

import (
	"bytes"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/todoku/todoku/shared/id"
	"github.com/todoku/todoku/shared/lang"
	"github.com/todoku/todoku/shared/problem"
	"github.com/todoku/todoku/shared/table/bbolt/bbolttest"
)

const testSchool = "school1"

// newStore returns a store on a file of its own, whose clock stands still.
func newStore(t testing.TB) *Store {
	t.Helper()
	now := func() time.Time { return time.Date(2026, 4, 6, 0, 0, 0, 0, time.UTC) }
	tab := bbolttest.Open(t, now)
	return &Store{Table: tab, IDs: id.NewSource(now, rand.NewChaCha8([32]byte{1})), Now: now}
}

// plan reads a CSV and plans its import.
func plan(t testing.TB, s *Store, csv string) *Plan {
	t.Helper()
	sheet, err := ReadSheet(strings.NewReader(csv), 0)
	if err != nil {
		t.Fatal(err)
	}
	p, err := NewPlan(t.Context(), s, testSchool, sheet, nil)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// load imports a CSV that has no faults.
func load(t testing.TB, s *Store, csv string) *Plan {
	t.Helper()
	p := plan(t, s, csv)
	if len(p.Errors) > 0 {
		t.Fatalf("errors in the file: %v", p.Errors)
	}
	if err := p.Commit(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	return p
}

// families reads the whole roster.
func families(t testing.TB, s *Store) []Family {
	t.Helper()
	var all []Family
	for after := ""; ; {
		fs, next, err := s.Families(t.Context(), testSchool, after)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, fs...)
		if after = next; next == "" {
			return all
		}
	}
}

// wantConsistent fails the test unless every second way in the store is exactly
// what the families say.
func wantConsistent(t testing.TB, s *Store) {
	t.Helper()
	want := waysTo(testSchool, families(t, s)...)
	for key, value := range want.records {
		item, err := s.Table.Get(t.Context(), key)
		if err != nil || !bytes.Equal(item.Value, value) {
			t.Errorf("way %v is %s (%v), want %s", key, item.Value, err, value)
		}
	}
	groups, err := s.storedGroups(t.Context(), testSchool)
	if err != nil {
		t.Fatal(err)
	}
	for _, g := range groups {
		if n := want.counts[countKey(testSchool, g.ID)]; int64(g.Children) != n {
			t.Errorf("group %s counts %d children, want %d", g.ID, g.Children, n)
		}
		members := 0
		for key := range want.records {
			if key.Partition == memberKey(testSchool, g.ID, "x").Partition {
				members++
			}
		}
		if got, _, err := s.Members(t.Context(), testSchool, g.ID, ""); err != nil || len(got) != members {
			t.Errorf("group %s has %d members (%v), want %d", g.ID, len(got), err, members)
		}
	}
}

// say writes notes in a form that is easy to compare with.
func say(notes []Note) []string {
	var ss []string
	for _, n := range notes {
		words := strings.Fields(number(n.Row) + " " + string(n.Field) + " " + n.Message.EN)
		ss = append(ss, strings.Join(words, " "))
	}
	return ss
}

func wantDiff(t testing.TB, what string, want, got any, opts ...cmp.Option) {
	t.Helper()
	if diff := cmp.Diff(want, got, append(opts, cmpopts.EquateEmpty())...); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

// wantProblem fails the test unless err is a problem of the kind whose English
// sentence holds the words, and that has a Japanese one.
func wantProblem(t testing.TB, err error, kind problem.Kind, words string) {
	t.Helper()
	p := problem.Of(err)[0]
	if err == nil || p.Kind != kind || !strings.Contains(p.Text.EN, words) || p.Text.In(lang.JA) == "" {
		t.Errorf("error is %v, want one of kind %s with %q", err, kind, words)
	}
}
