package enrol

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/todoku/todoku/shared/address"
	"github.com/todoku/todoku/shared/letter"
	"github.com/todoku/todoku/shared/queue"
	"github.com/todoku/todoku/shared/table"
)

// Letters by which the office's invitations are repeated, and how they are paced.
const (
	// FeedEvery is how often invitations are put into the copies' queue, and feedBatch
	// how many at once for each slot of a lane: what an alert that comes right after
	// them has to wait for is one batch of its slot, about a second. So 700 invitations
	// take some minutes, and an alert none.
	FeedEvery = time.Minute
	feedBatch = queue.MaxBatch
	maxTries  = 8 // of one letter that an operator puts off
)

// Reminders is when those who did not confirm are reminded, after the mail before.
// After the last one nobody is asked again.
var Reminders = []time.Duration{3 * 24 * time.Hour, 7 * 24 * time.Hour}

// retryAfter is how long a letter waits that an operator put off.
func retryAfter(tries int) time.Duration {
	return min(5*time.Minute<<min(max(tries-1, 0), 6), 6*time.Hour)
}

// invitation is the body of a message of the copies' queue.
type invitation struct {
	Invite due `json:"invite"`
}

// bodyPrefix begins the body of an invitation, and of nothing else in the queue.
const bodyPrefix = `{"invite":`

// IsInvitation reports whether a message of the copies' queue is an invitation.
func IsInvitation(body string) bool { return strings.HasPrefix(body, bodyPrefix) }

// fed is when invitations were last put into the queue.
type fed struct {
	At time.Time `json:"at"`
}

var fedKey = table.Key{Partition: "enrol/fed", Sort: "fed"}

// Feed puts letters whose time has come into the copies' queue, where they obey
// the lanes like any mail: at most a batch for each slot, every FeedEvery. What is
// due beyond that waits for the next time. The tick calls it.
func (s *Store) Feed(ctx context.Context, copies queue.Sender) error {
	now := s.Now().UTC()
	page, err := s.Table.Query(ctx, table.Query{Partition: duePart})
	if err != nil || len(page.Items) == 0 || page.Items[0].Sort > dueSort(now, "~") {
		return err
	}
	if mine, err := s.takeTurn(ctx, now); err != nil || !mine {
		return err
	}
	return s.feed(ctx, copies, page, now)
}

// takeTurn reports whether it is time to feed, and marks that it was done.
func (s *Store) takeTurn(ctx context.Context, now time.Time) (bool, error) {
	last, revision, err := table.Load[fed](ctx, s.Table, fedKey)
	if err != nil {
		return false, err
	}
	if now.Sub(last.At) < FeedEvery-time.Second { // ticks of a minute are not exact
		return false, nil
	}
	err = table.Save(ctx, s.Table, fedKey, revision, fed{now})
	if _, conflict := table.Conflict(err); conflict {
		return false, nil
	}
	return err == nil, err
}

func (s *Store) feed(ctx context.Context, copies queue.Sender, page table.Page, now time.Time) error {
	inGroup := map[string]int{}
	for {
		var msgs []queue.Message
		var done []table.Op
		for _, item := range page.Items {
			if item.Sort > dueSort(now, "~") {
				page.Next = ""
				break
			}
			var d due
			if err := json.Unmarshal(item.Value, &d); err != nil {
				return err
			}
			if inGroup[d.Group]++; inGroup[d.Group] > feedBatch {
				continue
			}
			msgs = append(msgs, queue.Message{Group: d.Group, ID: messageID(d, item.Sort), Body: string(table.Encode(invitation{d}))})
			done = append(done, table.Delete{Key: item.Key, Revision: item.Revision})
		}
		if err := s.pass(ctx, copies, msgs, done); err != nil {
			return err
		}
		if page.Next == "" {
			return nil
		}
		var err error
		if page, err = s.Table.Query(ctx, table.Query{Partition: duePart, After: page.Next}); err != nil {
			return err
		}
	}
}

// messageID is the same however often one letter is passed on.
func messageID(d due, sort string) string {
	return fmt.Sprintf("invite-%s-%d-%s", d.Join+d.Contact, d.Number, hashed(sort)[:8])
}

// pass sends messages, then forgets that they were due: a crash in between sends
// them again, and whoever handles them sees that it is done.
func (s *Store) pass(ctx context.Context, copies queue.Sender, msgs []queue.Message, done []table.Op) error {
	for len(msgs) > 0 {
		n := min(len(msgs), table.MaxOps-1)
		if err := copies.Send(ctx, msgs[:n]...); err != nil {
			return err
		}
		if err := table.IgnoreConflict(s.Table.Write(ctx, "", done[:n]...)); err != nil {
			return err
		}
		msgs, done = msgs[n:], done[n:]
	}
	return nil
}

// Invite sends the letter that a message of the copies' queue names, and sees to
// what comes next: another try if the operator put it off, a reminder later if it
// took it. A letter that is not needed any more is passed over. The error is the
// store's: the message is to be handed back.
func (p *Poster) Invite(ctx context.Context, body string) error {
	var m invitation
	if err := json.Unmarshal([]byte(body), &m); err != nil {
		return nil //nolint:nilerr // no letter of ours: handing it back would not help
	}
	d := m.Invite
	if len(d.Lost) > 0 {
		return p.tellLost(ctx, d)
	}
	before, err := p.Store.Get(ctx, d.School, d.Join)
	if errors.Is(err, ErrNotFound) || err == nil && !before.wants() {
		return nil
	}
	if err != nil {
		return err
	}
	j, err := p.Store.begin(ctx, d.School, d.Join)
	switch {
	case errors.Is(err, ErrNotFound), errors.Is(err, ErrEnded), errors.Is(err, ErrSoon):
		return nil
	case err != nil:
		return err
	}
	if j, err = p.send(ctx, j, asking(j, d.Number)); err != nil {
		return err
	}
	return p.Store.next(ctx, p.inLane(j), d.Number)
}

// Later has the letter that a message names come again after a time.
func (p *Poster) Later(ctx context.Context, body string, after time.Duration) error {
	var m invitation
	if err := json.Unmarshal([]byte(body), &m); err != nil {
		return nil //nolint:nilerr // no letter of ours: handing it back would not help
	}
	d := m.Invite
	key := table.Key{Partition: duePart, Sort: dueSort(p.Store.Now().UTC().Add(after), d.Join+d.Contact)}
	return table.IgnoreConflict(p.Store.Table.Write(ctx, "", table.Create{Key: key, Value: table.Encode(d)}))
}

// inLane returns the join with the lane of its address: one of somebody who registered
// by himself or herself is kept without, because its first letter does not wait.
func (p *Poster) inLane(j Join) Join {
	if a, err := address.Parse(j.Address); err == nil && j.Lane == "" {
		l := p.Lanes.Of(a.Domain)
		j.Lane, j.Slots = l.Name, l.Slots
	}
	return j
}

// byItself reports whether somebody registered without being asked.
func (j Join) byItself() bool { return j.Door == Sheet || j.Door == ByMail || j.Door == Self }

// wants reports whether a letter that is due is still to be sent. One that was refused
// meanwhile the office sees, and nobody asks again; one of somebody who registered by
// himself or herself is due only because an operator put it off, and may have been
// sent by the button of the waiting page since.
func (j Join) wants() bool {
	return j.Mail.State != Refused && (j.Mail.State == Waiting || !j.byItself())
}

func asking(j Join, number int) letter.Asking {
	switch {
	case j.byItself():
		return letter.Registered
	case j.Door == Recheck:
		return letter.Checking
	case number > 0 && len(j.Children) > 0:
		return letter.Reminded
	case len(j.Children) == 0:
		return letter.NeedsCode
	}
	return letter.Invited
}

// next has the next letter of a join sent, if there is to be one.
func (s *Store) next(ctx context.Context, j Join, number int) error {
	now := s.Now().UTC()
	at, no := time.Time{}, number
	switch {
	case j.Mail.State == Waiting && j.Mail.Tries < maxTries:
		at = now.Add(retryAfter(j.Mail.Tries))
	case j.Mail.State != Refused && number < len(Reminders) && j.Mail.State != Waiting && !j.byItself():
		at, no = now.Add(Reminders[number]), number+1
	}
	if at.IsZero() || !at.Before(j.Expires) {
		return nil
	}
	return table.IgnoreConflict(s.Table.Write(context.WithoutCancel(ctx), "", j.dueOp(at, no)))
}
