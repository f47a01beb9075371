package drill

import (
	"maps"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/todoku/todoku/infra/drill/cloud"
	"github.com/todoku/todoku/infra/drill/peers"
	"github.com/todoku/todoku/infra/drill/sesfake"
)

// copiesOfLanes is how many copies the tests of lanes send.
func copiesOfLanes(t testing.TB) int {
	n := uint64(1000)
	if os.Getenv("STRICT") == "1" {
		n = 10_000
	}
	return int(env(t, "LANES_COPIES", n))
}

// TestAWSLanes sends copies over all lanes, with SES slower than the functions.
func TestAWSLanes(t *testing.T) {
	cfg := cloud.Config{Dynamo: peers.Dynoxide(t), SQS: peers.Fauxqs(t), Programs: buildFunctions(t)}
	copies := copiesOfLanes(t)
	rate := float64(env(t, "LANES_RATE", 50))
	cfg.Most = int(env(t, "LANES_MOST", 16))
	cfg.SES = sesfake.Config{
		Rate:    rate,
		Latency: func(string) time.Duration { return 30 * time.Millisecond },
		Fate:    func(string) []sesfake.Step { return nil },
	}
	d := deploy(t, cfg, copies)
	began := time.Now()
	r := d.accepted(d.send("lanes"), copies, 5*time.Minute)
	s := d.SES.Stats()
	t.Logf("%d copies in %v (from the send %v), %d duplicates; account rate %.0f/s used to %.1f %%, %d throttled",
		len(r.copies), r.took(), r.last.Sub(began), r.total-len(r.copies), rate, 100*float64(r.total)/r.took().Seconds()/rate, s.Throttled)
	n := len(r.at) * 9 / 10
	t.Logf("until nine tenths had left the rate was used to %.1f %%", 100*float64(n)/r.at[n].Sub(r.first).Seconds()/rate)
	for _, name := range slices.Sorted(maps.Keys(s.Lanes)) {
		limit := d.lanes.Named(name).Slots
		t.Logf("%-12s %5d copies, high-water mark %d of %d", name, s.Lanes[name].Accepted, s.Lanes[name].HighWater, limit)
		if s.Lanes[name].HighWater > limit {
			t.Errorf("%s: %d sends at once, limit %d", name, s.Lanes[name].HighWater, limit)
		}
	}
	for name, f := range d.Functions {
		t.Logf("%-12s %+v", name, f.Stats())
	}
	for name, n := range d.Requests() {
		t.Logf("%s %d", name, n)
	}
}
