package roster

import (
	"testing"
	"time"
)

func TestHeard(t *testing.T) {
	s := newStore(t)
	f := put(t, s, yamada())
	day := 24 * time.Hour
	first := time.Date(2026, 9, 1, 8, 0, 0, 0, time.UTC)
	for _, step := range []struct {
		name     string
		contact  string
		at, want time.Time
		writes   bool
	}{
		{"a first answer", "k1", first, first, true},
		{"the same again", "k1", first, first, false},
		{"an earlier one", "k1", first.Add(-time.Hour), first, false},
		{"within the month", "k1", first.Add(29 * day), first, false},
		{"after it", "k1", first.Add(30 * day), first.Add(30 * day), true},
		{"one that was taken for refused", "k2", first, first, true},
		{"one that is not there", "k9", first, time.Time{}, false},
	} {
		before, err := s.Family(t.Context(), testSchool, f.ID)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Heard(t.Context(), testSchool, f.ID, map[string]time.Time{step.contact: step.at}); err != nil {
			t.Fatalf("%s: %v", step.name, err)
		}
		after, err := s.Family(t.Context(), testSchool, f.ID)
		if err != nil {
			t.Fatal(err)
		}
		if wrote := after.Revision != before.Revision; wrote != step.writes {
			t.Errorf("%s: written: %v", step.name, wrote)
		}
		for _, c := range after.Guardians[0].Contacts {
			if c.ID == step.contact && (!c.Answered.Equal(step.want) || c.State != Verified) {
				t.Errorf("%s: answered %v, %s", step.name, c.Answered, c.State)
			}
		}
	}
	wantConsistent(t, s)
	if err := s.Heard(t.Context(), testSchool, "nobody", nil); err != ErrNotFound {
		t.Errorf("an unknown family: %v", err)
	}
}
