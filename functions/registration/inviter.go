package registration

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/todoku/todoku/shared/enrol"
	"github.com/todoku/todoku/shared/lane"
	"github.com/todoku/todoku/shared/lane/gate"
	"github.com/todoku/todoku/shared/lane/pace"
	"github.com/todoku/todoku/shared/mail"
	"github.com/todoku/todoku/shared/queue"
)

// Inviter sends the invitations among the messages of the copies' queue.
type Inviter struct {
	Poster *enrol.Poster
	Gate   *gate.Gate // hands out the places of lanes; nil: their slots are all that holds
	// Braked reports whether nothing leaves that may well bounce; nil: it may.
	Braked func(ctx context.Context) (bool, error)
	Now    func() time.Time // of the gate; nil without one
	Log    *slog.Logger
}

// After returns a handler that hands the copies of a batch to next, and then sends
// the batch's invitations, one by one: alerts come first, and a slot is never used
// twice at once. An invitation that an operator puts off holds up nothing, because
// it is not handed back: it comes again through the tick. So does one whose lane has no
// place for it.
func (i *Inviter) After(next queue.Handler) queue.Handler {
	return queue.Beside(next, isInvitation, i.deliver)
}

func isInvitation(m events.SQSMessage) bool { return enrol.IsInvitation(m.Body) }

// deliver sends one invitation, or says why it is to come again.
func (i *Inviter) deliver(ctx context.Context, m events.SQSMessage) error {
	err := i.invite(ctx, m)
	switch {
	case errors.Is(err, enrol.ErrUntold):
		i.Log.Error("the school's mail is not taken: it was not told of a lost route", "err", err)
		return nil
	case err != nil:
		i.Log.Warn("invitation handed back", "message", m.MessageId, "err", err)
	}
	return err
}

// laterBy is after how long an invitation comes again that may not leave now.
const laterBy = 2 * time.Minute

// invite sends one invitation if its lane has a place for it, and tells the lane what
// became of it. Where verdicts come as events it only asks: they name no lane of an
// invitation, and a place that is never given back is worse than ten mails a minute that are not
// counted.
func (i *Inviter) invite(ctx context.Context, m events.SQSMessage) error {
	if i.Braked != nil {
		braked, err := i.Braked(ctx)
		if err != nil {
			i.Log.Warn("the brake was not read, invitations leave", "err", err)
		} else if braked {
			return i.Poster.Later(ctx, m.Body, laterBy)
		}
	}
	place := lane.PlaceOf(m.Attributes[queue.AttrGroup])
	p, err := i.Gate.Ask(ctx, gate.Who{Place: place}, 1)
	if err != nil {
		i.Log.Warn("a lane's state was not read, its slots hold", "lane", place.Lane, "err", err)
	}
	if p.N == 0 {
		return i.Poster.Later(ctx, m.Body, max(p.Wait, laterBy))
	}
	if i.Gate == nil || i.Gate.Events {
		err := i.Poster.Invite(ctx, m.Body)
		i.leave(ctx, place.Lane, p, false)
		return err
	}
	if err := p.Begin(ctx); err != nil {
		i.Log.Warn("a lane's state was not written, its slots hold", "lane", place.Lane, "err", err)
	}
	heard := &heard{Sender: i.Poster.Mail, permit: p, now: i.Now}
	poster := *i.Poster
	poster.Mail = heard
	err = poster.Invite(ctx, m.Body)
	i.leave(ctx, place.Lane, p, heard.away)
	return err
}

// leave gives the lane its place back.
func (i *Inviter) leave(ctx context.Context, lane string, p *gate.Permit, away bool) {
	if _, err := p.End(context.WithoutCancel(ctx), away); err != nil {
		i.Log.Warn("a lane's state was not written, its places come back by themselves", "lane", lane, "err", err)
	}
}

// heard is a sender that tells a lane what became of the mail.
type heard struct {
	mail.Sender
	permit *gate.Permit
	now    func() time.Time
	away   bool // the relay itself could not be used
}

func (h *heard) Send(ctx context.Context, m *mail.Message) error {
	began := h.now()
	err := h.Sender.Send(ctx, m)
	kind, _ := gate.Verdict(err, false)
	var failed *mail.SendError
	h.away = errors.As(err, &failed) && failed.Scope == mail.ScopeOperator
	if kind != pace.Untold {
		h.permit.Heard(kind, h.now().Sub(began))
	}
	return err
}
