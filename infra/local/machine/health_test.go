package machine

import (
	"context"
	"errors"
	"testing"

	"github.com/aws/aws-lambda-go/events"

	"github.com/todoku/todoku/shared/queue"
)

// probed is a queue that takes no message, or hands it out at once, or never.
type probed struct {
	handle queue.Handler // nil: it hands out none
	err    error
}

func (q *probed) Send(ctx context.Context, msgs ...queue.Message) error {
	if q.err == nil && q.handle != nil {
		_, _ = q.handle(ctx, events.SQSEvent{Records: []events.SQSMessage{{Body: msgs[0].Body}}})
	}
	return q.err
}

// TestProbes: however a probe ends, nothing is left of it.
func TestProbes(t *testing.T) {
	for _, tt := range []struct {
		name string
		ends func(t *testing.T, q *probed, p *probes) (context.Context, error)
	}{
		{"handed out", func(t *testing.T, q *probed, p *probes) (context.Context, error) {
			q.handle = p.handle
			return t.Context(), nil
		}},
		{"not taken", func(t *testing.T, q *probed, _ *probes) (context.Context, error) {
			q.err = queue.ErrBusy
			return t.Context(), queue.ErrBusy
		}},
		{"not handed out", func(t *testing.T, _ *probed, _ *probes) (context.Context, error) {
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			return ctx, errProbe
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			q := &probed{}
			p := newProbes(q)
			ctx, want := tt.ends(t, q, p)
			if err := p.check(ctx); !errors.Is(err, want) {
				t.Errorf("check: %v, want %v", err, want)
			}
			if len(p.open) > 0 {
				t.Errorf("%d probes are still waited for", len(p.open))
			}
		})
	}
}
