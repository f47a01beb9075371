package lanesim

import (
	"fmt"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/todoku/todoku/infra/drill/peers"
)

// limited is a Postfix with limits of its own, as a profile: no blocks, and the window
// of its counter as a bucket.
var limited = Profile{
	Name: "postfix", Like: "gmail.com", MaxConnections: 4, MessagesPerConnection: 20, RecipientsPerSession: 100,
	Rate: 100.0 / 60, Burst: 100, ReplyExcessConnection: "421", ReplyExcessRate: "450", ReplyBlocked: "421",
	ConnectionRefusals: 1e9, ConnectionRefusalsS: 60, RateRefusals: 1e9, RateRefusalsS: 60, UnknownAbove: 2,
	RoundTrip: 0.01, Processing: 0.1, Sigma: 0.5,
}

// TestRealPostfix sends to a real Postfix with limits of its own, and to the simulated
// receiver with the same, and with the time that the real one took over a message: the schedulers come in in the same order.
func TestRealPostfix(t *testing.T) {
	if testing.Short() && os.Getenv("STRICT") != "1" {
		t.Skip("-short: it takes half a minute")
	}
	const copies = 300
	b := bench(t, 1)
	w := World{Profiles: []Profile{limited}, End: 20 * time.Minute, Alerts: []Alert{{To: [][]*Recipient{people(copies, 1, b.chance(0, 9))}}}}
	for _, to := range w.Alerts[0].To[0] {
		to.Unknown = false
	}
	sameOrder(t, func(speed int) []map[Scheduler]*took { return []map[Scheduler]*took{sendToPostfix(t, w, b, speed)} })
}

// sendToPostfix has each scheduler send an alert to a real Postfix and to the simulated one.
func sendToPostfix(t *testing.T, w World, b Bench, speed int) map[Scheduler]*took {
	t.Helper()
	address := peers.Postfix(t, peers.PostfixLimits{
		Connections: int(limited.MaxConnections), Messages: 100, Unit: 60 * time.Second / time.Duration(speed),
	})
	hows := []Scheduler{Todoku, Postfix, Fixed1, Fixed20, Global}
	all := map[Scheduler]*took{}
	var wg sync.WaitGroup
	for i, how := range hows { // each from an address of its own
		one := &took{}
		all[how] = one
		wg.Go(func() {
			l := newLive(speed, address, fmt.Sprintf("127.0.1.%d", 1+i), how, limited, b)
			one.real, one.message = l.send(w), l.message()
		})
	}
	wg.Wait()
	for _, how := range hows {
		var ends []time.Duration
		for _, times := range []float64{0.5, 2, 1} { // it is not always the median
			w.Profiles[0].Processing = times * all[how].message.Seconds()
			all[how].simulated = RunWorld(w, how, b.Lanes, 1).Times(func(*Copy) bool { return true })
			ends = append(ends, all[how].simulated.T99)
		}
		all[how].soonest, all[how].latest = slices.Min(ends), slices.Max(ends)
		r, m := all[how].real, all[how].simulated
		t.Logf("%-16s %.2f s a message; 50, 90, 99 %% after %4.1f, %4.1f, %4.1f min; simulated %4.1f, %4.1f, %4.1f (%.1f to %.1f)", how, all[how].message.Seconds(),
			r.T50.Minutes(), r.T90.Minutes(), r.T99.Minutes(), m.T50.Minutes(), m.T90.Minutes(), m.T99.Minutes(), all[how].soonest.Minutes(), all[how].latest.Minutes())
	}
	return all
}
