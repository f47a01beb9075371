package roster

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// shut takes an address out of the roster as a person does.
func shut(t *testing.T, s *Store, key string) {
	t.Helper()
	for _, f := range families(t, s) {
		for i := range f.Guardians {
			g := &f.Guardians[i]
			if at := g.ContactAt(key); at >= 0 {
				f.Close(g.Contacts[at])
				g.Contacts = slices.Delete(g.Contacts, at, at+1)
				put(t, s, f)
				return
			}
		}
	}
	t.Fatalf("no contact %s", key)
}

func TestImportOfClosed(t *testing.T) {
	const h = "組,氏名,保護者,電話,メール\n"
	tests := []struct{ name, before, after, want string }{
		{"in the row of a sibling who is new", h + "1-1,山,恵,0900000001,a@example.jp\n", h + "3-1,山花,恵,0900000001,a@example.jp\n",
			"1-1 山 恵<> /0\n3-1 山花 恵<> /0"},
		{"with one that is new", h + "1-1,山,恵,,a@example.jp\n", h + "1-1,山,恵,,a@example.jp b@example.jp\n",
			"1-1 山 恵<b> /0"},
		{"of a guardian without a name", h + "1-1,山,,0900000001,a@example.jp\n", h + "1-1,山,,0900000001,a@example.jp\n",
			"1-1 山 <> /0"},
		{"of another guardian's name", h + "1-1,山,恵,,a@example.jp\n", h + "1-1,山,学,,a@example.jp\n",
			"1-1 山 学<> /0"},
		{"for a child of another family", h + "1-1,山,恵,,a@example.jp\n", h + "1-2,川,,,a@example.jp\n",
			"1-1 山 恵<> /0\n1-2 川 <a> /1"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newStore(t)
			load(t, s, tt.before)
			shut(t, s, "a@example.jp")
			p := load(t, s, tt.after)
			if said := strings.Join(say(p.Warnings), "\n"); strings.Contains(said, "not put back") == strings.Contains(tt.want, "<a>") {
				t.Errorf("warnings are %s", said)
			}
			wantDiff(t, "roster", tt.want, show(families(t, s)))
			wantConsistent(t, s)
			wantUnchanged(t, s, tt.after)
		})
	}
}

// TestClosedAndAnothers: an address that was taken out here can be another family's, and
// an old file does not join the two.
func TestClosedAndAnothers(t *testing.T) {
	s := newStore(t)
	const old = "組,氏名,保護者,メール\n1-1,山,恵,a@example.jp\n"
	load(t, s, old)
	shut(t, s, "a@example.jp")
	load(t, s, "組,氏名,保護者,メール\n1-2,川,学,a@example.jp\n")
	load(t, s, old)
	wantDiff(t, "roster", "1-1 山 恵<> /0\n1-2 川 学<a> /1", show(families(t, s)))
	wantUnchanged(t, s, old)
}

func TestClose(t *testing.T) {
	var f Family
	at := func(i int) Contact { return Contact{Address: fmt.Sprintf("A%d@example.jp", i)} }
	for i := range maxClosed + 1 {
		f.Close(at(i))
		f.Close(at(i))
	}
	if len(f.Closed) != maxClosed || f.closed(at(0).Key()) || !f.closed(at(1).Key()) {
		t.Errorf("of %d addresses %q are remembered", maxClosed+1, f.Closed)
	}
	if f.Open(at(1)); f.closed(at(1).Key()) || len(f.Closed) != maxClosed-1 {
		t.Errorf("entered again, it is not opened: %q", f.Closed)
	}
}

// TestClosedThroughATurn: a family that left and was put back still knows.
func TestClosedThroughATurn(t *testing.T) {
	s := newStore(t)
	const old = "学年,組,氏名,保護者,メール\n1,1,山,恵,a@example.jp\n2,1,川,学,b@example.jp\n"
	load(t, s, old)
	shut(t, s, "a@example.jp")
	turn := Turn{ID: s.IDs.New(), Until: s.Now().Add(time.Hour)}
	roll(t, s, "学年,組,氏名\n3,1,川\n", turn)
	if _, err := s.UndoTurn(t.Context(), testSchool, turn.ID); err != nil {
		t.Fatal(err)
	}
	load(t, s, old)
	wantDiff(t, "roster", "1-1 山 恵<> /0\n2-1 川 学<b> /1", show(families(t, s)))
}
