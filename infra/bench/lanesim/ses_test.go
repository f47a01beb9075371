package lanesim

import "testing"

// TestReachedBehindSES holds what has been reached where only events are seen; the
// operator that is missing here is spoken of in docs/decisions/0018.
func TestReachedBehindSES(t *testing.T) {
	b := bench(t, 8)
	for name, most := range map[string]float64{
		"carrier-a": 2.6, "carrier-d": 2.3, "carrier-s": 1.3, "global-g": 2.4, "global-i": 2.5, "global-m": 1.5, "isp-grey": 2,
	} {
		rs := b.Each(func(v int) World { return b.School(name, v) }, []Scheduler{InformedSES, TodokuSES})
		for alert := range SchoolAlerts {
			r := Ratio(rs[TodokuSES], rs[InformedSES], alert)
			t.Logf("%s, alert %d: %.2f of informed, at worst %.2f", name, alert+1, r.Median, r.Worst)
			if r.Median > most {
				t.Errorf("%s, alert %d: %.2f of informed", name, alert+1, r.Median)
			}
		}
	}
}
