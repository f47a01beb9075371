package registration

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/google/go-cmp/cmp"

	"github.com/todoku/todoku/shared/enrol"
	"github.com/todoku/todoku/shared/lane"
	"github.com/todoku/todoku/shared/lane/gate"
	"github.com/todoku/todoku/shared/mail"
	"github.com/todoku/todoku/shared/queue"
	"github.com/todoku/todoku/shared/table"
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

// kept is a copies' queue from which nobody takes, with one slot a lane.
type kept struct{ events.SQSEvent }

func (k *kept) Send(_ context.Context, msgs ...queue.Message) error {
	for _, m := range msgs {
		k.Records = append(k.Records, events.SQSMessage{MessageId: strconv.Itoa(len(k.Records)), Body: m.Body, Attributes: map[string]string{queue.AttrGroup: lane.PlaceOf(m.Group).Lane + "#0"}})
	}
	return nil
}

// TestInvitationsHandedBack: after one that the store could not record the later ones of its
// group wait, too, and another group goes on.
func TestInvitationsHandedBack(t *testing.T) {
	s := newSchool(t)
	for _, address := range []string{"a@hibari.example", "b@hibari.example", "c@docomo.ne.jp"} {
		s.invite(address)
	}
	s.now = s.now.Add(enrol.FeedEvery)
	var k kept
	s.must(s.store.Feed(t.Context(), &k))
	slices.SortStableFunc(k.Records, func(a, b events.SQSMessage) int { // hibari.example comes first
		return strings.Compare(b.Attributes[queue.AttrGroup], a.Attributes[queue.AttrGroup])
	})
	i := &Inviter{Poster: s.poster, Now: func() time.Time { return s.now }, Log: s.logger()}
	s.store.Table = &busyOnce{Table: s.store.Table}
	res, err := i.After(nil)(t.Context(), k.SQSEvent)
	s.must(err)
	var back []string
	for _, f := range res.BatchItemFailures {
		back = append(back, f.ItemIdentifier)
	}
	want := []string{k.Records[0].MessageId, k.Records[1].MessageId}
	if diff := cmp.Diff(want, back); diff != "" || len(s.inbox.List()) != 1 {
		t.Errorf("handed back (-want +got): %s%d mails left", diff, len(s.inbox.List()))
	}
}

// busyOnce is a table that does not take the first write.
type busyOnce struct {
	table.Table
	was bool
}

func (b *busyOnce) Write(ctx context.Context, token string, ops ...table.Op) error {
	if !b.was {
		b.was = true
		return table.ErrBusy
	}
	return b.Table.Write(ctx, token, ops...)
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
