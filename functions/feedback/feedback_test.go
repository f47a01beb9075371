package feedback_test

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"log/slog"
	mathrand "math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/google/go-cmp/cmp"
	"github.com/todoku/todoku/functions/feedback"
	"github.com/todoku/todoku/shared/alert"
	"github.com/todoku/todoku/shared/id"
	"github.com/todoku/todoku/shared/table/bbolt/bbolttest"
)

// The samples in events/ are about this copy.
var sample = alert.CopyRef{
	Ref:     alert.Ref{Alert: "01k41zq2a0aaaaaaaaaaaaaaa1", Class: "class-1-1", Family: "01k41zq2a0aaaaaaaaaaaaaaf1"},
	Contact: "01k41zq2a0aaaaaaaaaaaaaac1",
}

var start = time.Date(2026, 9, 1, 8, 0, 0, 0, time.UTC)

type bench struct {
	alerts  *alert.Store
	handler *feedback.Handler
}

func newBench(t *testing.T) *bench {
	t.Helper()
	now := func() time.Time { return start }
	tab := bbolttest.Open(t, now)
	s := &alert.Store{Table: tab, IDs: id.NewSource(now, rand.Reader), Now: now}
	return &bench{alerts: s, handler: &feedback.Handler{Alerts: s, Log: slog.New(slog.NewTextHandler(t.Output(), nil))}}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// family makes the record of a family of one child and the copies to contacts.
func (b *bench) family(t *testing.T, ref alert.Ref, contacts ...string) {
	t.Helper()
	f := alert.Family{ID: ref.Family, Children: []alert.Child{{ID: "child", Class: ref.Class, Guardians: []int{0}}}, Guardians: []alert.Guardian{{ID: "g"}}}
	for _, c := range contacts {
		f.Copies = append(f.Copies, alert.Copy{Contact: c, Lane: "docomo", State: alert.Queued, At: start})
	}
	must(t, b.alerts.Table.Write(t.Context(), "", alert.CreateOps(ref.Alert, []alert.Made{{Class: ref.Class, Family: f}})...))
}

// families makes the records of families with a copy each.
func (b *bench) families(t *testing.T, refs []alert.CopyRef) {
	t.Helper()
	var made []alert.Made
	for _, r := range refs {
		made = append(made, alert.Made{Class: r.Class, Family: alert.Family{
			ID: r.Family, Children: []alert.Child{{ID: "child", Class: r.Class, Guardians: []int{0}}}, Guardians: []alert.Guardian{{ID: "g"}},
			Copies: []alert.Copy{{Contact: r.Contact, Lane: "docomo", State: alert.Queued, At: start}},
		}})
	}
	must(t, b.alerts.Table.Write(t.Context(), "", alert.CreateOps(refs[0].Alert, made)...))
}

// readEvent decodes a sample strictly and checks that nothing of it is lost.
func readEvent(t *testing.T, path string) events.SQSEvent {
	t.Helper()
	text, err := os.ReadFile(path)
	must(t, err)
	var e events.SQSEvent
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	must(t, d.Decode(&e))
	again, err := json.Marshal(e)
	must(t, err)
	var want, got any
	must(t, json.Unmarshal(text, &want))
	must(t, json.Unmarshal(again, &got))
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s does not round-trip (-want +got):\n%s", path, diff)
	}
	return e
}

func TestSamples(t *testing.T) {
	tests := map[string]struct {
		state  alert.CopyState
		status string
		reason string // a part of it
	}{
		"send":                      {state: alert.Sent},
		"delivery":                  {state: alert.Delivered},
		"sns-envelope":              {state: alert.Delivered},
		"delay":                     {state: alert.Delayed, status: "4.4.1", reason: "TransientCommunicationFailure"},
		"bounce-permanent":          {state: alert.Refused, status: "5.1.1", reason: "Permanent General: smtp; 550 5.1.1 (address) Unknown user"},
		"bounce-suppressed":         {state: alert.Refused, status: "5.1.1", reason: "OnAccountSuppressionList"},
		"bounce-transient":          {state: alert.Refused, status: "4.4.7", reason: "Transient General"},
		"bounce-mailbox-full":       {state: alert.Refused, status: "4.2.2", reason: "MailboxFull"},
		"bounce-undetermined":       {state: alert.Refused, reason: "Undetermined"},
		"bounce-several-recipients": {state: alert.Refused, status: "5.1.1"},
		"bounce-no-email":           {state: alert.Refused, reason: "NoEmail"},
		"bounce-global-list":        {state: alert.Refused, status: "5.1.1", reason: "Permanent Suppressed"},
		"bounce-too-large":          {state: alert.Refused, status: "5.3.4", reason: "MessageTooLarge"},
		"bounce-content":            {state: alert.Refused, status: "5.7.1", reason: "ContentRejected"},
		"bounce-attachment":         {state: alert.Refused, status: "5.7.1", reason: "AttachmentRejected"},
		"bounce-out-of-office":      {state: alert.Refused, status: "5.7.1", reason: "Transient General"},
		"bounce-dmarc":              {state: alert.Refused, status: "5.7.26", reason: "DMARC policy"},
		"delay-every-type":          {state: alert.Delayed, status: "4.4.1", reason: "SendingDeferral"},
		"malformed-members":         {state: alert.Queued},
		"malformed-words":           {state: alert.Refused, status: "5.1.1", reason: "(address)"},
		"reject":                    {state: alert.Refused, reason: "Bad content"},
		"rendering-failure":         {state: alert.Refused, reason: "not rendered"},
		"complaint":                 {state: alert.Queued},
		"complaint-not-spam":        {state: alert.Queued},
		"complaint-on-list":         {state: alert.Refused, reason: "Complaint OnAccountSuppressionList"},
		"unknown-kind":              {state: alert.Queued},
		"other-system":              {state: alert.Queued},
		"plain-text":                {state: alert.Queued},
		"malformed":                 {state: alert.Queued},
	}
	files, err := filepath.Glob("../../events/feedback-*.json")
	must(t, err)
	if len(files) != len(tests) {
		t.Errorf("%d samples, %d expectations", len(files), len(tests))
	}
	for _, file := range files {
		name := strings.TrimSuffix(strings.TrimPrefix(filepath.Base(file), "feedback-"), ".json")
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			b.family(t, sample.Ref, sample.Contact)
			for range 2 { // events come twice
				r, err := b.handler.Handle(t.Context(), readEvent(t, file))
				if err != nil || len(r.BatchItemFailures) > 0 {
					t.Fatalf("Handle: %v, %v", r, err)
				}
			}
			f, err := b.alerts.Family(t.Context(), sample.Ref)
			must(t, err)
			c, want := f.Copies[0], tests[name]
			if c.State != want.state || c.Status != want.status || !strings.Contains(c.Reason, want.reason) {
				t.Errorf("copy = %s %q %q, want %s %q %q", c.State, c.Status, c.Reason, want.state, want.status, want.reason)
			}
			if strings.Contains(c.Reason, "@") {
				t.Errorf("the reason holds an address: %q", c.Reason)
			}
			if f.Children[0].Answer != nil {
				t.Error("an event answered for a child")
			}
		})
	}
}

// TestUnknownCopy passes over events whose alert is gone, and hands nothing back.
func TestUnknownCopy(t *testing.T) {
	b := newBench(t)
	r, err := b.handler.Handle(t.Context(), readEvent(t, "../../events/feedback-delivery.json"))
	if err != nil || len(r.BatchItemFailures) > 0 {
		t.Errorf("Handle: %v, %v", r, err)
	}
}

// TestAnyOrder delivers the same events shuffled and repeated: the records end in
// the same state, and the counters agree with them.
func TestAnyOrder(t *testing.T) {
	const families, rounds = 20, 4
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rng := mathrand.New(mathrand.NewPCG(seed, 1))
	refs := make([]alert.CopyRef, families)
	ids := id.NewSource(time.Now, rand.Reader)
	for i := range refs {
		refs[i] = sample
		refs[i].Family = ids.New()
	}
	all := randomEvents(rng, refs)
	var first []alert.Copy
	for round := range rounds {
		b := newBench(t)
		for _, r := range refs {
			b.family(t, r.Ref, r.Contact)
		}
		order := append([]events.SQSMessage(nil), all...)
		if round > 0 {
			order = append(order, all[:len(all)/2]...)
			rng.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
		}
		for len(order) > 0 {
			n := min(1+rng.IntN(10), len(order))
			r, err := b.handler.Handle(t.Context(), events.SQSEvent{Records: order[:n]})
			if err != nil || len(r.BatchItemFailures) > 0 {
				t.Fatalf("Handle: %v, %v", r, err)
			}
			order = order[n:]
		}
		got := b.states(t, refs)
		if round == 0 {
			first = got
			continue
		}
		if diff := cmp.Diff(first, got); diff != "" {
			t.Fatalf("round %d ended otherwise (-first +now):\n%s", round, diff)
		}
	}
}

// TestHundredThousand delivers 100,000 events, shuffled and each of them up to three
// times, among messages that are none: it ends as the same events do in order, once.
func TestHundredThousand(t *testing.T) {
	const copies, all = 8000, 100_000
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rng := mathrand.New(mathrand.NewPCG(seed, 2))
	refs := make([]alert.CopyRef, copies)
	ids := id.NewSource(time.Now, rand.Reader)
	for i := range refs {
		refs[i] = sample
		refs[i].Family = ids.New()
	}
	once := randomEvents(rng, refs)
	var shuffled []events.SQSMessage
	for len(shuffled) < all {
		shuffled = append(shuffled, once[len(shuffled)%len(once)])
	}
	rng.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
	for i, text := range []string{"", "{}", "null", `{"eventType":"Bounce"}`, sesfirst} {
		shuffled[i*1000].Body, shuffled[len(shuffled)-1-i] = text, shuffled[i*1000]
	}
	want, got := newBench(t).after(t, rng, refs, once), newBench(t).after(t, rng, refs, append(shuffled, once...))
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatalf("it ended otherwise (-in order +shuffled):\n%s", diff)
	}
}

const sesfirst = "Successfully validated SNS topic for Amazon SES event publishing."

// after returns the copies as events leave them that come in batches.
func (b *bench) after(t *testing.T, rng *mathrand.Rand, refs []alert.CopyRef, order []events.SQSMessage) []alert.Copy {
	t.Helper()
	for some := range slices.Chunk(refs, 20) {
		b.families(t, some)
	}
	for len(order) > 0 {
		n := min(1+rng.IntN(40), len(order))
		r, err := b.handler.Handle(t.Context(), events.SQSEvent{Records: order[:n]})
		if err != nil || len(r.BatchItemFailures) > 0 {
			t.Fatalf("Handle: %v, %v", r, err)
		}
		order = order[n:]
	}
	return b.states(t, refs)
}

func randomEvents(rng *mathrand.Rand, refs []alert.CopyRef) []events.SQSMessage {
	var all []events.SQSMessage
	for _, r := range refs {
		for range 1 + rng.IntN(6) {
			all = append(all, events.SQSMessage{MessageId: fmt.Sprint(len(all)), Body: event(rng, r, start.Add(time.Duration(1+len(all))*time.Second))})
		}
	}
	return all
}

func event(rng *mathrand.Rand, r alert.CopyRef, at time.Time) string {
	tags := map[string][]string{}
	for k, v := range r.Tags() {
		tags[k] = []string{v}
	}
	e := map[string]any{"mail": map[string]any{"timestamp": at, "tags": tags}}
	switch rng.IntN(8) {
	case 0:
		e["eventType"] = "Send"
	case 1:
		e["eventType"], e["delivery"] = "Delivery", map[string]any{"timestamp": at}
	case 2:
		e["eventType"], e["deliveryDelay"] = "DeliveryDelay", map[string]any{"timestamp": at, "delayType": "MailboxFull"}
	case 3:
		e["eventType"], e["bounce"] = "Bounce", map[string]any{"timestamp": at, "bounceType": "Permanent", "bounceSubType": "General"}
	case 4:
		e["eventType"], e["complaint"] = "Complaint", map[string]any{"timestamp": at}
	case 5:
		e["eventType"], e["reject"] = "Reject", map[string]any{"reason": "Bad content"}
	case 7:
		e["eventType"], e["bounce"] = "Bounce", map[string]any{"timestamp": at, "bounceType": "Transient", "bounceSubType": "General"}
	case 6:
		e["eventType"], e["failure"] = "Rendering Failure", map[string]any{"errorMessage": "none", "templateName": "none"}
	}
	text, err := json.Marshal(e)
	if err != nil {
		panic(err)
	}
	return string(text)
}

// verdict is what must not depend on the order of events. What a page tells of a copy's past
// besides (when it left, when and why it was put off) is less where events were late.
func verdict(c alert.Copy) alert.Copy {
	c.SentAt, c.PutOffAt, c.PutOff = time.Time{}, time.Time{}, 0
	if c.State == alert.Delivered {
		c.Code, c.Status, c.Reason = 0, "", ""
	}
	return c
}

// states returns the copies, after comparing the counters with them.
func (b *bench) states(t *testing.T, refs []alert.CopyRef) []alert.Copy {
	t.Helper()
	var copies []alert.Copy
	counted := map[string]int64{}
	for _, r := range refs {
		f, err := b.alerts.Family(t.Context(), r.Ref)
		must(t, err)
		for _, c := range f.Copies {
			copies = append(copies, verdict(c))
		}
		counted[string(f.Copies[0].State)]++
	}
	st, err := b.alerts.Status(t.Context(), alert.Alert{ID: sample.Alert})
	must(t, err)
	for _, state := range alert.CopyStates { // without a fan-out nothing is known of what is queued
		if got := st.Copies.By[string(state)]; state != alert.Queued && got != counted[string(state)] {
			t.Errorf("counter %s = %d, counted %d", state, got, counted[string(state)])
		}
	}
	return copies
}
