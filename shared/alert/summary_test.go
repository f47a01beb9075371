package alert

import (
	"testing"
	"time"
)

func TestSummaryCurve(t *testing.T) {
	curve := []CurvePoint{{1 * time.Minute, 3}, {5 * time.Minute, 50}, {2 * time.Hour, 80}, {130 * time.Minute, 85}, {170 * time.Minute, 90}, {4 * time.Hour, 91}}
	got := Summary{Steps: steps(curve)}.Curve()
	want := []CurvePoint{{1 * time.Minute, 3}, {5 * time.Minute, 50}, {2 * time.Hour, 80}, {3 * time.Hour, 90}, {4 * time.Hour, 91}}
	if len(got) != len(want) {
		t.Fatalf("%v", got)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("point %d is %v, want %v", i, got[i], want[i])
		}
	}
	if n := AnsweredBy(curve, 129*time.Minute); n != 80 {
		t.Errorf("%d had answered by 2:09", n)
	}
	for hundredths, want := range map[int64]time.Duration{50: 5 * time.Minute, 90: 170 * time.Minute, 95: 0} {
		if at, ok := ReachedAt(curve, 100, hundredths); at != want || ok != (want > 0) {
			t.Errorf("%d%% after %v, %v", hundredths, at, ok)
		}
	}
}
