package main

import (
	"strings"
	"testing"
)

// A tenth of what the command measures, which is enough to see that its promises hold.
func TestPromises(t *testing.T) {
	res := run(1000, 1, lifelike)
	if got := res.found(); got < 0.95 {
		t.Errorf("%.1f %% of the silent lanes are found in time", 100*got)
	}
	if got := res.wrong(); got > 0.01 {
		t.Errorf("%.2f %% of the normal alerts have a false alarm", 100*got)
	}
}

func TestReport(t *testing.T) {
	if got := report(20, 2); !strings.Contains(got, "20 to 24") {
		t.Errorf("no row for the smallest lanes:\n%s", got)
	}
}

func TestCurve(t *testing.T) {
	for _, p := range answered {
		if got := minuteOf(p.share); got < p.minute-1e-9 || got > p.minute+1e-9 {
			t.Errorf("a share of %v has answered after %v minutes, not %v", p.share, got, p.minute)
		}
	}
}
