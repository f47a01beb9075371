package enrol

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"golang.org/x/text/unicode/norm"

	"github.com/todoku/todoku/shared/problem"
	"github.com/todoku/todoku/shared/roster"
	"github.com/todoku/todoku/shared/table"
)

// errGone says that a child has left the school since the code was printed, or all of a
// join's children have.
var errGone = problem.New(problem.Gone,
	"お子さんの情報が名簿にありません。学校に連絡してください。",
	"The child is no longer in the school's roster. Please call the school.")

// Children returns the children of a join as they are in the roster now, for the
// page behind a confirmation link: who opens it has proven the address. It fails with a
// problem.Gone if all of them have left.
func (s *Store) Children(ctx context.Context, j Join) ([]roster.Child, error) {
	var children []roster.Child
	err := s.eachChild(ctx, j, func(_ roster.Family, c roster.Child) { children = append(children, c) })
	return children, err
}

// eachChild calls do for each child of a join who has not left, with the family in which
// the child is now. It fails with errGone if all have left: one who has must not keep the
// others' guardian out.
func (s *Store) eachChild(ctx context.Context, j Join, do func(roster.Family, roster.Child)) error {
	gone := 0
	for _, ref := range j.Children {
		f, c, err := s.familyOf(ctx, j.School, ref)
		switch {
		case errors.Is(err, errGone):
			gone++
		case err != nil:
			return err
		default:
			do(f, c)
		}
	}
	if gone > 0 && gone == len(j.Children) {
		return errGone
	}
	return nil
}

// Confirm makes the address of a join a verified contact of its children: the
// guardian's, if the address is known there, or the name is that of somebody without an
// address, else a new guardian's. Families that the guardian joins become one.
// Confirming twice changes nothing.
//
// Only a person's POST may call it. It fails with ErrEnded if the join has ended, and with
// a problem.Gone if all of its children have left.
func (s *Store) Confirm(ctx context.Context, school, joinID string) (Join, error) {
	j, err := s.Get(ctx, school, joinID)
	if err != nil || !j.Confirmed.IsZero() {
		return j, err
	}
	if !j.Open(s.Now()) {
		return j, ErrEnded
	}
	if j.Door == Recheck {
		if err := s.heardAgain(ctx, j); err != nil {
			return j, err
		}
	} else if len(j.Children) > 0 {
		if err := s.enter(ctx, j, roster.Verified); err != nil {
			return j, err
		}
	}
	return s.Change(ctx, school, joinID, func(j *Join) bool {
		changed := j.Confirmed.IsZero()
		j.Confirmed = s.Now().UTC()
		return changed
	})
}

// Complete gives a join without children those of the codes that its guardian
// typed on the confirmation page. It fails as Store.Join does.
func (s *Store) Complete(ctx context.Context, j Join, r Request) (Join, error) {
	passes, err := s.passes(ctx, r)
	if err != nil {
		return j, err
	}
	wrong := r.check(passes)
	if len(wrong) == 0 && passes[0].School != j.School {
		wrong = append(wrong, ErrWrongCode)
	}
	if len(wrong) > 0 {
		return j, wrong
	}
	typed := r.join(passes)
	return s.Change(ctx, j.School, j.ID, func(j *Join) bool {
		j.Children, j.Name, j.Relation = typed.Children, typed.Name, typed.Relation
		return j.Confirmed.IsZero()
	})
}

// enter writes the join's address into the roster in a state.
func (s *Store) enter(ctx context.Context, j Join, state roster.ContactState) error {
	return table.Again(func() error {
		families, err := s.families(ctx, j)
		if err != nil {
			return err
		}
		f := union(families)
		f.admit(j, state, s.Now().UTC())
		_, err = s.Roster.Merge(ctx, j.School, f.Family, families...)
		return err
	})
}

// families returns the families of those of the join's children who have not left, and
// that of its address if it is a contact already, oldest first.
func (s *Store) families(ctx context.Context, j Join) ([]roster.Family, error) {
	var families []roster.Family
	add := func(f roster.Family) {
		if !slices.ContainsFunc(families, func(o roster.Family) bool { return o.ID == f.ID }) {
			families = append(families, f)
		}
	}
	if err := s.eachChild(ctx, j, func(f roster.Family, _ roster.Child) { add(f) }); err != nil {
		return nil, err
	}
	place, err := s.Roster.FindByAddress(ctx, j.School, key(j.Address))
	if err == nil {
		var f roster.Family
		f, err = s.Roster.Family(ctx, j.School, place.Family)
		if err == nil {
			add(f)
		}
	}
	if err != nil && !errors.Is(err, roster.ErrNotFound) {
		return nil, err
	}
	slices.SortFunc(families, func(a, b roster.Family) int { return strings.Compare(a.ID, b.ID) })
	return families, nil
}

// familyOf finds a child and its family. It fails with errGone if the child has left.
func (s *Store) familyOf(ctx context.Context, school string, ref ChildRef) (f roster.Family, c roster.Child, err error) {
	f, err = s.search(ctx, school, ref.Family, func(f roster.Family) (there bool) {
		c, there = f.Child(ref.Child)
		return there
	})
	if errors.Is(err, ErrNotFound) {
		err = errGone
	}
	return f, c, err
}

// search finds the family of which is holds: where it was, or, after a merger, by looking
// through the school. It fails with ErrNotFound if there is none.
func (s *Store) search(ctx context.Context, school, was string, is func(roster.Family) bool) (roster.Family, error) {
	f, err := s.Roster.Family(ctx, school, was)
	if err == nil && is(f) {
		return f, nil
	}
	if err != nil && !errors.Is(err, roster.ErrNotFound) {
		return roster.Family{}, err
	}
	for f, err := range s.Roster.All(ctx, school) {
		if err != nil {
			return roster.Family{}, err
		}
		if is(f) {
			return f, nil
		}
	}
	return roster.Family{}, ErrNotFound
}

// household is a family that a join changes.
type household struct{ roster.Family }

// union returns one family of all children and guardians, with the id and the
// revision of the first.
func union(families []roster.Family) household {
	h := household{families[0]}
	h.Children, h.Guardians = slices.Clone(h.Children), slices.Clone(h.Guardians)
	for _, f := range families[1:] {
		h.Children = append(h.Children, f.Children...)
		h.Guardians = append(h.Guardians, f.Guardians...)
		h.Closed = slices.Concat(h.Closed, f.Closed)
	}
	for i := range h.Guardians {
		h.Guardians[i].Contacts = slices.Clone(h.Guardians[i].Contacts)
	}
	for i := range h.Children {
		h.Children[i].Guardians = slices.Clone(h.Children[i].Guardians)
	}
	return h
}

// admit gives the join's guardian the address in a state, and the children that
// guardian. An id that is still missing is given when the family is written, so a
// new guardian's is made here from the join's, which no other guardian has.
func (h *household) admit(j Join, state roster.ContactState, now time.Time) {
	g := h.guardian(j)
	if j.Relation != "" && g.Relation == "" {
		g.Relation = j.Relation
	}
	if j.Name != "" && g.Name == "" {
		g.Name = j.Name
	}
	if j.Lang != "" {
		g.Lang = string(j.Lang)
	}
	if i := slices.IndexFunc(g.Contacts, func(c roster.Contact) bool { return c.ID == j.Replaces && c.Key() != key(j.Address) }); i >= 0 {
		h.Close(g.Contacts[i])
		g.Contacts = slices.Delete(g.Contacts, i, i+1)
	}
	h.Open(roster.Contact{Address: j.Address})
	contact := g.ContactAt(key(j.Address))
	if contact < 0 {
		contact = len(g.Contacts)
		g.Contacts = append(g.Contacts, roster.Contact{Address: j.Address, State: state})
	}
	if state == roster.Verified { // somebody was heard of; an address that was closed is opened again by its owner
		c := &g.Contacts[contact]
		c.State, c.Answered, c.Refusal, c.RefusedAt = state, now, "", time.Time{}
	}
	for i := range h.Children {
		c := &h.Children[i]
		if j.has(c.ID) && !c.AnsweredBy(g.ID) {
			c.Guardians = append(c.Guardians, g.ID)
		}
	}
}

func (j Join) has(child string) bool {
	return slices.ContainsFunc(j.Children, func(r ChildRef) bool { return r.Child == child })
}

// guardian returns whose address it is: who has it, whom the join names, who has
// the same name, answers for one of the children and has no address yet, or somebody
// new. A name proves nothing: who has found a slip could type it, and would come to the
// own page of a guardian whose addresses he or she could see and take away.
func (h *household) guardian(j Join) *roster.Guardian {
	for _, is := range []func(roster.Guardian) bool{
		func(g roster.Guardian) bool { return g.ContactAt(key(j.Address)) >= 0 },
		func(g roster.Guardian) bool { return j.Guardian != "" && g.ID == j.Guardian },
		func(g roster.Guardian) bool {
			return j.Name != "" && fold(g.Name) == fold(j.Name) && len(g.Contacts) == 0 && h.answers(g.ID, j)
		},
	} {
		if i := slices.IndexFunc(h.Guardians, is); i >= 0 {
			return &h.Guardians[i]
		}
	}
	h.Guardians = append(h.Guardians, roster.Guardian{ID: j.ID, Name: j.Name, Relation: j.Relation})
	return &h.Guardians[len(h.Guardians)-1]
}

// answers reports whether a guardian answers for one of the join's children.
func (h *household) answers(guardian string, j Join) bool {
	return slices.ContainsFunc(h.Children, func(c roster.Child) bool { return j.has(c.ID) && c.AnsweredBy(guardian) })
}

func foldWidth(s string) string { return norm.NFKC.String(s) }

// fold makes names comparable: widths and spaces count for nothing.
func fold(name string) string {
	return strings.Join(strings.Fields(norm.NFKC.String(name)), "")
}
