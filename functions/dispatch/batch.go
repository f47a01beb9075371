package dispatch

import (
	"context"
	"errors"
	"slices"
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
	group    string // the slot's message group
	msgs     []events.SQSMessage
	copies   []job
	runs     []*run
	families *alert.Editor
	writers  map[writerKey]*letter.Writer
	handled  int           // how many of msgs, from the first, need no second try
	wait     time.Duration // how long the rest is to be hidden; 0: about Pause
}

// job is one copy of the batch.
type job struct {
	message string // its id
	ref     alert.CopyRef
	alert   alert.Alert
	copy    alert.Copy // as last seen
	fate    fate
	err     error // what the operator said
}

// fate is how far a copy has come in this batch.
type fate int

const (
	waiting fate = iota // goes back to the queue
	over                // needs no sending, or never will
	taken               // in hand
	tried               // the operator was asked
)

// run is the copies of one alert, in their order: what is taken in one write, and
// recorded in one.
type run struct {
	alert alert.Alert
	jobs  []*job
	hand  *alert.Hand // nil until it was read
}

type writerKey struct {
	alert string
	round int
}

func (b *batch) run(ctx context.Context) error {
	if err := b.read(ctx); err != nil {
		return err
	}
	err := b.take(ctx)
	if err == nil {
		err = b.send(ctx)
	}
	if err := errors.Join(err, b.record(ctx)); err != nil {
		return err // what was taken and not sent has been put back, if it could be
	}
	b.count()
	if b.handled < len(b.msgs) {
		return errWait
	}
	return nil
}

// read decodes the messages and reads their alerts, each once.
func (b *batch) read(ctx context.Context) error {
	b.copies = make([]job, len(b.msgs))
	byAlert := map[string]*run{}
	for i, m := range b.msgs {
		j := &b.copies[i]
		j.message = m.MessageId
		ref, err := alert.ParseCopyRef(m.Body)
		if err != nil {
			b.drop(j, err)
			continue
		}
		j.ref = ref
		r, ok := byAlert[ref.Alert]
		if !ok {
			a, err := b.Alerts.Alert(ctx, ref.Alert)
			if err != nil && !errors.Is(err, alert.ErrNotFound) {
				return err
			}
			r = &run{alert: a}
			byAlert[ref.Alert] = r
			b.runs = append(b.runs, r)
		}
		j.alert = r.alert
		if r.alert.ID == "" {
			b.drop(j, alert.ErrNotFound)
			continue
		}
		r.jobs = append(r.jobs, j)
	}
	return nil
}

// drop tells of a message that will never name a copy: one that is malformed, or
// whose alert or family is gone. It is taken as handled, or it would hold up its
// slot for as long as a queue tries.
func (b *batch) drop(j *job, why error) {
	j.fate = over
	b.Log.Error("a message of no copy", "message", j.message, "err", why)
}

// dropMissing drops the copies of a run whose families are gone.
func (b *batch) dropMissing(ctx context.Context, r *run) error {
	for _, j := range r.jobs {
		_, err := b.Alerts.Family(ctx, j.ref.Ref)
		switch {
		case errors.Is(err, alert.ErrNotFound):
			b.drop(j, err)
		case err != nil:
			return err
		}
	}
	r.jobs = slices.DeleteFunc(r.jobs, func(j *job) bool { return j.fate == over })
	return nil
}

// take takes the runs in hand, as far as the first that another worker has.
func (b *batch) take(ctx context.Context) error {
	for _, r := range b.runs {
		err := b.takeRun(ctx, r)
		if errors.Is(err, alert.ErrNotFound) {
			err = b.dropMissing(ctx, r)
			if err == nil {
				err = b.takeRun(ctx, r)
			}
		}
		if errors.Is(err, errHeld) {
			return nil
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// errHeld says that another worker has the slot.
var errHeld = errors.New("dispatch: another worker has the slot")

// takeTries is how often a slot is looked at again that others have taken and left
// in between.
const takeTries = 5

// takeRun takes a run's copies in hand. It must read the hand before the copies:
// see alert.Hand.
func (b *batch) takeRun(ctx context.Context, r *run) error {
	if len(r.jobs) == 0 {
		return nil
	}
	for range takeTries {
		h, err := b.Alerts.Hand(ctx, r.alert.ID, b.group)
		if err != nil {
			return err
		}
		now := b.Now().UTC()
		if until, held := h.Held(b.Worker, now); held {
			b.wait = max(until.Sub(now), time.Second)
			return errHeld
		}
		refs, err := b.look(ctx, r, now)
		if err != nil {
			return err
		}
		err = b.families.Take(ctx, h, b.Worker, now, refs)
		if !errors.Is(err, alert.ErrTaken) {
			r.hand = h
			return err
		}
		b.families = b.Alerts.Editor()
	}
	return errHeld
}

// look reads a run's copies and returns those that are to be sent. A message can
// come twice in one batch.
func (b *batch) look(ctx context.Context, r *run, now time.Time) ([]alert.CopyRef, error) {
	var refs []alert.CopyRef
	useful := r.alert.Useful(now)
	changes := make([]alert.Change, len(r.jobs))
	for i, j := range r.jobs {
		changes[i] = alert.Change{Ref: j.ref.Ref, Apply: func(f *alert.Family) bool {
			c := find(f, j.ref)
			j.fate = over
			if c == nil {
				return false
			}
			j.copy = *c
			if useful && c.Waits() && !slices.Contains(refs, j.ref) {
				j.fate = taken
				refs = append(refs, j.ref)
			}
			return false
		}}
	}
	return refs, b.families.Update(ctx, changes...)
}

func find(f *alert.Family, ref alert.CopyRef) *alert.Copy {
	i := f.Copy(ref.Contact, ref.Round)
	if i < 0 {
		return nil
	}
	return &f.Copies[i]
}

// send hands the copies in hand to the operator, as far as the first that waits.
func (b *batch) send(ctx context.Context) error {
	var msgs []*mail.Message
	var jobs []*job
	for i := range b.copies {
		j := &b.copies[i]
		if j.fate == waiting {
			break
		}
		if j.fate != taken {
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
		jobs[i].fate, jobs[i].err = tried, err
		b.heed(err)
		if errors.Is(err, mail.ErrInvalid) {
			b.Log.Error("a mail that cannot be written", "copy", msgs[i].ID, "err", err)
		}
	})
	return nil
}

// heed has what goes back to the queue wait for as long as the operator says that
// trying again is of no use.
func (b *batch) heed(err error) {
	var failed *mail.SendError
	if errors.As(err, &failed) && failed.Scope == mail.ScopeOperator {
		b.wait = max(b.wait, failed.RetryAfter)
	}
}

// spare is the time of an invocation that is kept for recording what was sent.
const spare = 5 * time.Second

// inTime returns a context that ends before the invocation does: what has not been
// sent by then is put back, instead of staying in a dead invocation's hands.
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
	m := w.Letter(j.ref, j.copy.Mailbox, b.BaseURL+"/a/"+token, b.Now())
	m.Unsubscribe, err = b.unsubscribe(j)
	m.OneClick = true
	return m, err
}

// unsubscribeLife is for how long the link that ends notices works.
const unsubscribeLife = 366 * 24 * time.Hour

// unsubscribe is where a mail operator's button leads that ends notices (RFC 8058).
func (b *batch) unsubscribe(j *job) (string, error) {
	token, err := b.Links.Sign(link.Link{
		Kind: link.Leave, Class: j.alert.School, Family: j.ref.Family, Contact: j.ref.Contact, Expires: b.Now().Add(unsubscribeLife),
	})
	return b.BaseURL + "/register/leave/" + token, err
}

// recordTries is how often a record is tried again while the store is busy: what
// is not recorded will be sent twice.
const recordTries = 5

// record writes what became of the copies, and empties the hands.
func (b *batch) record(ctx context.Context) error {
	// A cancelled context must not keep what was sent from being recorded.
	ctx = context.WithoutCancel(ctx)
	now := b.Now().UTC()
	var errs []error
	for _, r := range b.runs {
		if r.hand == nil {
			continue
		}
		changes := b.changes(r, now)
		var err error
		for range recordTries {
			err = b.families.Return(ctx, r.hand, changes...)
			if !errors.Is(err, table.ErrBusy) {
				break
			}
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// changes returns what is to be recorded of a run. What was given up or put back
// is left as it is in the records.
func (b *batch) changes(r *run, now time.Time) []alert.Change {
	var changes []alert.Change
	useful := r.alert.Useful(now)
	for _, j := range r.jobs {
		change := j.outcome(now)
		if change == nil && j.fate == over && !useful {
			change = func(c *alert.Copy) { c.Cancel(now) }
		}
		if change == nil {
			continue
		}
		changes = append(changes, alert.Change{
			Ref: j.ref.Ref,
			Apply: func(f *alert.Family) bool {
				c := find(f, j.ref)
				if c == nil {
					return false
				}
				before := *c
				change(c)
				j.copy = *c
				return *c != before
			},
			More: j.retry(b),
		})
	}
	return changes
}

// outcome returns the change that records what the operator said of the copy. It is
// nil if the copy was not sent and stays as it was.
func (j *job) outcome(now time.Time) func(*alert.Copy) {
	if j.fate != tried {
		return nil
	}
	var failed *mail.SendError
	switch {
	case j.err == nil:
		return func(c *alert.Copy) { c.Accept(now) }
	case errors.Is(j.err, mail.ErrExpired):
		return func(c *alert.Copy) { c.Cancel(now) }
	case !errors.As(j.err, &failed), failed.Scope == mail.ScopeOperator && !failed.Maybe:
		j.fate = waiting
		return nil
	case failed.Permanent:
		return func(c *alert.Copy) { c.Refuse(why(failed), now) }
	}
	return func(c *alert.Copy) { c.Delay(why(failed), now) }
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

// count sets how many messages, from the first, are dealt with: the rest go back
// to the queue in their order.
func (b *batch) count() {
	for i := range b.copies {
		if f := b.copies[i].fate; f == waiting || f == taken {
			break
		}
		b.handled = i + 1
	}
}
