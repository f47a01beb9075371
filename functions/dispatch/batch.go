package dispatch

import (
	"context"
	"errors"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/todoku/todoku/shared/alert"
	"github.com/todoku/todoku/shared/letter"
	"github.com/todoku/todoku/shared/link"
	"github.com/todoku/todoku/shared/mail"
	"github.com/todoku/todoku/shared/table"
)

// batch is the copies of one slot on their way.
type batch struct {
	*Handler
	msgs     []events.SQSMessage
	copies   []job
	families *alert.Editor
	writers  map[writerKey]*letter.Writer
	handled  int           // how many of msgs, from the first, need no second try
	wait     time.Duration // how long the rest is to be hidden; 0: about Pause
}

// job is one copy of the batch.
type job struct {
	message string // its id
	ref     alert.CopyRef
	dropped bool // there is no such copy
	alert   alert.Alert
	copy    alert.Copy // as the claim left it
	claim   alert.Claim
	tried   bool
	err     error // what the operator said
}

type writerKey struct {
	alert string
	round int
}

func (b *batch) run(ctx context.Context) error {
	if err := b.read(ctx); err != nil {
		return err
	}
	err := b.claim(ctx)
	if err == nil {
		b.stopAtHeld()
		err = b.send(ctx)
	}
	if err := errors.Join(err, b.record(ctx)); err != nil {
		return err // what was claimed and not sent has been put back, if it could be
	}
	b.count()
	if b.handled < len(b.msgs) {
		return errWait
	}
	return nil
}

// read decodes the messages and reads their alerts, each once.
func (b *batch) read(ctx context.Context) error {
	alerts := map[string]alert.Alert{}
	for _, m := range b.msgs {
		ref, err := alert.ParseCopyRef(m.Body)
		if err != nil {
			b.drop(m.MessageId, err)
			b.copies = append(b.copies, job{dropped: true, claim: alert.Over})
			continue
		}
		a, ok := alerts[ref.Alert]
		if !ok {
			a, err = b.Alerts.Alert(ctx, ref.Alert)
			if err != nil && !errors.Is(err, alert.ErrNotFound) {
				return err
			}
			alerts[ref.Alert] = a
		}
		if a.ID == "" {
			b.drop(m.MessageId, alert.ErrNotFound)
		}
		b.copies = append(b.copies, job{message: m.MessageId, ref: ref, alert: a, dropped: a.ID == ""})
	}
	return nil
}

// drop tells of a message that will never name a copy: one that is malformed, or
// whose alert or family is gone. It is taken as handled, or it would hold up its
// slot for as long as a queue tries.
func (b *batch) drop(message string, why error) {
	b.Log.Error("a message of no copy", "message", message, "err", why)
}

// dropMissing drops the copies of a run whose families are gone.
func (b *batch) dropMissing(ctx context.Context, run []*job) error {
	for _, j := range run {
		_, err := b.Alerts.Family(ctx, j.ref.Ref)
		switch {
		case errors.Is(err, alert.ErrNotFound):
			b.drop(j.message, err)
			j.dropped = true
		case err != nil:
			return err
		}
	}
	return nil
}

// runs returns the copies, in their order, cut where the alert changes: what is
// written in one write. Those that are dropped are left out.
func (b *batch) runs() [][]*job {
	var runs [][]*job
	for i := range b.copies {
		j := &b.copies[i]
		if j.dropped {
			continue
		}
		if n := len(runs); n == 0 || runs[n-1][0].ref.Alert != j.ref.Alert {
			runs = append(runs, nil)
		}
		runs[len(runs)-1] = append(runs[len(runs)-1], j)
	}
	return runs
}

// claim takes the copies for this worker, in one write a run. Those of an alert
// that is no longer useful are cancelled instead.
func (b *batch) claim(ctx context.Context) error {
	for _, run := range b.runs() {
		err := b.claimRun(ctx, run)
		if errors.Is(err, alert.ErrNotFound) {
			err = b.dropMissing(ctx, run)
			if err == nil {
				err = b.claimRun(ctx, run)
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (b *batch) claimRun(ctx context.Context, run []*job) error {
	now := b.Now().UTC()
	return b.update(ctx, run, func(j *job, f *alert.Family) bool {
		c := find(f, j.ref)
		if c == nil {
			j.claim = alert.Over
			return false
		}
		if !j.alert.Useful(now) {
			j.claim = alert.Over
			return c.Cancel(b.Worker, now)
		}
		j.claim = c.Claim(b.Worker, now)
		j.copy = *c
		return j.claim == alert.Claimed
	})
}

// update changes the records of a run's copies in one write.
func (b *batch) update(ctx context.Context, run []*job, change func(j *job, f *alert.Family) bool) error {
	changes := make([]alert.Change, 0, len(run))
	for _, j := range run {
		if j.dropped {
			continue
		}
		changes = append(changes, alert.Change{
			Ref:   j.ref.Ref,
			Apply: func(f *alert.Family) bool { return change(j, f) },
			More:  j.retry(b),
		})
	}
	if len(changes) == 0 {
		return nil
	}
	return b.families.Update(ctx, changes...)
}

func find(f *alert.Family, ref alert.CopyRef) *alert.Copy {
	i := f.Copy(ref.Contact, ref.Round)
	if i < 0 {
		return nil
	}
	return &f.Copies[i]
}

// stopAtHeld cuts the batch off at the first copy that another worker has: those
// behind it were claimed in vain and are put back when the batch is recorded.
func (b *batch) stopAtHeld() {
	now := b.Now()
	for i := range b.copies {
		if j := &b.copies[i]; j.claim == alert.Held {
			b.wait = max(j.copy.Lease.Sub(now), time.Second)
			return
		}
	}
}

// send hands the claimed copies to the operator, as far as the first that is held.
func (b *batch) send(ctx context.Context) error {
	var msgs []*mail.Message
	var jobs []*job
	for i := range b.copies {
		j := &b.copies[i]
		if j.claim == alert.Held {
			break
		}
		if j.dropped || j.claim != alert.Claimed {
			continue
		}
		m, err := b.letter(ctx, j)
		if err != nil {
			return err
		}
		msgs, jobs = append(msgs, m), append(jobs, j)
	}
	if len(msgs) == 0 {
		return nil
	}
	ctx, cancel := inTime(ctx)
	defer cancel()
	mail.SendAll(ctx, b.Mail, msgs, func(i int, err error) {
		jobs[i].tried, jobs[i].err = true, err
		if errors.Is(err, mail.ErrInvalid) {
			b.Log.Error("a mail that cannot be written", "copy", msgs[i].ID, "err", err)
		}
	})
	return nil
}

// spare is the time of an invocation that is kept for recording what was sent.
const spare = 5 * time.Second

// inTime returns a context that ends before the invocation does: what has not been
// sent by then is put back, instead of being claimed by a dead invocation.
func inTime(ctx context.Context) (context.Context, context.CancelFunc) {
	if end, ok := ctx.Deadline(); ok {
		return context.WithDeadline(ctx, end.Add(-spare))
	}
	return context.WithCancel(ctx)
}

// letter writes a copy's mail.
func (b *batch) letter(ctx context.Context, j *job) (*mail.Message, error) {
	key := writerKey{j.ref.Alert, j.ref.Round}
	w, ok := b.writers[key]
	if !ok {
		school, err := b.Schools.School(ctx, j.alert.School)
		if err != nil {
			return nil, err
		}
		w = letter.NewWriter(j.alert, school, j.ref.Round)
		b.writers[key] = w
	}
	token, err := b.Links.Sign(link.Link{
		Kind: link.Answer, Alert: j.ref.Alert, Class: j.ref.Class, Family: j.ref.Family, Contact: j.ref.Contact,
		Expires: j.alert.UsefulUntil,
	})
	if err != nil {
		return nil, err
	}
	return w.Letter(j.ref, j.copy.Mailbox, b.BaseURL+"/a/"+token, b.Now()), nil
}

// recordTries is how often a record is tried again while the store is busy: what
// is not recorded will be sent twice.
const recordTries = 5

// record writes what became of the claimed copies.
func (b *batch) record(ctx context.Context) error {
	// A cancelled context must not keep what was sent from being recorded.
	ctx = context.WithoutCancel(ctx)
	now := b.Now().UTC()
	var errs []error
	for _, run := range b.runs() {
		var err error
		for range recordTries {
			err = b.update(ctx, run, func(j *job, f *alert.Family) bool { return b.outcome(j, f, now) })
			if !errors.Is(err, table.ErrBusy) {
				break
			}
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// outcome changes a claimed copy to what the operator said of it.
func (b *batch) outcome(j *job, f *alert.Family, now time.Time) bool {
	if j.claim != alert.Claimed {
		return false
	}
	c := find(f, j.ref)
	if c == nil {
		return false
	}
	before := *c
	var failed *mail.SendError
	switch {
	case !j.tried:
		c.Release(b.Worker, now)
	case j.err == nil:
		c.Accept(now)
	case errors.Is(j.err, mail.ErrExpired):
		c.Cancel(b.Worker, now)
	case !errors.As(j.err, &failed), failed.Scope == mail.ScopeOperator && !failed.Maybe:
		c.Release(b.Worker, now)
	case failed.Permanent:
		c.Refuse(b.Worker, why(failed), now)
	default:
		c.Delay(b.Worker, why(failed), now)
	}
	j.copy = *c
	return *c != before
}

func why(e *mail.SendError) alert.Failure {
	return alert.Failure{Code: e.Code, Status: e.Enhanced, Reason: e.Text, Unsure: e.Maybe}
}

// retry returns, for a copy that the operator put off, the op that has it tried
// again in the same write.
func (j *job) retry(b *batch) func() []table.Op {
	return func() []table.Op {
		if j.copy.State != alert.Delayed {
			return nil
		}
		d := alert.Due{CopyRef: j.ref, Group: j.copy.Group(), Tries: j.copy.Tries}
		return []table.Op{alert.DueOp(d, b.Now().Add(retryDelay(j.copy.Tries)))}
	}
}

// count sets how many messages, from the first, are dealt with: the rest were
// put back, and go back to the queue in their order.
func (b *batch) count() {
	for i := range b.copies {
		j := &b.copies[i]
		if j.claim == alert.Held || !j.dropped && j.claim == alert.Claimed && (!j.tried || j.copy.State == alert.Queued) {
			break
		}
		b.handled = i + 1
	}
}
