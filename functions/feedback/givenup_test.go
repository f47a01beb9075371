package feedback_test

import (
	"encoding/json"
	mathrand "math/rand/v2"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/google/go-cmp/cmp"
	"github.com/todoku/todoku/shared/alert"
	"github.com/todoku/todoku/shared/table"
)

// told is an event about the sample's copy, of a mail that SES took at a time.
func told(kind, member string, mailed, at time.Time, more map[string]any) events.SQSMessage {
	return toldOf(sample, kind, member, mailed, at, more)
}

// toldOf is an event about a copy.
func toldOf(ref alert.CopyRef, kind, member string, mailed, at time.Time, more map[string]any) events.SQSMessage {
	tags := map[string][]string{}
	for k, v := range ref.Tags() {
		tags[k] = []string{v}
	}
	body := map[string]any{"timestamp": at}
	for k, v := range more {
		body[k] = v
	}
	text, err := json.Marshal(map[string]any{"eventType": kind, "mail": map[string]any{"timestamp": mailed, "tags": tags}, member: body})
	if err != nil {
		panic(err)
	}
	return events.SQSMessage{MessageId: kind, Body: string(text)}
}

func expired(mailed, at time.Time) events.SQSMessage {
	return told("Bounce", "bounce", mailed, at, map[string]any{
		"bounceType": "Transient", "bounceSubType": "General",
		"bouncedRecipients": []any{map[string]any{"status": "4.4.7", "diagnosticCode": "smtp; 550 4.4.7 Message expired: unable to deliver in 30 minutes.<421 4.4.2 Connection timed out>"}},
	})
}

func delivery(mailed, at time.Time) events.SQSMessage {
	return told("Delivery", "delivery", mailed, at, nil)
}

func unknownUser(mailed, at time.Time) events.SQSMessage {
	return told("Bounce", "bounce", mailed, at, map[string]any{
		"bounceType": "Permanent", "bounceSubType": "General", "bouncedRecipients": []any{map[string]any{"status": "5.1.1"}},
	})
}

func outOfOffice(mailed, at time.Time) events.SQSMessage {
	return told("Bounce", "bounce", mailed, at, map[string]any{"bounceType": "Transient", "bounceSubType": "General"})
}

func delayed(mailed, at time.Time) events.SQSMessage {
	return told("DeliveryDelay", "deliveryDelay", mailed, at, map[string]any{"delayType": "General"})
}

// open makes the alert of the sample, and a copy of it.
func (b *bench) open(t *testing.T, until time.Time, c alert.Copy, answer *alert.Answer) {
	t.Helper()
	a, err := json.Marshal(alert.Alert{ID: sample.Alert, UsefulUntil: until, Starts: start})
	must(t, err)
	must(t, b.alerts.Table.Write(t.Context(), "", table.Create{Key: table.Key{Partition: "alert/" + sample.Alert, Sort: "alert"}, Value: a}))
	c.Contact, c.Lane, c.At = sample.Contact, "docomo", start
	f := alert.Family{
		ID: sample.Family, Copies: []alert.Copy{c}, Guardians: []alert.Guardian{{ID: "g"}, {ID: "other"}},
		Children: []alert.Child{{ID: "child", Class: sample.Class, Guardians: []int{0, 1}, Answer: answer}},
	}
	must(t, b.alerts.Table.Write(t.Context(), "", alert.CreateOps(sample.Alert, []alert.Made{{Class: sample.Class, Family: f}})...))
}

// TestGivenUp: what SES gave up waits for its lane again, once for each mail that it gave up,
// while that is of use.
func TestGivenUp(t *testing.T) {
	const half = 30 * time.Minute
	at := start.Add(half)
	hour := start.Add(time.Hour)
	for _, tt := range []struct {
		name   string
		until  time.Time
		copy   alert.Copy
		answer *alert.Answer
		events []events.SQSMessage
		state  alert.CopyState
		away   bool
		due    int
	}{
		{"it waits again", hour, alert.Copy{State: alert.Sent}, nil, []events.SQSMessage{expired(start, at)}, alert.Delayed, false, 1},
		{"the event comes twice", hour, alert.Copy{State: alert.Sent}, nil, []events.SQSMessage{expired(start, at), expired(start, at)}, alert.Delayed, false, 1},
		{"an earlier event comes late", hour, alert.Copy{State: alert.Sent}, nil, []events.SQSMessage{expired(start, at), delayed(start, start.Add(time.Minute))}, alert.Delayed, false, 1},
		{"the second mail is put off", hour, alert.Copy{State: alert.Sent}, nil, []events.SQSMessage{expired(start, at), delayed(at.Add(time.Minute), at.Add(time.Hour))}, alert.Delayed, true, 1},
		{"two mails had left, and both are given up", hour, alert.Copy{State: alert.Sent}, nil, []events.SQSMessage{expired(start, at), expired(start.Add(time.Minute), at.Add(time.Minute))}, alert.Delayed, false, 1},
		{"the other of two mails arrives", hour, alert.Copy{State: alert.Sent}, nil, []events.SQSMessage{expired(start, at), delivery(start, at)}, alert.Delivered, false, 1},
		{"the other of two mails had arrived", hour, alert.Copy{State: alert.Sent}, nil, []events.SQSMessage{delivery(start, at), expired(start, at)}, alert.Delivered, false, 0},
		{"the other of two mails is refused for good", hour, alert.Copy{State: alert.Sent}, nil, []events.SQSMessage{expired(start, at), unknownUser(start, at)}, alert.Refused, false, 1},
		{"it arrived, and the reply is automatic", hour, alert.Copy{State: alert.Sent}, nil, []events.SQSMessage{delivery(start, at), outOfOffice(start, at.Add(time.Minute))}, alert.Delivered, false, 0},
		{"the automatic reply is told first", hour, alert.Copy{State: alert.Sent}, nil, []events.SQSMessage{outOfOffice(start, at.Add(time.Minute)), delivery(start, at)}, alert.Delivered, false, 0},
		{"it did not arrive, as far as is known", hour, alert.Copy{State: alert.Sent}, nil, []events.SQSMessage{outOfOffice(start, at)}, alert.Refused, false, 0},
		{"it is refused for good", hour, alert.Copy{State: alert.Sent}, nil, []events.SQSMessage{outOfOffice(start, at), unknownUser(start, at.Add(-time.Minute))}, alert.Refused, false, 0},
		{"the alert is over", start, alert.Copy{State: alert.Sent}, nil, []events.SQSMessage{expired(start, at)}, alert.Refused, false, 0},
		{"its guardian has answered", hour, alert.Copy{State: alert.Sent}, &alert.Answer{By: "g", Choice: "safe"}, []events.SQSMessage{expired(start, at)}, alert.Refused, false, 0},
		{"the other guardian has answered", hour, alert.Copy{State: alert.Sent}, &alert.Answer{By: "other", Choice: "safe"}, []events.SQSMessage{expired(start, at)}, alert.Delayed, false, 1},
		{"it came back often enough", hour, alert.Copy{State: alert.Sent, Returned: alert.MostReturns}, nil, []events.SQSMessage{expired(start, at)}, alert.Refused, false, 0},
		{"it was cancelled", hour, alert.Copy{State: alert.Cancelled}, nil, []events.SQSMessage{expired(start, at)}, alert.Refused, false, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := newBench(t)
			b.open(t, tt.until, tt.copy, tt.answer)
			for _, e := range tt.events {
				r, err := b.handler.Handle(t.Context(), events.SQSEvent{Records: []events.SQSMessage{e}})
				if err != nil || len(r.BatchItemFailures) > 0 {
					t.Fatalf("Handle: %v, %v", r, err)
				}
			}
			f, err := b.alerts.Family(t.Context(), sample.Ref)
			must(t, err)
			due, err := b.alerts.DueBy(t.Context(), start.Add(time.Hour), 10)
			must(t, err)
			if c := f.Copies[0]; c.State != tt.state || c.Away != tt.away || len(due) != tt.due {
				t.Errorf("it is %s, away %v, and %d wait; want %s, %v, %d", c.State, c.Away, len(due), tt.state, tt.away, tt.due)
			}
			for _, d := range due {
				if d.Group != "docomo#0.aaaaaaa1" || d.CopyRef != sample {
					t.Errorf("%+v waits", d)
				}
			}
		})
	}
}

// TestGivenUpInAnyOrder has the events of one mail come in any order, each up to three times.
func TestGivenUpInAnyOrder(t *testing.T) {
	at := func(n time.Duration) time.Time { return start.Add(n * time.Minute) }
	for name, of := range map[string][]events.SQSMessage{
		"given up":           {told("Send", "send", at(0), at(0), nil), delayed(at(0), at(1)), delayed(at(0), at(9)), expired(at(0), at(30))},
		"and delivered":      {told("Send", "send", at(0), at(0), nil), delayed(at(0), at(1)), delivery(at(1), at(31)), expired(at(0), at(30))},
		"and refused":        {delayed(at(0), at(1)), unknownUser(at(1), at(3)), expired(at(0), at(30))},
		"an automatic reply": {told("Send", "send", at(0), at(0), nil), delivery(at(0), at(1)), outOfOffice(at(0), at(2))},
		"and then refused":   {outOfOffice(at(0), at(2)), delivery(at(0), at(1)), unknownUser(at(0), at(3))},
		"delivered as well":  {delivery(at(1), at(3)), expired(at(0), at(30)), unknownUser(at(1), at(32))},
	} {
		t.Run(name, func(t *testing.T) {
			seed := uint64(time.Now().UnixNano())
			t.Logf("seed %d", seed)
			rng := mathrand.New(mathrand.NewPCG(seed, 3))
			var first alert.Copy
			for round := range 20 {
				b := newBench(t)
				b.open(t, at(60), alert.Copy{State: alert.Queued}, nil)
				order := append([]events.SQSMessage(nil), of...)
				if round > 0 {
					order = append(append(order, of...), of[:len(of)/2]...)
					rng.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
				}
				for _, e := range order {
					_, err := b.handler.Handle(t.Context(), events.SQSEvent{Records: []events.SQSMessage{e}})
					must(t, err)
				}
				f, err := b.alerts.Family(t.Context(), sample.Ref)
				must(t, err)
				got := verdict(f.Copies[0])
				if got.State != alert.Delayed { // it may have waited in between, or not
					got.Returned, got.Back = 0, time.Time{}
				}
				if round == 0 {
					first = got
				} else if diff := cmp.Diff(first, got); diff != "" {
					t.Fatalf("round %d ended otherwise (-in order +shuffled):\n%s", round, diff)
				}
			}
		})
	}
}
