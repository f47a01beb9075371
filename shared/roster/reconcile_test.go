package roster

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// show writes a roster in few words: each child with its class, and who answers
// for it with their addresses, in the order of classes.
func show(fs []Family) string {
	var lines []string
	for i, f := range fs {
		for _, c := range f.Children {
			var who []string
			for _, id := range c.Guardians {
				g, _ := f.Guardian(id)
				var mails []string
				for _, k := range g.Contacts {
					mails = append(mails, strings.TrimSuffix(k.Address, "@example.jp"))
				}
				who = append(who, strings.Trim(g.Name+"<"+strings.Join(mails, " ")+">", " "))
			}
			lines = append(lines, fmt.Sprintf("%s %s %s /%d", strings.TrimPrefix(c.Class, "class-"), c.Name, strings.Join(who, " "), i))
		}
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

// verify marks the contact as its guardian's own.
func verify(t *testing.T, s *Store, key string) {
	t.Helper()
	fs := families(t, s)
	for _, f := range fs {
		for i := range f.Guardians {
			if at := f.Guardians[i].ContactAt(key); at >= 0 {
				f.Guardians[i].Contacts[at].State = Verified
				put(t, s, f)
				return
			}
		}
	}
	t.Fatalf("no contact %s", key)
}

// Each test imports before, then after, and looks at what is left. The number
// behind / is the family.
func TestImportOverARoster(t *testing.T) {
	const h = "学年,組,学籍番号,氏名,保護者,電話,メール,保護者2,メール2\n"
	tests := map[string]struct {
		before, verified, after, want string
		tally                         string // children added, changed, unchanged
	}{
		"the same": {
			before: h + "1,1,,山,恵,,a@example.jp\n", after: h + "1,1,,山,恵,,a@example.jp\n",
			want: "1-1 山 恵<a> /0", tally: "0 0 1"},
		"a new child": {
			before: h + "1,1,,山,恵,,a@example.jp\n", after: h + "1,1,,山,恵,,a@example.jp\n1,2,,川,,,b@example.jp\n",
			want: "1-1 山 恵<a> /0\n1-2 川 <b> /1", tally: "1 0 1"},
		"a sibling joins": {
			before: h + "1,1,,山,恵,,a@example.jp\n", after: h + "3,1,,山花,恵,,a@example.jp\n",
			want: "1-1 山 恵<a> /0\n3-1 山花 恵<a> /0", tally: "1 0 0"},
		"two families turn out to be one": {
			before: h + "1,1,,山,恵,,a@example.jp\n3,1,,山花,学,,b@example.jp\n",
			after:  h + "1,1,,山,恵,,a@example.jp,学,b@example.jp\n",
			want:   "1-1 山 恵<a> 学<b> /0\n3-1 山花 学<b> /0", tally: "0 1 0"},
		"an address is corrected": {
			before: h + "1,1,,山,恵,,a@example.jp\n", after: h + "1,1,,山,恵,,aa@example.jp\n",
			want: "1-1 山 恵<aa> /0", tally: "0 1 0"},
		"an address of nobody is corrected": {
			before: h + "1,1,,山,,,a@example.jp\n", after: h + "1,1,,山,,,aa@example.jp\n",
			want: "1-1 山 <aa> /0", tally: "0 1 0"},
		"a confirmed address stays": {
			before: h + "1,1,,山,恵,,a@example.jp\n", verified: "a@example.jp", after: h + "1,1,,山,恵,,aa@example.jp\n",
			want: "1-1 山 恵<a aa> /0", tally: "0 1 0"},
		"an empty cell takes nothing": {
			before: h + "1,1,,山,恵,,a@example.jp\n", after: h + "1,1,,山,,,\n",
			want: "1-1 山 恵<a> /0", tally: "0 0 1"},
		"another guardian": {
			before: h + "1,1,,山,恵,,a@example.jp\n", after: h + "1,1,,山,学,,b@example.jp\n",
			want: "1-1 山 学<b> /0", tally: "0 1 0"},
		"another guardian beside a confirmed one": {
			before: h + "1,1,,山,恵,,a@example.jp\n", verified: "a@example.jp", after: h + "1,1,,山,学,,b@example.jp\n",
			want: "1-1 山 学<b> 恵<a> /0", tally: "0 1 0"},
		"a guardian's name is corrected": {
			before: h + "1,1,,山,惠,,a@example.jp\n", after: h + "1,1,,山,恵,,a@example.jp\n",
			want: "1-1 山 恵<a> /0", tally: "0 1 0"},
		"a confirmed guardian keeps the name": {
			before: h + "1,1,,山,恵,,a@example.jp\n", verified: "a@example.jp", after: h + "1,1,,山,学,,a@example.jp\n",
			want: "1-1 山 学<> 恵<a> /0", tally: "0 1 0"},
		"a name comes to an address": {
			before: h + "1,1,,山,,,a@example.jp\n", after: h + "1,1,,山,恵,,a@example.jp\n",
			want: "1-1 山 恵<a> /0", tally: "0 1 0"},
		"addresses swapped": {
			before: h + "1,1,,山,恵,,a@example.jp,学,b@example.jp\n", after: h + "1,1,,山,恵,,b@example.jp,学,a@example.jp\n",
			want: "1-1 山 恵<b> 学<a> /0", tally: "0 1 0"},
		"a sibling who is not in the file keeps everything": {
			before: h + "1,1,,山,恵,,a@example.jp\n3,1,,山花,恵,,a@example.jp\n", after: h + "1,1,,山,学,,b@example.jp\n",
			want: "1-1 山 学<b> /0\n3-1 山花 恵<a> /0", tally: "0 1 0"},
		"no address goes while a sibling may use it": {
			before: h + "1,1,,山,恵,,a@example.jp\n3,1,,山花,恵,,a@example.jp\n", after: h + "1,1,,山,恵,,b@example.jp\n",
			want: "1-1 山 恵<a b> /0\n3-1 山花 恵<a b> /0", tally: "0 1 0"},
		"a new class by number": {
			before: h + "1,1,S1,山,恵,,a@example.jp\n", after: h + "2,3,S1,山,恵,,a@example.jp\n",
			want: "2-3 山 恵<a> /0", tally: "0 1 0"},
		"a new class by family": {
			before: h + "1,1,,山,恵,,a@example.jp\n", after: h + "2,3,,山,恵,,a@example.jp\n",
			want: "2-3 山 恵<a> /0", tally: "0 1 0"},
		"a number comes": {
			before: h + "1,1,,山,恵,,a@example.jp\n", after: h + "1,1,S1,山,恵,,a@example.jp\n",
			want: "1-1 山 恵<a> /0", tally: "0 1 0"},
		"a number loses its zeros": {
			before: h + "1,1,00123,山,恵,,a@example.jp\n1,2,00124,川,,,b@example.jp\n", after: h + "1,1,123,山,恵,,a@example.jp\n1,2,124,川,,,b@example.jp\n",
			want: "1-1 山 恵<a> /0\n1-2 川 <b> /1", tally: "0 0 2"},
		"a number gets its zeros back": {
			before: h + "1,1,123,山,恵,,a@example.jp\n", after: h + "1,1,00123,山,恵,,a@example.jp\n",
			want: "1-1 山 恵<a> /0", tally: "0 1 0"},
		"a number without zeros is another's": {
			before: h + "1,1,0123,山,恵,,a@example.jp\n1,1,123,山,光,,b@example.jp\n", after: h + "1,1,123,山,光,,b@example.jp\n",
			want: "1-1 山 光<b> /1\n1-1 山 恵<a> /0", tally: "0 0 1"},
		"a number with zeros of another name": {
			before: h + "1,1,0123,山,恵,,a@example.jp\n", after: h + "1,1,123,川,光,,b@example.jp\n",
			want: "1-1 山 恵<a> /0\n1-1 川 光<b> /1", tally: "1 0 0"},
		"another child of the same name": {
			before: h + "1,1,S1,山,恵,,a@example.jp\n", after: h + "1,1,S2,山,光,,b@example.jp\n",
			want: "1-1 山 光<b> /1\n1-1 山 恵<a> /0", tally: "1 0 0"},
		"a name is corrected by number": {
			before: h + "1,1,S1,山,恵,,a@example.jp\n", after: h + "1,1,S1,山本,恵,,a@example.jp\n",
			want: "1-1 山本 恵<a> /0", tally: "0 1 0"},
		"a name is corrected by number, which is alike": {
			before: h + "1,1,S1,山田花,恵,,a@example.jp\n", after: h + "1,1,S1,川 田花,恵,,\n",
			want: "1-1 川 田花 恵<a> /0", tally: "0 1 0"},
		"numbers are given anew": {
			before: h + "1,1,1101,山田太郎,,,a@example.jp\n1,1,1102,佐藤花,,,b@example.jp\n",
			after:  h + "1,1,1101,佐藤花,,,\n1,1,1102,鈴木次,,,\n",
			want:   "1-1 佐藤花 <b> /1\n1-1 山田太郎 <a> /0", tally: "0 0 0"},
		"numbers are given anew among those of one surname": {
			before: h + "1,1,1101,佐藤太郎,,,a@example.jp\n1,1,1102,佐藤花,,,b@example.jp\n1,1,1103,佐藤次,,,c@example.jp\n",
			after:  h + "1,1,1101,佐藤花,,,\n1,1,1102,佐藤次,,,\n1,1,1103,佐藤恵,,,\n",
			want:   "1-1 佐藤太郎 <a> /0\n1-1 佐藤次 <c> /2\n1-1 佐藤花 <b> /1", tally: "0 0 0"},
		"numbers are given anew, with a fault in another row": {
			before: h + "1,1,1101,佐藤太郎,,,a@example.jp\n1,1,1102,佐藤花,,,b@example.jp\n",
			after:  h + "1,1,1101,佐藤花,,,bad\n1,1,1102,佐藤次,,,c@example.jp\n",
			want:   "1-1 佐藤太郎 <a> /0\n1-1 佐藤花 <b> /1", tally: "0 0 0"},
		"a fault among good rows": {
			before: h + "1,1,,山,恵,,a@example.jp\n", after: h + "1,1,,山,恵,,bad\n1,2,,川,,,b@example.jp\n",
			want: "1-1 山 恵<a> /0\n1-2 川 <b> /1", tally: "1 0 0"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			s := newStore(t)
			load(t, s, tt.before)
			if tt.verified != "" {
				verify(t, s, tt.verified)
			}
			p := plan(t, s, tt.after)
			if got := strings.Trim(fmt.Sprint(p.Children), "{}"); got != tt.tally {
				t.Errorf("children are %s, want %s", got, tt.tally)
			}
			for range 2 { // again with the same plan, which must find everything done
				if err := p.Commit(t.Context(), nil); err != nil {
					t.Fatal(err)
				}
			}
			wantDiff(t, "roster", tt.want, show(families(t, s)))
			wantConsistent(t, s)
			wantUnchanged(t, s, tt.after)
		})
	}
}

// wantUnchanged fails the test unless importing the file would change nothing.
func wantUnchanged(t testing.TB, s *Store, csv string) {
	t.Helper()
	p := plan(t, s, csv)
	for _, st := range p.steps {
		if st.changed {
			t.Errorf("imported again, the file changes a family:\n%s\n%s", show(st.old), cmp.Diff(fuse(st.old), st.next))
		}
	}
	for what, tally := range map[string]Tally{"children": p.Children, "guardians": p.Guardians, "contacts": p.Contacts} {
		if tally.Added+tally.Changed != 0 {
			t.Errorf("imported again, the file has %s %+v", what, tally)
		}
	}
}

func TestNumberOfAnother(t *testing.T) {
	s := newStore(t)
	load(t, s, "組,学籍番号,氏名,メール\n1-1,1101,山田太郎,a@example.jp\n1-1,1102,佐藤花,b@example.jp\n")
	p := plan(t, s, "組,学籍番号,氏名,メール\n1-1,1101,山本,a@example.jp\n1-1,1102,鈴木次,c@example.jp\n")
	wantNotes(t, "errors", []string{"3 number The student number “1102” is that of “佐藤花” in the roster.*Not used*correct it in the roster first."}, p.Errors)
	wantNotes(t, "warnings", []string{"2 name The name changes from “山田太郎” to “山本”."}, p.Warnings)
}

// TestNumberWithoutZeros: two children of one name are told apart by their reading.
func TestNumberWithoutZeros(t *testing.T) {
	s := newStore(t)
	load(t, s, "組,学籍番号,氏名,かな\n1-1,00123,山田真由,まゆ\n")
	p := load(t, s, "組,学籍番号,氏名,かな\n1-1,123,山田真由,\n1-1,0123,山田真由,まさよし\n")
	wantNotes(t, "warnings", []string{"2 mail *", "2 number The number of “山田真由” is “00123” in the roster and “123” in this file.*with “00123”*", "3 mail *"}, p.Warnings)
	if p.Children != (Tally{Added: 1, Unchanged: 1}) {
		t.Errorf("children are %+v", p.Children)
	}
}

func TestGroupsOfAFile(t *testing.T) {
	s := newStore(t)
	load(t, s, "組,氏名,部活,委員会\n1-1,山,吹奏楽部,図書;放送\n1-1,川,吹奏楽部,\n")
	got := map[string]int{}
	groups, err := s.Groups(t.Context(), testSchool)
	if err != nil {
		t.Fatal(err)
	}
	for _, g := range groups {
		got[g.Name] = g.Children
	}
	wantDiff(t, "groups", map[string]int{"1年": 2, "1年1組": 2, "吹奏楽部": 2, "図書": 1, "放送": 1}, got)

	p := load(t, s, "組,氏名,部活\n1-1,山,\n")
	wantNotes(t, "warnings", []string{
		"1 children in the roster are not in this file (川). The import leaves them as they are.",
		"2 mail *no mail address*",
		"2 groups “山” leaves 3 groups that this row does not name.",
	}, p.Warnings)
	load(t, s, "組,氏名\n1-1,川\n") // no column for groups: nothing is said of them
	if ms, _, err := s.Members(t.Context(), testSchool, NewGroup("吹奏楽部").ID, ""); len(ms) != 1 || err != nil {
		t.Errorf("members of the club: %v, %v", ms, err)
	}
	wantConsistent(t, s)
}

// TestStrangerStays: a mistyped address links another's guardian to a child. When it is
// corrected, the office is told who stays.
func TestStrangerStays(t *testing.T) {
	const h = "組,氏名,保護者,メール\n"
	s := newStore(t)
	load(t, s, h+"1-1,山,恵,a@example.jp\n1-2,川,学,b@example.jp\n")
	verify(t, s, "a@example.jp")
	verify(t, s, "b@example.jp")
	wantNotes(t, "warnings of the mistake", []string{"2 guardian “恵”, a guardian of “山”, is not in this row*", "3 mail *"},
		load(t, s, h+"1-1,山,光,b@example.jp\n1-2,川,学,b@example.jp\n").Warnings)
	const corrected = h + "1-1,山,恵,a@example.jp\n1-2,川,学,b@example.jp\n"
	wantNotes(t, "warnings", []string{"2 guardian “学”, a guardian of “山”, is not in this row, but has confirmed an address*open the class*",
		"2 guardian The guardian “光” is not in this file and is taken out of the roster."}, load(t, s, corrected).Warnings)
	registered := families(t, s)[0]
	registered.Guardians = append(registered.Guardians, Guardian{ID: "g2", Name: "学", Contacts: []Contact{{ID: "k2", Address: "b2@example.jp", State: Verified}}})
	for i := range registered.Children {
		if c := &registered.Children[i]; c.Name == "川" {
			c.Guardians = append(c.Guardians, "g2")
		}
	}
	put(t, s, registered)
	if got := say(plan(t, s, corrected).Warnings); len(got) != 1 || strings.Contains(got[0], "川") {
		t.Errorf("warnings are %q: of one who registered beside", got)
	}
}

// TestMissing: a faulty row is in the file all the same.
func TestMissing(t *testing.T) {
	const roster = "組,学籍番号,氏名\n1-1,1,山\n1-1,,川\n1-2,,海\n2-1,,空\n"
	for _, tt := range []struct{ name, csv string }{
		{"phones", "組,学籍番号,氏名,電話\n1-1,1,山,bad\n1-1,,川,bad\n1-2,,海,\n"},
		{"a class", "組,学籍番号,氏名\n1-1,1,山\n,,川\n1-2,,海\n"},
		{"the office's address", "組,学籍番号,氏名,メール\n1-1,1,山,\n1-1,,川,o@example.jp\n1-2,,海,o@example.jp\n" +
			many(MaxFamilyChildren, "3-1,,子%d,o@example.jp\n")},
		{"rows that contradict each other", "組,学籍番号,氏名\n1-1,1,山\n1-1,1,川\n1-2,,海\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newStore(t)
			load(t, s, roster)
			p := plan(t, s, tt.csv)
			if len(p.Errors) == 0 || len(p.Missing) != 1 || p.Missing[0].Name != "空" {
				t.Errorf("missing are %v, want only 空 (%q)", p.Missing, say(p.Errors))
			}
		})
	}
}

// TestMissingNames: they are listed as each language lists.
func TestMissingNames(t *testing.T) {
	s := newStore(t)
	load(t, s, "組,学籍番号,氏名\n1-1,1,山\n1-1,,川\n1-2,,海\n")
	p := plan(t, s, "組,学籍番号,氏名\n1-1,1,山\n")
	if len(p.Warnings) == 0 || !strings.Contains(p.Warnings[0].Message.JA, "2人います（川、海）") || !strings.Contains(p.Warnings[0].Message.EN, "2 children in the roster are not in this file (川, 海)") {
		t.Errorf("%+v", p.Warnings)
	}
}

// TestMorePhones: the numbers for which there is no room are named.
func TestMorePhones(t *testing.T) {
	const h = "組,氏名,保護者,電話,メール\n"
	rows := h + "1-1,山,恵,0900000001; 0900000002; 0900000003,a@example.jp\n1-2,山花,恵,0900000003; 0900000004; 0900000005; 0900000006,a@example.jp\n"
	for _, tt := range []struct{ name, before, after string }{
		{"in the rows of siblings", "", rows},
		{"beside those of a confirmed guardian", h + "1-1,山,恵,0900000004; 0900000005; 0900000006,a@example.jp\n",
			h + "1-1,山,恵,0900000001; 0900000002; 0900000003,a@example.jp\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newStore(t)
			if tt.before != "" {
				load(t, s, tt.before)
				verify(t, s, "a@example.jp")
			}
			p := load(t, s, tt.after)
			wantNotes(t, "warnings", []string{"2 phone “恵” has more than 5 phone numbers; not taken: 0900000006.*"}, p.Warnings)
			wantUnchanged(t, s, tt.after)
		})
	}
}
