package roster

import (
	"context"
	"slices"
	"time"

	"github.com/todoku/todoku/shared/table"
)

// HeardEvery is how exactly Contact.Answered is kept: an answer that came less than
// this after the last one that was noted is not written, so that a contact costs a
// write a month at most.
const HeardEvery = 30 * 24 * time.Hour

// Heard notes when contacts of a family answered. Who answers is there: a contact
// that was taken for refused is verified again. It fails with ErrNotFound if there
// is no such family; contacts that it does not have are passed over.
func (s *Store) Heard(ctx context.Context, school, family string, answered map[string]time.Time) error {
	return s.EditContacts(ctx, school, family, func(c *Contact) bool {
		at, ok := answered[c.ID]
		return ok && c.heard(at)
	})
}

// heard notes an answer, and reports whether it is worth a write.
func (c *Contact) heard(at time.Time) bool {
	troubled := c.State == Refused || !c.RefusedAt.IsZero() && at.After(c.RefusedAt) || !c.Complained.IsZero() && at.After(c.Complained)
	if !at.After(c.Answered) || at.Sub(c.Answered) < HeardEvery && !troubled {
		return false
	}
	c.Answered = at.UTC()
	c.Refusal, c.RefusedAt, c.Complained = "", time.Time{}, time.Time{}
	if c.State == Refused {
		c.State = Verified
	}
	return true
}

// EditContacts calls edit with each contact of a family, and writes the family if
// edit reports a change. edit can be called again on a newer record.
func (s *Store) EditContacts(ctx context.Context, school, family string, edit func(*Contact) bool) error {
	return table.Again(func() error {
		f, err := s.Family(ctx, school, family)
		if err != nil {
			return err
		}
		f.Guardians = slices.Clone(f.Guardians)
		changed := false
		for i := range f.Guardians {
			g := &f.Guardians[i]
			g.Contacts = slices.Clone(g.Contacts)
			for k := range g.Contacts {
				changed = edit(&g.Contacts[k]) || changed
			}
		}
		if !changed {
			return nil
		}
		_, err = s.PutFamily(ctx, school, f)
		return err
	})
}
