package bbolt_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/google/go-cmp/cmp"
	"github.com/todoku/todoku/shared/journal"
	"github.com/todoku/todoku/shared/queue"
	"github.com/todoku/todoku/shared/queue/bbolt"
)

// diary is a handler that notes what it gets, "id(receives)", a line a batch.
type diary struct {
	mu    sync.Mutex
	lines []string
	then  queue.Handler
}

func (j *diary) handle(ctx context.Context, e events.SQSEvent) (events.SQSEventResponse, error) {
	var line []string
	for _, r := range e.Records {
		line = append(line, fmt.Sprintf("%s(%s)", r.Attributes[queue.AttrID], r.Attributes[queue.AttrReceiveCount]))
	}
	j.mu.Lock()
	j.lines = append(j.lines, strings.Join(line, " "))
	j.mu.Unlock()
	if j.then == nil {
		return events.SQSEventResponse{}, nil
	}
	return j.then(ctx, e)
}

func (j *diary) take() []string {
	j.mu.Lock()
	defer j.mu.Unlock()
	lines := j.lines
	j.lines = nil
	return lines
}

// failID fails the messages with the id, and hands back those behind them.
func failID(id string) queue.Handler {
	return func(ctx context.Context, e events.SQSEvent) (resp events.SQSEventResponse, _ error) {
		at := slices.IndexFunc(e.Records, func(r events.SQSMessage) bool { return r.Attributes[queue.AttrID] == id })
		for i := at; i >= 0 && i < len(e.Records); i++ {
			queue.HandBack(ctx, &resp, e.Records[i].MessageId, nil)
		}
		return resp, nil
	}
}

func fail(context.Context, events.SQSEvent) (events.SQSEventResponse, error) {
	return events.SQSEventResponse{}, errors.New("relay is away")
}

// start runs the queue until the function it returns is called.
func start(t *testing.T, q *bbolt.Queue, h queue.Handler) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- q.Run(ctx, h) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	t.Cleanup(stop)
	return stop
}

func send(t *testing.T, q *bbolt.Queue, group string, ids ...string) {
	t.Helper()
	var msgs []queue.Message
	for _, id := range ids {
		msgs = append(msgs, queue.Message{Group: group, ID: id, Body: "body of " + id})
	}
	err := q.Send(t.Context(), msgs...)
	if err != nil {
		t.Fatal(err)
	}
}

func newFile(t *testing.T) *journal.DB { return openFile(t, filepath.Join(t.TempDir(), "queue.db")) }

// settle waits until nothing moves any more without the clock.
func settle() { time.Sleep(time.Millisecond); synctest.Wait() }

func TestFailedMessageIsAloneNextTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := open(t, newFile(t), bbolt.Config{MaxReceives: 2, VisibilityTimeout: time.Minute})
		send(t, q, "g", "a", "bad", "c", "d")
		j := &diary{then: failID("bad")}
		start(t, q, j.handle)
		settle()
		send(t, q, "g", "e", "f")
		time.Sleep(5 * time.Minute)
		want := []string{"a(1) bad(1) c(1) d(1)", "bad(2)", "c(2)", "d(2)", "e(1) f(1)"}
		if diff := cmp.Diff(want, j.take()); diff != "" {
			t.Errorf("batches (-want +got):\n%s", diff)
		}
		stats, err := q.Stats()
		if diff := cmp.Diff(bbolt.Stats{Dead: 1}, stats); diff != "" || err != nil {
			t.Errorf("stats (-want +got):\n%s%v", diff, err)
		}
	})
}

func TestReopen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db := newFile(t)
		cfg := bbolt.Config{VisibilityTimeout: time.Minute, MaxReceives: 2}
		q := open(t, db, cfg)
		send(t, q, "failed", "f1", "f2")
		stop := start(t, q, fail)
		settle()
		stop()
		send(t, q, "waiting", "w1", "w2")
		time.Sleep(10 * time.Second)
		q = open(t, db, cfg)
		stats, err := q.Stats()
		want := bbolt.Stats{Visible: 2, Hidden: 2, Oldest: 10*time.Second + time.Millisecond}
		if diff := cmp.Diff(want, stats); diff != "" || err != nil {
			t.Errorf("stats (-want +got):\n%s%v", diff, err)
		}
		send(t, q, "waiting", "w1", "w3") // w1 is a duplicate still
		j := &diary{then: fail}
		start(t, q, j.handle)
		settle()
		if diff := cmp.Diff([]string{"w1(1) w2(1) w3(1)"}, j.take()); diff != "" {
			t.Errorf("at once (-want +got):\n%s", diff)
		}
		time.Sleep(51 * time.Second)
		if diff := cmp.Diff([]string{"f1(2)"}, j.take()); diff != "" {
			t.Errorf("when the hidden ones are due (-want +got):\n%s", diff)
		}
		time.Sleep(time.Minute)
		letters, err := q.ListDead(t.Context(), "", 10)
		if err != nil || len(letters) != 1 || letters[0].Message.ID != "f1" {
			t.Errorf("dead letters: %v, %v", letters, err)
		}
		if stats, err := open(t, db, cfg).Stats(); stats.Dead != 1 || err != nil {
			t.Errorf("dead letters after another open: %d, %v", stats.Dead, err)
		}
	})
}

// A receipt of one process means nothing to the next.
func TestReceiptAfterReopen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db := newFile(t)
		var receipt string
		for range 2 {
			time.Sleep(time.Second)
			q := open(t, db, bbolt.Config{})
			send(t, q, "g", fmt.Sprint("m", time.Now().Unix()))
			stop := start(t, q, func(ctx context.Context, e events.SQSEvent) (events.SQSEventResponse, error) {
				if receipt != "" {
					if err := q.Postpone(ctx, 0, receipt); !errors.Is(err, queue.ErrNotInFlight) {
						t.Errorf("Postpone with the receipt of the process before: %v", err)
					}
				}
				receipt = e.Records[0].ReceiptHandle
				return events.SQSEventResponse{}, q.Postpone(ctx, 0, receipt)
			})
			settle()
			stop()
		}
	})
}

func TestStats(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := open(t, newFile(t), bbolt.Config{Concurrency: 1})
		release := make(chan struct{})
		start(t, q, func(ctx context.Context, e events.SQSEvent) (events.SQSEventResponse, error) {
			<-release
			return failID("bad")(ctx, e)
		})
		steps := []struct {
			name string
			do   func()
			want bbolt.Stats
		}{
			{"empty", func() {}, bbolt.Stats{}},
			{"in flight", func() { send(t, q, "a", "ok", "bad"); settle() }, bbolt.Stats{InFlight: 2}},
			{"behind", func() { send(t, q, "a", "next"); send(t, q, "b", "other") }, bbolt.Stats{Visible: 2, Behind: 1, InFlight: 2}},
			{"failed", func() { release <- struct{}{}; settle() }, bbolt.Stats{Visible: 1, Behind: 1, InFlight: 1, Hidden: 1}},
			{"done", func() { close(release); settle() }, bbolt.Stats{Visible: 1, Behind: 1, Hidden: 1}},
		}
		for _, step := range steps {
			step.do()
			got, err := q.Stats()
			got.Oldest = 0 // its own test is TestReopen
			if diff := cmp.Diff(step.want, got); diff != "" || err != nil {
				t.Errorf("%s (-want +got):\n%s%v", step.name, diff, err)
			}
		}
	})
}

// A clock that is moved by hand needs a Wake and no waiting, and is noticed without
// one within a second.
func TestMovedClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var moved atomic.Int64
		epoch := time.Date(2018, 7, 6, 12, 0, 0, 0, time.UTC)
		q := open(t, newFile(t), bbolt.Config{Now: func() time.Time { return epoch.Add(time.Duration(moved.Load())) }})
		send(t, q, "g", "m")
		calls := make(chan string, 10)
		start(t, q, func(ctx context.Context, e events.SQSEvent) (events.SQSEventResponse, error) {
			calls <- e.Records[0].Attributes[queue.AttrReceiveCount] + " sent " + e.Records[0].Attributes[queue.AttrSent]
			return fail(ctx, e)
		})
		settle()
		for i, test := range []struct {
			name string
			wake func()
			most time.Duration
		}{
			{"as sent", func() {}, 0},
			{"woken", q.Wake, 0},
			{"not woken", func() {}, time.Second},
		} {
			before := time.Now()
			test.wake()
			if got, want := <-calls, fmt.Sprint(i+1, " sent 1530878400000"); got != want {
				t.Errorf("%s: delivered %s, want %s", test.name, got, want)
			}
			if took := time.Since(before); took > test.most {
				t.Errorf("%s: noticed after %v", test.name, took)
			}
			settle()
			moved.Add(int64(time.Hour))
		}
	})
}

func TestBatchesAreBoundedInBytes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := open(t, newFile(t), bbolt.Config{})
		half := strings.Repeat("x", queue.MaxMessageBytes/2)
		for i, body := range []string{half, half, "x", half + half} {
			m := queue.Message{Group: "g", ID: fmt.Sprint("m", i), Body: body}
			if err := q.Send(t.Context(), m); err != nil {
				t.Fatal(err)
			}
		}
		j := &diary{}
		start(t, q, j.handle)
		settle()
		if diff := cmp.Diff([]string{"m0(1) m1(1)", "m2(1)", "m3(1)"}, j.take()); diff != "" {
			t.Errorf("batches (-want +got):\n%s", diff)
		}
	})
}

// The end of one batch and the claim of the next share a transaction.
func TestTransactionsABatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &faultyFile{db: newFile(t)}
		q := open(t, f.db, bbolt.Config{Update: f.update})
		for i := range 40 {
			send(t, q, "g", fmt.Sprint("m", i))
		}
		before := f.updates.Load()
		start(t, q, (&diary{}).handle)
		settle()
		if n := f.updates.Load() - before; n != 5 {
			t.Errorf("%d transactions for 4 batches of a group, want 5", n)
		}
	})
}

func TestConcurrency(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := open(t, newFile(t), bbolt.Config{Concurrency: 3})
		for i := range 200 {
			send(t, q, fmt.Sprint("g", i%10), fmt.Sprint("m", i))
		}
		var running, most atomic.Int64
		stop := start(t, q, func(context.Context, events.SQSEvent) (events.SQSEventResponse, error) {
			if n := running.Add(1); n > most.Load() {
				most.Store(n)
			}
			time.Sleep(time.Second)
			running.Add(-1)
			return events.SQSEventResponse{}, nil
		})
		time.Sleep(20 * time.Second)
		stop()
		if most.Load() != 3 {
			t.Errorf("%d handlers at once, want 3", most.Load())
		}
		if s, err := q.Stats(); s != (bbolt.Stats{}) || err != nil {
			t.Errorf("left over: %+v, %v", s, err)
		}
	})
}

// A handler that ends its goroutine has failed its batch, and freed its place.
func TestGoexit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := open(t, newFile(t), bbolt.Config{Concurrency: 1, MaxReceives: 1, VisibilityTimeout: time.Minute})
		send(t, q, "g", "m")
		start(t, q, func(context.Context, events.SQSEvent) (events.SQSEventResponse, error) {
			runtime.Goexit()
			panic("unreachable")
		})
		time.Sleep(2 * time.Minute)
		letters, err := q.ListDead(t.Context(), "", 10)
		if err != nil || len(letters) != 1 || letters[0].Reason != "the handler did not return" {
			t.Errorf("dead letters: %v, %v", letters, err)
		}
	})
}

func TestRunTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := open(t, newFile(t), bbolt.Config{})
		start(t, q, fail)
		settle()
		if err := q.Run(t.Context(), fail); err == nil {
			t.Error("a second Run at the same time did not fail")
		}
	})
}

// Two queues of one file know nothing of each other.
func TestNames(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db := newFile(t)
		fanout, dispatch := open(t, db, bbolt.Config{Name: "fanout"}), open(t, db, bbolt.Config{Name: "dispatch"})
		send(t, fanout, "g", "same-id", "only-fanout")
		send(t, dispatch, "g", "same-id")
		j := &diary{}
		start(t, dispatch, j.handle)
		settle()
		if diff := cmp.Diff([]string{"same-id(1)"}, j.take()); diff != "" {
			t.Errorf("batches of dispatch (-want +got):\n%s", diff)
		}
		if s, err := fanout.Stats(); s.Visible != 2 || err != nil {
			t.Errorf("fanout has %d messages, %v", s.Visible, err)
		}
	})
}

// The log must hold no message, whatever goes wrong.
func TestLogHoldsNoBodies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		q := open(t, newFile(t), bbolt.Config{
			MaxReceives: 2, VisibilityTimeout: time.Minute,
			Log: slog.New(slog.NewTextHandler(&out, nil)),
		})
		send(t, q, "panics", "p")
		send(t, q, "overruns", "o")
		stop := start(t, q, func(_ context.Context, e events.SQSEvent) (events.SQSEventResponse, error) {
			if e.Records[0].Attributes[queue.AttrGroup] == "panics" {
				panic(e.Records[0].Body)
			}
			time.Sleep(2 * time.Minute)
			return events.SQSEventResponse{}, nil
		})
		time.Sleep(10 * time.Minute)
		stop()
		for _, want := range []string{"panic: string", "visibility timeout ended", "dead letter", "id=p", "id=o", "queue=queue"} {
			if !strings.Contains(out.String(), want) {
				t.Errorf("the log does not say %q", want)
			}
		}
		if strings.Contains(out.String(), "body of") {
			t.Errorf("the log holds a body:\n%s", out.String())
		}
	})
}

func TestMisbehaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		q := open(t, newFile(t), bbolt.Config{
			Misbehave: true, Seed: 64000, Concurrency: 1,
			Log: slog.New(slog.NewTextHandler(&out, nil)),
		})
		for i := range 400 {
			send(t, q, fmt.Sprintf("g%02d", i%20), fmt.Sprintf("m%03d", i))
		}
		var repeated, mixed int
		var order []string // of the groups, as they came first
		stop := start(t, q, func(_ context.Context, e events.SQSEvent) (events.SQSEventResponse, error) {
			for i, r := range e.Records {
				group := r.Attributes[queue.AttrGroup]
				if r.Attributes[queue.AttrReceiveCount] != "1" {
					repeated++
				}
				if i > 0 && group != e.Records[i-1].Attributes[queue.AttrGroup] {
					mixed++
				}
				if !slices.Contains(order, group) {
					order = append(order, group)
				}
			}
			return events.SQSEventResponse{}, nil
		})
		time.Sleep(time.Minute)
		stop()
		if repeated == 0 || mixed == 0 || slices.IsSorted(order) {
			t.Errorf("repeated %d messages, mixed groups %d times, handed out groups as %v", repeated, mixed, order)
		}
		if !strings.Contains(out.String(), "seed=64000") {
			t.Error("the seed is not in the log")
		}
		if s, err := q.Stats(); s != (bbolt.Stats{}) || err != nil {
			t.Errorf("left over: %+v, %v", s, err)
		}
	})
}
