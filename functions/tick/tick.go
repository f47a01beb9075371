// Package tick does what is due: reminders, expiry, copies to be tried again, and
// jobs that were accepted but never begun. It runs every minute on AWS and every
// second on one machine; each run does what has become due and no more, so a
// missed run costs nothing but its delay.
package tick

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/todoku/todoku/shared/alert"
	"github.com/todoku/todoku/shared/audit"
	"github.com/todoku/todoku/shared/enrol"
	"github.com/todoku/todoku/shared/lane"
	"github.com/todoku/todoku/shared/lane/gate"
	"github.com/todoku/todoku/shared/memo"
	"github.com/todoku/todoku/shared/queue"
	"github.com/todoku/todoku/shared/roster"
)

const (
	// Patience is how long a job may make no progress before it is queued again.
	Patience = 2 * time.Minute
	// Grace is how long the start of a job may take, which whoever accepted the
	// alert has queued already, or will never do.
	Grace = 5 * time.Second
	// dueBatch is how many copies are put back into the queue at once.
	dueBatch = 200
	// retryFor is for how long a run puts copies back. While the brake is on there may be
	// more than a minute suffices for, and what lets it go stands behind them.
	retryFor = 20 * time.Second
	page     = 100
)

// Handler does what is due.
type Handler struct {
	Alerts *alert.Store
	Enrol  *enrol.Store // nil: nobody registers
	// Memos tells people what was noticed, in which Lanes have names; nil: nobody is told.
	Memos *memo.Office
	Lanes *lane.Lanes
	// Gate knows whether verdicts come of what was sent; nil: nobody looks.
	Gate *gate.Gate
	// Audit has its days sealed; nil: there is none.
	Audit *audit.Log
	// Roster has the schools whose days these are, and the names of classes, for Memos. It
	// may be nil without both.
	Roster *roster.Store
	// Also are done last, because they take long or matter less: the doctor. Each
	// does what is due and bounds itself.
	Also   []func(context.Context) error
	Jobs   queue.Sender // of the fan-out function
	Copies queue.Sender // of the dispatch function
	Now    func() time.Time
	Log    *slog.Logger

	sealed   seldom
	listened turns
	chased   turns
}

// Handle runs once. What fails is logged and tried again by the next run; the
// error says that something failed.
func (h *Handler) Handle(ctx context.Context, _ events.CloudWatchEvent) error {
	open, err := h.alerts(ctx)
	err = errors.Join(h.retry(ctx), err, h.verdicts(ctx, open), h.enrol(ctx, open), h.seal(ctx))
	for _, also := range h.Also {
		err = errors.Join(err, also(ctx))
	}
	return err
}

// sealEvery is how often it is looked whether a day of the audit log is over.
const sealEvery = 10 * time.Minute

// seal seals the days of the audit log that are over.
func (h *Handler) seal(ctx context.Context) error {
	if h.Audit == nil {
		return nil
	}
	return h.sealed.do(h.Now(), sealEvery, func() error {
		schools, err := h.Roster.Schools(ctx)
		if err != nil {
			return err
		}
		for _, s := range schools {
			if err := h.Audit.SealDays(ctx, s.ID); err != nil {
				return err
			}
		}
		return nil
	})
}

// enrol puts invitations whose time has come into the copies' queue, deletes what is
// left of children who left when their time is over, and keeps the day's reach, which reads whole rosters and must not delay an alert.
func (h *Handler) enrol(ctx context.Context, openAlerts int) error {
	if h.Enrol == nil {
		return nil
	}
	err := errors.Join(h.Enrol.Feed(ctx, h.Copies), h.Enrol.EndTurns(ctx))
	if openAlerts > 0 {
		return err
	}
	if h.Lanes != nil {
		err = errors.Join(err, h.Enrol.Recheck(ctx, h.Lanes))
	}
	return errors.Join(err, h.Enrol.Keep(ctx))
}

// retry puts copies whose time has come back into the queue. Those that are left after
// retryFor are first in the next run.
func (h *Handler) retry(ctx context.Context) error {
	for until := h.Now().Add(retryFor); ; {
		due, err := h.Alerts.DueBy(ctx, h.Now(), dueBatch)
		if err != nil || len(due) == 0 {
			return err
		}
		msgs := make([]queue.Message, len(due))
		for i, d := range due {
			msgs[i] = d.Message(d.Group, d.Number)
		}
		if err := h.Copies.Send(ctx, msgs...); err != nil {
			return err
		}
		if err := h.Alerts.Done(ctx, due); err != nil || !h.Now().Before(until) {
			return err
		}
	}
}

// alerts looks after every alert that is not wholly done, and returns how many there
// are.
func (h *Handler) alerts(ctx context.Context) (n int, err error) {
	var errs []error
	for after := ""; ; {
		open, next, err := h.Alerts.Open(ctx, after, page)
		if err != nil {
			return n, errors.Join(append(errs, err)...)
		}
		n += len(open)
		for _, a := range open {
			if err := h.alert(ctx, a); err != nil {
				h.Log.Warn("alert not looked after", "alert", a.ID, "err", err)
				errs = append(errs, err)
			}
		}
		if next == "" {
			return n, errors.Join(errs...)
		}
		after = next
	}
}

// alert starts the job that an alert needs next, if any: first its fan-out, then
// a reminder while it is open, then, when it is over, the cancelling of what has
// not left. An alert with nothing more to come is forgotten.
func (h *Handler) alert(ctx context.Context, a alert.Alert) error {
	now := h.Now()
	if a.Lapsed(now) {
		_, err := h.Alerts.Undo(ctx, a.ID)
		return err
	}
	if now.Before(a.Starts) && a.Ending == "" {
		return nil
	}
	since := a.Starts
	if a.Glass != nil {
		since = time.Time{} // when its countdown ends, nobody else starts it
	}
	if err := h.listen(ctx, a, now); err != nil {
		return err
	}
	done, err := h.job(ctx, a, alert.FanOut, since)
	if err != nil || !done {
		return err
	}
	if a.Useful(now) {
		return h.chase(ctx, a, now)
	}
	return h.end(ctx, a)
}

// end cancels what has not left of an alert that is over, and then forgets it.
func (h *Handler) end(ctx context.Context, a alert.Alert) error {
	done, err := h.job(ctx, a, alert.Cancel, time.Time{})
	if err != nil || !done {
		return err
	}
	if err := h.tellOfDrill(ctx, a); err != nil {
		return err
	}
	h.listened.forget(a.ID)
	h.chased.forget(a.ID)
	return h.Alerts.Forget(ctx, a.ID)
}

// job reports whether a job is done, and queues it if it has not begun within
// Grace of since (zero: nobody else starts it) or has stood still for Patience.
func (h *Handler) job(ctx context.Context, a alert.Alert, job alert.Job, since time.Time) (bool, error) {
	p, err := h.Alerts.Progress(ctx, a.ID, job)
	if err != nil || p.Done {
		return p.Done, err
	}
	wait, still := Patience, p.At
	if p.At.IsZero() {
		wait, still = Grace, since
	}
	if h.Now().Sub(still) < wait {
		return false, nil
	}
	// The queue drops a start that it has seen within its interval: a new number
	// every wait gets through.
	again := h.Now().Unix() / int64(wait/time.Second)
	h.Log.Info("job queued", "alert", a.ID, "job", job)
	return false, h.Jobs.Send(ctx, alert.JobMessage(a.ID, job, again))
}
