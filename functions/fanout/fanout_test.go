package fanout_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	mathrand "math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/google/go-cmp/cmp"
	"github.com/todoku/todoku/functions/fanout"
	"github.com/todoku/todoku/shared/alert"
	"github.com/todoku/todoku/shared/id"
	"github.com/todoku/todoku/shared/lane"
	"github.com/todoku/todoku/shared/queue"
	"github.com/todoku/todoku/shared/roster"
	"github.com/todoku/todoku/shared/table"
	"github.com/todoku/todoku/shared/table/bbolt/bbolttest"
)

// frail is a table whose writes fail at random, before or after they are done, as
// those of a process that is killed.
type frail struct {
	table.Table
	mu   sync.Mutex
	rand *mathrand.Rand
	odds int // one write in odds fails; 0: none
}

// draw returns a number below odds; while nothing is to fail one that says so.
func (f *frail) draw() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.odds == 0 {
		return 2
	}
	return f.rand.IntN(f.odds)
}

var errKilled = errors.New("killed")

func (f *frail) Write(ctx context.Context, token string, ops ...table.Op) error {
	n := f.draw()
	if n == 0 {
		return errKilled
	}
	err := f.Table.Write(ctx, token, ops...)
	if n == 1 {
		return errors.Join(err, errKilled)
	}
	return err
}

// list is a queue that keeps what it takes, and fails at random.
type list struct {
	frail     *frail
	mu        sync.Mutex
	msgs      []queue.Message
	sends     int                      // calls that queued something
	postponed map[string]time.Duration // by receipt
}

func (l *list) Send(_ context.Context, msgs ...queue.Message) error {
	if err := queue.Check(msgs...); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.frail.draw() == 0 {
		return errKilled
	}
	l.msgs = append(l.msgs, msgs...)
	l.sends += min(len(msgs), 1)
	return nil
}

func (l *list) Postpone(_ context.Context, d time.Duration, receipts ...string) error {
	l.postponed = map[string]time.Duration{}
	for _, r := range receipts {
		l.postponed[r] = d
	}
	return nil
}

// started is a batch of starts of one job.
func started(a alert.Alert, starts int) (e events.SQSEvent) {
	for n := range starts {
		m := alert.JobMessage(a.ID, alert.FanOut, int64(n))
		e.Records = append(e.Records, events.SQSMessage{
			MessageId: m.ID, ReceiptHandle: strconv.Itoa(n), Body: m.Body, Attributes: map[string]string{queue.AttrGroup: m.Group},
		})
	}
	return e
}

// checkPostponed fails unless exactly the messages of a batch were handed back and hidden
// for so long.
func (b *bench) checkPostponed(e events.SQSEvent, r events.SQSEventResponse, by time.Duration) {
	b.t.Helper()
	want := map[string]time.Duration{}
	for _, m := range e.Records {
		want[m.ReceiptHandle] = by
	}
	if diff := cmp.Diff(want, b.copies.postponed); diff != "" || len(r.BatchItemFailures) != len(e.Records) {
		b.t.Errorf("%d of %d handed back; hidden (-want +got):\n%s", len(r.BatchItemFailures), len(e.Records), diff)
	}
}

type bench struct {
	t       *testing.T
	now     time.Time
	frail   *frail
	copies  *list
	handler *fanout.Handler
	log     bytes.Buffer
}

func newBench(t *testing.T, contacts int) *bench {
	t.Helper()
	return newBenchOf(t, contacts, func(*roster.Contact) {})
}

// newBenchOf has change change each contact before it is in the roster.
func newBenchOf(t *testing.T, contacts int, change func(*roster.Contact)) *bench {
	t.Helper()
	b := &bench{t: t, now: time.Date(2026, 9, 1, 8, 0, 0, 0, time.UTC)}
	now := func() time.Time { return b.now }
	tab := bbolttest.Open(t, now)
	b.frail = &frail{Table: tab}
	ids := id.NewSource(now, rand.Reader)
	rost := &roster.Store{Table: tab, IDs: ids, Now: now}
	must(t, rost.PutSchool(t.Context(), roster.School{ID: "school", Name: "見本小学校", Mail: "anzen@school.example.jp", Phone: "03-0000-0000"}))
	groups, families := roster.Big(1, contacts, ids)
	must(t, rost.Load(t.Context(), "school", groups, func(yield func(roster.Family) bool) {
		for f := range families {
			for i := range f.Guardians {
				for k := range f.Guardians[i].Contacts {
					change(&f.Guardians[i].Contacts[k])
				}
			}
			if !yield(f) {
				return
			}
		}
	}))
	lanes, err := lane.Load(nil)
	must(t, err)
	b.copies = &list{frail: b.frail}
	b.handler = &fanout.Handler{
		Alerts: &alert.Store{Table: b.frail, IDs: ids, Now: now}, Roster: rost, Lanes: lanes,
		Jobs: b.copies, Copies: b.copies, Now: now, Log: slog.New(slog.NewTextHandler(&b.log, nil)),
	}
	return b
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (b *bench) accept(change func(d *alert.Draft)) alert.Alert {
	b.t.Helper()
	d := alert.Draft{School: "school", Kind: alert.Safety, Subject: "台風", Body: "回答してください。", All: true, UsefulUntil: b.now.Add(time.Hour)}
	change(&d)
	a, _, err := b.handler.Alerts.Accept(b.t.Context(), d, "")
	must(b.t, err)
	return a
}

// run does a job, again and again until it is done.
func (b *bench) run(a alert.Alert, job alert.Job) (tries int) {
	b.t.Helper()
	m := alert.JobMessage(a.ID, job, 0)
	e := events.SQSEvent{Records: []events.SQSMessage{{MessageId: "1", Body: m.Body, Attributes: map[string]string{queue.AttrGroup: m.Group}}}}
	for tries = 1; tries < 1000; tries++ {
		r, err := b.handler.Handle(b.t.Context(), e)
		must(b.t, err)
		if len(r.BatchItemFailures) == 0 {
			return tries
		}
	}
	b.t.Fatalf("not done after %d tries:\n%.2000s", tries, b.log.String())
	return tries
}

func (b *bench) status(a alert.Alert) alert.Status {
	b.t.Helper()
	st, err := b.handler.Alerts.Status(b.t.Context(), a)
	must(b.t, err)
	return st
}

// refs returns the copies that messages name, as often as they do. It fails if a
// message holds copies of another slot than its group's, or too many.
func (b *bench) refs() []alert.CopyRef {
	b.t.Helper()
	var refs []alert.CopyRef
	for _, m := range b.copies.msgs {
		named, err := alert.ParseCopies(m.Body)
		must(b.t, err)
		if len(named) > alert.MaxBundle {
			b.t.Errorf("a message names %d copies", len(named))
		}
		for _, ref := range named {
			a, err := b.handler.Alerts.Alert(b.t.Context(), ref.Alert)
			must(b.t, err)
			f, err := b.handler.Alerts.Family(b.t.Context(), ref.Ref)
			must(b.t, err)
			c, place := f.Copies[f.Copy(ref.Contact, ref.Round)], lane.PlaceOf(m.Group)
			if !place.Last() {
				c.Slot %= lane.MaxSlots
			}
			if c.Group(a) != m.Group {
				b.t.Errorf("a copy of slot %s is in a message of %s", c.Group(a), m.Group)
			}
		}
		refs = append(refs, named...)
	}
	return refs
}

// queued counts the copies in the queue, each once.
func (b *bench) queued() map[alert.CopyRef]bool {
	seen := map[alert.CopyRef]bool{}
	for _, ref := range b.refs() {
		seen[ref] = true
	}
	return seen
}

func TestEveryContactOnce(t *testing.T) {
	b := newBench(t, 500)
	a := b.accept(func(*alert.Draft) {})
	b.run(a, alert.FanOut)
	st := b.status(a)
	if st.Copies.Total != 500 || st.Copies.By["queued"] != 500 || !st.FanOut.Done {
		t.Errorf("copies %d, queued %d, done %v; want 500, 500, true", st.Copies.Total, st.Copies.By["queued"], st.FanOut.Done)
	}
	if len(b.refs()) != 500 || len(b.queued()) != 500 {
		t.Errorf("%d copies are queued, %d different ones; want 500 each", len(b.refs()), len(b.queued()))
	}
	if n := len(b.copies.msgs); n > 250 {
		t.Errorf("%d messages for 500 copies: neighbours of a lane should go together", n)
	}
	b.run(a, alert.FanOut) // the message comes again
	if len(b.refs()) != 500 {
		t.Errorf("a repeated start queued %d more", len(b.refs())-500)
	}
}

// TestCutOff cuts the fan-out off at random writes: in the end every contact has
// one copy, every copy is queued, and the totals are right.
func TestCutOff(t *testing.T) {
	for _, strands := range []int{1, 4} {
		t.Run(fmt.Sprintf("strands=%d", strands), func(t *testing.T) { testCutOff(t, strands) })
	}
}

func testCutOff(t *testing.T, strands int) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	b := newBench(t, 800)
	b.handler.Strands = strands
	a := b.accept(func(*alert.Draft) {})
	b.frail.rand, b.frail.odds = mathrand.New(mathrand.NewPCG(seed, 2)), 8
	tries := b.run(a, alert.FanOut)
	b.frail.odds = 0
	st := b.status(a)
	t.Logf("%d tries, %d messages", tries, len(b.copies.msgs))
	if st.Copies.Total != 800 || len(b.queued()) != 800 {
		t.Errorf("copies %d, queued %d; want 800 each", st.Copies.Total, len(b.queued()))
	}
	var children, classes int64
	cs, _, err := b.handler.Alerts.Classes(t.Context(), a.ID, "", 0)
	must(t, err)
	for _, c := range cs {
		classes += c.Total
	}
	for cursor := ""; ; {
		lines, next, err := b.handler.Alerts.AllChildren(t.Context(), a.ID, cursor, 500)
		must(t, err)
		children += int64(len(lines))
		if cursor = next; next == "" {
			break
		}
	}
	if st.Children.Total != children || classes != children {
		t.Errorf("children: total %d, in classes %d, listed %d; want them the same", st.Children.Total, classes, children)
	}
}

func TestGroupsOverlap(t *testing.T) {
	b := newBench(t, 300)
	groups, err := b.handler.Roster.Groups(t.Context(), "school")
	must(t, err)
	var ids []string
	for _, g := range groups {
		ids = append(ids, g.ID) // classes, grades and clubs together
	}
	a := b.accept(func(d *alert.Draft) { d.All, d.Groups = false, ids })
	b.run(a, alert.FanOut)
	if st := b.status(a); st.Copies.Total != 300 || len(b.refs()) != 300 {
		t.Errorf("copies %d, queued %d; want 300 each", st.Copies.Total, len(b.refs()))
	}
}

func TestGroupVanished(t *testing.T) {
	b := newBench(t, 50)
	a := b.accept(func(d *alert.Draft) { d.All, d.Groups = false, []string{"class-99"} })
	b.run(a, alert.FanOut)
	if st := b.status(a); st.Copies.Total != 0 || !st.FanOut.Done {
		t.Errorf("copies %d, done %v; want none, and an end", st.Copies.Total, st.FanOut.Done)
	}
}

func TestWaitsForTheUndoWindow(t *testing.T) {
	b := newBench(t, 50)
	a := b.accept(func(d *alert.Draft) { d.Undo = alert.UndoWindow })
	e := started(a, 1)
	r, err := b.handler.Handle(t.Context(), e)
	must(t, err)
	b.checkPostponed(e, r, alert.UndoWindow)
	_, err = b.handler.Alerts.Undo(t.Context(), a.ID)
	must(t, err)
	b.run(a, alert.FanOut)
	if st := b.status(a); st.Copies.Total != 0 || len(b.copies.msgs) != 0 {
		t.Errorf("an undone alert made %d copies", st.Copies.Total)
	}
}

func TestClosedWhileFanningOut(t *testing.T) {
	b := newBench(t, 200)
	a := b.accept(func(*alert.Draft) {})
	_, err := b.handler.Alerts.Close(t.Context(), a.ID)
	must(t, err)
	b.run(a, alert.FanOut)
	if st := b.status(a); st.Copies.By["cancelled"] != 200 || len(b.copies.msgs) != 0 {
		t.Errorf("cancelled %d, queued %d; want all counted and none queued", st.Copies.By["cancelled"], len(b.copies.msgs))
	}
}

func TestCancel(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	b := newBench(t, 300)
	a := b.accept(func(*alert.Draft) {})
	b.run(a, alert.FanOut)
	b.now = b.now.Add(2 * time.Hour)
	b.frail.rand, b.frail.odds = mathrand.New(mathrand.NewPCG(seed, 3)), 5
	b.run(a, alert.Cancel)
	if st := b.status(a); st.Copies.By["cancelled"] != 300 {
		t.Errorf("copies after the end: %v, want all cancelled", st.Copies.By)
	}
}

// TestRemind has half of the copies sent and some children answered for: only the
// contacts that were reached and have not answered are written to again.
func TestRemind(t *testing.T) {
	b := newBench(t, 100)
	a := b.accept(func(d *alert.Draft) { d.RemindAfter = 10 * time.Minute })
	b.run(a, alert.FanOut)
	want := map[string]bool{}
	for i, ref := range b.refs() {
		must(t, b.handler.Alerts.Update(t.Context(), alert.Change{Ref: ref.Ref, Apply: func(f *alert.Family) bool {
			if i%2 == 0 {
				f.Copies[f.Copy(ref.Contact, 0)].Accept(b.now)
			}
			if i%5 == 0 {
				for j := range f.Children {
					f.Children[j].Answer = &alert.Answer{Choice: "safe", At: b.now}
				}
			}
			return true
		}}))
	}
	for _, ref := range b.refs() {
		f, err := b.handler.Alerts.Family(t.Context(), ref.Ref)
		must(t, err)
		if f.Copies[f.Copy(ref.Contact, 0)].State == alert.Sent && f.Children[0].Answer == nil {
			want[ref.Contact] = true
		}
	}
	b.copies.msgs = nil
	b.run(a, alert.Remind)
	b.run(a, alert.RemindJob(1, true))
	got := map[string]bool{}
	for _, ref := range b.refs() {
		if ref.Round == 1 {
			got[ref.Contact] = true
		}
	}
	if len(got) != len(want) || len(want) == 0 {
		t.Errorf("%d reminders, want %d", len(got), len(want))
	}
	for c := range got {
		if !want[c] {
			t.Errorf("a reminder to %s, who has answered or was not told", c)
		}
	}
	if st := b.status(a); st.Copies.Total != int64(100+len(want)) {
		t.Errorf("copies %d, want 100 and %d reminders", st.Copies.Total, len(want))
	}
	b.checkSince(a)
	for _, ref := range b.refs() {
		must(t, b.handler.Alerts.Update(t.Context(), alert.Change{Ref: ref.Ref, Apply: func(f *alert.Family) bool {
			if ref.Round == 0 {
				f.Copies[f.Copy(ref.Contact, 0)].Accept(b.now)
			}
			return ref.Round == 0
		}}))
	}
	b.checkSince(a)
}

// checkSince fails unless each lane with waiting copies says since when: since the alert's
// beginning while one of its own waits, then since that of the wave.
func (b *bench) checkSince(a alert.Alert) {
	b.t.Helper()
	own, lanes := map[string]bool{}, 0
	for _, ref := range b.refs() {
		f, err := b.handler.Alerts.Family(b.t.Context(), ref.Ref)
		must(b.t, err)
		if c := f.Copies[f.Copy(ref.Contact, ref.Round)]; c.Round == 0 && c.State == alert.Queued {
			own[c.Lane] = true
		}
	}
	for _, l := range b.status(a).Lanes {
		if l.Waiting() == 0 {
			continue
		}
		lanes++
		if own[l.Lane] != l.Since.Equal(a.Starts) || !own[l.Lane] && l.Since.Before(a.Starts.Add(a.RemindAfter)) {
			b.t.Errorf("%s: %d copies wait since %v, one of the first: %v; the alert began at %v", l.Lane, l.Waiting(), l.Since, own[l.Lane], a.Starts)
		}
	}
	if lanes < 3 {
		b.t.Errorf("copies wait in %d lanes, too few to tell", lanes)
	}
}

// brief is a context with a second left, which is less than what is kept for handing back,
// however slow the machine is.
type brief struct{ context.Context }

// Deadline implements context.Context.
func (brief) Deadline() (time.Time, bool) { return time.Now().Add(time.Second), true }

// TestRunsOutOfTime gives each invocation the time for a few steps only: the job
// goes on at once, again and again, until it is done.
func TestRunsOutOfTime(t *testing.T) {
	b := newBench(t, 400)
	a := b.accept(func(*alert.Draft) {})
	e := started(a, 1)
	ctx := brief{t.Context()}
	r, err := b.handler.Handle(ctx, e)
	must(t, err)
	b.checkPostponed(e, r, 0)
	b.run(a, alert.FanOut)
	if st := b.status(a); st.Copies.Total != 400 {
		t.Errorf("copies %d, want 400", st.Copies.Total)
	}
}

// TestFailedJobWaitsAMoment, and with it the starts of the same job that came with it.
func TestFailedJobWaitsAMoment(t *testing.T) {
	for _, starts := range []int{1, 2} {
		b := newBench(t, 10)
		e := started(b.accept(func(*alert.Draft) {}), starts)
		b.frail.rand, b.frail.odds = mathrand.New(mathrand.NewPCG(1, 1)), 1
		r, err := b.handler.Handle(t.Context(), e)
		must(t, err)
		b.checkPostponed(e, r, 2*time.Second)
	}
}

func TestNotAJob(t *testing.T) {
	b := newBench(t, 1)
	for _, body := range []string{"", "{", `{"alert":"x","job":"fanout"}`} {
		r, err := b.handler.Handle(t.Context(), events.SQSEvent{Records: []events.SQSMessage{{MessageId: "1", Body: body}}})
		if err != nil || len(r.BatchItemFailures) != 1 {
			t.Errorf("%q: %v, %v; want it handed back", body, r, err)
		}
	}
	if strings.Contains(b.log.String(), "@") {
		t.Error("the log holds an address")
	}
}
