package dispatch

import (
	"context"
	"log/slog"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/todoku/todoku/shared/alert"
	"github.com/todoku/todoku/shared/queue"
)

func TestPlace(t *testing.T) {
	accepted := time.Date(2026, 9, 1, 8, 0, 0, 0, time.UTC)
	at := func(d time.Duration) string { return strconv.FormatInt(accepted.Add(d).UnixMilli(), 10) }
	for _, c := range []struct {
		name string
		kind alert.Kind
		sent string
		want time.Duration
	}{
		{"the first", alert.Safety, at(0), 0},
		{"queued later", alert.Safety, at(40 * time.Second), 40 * time.Second},
		{"by a clock that is late", alert.Safety, at(-time.Second), 0},
		{"a notice", alert.Notice, at(time.Second), noticeBehind + time.Second},
		{"by a queue that does not tell", alert.Safety, "", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := events.SQSMessage{Attributes: map[string]string{queue.AttrSent: c.sent}}
			r := run{batch: &batch{msgs: []events.SQSMessage{{}, m}}, alert: alert.Alert{Kind: c.kind, Accepted: accepted}}
			if got := r.place(&job{message: 1}); got != c.want {
				t.Errorf("got %v, want %v", got, c.want)
			}
		})
	}
}

// settler is a queue that notes what is settled.
type settler struct {
	queue.Queue
	mu       sync.Mutex
	receipts []string
}

func (q *settler) Settle(_ context.Context, receipts ...string) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.receipts = append(q.receipts, receipts...)
	return nil
}

// TestSettle: messages of no copy are handled at once, and what a slot has handled is
// settled only while others of the batch may still be at work.
func TestSettle(t *testing.T) {
	message := func(group, id string) events.SQSMessage {
		return events.SQSMessage{MessageId: id, ReceiptHandle: "r" + id, Body: "no copy", Attributes: map[string]string{queue.AttrGroup: group}}
	}
	for _, c := range []struct {
		name string
		msgs []events.SQSMessage
		want []string
	}{
		{"two slots", []events.SQSMessage{message("a#0", "1"), message("b#0", "2"), message("a#0", "3")}, []string{"r1", "r2", "r3"}},
		{"one slot", []events.SQSMessage{message("a#0", "1"), message("a#0", "3")}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			q := &settler{}
			h := &Handler{Queue: q, Log: slog.New(slog.DiscardHandler)}
			res, err := h.Handle(t.Context(), events.SQSEvent{Records: c.msgs})
			slices.Sort(q.receipts)
			if err != nil || len(res.BatchItemFailures) > 0 || !slices.Equal(q.receipts, c.want) {
				t.Errorf("%v settled, want %v; %v, %v", q.receipts, c.want, res, err)
			}
		})
	}
}
