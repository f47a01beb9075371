package roster

import (
	"slices"

	"github.com/todoku/todoku/shared/problem"
)

// refuseDoubles takes out the steps that would leave two children whom nothing
// tells apart: one name, one class, no other number or reading. They come about
// when a child moves into the class of a namesake, or when a row could mean
// either of two children. The next file could not say which of them it means.
func refuseDoubles(k *known, steps []step, rr *rowReader) []step {
	for {
		all := namesAfter(k, steps)
		kept := slices.DeleteFunc(slices.Clone(steps), func(s step) bool {
			c, double := s.double(all)
			if double {
				s.fail(rr, problem.New(problem.Invalid, "「%s」と同じ名前の児童生徒が同じ組にいて、区別できません。学籍番号かふりがなを両方に付けてください。",
					"Another child named “%s” is in the same class, and nothing tells them apart. Please give both a student number or a reading.", c.Name))
			}
			return double
		})
		if len(kept) == len(steps) {
			return steps
		}
		steps = kept // a step that is not done leaves its children where they were: look again
	}
}

// namesAfter returns the children of the school after the steps, by nameKey.
func namesAfter(k *known, steps []step) map[string][]Child {
	all := map[string][]Child{}
	add := func(f Family) {
		for _, c := range f.Children {
			all[nameKey(c)] = append(all[nameKey(c)], c)
		}
	}
	replaced := map[string]bool{}
	for _, s := range steps {
		add(s.next)
		for _, o := range s.old {
			replaced[o.ID] = true
		}
	}
	for id, f := range k.families {
		if !replaced[id] {
			add(f)
		}
	}
	return all
}

// double returns a child of a changed step that cannot be told from another.
func (s step) double(all map[string][]Child) (Child, bool) {
	if !s.changed {
		return Child{}, false
	}
	for _, c := range s.next.Children {
		for _, other := range all[nameKey(c)] {
			if c.ID != other.ID && fold(c.Number) == fold(other.Number) && agree(foldKana(c.Kana), foldKana(other.Kana)) {
				return c, true
			}
		}
	}
	return Child{}, false
}

// tieGuardians finds guardians who, after the steps, have the same name and phone
// in two families: a row can give a name to somebody of whom only the phone was
// known. It ties the pupils of these families together and reports whether any
// were not tied before.
func (k *known) tieGuardians(steps []step) bool {
	byKey := map[string][]*pupil{}
	found := false
	for _, s := range steps {
		for _, g := range s.next.Guardians {
			for _, key := range phoneKeys(g.Name, g.Phones) {
				if first := s.pupils[0]; s.changed && k.elsewhere(s, key) && !slices.Contains(first.extra, key) {
					first.extra = append(first.extra, key)
					found = true
				}
				byKey[key] = append(byKey[key], s.pupils[0])
			}
		}
	}
	for key, pupils := range byKey {
		for _, p := range pupils {
			if len(pupils) > 1 && !slices.Contains(p.extra, key) {
				p.extra = append(p.extra, key)
				found = true
			}
		}
	}
	return found
}

// elsewhere reports whether another family of the roster than those of the step
// has a guardian with the phone key.
func (k *known) elsewhere(s step, key string) bool {
	return slices.ContainsFunc(k.phones[key], func(id string) bool {
		return !slices.ContainsFunc(s.old, func(f Family) bool { return f.ID == id })
	})
}
