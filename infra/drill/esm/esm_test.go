package esm_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/google/go-cmp/cmp"

	"github.com/todoku/todoku/infra/drill/esm"
	"github.com/todoku/todoku/infra/drill/peers"
	"github.com/todoku/todoku/shared/queue"
	"github.com/todoku/todoku/shared/queue/sqs"
)

// load is a handler that looks for what must not be: more batches at work than the
// mapping may have, two of one group, and an order that is not the one sent.
type load struct {
	mu      sync.Mutex
	at      map[string]int
	working int
	most    int
	two     chan struct{} // closed when two have been at work at once
	both    sync.Once
	shared  []string            // groups at work twice
	ids     map[string][]string // handled, by group
	left    int
	done    context.CancelFunc
}

func (l *load) handle(ctx context.Context, e events.SQSEvent) (events.SQSEventResponse, error) {
	l.count(e, 1)
	time.Sleep(5 * time.Millisecond) // long enough for another to come in wrongly
	select {
	case <-l.two: // at work at once, however long the queue took to hand the second one out
	case <-ctx.Done():
	}
	l.count(e, -1)
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, r := range e.Records {
		g := r.Attributes[queue.AttrGroup]
		l.ids[g] = append(l.ids[g], r.Attributes[queue.AttrID])
	}
	if l.left -= len(e.Records); l.left == 0 {
		l.done()
	}
	return events.SQSEventResponse{}, nil
}

func (l *load) count(e events.SQSEvent, n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.working += n
	if l.most = max(l.most, l.working); l.most == 2 {
		l.both.Do(func() { close(l.two) })
	}
	seen := map[string]bool{}
	for _, r := range e.Records {
		g := r.Attributes[queue.AttrGroup]
		if !seen[g] {
			l.at[g] += n
		}
		seen[g] = true
		if l.at[g] > 1 {
			l.shared = append(l.shared, g)
		}
	}
}

// TestConcurrency hands out more groups than a batch has places, so that several
// batches can be at work, with the order and the limits that a lane relies on.
func TestConcurrency(t *testing.T) {
	const groups, each, concurrency = 24, 12, 4
	client := peers.SQSClient(peers.Fauxqs(t))
	url, _, err := esm.CreateQueue(t.Context(), client, "load", 10*time.Minute, 3)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string][]string{}
	var msgs []queue.Message
	for g := range groups {
		for i := range each {
			m := queue.Message{Group: fmt.Sprintf("lane#%d", g), ID: fmt.Sprintf("%d-%d", g, i), Body: "x"}
			msgs, want[m.Group] = append(msgs, m), append(want[m.Group], m.ID)
		}
	}
	if err := sqs.New(client, url).Send(t.Context(), msgs...); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	l := &load{two: make(chan struct{}), at: map[string]int{}, ids: map[string][]string{}, left: len(msgs), done: cancel}
	m := &esm.Mapping{Client: client, QueueURL: url, Concurrency: concurrency, Log: slog.New(slog.NewTextHandler(t.Output(), nil))}
	if err := m.Run(ctx, l.handle); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, l.ids); diff != "" {
		t.Errorf("handled, by group (-sent +handled):\n%s", diff)
	}
	if l.most < 2 || l.most > concurrency || len(l.shared) > 0 {
		t.Errorf("at most %d batches at work, want 2 to %d; groups at work twice: %v", l.most, concurrency, l.shared)
	}
}

func TestRunWithoutAQueue(t *testing.T) {
	client := peers.SQSClient(peers.Fauxqs(t))
	m := &esm.Mapping{Client: client, QueueURL: "http://127.0.0.1/000000000000/nothing.fifo", Log: slog.New(slog.DiscardHandler)}
	err := m.Run(t.Context(), func(context.Context, events.SQSEvent) (events.SQSEventResponse, error) {
		return events.SQSEventResponse{}, errors.New("called")
	})
	if err == nil {
		t.Error("Run on a queue that does not exist returned no error")
	}
}
