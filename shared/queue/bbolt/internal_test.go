package bbolt

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/google/go-cmp/cmp"
	"github.com/todoku/todoku/shared/queue"
	bolt "go.etcd.io/bbolt"

	"github.com/todoku/todoku/shared/journal"
)

func TestChunk(t *testing.T) {
	of := func(n, size int) []queue.Message {
		msgs := make([]queue.Message, n)
		for i := range msgs {
			msgs[i].Body = string(make([]byte, size))
		}
		return msgs
	}
	for _, test := range []struct {
		name string
		msgs []queue.Message
		want int
	}{
		{"one", of(1, 1), 1},
		{"one too large", of(2, maxSendBytes+1), 1},
		{"as many as go", of(maxSendMessages, 1), maxSendMessages},
		{"more than go", of(maxSendMessages+1, 1), maxSendMessages},
		{"as much as goes", of(4, maxSendBytes/4), 4},
		{"more than goes", of(5, maxSendBytes/4), 4},
	} {
		if got := chunk(test.msgs); got != test.want {
			t.Errorf("%s: %d, want %d", test.name, got, test.want)
		}
	}
}

// The log that deduplicates does not grow with what has expired, in the file or
// in memory.
func TestSentLogIsBounded(t *testing.T) {
	db, err := journal.Open(filepath.Join(t.TempDir(), "queue.db"), &bolt.Options{NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	now := time.Date(2018, 7, 6, 12, 0, 0, 0, time.UTC)
	q, err := New(db, Config{Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	const batches, each = 40, 150
	for i := range batches {
		var msgs []queue.Message
		for j := range each {
			msgs = append(msgs, queue.Message{Group: "g", ID: fmt.Sprintf("%d-%d", i, j), Body: "x"})
		}
		if err := q.Send(t.Context(), msgs...); err != nil {
			t.Fatal(err)
		}
		now = now.Add(time.Minute)
	}
	if n := len(q.seen.records); n != 5*each {
		t.Errorf("%d ids in memory, want those of 5 minutes, %d", n, 5*each)
	}
	records := 0
	err = db.View(func(tx *journal.Tx) error {
		return openBuckets(tx, "queue").sent.ForEach(func(_, _ []byte) error { records++; return nil })
	})
	if want := 5 * 3; err != nil || records != want {
		t.Errorf("%d records in the file, want %d; %v", records, want, err)
	}
}

// Of a message that was handled, in vain at first, only its id is left in the file.
func TestNothingIsLeftBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db, err := journal.Open(filepath.Join(t.TempDir(), "queue.db"), nil)
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		q, err := New(db, Config{Log: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		if err := q.Send(t.Context(), queue.Message{Group: "g", ID: "m", Body: "x"}); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		err = q.Run(ctx, func(_ context.Context, e events.SQSEvent) (events.SQSEventResponse, error) {
			if e.Records[0].Attributes[queue.AttrReceiveCount] == "1" {
				return events.SQSEventResponse{}, errors.New("try again")
			}
			cancel()
			return events.SQSEventResponse{}, nil
		})
		if err != nil {
			t.Error(err)
		}
		err = db.View(func(tx *journal.Tx) error {
			b := openBuckets(tx, "queue")
			for name, bucket := range map[string]*journal.Bucket{
				"messages": b.messages, "attempts": b.attempts, "groups": b.groups, "dead": b.dead,
			} {
				if k, _ := bucket.Cursor().First(); k != nil {
					t.Errorf("%s still holds %q", name, k)
				}
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
		if len(q.schedule.groups) > 0 || len(q.batches) > 0 {
			t.Error("memory still holds a group or a batch")
		}
	})
}

// A hash or a record that stands for something else drops no message.
func TestSeenTrustsOnlyTheFile(t *testing.T) {
	db, err := journal.Open(filepath.Join(t.TempDir(), "queue.db"), &bolt.Options{NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	q, err := New(db, Config{})
	if err != nil {
		t.Fatal(err)
	}
	q.seen.remember(1, []string{"collides", "real"}) // as if their hashes were one
	q.seen.remember(99, []string{"rolled-back"})
	for _, id := range []string{"real", "collides", "rolled-back"} {
		if err := q.Send(t.Context(), queue.Message{Group: "g", ID: id, Body: "x"}); err != nil {
			t.Fatal(err)
		}
	}
	if s, err := q.Stats(); s.Visible != 3 || err != nil {
		t.Errorf("%d messages accepted, want 3; %v", s.Visible, err)
	}
}

func TestSchedule(t *testing.T) {
	s := newSchedule(nil)
	at := func(n int) time.Time { return time.Unix(int64(n), 0) }
	for _, name := range []string{"a", "b", "c", "d"} {
		s.add(name, 2)
	}
	b := s.take(1)
	a := s.take(0)
	s.wait(a, at(20))
	s.wait(b, at(10))
	s.move(b, at(30))
	s.add("a", 1) // must not enter the line: it waits
	var line []string
	for _, g := range s.ready {
		line = append(line, g.name)
	}
	if diff := cmp.Diff([]string{"c", "d"}, line); diff != "" {
		t.Errorf("line (-want +got):\n%s", diff)
	}
	if next, ok := s.next(); !ok || !next.Equal(at(20)) {
		t.Errorf("next at %v, want 20", next)
	}
	if g := s.due(at(19)); g != nil {
		t.Errorf("%s is due too early", g.name)
	}
	if g := s.due(at(20)); g != a || s.due(at(20)) != nil {
		t.Error("not exactly a is due")
	}
	a.messages = 0
	s.rest(a)
	if s.groups["a"] != nil {
		t.Error("a group without messages is kept")
	}
	s.add("e", -3) // removed before they were counted
	s.add("e", 3)
	if s.groups["e"] != nil || len(s.ready) != 2 {
		t.Error("a group that has come and gone is kept")
	}
}

// TestUrgentFirst: urgent groups go before the others, which yet do not starve.
func TestUrgentFirst(t *testing.T) {
	s := newSchedule(func(name string) bool { return strings.HasPrefix(name, "!") })
	for _, name := range []string{"a", "b", "!c", "!d"} {
		s.add(name, 100)
	}
	got := ""
	for range 40 {
		g := s.take(s.first())
		got += g.name
		s.rest(g)
	}
	want := strings.Repeat("!c!d", urgently/2) + "a" + strings.Repeat("!c!d", urgently/2) + "b" + "!c!d!c!d!c!d"
	if got != want {
		t.Errorf("taken: %s, want %s", got, want)
	}
	for _, name := range []string{"!c", "!d"} {
		s.take(slices.Index(s.ready, s.groups[name]))
	}
	if g := s.take(s.first()); g.urgent || s.urgent != 0 {
		t.Errorf("%s is taken, and %d are urgent", g.name, s.urgent)
	}
}

// TestUrgentAgain: a group that was hidden when the process ended is as urgent as before.
func TestUrgentAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db, err := journal.Open(filepath.Join(t.TempDir(), "queue.db"), &bolt.Options{NoSync: true})
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		cfg := Config{Urgent: func(name string) bool { return name == "!a" }, Log: slog.New(slog.DiscardHandler)}
		q, err := New(db, cfg)
		if err != nil {
			t.Fatal(err)
		}
		if err := q.Send(t.Context(), queue.Message{Group: "!a", ID: "1", Body: "x"}); err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		if err := q.Run(ctx, func(context.Context, events.SQSEvent) (events.SQSEventResponse, error) {
			stop()
			return events.SQSEventResponse{}, errors.New("later")
		}); err != nil {
			t.Fatal(err)
		}
		again, err := New(db, cfg)
		if err != nil {
			t.Fatal(err)
		}
		again.mu.Lock()
		defer again.mu.Unlock()
		if g := again.schedule.groups["!a"]; g == nil || !g.urgent || g.hidden != 1 {
			t.Errorf("after the start: %+v", g)
		}
	})
}
