package registration

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/todoku/todoku/shared/enrol"
	"github.com/todoku/todoku/shared/lane"
	"github.com/todoku/todoku/shared/lane/gate"
	"github.com/todoku/todoku/shared/mail"
	"github.com/todoku/todoku/shared/queue"
)

// gated is the copies' queue, whose invitations ask a gate.
type gated struct {
	s *school
	i *Inviter
}

func (g gated) Send(ctx context.Context, msgs ...queue.Message) error {
	var e events.SQSEvent
	for _, m := range msgs {
		e.Records = append(e.Records, events.SQSMessage{MessageId: m.ID, Body: m.Body, Attributes: map[string]string{queue.AttrGroup: m.Group}})
	}
	res, err := g.i.After(nil)(ctx, e)
	if len(res.BatchItemFailures) > 0 {
		g.s.Errorf("handed back: %v", res.BatchItemFailures)
	}
	return err
}

func (gated) Postpone(context.Context, time.Duration, ...string) error { return nil }

// TestInvitationsObeyTheLane: an invitation waits while its lane is paused or the brake is
// on, and leaves when that is over. What the relay says of it the lane learns.
func TestInvitationsObeyTheLane(t *testing.T) {
	s := newSchool(t)
	lanes, err := lane.Load(nil)
	s.must(err)
	g := &gate.Gate{Table: s.store.Table, Lanes: lanes, Alone: true, Now: func() time.Time { return s.now }, Dice: func() float64 { return 0.5 }}
	braked, unread := false, error(nil)
	i := &Inviter{
		Poster: s.poster, Gate: g, Now: g.Now, Log: slog.New(slog.NewTextHandler(s.log, nil)),
		Braked: func(context.Context) (bool, error) { return braked, unread },
	}
	feed := func(mails int) {
		t.Helper()
		before := len(s.inbox.List())
		s.now = s.now.Add(enrol.FeedEvery)
		s.must(s.store.Feed(t.Context(), gated{s, i}))
		if got := len(s.inbox.List()) - before; got != mails {
			t.Errorf("%d mails, want %d", got, mails)
		}
	}
	feed(0)
	s.invite("hana@docomo.ne.jp")
	braked = true
	feed(0)
	braked, unread = false, errors.New("away")
	s.now = s.now.Add(laterBy)
	feed(1)

	s.must(g.Hold(t.Context(), "docomo", gate.Hold{Since: s.now, Until: s.now.Add(time.Hour)}))
	s.invite("taro@docomo.ne.jp")
	feed(0)
	s.must(g.Release(t.Context(), "docomo"))
	s.now = s.now.Add(laterBy)
	feed(1)
	if known, err := g.Known(t.Context()); err != nil || len(known) != 1 || !known[0].State.Stopped.IsZero() {
		t.Errorf("the probe did not reopen the lane: %+v, %v", known, err)
	}

	s.inbox.FailWith(func(*mail.Message) error { return &mail.SendError{Code: 421, Enhanced: "4.7.0", Text: "too fast"} })
	s.invite("aya@docomo.ne.jp")
	feed(0)
	if known, _ := g.Known(t.Context()); known[0].State.Stopped.IsZero() {
		t.Error("an invitation was put off, and its lane goes on")
	}
}

// invite has the office invite an address.
func (s *school) invite(address string) {
	s.Helper()
	lanes, err := lane.Load(nil)
	s.must(err)
	groups, err := s.store.Roster.Groups(s.Context(), "s1")
	s.must(err)
	_, err = s.store.Invite(s.Context(), enrol.Invitation{School: "s1", Class: groups[0], By: "staff", Text: address}, lanes)
	s.must(err)
}
