package fanout_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/todoku/todoku/shared/alert"
)

// TestHeard: when an alert is over, the roster knows through which contacts it was
// answered, and of the others nothing.
func TestHeard(t *testing.T) {
	b := newBench(t, 40)
	a := b.accept(func(*alert.Draft) {})
	b.run(a, alert.FanOut)
	b.now = b.now.Add(time.Minute)
	answered := map[string]time.Time{}
	for i, ref := range b.refs() {
		if i%3 != 0 {
			continue
		}
		f, err := b.handler.Alerts.Family(t.Context(), ref.Ref)
		must(t, err)
		g := f.Copies[f.Copy(ref.Contact, 0)].Guardian
		choices := map[string]string{}
		for _, c := range f.Answerable(g) {
			choices[f.Children[c].ID] = a.Choices[0].ID
		}
		must(t, b.handler.Alerts.Answer(t.Context(), a, alert.AnswerRequest{
			Ref: ref.Ref, Guardian: g, By: f.Guardians[g].ID, Contact: ref.Contact, Way: alert.ByLink, Choices: choices,
		}))
		answered[ref.Contact] = b.now
	}
	b.now = b.now.Add(2 * time.Hour)
	b.run(a, alert.Cancel)
	families, _, err := b.handler.Roster.Families(t.Context(), "school", "")
	must(t, err)
	contacts := 0
	for _, f := range families {
		for _, g := range f.Guardians {
			for _, c := range g.Contacts {
				contacts++
				if !c.Answered.Equal(answered[c.ID]) {
					t.Errorf("contact %s answered at %v, want %v", c.ID, c.Answered, answered[c.ID])
				}
			}
		}
	}
	if contacts < 40 || len(answered) < 10 {
		t.Errorf("only %d contacts, %d answers", contacts, len(answered))
	}
}

// TestRequeue: what has not left is queued once more, also what an operator put off; what
// left, or is in the operator's hands, is not.
func TestRequeue(t *testing.T) {
	tests := []struct {
		state alert.CopyState
		away  bool
		again bool
	}{
		{alert.Queued, false, true},
		{alert.Delayed, false, true},
		{alert.Delayed, true, false},
		{alert.Sent, false, false},
		{alert.Refused, false, false},
		{alert.Cancelled, false, false},
	}
	b := newBench(t, 40)
	a := b.accept(func(*alert.Draft) {})
	b.run(a, alert.FanOut)
	want := map[alert.CopyRef]bool{}
	for i, ref := range b.refs() {
		tt := tests[i%len(tests)]
		must(t, b.handler.Alerts.Update(t.Context(), alert.Change{Ref: ref.Ref, Apply: func(f *alert.Family) bool {
			c := &f.Copies[f.Copy(ref.Contact, 0)]
			c.State, c.Away = tt.state, tt.away
			return true
		}}))
		if tt.again {
			want[ref] = true
		}
	}
	b.copies.msgs = nil
	b.run(a, alert.Requeue(b.now))
	if diff := cmp.Diff(want, b.queued()); diff != "" {
		t.Errorf("queued again (-want +got):\n%s", diff)
	}
}
