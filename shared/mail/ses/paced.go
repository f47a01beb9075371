package ses

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/todoku/todoku/shared/mail"
	"github.com/todoku/todoku/shared/sendrate"
)

// Paced is a mail.Sender that reserves turns of the account's rate for what it
// sends and waits for them, so that all workers together use the rate whole and do
// not exceed it.
//
// What it cannot reserve it sends all the same: Sender should be a Patient one.
type Paced struct {
	mail.Sender
	// Reserve takes turns; see sendrate.Account.
	Reserve func(ctx context.Context, w sendrate.Want) ([]time.Time, error)
	Now     func() time.Time

	took atomic.Int64 // nanoseconds that a send takes, about
}

var _ mail.BatchSender = (*Paced)(nil)

// Turns of one batch are longestApart from each other at most.
const longestApart = 300 * time.Millisecond

// Send implements mail.Sender.
func (p *Paced) Send(ctx context.Context, m *mail.Message) (err error) {
	p.SendAll(ctx, []*mail.Message{m}, func(_ int, e error) { err = e })
	return err
}

// SendAll implements mail.BatchSender. If so many turns are given out that waiting
// for the next ones would take too long it sends nothing, and its errors say after
// how long it is worth trying again.
func (p *Paced) SendAll(ctx context.Context, msgs []*mail.Message, done func(i int, err error)) {
	took := time.Duration(p.took.Load())
	turns, err := p.Reserve(ctx, sendrate.Want{N: len(msgs), Apart: min(took, longestApart), Place: mail.Place(ctx)})
	var far *sendrate.TooFarAheadError
	var stop error
	switch {
	case errors.As(err, &far):
		stop = tooFast(far)
	case err != nil:
		turns = make([]time.Time, len(msgs)) // long past
	}
	for i, m := range msgs {
		if stop == nil {
			stop = p.wait(ctx, turns[i])
		}
		if stop == nil {
			stop = mail.Turn(ctx, i)
		}
		err := stop
		if err == nil {
			began := p.Now()
			err = p.Sender.Send(ctx, m)
			stop = ofAll(err)
			took += (p.Now().Sub(began) - took) / 8
		}
		done(i, err)
	}
	p.took.Store(int64(took))
}

// tooFast says that it is not this worker's turn for long. Half of the time is left
// to those who have one, so that others come in time to go on after them.
func tooFast(far *sendrate.TooFarAheadError) error {
	return &mail.SendError{Scope: mail.ScopeOperator, Text: AccountRate + ": all turns are given out", RetryAfter: far.Ahead / 2, Err: far}
}

// wait waits for a turn. It fails if the invocation would end before.
func (p *Paced) wait(ctx context.Context, turn time.Time) error {
	d := turn.Sub(p.Now())
	if d <= 0 {
		return ctx.Err()
	}
	if !hasTime(ctx, d+reserve) {
		return &mail.SendError{Scope: mail.ScopeOperator, Text: AccountRate + ": the turn comes too late", RetryAfter: d}
	}
	return sleep(ctx, d)
}

// ofAll returns err if no other message would fare better.
func ofAll(err error) error {
	var e *mail.SendError
	if errors.As(err, &e) && e.Scope == mail.ScopeOperator {
		return err
	}
	return nil
}
