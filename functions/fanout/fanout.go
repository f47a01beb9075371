// Package fanout turns one alert into one message a copy, and does the other jobs
// that walk over all families of an alert: reminding and cancelling.
//
// A job runs in steps. Each step makes a few families' records, saves how far
// the job is in the same write, and then queues the copies. A job that is cut
// off goes on after the last step; the step that may not have been queued is
// queued again, which is harmless: dispatch sends no copy that has left. A fan-out is divided into
// strands, each of which runs in steps so.
package fanout

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/todoku/todoku/shared/alert"
	"github.com/todoku/todoku/shared/lane"
	"github.com/todoku/todoku/shared/mailhost"
	"github.com/todoku/todoku/shared/queue"
	"github.com/todoku/todoku/shared/roster"
)

// Handler does the jobs of alerts.
type Handler struct {
	Alerts *alert.Store
	Roster *roster.Store
	Lanes  *lane.Lanes
	Hosts  *mailhost.Store // whose mail hosts decide lanes before domains do; nil: domains decide
	Jobs   queue.Queue     // where the handler's own messages come from
	Copies queue.Sender    // where dispatch takes copies from
	// Strands is how many walks share the groups of a fan-out, side by side; 0: one.
	// Where many writes share one wait for the disk, more of them get more done. An
	// alert keeps the number that it began with.
	Strands int
	Now     func() time.Time
	Log     *slog.Logger
}

// errTooEarly says that the alert can still be undone.
var errTooEarly = errors.New("fanout: the alert has not started")

// Handle does the jobs that the messages name.
func (h *Handler) Handle(ctx context.Context, e events.SQSEvent) (events.SQSEventResponse, error) {
	return queue.EachGroup(ctx, e, h.group), nil
}

func (h *Handler) group(ctx context.Context, msgs []events.SQSMessage) ([]events.SQSMessage, error) {
	for i, m := range msgs {
		if wait, err := h.message(ctx, m); err != nil {
			h.postpone(ctx, wait, msgs[i:])
			return msgs[i:], err
		}
	}
	return nil, nil
}

// postpone hides messages that are handed back: all of them, since a group waits for the
// last.
func (h *Handler) postpone(ctx context.Context, wait time.Duration, msgs []events.SQSMessage) {
	if err := h.Jobs.Postpone(ctx, wait, queue.Receipts(msgs)...); err != nil {
		h.Log.Warn("jobs not postponed", "message", msgs[0].MessageId, "messages", len(msgs), "err", err)
	}
}

// message does one job. One that fails, or has not the time to end, is to be handed back
// for the time that it returns, and goes on where it was.
func (h *Handler) message(ctx context.Context, m events.SQSMessage) (time.Duration, error) {
	wait := queue.RetryAfter
	work, cancel := queue.InTime(ctx)
	defer cancel()
	err := h.start(work, m, &wait)
	if work.Err() != nil {
		wait = 0
	}
	return wait, err
}

// start reads what a message asks for and does it. If it is too early it sets how
// long to wait.
func (h *Handler) start(ctx context.Context, m events.SQSMessage, wait *time.Duration) error {
	ref, err := alert.ParseJobRef(m.Body)
	if err != nil {
		h.Log.Error("not a job", "message", m.MessageId, "err", err)
		return err
	}
	a, err := h.Alerts.Alert(ctx, ref.Alert)
	if err != nil {
		h.Log.Error("job's alert not read", "alert", ref.Alert, "job", ref.Job, "err", err)
		return err
	}
	if now := h.Now(); a.State(now) == alert.StateWaiting {
		if early := a.Starts.Sub(now); early > 0 {
			*wait = early
		}
		return errTooEarly
	}
	if err := h.job(ctx, a, ref.Job); err != nil {
		h.Log.Warn("job cut off, it will go on", "alert", a.ID, "job", ref.Job, "err", err)
		return err
	}
	return nil
}

func (h *Handler) job(ctx context.Context, a alert.Alert, job alert.Job) error {
	p, err := h.Alerts.Progress(ctx, a.ID, job)
	if err != nil || p.Done {
		return err
	}
	switch job {
	case alert.FanOut:
		return h.knowingHosts(ctx).fanOut(ctx, a, p)
	case alert.Cancel:
		return h.cancel(ctx, a, p)
	}
	if job.Requeues() {
		return h.requeue(ctx, a, p)
	}
	if round, rest := job.Reminder(); round > 0 {
		return h.knowingHosts(ctx).remind(ctx, a, p, alert.Round{Number: round, Rest: rest})
	}
	return fmt.Errorf("fanout: unknown job %q", job)
}

// knowingHosts returns the handler with lanes that go by the mail hosts of domains
// where these are known. If they cannot be read the domains decide, and nothing
// waits.
func (h *Handler) knowingHosts(ctx context.Context) *Handler {
	if h.Hosts == nil {
		return h
	}
	lanes, err := h.Hosts.Known(ctx)
	if err != nil {
		h.Log.Warn("mail hosts not read, the domains decide the lanes", "err", err)
		return h
	}
	c := *h
	c.Lanes = lanes
	return &c
}
