package dispatch

import (
	"context"
	"errors"
	"time"

	"github.com/todoku/todoku/shared/alert"
	"github.com/todoku/todoku/shared/docket"
	"github.com/todoku/todoku/shared/judge"
	"github.com/todoku/todoku/shared/lane"
	"github.com/todoku/todoku/shared/mail"
	"github.com/todoku/todoku/shared/table"
)

// Court judges what operators refuse, as docket.Store does.
type Court interface {
	// Holds reports whether nothing may be sent in a lane for a school.
	Holds(ctx context.Context, school, lane string) (bool, error)
	// Stops returns which copies do not leave now because too many bounced lately.
	Stops(ctx context.Context, a alert.Alert, copies []alert.CopyRef) (map[alert.CopyRef]bool, error)
	// Hear takes refusals of one alert's copies. It may be told the same again.
	Hear(ctx context.Context, a alert.Alert, refusals ...docket.Refusal) error
}

// parkFor is for how long the copies of a held lane leave the queue, where they would
// be in the way of other schools' copies of the same slot.
const parkFor = 2 * time.Minute

// park puts those copies aside whose lane is held for their school, or which the brake
// stops, and reports whether those were all. What is not known stops nothing.
func (r *run) park(ctx context.Context) (bool, error) {
	now := r.Now().UTC()
	if r.Court == nil || !r.alert.Useful(now) {
		return false, nil
	}
	held, err := r.Court.Holds(ctx, r.alert.School, lane.PlaceOf(r.group).Lane)
	if err != nil {
		return false, err
	}
	refs := make([]alert.CopyRef, len(r.jobs))
	for i, j := range r.jobs {
		refs[i] = j.ref
	}
	stops, err := r.Court.Stops(ctx, r.alert, refs)
	if err != nil {
		r.Log.Warn("the brake was not read, copies leave", "alert", r.alert.ID, "err", err)
	}
	var rest, parked []*job
	for _, j := range r.jobs {
		if held || stops[j.ref] {
			parked = append(parked, j)
		} else {
			rest = append(rest, j)
		}
	}
	if err := r.setAside(ctx, parked, now); err != nil {
		return false, err
	}
	r.jobs = rest
	return len(rest) == 0, nil
}

func (r *run) setAside(ctx context.Context, parked []*job, now time.Time) error {
	seen := map[alert.CopyRef]bool{}
	var ops []table.Op
	for _, j := range parked {
		if !seen[j.ref] { // a message can come twice in one batch
			// The number tells this time from the next: the queue would drop a repeated message.
			ops = append(ops, alert.DueOp(alert.Due{CopyRef: j.ref, Group: r.group, Number: int(now.Unix())}, now.Add(parkFor)))
		}
		seen[j.ref] = true
	}
	if len(ops) == 0 {
		return nil
	}
	if err := r.putAside(ctx, ops); err != nil {
		return err
	}
	for _, j := range parked {
		j.fate = over
	}
	return nil
}

// putAside writes what is not there yet: a repeated message may have been put aside already.
func (r *run) putAside(ctx context.Context, ops []table.Op) error {
	err := r.Alerts.Table.Write(ctx, "", ops...)
	if _, there := table.Conflict(err); !there {
		return err
	}
	for _, op := range ops {
		if err := table.IgnoreConflict(r.Alerts.Table.Write(ctx, "", op)); err != nil {
			return err
		}
	}
	return nil
}

// hear has refusals judged. What cannot be filed is lost: the contact stays, and the next
// alert is refused again.
func (r *run) hear(ctx context.Context) {
	if r.Court == nil {
		return
	}
	var refusals []docket.Refusal
	for _, j := range r.jobs {
		if f, ok := j.refusal(); ok {
			f.At = r.Now().UTC()
			refusals = append(refusals, f)
		}
	}
	if err := r.Court.Hear(context.WithoutCancel(ctx), r.alert, refusals...); err != nil {
		r.Log.Warn("refusals were not judged", "alert", r.alert.ID, "copies", len(refusals), "err", err)
	}
}

// refusal returns what an operator refused for good. A failure without a reply says
// nothing about the mailbox.
func (j *job) refusal() (docket.Refusal, bool) {
	var e *mail.SendError
	if j.fate != tried || !errors.As(j.err, &e) || !e.Permanent || e.Code == 0 {
		return docket.Refusal{}, false
	}
	class := judge.Of(judge.Evidence{Lane: j.copy.Lane, Code: e.Code, Status: e.Enhanced, Text: e.Text, AfterData: e.AfterData})
	return docket.Refusal{Copy: j.ref, Lane: j.copy.Lane, Class: class, Code: e.Code, Status: e.Enhanced, Words: e.Text, Hard: true}, true
}
