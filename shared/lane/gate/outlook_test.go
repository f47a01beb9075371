package gate

import (
	"testing"
	"time"

	"github.com/todoku/todoku/shared/lane"
	"github.com/todoku/todoku/shared/lane/pace"
)

func TestOutlook(t *testing.T) {
	now := time.Date(2026, 9, 1, 8, 0, 0, 0, time.UTC)
	lanes, err := lane.Load(nil)
	if err != nil {
		t.Fatal(err)
	}
	limited := pace.State{Window: 2, Rate: 0.5, Ceil: 0.6, Depth: 10, Tokens: 10, Filled: now}
	paused := limited
	paused.Stopped, paused.Until = now.Add(-time.Minute), now.Add(30*time.Second)
	heard := pace.State{Window: 40, Took: time.Second, Filled: now}
	silent := pace.State{Window: 40, Out: 3, Sent: now.Add(-2 * time.Minute), Took: time.Second, Heard: now.Add(-time.Minute), Last: now.Add(-time.Minute)}
	stale := silent
	stale.Sent, stale.Filled = now.Add(-24*time.Hour), now
	for _, tt := range []struct {
		name     string
		events   bool
		state    pace.State
		held     bool
		median   time.Duration
		all      time.Duration
		lateIn5m int64
	}{
		{name: "nothing is known", median: 12500 * time.Millisecond, all: 25 * time.Second},
		{name: "a known rate", state: limited, median: 180 * time.Second, all: 380 * time.Second, lateIn5m: 40},
		{name: "a pause", state: paused, median: 210 * time.Second, all: 410 * time.Second, lateIn5m: 55},
		{name: "by events", events: true, state: heard, median: 6 * time.Second, all: 16 * time.Second},
		{name: "no events come", events: true, state: silent, median: 50 * time.Second, all: 100 * time.Second},
		{name: "no event came of an alert of yesterday", events: true, state: stale, median: 6 * time.Second, all: 16 * time.Second},
		{name: "held", held: true, median: 12500 * time.Millisecond, all: 25 * time.Second, lateIn5m: 200},
	} {
		t.Run(tt.name, func(t *testing.T) {
			g := &Gate{Lanes: lanes, Events: tt.events, Now: func() time.Time { return now }}
			o := g.Outlook(Lane{Name: "docomo", State: tt.state}, 200, tt.held)
			if m, a, l := o.After(0.5), o.After(1), o.Late(5*time.Minute); m != tt.median || a != tt.all || l != tt.lateIn5m {
				t.Errorf("half after %v, all after %v, late %d; want %v, %v, %d", m, a, l, tt.median, tt.all, tt.lateIn5m)
			}
		})
	}
}

// TestOutlookIsTheLaw: what is forecast of a lane that has rested for a day is about what the
// law does; its operator was found out well, so that no more is tried for an hour.
func TestOutlookIsTheLaw(t *testing.T) {
	now := time.Date(2026, 9, 1, 8, 0, 0, 0, time.UTC)
	lanes, err := lane.Load(nil)
	if err != nil {
		t.Fatal(err)
	}
	yesterday := now.Add(-24 * time.Hour)
	known := pace.State{
		Window: 10, Rate: 0.5, Ceil: 0.53, Depth: 100, First: 120, Span: 10 * time.Second, Took: time.Second / 2, Passed: 10, Empty: true,
		Filled: yesterday, Sent: yesterday, Mark: yesterday, RateWait: 2 * time.Hour,
	}
	for _, events := range []bool{false, true} {
		g := &Gate{Lanes: lanes, Events: events, Now: func() time.Time { return now }}
		for name, n := range map[string]int64{"docomo": 200, "yahoo-jp": 150, "google": 300, "softbank": 200} {
			said := g.Outlook(Lane{Name: name, State: known}, n, false).After(1)
			takes := obey(known, g.limits(name), now, n)
			if said < takes*9/10 || said > takes*11/10 {
				t.Errorf("%s, events %v: %d copies are forecast to take %v, the law takes %v", name, events, n, said, takes)
			}
		}
	}
}

// obey returns how long the law takes for so many copies, all of which arrive.
func obey(s pace.State, l pace.Limits, from time.Time, copies int64) time.Duration {
	const step = time.Second / 10
	l.Alive = true
	heard := s.Took
	if l.Events {
		heard += pace.EventLag
	}
	out := map[time.Time]int{} // by when it is known that they arrived
	now := from
	for ; copies > 0; now = now.Add(step) {
		for range out[now] {
			s.Judge(l, now, pace.Verdict{Took: s.Took}, 0.5)
		}
		n, _ := s.Take(l, now, int(min(copies, 10)))
		copies -= int64(n)
		out[now.Add(heard).Truncate(step)] = n
	}
	return now.Sub(from)
}

// TestQueue: what waits goes before an alert that comes as far as the lane's order says.
func TestQueue(t *testing.T) {
	for _, tt := range []struct {
		name      string
		waits     Queue
		copies    float64
		urgent    bool
		wantAhead float64
	}{
		{"a safety check overtakes a notice", Queue{Copies: 2000}, 100, true, 6.25},
		{"alike, they take turns", Queue{Copies: 2000}, 100, false, 100},
		{"until those that wait have left", Queue{Copies: 30, Urgent: true}, 100, true, 30},
		{"a notice is overtaken", Queue{Copies: 2000, Urgent: true}, 100, false, 1600},
	} {
		if got := tt.waits.Before(tt.copies, tt.urgent); got != tt.wantAhead {
			t.Errorf("%s: %v are ahead, want %v", tt.name, got, tt.wantAhead)
		}
	}
}
