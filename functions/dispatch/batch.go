package dispatch

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/todoku/todoku/shared/alert"
	"github.com/todoku/todoku/shared/lane/gate"
	"github.com/todoku/todoku/shared/lang"
	"github.com/todoku/todoku/shared/letter"
	"github.com/todoku/todoku/shared/link"
	"github.com/todoku/todoku/shared/mail"
	"github.com/todoku/todoku/shared/table"
)

// batch is the messages of one slot, at work.
type batch struct {
	*Handler
	group   string // the slot's message group
	msgs    []events.SQSMessage
	writers map[writerKey]*letter.Writer
	known   alert.Alert   // as last read
	handled int           // how many of msgs, from the first, need no second try
	wait    time.Duration // how long the rest is to be hidden; 0: about Pause
	said    error         // what the operator said that cannot be used
}

// run is some copies of one alert, in their order: what is taken in one write, sent
// over one connection, and recorded in one write. Messages are not divided.
type run struct {
	*batch
	alert    alert.Alert
	jobs     []*job
	families *alert.Editor
	hand     *alert.Hand  // nil until it was read
	permit   *gate.Permit // the lane's places for those in hand; nil: none was asked for
	away     bool         // the relay or the account itself could not be used
}

// job is one copy of the batch.
type job struct {
	message int // its place in the batch
	ref     alert.CopyRef
	copy    alert.Copy // as last seen
	lang    lang.Lang  // of its guardian; "": not said
	fate    fate
	moot    bool  // a reminder of what was answered meanwhile
	err     error // what the operator said
	ofLane  bool  // which speaks of the lane: it waits for that, at the head of its slot
}

// fate is how far a copy has come in this batch.
type fate int

const (
	waiting fate = iota // goes back to the queue
	over                // needs no sending, or never will
	taken               // in hand
	tried               // the operator was asked
)

type writerKey struct {
	alert string
	round int
}

// work sends what the messages name, one run after the other. If a run is not
// done to its end, the rest is left to another time.
func (b *batch) work(ctx context.Context) error {
	jobs := make([][]*job, len(b.msgs))
	for i, m := range b.msgs {
		refs, err := alert.ParseCopies(m.Body)
		if err != nil {
			b.drop(i, err)
		}
		for _, ref := range refs {
			jobs[i] = append(jobs[i], &job{message: i, ref: ref})
		}
	}
	for b.handled < len(b.msgs) {
		r := &run{batch: b}
		end := b.handled
		for end < len(jobs) && r.fits(jobs[end]) {
			r.jobs = append(r.jobs, jobs[end]...)
			end++
		}
		err := r.work(ctx)
		if err == nil || errors.Is(err, errWait) {
			b.handled = r.undone(end)
		}
		if err == nil && b.handled < end {
			err = errWait
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// fits reports whether the copies of one more message go with the run's.
func (r *run) fits(jobs []*job) bool {
	if len(r.jobs) == 0 || len(jobs) == 0 {
		return true
	}
	return len(r.jobs)+len(jobs) <= cmp.Or(r.Worker.Hand, alert.MaxBundle) && r.jobs[0].ref.Alert == jobs[0].ref.Alert
}

// undone returns the place of the first message that has a copy which goes back to
// the queue, or else the end.
func (r *run) undone(end int) int {
	for _, j := range r.jobs {
		if j.fate == waiting || j.fate == taken {
			return j.message
		}
	}
	return end
}

// work does one run.
func (r *run) work(ctx context.Context) error {
	if len(r.jobs) == 0 {
		return nil
	}
	if !r.admitted(ctx) {
		return errWait
	}
	defer r.leaveLane(ctx)
	a, err := r.Alerts.Newer(ctx, r.jobs[0].ref.Alert, r.known)
	if errors.Is(err, alert.ErrNotFound) {
		for _, j := range r.jobs {
			r.dropJob(j, err)
		}
		return nil
	}
	if err != nil {
		return err
	}
	r.alert, r.known, r.families = a, a, r.Alerts.Editor()
	if parked, err := r.park(ctx); parked || err != nil {
		return err
	}
	if err := r.takeKnown(ctx); err != nil || len(r.jobs) == 0 {
		return err
	}
	err = r.send(ctx)
	r.leaveLane(ctx)
	// What was taken and not sent is put back, if it can be.
	err = errors.Join(err, r.record(ctx))
	r.hear(ctx)
	return err
}

// drop tells of a message that will never name a copy: one that is malformed, or
// whose alert or family is gone. It is taken as handled, or it would hold up its
// slot for as long as a queue tries.
func (b *batch) drop(message int, why error) {
	b.Log.Error("a message of no copy", "message", b.msgs[message].MessageId, "err", why)
}

func (b *batch) dropJob(j *job, why error) {
	j.fate = over
	b.drop(j.message, why)
}

// dropMissing drops the copies of a run whose families are gone.
func (r *run) dropMissing(ctx context.Context) error {
	var there []*job
	for _, j := range r.jobs {
		_, err := r.Alerts.Family(ctx, j.ref.Ref)
		switch {
		case errors.Is(err, alert.ErrNotFound):
			r.dropJob(j, err)
		case err != nil:
			return err
		default:
			there = append(there, j)
		}
	}
	r.jobs = there
	return nil
}

// takeKnown takes the run's copies in hand, but for those that are gone.
func (r *run) takeKnown(ctx context.Context) error {
	err := r.take(ctx)
	if !errors.Is(err, alert.ErrNotFound) {
		return err
	}
	if err := r.dropMissing(ctx); err != nil || len(r.jobs) == 0 {
		return err
	}
	r.families = r.Alerts.Editor() // what it has read is older than the hand that is read next
	return r.take(ctx)
}

// takeTries is how often a slot is looked at again that others have taken and left
// in between.
const takeTries = 5

// take takes the copies in hand. It must read the hand before the copies: see
// alert.Hand.
func (r *run) take(ctx context.Context) error {
	for range takeTries {
		h, err := r.Alerts.Hand(ctx, r.alert.ID, r.group)
		if err != nil {
			return err
		}
		now := r.Now().UTC()
		if until, held := h.Held(r.Worker, now); held {
			r.wait = max(until.Sub(now), time.Second)
			return errWait
		}
		refs, err := r.look(ctx, now)
		if err != nil {
			return err
		}
		refs = r.fit(refs)
		err = r.families.Take(ctx, h, r.Worker, now, refs)
		if !errors.Is(err, alert.ErrTaken) {
			r.hand = h
			return err
		}
		r.families = r.Alerts.Editor()
		for _, j := range r.jobs {
			j.fate = waiting
		}
	}
	return errWait
}

// look reads the copies and returns those that are to be sent. A message can come
// twice in one batch.
func (r *run) look(ctx context.Context, now time.Time) ([]alert.CopyRef, error) {
	var refs []alert.CopyRef
	useful := r.alert.Useful(now)
	families := make([]alert.Ref, len(r.jobs))
	for i, j := range r.jobs {
		families[i] = j.ref.Ref
	}
	err := r.families.Look(ctx, families, func(i int, f *alert.Family) {
		j := r.jobs[i]
		c := find(f, j.ref)
		j.fate = over
		if c == nil {
			return
		}
		j.copy = *c
		if c.Guardian < len(f.Guardians) {
			j.lang = lang.Lang(f.Guardians[c.Guardian].Lang)
		}
		j.moot = c.Round > 0 && !f.Awaits(c.Guardian)
		if useful && !j.moot && c.Waits() && !slices.Contains(refs, j.ref) {
			j.fate = taken
			refs = append(refs, j.ref)
		}
	})
	return refs, err
}

func find(f *alert.Family, ref alert.CopyRef) *alert.Copy {
	i := f.Copy(ref.Contact, ref.Round)
	if i < 0 {
		return nil
	}
	return &f.Copies[i]
}

// send hands the copies in hand to the operator.
func (r *run) send(ctx context.Context) error {
	var msgs []*mail.Message
	var jobs []*job
	for _, j := range r.jobs {
		if j.fate != taken {
			continue
		}
		m, err := r.letter(ctx, j)
		if err != nil {
			return err
		}
		msgs, jobs = append(msgs, m), append(jobs, j)
	}
	if len(msgs) == 0 {
		return nil
	}
	r.transmit(ctx, msgs, jobs)
	return nil
}

// heed has what goes back to the queue wait for as long as the operator says that
// trying again is of no use.
func (b *batch) heed(err error) {
	var failed *mail.SendError
	if errors.As(err, &failed) && failed.Scope == mail.ScopeOperator {
		b.wait, b.said = max(b.wait, failed.RetryAfter), err
	}
}

// letter writes a copy's mail.
func (r *run) letter(ctx context.Context, j *job) (*mail.Message, error) {
	key := writerKey{j.ref.Alert, j.ref.Round}
	w, ok := r.writers[key]
	if !ok {
		school, err := r.Roster.School(ctx, r.alert.School)
		if err != nil {
			return nil, err
		}
		w = letter.NewWriter(r.alert, school, j.ref.Round, r.Replies != "")
		r.writers[key] = w
	}
	token, err := r.Links.Sign(link.Link{
		Kind: link.Answer, Alert: j.ref.Alert, Class: j.ref.Class, Family: j.ref.Family, Contact: j.ref.Contact,
		Expires: r.alert.UsefulUntil,
	})
	if err != nil {
		return nil, err
	}
	m := w.Letter(j.ref, j.lang, j.copy.Mailbox, r.BaseURL+link.Answer.Path()+token, r.Now())
	m.Unsubscribe, err = r.unsubscribe(j)
	m.OneClick = true
	if r.Replies != "" && err == nil {
		var local string
		local, err = r.Links.SignReply(j.ref.Alert, j.ref.Family)
		m.ReplyTo.Address = local + "@" + r.Replies
	}
	return m, err
}

// unsubscribeLife is for how long the link that ends notices works.
const unsubscribeLife = 366 * 24 * time.Hour

// unsubscribe is where a mail operator's button leads that ends notices (RFC 8058).
func (r *run) unsubscribe(j *job) (string, error) {
	token, err := r.Links.Sign(link.Link{
		Kind: link.Leave, Class: r.alert.School, Family: j.ref.Family, Contact: j.ref.Contact, Expires: r.Now().Add(unsubscribeLife),
	})
	return r.BaseURL + link.Leave.Path() + token, err
}

// recordTries is how often a record is tried again while the store is busy: what
// is not recorded will be sent twice.
const recordTries = 5

// record writes what became of the copies, and empties the hand.
func (r *run) record(ctx context.Context) error {
	// A cancelled context must not keep what was sent from being recorded.
	ctx = context.WithoutCancel(ctx)
	changes := r.changes(r.Now().UTC())
	var err error
	for range recordTries {
		err = r.families.Return(ctx, r.hand, changes...)
		if !errors.Is(err, table.ErrBusy) {
			break
		}
	}
	return err
}

// changes returns what is to be recorded. What was given up or put back
// is left as it is in the records.
func (r *run) changes(now time.Time) []alert.Change {
	var changes []alert.Change
	useful := r.alert.Useful(now)
	for _, j := range r.jobs {
		change := j.outcome(now)
		if change == nil && j.fate == over && (!useful || j.moot) {
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
			More: r.retry(j),
		})
	}
	return changes
}

// outcome returns the change that records what the operator said of the copy. It is
// nil if the copy was not sent and stays as it was. It also decides which of those that
// were tried go back to the queue: after sooner, which counts those that had no place, and
// before hear and undone.
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
	case j.ofLane:
		j.fate = waiting
	}
	return func(c *alert.Copy) { c.Delay(why(failed), now) }
}

func why(e *mail.SendError) alert.Failure {
	return alert.Failure{Code: e.Code, Status: e.Enhanced, Reason: e.Text, Unsure: e.Maybe}
}

// retry returns, for a copy that the operator put off, the op that has it tried
// again in the same write. What waits for its lane stays in the queue. It is asked when
// the change was applied, which has set what is known of the copy.
func (r *run) retry(j *job) func() []table.Op {
	return func() []table.Op {
		if j.copy.State != alert.Delayed || j.ofLane {
			return nil
		}
		d := alert.Due{CopyRef: j.ref, Group: r.group, Number: j.copy.Tries}
		return []table.Op{alert.DueOp(d, r.Now().Add(again(j.copy.Reason, j.copy.Tries)))}
	}
}
