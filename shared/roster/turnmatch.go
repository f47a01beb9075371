package roster

import (
	"slices"

	"github.com/todoku/todoku/shared/lang"
	"github.com/todoku/todoku/shared/problem"
)

// matcher finds out which children of the roster the pupils of a turn are. A wrong
// match would tell one family about another's child, so it takes none that is not
// the only one, and says what is missing.
type matcher struct {
	*known
	turn  *turning
	rr    *rowReader
	taken map[string]bool // ids of children
	rise  int
}

// locateTurn sets pupil.at, and returns how many grades the list lies above the
// roster. Rows that could mean several children are faulty, and taken out.
func (p *Plan) locateTurn(k *known, pupils []*pupil, rr *rowReader) []*pupil {
	m := &matcher{known: k, turn: p.turn, rr: rr, taken: map[string]bool{}}
	var earlier []*pupil
	if len(p.turn.placed) > 0 {
		k.locateAmong(pupils, func(at spot) bool { return p.turn.placed[at.id] })
	}
	for _, pupil := range pupils {
		if pupil.at != nil {
			m.taken[pupil.at.id] = true
			earlier = append(earlier, pupil)
		}
	}
	rest := slices.DeleteFunc(slices.Clone(pupils), func(x *pupil) bool { return x.at != nil })
	rest = k.locateNumbers(rest, rr, m.taken)
	m.rise = m.vote(rest)
	if p.turn.Confirmed {
		m.rise = p.turn.Rise
	}
	p.Turning.Rise = m.rise
	rest = m.names(rest)
	kept := setOfPupils(append(rest, earlier...))
	return slices.DeleteFunc(pupils, func(x *pupil) bool { return !kept[x] })
}

func setOfPupils(pupils []*pupil) map[*pupil]bool {
	set := make(map[*pupil]bool, len(pupils))
	for _, p := range pupils {
		set[p] = true
	}
	return set
}

func (m *matcher) take(p *pupil, at spot) {
	p.at = &at
	m.taken[at.id] = true
}

// renamed reports whether two names can be one person's: the reading is the same, or
// the surname or the given name is.
func renamed(old, now Child) bool {
	if old.Kana != "" && foldKana(old.Kana) == foldKana(now.Kana) {
		return true
	}
	a, b := []rune(fold(old.Name)), []rune(fold(now.Name))
	const enough = 2 // runes
	head, tail := 0, 0
	for head < min(len(a), len(b)) && a[head] == b[head] {
		head++
	}
	for tail < min(len(a), len(b)) && a[len(a)-1-tail] == b[len(b)-1-tail] {
		tail++
	}
	return max(head, tail) >= enough
}

// vote returns how many grades the list lies above the roster: 1 at the turn of the
// year, 0 for a list of the same year in which classes were made anew.
func (m *matcher) vote(pupils []*pupil) int {
	votes := map[int]int{}
	for _, p := range pupils {
		at := p.at
		if at == nil {
			if found := m.namesakes(p); len(found) == 1 {
				at = &found[0]
			}
		}
		if at == nil {
			continue
		}
		if old, now := m.grade(*at), p.rows[0].class.Grade; old > 0 && now > 0 {
			votes[now-old]++
		}
	}
	if votes[1] > votes[0] {
		return 1
	}
	return 0
}

func (m *matcher) grade(at spot) int { return m.groups[m.child(at).Class].Grade }

// namesakes returns the children who could be the pupil by name, reading and number.
func (m *matcher) namesakes(p *pupil) []spot {
	return slices.DeleteFunc(slices.Clone(m.all[fold(p.child.Name)]), func(at spot) bool {
		c := m.child(at)
		return m.taken[at.id] || !agree(fold(c.Number), fold(p.child.Number)) || !agree(foldKana(c.Kana), foldKana(p.child.Kana))
	})
}

// fits reports whether a pupil is in the grade in which a child is expected.
func (m *matcher) fits(p *pupil, at spot) bool {
	old, now := m.grade(at), p.rows[0].class.Grade
	if old == 0 || now == 0 {
		return old == now
	}
	return now == old+m.rise
}

// names matches by name where the grade fits. Who is the only one on both sides is
// taken; of several, the reading or an address of the family decides.
func (m *matcher) names(pupils []*pupil) []*pupil {
	wants, claims := map[*pupil][]spot{}, map[string]int{}
	for _, p := range pupils {
		if p.at != nil {
			continue
		}
		wants[p] = m.narrow(p, slices.DeleteFunc(m.namesakes(p), func(at spot) bool { return !m.fits(p, at) }))
		for _, at := range wants[p] {
			claims[at.id]++
		}
	}
	return slices.DeleteFunc(pupils, func(p *pupil) bool {
		found := wants[p]
		switch {
		case p.at != nil:
		case len(found) == 1 && claims[found[0].id] == 1:
			m.take(p, found[0])
		case len(found) > 0:
			m.ambiguous(p, found)
			return true
		default:
			m.elsewhere(p)
			p.isNew = p.at == nil
		}
		return false
	})
}

// narrow leaves those with exactly the same reading, then those with an address of
// the pupil's, if there are any.
func (m *matcher) narrow(p *pupil, found []spot) []spot {
	addresses := m.addressed(p)
	for _, better := range []func(spot) bool{
		func(at spot) bool { return p.child.Kana != "" && foldKana(m.child(at).Kana) == foldKana(p.child.Kana) },
		func(at spot) bool { return addresses[at.family] },
	} {
		if best := slices.DeleteFunc(slices.Clone(found), func(at spot) bool { return !better(at) }); len(best) > 0 {
			found = best
		}
	}
	return found
}

func (m *matcher) ambiguous(p *pupil, found []spot) {
	class := m.groups[m.child(found[0]).Class].Name
	p.fail(m.rr, Name, problem.New(problem.Invalid,
		"「%s」が、名簿の%sなどの誰か決められません。同じ名前の児童生徒がいます。名簿とこのファイルの両方に、学籍番号かふりがなを付けてください。",
		"It is not clear who “%s” is in the roster (%s): there are children of the same name. Give them a student number or a reading, both in the roster and in this file.", p.child.Name, class))
}

// elsewhere looks for a child of the same name in another grade than expected: with
// the same reading, or an address of its family, it is the same child, who has repeated
// or skipped a year; else it is said that it was taken for another.
func (m *matcher) elsewhere(p *pupil) {
	found := m.narrow(p, m.namesakes(p))
	if len(found) != 1 {
		return
	}
	class := m.groups[m.child(found[0]).Class].Name
	kana := foldKana(p.child.Kana)
	if kana != "" && kana == foldKana(m.child(found[0]).Kana) || m.addressed(p)[found[0].family] {
		m.take(p, found[0])
		m.rr.warn(p.row(), ClassOf, lang.T("「%s」は%sにいました。学年の進み方がほかの人と違います。", "“%s” was in %s, which is not one grade below as with the others.", p.child.Name, class))
		return
	}
	m.rr.warn(p.row(), Name, lang.T("「%s」は%sにもいましたが、学年が合わないので、別の児童生徒とします。同じ人なら、学籍番号かふりがなを両方に付けてください。",
		"A child named “%s” was in %s. The grade does not fit, so this is taken for another child. If it is the same, give both a number or a reading.", p.child.Name, class))
}

// forgotten adds to the ids those whom a faulty row may mean: they must not leave, nor
// be called missing, because of a slip in another column.
func (k *known) forgotten(rows []entry, here map[string]bool) {
	names, numbers := map[string]bool{}, map[string]bool{}
	for _, e := range rows {
		names[fold(e.child.Name)] = true
		numbers[fold(e.child.Number)] = true
	}
	delete(numbers, "")
	for _, f := range k.families {
		for _, c := range f.Children {
			if names[fold(c.Name)] || numbers[fold(c.Number)] {
				here[c.ID] = true
			}
		}
	}
}
