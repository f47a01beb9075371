package lanesim

import "testing"

// TestReachedBehindSES holds the goal where only events are seen, at the operator at which it is
// hardest: twice the time of whoever knows every limit. Five variations, since each is
// run at every rate; make bench-lanes has all operators.
func TestReachedBehindSES(t *testing.T) {
	const goal = 2
	b := bench(t, 5)
	rs := b.Each(func(v int) World { return b.School("webmail-y", v) }, []Scheduler{InformedSES, TodokuSES})
	for alert := range SchoolAlerts {
		r := Ratio(rs[TodokuSES], rs[InformedSES], alert)
		t.Logf("alert %d: %.2f of informed, at worst %.2f", alert+1, r.Median, r.Worst)
		if r.Median > goal {
			t.Errorf("alert %d: %.2f of informed, want %d at most", alert+1, r.Median, goal)
		}
	}
}

// TestNearTheClairvoyant holds how far Todoku is from what nobody can see, and how often it is
// blocked after the first alert; of webmail-y and isp-grey docs/decisions/0018 says why.
func TestNearTheClairvoyant(t *testing.T) {
	b := bench(t, 8)
	for name, most := range map[string]float64{
		"carrier-a": 2.6, "carrier-d": 2.3, "carrier-s": 1.3, "global-g": 2.4, "global-i": 2.5, "global-m": 1.5, "isp-grey": 2,
		"webmail-y": 4.2,
	} {
		rs := b.Each(func(v int) World { return b.School(name, v) }, []Scheduler{ClairvoyantSES, TodokuSES})
		for alert := range SchoolAlerts {
			r := Ratio(rs[TodokuSES], rs[ClairvoyantSES], alert)
			t.Logf("%s, alert %d: %.2f of the clairvoyant, at worst %.2f", name, alert+1, r.Median, r.Worst)
			if r.Median > most {
				t.Errorf("%s, alert %d: %.2f of the clairvoyant, want %.1f at most", name, alert+1, r.Median, most)
			}
		}
		often := map[string]int{"isp-grey": 4}[name]
		if n := MostHourly(rs[TodokuSES]); n > max(often, 1) {
			t.Errorf("%s: %d blocks within an hour after the first alert, in %d variations more than one", name, n, OftenBlocked(rs[TodokuSES]))
		}
	}
}
