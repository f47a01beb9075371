package docket

import (
	"context"
	"errors"
	"time"

	"github.com/todoku/todoku/shared/alert"
	"github.com/todoku/todoku/shared/judge"
	"github.com/todoku/todoku/shared/roster"
	"github.com/todoku/todoku/shared/table"
)

// Complain notes that a guardian reported a copy as spam: notices are no longer sent to the
// contact, and the teachers see it, because a further mail may not be shown to anybody. One
// from before an answer, or of a family that has left, only counts: the account's standing is
// the worse for it all the same. It may be told the same again.
func (s *Store) Complain(ctx context.Context, copyRef alert.CopyRef, at time.Time) error {
	a, err := s.Alerts.Alert(ctx, copyRef.Alert)
	if errors.Is(err, alert.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := s.countComplaint(ctx, copyRef); err != nil {
		return err
	}
	noted := false
	err = s.Roster.EditContacts(ctx, a.School, copyRef.Family, func(c *roster.Contact) bool {
		if c.ID != copyRef.Contact {
			return false
		}
		noted = at.After(c.Answered) && !at.Before(c.Complained)
		if !noted || at.Equal(c.Complained) { // by a run that did not come to the end
			return false
		}
		c.Quiet, c.Complained = true, at.UTC()
		return true
	})
	if errors.Is(err, roster.ErrNotFound) || err == nil && !noted {
		return nil
	}
	if err != nil {
		return err
	}
	f, err := s.Roster.Family(ctx, a.School, copyRef.Family)
	if err != nil {
		return err
	}
	g, _ := f.Contact(copyRef.Contact)
	if g == nil {
		return nil
	}
	for _, class := range classesOf(f, g.ID) {
		l := Line{Class: class, Family: f.ID, Contact: copyRef.Contact, Refusal: judge.Complaint, At: at.UTC()}
		if err := s.list(ctx, a.School, l); err != nil {
			return err
		}
	}
	return nil
}

// countComplaint counts a complaint about a copy for the brake, once.
func (s *Store) countComplaint(ctx context.Context, copyRef alert.CopyRef) error {
	mark := table.Key{Partition: casesPart(copyRef.Alert), Sort: complaintPrefix + copyRef.ID()}
	err := s.Table.Write(ctx, "",
		table.Create{Key: mark, Value: []byte("{}"), Expires: s.Now().Add(kept)},
		table.Add{Key: rateKey(copyRef.Alert), Deltas: map[string]int64{fieldComplain: 1}})
	return table.IgnoreConflict(err)
}
