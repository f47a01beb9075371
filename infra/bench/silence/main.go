// Command silence measures the silence detector on simulated alerts:
//
//	go run ./infra/bench/silence [-n 10000] [-seed 1]
//
// It prints how many of the alerts in which a lane swallows its mails have it called
// out within ten minutes, by the size of the lane, and in how many normal alerts any lane
// is called out; then how both change if lanes differ more than they are known to.
package main

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
)

func main() {
	n := flag.Int("n", 10_000, "how many alerts of each kind")
	seed := flag.Uint64("seed", 1, "of the dice")
	flag.Parse()
	_, _ = os.Stdout.WriteString(report(*n, *seed))
}

// bins are the sizes of a lane that the table tells apart.
var bins = []struct{ from, to int }{{20, 24}, {25, 39}, {40, 79}, {80, 2000}}

// result is what a number of alerts showed.
type result struct {
	dropped, inTime [4]int // by bin
	normal, alarms  int
}

// run simulates n alerts with a lane that swallows its mails and n without.
func run(n int, seed uint64, kind normal) result {
	r := rand.New(rand.NewPCG(seed, 0))
	var res result
	for range n {
		e := draw(r, kind, true)
		b := binOf(e.sizes[e.dropped])
		res.dropped[b]++
		if after, ok := e.watch(kind)[e.dropped]; ok && after <= 10 {
			res.inTime[b]++
		}
	}
	for range n {
		res.normal++
		if len(draw(r, kind, false).watch(kind)) > 0 {
			res.alarms++
		}
	}
	return res
}

func binOf(size int) int {
	for i, b := range bins {
		if size <= b.to {
			return i
		}
	}
	return len(bins) - 1
}

// found is the share of dropped lanes that were called out in time.
func (r result) found() float64 {
	dropped, inTime := 0, 0
	for i := range bins {
		dropped += r.dropped[i]
		inTime += r.inTime[i]
	}
	return float64(inTime) / float64(dropped)
}

// wrong is the share of normal alerts with an alarm.
func (r result) wrong() float64 { return float64(r.alarms) / float64(r.normal) }

func report(n int, seed uint64) string {
	w := &strings.Builder{}
	fmt.Fprintf(w, "Silence detector, %d simulated alerts of each kind to 20 to 2,000 guardians, seed %d\n\n", n, seed)
	res := run(n, seed, lifelike)
	fmt.Fprintf(w, "%-40s %10s %12s\n", "a lane swallows its mails", "alerts", "in 10 min")
	for i, b := range bins {
		fmt.Fprintf(w, "  lane of %4d to %-4d guardians %9s %10d %10.1f %%\n", b.from, b.to, "", res.dropped[i], 100*float64(res.inTime[i])/float64(max(1, res.dropped[i])))
	}
	fmt.Fprintf(w, "  all (goal 95 %%) %39.1f %%\n", 100*res.found())
	fmt.Fprintf(w, "normal alerts with a false alarm (goal 1 %% at most) %5.2f %%\n\n", 100*res.wrong())
	fmt.Fprintln(w, "if lanes differ by themselves (spread of the log odds):")
	for _, spread := range []float64{0, 0.3, 0.5} {
		kind := lifelike
		kind.lane = spread
		res := run(n/5, seed, kind)
		fmt.Fprintf(w, "  %.1f %26s %10.1f %% found %10.2f %% false\n", spread, "", 100*res.found(), 100*res.wrong())
	}
	return w.String()
}
