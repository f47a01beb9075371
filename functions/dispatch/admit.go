package dispatch

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/todoku/todoku/shared/alert"
	"github.com/todoku/todoku/shared/lane"
	"github.com/todoku/todoku/shared/lane/gate"
	"github.com/todoku/todoku/shared/lane/pace"
	"github.com/todoku/todoku/shared/mail"
	"github.com/todoku/todoku/shared/queue"
)

// admitted asks the lane for places for the run's copies, and reports whether it got
// any. It is asked before anything is read: a lane that has paused costs no more.
func (r *run) admitted(ctx context.Context) bool {
	who := gate.Who{Place: lane.PlaceOf(r.group), Vain: receives(r.msgs[r.jobs[0].message])}
	p, err := r.Gate.Ask(ctx, who, len(r.jobs))
	if err != nil {
		r.Log.Warn("a lane's state was not read, its slots hold", "lane", r.group, "err", err)
	}
	if p.N == 0 {
		r.wait = max(p.Wait, shortestWait)
		return false
	}
	r.permit = p
	return true
}

// fit returns those of refs that have a place. The others go back to the queue until
// there may be places again.
func (r *run) fit(refs []alert.CopyRef) []alert.CopyRef {
	left := r.permit.N
	for _, j := range r.jobs {
		if j.fate != taken {
			continue
		}
		if left--; left < 0 {
			j.fate = waiting
		}
	}
	return refs[:min(r.permit.N, len(refs))]
}

// shortestWait is the least that a slot waits for its lane.
const shortestWait = 50 * time.Millisecond

// leaveLane gives back the places that were not used.
func (r *run) leaveLane(ctx context.Context) {
	if r.permit == nil {
		return
	}
	wait, err := r.permit.End(context.WithoutCancel(ctx), r.away)
	r.permit, r.wait = nil, max(r.wait, wait, r.sooner())
	if err != nil {
		r.Log.Warn("a lane's state was not written, its places come back by themselves", "lane", r.group, "err", err)
	}
}

// sooner is the least that a slot waits which goes on with copies that had no place.
func (r *run) sooner() time.Duration {
	for _, j := range r.jobs {
		if j.fate == waiting {
			return shortestWait
		}
	}
	return 0
}

// transmit hands messages to the operator, until it answers for its whole lane. What has
// not been sent in time is put back, instead of staying in a dead invocation's hands.
func (r *run) transmit(ctx context.Context, msgs []*mail.Message, jobs []*job) {
	ctx, cancel := queue.InTime(ctx)
	defer cancel()
	ctx = mail.AtPlace(mail.OnTurn(ctx, r.onTurn), r.place(jobs[0]))
	began, puzzled := r.Now(), false
	mail.SendAll(ctx, r.Mail, msgs, func(i int, err error) {
		j := jobs[i]
		j.fate, j.err = tried, err
		r.heed(err)
		if errors.Is(err, mail.ErrInvalid) {
			r.Log.Error("a mail that cannot be written", "copy", msgs[i].ID, "err", err)
		}
		var kind pace.Kind
		kind, puzzled = gate.Verdict(err, puzzled)
		now := r.Now()
		r.heard(kind, err, now.Sub(began))
		began = now
		if kind == pace.TooFast || kind == pace.Crowded {
			j.ofLane = r.Gate != nil
			if j.ofLane {
				cancel()
			}
		}
	})
}

// noticeBehind is by how much notices stand behind all else.
const noticeBehind = time.Hour

// place is how far back a copy stands in its alert, for who shares the account's rate:
// a lane that lags behind the others goes first, and so does an alert that has just
// begun, so that a large one does not keep a small one waiting.
func (r *run) place(j *job) time.Duration {
	queued, err := strconv.ParseInt(r.msgs[j.message].Attributes[queue.AttrSent], 10, 64)
	if err != nil {
		return 0
	}
	place := max(time.UnixMilli(queued).Sub(r.alert.Accepted), 0)
	if r.alert.Kind == alert.Notice {
		place += noticeBehind
	}
	return place
}

// onTurn is called when a message is about to leave that waited for its turn: the
// first takes the lane's places.
func (r *run) onTurn(ctx context.Context, i int) error {
	if i == 0 {
		if err := r.permit.Begin(ctx); err != nil {
			r.Log.Warn("a lane's state was not written, its slots hold", "lane", r.group, "err", err)
		}
	}
	if i < r.permit.N {
		return nil
	}
	return &mail.SendError{Scope: mail.ScopeOperator, Text: "the lane has no place", RetryAfter: max(r.permit.Wait, shortestWait)}
}

// heard tells the lane what became of the next copy.
func (r *run) heard(kind pace.Kind, err error, took time.Duration) {
	var e *mail.SendError
	failed := errors.As(err, &e)
	r.away = r.away || failed && e.Scope == mail.ScopeOperator
	switch {
	case r.Gate == nil:
	case r.Gate.Events:
		if err == nil || failed && e.Maybe {
			r.permit.Left()
		}
	case kind != pace.Untold:
		r.permit.Heard(kind, took)
	}
}
