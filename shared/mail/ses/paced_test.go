package ses

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/todoku/todoku/shared/mail"
	"github.com/todoku/todoku/shared/sendrate"
)

// timed is a mail.Sender that notes when it was asked.
type timed struct {
	at    []time.Time
	fails error
}

func (s *timed) Send(context.Context, *mail.Message) error {
	s.at = append(s.at, time.Now())
	return s.fails
}

func TestPaced(t *testing.T) {
	const gap, place = 50 * time.Millisecond, 7 * time.Second
	throttled := &mail.SendError{Scope: mail.ScopeOperator, Text: AccountRate}
	far := &sendrate.TooFarAheadError{Ahead: 20 * time.Second}
	for _, c := range []struct {
		name       string
		first      time.Duration // the first turn, from now on
		reserve    error
		operator   error
		left       time.Duration // until the deadline
		sent       []time.Duration
		retryAfter time.Duration
		err        error
	}{
		{"in turn", time.Second, nil, nil, time.Minute, []time.Duration{time.Second, time.Second + gap, time.Second + 2*gap}, 0, nil},
		{"turns that have passed", -time.Second, nil, nil, time.Minute, []time.Duration{0, 0, 0}, 0, nil},
		{"nothing can be reserved", 0, errors.New("the store is busy"), nil, time.Minute, []time.Duration{0, 0, 0}, 0, nil},
		{"too far ahead", 0, far, nil, time.Minute, nil, 10 * time.Second, far},
		{"no time to wait for all", time.Second, nil, nil, time.Second + gap + reserve, []time.Duration{time.Second}, gap, nil},
		{"the account is refused", 0, nil, throttled, time.Minute, []time.Duration{0}, 0, throttled},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				ctx, cancel := context.WithTimeout(t.Context(), c.left)
				defer cancel()
				s := &timed{fails: c.operator}
				p := &Paced{Sender: s, Now: time.Now, Reserve: func(_ context.Context, w sendrate.Want) (turns []time.Time, err error) {
					if w.N != 3 || w.Place != place {
						t.Errorf("reserved for %v, want for 3 messages at %v", w, place)
					}
					for i := range w.N {
						turns = append(turns, began.Add(c.first+time.Duration(i)*gap))
					}
					return turns, c.reserve
				}}
				var errs []error
				p.SendAll(mail.AtPlace(ctx, place), make([]*mail.Message, 3), func(i int, err error) {
					if i != len(errs) {
						t.Errorf("told of %d after %d", i, len(errs))
					}
					errs = append(errs, err)
				})
				checkTurns(t, began, s.at, c.sent)
				last := errs[len(errs)-1]
				var failed *mail.SendError
				if errors.As(last, &failed) && failed.RetryAfter != c.retryAfter || c.err != nil && !errors.Is(last, c.err) || len(errs) != 3 {
					t.Errorf("errors %v", errs)
				}
				if (last == nil) != (len(c.sent) == 3) {
					t.Errorf("the last of three ended with %v", last)
				}
			})
		})
	}
}

func checkTurns(t *testing.T, began time.Time, got []time.Time, want []time.Duration) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%d messages were sent, want %d", len(got), len(want))
	}
	for i, at := range got {
		if at.Sub(began) != want[i] {
			t.Errorf("message %d was sent after %v, want %v", i, at.Sub(began), want[i])
		}
	}
}

// TestApart has a batch ask for turns as far apart as the sends of the last one took.
func TestApart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var apart time.Duration
		p := &Paced{Sender: slow(80 * time.Millisecond), Now: time.Now, Reserve: func(_ context.Context, w sendrate.Want) ([]time.Time, error) {
			apart = w.Apart
			return make([]time.Time, w.N), nil
		}}
		for range 5 {
			p.SendAll(t.Context(), make([]*mail.Message, 10), func(int, error) {})
		}
		if apart < 75*time.Millisecond || apart > 80*time.Millisecond {
			t.Errorf("turns %v apart for sends of 80 ms", apart)
		}
	})
}

// slow is a mail.Sender that takes its time.
type slow time.Duration

func (s slow) Send(context.Context, *mail.Message) error {
	time.Sleep(time.Duration(s))
	return nil
}
