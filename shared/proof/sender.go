package proof

import (
	"context"
	"strings"

	"github.com/todoku/todoku/shared/mail"
)

// Sender is a mail.Sender that hands on all but the mail to Simulated. Of that it only
// checks that the operator would take it, with Check.
type Sender struct {
	mail.Sender
	Check func(context.Context) error
}

var _ mail.BatchSender = Sender{}

func simulated(m *mail.Message) bool { return strings.EqualFold(m.To.Address, Simulated) }

// Send implements mail.Sender.
func (s Sender) Send(ctx context.Context, m *mail.Message) error {
	if simulated(m) {
		return s.Check(ctx)
	}
	return s.Sender.Send(ctx, m)
}

// SendAll implements mail.BatchSender. What lies between two simulated mails goes as a
// batch.
func (s Sender) SendAll(ctx context.Context, msgs []*mail.Message, done func(i int, err error)) {
	for from := 0; from < len(msgs); {
		to := from
		for to < len(msgs) && !simulated(msgs[to]) {
			to++
		}
		if to > from {
			first := from
			mail.SendAll(ctx, s.Sender, msgs[from:to], func(i int, err error) { done(first+i, err) })
		}
		if to < len(msgs) {
			done(to, s.Check(ctx))
			to++
		}
		from = to
	}
}
