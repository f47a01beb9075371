package roster

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/todoku/todoku/shared/table"
)

// turnOf plans a turn.
func turnOf(t *testing.T, s *Store, csv string, turn Turn) *Plan {
	t.Helper()
	sheet, err := ReadSheet(strings.NewReader(csv), 0)
	if err != nil {
		t.Fatal(err)
	}
	p, err := NewTurn(t.Context(), s, testSchool, sheet, nil, turn)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// confirmed returns the turn that somebody has seen.
func (p *Plan) confirmed(turn Turn) Turn {
	turn.Confirmed, turn.Rise = true, p.Turning.Rise
	for _, c := range p.Missing {
		turn.Leave = append(turn.Leave, c.ID)
	}
	return turn
}

// roll does a turn as an office does: it looks, and confirms.
func roll(t *testing.T, s *Store, csv string, turn Turn) *Plan {
	t.Helper()
	seen := turnOf(t, s, csv, turn)
	if len(seen.Errors) > 0 {
		t.Fatalf("errors: %v", say(seen.Errors))
	}
	if err := turnOf(t, s, csv, seen.confirmed(turn)).Commit(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	return seen
}

// picture writes who is where, with the addresses that tell of each child.
func picture(t *testing.T, s *Store) []string {
	t.Helper()
	var lines []string
	for _, f := range families(t, s) {
		for _, c := range f.Children {
			line := fmt.Sprintf("%s %s %d", c.Class, c.Name, c.Seat)
			for _, g := range f.Guardians {
				if slices.Contains(c.Guardians, g.ID) {
					for _, k := range g.Contacts {
						line += " " + k.Address + "=" + string(k.State)
					}
				}
			}
			lines = append(lines, line)
		}
	}
	slices.Sort(lines)
	return lines
}

const (
	yearHead = "学年,組,出席番号,学籍番号,氏名,ふりがな,メール\n"
	oldYear  = yearHead +
		"1,1,1,,山田 太郎,やまだ たろう,a@example.jp\n" +
		"1,2,1,,海老 一,,b@example.jp\n" +
		"2,1,1,,海老 二,,b@example.jp\n" +
		"6,1,1,,卒業 生,,c@example.jp\n" +
		"6,1,2,,山田 花,,a@example.jp\n" +
		"3,1,1,,転出 子,,d@example.jp\n"
	newYear = "学年,組,氏名\n2,2,山田太郎\n2,1,海老一\n3,1,海老 二\n1,1,新 入\n"
)

func TestTurn(t *testing.T) {
	s := newStore(t)
	if err := plan(t, s, oldYear).Commit(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	before := picture(t, s)
	turn := Turn{ID: s.IDs.New(), Until: s.Now().Add(30 * 24 * time.Hour)}
	seen := roll(t, s, newYear, turn)
	if got := seen.Turning; got.Rise != 1 || got.Moved != 3 || got.New != 1 || got.Stay != 0 || len(got.Leavers) != 3 || got.Top != 6 {
		t.Errorf("%+v", got)
	}
	groups, err := s.Groups(t.Context(), testSchool)
	if err != nil {
		t.Fatal(err)
	}
	if n, others := seen.Turning.Graduates(Grades(groups)); n != 2 || len(others) != 1 || others[0].Name != "転出 子" {
		t.Errorf("%d graduates and %v", n, others)
	}
	want := []string{
		"class-1-1 新 入 0",
		"class-2-1 海老一 0 b@example.jp=unverified",
		"class-2-2 山田太郎 0 a@example.jp=unverified",
		"class-3-1 海老 二 0 b@example.jp=unverified",
	}
	if diff := cmp.Diff(want, picture(t, s)); diff != "" {
		t.Errorf("after the turn (-want +got):\n%s", diff)
	}
	for _, gone := range []string{"c@example.jp", "d@example.jp"} {
		if _, err := s.FindByAddress(t.Context(), testSchool, gone); err == nil {
			t.Errorf("%s is still in the roster", gone)
		}
	}
	again := turnOf(t, s, newYear, Turn{ID: s.IDs.New()})
	if got := again.Turning; got.Moved != 0 || got.Stay != 4 || got.New != 0 || len(got.Leavers) != 0 || got.Rise != 0 {
		t.Errorf("the same list once more: %+v", got)
	}
	u, err := s.UndoTurn(t.Context(), testSchool, turn.ID)
	if err != nil || u.Kept != 0 {
		t.Fatalf("undone: %+v, %v", u, err)
	}
	if diff := cmp.Diff(before, picture(t, s)); diff != "" {
		t.Errorf("after the undoing (-before +after):\n%s", diff)
	}
}

// TestTurnGrows: in a school that gets a grade more, who is not in the list has not finished
// school.
func TestTurnGrows(t *testing.T) {
	s := newStore(t)
	if err := plan(t, s, "学年,組,氏名\n1,1,山田 太郎\n1,1,海老 一\n1,1,転出 子\n").Commit(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	seen := turnOf(t, s, "学年,組,氏名\n2,1,山田 太郎\n2,1,海老 一\n1,1,新 入\n", Turn{ID: s.IDs.New()})
	groups, err := s.Groups(t.Context(), testSchool)
	if err != nil {
		t.Fatal(err)
	}
	if n, others := seen.Turning.Graduates(Grades(groups)); seen.Turning.Rise != 1 || n != 0 || len(others) != 1 || others[0].Name != "転出 子" {
		t.Errorf("%d graduates and %v of %+v", n, others, seen.Turning)
	}
}

// TestTurnCutOff: a turn that stops after any write and begins anew ends as one that
// was not cut off, also with a child in each grade of one name.
func TestTurnCutOff(t *testing.T) {
	old, now := "学年,組,氏名,メール\n", "学年,組,氏名\n"
	for grade := 1; grade <= 6; grade++ {
		old += fmt.Sprintf("%d,1,同じ 名前,same%d@example.jp\n", grade, grade)
		now += fmt.Sprintf("%d,1,同じ 名前\n", grade)
	}
	for stop := 1; stop <= 8; stop++ {
		t.Run(fmt.Sprint(stop), func(t *testing.T) {
			s := newStore(t)
			if err := plan(t, s, old).Commit(t.Context(), nil); err != nil {
				t.Fatal(err)
			}
			// The grades of these lists say nothing of the year: the office does.
			turn := Turn{ID: s.IDs.New(), Until: s.Now().Add(time.Hour), Confirmed: true, Rise: 1, Leave: idsOf(t, s)}
			whole := s.Table
			s.Table = &failing{Table: whole, after: stop}
			_ = turnOf(t, s, now, turn).Commit(t.Context(), nil)
			s.Table = whole
			if err := turnOf(t, s, now, turn).Commit(t.Context(), nil); err != nil {
				t.Fatal(err)
			}
			want := []string{"class-1-1 同じ 名前 0"}
			for grade := 2; grade <= 6; grade++ {
				want = append(want, fmt.Sprintf("class-%d-1 同じ 名前 0 same%d@example.jp=unverified", grade, grade-1))
			}
			if diff := cmp.Diff(want, picture(t, s)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// failing is a table whose disk is full after some writes.
type failing struct {
	table.Table
	after int
	mu    sync.Mutex
}

func (f *failing) Write(ctx context.Context, token string, ops ...table.Op) error {
	f.mu.Lock()
	f.after--
	full := f.after < 0
	f.mu.Unlock()
	if full {
		return errors.New("the disk is full")
	}
	return f.Table.Write(ctx, token, ops...)
}

func idsOf(t *testing.T, s *Store) []string {
	t.Helper()
	var ids []string
	for _, f := range families(t, s) {
		for _, c := range f.Children {
			ids = append(ids, c.ID)
		}
	}
	return ids
}

func TestTurnMatches(t *testing.T) {
	const roster = "学年,組,学籍番号,氏名,ふりがな,メール\n" +
		"1,1,,例 一,れい いち,1@example.jp\n1,2,,例 一,れい はじめ,2@example.jp\n" +
		"2,1,77,番号 子,,3@example.jp\n3,1,,双子 同,,4@example.jp\n3,2,,双子 同,,5@example.jp\n4,1,,留年 生,りゅうねん せい,6@example.jp\n"
	for _, tt := range []struct {
		name, row      string
		moved, new     int
		error, warning string
	}{
		{"the reading tells two of one name apart", "2,2,,例一,れいはじめ,\n", 1, 0, "", ""},
		{"an address of the family does", "2,2,,例一,,2@example.jp\n", 1, 0, "", ""},
		{"nothing does", "2,2,,例一,,\n", 0, 0, "It is not clear who", ""},
		{"a number, and another surname", "3,1,77,新姓 番号 子,,\n", 1, 0, "", "The name changes"},
		{"a number that is somebody else's now", "3,1,77,別人 太,,\n", 0, 0, "student number “77” is that of", ""},
		{"a number with zeros before it", "3,1,0077,番号 子,,\n", 1, 0, "", "with “0077”"},
		{"the reading, in a grade that does not fit", "4,1,,留年 生,りゅうねん せい,\n3,1,77,番号 子,,\n", 1, 0, "", ""},
		{"another grade and no reading", "6,1,,留年 生,,\n3,1,77,番号 子,,\n", 1, 1, "", "taken for another child"},
		{"two rows for one", "5,1,,留年 生,,\n5,2,,留年 生,,\n", 0, 0, "It is not clear who", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newStore(t)
			if err := plan(t, s, roster).Commit(t.Context(), nil); err != nil {
				t.Fatal(err)
			}
			// most of the school goes up one grade
			csv := "学年,組,学籍番号,氏名,ふりがな,メール\n" + tt.row
			seen := turnOf(t, s, csv, Turn{ID: s.IDs.New(), Confirmed: true, Rise: 1, Leave: idsOf(t, s)})
			got := seen.Turning
			if got.Moved != tt.moved || got.New != tt.new {
				t.Errorf("moved %d, new %d; want %d, %d (%v)", got.Moved, got.New, tt.moved, tt.new, say(seen.Errors))
			}
			holds := func(what string, in []string) {
				if (what != "") != (len(in) > 0) && what != "" || what != "" && !strings.Contains(strings.Join(in, "\n"), what) {
					t.Errorf("%q is not said in %q", what, in)
				}
			}
			holds(tt.error, say(seen.Errors))
			holds(tt.warning, say(seen.Warnings))
			if tt.error == "" && len(seen.Errors) > 0 {
				t.Errorf("errors: %q", say(seen.Errors))
			}
			for _, c := range seen.Missing {
				if tt.error != "" && strings.Contains(tt.row, strings.ReplaceAll(c.Name, " ", "")) {
					t.Errorf("%s leaves because of a row that is not clear", c.Name)
				}
			}
		})
	}
}

// TestUndoKeepsWhatGuardiansDid: what was confirmed between the turn and its undoing
// stays, of a moved child and of a new one.
func TestUndoKeepsWhatGuardiansDid(t *testing.T) {
	s := newStore(t)
	if err := plan(t, s, oldYear).Commit(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	turn := Turn{ID: s.IDs.New(), Until: s.Now().Add(time.Hour)}
	roll(t, s, newYear, turn)
	for _, f := range families(t, s) {
		switch f.Children[0].Name {
		case "新 入":
			f.Guardians = append(f.Guardians, Guardian{ID: "g-new", Contacts: []Contact{{ID: "k-new", Address: "new@example.jp", State: Verified}}})
			f.Children[0].Guardians = append(f.Children[0].Guardians, "g-new")
		case "山田太郎":
			f.Guardians[0].Contacts = append(f.Guardians[0].Contacts, Contact{ID: "k-a2", Address: "a2@example.jp", State: Verified})
		default:
			continue
		}
		if _, err := s.PutFamily(t.Context(), testSchool, f); err != nil {
			t.Fatal(err)
		}
	}
	// somebody else's family has taken an address of a child who left
	other := Family{Children: []Child{{Name: "他 人", Class: "class-1-1", Guardians: []string{"g-x"}}},
		Guardians: []Guardian{{ID: "g-x", Contacts: []Contact{{Address: "d@example.jp", State: Verified}}}}}
	if _, err := s.PutFamily(t.Context(), testSchool, other); err != nil {
		t.Fatal(err)
	}
	u, err := s.UndoTurn(t.Context(), testSchool, turn.ID)
	if err != nil || u.Kept != 1 {
		t.Fatalf("undone: %+v, %v", u, err)
	}
	got := strings.Join(picture(t, s), "\n")
	for _, want := range []string{
		"class-1-1 山田 太郎 1 a@example.jp=unverified a2@example.jp=verified", "class-1-1 新 入 0 new@example.jp=verified",
		"class-6-1 卒業 生 1 c@example.jp=unverified", "class-6-1 山田 花 2 a@example.jp=unverified a2@example.jp=verified",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("without %s:\n%s", want, got)
		}
	}
	if strings.Contains(got, "転出 子") {
		t.Error("a family whose address is another's is back")
	}
}

// TestUndoFindsWhoMoved: a family that became part of another since is put back there,
// whichever of the two is left.
func TestUndoFindsWhoMoved(t *testing.T) {
	for _, kept := range []int{0, 1} {
		t.Run(fmt.Sprint(kept), func(t *testing.T) {
			s := newStore(t)
			load(t, s, oldYear)
			turn := Turn{ID: s.IDs.New(), Until: s.Now().Add(time.Hour)}
			roll(t, s, newYear, turn)
			two := slices.DeleteFunc(families(t, s), func(f Family) bool { return f.Children[0].Name == "新 入" })
			both := []Family{two[kept], two[1-kept]}
			if _, err := s.Merge(t.Context(), testSchool, fuse(both), both...); err != nil {
				t.Fatal(err)
			}
			if u, err := s.UndoTurn(t.Context(), testSchool, turn.ID); err != nil || u.Kept != 0 {
				t.Fatalf("undone: %+v, %v", u, err)
			}
			want := []string{
				"class-1-1 山田 太郎 1 a@example.jp=unverified", "class-1-2 海老 一 1 b@example.jp=unverified", "class-2-1 海老 二 1 b@example.jp=unverified",
				"class-3-1 転出 子 1 d@example.jp=unverified", "class-6-1 卒業 生 1 c@example.jp=unverified", "class-6-1 山田 花 2 a@example.jp=unverified",
			}
			if diff := cmp.Diff(want, picture(t, s)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			wantConsistent(t, s)
		})
	}
}

// TestUndoLeavesWhoIsElsewhere: of a family whose children are in two now, nothing is
// put back, and it is said.
func TestUndoLeavesWhoIsElsewhere(t *testing.T) {
	s := newStore(t)
	load(t, s, oldYear)
	turn := Turn{ID: s.IDs.New(), Until: s.Now().Add(time.Hour)}
	roll(t, s, newYear, turn)
	for _, f := range families(t, s) {
		if f.Children[0].Name != "海老一" {
			continue
		}
		alone := Family{Children: f.Children[1:]}
		f.Children = f.Children[:1]
		put(t, s, f)
		alone.Children[0].Guardians = nil
		put(t, s, alone)
	}
	for range 2 { // it stays in the journal
		if u, err := s.UndoTurn(t.Context(), testSchool, turn.ID); err != nil || u.Kept != 1 {
			t.Fatalf("undone: %+v, %v", u, err)
		}
	}
}

// TestJournalAddsWhoCame: a family that comes to another between two runs of one turn
// is in the journal, too, as it was.
func TestJournalAddsWhoCame(t *testing.T) {
	s := newStore(t)
	load(t, s, oldYear)
	before := picture(t, s)
	turn := Turn{ID: s.IDs.New(), Until: s.Now().Add(time.Hour), Confirmed: true, Rise: 1}
	if err := turnOf(t, s, "学年,組,氏名\n2,2,山田太郎\n", turn).Commit(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	two := slices.DeleteFunc(families(t, s), func(f Family) bool { return !strings.Contains("山田太郎 海老 一", f.Children[0].Name) })
	if _, err := s.Merge(t.Context(), testSchool, fuse(two), two...); err != nil {
		t.Fatal(err)
	}
	if err := turnOf(t, s, newYear, turn).Commit(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	if u, err := s.UndoTurn(t.Context(), testSchool, turn.ID); err != nil || u.Kept != 0 {
		t.Fatalf("undone: %+v, %v", u, err)
	}
	if diff := cmp.Diff(before, picture(t, s)); diff != "" {
		t.Errorf("(-before +after):\n%s", diff)
	}
}

func TestTurnEnds(t *testing.T) {
	s := newStore(t)
	if err := plan(t, s, oldYear).Commit(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	turn := Turn{ID: s.IDs.New(), Until: s.Now().Add(30 * 24 * time.Hour)}
	roll(t, s, newYear, turn)
	over := func() []Ending {
		e, err := s.Endings(t.Context(), 10)
		if err != nil {
			t.Fatal(err)
		}
		return e
	}
	if len(over()) != 0 {
		t.Fatal("it ends at once")
	}
	now := s.Now
	s.Now = func() time.Time { return now().Add(30*24*time.Hour + turnSlack) }
	ends := over()
	if len(ends) != 1 || ends[0].Turn != turn.ID {
		t.Fatalf("%v", ends)
	}
	var gone []string
	for range 20 {
		done, err := s.End(t.Context(), ends[0], 2, func(past []Past) error {
			for _, p := range past {
				for _, c := range p.Gone() {
					gone = append(gone, c.Address)
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if done {
			break
		}
	}
	slices.Sort(gone)
	if diff := cmp.Diff([]string{"c@example.jp", "d@example.jp"}, gone); diff != "" {
		t.Errorf("addresses to be forgotten (-want +got):\n%s", diff)
	}
	if len(over()) != 0 {
		t.Error("it has not ended")
	}
	if u, err := s.UndoTurn(t.Context(), testSchool, turn.ID); err != nil || u.Back+u.Kept != 0 {
		t.Errorf("undone after the end: %+v, %v", u, err)
	}
}
