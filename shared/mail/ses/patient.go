package ses

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/todoku/todoku/shared/mail"
)

// Patient is a mail.Sender that waits a little and tries again when the account
// sends faster than it may, before it gives up and says so.
//
// Many slots share one rate and know nothing of each other. Those that wait here
// take up every place that becomes free, so that the rate is used whole; those
// that give up go away for a long pause (dispatch.Pause), so that no more of them
// stay than the rate needs. SES does not queue what it throttles, so trying again
// makes no duplicate.
type Patient struct {
	mail.Sender
	Jitter func() float64 // random in [0, 1)
}

// A message is tried again every wait, plus or minus a half, up to tries times in
// all: for about four seconds. The wait is short because a place that nobody takes
// at once is lost: SES is assumed to save up no more than a tenth of a second.
const (
	wait  = 150 * time.Millisecond
	tries = 28
)

// reserve is how much of an event's time must be left to wait: a message that is
// begun is finished, and recorded.
const reserve = sendTimeout / 2

// Send implements mail.Sender.
func (p Patient) Send(ctx context.Context, m *mail.Message) error {
	err := p.Sender.Send(ctx, m)
	for range tries - 1 {
		d := time.Duration(float64(wait) * (0.5 + p.Jitter()))
		if !isAccountRate(err) || !hasTime(ctx, d+reserve) || sleep(ctx, d) != nil {
			break
		}
		err = p.Sender.Send(ctx, m)
	}
	return err
}

func isAccountRate(err error) bool {
	var e *mail.SendError
	return errors.As(err, &e) && e.Scope == mail.ScopeOperator && strings.HasPrefix(e.Text, AccountRate)
}

func hasTime(ctx context.Context, d time.Duration) bool {
	deadline, ok := ctx.Deadline()
	return !ok || time.Until(deadline) > d
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
