package bbolt_test

import (
	"context"
	"errors"
	"slices"
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

// While the file cannot be written nothing is handed out and nothing is lost;
// outcomes are written when it can be again.
func TestFileFault(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		full := errors.New("no space left on device")
		f := &faultyFile{db: newFile(t), err: full}
		q := open(t, f.db, bbolt.Config{VisibilityTimeout: time.Minute, Update: f.update})
		send(t, q, "a", "a1")
		f.broken.Store(true)
		j := &diary{}
		start(t, q, j.handle)
		time.Sleep(10 * time.Second)
		expect(t, "while nothing can be claimed", q, j, bbolt.Stats{Visible: 1})
		if err := q.Send(t.Context(), queue.Message{Group: "b", ID: "b1", Body: "x"}); !errors.Is(err, full) {
			t.Errorf("Send: %v", err)
		}
		if err := q.CheckHealth(t.Context()); !errors.Is(err, full) {
			t.Errorf("CheckHealth: %v", err)
		}
		j.then = func(context.Context, events.SQSEvent) (events.SQSEventResponse, error) {
			f.broken.Store(true)
			return events.SQSEventResponse{}, nil
		}
		f.broken.Store(false)
		time.Sleep(10 * time.Second)
		expect(t, "while no outcome can be written", q, j, bbolt.Stats{InFlight: 1}, "a1(1)")
		f.broken.Store(false)
		time.Sleep(10 * time.Second)
		expect(t, "afterwards", q, j, bbolt.Stats{})
		j.then = nil
		send(t, q, "a", "a2")
		send(t, q, "b", "b1")
		time.Sleep(5 * time.Minute)
		expect(t, "in the end", q, j, bbolt.Stats{}, "a2(1)", "b1(1)")
		if err := q.CheckHealth(t.Context()); err != nil {
			t.Errorf("CheckHealth: %v", err)
		}
	})
}

// A stop does not wait for a file that cannot be written.
func TestStopWhileTheFileIsFaulty(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &faultyFile{db: newFile(t), err: errors.New("no space left on device")}
		q := open(t, f.db, bbolt.Config{Update: f.update})
		send(t, q, "g", "m")
		ctx, cancel := context.WithCancel(t.Context())
		err := q.Run(ctx, func(context.Context, events.SQSEvent) (events.SQSEventResponse, error) {
			f.broken.Store(true)
			cancel()
			return events.SQSEventResponse{}, nil
		})
		if !errors.Is(err, f.err) {
			t.Errorf("Run: %v, want the file's error", err)
		}
	})
}

// faultyFile is a file that cannot be written while it is broken.
type faultyFile struct {
	db      *journal.DB
	err     error
	broken  atomic.Bool
	updates atomic.Int64
}

func (f *faultyFile) update(fn func(*journal.Tx) error) error {
	f.updates.Add(1)
	return f.db.Update(func(tx *journal.Tx) error {
		if err := fn(tx); err != nil || !f.broken.Load() {
			return err
		}
		return f.err
	})
}

// expect checks what was handed out since the last time, in any order, and what is
// there.
func expect(t *testing.T, when string, q *bbolt.Queue, j *diary, want bbolt.Stats, batches ...string) {
	t.Helper()
	got := j.take()
	slices.Sort(got)
	if diff := cmp.Diff(batches, got); diff != "" {
		t.Errorf("%s: batches (-want +got):\n%s", when, diff)
	}
	stats, err := q.Stats()
	stats.Oldest = 0
	if diff := cmp.Diff(want, stats); diff != "" || err != nil {
		t.Errorf("%s: stats (-want +got):\n%s%v", when, diff, err)
	}
}

// What was written and may not be on the disk is there: memory follows, and nothing is
// handed out twice or forgotten.
func TestFileInDoubt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db := newFile(t)
		var doubt atomic.Bool
		q := open(t, db, bbolt.Config{VisibilityTimeout: time.Minute, Update: func(fn func(*journal.Tx) error) error {
			err := db.Update(fn)
			if err == nil && doubt.Load() {
				return journal.ErrDoubt
			}
			return err
		}})
		doubt.Store(true)
		for range 2 { // whoever was told of an error tries again
			if err := q.Send(t.Context(), queue.Message{Group: "a", ID: "a1", Body: "x"}); !errors.Is(err, journal.ErrDoubt) {
				t.Errorf("Send: %v", err)
			}
		}
		expect(t, "before it runs", q, &diary{}, bbolt.Stats{Visible: 1})
		j := &diary{}
		start(t, q, j.handle)
		time.Sleep(5 * time.Minute)
		expect(t, "while all is in doubt", q, j, bbolt.Stats{}, "a1(1)")
		doubt.Store(false)
		send(t, q, "a", "a2")
		time.Sleep(5 * time.Minute)
		expect(t, "afterwards", q, j, bbolt.Stats{}, "a2(1)")
	})
}
