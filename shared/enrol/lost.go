package enrol

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/todoku/todoku/shared/address"
	"github.com/todoku/todoku/shared/lane"
	"github.com/todoku/todoku/shared/letter"
	"github.com/todoku/todoku/shared/mail"
	"github.com/todoku/todoku/shared/roster"
	"github.com/todoku/todoku/shared/table"
)

// ErrUntold says that the school could not be told that children have lost their
// last route: its operator refuses the mail, or has put it off for too long.
var ErrUntold = errors.New("enrol: the school was not told of a lost route")

// unreached returns those of a family's children who have no route that can be used, as
// ChildReach.None says on the page of the reach. What became of registrations is not asked.
func unreached(f roster.Family, children []ChildRef) []ChildRef {
	return slices.DeleteFunc(children, func(r ChildRef) bool {
		c, there := f.Child(r.Child)
		return !there || !ChildReach{Routes: routes(f, c, nil, nil)}.None()
	})
}

// lookAt has it looked, at a time, whether children are without a route, and the
// school told of those who are.
func (s *Store) lookAt(ctx context.Context, school, contact string, children []ChildRef, at time.Time, lanes *lane.Lanes) error {
	if len(children) == 0 {
		return nil
	}
	sc, err := s.Roster.School(ctx, school)
	if err != nil {
		return err
	}
	a, err := address.Parse(sc.Mail)
	if err != nil {
		return err
	}
	l := lanes.Of(a.Domain)
	return s.putDue(ctx, at, contact, due{School: school, Group: l.Group(l.Slot(contact)), Slots: l.Slots, Contact: contact, Lost: children})
}

func (s *Store) putDue(ctx context.Context, at time.Time, what string, d due) error {
	err := s.Table.Write(ctx, "", table.Create{Key: table.Key{Partition: duePart, Sort: dueSort(at, what)}, Value: table.Encode(d)})
	return table.IgnoreConflict(err)
}

// tellLost tells the school of the children who are still without a route. A mail
// that the school's operator puts off is due again later.
func (p *Poster) tellLost(ctx context.Context, d due) error {
	var lost []roster.Child
	for _, ref := range d.Lost {
		f, c, err := p.Store.familyOf(ctx, d.School, ref)
		if errors.Is(err, errGone) {
			continue
		}
		if err != nil {
			return err
		}
		if len(unreached(f, []ChildRef{ref})) > 0 {
			lost = append(lost, c)
		}
	}
	if len(lost) == 0 {
		return nil
	}
	told := toldKey(d)
	if _, err := p.Store.Table.Get(ctx, told); err == nil {
		return nil // the queue hands the same out again
	}
	m, err := p.lostRoute(ctx, d.School, lost)
	if err != nil {
		return err
	}
	err = p.Mail.Send(ctx, m)
	var failed *mail.SendError
	switch d.Number++; {
	case err == nil:
		return p.noteTold(ctx, told)
	case errors.As(err, &failed) && failed.Permanent, d.Number > maxTries:
		return fmt.Errorf("%w: %w", ErrUntold, err)
	}
	return p.Store.putDue(context.WithoutCancel(ctx), p.Store.Now().Add(retryAfter(d.Number)), d.Contact, d)
}

// toldFor is how long it is known that the school was told.
const toldFor = 24 * time.Hour

// toldKey names the letter about a contact and its children, whenever it was written.
func toldKey(d due) table.Key {
	children := make([]string, len(d.Lost))
	for i, c := range d.Lost {
		children[i] = c.Child
	}
	return table.Key{Partition: "enrol/told", Sort: d.Contact + "/" + strings.Join(children, "/")}
}

// noteTold remembers that the school was told.
func (p *Poster) noteTold(ctx context.Context, key table.Key) error {
	err := p.Store.Table.Write(context.WithoutCancel(ctx), "", table.Create{Key: key, Value: []byte("{}"), Expires: p.Store.Now().Add(toldFor)})
	return table.IgnoreConflict(err)
}

// lostRoute writes the mail to the school. It names the children's classes, not
// them.
func (p *Poster) lostRoute(ctx context.Context, school string, lost []roster.Child) (*mail.Message, error) {
	sc, err := p.Store.Roster.School(ctx, school)
	if err != nil {
		return nil, err
	}
	a, err := address.Parse(sc.Mail)
	if err != nil {
		return nil, err
	}
	var ids, names []string
	for _, c := range lost {
		ids = append(ids, c.Class)
	}
	classes, err := p.Store.Roster.Named(ctx, school, ids)
	if err != nil {
		return nil, err
	}
	for _, id := range ids {
		if name := classes[id].Name; !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	page := p.BaseURL + "/reach"
	if len(names) == 1 {
		page += "/" + ids[0] + "#child-" + lost[0].ID
	}
	to := letter.To{School: sc, ID: p.Store.IDs.New(), Mailbox: a.Mailbox(), Now: p.Store.Now()}
	return letter.LostRoute(to, names, len(lost), page), nil
}
