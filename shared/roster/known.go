package roster

import (
	"context"
	"slices"
	"strings"

	"github.com/todoku/todoku/shared/lang"
	"github.com/todoku/todoku/shared/problem"
)

// known is the roster of a school as an import sees it: all of it, in memory,
// with the ways in which a row can concern it. A school of 10,000 children takes
// about 20 MB.
type known struct {
	families  map[string]Family
	familyOf  map[string]string // by the ids of children
	numbers   map[string]spot
	names     map[string][]spot   // by nameKey
	all       map[string][]spot   // by the folded name
	addresses map[string]string   // contact's key to family
	closed    map[string][]string // as Family.Closed has it, to families
	phones    map[string][]string
	groups    map[string]Group
}

// spot is a child of a family.
type spot struct {
	family string
	child  int
	id     string // of the child
}

func (s *Store) known(ctx context.Context, school string) (*known, error) {
	k := &known{families: map[string]Family{}, familyOf: map[string]string{}, numbers: map[string]spot{}, names: map[string][]spot{},
		all: map[string][]spot{}, addresses: map[string]string{}, closed: map[string][]string{}, phones: map[string][]string{}, groups: map[string]Group{}}
	groups, err := s.storedGroups(ctx, school)
	if err != nil {
		return nil, err
	}
	for _, g := range groups {
		k.groups[g.ID] = g
	}
	for f, err := range s.All(ctx, school) {
		if err != nil {
			return nil, err
		}
		k.add(f)
	}
	return k, nil
}

func (k *known) add(f Family) {
	k.families[f.ID] = f
	for i, c := range f.Children {
		at := spot{f.ID, i, c.ID}
		k.familyOf[c.ID] = f.ID
		if c.Number != "" {
			k.numbers[fold(c.Number)] = at
		}
		k.names[nameKey(c)] = append(k.names[nameKey(c)], at)
		k.all[fold(c.Name)] = append(k.all[fold(c.Name)], at)
	}
	for _, d := range f.Closed {
		k.closed[d] = append(k.closed[d], f.ID)
	}
	for _, g := range f.Guardians {
		for _, c := range g.Contacts {
			k.addresses[c.Key()] = f.ID
		}
		for _, key := range phoneKeys(g.Name, g.Phones) {
			k.phones[key] = addNew(k.phones[key], f.ID)
		}
	}
}

// phoneKeys returns what joins siblings beside addresses: a guardian's name
// together with a phone number. A number alone joins nobody: cousins share the
// grandparents' one.
func phoneKeys(name string, phones []string) []string {
	if name == "" {
		return nil
	}
	keys := make([]string, len(phones))
	for i, p := range phones {
		keys[i] = fold(name) + "|" + phoneKey(p)
	}
	return keys
}

func (k *known) child(at spot) Child { return k.families[at.family].Children[at.child] }

// locate finds out which children of the roster the pupils are: by number, with or
// without zeros before it, then by class, name and reading, then by class and name
// alone. Rows whose number is somebody else's are faulty, and taken out.
func (k *known) locate(pupils []*pupil, rr *rowReader) []*pupil {
	taken := map[string]bool{}
	pupils = k.locateNumbers(pupils, rr, taken)
	k.locateAmong(pupils, func(at spot) bool { return !taken[at.id] })
	return pupils
}

// locateNumbers matches by the school's numbers, but for the children who are taken.
// A number under which the roster has somebody with another name is either a change
// of name or a number that is given anew each year; a wrong match would tell one
// family about another's child.
func (k *known) locateNumbers(pupils []*pupil, rr *rowReader, taken map[string]bool) []*pupil {
	others := map[*pupil]spot{}
	for _, p := range pupils {
		found := k.byNumber(p)
		switch {
		case len(found) == 0 || taken[found[0].id]:
		case fold(k.child(found[0]).Name) == fold(p.child.Name):
			p.at = &found[0]
			taken[p.at.id] = true
		default:
			others[p] = found[0]
		}
	}
	pupils = slices.DeleteFunc(slices.Clone(pupils), func(p *pupil) bool {
		at, ok := others[p]
		return ok && !k.rename(p, at, rr, taken)
	})
	for _, p := range pupils {
		k.locateBare(p, rr, taken)
	}
	return pupils
}

// locateBare matches a pupil with the only child of the name whose number differs in
// leading zeros alone, for a spreadsheet drops them. The longer number stays.
func (k *known) locateBare(p *pupil, rr *rowReader, taken map[string]bool) {
	if p.at != nil || len(k.byNumber(p)) > 0 {
		return
	}
	found := slices.DeleteFunc(slices.Clone(k.all[fold(p.child.Name)]), func(at spot) bool {
		c := k.child(at)
		return taken[at.id] || !sameBare(c.Number, p.child.Number) || !agree(foldKana(c.Kana), foldKana(p.child.Kana))
	})
	if len(found) != 1 {
		return
	}
	p.at = &found[0]
	taken[p.at.id] = true
	old, now := k.child(*p.at).Number, p.child.Number
	if len(old) > len(now) {
		p.child.Number = old
	}
	rr.warn(p.row(), Number, lang.T("「%[1]s」の学籍番号は名簿では「%[2]s」、このファイルでは「%[3]s」です。先頭の0だけが違うので同じ人とし、「%[4]s」にします（Excelは先頭の0を消すことがあります）。",
		"The number of “%[1]s” is “%[2]s” in the roster and “%[3]s” in this file. Only zeros at its beginning differ, so this is taken for the same child, with “%[4]s” (Excel may drop them).", p.child.Name, old, now, p.child.Number))
}

// sameBare reports whether two numbers of digits are one without the zeros before them.
func sameBare(a, b string) bool {
	a, b = strings.TrimLeft(fold(a), "0"), strings.TrimLeft(fold(b), "0")
	return a == b && a != "" && strings.Trim(a, decimals) == ""
}

// rename matches a pupil with a child whom the roster has by another name, or says why
// not. An address of the family tells that it is the same child, or a name that is
// alike; but numbers are given anew if the new name is that of somebody who is not
// taken, or the old one is in the file.
func (k *known) rename(p *pupil, at spot, rr *rowReader, taken map[string]bool) bool {
	old := k.child(at)
	another := slices.ContainsFunc(k.all[fold(p.child.Name)], func(at spot) bool { return !taken[at.id] })
	if !k.addressed(p)[at.family] && (!renamed(old, p.child) || another || rr.named[fold(old.Name)]) {
		p.fail(rr, Number, problem.New(problem.Invalid,
			"学籍番号「%s」は、名簿では「%s」の番号です。番号が毎年変わる学校では、下の「列の読み取り方」で学籍番号の列を「使わない」にしてください。同じ人の氏名が変わったときは、先に名簿の氏名を直してください。",
			"The student number “%s” is that of “%s” in the roster. If numbers are given anew each year, choose “Not used” for their column below. If the same child has a new name, please correct it in the roster first.", p.child.Number, old.Name))
		return false
	}
	rr.warn(p.row(), Name, lang.T("氏名が「%s」から「%s」に変わります。", "The name changes from “%s” to “%s”.", old.Name, p.child.Name))
	p.at = &at
	taken[at.id] = true
	return true
}

// addressed returns the families of the roster that have one of the pupil's addresses.
func (k *known) addressed(p *pupil) map[string]bool {
	families := map[string]bool{}
	for _, key := range p.addressKeys() {
		if f, ok := k.addresses[key]; ok {
			families[f] = true
		}
	}
	return families
}

// locateAmong is locate among some children of the roster. It refuses nobody.
func (k *known) locateAmong(pupils []*pupil, among func(spot) bool) {
	taken := map[spot]bool{}
	for _, find := range []func(*pupil) []spot{k.byNumber, k.byReading, k.byName} {
		for _, p := range pupils {
			if p.at != nil {
				continue
			}
			found := slices.DeleteFunc(find(p), func(at spot) bool { return taken[at] || !among(at) })
			if len(found) == 1 {
				p.at = &found[0]
				taken[found[0]] = true
			}
		}
	}
}

func (k *known) byNumber(p *pupil) []spot {
	if at, ok := k.numbers[fold(p.child.Number)]; ok && p.child.Number != "" {
		return []spot{at}
	}
	return nil
}

func (k *known) byReading(p *pupil) []spot {
	return slices.DeleteFunc(k.byName(p), func(at spot) bool { return foldKana(k.child(at).Kana) != foldKana(p.child.Kana) })
}

func (k *known) byName(p *pupil) []spot {
	return slices.DeleteFunc(slices.Clone(k.names[nameKey(p.child)]), func(at spot) bool {
		return !agree(fold(k.child(at).Number), fold(p.child.Number))
	})
}

const familyTie = "family "

// ties returns what joins the pupil's family with others: addresses, guardians'
// names with phones, and the families of the roster that it belongs to.
func (k *known) ties(p *pupil) []string {
	var ties []string
	family := func(ids ...string) {
		for _, f := range ids {
			ties = append(ties, familyTie+f)
		}
	}
	phone := func(keys ...string) {
		for _, key := range keys {
			ties = append(ties, "phone "+key)
			family(k.phones[key]...)
		}
	}
	if p.at != nil {
		family(p.at.family)
	}
	phone(p.extra...)
	for _, e := range p.rows {
		for _, g := range e.guardians {
			for _, a := range g.addresses {
				if of := k.closedFor(p, a.Key()); len(of) > 0 {
					family(of...) // the address may be somebody else's by now
					continue
				}
				ties = append(ties, "address "+a.Key())
				if f, ok := k.addresses[a.Key()]; ok {
					family(f)
				}
			}
			phone(phoneKeys(g.name, g.phones)...)
		}
	}
	return ties
}

// household is pupils who turned out to be of one family, and the families of the
// roster that it is, oldest first.
type household struct {
	pupils []*pupil
	old    []Family
}

// households joins pupils to families.
func (k *known) households(pupils []*pupil) []*household {
	sets := newSets(len(pupils))
	first := map[string]int{}
	for i, p := range pupils {
		for _, tie := range k.ties(p) {
			if j, ok := first[tie]; ok {
				sets.join(i, j)
			} else {
				first[tie] = i
			}
		}
	}
	byRoot := map[int]*household{}
	var all []*household
	for i, p := range pupils {
		root := sets.root(i)
		if byRoot[root] == nil {
			byRoot[root] = &household{}
			all = append(all, byRoot[root])
		}
		byRoot[root].pupils = append(byRoot[root].pupils, p)
	}
	for _, h := range all {
		h.old = k.familiesOf(h.pupils)
	}
	return all
}

func (k *known) familiesOf(pupils []*pupil) []Family {
	var ids []string
	for _, p := range pupils {
		for _, tie := range k.ties(p) {
			if id, ok := strings.CutPrefix(tie, familyTie); ok {
				ids = addNew(ids, id)
			}
		}
	}
	slices.Sort(ids)
	var families []Family
	for _, id := range ids {
		families = append(families, k.families[id])
	}
	return families
}

// sets are disjoint sets of numbers (union-find).
type sets []int

func newSets(n int) sets {
	s := make(sets, n)
	for i := range s {
		s[i] = i
	}
	return s
}

// root returns the least number in the set of i.
func (s sets) root(i int) int {
	for s[i] != i {
		s[i] = s[s[i]]
		i = s[i]
	}
	return i
}

func (s sets) join(i, j int) {
	i, j = s.root(i), s.root(j)
	s[max(i, j)] = min(i, j)
}
