package enrol

import (
	"context"
	"errors"
	"slices"

	"github.com/todoku/todoku/shared/alert"
	"github.com/todoku/todoku/shared/roster"
	"github.com/todoku/todoku/shared/table"
)

// endBatch is how many families of a journal EndTurns forgets at once.
const endBatch = 50

// EndTurns deletes what is left of children who left at a turn of the year, once its
// time is over: their families as they were, their codes and cards, and the registrations
// of addresses that are nobody's now, which alerts lose, too. Each call does a part of it, and reads next to
// nothing when there is nothing to do. The tick calls it.
func (s *Store) EndTurns(ctx context.Context) error {
	over, err := s.Roster.Endings(ctx, 1)
	if err != nil || len(over) == 0 {
		return err
	}
	_, err = s.Roster.End(ctx, over[0], endBatch, func(past []roster.Past) error { return s.forget(ctx, over[0].School, past) })
	return err
}

// forget deletes what is known of those who left: codes, cards, and the registrations of
// their addresses.
func (s *Store) forget(ctx context.Context, school string, past []roster.Past) error {
	left, gone := map[string]bool{}, map[string]bool{}
	for _, p := range past {
		for _, child := range p.Left {
			left[child] = true
			if err := errors.Join(s.forgetCode(ctx, school, child), s.RevokeCard(ctx, school, child)); err != nil {
				return err
			}
		}
		for _, c := range p.Gone() {
			_, err := s.Roster.FindByAddress(ctx, school, c.Key())
			if err != nil && !errors.Is(err, roster.ErrNotFound) {
				return err
			}
			gone[c.Key()] = err != nil // else it is somebody's again
		}
		if err := s.forgetInAlerts(ctx, school, p, gone); err != nil {
			return err
		}
	}
	if len(left) == 0 {
		return nil
	}
	return s.forgetJoins(ctx, school, left, gone)
}

// forgetInAlerts has alerts lose the addresses that are nobody's now.
func (s *Store) forgetInAlerts(ctx context.Context, school string, p roster.Past, gone map[string]bool) error {
	for _, f := range p.Before {
		for _, g := range f.Guardians {
			left := g.ID // if none of the addresses is anybody's now
			if slices.ContainsFunc(g.Contacts, func(c roster.Contact) bool { return !gone[c.Key()] }) {
				left = ""
			}
			for _, c := range g.Contacts {
				if !gone[c.Key()] {
					continue
				}
				if err := alert.PutForget(ctx, s.Table, s.Now(), alert.Forget{School: school, Family: f.ID, Contact: c.ID, Guardian: left}); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

func (s *Store) forgetCode(ctx context.Context, school, child string) error {
	var pass Pass
	if _, err := s.read(ctx, passKey(school, child), &pass); err != nil {
		return ignoreNotFound(err)
	}
	return s.remove(ctx, codeKey(pass.Code), passKey(school, child))
}

// forgetJoins deletes the registrations of addresses that are nobody's now, and those
// that were for none but children who left.
func (s *Store) forgetJoins(ctx context.Context, school string, left, gone map[string]bool) error {
	joins, err := s.Joins(ctx, school)
	if err != nil {
		return err
	}
	for _, j := range joins {
		here := func(r ChildRef) bool { return !left[r.Child] }
		if !gone[key(j.Address)] && (len(j.Children) == 0 || slices.ContainsFunc(j.Children, here)) {
			continue
		}
		if err := s.remove(ctx, joinKey(school, j.ID), askedKey(j)); err != nil {
			return err
		}
	}
	return nil
}

// remove deletes items whatever their revision; those that are gone already are no
// error.
func (s *Store) remove(ctx context.Context, keys ...table.Key) error {
	for _, k := range keys {
		err := table.Again(func() error {
			item, err := s.Table.Get(ctx, k)
			if err != nil {
				return err
			}
			return s.Table.Write(ctx, "", table.Delete{Key: k, Revision: item.Revision})
		})
		if err != nil && !errors.Is(err, table.ErrNotFound) {
			return err
		}
	}
	return nil
}
