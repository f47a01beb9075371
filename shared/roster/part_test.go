package roster

import (
	"errors"
	"strings"
	"testing"

	"github.com/todoku/todoku/shared/problem"
)

func TestUnlink(t *testing.T) {
	const h = "組,氏名,保護者,メール,保護者2,メール2\n"
	tests := []struct{ name, before, guardian, child, want string }{
		{"a stranger's address, mistyped", h + "1-1,山,恵,a@example.jp,学,b@example.jp\n1-1,山花,恵,a@example.jp\n1-2,川,学,b@example.jp\n2-2,川花,学,b@example.jp\n",
			"b@example.jp", "山", "1-1 山 恵<a> /0\n1-1 山花 恵<a> /0\n1-2 川 学<b> /1\n2-2 川花 学<b> /1"},
		{"who are joined otherwise", h + "1-1,山,恵,a@example.jp,学,b@example.jp\n1-2,山花,恵,a@example.jp,学,b@example.jp\n",
			"b@example.jp", "山花", "1-1 山 恵<a> 学<b> /0\n1-2 山花 恵<a> /0"},
		{"nobody else answers", h + "1-1,山,学,b@example.jp\n1-2,川,学,b@example.jp\n",
			"b@example.jp", "山", "1-1 山  /0\n1-2 川 学<b> /1"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newStore(t)
			load(t, s, tt.before)
			verify(t, s, tt.guardian)
			unlink := func(guardian, child string) error {
				at, err := s.FindByAddress(t.Context(), testSchool, guardian)
				if err != nil {
					t.Fatal(err)
				}
				f, err := s.Family(t.Context(), testSchool, at.Family)
				if err != nil {
					t.Fatal(err)
				}
				for _, c := range f.Children {
					if c.Name == child {
						return s.Unlink(t.Context(), testSchool, f.ID, at.Guardian, c.ID)
					}
				}
				return ErrNotFound
			}
			if err := unlink(tt.guardian, tt.child); err != nil {
				t.Fatal(err)
			}
			wantDiff(t, "roster", tt.want, show(families(t, s)))
			wantConsistent(t, s)
			if err := unlink(tt.guardian, tt.child); !errors.Is(err, ErrNotFound) {
				t.Errorf("once more: %v", err)
			}
		})
	}
}

// TestUnlinkStays: the file with the mistyped address does not link the two again, and a
// guardian's only child is kept.
func TestUnlinkStays(t *testing.T) {
	s := newStore(t)
	const mistyped = "組,氏名,保護者,メール\n1-1,山,恵,b@example.jp\n1-2,川,学,b@example.jp\n"
	load(t, s, "組,氏名,保護者,メール\n1-2,川,学,b@example.jp\n")
	verify(t, s, "b@example.jp")
	load(t, s, mistyped)
	f := families(t, s)[0]
	g := f.Guardians[0]
	if err := s.Unlink(t.Context(), testSchool, f.ID, g.ID, f.Children[1].ID); err != nil {
		t.Fatal(err)
	}
	p := load(t, s, mistyped)
	if said := strings.Join(say(p.Warnings), "\n"); !strings.Contains(said, "2 mail The address b@example.jp is not put back") {
		t.Errorf("warnings are %s", said)
	}
	wantDiff(t, "roster", "1-1 山 恵<> /0\n1-2 川 学<b> /1", show(families(t, s)))
	wantUnchanged(t, s, mistyped)
	for _, f := range families(t, s) {
		if err := s.Unlink(t.Context(), testSchool, f.ID, g.ID, f.Children[0].ID); f.Children[0].Name == "川" && !problem.Is(err, problem.Conflict) {
			t.Errorf("the only child: %v", err)
		}
	}
}
