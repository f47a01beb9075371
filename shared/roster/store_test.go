package roster

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/todoku/todoku/shared/problem"
	"github.com/todoku/todoku/shared/table"
)

// yamada is a family with two children in two classes and a club.
func yamada() Family {
	return Family{
		ID: "fam-yamada",
		Children: []Child{
			{ID: "c1", Number: "S1", Name: "山田 太郎", Class: "class-1-1", Groups: []string{"group-go"}, Guardians: []string{"g1", "g2"}},
			{ID: "c2", Name: "山田 花子", Class: "class-3-2", Guardians: []string{"g1"}},
		},
		Guardians: []Guardian{
			{ID: "g1", Name: "山田 恵", Contacts: []Contact{{ID: "k1", Address: "Megumi@docomo.ne.jp", State: Verified}, {ID: "k2", Address: "old@example.jp", State: Refused}}},
			{ID: "g2", Name: "山田 学", Contacts: []Contact{{ID: "k3", Address: "manabu@example.jp", State: Unverified}}},
		},
	}
}

func put(t *testing.T, s *Store, f Family) Family {
	t.Helper()
	f, err := s.PutFamily(t.Context(), testSchool, f)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestFamilyAndItsWays(t *testing.T) {
	s := newStore(t)
	for _, g := range []Group{NewClass(1, "1"), NewClass(3, "2"), NewGroup("Go")} {
		if err := s.PutGroup(t.Context(), testSchool, g); err != nil {
			t.Fatal(err)
		}
	}
	f := put(t, s, yamada())

	got, err := s.Family(t.Context(), testSchool, f.ID)
	if err != nil {
		t.Fatal(err)
	}
	wantDiff(t, "family", f, got)
	members, next, err := s.Members(t.Context(), testSchool, "class-1-1", "")
	wantDiff(t, "members", []Member{{Family: f.ID, Children: []string{"c1"}, Guardians: []string{"g1", "g2"}, Contacts: []string{"k1", "k3"}}}, members)
	if next != "" || err != nil {
		t.Errorf("members end with %q, %v", next, err)
	}
	place, err := s.FindByAddress(t.Context(), testSchool, "megumi@docomo.ne.jp")
	wantDiff(t, "address", Place{Family: f.ID, Guardian: "g1", Contact: "k1"}, place)
	if err != nil {
		t.Error(err)
	}
	var numbered Place
	_, err = s.read(t.Context(), numberKey(testSchool, "ｓ１"), &numbered)
	wantDiff(t, "number", Place{Family: f.ID, Child: "c1"}, numbered)
	if err != nil {
		t.Error(err)
	}
	wantConsistent(t, s)
}

// Each change of a family must leave all ways to it exact.
func TestPutFamilyKeepsWaysExact(t *testing.T) {
	changes := map[string]func(*Family){
		"class":             func(f *Family) { f.Children[0].Class = "class-2-1" },
		"second to class":   func(f *Family) { f.Children[1].Class = "class-1-1" },
		"group added":       func(f *Family) { f.Children[1].Groups = []string{"group-go", "group-x"} },
		"group left":        func(f *Family) { f.Children[0].Groups = nil },
		"group named twice": func(f *Family) { f.Children[0].Groups = []string{"group-go", "group-go", "class-1-1"} },
		"child gone":        func(f *Family) { f.Children = f.Children[:1] },
		"child added": func(f *Family) {
			f.Children = append(f.Children, Child{Name: "山田 次郎", Class: "class-1-1", Guardians: []string{"g2"}})
		},
		"address refused":  func(f *Family) { f.Guardians[0].Contacts[0].State = Refused },
		"address verified": func(f *Family) { f.Guardians[0].Contacts[1].State = Verified },
		"address gone":     func(f *Family) { f.Guardians[0].Contacts = f.Guardians[0].Contacts[1:] },
		"address changed":  func(f *Family) { f.Guardians[0].Contacts[0].Address = "new@example.jp" },
		"number changed":   func(f *Family) { f.Children[0].Number = "S2" },
		"number gone":      func(f *Family) { f.Children[0].Number = "" },
		"number moved":     func(f *Family) { f.Children[0].Number, f.Children[1].Number = "", "S1" },
		"guardian unlinked": func(f *Family) {
			f.Children[0].Guardians = []string{"g2"}
		},
		"nothing": func(*Family) {},
	}
	for name, change := range changes {
		t.Run(name, func(t *testing.T) {
			s := newStore(t)
			for _, g := range []Group{NewClass(1, "1"), NewClass(2, "1"), NewClass(3, "2"), NewGroup("Go"), NewGroup("x")} {
				if err := s.PutGroup(t.Context(), testSchool, g); err != nil {
					t.Fatal(err)
				}
			}
			old := put(t, s, yamada())
			f := clone(old)
			change(&f)
			f = put(t, s, f)
			if f.Revision != 2 {
				t.Errorf("revision %d, want 2", f.Revision)
			}
			wantConsistent(t, s)
			for key := range waysTo(testSchool, old).records {
				if _, kept := waysTo(testSchool, f).records[key]; !kept {
					if _, err := s.Table.Get(t.Context(), key); !errors.Is(err, table.ErrNotFound) {
						t.Errorf("way %v is still there (%v)", key, err)
					}
				}
			}
		})
	}
}

func TestPutFamilyRefuses(t *testing.T) {
	tests := map[string]struct {
		change func(*Family)
		kind   problem.Kind
		words  string
	}{
		"no children":        {func(f *Family) { f.Children = nil }, problem.Invalid, "no child"},
		"no name":            {func(f *Family) { f.Children[0].Name = "　" }, problem.Invalid, "name is missing"},
		"long name":          {func(f *Family) { f.Children[0].Name = strings.Repeat("名", 101) }, problem.Invalid, "too long"},
		"long number":        {func(f *Family) { f.Children[0].Number = strings.Repeat("1", 33) }, problem.Invalid, "too long"},
		"no class":           {func(f *Family) { f.Children[0].Class = "" }, problem.Invalid, "no class"},
		"unknown guardian":   {func(f *Family) { f.Children[0].Guardians = []string{"g9"} }, problem.Invalid, "not there"},
		"address twice":      {func(f *Family) { f.Guardians[1].Contacts[0].Address = "MEGUMI@docomo.ne.jp" }, problem.Invalid, "twice"},
		"no address":         {func(f *Family) { f.Guardians[1].Contacts[0].Address = "none" }, problem.Invalid, ""},
		"number twice":       {func(f *Family) { f.Children[1].Number = "s1" }, problem.Invalid, "Two children"},
		"too many children":  {func(f *Family) { f.Children = make([]Child, MaxFamilyChildren+1) }, problem.Invalid, "joins 13 children"},
		"too many guardians": {func(f *Family) { f.Guardians = make([]Guardian, MaxFamilyGuardians+1) }, problem.Invalid, "21 guardians"},
		"too many addresses": {func(f *Family) { f.Guardians[0].Contacts = make([]Contact, MaxFamilyContacts) }, problem.Invalid, "21 addresses"},
		"too many phones":    {func(f *Family) { f.Guardians[0].Phones = make([]string, MaxPhones+1) }, problem.Invalid, "phone numbers"},
		"too many groups":    {func(f *Family) { f.Children[0].Groups = ids("g", MaxGroupsPerChild) }, problem.Invalid, "in more than 20 groups"},
		"too many groups in all": {func(f *Family) {
			f.Children[0].Groups, f.Children[1].Groups = ids("g", 15), ids("h", 15)
		}, problem.Invalid, "more than 24 classes"},
		"old revision":     {func(f *Family) { f.Revision = 9 }, problem.Conflict, "Somebody else"},
		"already there":    {func(f *Family) { f.Revision = 0 }, problem.Conflict, "Somebody else"},
		"another's number": {func(f *Family) { f.Children[0].Number = "X" }, problem.Conflict, "another family"},
		"another's address": {func(f *Family) { f.Guardians[0].Contacts[0].Address = "Other@example.jp" },
			problem.Conflict, "another family"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			s := newStore(t)
			f := put(t, s, yamada())
			put(t, s, Family{Children: []Child{{Name: "別", Number: "x", Class: "class-1-1", Guardians: []string{"h"}}},
				Guardians: []Guardian{{ID: "h", Contacts: []Contact{{Address: "other@example.jp", State: Verified}}}}})
			changed := clone(f)
			tt.change(&changed)
			_, err := s.PutFamily(t.Context(), testSchool, changed)
			wantProblem(t, err, tt.kind, tt.words)
			got, err := s.Family(t.Context(), testSchool, f.ID)
			wantDiff(t, "family after the refusal", f, got)
			if err != nil {
				t.Error(err)
			}
			wantConsistent(t, s)
		})
	}
}

func ids(prefix string, n int) []string {
	var ss []string
	for i := range n {
		ss = append(ss, fmt.Sprint(prefix, i))
	}
	return ss
}

// greatest returns a family at every limit.
func greatest(name string, children, contacts, groups int) Family {
	f := Family{ID: name}
	for i := range MaxFamilyGuardians {
		g := Guardian{ID: fmt.Sprint(name, "-g", i), Name: strings.Repeat("保", MaxNameLength)}
		if i < contacts {
			g.Contacts = []Contact{{ID: fmt.Sprint(name, "-k", i), Address: fmt.Sprintf("%s-%d@example.jp", name, i), State: Verified}}
		}
		f.Guardians = append(f.Guardians, g)
	}
	for i := range children {
		c := Child{ID: fmt.Sprint(name, "-c", i), Number: fmt.Sprint(name, i), Name: strings.Repeat("名", MaxNameLength), Class: fmt.Sprint(name, "-", i%groups)}
		for _, g := range f.Guardians {
			c.Guardians = append(c.Guardians, g.ID)
		}
		for j := range groups {
			if g := fmt.Sprint(name, "-", j); j%children == i && g != c.Class {
				c.Groups = append(c.Groups, g)
			}
		}
		f.Children = append(f.Children, c)
	}
	return f
}

// The limits are chosen so that these fit into one write.
func TestGreatestFamilyFitsOneWrite(t *testing.T) {
	s := newStore(t)
	f := put(t, s, greatest("big", MaxFamilyChildren, MaxFamilyContacts, MaxFamilyGroups))
	wantConsistent(t, s)
	if err := s.DeleteFamily(t.Context(), testSchool, f); err != nil {
		t.Fatal(err)
	}
	if left := families(t, s); len(left) > 0 {
		t.Errorf("%d families left", len(left))
	}
	if _, err := s.FindByAddress(t.Context(), testSchool, "big-0@example.jp"); !errors.Is(err, ErrNotFound) {
		t.Errorf("address of a deleted family: %v", err)
	}
}

func TestGreatestMergeFitsOneWrite(t *testing.T) {
	s := newStore(t)
	a := put(t, s, greatest("a", 6, 10, 12))
	b := put(t, s, greatest("b", 6, 10, 12))
	a.Guardians, b.Guardians = a.Guardians[:10], b.Guardians[:10]
	for i := range a.Children {
		a.Children[i].Guardians, b.Children[i].Guardians = a.Children[i].Guardians[:10], b.Children[i].Guardians[:10]
	}
	a, b = put(t, s, a), put(t, s, b)
	merged := clone(a)
	merged.Children = append(merged.Children, b.Children...)
	merged.Guardians = append(merged.Guardians, b.Guardians...)
	if _, err := s.Merge(t.Context(), testSchool, merged, a, b); err != nil {
		t.Fatal(err)
	}
	if all := families(t, s); len(all) != 1 || len(all[0].Children) != 12 {
		t.Errorf("families after the merger: %v", all)
	}
	wantConsistent(t, s)
}

func TestTooMuchAtOnce(t *testing.T) {
	s := newStore(t)
	f := put(t, s, greatest("a", MaxFamilyChildren, MaxFamilyContacts, MaxFamilyGroups))
	other := greatest("b", MaxFamilyChildren, MaxFamilyContacts, MaxFamilyGroups)
	other.ID, other.Revision = f.ID, f.Revision
	_, err := s.PutFamily(t.Context(), testSchool, other)
	wantProblem(t, err, problem.Invalid, "two steps")
	wantConsistent(t, s)
}

func TestNotFound(t *testing.T) {
	s := newStore(t)
	for _, name := range []string{"", "nobody", "a/b", "\x00", "\xff", strings.Repeat("x", 3000)} {
		_, errSchool := s.School(t.Context(), name)
		_, errFamily := s.Family(t.Context(), testSchool, name)
		_, errAddress := s.FindByAddress(t.Context(), testSchool, name)
		for what, err := range map[string]error{"school": errSchool, "family": errFamily, "address": errAddress} {
			if !errors.Is(err, ErrNotFound) {
				t.Errorf("%s %.20q: %v, want ErrNotFound", what, name, err)
			}
		}
		if ms, next, err := s.Members(t.Context(), testSchool, name, ""); len(ms) != 0 || next != "" || err != nil {
			t.Errorf("members of %.20q: %v, %q, %v", name, ms, next, err)
		}
	}
}

func TestSchools(t *testing.T) {
	s := newStore(t)
	a, b := School{ID: "a", Name: "あ校", Zone: "Asia/Tokyo"}, School{ID: "b", Name: "い校"}
	for _, v := range []School{b, {ID: "a", Name: "まえの名"}, a} {
		if err := s.PutSchool(t.Context(), v); err != nil {
			t.Fatal(err)
		}
	}
	all, err := s.Schools(t.Context())
	wantDiff(t, "schools", []School{a, b}, all)
	if err != nil {
		t.Error(err)
	}
	wantProblem(t, s.PutSchool(t.Context(), School{ID: "c"}), problem.Invalid, "school's name")
}

func TestGroupsAndExpand(t *testing.T) {
	s := newStore(t)
	for _, g := range []Group{NewGroup("吹奏楽部"), NewClass(1, "10"), NewClass(1, "2"), NewClass(3, "ひまわり学級"), NewClass(0, "ほし")} {
		if err := s.PutGroup(t.Context(), testSchool, g); err != nil {
			t.Fatal(err)
		}
	}
	f := yamada()
	f.Children[0].Class, f.Children[0].Groups, f.Children[1].Class = "class-1-2", []string{NewGroup("吹奏楽部").ID}, "class-1-10"
	put(t, s, f)

	groups, err := s.Groups(t.Context(), testSchool)
	if err != nil {
		t.Fatal(err)
	}
	star, sunflower, brass := NewClass(0, "ほし").ID, NewClass(3, "ひまわり学級").ID, NewGroup("吹奏楽部").ID
	wantDiff(t, "groups", []Group{
		{ID: star, Kind: Class, Name: "ほし組", Label: "ほし"},
		{ID: "class-1-2", Kind: Class, Name: "1年2組", Label: "2", Grade: 1, Children: 1},
		{ID: "class-1-10", Kind: Class, Name: "1年10組", Label: "10", Grade: 1, Children: 1},
		{ID: sunflower, Kind: Class, Name: "3年ひまわり学級", Label: "ひまわり学級", Grade: 3},
		{ID: "grade-1", Kind: Grade, Name: "1年", Grade: 1, Classes: []string{"class-1-2", "class-1-10"}, Children: 2},
		{ID: "grade-3", Kind: Grade, Name: "3年", Grade: 3, Classes: []string{sunflower}},
		{ID: brass, Kind: Other, Name: "吹奏楽部", Children: 1},
	}, groups)

	named, err := s.Named(t.Context(), testSchool, []string{"class-1-2", brass, "class-9-9", "grade-1", ""})
	if err != nil {
		t.Fatal(err)
	}
	wantDiff(t, "named", map[string]Group{
		"class-1-2": {ID: "class-1-2", Kind: Class, Name: "1年2組", Label: "2", Grade: 1},
		brass:       {ID: brass, Kind: Other, Name: "吹奏楽部"},
	}, named)
}

func TestPutGroupRefuses(t *testing.T) {
	s := newStore(t)
	for name, g := range map[string]Group{
		"no name":     {ID: "x", Kind: Other},
		"a grade":     {ID: "grade-1", Kind: Grade, Name: "1年"},
		"a separator": {ID: "x", Kind: Other, Name: "図書、放送"},
		"a long name": {ID: "x", Kind: Other, Name: strings.Repeat("長", 101)},
	} {
		t.Run(name, func(t *testing.T) {
			wantProblem(t, s.PutGroup(t.Context(), testSchool, g), problem.Invalid, "")
		})
	}
}

// Pages must neither repeat nor leave out a member.
func TestMembersOfALargeGroup(t *testing.T) {
	s := newStore(t)
	groups := []Group{NewClass(1, "1")}
	const n = table.MaxPage + 50
	err := s.Load(t.Context(), testSchool, groups, func(yield func(Family) bool) {
		for range n {
			if !yield(Family{Children: []Child{{Name: "子", Class: groups[0].ID}}}) {
				return
			}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	pages := 0
	for after := ""; ; pages++ {
		members, next, err := s.Members(t.Context(), testSchool, groups[0].ID, after)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range members {
			seen[m.Family] = true
		}
		if after = next; next == "" {
			break
		}
	}
	if len(seen) != n || pages < 1 {
		t.Errorf("%d members on %d further pages, want %d", len(seen), pages, n)
	}
}

func TestMapping(t *testing.T) {
	s := newStore(t)
	m, err := s.Mapping(t.Context(), testSchool)
	if len(m) != 0 || err != nil {
		t.Errorf("mapping before any: %v, %v", m, err)
	}
	want := Mapping{"お子様": {Field: Name}, "れんらく": {Field: Mail, Guardian: 2}}
	if err := s.SaveMapping(t.Context(), testSchool, want); err != nil {
		t.Fatal(err)
	}
	m, err = s.Mapping(t.Context(), testSchool)
	wantDiff(t, "mapping", want, m)
	if err != nil {
		t.Error(err)
	}
	for name, bad := range map[string]Mapping{
		"unknown field": {"a": {Field: "shoe size"}}, "no header": {"　": {Field: Name}}, "guardian": {"a": {Field: Mail, Guardian: 10}},
	} {
		t.Run(name, func(t *testing.T) {
			wantProblem(t, s.SaveMapping(t.Context(), testSchool, bad), problem.Invalid, "not valid")
		})
	}
}
