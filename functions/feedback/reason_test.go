package feedback_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/todoku/todoku/shared/alert"
	"github.com/todoku/todoku/shared/enrol"
	"github.com/todoku/todoku/shared/queue"
	"github.com/todoku/todoku/shared/table"
	"github.com/todoku/todoku/shared/table/bbolt/bbolttest"
)

// away returns a table that cannot be used.
func away(t *testing.T) table.Table {
	db, tab := bbolttest.OpenFile(t, time.Now)
	must(t, db.Close())
	return tab
}

// TestReasons: whatever an event is about, it says why it comes again.
func TestReasons(t *testing.T) {
	for _, tt := range []struct {
		name  string
		court bool // only what judges cannot be used
		event func(t *testing.T, b *bench, j enrol.Join) events.SQSMessage
	}{
		{"of a copy", false, func(*testing.T, *bench, enrol.Join) events.SQSMessage { return delivery(start, start) }},
		{"of a copy that was given up", false, func(*testing.T, *bench, enrol.Join) events.SQSMessage { return expired(start, start) }},
		{"of a registration", false, func(t *testing.T, _ *bench, j enrol.Join) events.SQSMessage {
			return events.SQSMessage{Body: bounced(t, j, "General")}
		}},
		{"of a test", true, func(t *testing.T, _ *bench, _ enrol.Join) events.SQSMessage { return tested(t) }},
		{"a complaint", false, func(*testing.T, *bench, enrol.Join) events.SQSMessage {
			return told("Complaint", "complaint", start, start, nil)
		}},
		{"a refusal", true, func(t *testing.T, b *bench, _ enrol.Join) events.SQSMessage {
			b.open(t, start.Add(time.Hour), alert.Copy{State: alert.Sent}, nil)
			return unknownUser(start, start)
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := newBench(t)
			j := b.joined(t, enrol.Sheet)
			m := tt.event(t, b, j)
			m.MessageId = "1"
			b.handler.Court.Table = away(t)
			if !tt.court {
				b.alerts.Table, b.handler.Enrol.Table = away(t), away(t)
			}
			ctx, reasons := queue.WithReasons(t.Context())
			r, err := b.handler.Handle(ctx, events.SQSEvent{Records: []events.SQSMessage{m}})
			must(t, err)
			if len(r.BatchItemFailures) != 1 || reasons.Of("1") == "" {
				t.Errorf("handed back %v, because %q", r.BatchItemFailures, reasons.Of("1"))
			}
		})
	}
}

// tested is SES's event that a test mail to an operator arrived.
func tested(t *testing.T) events.SQSMessage {
	body, err := json.Marshal(map[string]any{
		"eventType": "Delivery",
		"mail":      map[string]any{"timestamp": start, "tags": map[string][]string{"school": {"s1"}, "test": {"docomo"}}},
		"delivery":  map[string]any{"timestamp": start},
	})
	must(t, err)
	return events.SQSMessage{Body: string(body)}
}
