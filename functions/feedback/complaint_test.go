package feedback_test

import (
	"crypto/rand"
	"encoding/json"
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/todoku/todoku/shared/alert"
	"github.com/todoku/todoku/shared/docket"
	"github.com/todoku/todoku/shared/id"
	"github.com/todoku/todoku/shared/roster"
	"github.com/todoku/todoku/shared/table"
)

// accused is the contact of a copy that left, with a docket that judges its events.
func (b *bench) accused(t *testing.T) alert.CopyRef {
	t.Helper()
	now := func() time.Time { return start }
	ids := id.NewSource(now, rand.Reader)
	people := &roster.Store{Table: b.alerts.Table, IDs: ids, Now: now}
	b.handler.Court = &docket.Store{Table: b.alerts.Table, Alerts: b.alerts, Roster: people, Events: true, Now: now}
	a, _, err := b.alerts.Accept(t.Context(), alert.Draft{
		School: "s1", Kind: alert.Safety, Subject: "台風", Body: "回答してください。", All: true, UsefulUntil: start.Add(6 * time.Hour),
	}, ids.New())
	must(t, err)
	g, k := ids.New(), ids.New()
	f, err := people.PutFamily(t.Context(), "s1", roster.Family{
		Children:  []roster.Child{{Name: "見本 太郎", Class: "c1", Guardians: []string{g}}},
		Guardians: []roster.Guardian{{ID: g, Name: "見本 花子", Contacts: []roster.Contact{{ID: k, Address: "x@docomo.ne.jp", State: roster.Verified}}}},
	})
	must(t, err)
	ref := alert.CopyRef{Ref: alert.Ref{Alert: a.ID, Class: "c1", Family: f.ID}, Contact: k}
	b.family(t, ref.Ref, k)
	return ref
}

// TestComplaints: what a guardian reported ends notices and counts; a mail that SES did not send
// because of an earlier report is refused, and does not; one that is no spam changes nothing.
func TestComplaints(t *testing.T) {
	for _, tt := range []struct {
		name  string
		what  map[string]any
		state alert.CopyState
		quiet bool
		count int64
		cases []string
	}{
		{"spam", map[string]any{"complaintFeedbackType": "abuse", "complaintSubType": nil}, alert.Sent, true, 1, nil},
		{"of no type", nil, alert.Sent, true, 1, nil},
		{"no spam", map[string]any{"complaintFeedbackType": "not-spam"}, alert.Sent, false, 0, nil},
		{"on SES's list", map[string]any{"complaintSubType": "OnAccountSuppressionList"}, alert.Refused, false, 0, []string{"listed"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := newBench(t)
			ref := b.accused(t)
			for range 2 {
				r, err := b.handler.Handle(t.Context(), events.SQSEvent{Records: []events.SQSMessage{
					toldOf(ref, "Send", "send", start, start, nil), toldOf(ref, "Complaint", "complaint", start, start.Add(time.Minute), tt.what),
				}})
				if err != nil || len(r.BatchItemFailures) > 0 {
					t.Fatalf("Handle: %v, %v", r, err)
				}
			}
			copies, err := b.alerts.Family(t.Context(), ref.Ref)
			must(t, err)
			f, err := b.handler.Court.Roster.Family(t.Context(), "s1", ref.Family)
			must(t, err)
			if s, quiet := copies.Copies[0].State, f.Guardians[0].Contacts[0].Quiet; s != tt.state || quiet != tt.quiet {
				t.Errorf("the copy is %s, its contact quiet %t; want %s, %t", s, quiet, tt.state, tt.quiet)
			}
			cases, count := b.docket(t, ref.Alert)
			if count["complained"] != tt.count || count["bounced"] != 0 || !slices.Equal(cases, tt.cases) {
				t.Errorf("cases %q, counted %v; want %q, %d complaints", cases, count, tt.cases, tt.count)
			}
		})
	}
}

// docket returns the classes of an alert's cases, and what counts for the brake.
func (b *bench) docket(t *testing.T, alertID string) (classes []string, rate map[string]int64) {
	t.Helper()
	page, err := b.alerts.Table.Query(t.Context(), table.Query{Partition: "alert/" + alertID + "/cases", Prefix: "case/"})
	must(t, err)
	for _, item := range page.Items {
		var c docket.Case
		must(t, json.Unmarshal(item.Value, &c))
		classes = append(classes, string(c.Class))
	}
	items, err := b.alerts.Table.GetMany(t.Context(), table.Key{Partition: "alert/" + alertID + "/cases", Sort: "rate"})
	must(t, err)
	return classes, items[0].Counts
}
