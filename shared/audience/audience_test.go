package audience_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/todoku/todoku/shared/alert"
	"github.com/todoku/todoku/shared/audience"
	"github.com/todoku/todoku/shared/lane"
	"github.com/todoku/todoku/shared/lang"
	"github.com/todoku/todoku/shared/problem"
	"github.com/todoku/todoku/shared/roster"
)

// school is a roster of two classes of one grade, another class, and a club.
type school struct {
	members map[string][]roster.Member
}

func (school) Groups(context.Context, string) ([]roster.Group, error) {
	return []roster.Group{
		{ID: "c1", Kind: roster.Class, Name: "1年1組"}, {ID: "c2", Kind: roster.Class, Name: "1年2組"}, {ID: "c3", Kind: roster.Class, Name: "2年1組"},
		{ID: "g1", Kind: roster.Grade, Name: "1年", Classes: []string{"c1", "c2"}}, {ID: "club", Kind: roster.Other, Name: "吹奏楽部"},
	}, nil
}

// Members gives one family a page.
func (s school) Members(_ context.Context, _, group, after string) ([]roster.Member, string, error) {
	for i, m := range s.members[group] {
		if m.Family <= after {
			continue
		}
		next := ""
		if i+1 < len(s.members[group]) {
			next = m.Family
		}
		return []roster.Member{m}, next, nil
	}
	return nil, "", nil
}

func TestGroups(t *testing.T) {
	tests := map[string]struct {
		ids      []string
		all      bool
		want     []string
		name     string
		en       string
		vanished bool
	}{
		"all is every class":     {all: true, want: []string{"c1", "c2", "c3"}, name: "全校", en: "whole school"},
		"a grade is its classes": {ids: []string{"g1"}, want: []string{"c1", "c2"}, name: "1年1組、1年2組", en: "1年1組, 1年2組"},
		"each once, in order":    {ids: []string{"club", "c2", "g1"}, want: []string{"c1", "c2", "club"}, name: "1年1組、1年2組、吹奏楽部", en: "1年1組, 1年2組, 吹奏楽部"},
		"one has vanished":       {ids: []string{"c9", "c3"}, want: []string{"c3"}, name: "2年1組", en: "2年1組", vanished: true},
		"none":                   {},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			groups, err := audience.Groups(t.Context(), school{}, "s", tt.ids, tt.all)
			if problem.Is(err, problem.Invalid) != tt.vanished {
				t.Errorf("error %v, want one: %v", err, tt.vanished)
			}
			var got []string
			for _, g := range groups {
				got = append(got, g.ID)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if got := audience.Names(groups, tt.all); got != tt.name {
				t.Errorf("names %q, want %q", got, tt.name)
			}
			if got := audience.Said(tt.name, tt.all); got != (lang.Text{JA: tt.name, EN: tt.en}) {
				t.Errorf("said %q", got)
			}
		})
	}
}

// TestManyGroups: more than can be read are not spelled out.
func TestManyGroups(t *testing.T) {
	groups := make([]roster.Group, 11)
	for i := range groups {
		groups[i].Name = fmt.Sprint(i)
	}
	got := audience.Said(audience.Names(groups, false), false)
	if want := (lang.Text{JA: "0、1、2、3、4、5、6、7、8、9、ほか", EN: "0, 1, 2, 3, 4, 5, 6, 7, 8, 9, others"}); got != want {
		t.Errorf("said %q", got)
	}
}

// TestCountOnce counts siblings in two classes, a child in a class and a club, and
// a family without an address.
func TestCountOnce(t *testing.T) {
	s := school{members: map[string][]roster.Member{
		"c1":   {{Family: "f1", Children: []string{"a"}, Guardians: []string{"m", "d"}, Contacts: []string{"m1", "m2", "d1"}}, {Family: "f2", Children: []string{"x"}, Guardians: []string{"g"}}},
		"c2":   {{Family: "f1", Children: []string{"b"}, Guardians: []string{"m"}, Contacts: []string{"m1", "m2"}}},
		"club": {{Family: "f1", Children: []string{"a"}, Guardians: []string{"m", "d"}, Contacts: []string{"m1", "m2", "d1"}}},
	}}
	groups, err := audience.Groups(t.Context(), s, "s", []string{"c1", "c2", "club"}, false)
	if err != nil {
		t.Fatal(err)
	}
	got, families, err := audience.Count(t.Context(), s, "s", groups)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"f1", "f2"}, families); diff != "" {
		t.Errorf("families (-want +got):\n%s", diff)
	}
	want := audience.Size{Children: 3, Families: 2, Guardians: 3, Copies: 3, NoRoute: 1}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func family() roster.Family {
	return roster.Family{
		ID: "f1",
		Children: []roster.Child{
			{ID: "a", Name: "あおい", Class: "c2", Groups: []string{"club"}, Guardians: []string{"m", "d"}},
			{ID: "b", Name: "はると", Class: "c1", Guardians: []string{"m"}},
		},
		Guardians: []roster.Guardian{
			{ID: "m", Name: "母", Phones: []string{"090-0000-0000"}, Contacts: []roster.Contact{
				{ID: "m1", Address: "a..b@docomo.ne.jp", State: roster.Verified}, {ID: "m2", Address: "m@gmail.com", State: roster.Refused},
			}},
			{ID: "d", Name: "父", Contacts: []roster.Contact{
				{ID: "d1", Address: "d@example.jp", State: roster.Unverified}, {ID: "d2", Address: "d2@example.jp", State: roster.Invited}, {ID: "d3", Address: "d3@example.jp", State: roster.Closed},
			}},
		},
	}
}

func TestBuild(t *testing.T) {
	lanes, err := lane.Load(nil)
	if err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct {
		groups   []string
		class    string
		at       int
		children []string
		contacts []string
	}{
		"both children":           {[]string{"c1", "c2"}, "c2", 0, []string{"a", "b"}, []string{"m1", "d1"}},
		"only the younger":        {[]string{"c1"}, "c1", 0, []string{"b"}, []string{"m1"}},
		"by the club":             {[]string{"c3", "club"}, "c2", 1, []string{"a"}, []string{"m1", "d1"}},
		"none of theirs":          {[]string{"c3"}, "", -1, nil, nil},
		"the first of the groups": {[]string{"c2", "c1"}, "c2", 0, []string{"a", "b"}, []string{"m1", "d1"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			m, at, ok := audience.Build(family(), audience.NewSet(tt.groups), lanes)
			if ok != (tt.at >= 0) || at != tt.at || m.Class != tt.class {
				t.Errorf("class %q at %d, %v; want %q at %d", m.Class, at, ok, tt.class, tt.at)
			}
			var children, contacts []string
			for _, c := range m.Family.Children {
				children = append(children, c.ID)
			}
			for _, c := range m.Family.Copies {
				contacts = append(contacts, c.Contact)
				if c.State != alert.Queued || m.Family.Guardians[c.Guardian].ID[:1] != c.Contact[:1] {
					t.Errorf("copy %+v", c)
				}
			}
			if diff := cmp.Diff(tt.children, children); diff != "" {
				t.Errorf("children (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tt.contacts, contacts); diff != "" {
				t.Errorf("contacts (-want +got):\n%s", diff)
			}
		})
	}
	m, _, _ := audience.Build(family(), audience.NewSet([]string{"c2"}), lanes)
	if c := m.Family.Copies[0]; c.Mailbox != `"a..b"@docomo.ne.jp` || c.Lane != "docomo" {
		t.Errorf("copy %+v, want the address in quotes, in docomo's lane", c)
	}
}

// TestSpread counts copies by lane: all of a few families, and about of many.
func TestSpread(t *testing.T) {
	lanes, err := lane.Load(nil)
	if err != nil {
		t.Fatal(err)
	}
	all := func(f roster.Family) roster.Family { return f }
	for name, tt := range map[string]struct {
		families int
		about    bool
	}{"none": {}, "few": {families: 3}, "many": {families: 4 * audience.Sample, about: true}} {
		t.Run(name, func(t *testing.T) {
			by, about, err := audience.Spread(t.Context(), one{}, "s", make([]string, tt.families), audience.NewSet([]string{"c1"}), lanes, all)
			if err != nil || about != tt.about || by["docomo"] != int64(tt.families) {
				t.Errorf("%v, about %v, %v", by, about, err)
			}
		})
	}
}

// one is a roster in which every family is the same.
type one struct{}

func (one) FamiliesOf(_ context.Context, _ string, ids []string) ([]roster.Family, error) {
	families := make([]roster.Family, len(ids))
	for i := range families {
		families[i] = family()
	}
	return families, nil
}
