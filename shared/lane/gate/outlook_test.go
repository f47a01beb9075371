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
