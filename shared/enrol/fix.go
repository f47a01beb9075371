package enrol

import (
	"context"
	"errors"
	"time"

	"github.com/todoku/todoku/shared/address"
	"github.com/todoku/todoku/shared/lane"
	"github.com/todoku/todoku/shared/problem"
	"github.com/todoku/todoku/shared/roster"
)

// ErrOwners says that a confirmed address is not the office's to change.
var ErrOwners = problem.New(problem.Conflict,
	"確認済みのアドレスは、保護者だけが変えられます。保護者に自分のページから変えてもらってください。",
	"Only its guardian can change an address that was confirmed. Please ask him or her to do so.")

// Fix puts another address in the place of a contact that was not confirmed, and
// invites it. The same address is invited again. It fails with ErrOwners if the
// contact was confirmed, and with problems of the field "address".
func (s *Store) Fix(ctx context.Context, school, family, contact string, to address.Address, by string, lanes *lane.Lanes) error {
	f, err := s.Roster.Family(ctx, school, family)
	if err != nil {
		return err
	}
	g, c := f.Contact(contact)
	if c == nil {
		return roster.ErrNotFound
	}
	if c.State == roster.Verified {
		return ErrOwners
	}
	j := Join{School: school, Door: Office, Address: to.String(), Guardian: g.ID, By: by}
	j.Children = childrenOf(f, g.ID)
	if c.Key() != key(j.Address) { // whoever read the one before has said nothing about this one
		f.Close(*c)
		f.Open(roster.Contact{Address: j.Address})
		*c = roster.Contact{ID: c.ID}
	}
	if c.Address != j.Address || c.State != roster.Unverified {
		c.Address, c.State, c.Refusal, c.RefusedAt = j.Address, roster.Unverified, "", time.Time{}
		if _, err = s.Roster.PutFamily(ctx, school, f); err != nil {
			return err
		}
	}
	l := lanes.Of(to.Domain)
	j.Lane, j.Slots = l.Name, l.Slots
	_, err = s.keep(ctx, j)
	return err
}

// Remove deletes a contact at the office's word, confirmed or not: its guardian cannot
// read it any more, or it is none of the child's guardians', but of somebody who has
// found a slip. It returns and does what Leave does, and fails with ErrNotFound if there
// is no such contact.
func (s *Store) Remove(ctx context.Context, school, family, contact string, lanes *lane.Lanes) (lost int, err error) {
	o, err := s.Owner(ctx, school, family, contact)
	if err != nil {
		return 0, err
	}
	return s.Leave(ctx, o, contact, lanes)
}

// Unlink takes the guardian of a contact off one child, at the office's word, and keeps the
// person for the others, as roster.Store.Unlink does. It fails with ErrNotFound if there is
// no such contact, or it is not the child's.
func (s *Store) Unlink(ctx context.Context, school, family, contact, child string) error {
	o, err := s.Owner(ctx, school, family, contact)
	if err != nil {
		return err
	}
	err = s.Roster.Unlink(ctx, school, o.Family.ID, o.Guardian.ID, child)
	if errors.Is(err, roster.ErrNotFound) {
		return ErrNotFound
	}
	return err
}

// childrenOf returns the children for whom a guardian answers.
func childrenOf(f roster.Family, guardian string) []ChildRef {
	var refs []ChildRef
	for _, c := range f.ChildrenOf(guardian) {
		refs = append(refs, ChildRef{f.ID, c.ID})
	}
	return refs
}
