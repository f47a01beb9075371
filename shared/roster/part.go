package roster

import (
	"context"
	"slices"

	"github.com/todoku/todoku/shared/problem"
	"github.com/todoku/todoku/shared/table"
)

var errOnlyChild = problem.New(problem.Conflict,
	"この保護者の子は、名簿ではこの子だけです。アドレスを外してください。",
	"This child is the guardian's only one in the roster. Please remove the address instead.")

// Unlink takes a guardian off a child for whom he or she does not answer: somebody whose
// address was once mistyped. The guardian's other children stay, and if nothing joins them
// to the child any more, they become a family of their own; then no file brings the
// addresses back to the child's. It fails with ErrNotFound if the guardian does not answer
// for the child, and with a problem of kind Conflict if for no other.
func (s *Store) Unlink(ctx context.Context, school, family, guardian, child string) error {
	return table.Again(func() error {
		f, err := s.Family(ctx, school, family)
		if err != nil {
			return err
		}
		rest, off, err := f.unlinked(guardian, child)
		if err != nil {
			return err
		}
		if len(off.Children) > 0 {
			return s.part(ctx, school, f, rest, off)
		}
		_, err = s.PutFamily(ctx, school, rest)
		return err
	})
}

// unlinked returns the family without the link, and whom that parts from it: the
// guardian's side; the zero Family if they are joined otherwise.
func (f Family) unlinked(guardian, child string) (rest, off Family, err error) {
	rest = clone(f)
	if c, _ := f.Child(child); !c.AnsweredBy(guardian) {
		return rest, off, ErrNotFound
	}
	if len(f.ChildrenOf(guardian)) == 1 {
		return rest, off, errOnlyChild
	}
	i := slices.IndexFunc(rest.Children, func(c Child) bool { return c.ID == child })
	rest.Children[i].Guardians = slices.DeleteFunc(rest.Children[i].Guardians, func(g string) bool { return g == guardian })
	side := rest.joinedTo(guardian)
	if side[child] {
		return rest, off, nil
	}
	off = Family{Closed: slices.Clone(f.Closed)}
	rest.Children = slices.DeleteFunc(rest.Children, func(c Child) bool { return moves(side[c.ID], c, &off.Children) })
	rest.Guardians = slices.DeleteFunc(rest.Guardians, func(g Guardian) bool { return moves(side[g.ID], g, &off.Guardians) })
	g, _ := f.Guardian(guardian)
	for _, c := range g.Contacts {
		rest.Close(c)
	}
	return rest, off, nil
}

// moves appends a thing to where it goes, if it goes.
func moves[T any](goes bool, v T, to *[]T) bool {
	if goes {
		*to = append(*to, v)
	}
	return goes
}

// joinedTo returns the ids of all who are joined to a guardian by "answers for".
func (f Family) joinedTo(guardian string) map[string]bool {
	side := map[string]bool{guardian: true}
	for n := 0; n < len(side); {
		n = len(side)
		for _, c := range f.Children {
			if side[c.ID] || slices.ContainsFunc(c.Guardians, func(g string) bool { return side[g] }) {
				side[c.ID] = true
				for _, g := range c.Guardians {
					side[g] = true
				}
			}
		}
	}
	return side
}

// part writes two families in the place of one, in one write.
func (s *Store) part(ctx context.Context, school string, old, rest, off Family) error {
	rest, off = s.withIDs(rest), s.withIDs(off)
	rest.Updated, off.Updated = s.Now().UTC(), s.Now().UTC()
	ops := append(familyOps(school, []Family{old}, &rest), table.Create{Key: familyKey(school, off.ID), Value: encodeFamily(&off)})
	ops, err := s.withWays(ctx, ops, waysTo(school, old).to(waysTo(school, rest, off)))
	if err != nil {
		return err
	}
	return s.write(ctx, ops)
}
