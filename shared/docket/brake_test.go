package docket_test

import (
	"strings"
	"testing"
	"time"

	"github.com/todoku/todoku/shared/alert"
	"github.com/todoku/todoku/shared/docket"
	"github.com/todoku/todoku/shared/judge"
	"github.com/todoku/todoku/shared/roster"
)

// weighed lets the clerk weigh a minute later, and returns the brake.
func (c *court) weighed() docket.Braked {
	c.t.Helper()
	c.now = c.now.Add(time.Minute)
	c.must(c.Weigh(c.t.Context()))
	b, err := c.Brake(c.t.Context())
	c.must(err)
	return b
}

// deliver has copies to n contacts delivered.
func (c *court) deliver(n int, k roster.Contact) (last alert.CopyRef) {
	c.t.Helper()
	for range n {
		last, _ = c.family(k)
		c.settled(last, alert.Delivered)
	}
	return last
}

func (c *court) brakeMemos() (n int) {
	for _, m := range c.memos {
		if strings.Contains(m.ID, "brake-") {
			n++
		}
	}
	return n
}

// TestBrakeBounces: too many bounces over a representative volume stop notices, and
// safety checks to contacts in doubt; people are told once, and let it go.
func TestBrakeBounces(t *testing.T) {
	c := newCourt(t)
	unproven, proven := roster.Contact{State: roster.Unverified}, roster.Contact{State: roster.Verified}
	c.refuse(20, unproven, judge.Unknown)
	if b := c.weighed(); b.On() || b.Mails != 20 {
		t.Fatalf("20 mails are no volume: %+v", b)
	}
	good := c.deliver(190, proven)
	doubtful := c.deliver(1, unproven)
	c.refuse(1, unproven, judge.Unknown)
	b := c.weighed()
	if !b.On() || b.Mails != 212 || b.Bounces < 0.099 || b.Bounces > 0.1 || c.brakeMemos() != 1 {
		t.Fatalf("%+v, %d memos", b, c.brakeMemos())
	}
	if c.weighed(); c.brakeMemos() != 1 {
		t.Error("it is told again")
	}
	both := []alert.CopyRef{good, doubtful}
	notice := c.alert
	notice.Kind = alert.Notice
	for name, tt := range map[string]struct {
		alert          alert.Alert
		good, doubtful bool
	}{"a notice": {notice, true, true}, "a safety check": {c.alert, false, true}} {
		stops, err := c.Stops(t.Context(), tt.alert, both)
		c.must(err)
		if stops[good] != tt.good || stops[doubtful] != tt.doubtful {
			t.Errorf("%s: %v", name, stops)
		}
	}
	c.must(c.Free(t.Context(), "manager"))
	if stops, err := c.Stops(t.Context(), notice, both); err != nil || len(stops) > 0 {
		t.Errorf("let go, and %v are stopped, %v", stops, err)
	}
	if b := c.weighed(); b.On() || b.By != "manager" {
		t.Errorf("what was forgiven counts: %+v", b)
	}
	if err := c.Free(t.Context(), "manager"); err == nil {
		t.Error("it is let go twice")
	}
}

// TestBrakeIsLetGo: when the rate has fallen, by itself.
func TestBrakeIsLetGo(t *testing.T) {
	c := newCourt(t)
	c.refuse(25, roster.Contact{State: roster.Unverified}, judge.Unknown)
	c.deliver(200, roster.Contact{State: roster.Verified})
	if b := c.weighed(); !b.On() {
		t.Fatalf("%+v", b)
	}
	c.newAlert()
	c.deliver(300, roster.Contact{State: roster.Verified})
	if b := c.weighed(); b.On() || b.By != "" || b.Resumed.IsZero() || c.brakeMemos() != 2 {
		t.Errorf("%+v, %d memos", b, c.brakeMemos())
	}
}

// TestBrakeComplaints: three reports of spam among a few hundred mails; the same told twice is
// one.
func TestBrakeComplaints(t *testing.T) {
	c := newCourt(t)
	c.deliver(300, roster.Contact{State: roster.Verified})
	for i := range 3 {
		if b := c.weighed(); b.On() {
			t.Fatalf("%d complaints: %+v", i, b)
		}
		ref := c.deliver(1, roster.Contact{State: roster.Verified})
		for range 2 {
			c.must(c.Complain(t.Context(), ref, c.now))
		}
	}
	if b := c.weighed(); !b.On() || b.Complaints < 0.009 {
		t.Errorf("%+v", b)
	}
}

// TestBrakeManyOpen: the alert that bounces is the newest of very many.
func TestBrakeManyOpen(t *testing.T) {
	c := newCourt(t)
	for range 250 {
		c.newAlert()
	}
	c.deliver(250, roster.Contact{State: roster.Verified})
	c.refuse(40, roster.Contact{State: roster.Unverified}, judge.Unknown)
	if b := c.weighed(); !b.On() || b.Mails != 290 {
		t.Errorf("%d mails, on: %t", b.Mails, b.On())
	}
}
