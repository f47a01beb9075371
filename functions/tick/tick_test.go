package tick_test

import (
	"context"
	"crypto/rand"
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/google/go-cmp/cmp"
	"github.com/todoku/todoku/functions/tick"
	"github.com/todoku/todoku/shared/alert"
	"github.com/todoku/todoku/shared/id"
	"github.com/todoku/todoku/shared/queue"
	"github.com/todoku/todoku/shared/table"
	"github.com/todoku/todoku/shared/table/bbolt/bbolttest"
)

// sent is a queue that keeps what it takes, and drops repeated messages as a queue
// does.
type sent struct {
	seen map[string]bool
	jobs []alert.Job
}

func (s *sent) Send(_ context.Context, msgs ...queue.Message) error {
	for _, m := range msgs {
		if s.seen[m.ID] {
			continue
		}
		s.seen[m.ID] = true
		j, err := alert.ParseJobRef(m.Body)
		if err != nil {
			return err
		}
		s.jobs = append(s.jobs, j.Job)
	}
	return nil
}

type bench struct {
	t       *testing.T
	now     time.Time
	jobs    *sent
	handler *tick.Handler
}

func newBench(t *testing.T) *bench {
	t.Helper()
	b := &bench{t: t, now: time.Date(2026, 9, 1, 8, 0, 0, 0, time.UTC), jobs: &sent{seen: map[string]bool{}}}
	now := func() time.Time { return b.now }
	tab := bbolttest.Open(t, now)
	b.handler = &tick.Handler{
		Alerts: &alert.Store{Table: tab, IDs: id.NewSource(now, rand.Reader), Now: now},
		Jobs:   b.jobs, Copies: b.jobs, Now: now, Log: slog.New(slog.NewTextHandler(t.Output(), nil)),
	}
	return b
}

func (b *bench) must(err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
}

func (b *bench) accept(undo, remind time.Duration) alert.Alert {
	b.t.Helper()
	a, _, err := b.handler.Alerts.Accept(b.t.Context(), alert.Draft{
		School: "s", Kind: alert.Safety, Subject: "台風", Body: "回答してください。", All: true,
		UsefulUntil: b.now.Add(time.Hour), Undo: undo, RemindAfter: remind,
	}, "")
	b.must(err)
	return a
}

// done says that a job of the alert is done.
func (b *bench) done(a alert.Alert, job alert.Job) {
	b.t.Helper()
	p, err := b.handler.Alerts.Progress(b.t.Context(), a.ID, job)
	b.must(err)
	p.Done, p.Children = true, 1
	b.must(b.handler.Alerts.SaveProgress(b.t.Context(), a, &p))
}

// tickEverySecond runs for a time and returns the jobs that were started.
func (b *bench) tickEverySecond(d time.Duration) []alert.Job {
	b.t.Helper()
	b.jobs.jobs = nil
	for end := b.now.Add(d); b.now.Before(end); b.now = b.now.Add(time.Second) {
		b.must(b.handler.Handle(b.t.Context(), events.CloudWatchEvent{}))
	}
	return b.jobs.jobs
}

func (b *bench) want(got []alert.Job, want ...alert.Job) {
	b.t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		b.t.Errorf("jobs (-want +got):\n%s", diff)
	}
}

func TestStartThatWasLost(t *testing.T) {
	b := newBench(t)
	b.accept(alert.UndoWindow, 0)
	b.want(b.tickEverySecond(alert.UndoWindow + tick.Grace))
	if got := b.tickEverySecond(3 * tick.Grace); len(got) == 0 || got[0] != alert.FanOut {
		t.Errorf("jobs = %v, want the fan-out started", got)
	}
}

func TestJobThatStandsStill(t *testing.T) {
	b := newBench(t)
	a := b.accept(0, 0)
	p, err := b.handler.Alerts.Progress(t.Context(), a.ID, alert.FanOut)
	b.must(err)
	b.must(b.handler.Alerts.SaveProgress(t.Context(), a, &p)) // begun, not done
	b.want(b.tickEverySecond(tick.Patience))
	if got := b.tickEverySecond(tick.Patience); len(got) == 0 || len(got) > 2 {
		t.Errorf("jobs = %v, want the fan-out started again, and not all the time", got)
	}
}

func TestLifeOfAnAlert(t *testing.T) {
	b := newBench(t)
	a := b.accept(0, 20*time.Minute)
	b.done(a, alert.FanOut)
	b.want(b.tickEverySecond(20 * time.Minute))
	b.want(b.tickEverySecond(2*time.Second), alert.Remind)
	b.done(a, alert.Remind)
	b.want(b.tickEverySecond(alert.RestAfter - 2*time.Second))
	b.want(b.tickEverySecond(2*time.Second), alert.RemindJob(1, true))
	b.done(a, alert.RemindJob(1, true))
	b.want(b.tickEverySecond(35*time.Minute - 2*time.Second))
	b.want(b.tickEverySecond(2*time.Second), alert.Cancel)
	b.done(a, alert.Cancel)
	b.want(b.tickEverySecond(time.Minute))
	open, _, err := b.handler.Alerts.Open(t.Context(), "", 10)
	b.must(err)
	if len(open) != 0 {
		t.Errorf("%d alerts are still looked after, want none", len(open))
	}
}

func TestClosedAlertIsCancelledAtOnce(t *testing.T) {
	b := newBench(t)
	a := b.accept(0, 0)
	b.done(a, alert.FanOut)
	_, err := b.handler.Alerts.Close(t.Context(), a.ID)
	b.must(err)
	b.want(b.tickEverySecond(2*time.Second), alert.Cancel)
}

// TestLooksAfterAll has more alerts to look after than one page of them.
func TestLooksAfterAll(t *testing.T) {
	b := newBench(t)
	const many = 250 // more than a page
	for range many {
		a := b.accept(0, 0)
		b.done(a, alert.FanOut)
		_, err := b.handler.Alerts.Close(t.Context(), a.ID)
		b.must(err)
	}
	if got := b.tickEverySecond(time.Second); len(got) != many {
		t.Errorf("%d jobs started, want %d", len(got), many)
	}
}

// slow is a queue of copies that takes its time.
type slow struct {
	b    *bench
	seen map[string]int
}

func (s *slow) Send(_ context.Context, msgs ...queue.Message) error {
	s.b.now = s.b.now.Add(7 * time.Second)
	for _, m := range msgs {
		s.seen[m.ID]++
	}
	return nil
}

// TestMoreDueThanARunPutsBack: what stands behind the copies has its turn in each run, and
// the copies go on in the next.
func TestMoreDueThanARunPutsBack(t *testing.T) {
	b := newBench(t)
	copies := &slow{b: b, seen: map[string]int{}}
	b.handler.Copies = copies
	turns := 0
	b.handler.Also = []func(context.Context) error{func(context.Context) error { turns++; return nil }}
	const many = 1000
	var ops []table.Op
	for range many {
		ops = append(ops, alert.DueOp(alert.Due{CopyRef: alert.CopyRef{Contact: b.handler.Alerts.IDs.New()}, Group: "docomo#0"}, b.now))
	}
	for some := range slices.Chunk(ops, table.MaxOps) {
		b.must(b.handler.Alerts.Table.Write(t.Context(), "", some...))
	}
	var left []int
	for range 2 {
		b.must(b.handler.Handle(t.Context(), events.CloudWatchEvent{}))
		left = append(left, many-len(copies.seen))
	}
	if diff := cmp.Diff([]int{400, 0}, left); diff != "" || turns != 2 {
		t.Errorf("left after each run (-want +got):\n%s; others had %d turns", diff, turns)
	}
	for id, n := range copies.seen {
		if n != 1 {
			t.Errorf("%s came back %d times", id, n)
		}
	}
}
