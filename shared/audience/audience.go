// Package audience works out whom an alert is for: which groups, how many
// children, guardians and copies, and for each family the record that the alert
// keeps. Siblings are one family and an address is one contact, so nobody is
// counted or told twice.
package audience

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/todoku/todoku/shared/address"
	"github.com/todoku/todoku/shared/alert"
	"github.com/todoku/todoku/shared/lane"
	"github.com/todoku/todoku/shared/lang"
	"github.com/todoku/todoku/shared/problem"
	"github.com/todoku/todoku/shared/roster"
)

// Roster is what this package reads.
type Roster interface {
	Groups(ctx context.Context, school string) ([]roster.Group, error)
	Members(ctx context.Context, school, group, after string) ([]roster.Member, string, error)
}

// Groups returns the groups, in the roster's order, that have the audience's
// children as members: grades become their classes, all becomes every class.
// Groups that no longer exist are a problem of the field "groups"; those that do
// are returned all the same.
func Groups(ctx context.Context, r Roster, school string, ids []string, all bool) ([]roster.Group, error) {
	groups, err := r.Groups(ctx, school)
	if err != nil {
		return nil, err
	}
	wanted := map[string]bool{}
	for _, id := range ids {
		wanted[id] = true
	}
	expandGrades(groups, wanted)
	var chosen []roster.Group
	for _, g := range groups {
		if all && g.Kind == roster.Class || !all && wanted[g.ID] && g.Kind != roster.Grade {
			chosen = append(chosen, g)
		}
		delete(wanted, g.ID)
	}
	if len(wanted) > 0 && !all {
		return chosen, problem.New(problem.Invalid,
			"選ばれたグループの一部が見つかりません。名簿が変わった可能性があります。もう一度選んでください。",
			"Some of the chosen groups no longer exist; the roster may have changed. Choose again.").In("groups")
	}
	return chosen, nil
}

func expandGrades(groups []roster.Group, wanted map[string]bool) {
	for _, g := range groups {
		if g.Kind == roster.Grade && wanted[g.ID] {
			for _, class := range g.Classes {
				wanted[class] = true
			}
		}
	}
}

const (
	most   = 10   // groups that Names names
	others = "ほか" // in the place of further ones
)

// Names returns the groups' names as staff read them, for example 全校 or
// 1年1組、1年2組.
func Names(groups []roster.Group, all bool) string {
	if all {
		return "全校"
	}
	var names []string
	for _, g := range groups {
		names = append(names, g.Name)
	}
	if len(names) > most {
		names = append(names[:most], others)
	}
	return strings.Join(names, "、")
}

// Said is what Names wrote, in both languages. The groups' names are the school's own.
func Said(names string, all bool) lang.Text {
	if all {
		return lang.T(names, "whole school")
	}
	each := strings.Split(names, "、")
	if last := len(each) - 1; last == most && each[last] == others {
		each[last] = "others"
	}
	return lang.Text{JA: names, EN: strings.Join(each, ", ")}
}

// Size says how many an alert would be for, each counted once.
type Size struct {
	Children  int
	Families  int
	Guardians int
	Copies    int // one a contact
	NoRoute   int // children without any contact that can be mailed
}

// Count reads the groups' members and counts. It takes memory for the ids of the
// audience while it works, and returns those of the families.
func Count(ctx context.Context, r Roster, school string, groups []roster.Group) (Size, []string, error) {
	children, guardians, contacts := set{}, set{}, set{}
	families, routes := set{}, set{}
	for _, g := range groups {
		for after := ""; ; {
			members, next, err := r.Members(ctx, school, g.ID, after)
			if err != nil {
				return Size{}, nil, err
			}
			for _, m := range members {
				families.add(m.Family)
				children.add(m.Children...)
				guardians.add(m.Guardians...)
				contacts.add(m.Contacts...)
				if len(m.Contacts) > 0 {
					routes.add(m.Children...)
				}
			}
			if next == "" {
				break
			}
			after = next
		}
	}
	return Size{
		Children: len(children), Families: len(families), Guardians: len(guardians),
		Copies: len(contacts), NoRoute: len(children) - len(routes),
	}, slices.Sorted(maps.Keys(families)), nil
}

// Families reads families of the roster, as roster.Store does.
type Families interface {
	FamiliesOf(ctx context.Context, school string, ids []string) ([]roster.Family, error)
}

// Sample is how many families Spread reads at most.
const Sample = 500

// Spread returns how many copies of an alert to the groups, which are for the families,
// go through each lane. Of many families it reads some, evenly, and reckons with those
// (about). listen takes those contacts from a family that want no such alert.
func Spread(ctx context.Context, r Families, school string, ids []string, groups Set, lanes *lane.Lanes, listen func(roster.Family) roster.Family) (byLane map[string]int64, about bool, err error) {
	step := (len(ids) + Sample - 1) / Sample
	var some []string
	for i := 0; i < len(ids); i += step {
		some = append(some, ids[i])
	}
	families, err := r.FamiliesOf(ctx, school, some)
	byLane = map[string]int64{}
	for _, f := range families {
		m, _, _ := Build(listen(f), groups, lanes)
		for _, c := range m.Family.Copies {
			byLane[c.Lane] += int64(step)
		}
	}
	return byLane, step > 1, err
}

type set map[string]struct{}

func (s set) add(ids ...string) {
	for _, id := range ids {
		s[id] = struct{}{}
	}
}

// Set numbers groups in their order, to ask quickly whether and where a child is
// in them.
type Set map[string]int

// NewSet returns the set of groups with their places.
func NewSet(groups []string) Set {
	s := make(Set, len(groups))
	for i, g := range groups {
		s[g] = i
	}
	return s
}

// first returns the place of the first group that the child is in, -1 if none.
func (s Set) first(c roster.Child) int {
	best := -1
	for _, g := range append([]string{c.Class}, c.Groups...) {
		if i, ok := s[g]; ok && (best < 0 || i < best) {
			best = i
		}
	}
	return best
}

// Spans reports whether a family has children in more than one of the groups, or
// a child in several.
func (s Set) Spans(f roster.Family) bool {
	one := -1
	for _, c := range f.Children {
		for _, g := range append([]string{c.Class}, c.Groups...) {
			i, ok := s[g]
			if ok && one >= 0 && i != one {
				return true
			}
			if ok {
				one = i
			}
		}
	}
	return false
}

// Build makes the record that an alert to the groups keeps of a family, with its
// copies queued, and says at which group the walk over the groups should make
// it. ok is false if no child of the family is in the groups. A guardian is in
// it if he or she answers for one of those children.
func Build(f roster.Family, groups Set, lanes *lane.Lanes) (m alert.Made, at int, ok bool) {
	index := map[string]int{}
	m.Family.ID = f.ID
	at = -1
	for _, c := range f.Children {
		i := groups.first(c)
		if i < 0 {
			continue
		}
		if at < 0 {
			m.Class = c.Class
		}
		if at < 0 || i < at {
			at = i
		}
		m.Family.Children = append(m.Family.Children, child(c, f, index, &m.Family))
	}
	for _, g := range f.Guardians {
		if i, in := index[g.ID]; in {
			AddCopies(&m.Family, g, i, lanes)
		}
	}
	return m, at, at >= 0
}

func child(c roster.Child, f roster.Family, index map[string]int, into *alert.Family) alert.Child {
	out := alert.Child{ID: c.ID, Name: c.Name, Kana: c.Kana, Class: c.Class, Seat: c.Seat}
	for _, id := range c.Guardians {
		g, ok := f.Guardian(id)
		if !ok {
			continue
		}
		i, known := index[id]
		if !known {
			i = len(into.Guardians)
			index[id] = i
			into.Guardians = append(into.Guardians, alert.Guardian{ID: g.ID, Name: g.Name, Relation: g.Relation, Phones: g.Phones, Lang: foreign(g.Lang)})
		}
		out.Guardians = append(out.Guardians, i)
	}
	return out
}

// foreign returns a language that is not Japanese, in which alerts are written anyway.
func foreign(l string) string {
	if l == string(lang.JA) {
		return ""
	}
	return l
}

// AddCopies adds queued copies to all contacts of a guardian whom alerts reach;
// guardian is the guardian's place in the family.
func AddCopies(f *alert.Family, g roster.Guardian, guardian int, lanes *lane.Lanes) {
	for _, c := range g.Contacts {
		if !c.Tellable() {
			continue
		}
		a, err := address.Parse(c.Address)
		if err != nil {
			continue // the roster takes only what Parse takes
		}
		l := lanes.Of(a.Domain)
		f.Copies = append(f.Copies, alert.Copy{
			Contact: c.ID, Guardian: guardian, Mailbox: a.Mailbox(),
			Lane: l.Name, Slot: l.Slot(c.ID), State: alert.Queued,
		})
	}
}
