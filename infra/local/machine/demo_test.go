package machine

import (
	"errors"
	"strings"
	"testing"

	"github.com/todoku/todoku/shared/problem"
	"github.com/todoku/todoku/shared/roster"
	"github.com/todoku/todoku/shared/staff"
)

// TestFound founds with what cannot be stored, then as addresses are pasted.
func TestFound(t *testing.T) {
	m := newMachine(t, Config{})
	school := roster.School{ID: m.Alerts.IDs.New(), Name: "見本小学校", Mail: "山田<anzen@school.example.jp>", Phone: "03-0000-0000", Zone: "Asia/Tokyo"}
	for name, manager := range map[string]staff.Staff{
		"a name too long": {Name: strings.Repeat("山", staff.MaxName+1), Mail: "y@school.example.jp"},
		"no address":      {Name: "山田花子", Mail: "y"},
	} {
		if _, err := m.Found(t.Context(), school, manager); !problem.Is(err, problem.Invalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if schools, err := m.Roster.Schools(t.Context()); err != nil || len(schools) > 0 {
		t.Errorf("the school is there all the same: %v, %v", schools, err)
	}
	manager, err := m.Found(t.Context(), school, staff.Staff{Name: "山田花子", Mail: "花子<y@school.example.jp>"})
	if err != nil {
		t.Fatal(err)
	}
	got, err := m.Roster.School(t.Context(), manager.School)
	if err != nil || got.Mail != "anzen@school.example.jp" || manager.Mail != "y@school.example.jp" {
		t.Errorf("stored are %q and %q, %v", got.Mail, manager.Mail, err)
	}
}

// TestNoManager starts without flags on a school that has nobody who can sign in.
func TestNoManager(t *testing.T) {
	m := newMachine(t, Config{})
	if err := m.Roster.PutSchool(t.Context(), roster.School{ID: m.Alerts.IDs.New(), Name: "見本小学校"}); err != nil {
		t.Fatal(err)
	}
	if _, err := m.Found(t.Context(), roster.School{}, staff.Staff{}); !errors.Is(err, errNoManager) {
		t.Errorf("founded, %v", err)
	}
}
