package feedback_test

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/todoku/todoku/shared/address"
	"github.com/todoku/todoku/shared/docket"
	"github.com/todoku/todoku/shared/enrol"
	"github.com/todoku/todoku/shared/id"
	"github.com/todoku/todoku/shared/roster"
)

// TestAlive: who registers by a mail from an address that SES's list has gets no reply, but is
// taken off the list, so that the next mail is answered. Whoever only typed the address is not.
func TestAlive(t *testing.T) {
	for _, tt := range []struct {
		name    string
		door    enrol.Door
		subType string
		fails   bool
		taken   bool
	}{
		{"by mail", enrol.ByMail, "OnAccountSuppressionList", false, true},
		{"by mail, and SES is busy", enrol.ByMail, "OnAccountSuppressionList", true, true},
		{"by mail, refused by its operator", enrol.ByMail, "General", false, false},
		{"on a page", enrol.Sheet, "OnAccountSuppressionList", false, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := newBench(t)
			j := b.joined(t, tt.door)
			var asked []string
			clerk := &docket.Clerk{Store: b.handler.Court, Log: b.handler.Log, Unlist: func(_ context.Context, mailbox string) error {
				asked = append(asked, mailbox)
				if tt.fails {
					return errors.New("SES is busy")
				}
				return nil
			}}
			for range 2 {
				r, err := b.handler.Handle(t.Context(), events.SQSEvent{Records: []events.SQSMessage{{MessageId: "1", Body: bounced(t, j, tt.subType)}}})
				if err != nil || len(r.BatchItemFailures) > 0 {
					t.Fatalf("Handle: %v, %v", r, err)
				}
			}
			must(t, clerk.Work(t.Context()))
			must(t, clerk.Work(t.Context()))
			if want := []string{"hanako@docomo.ne.jp"}; slices.Equal(asked, want) != tt.taken || !tt.taken && asked != nil {
				t.Errorf("taken off the list: %q", asked)
			}
		})
	}
}

// joined has somebody register through a door, and gives the bench a docket.
func (b *bench) joined(t *testing.T, door enrol.Door) enrol.Join {
	t.Helper()
	now := func() time.Time { return start }
	ids := id.NewSource(now, rand.Reader)
	r := &roster.Store{Table: b.alerts.Table, IDs: ids, Now: now}
	b.handler.Enrol = &enrol.Store{Table: b.alerts.Table, Roster: r, IDs: ids, Now: now, Random: rand.Reader}
	b.handler.Court = &docket.Store{Table: b.alerts.Table, Alerts: b.alerts, Roster: r, Events: true, Now: now}
	b.handler.Log = slog.New(slog.NewTextHandler(t.Output(), nil))
	f, err := r.PutFamily(t.Context(), "s1", roster.Family{Children: []roster.Child{{ID: ids.New(), Name: "見本 一郎", Class: "c1"}}})
	must(t, err)
	passes, err := b.handler.Enrol.Issue(t.Context(), "s1", []enrol.ChildRef{{Family: f.ID, Child: f.Children[0].ID}}, false)
	must(t, err)
	a, err := address.Parse("hanako@docomo.ne.jp")
	must(t, err)
	j, err := b.handler.Enrol.Join(t.Context(), enrol.Request{Codes: []string{passes[0].Code}, Address: a, Name: "見本 花子", Relation: "母", Door: door})
	must(t, err)
	return j
}

// bounced is SES's event that the mail which asks for a confirmation did not arrive.
func bounced(t *testing.T, j enrol.Join, subType string) string {
	t.Helper()
	body, err := json.Marshal(map[string]any{
		"eventType": "Bounce",
		"mail":      map[string]any{"timestamp": start, "tags": map[string][]string{"school": {j.School}, "join": {j.ID}}},
		"bounce":    map[string]any{"timestamp": start, "bounceType": "Permanent", "bounceSubType": subType},
	})
	must(t, err)
	return string(body)
}
