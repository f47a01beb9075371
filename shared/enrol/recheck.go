package enrol

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/todoku/todoku/shared/address"
	"github.com/todoku/todoku/shared/id"
	"github.com/todoku/todoku/shared/lane"
	"github.com/todoku/todoku/shared/lang"
	"github.com/todoku/todoku/shared/roster"
	"github.com/todoku/todoku/shared/table"
)

// An address of which nothing was heard for long may be dead, and nobody would know
// before it matters. It is asked, in a friendly mail with a link, whether it is still
// read. Whoever presses the button there has been heard of; whoever does not is reminded
// as others are (Reminders), stays a contact, gets every alert, and is shown to the
// office. After that it is left in peace for RecheckAfter.
const (
	RecheckAfter = 365 * 24 * time.Hour // without an answer, or since it was asked last
	// A sweep reads recheckPage families every recheckEvery, school after school, and
	// begins again recheckRest after it has come through.
	recheckPage  = 50
	recheckEvery = time.Minute
	recheckRest  = 7 * 24 * time.Hour
)

// sweep is how far the sweep is.
type sweep struct {
	Next   time.Time `json:"next"`   // when the next page is due
	School string    `json:"school"` // that is read, or was read last; "" at the start
	After  string    `json:"after"`  // the family that was read last; "" before the first
}

var sweepKey = table.Key{Partition: "enrol/recheck", Sort: "sweep"}

// LastHeard returns when somebody was last heard of by a contact: by an answer or a
// confirmation, or, of one that never was, when the contact came into being.
func LastHeard(c roster.Contact) time.Time {
	if made := id.Time(c.ID); made.After(c.Answered) {
		return made
	}
	return c.Answered
}

// stale reports whether a contact is to be asked whether it is still read.
func stale(c roster.Contact, now time.Time) bool {
	return c.State == roster.Verified && !now.Before(c.Paused) &&
		now.Sub(LastHeard(c)) >= RecheckAfter && now.Sub(c.Rechecked) >= RecheckAfter
}

// Recheck asks contacts of which nothing was heard for long whether they are still
// read. Each call looks at one page of one school, and seldom. The tick calls it.
func (s *Store) Recheck(ctx context.Context, lanes *lane.Lanes) error {
	at, revision, err := table.Load[sweep](ctx, s.Table, sweepKey)
	if err != nil {
		return err
	}
	now := s.Now().UTC()
	if now.Before(at.Next) {
		return nil
	}
	at, err = s.recheckPage(ctx, at, lanes, now)
	if err != nil {
		return err
	}
	return table.IgnoreConflict(table.Save(ctx, s.Table, sweepKey, revision, at)) // another run has done it
}

// recheckPage does one page and returns where the next one is.
func (s *Store) recheckPage(ctx context.Context, at sweep, lanes *lane.Lanes, now time.Time) (sweep, error) {
	next := sweep{Next: now.Add(recheckEvery - time.Second)} // ticks of a minute are not exact
	if at.School == "" || at.After == "" {
		school, err := s.schoolAfter(ctx, at.School)
		if err != nil {
			return at, err
		}
		if school == "" {
			return sweep{Next: now.Add(recheckRest)}, nil
		}
		at.School = school
	}
	families, after, err := s.Roster.FamiliesUpTo(ctx, at.School, at.After, recheckPage)
	if err != nil {
		return at, err
	}
	for _, f := range families {
		if err := s.recheckFamily(ctx, at.School, f, lanes, now); err != nil {
			return at, err
		}
	}
	next.School, next.After = at.School, after
	return next, nil
}

// schoolAfter returns the id of the school after another, "" after the last.
func (s *Store) schoolAfter(ctx context.Context, school string) (string, error) {
	schools, err := s.Roster.Schools(ctx)
	if err != nil {
		return "", err
	}
	i := slices.IndexFunc(schools, func(sc roster.School) bool { return sc.ID > school })
	if i < 0 {
		return "", nil
	}
	return schools[i].ID, nil
}

func (s *Store) recheckFamily(ctx context.Context, school string, f roster.Family, lanes *lane.Lanes, now time.Time) error {
	asked := map[string]bool{}
	for _, g := range f.Guardians {
		refs := childrenOf(f, g.ID)
		for _, c := range g.Contacts {
			if !stale(c, now) || len(refs) == 0 {
				continue
			}
			if err := s.askAgain(ctx, school, g, c, refs, lanes); err != nil {
				return err
			}
			asked[c.ID] = true
		}
	}
	if len(asked) == 0 {
		return nil
	}
	err := s.Roster.EditContacts(ctx, school, f.ID, func(c *roster.Contact) bool {
		if asked[c.ID] {
			c.Rechecked = now
		}
		return asked[c.ID]
	})
	if errors.Is(err, roster.ErrNotFound) {
		return nil // it has become a part of another: the next sweep meets it
	}
	return err
}

// askAgain keeps a registration whose letter asks whether the address is still read. An
// address that waits for another confirmation is not asked twice.
func (s *Store) askAgain(ctx context.Context, school string, g roster.Guardian, c roster.Contact, refs []ChildRef, lanes *lane.Lanes) error {
	a, err := address.Parse(c.Address)
	if err != nil {
		return nil //nolint:nilerr // nothing can be sent to it, and the office sees that
	}
	l := lanes.Of(a.Domain)
	j := Join{School: school, Door: Recheck, Children: refs, Address: c.Address, Guardian: g.ID, Lang: lang.Lang(g.Lang), Lane: l.Name, Slots: l.Slots}
	before, err := s.newest(ctx, j)
	if err != nil || before.Open(s.Now()) {
		return err
	}
	_, err = s.keep(ctx, j)
	return err
}

// AskStill has a confirmed contact asked at once whether it is still read, because the
// office doubts it. It fails with ErrNotFound if there is no such contact, and does
// nothing if the address waits for a confirmation already.
func (s *Store) AskStill(ctx context.Context, school, family, contact string, lanes *lane.Lanes) error {
	f, err := s.Roster.Family(ctx, school, family)
	if errors.Is(err, roster.ErrNotFound) {
		return ErrNotFound
	}
	if err != nil {
		return err
	}
	g, c := f.Contact(contact)
	if c == nil || c.State != roster.Verified {
		return ErrNotFound
	}
	if err := s.askAgain(ctx, school, *g, *c, childrenOf(f, g.ID), lanes); err != nil {
		return err
	}
	return s.Roster.EditContacts(ctx, school, family, func(k *roster.Contact) bool {
		if k.ID == contact {
			k.Rechecked = s.Now().UTC()
		}
		return k.ID == contact
	})
}

// newest returns the newest registration of an address, the zero Join if there is none.
func (s *Store) newest(ctx context.Context, of Join) (Join, error) {
	var a asked
	if _, err := s.read(ctx, askedKey(of), &a); err != nil {
		return Join{}, ignoreNotFound(err)
	}
	j, err := s.Get(ctx, of.School, a.Join)
	return j, ignoreNotFound(err)
}

// heardAgain notes that somebody reads the address of a Recheck. Its children and its
// guardian stay as they are in the roster now.
func (s *Store) heardAgain(ctx context.Context, j Join) error {
	place, err := s.Roster.FindByAddress(ctx, j.School, key(j.Address))
	if err == nil {
		err = s.Roster.EditContacts(ctx, j.School, place.Family, func(c *roster.Contact) bool {
			if c.ID != place.Contact {
				return false
			}
			c.Answered, c.Refusal, c.RefusedAt = s.Now().UTC(), "", time.Time{}
			if c.State == roster.Refused || c.State == roster.Unverified {
				c.State = roster.Verified
			}
			return true
		})
	}
	if errors.Is(err, roster.ErrNotFound) {
		return ErrEnded
	}
	return err
}
