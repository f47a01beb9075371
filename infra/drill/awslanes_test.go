package drill

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/todoku/todoku/infra/drill/cloud"
	"github.com/todoku/todoku/infra/drill/sesfake"
	"github.com/todoku/todoku/shared/lane"
	"github.com/todoku/todoku/shared/lane/gate"
	"github.com/todoku/todoku/shared/lane/pace"
)

// copiesOverLanes is how many there are: LANES_COPIES, or 300, or 2,000 with
// STRICT=1. They leave at LANES_RATE a second. A machine with two processors to
// itself does 10,000 at 80 a second.
func copiesOverLanes(t testing.TB) int {
	n := uint64(300)
	if os.Getenv("STRICT") == "1" {
		n = 2000
	}
	return int(env(t, "LANES_COPIES", n))
}

// operatorTakes is how long operators take for a mail. What binds here is to be the account's
// rate: an operator with two slots must carry a tenth of it, and a lane's law has SES seldom
// use both at once.
const operatorTakes = 100 * time.Millisecond

// awsLanes sends copies over all lanes, with an SES that is slower than the
// functions, twice: with operators that take them, and with one that puts off
// everything. Where SES is not slower, because the machine has no more to give, fewer
// copies leave more slowly.
func awsLanes(t *testing.T, cfg cloud.Config) {
	const leastRate = 10
	copies, rate := copiesOverLanes(t), float64(env(t, "LANES_RATE", 40))
	cfg.Most = int(env(t, "LANES_INSTANCES", 48))
	for ; ; copies, rate = copies/2, rate/2 {
		before := processors()
		wrong := lanesAt(t, cfg, copies, rate)
		if wrong == "" {
			return
		}
		busy := processors().busySince(before)
		if busy < full || rate/2 < leastRate {
			t.Errorf("%s; the machine was busy to %.0f %%", wrong, 100*busy)
			return
		}
		t.Logf("%s; but the machine was busy to %.0f %%", wrong, 100*busy)
	}
}

// lanesAt sends copies at the account's rate, and says how that falls short of what is wanted.
func lanesAt(t *testing.T, cfg cloud.Config, copies int, rate float64) (wrong string) {
	t.Helper()
	cfg.SES = sesfake.Config{
		Rate:    rate,
		Latency: func(string) time.Duration { return 30 * time.Millisecond },
		Fate:    func(string) []sesfake.Step { return []sesfake.Step{{Kind: sesfake.Delivery, After: operatorTakes}} },
	}
	calm, used := sendOverLanes(t, cfg, copies, false)
	disturbed, _ := sendOverLanes(t, cfg, copies, true)
	change := disturbed.Seconds()/calm.Seconds() - 1
	t.Logf("while docomo puts off everything the others are done after %v, else after %v: %+.1f %% (goal: less than 5 %%)",
		disturbed.Round(time.Millisecond), calm.Round(time.Millisecond), 100*change)
	switch {
	case used < leastUsed:
		return fmt.Sprintf("only %.0f %% of the account's rate was used", 100*used)
	case change > mostDisturbed:
		return fmt.Sprintf("one lane holds up the others by more than %.0f %%", 100*mostDisturbed)
	}
	return ""
}

// full is how busy a machine is, at least, that has no more to give.
const full = 0.9

// spent is the time that this machine's processors have spent, in ticks.
type spent struct{ idle, all float64 }

// processors reads it where the system says it (https://man7.org/linux/man-pages/man5/proc_stat.5.html).
func processors() (s spent) {
	stat, _ := os.ReadFile("/proc/stat") // which other systems do not have
	line, _, _ := strings.Cut(string(stat), "\n")
	for i, field := range strings.Fields(line) {
		ticks, _ := strconv.ParseFloat(field, 64) // 0 for its name
		switch {
		case i > 8: // guests, who count as users already
		case i == 4:
			s.idle = ticks
			fallthrough
		default:
			s.all += ticks
		}
	}
	return s
}

// busySince returns which share of the time they were busy, or waited for a disk. A system
// that does not say it is taken for a busy one.
func (s spent) busySince(before spent) float64 {
	if s.all == before.all {
		return 1
	}
	return 1 - (s.idle-before.idle)/(s.all-before.all)
}

// remember gives the lanes what a first alert leaves them with: a window that fills
// their slots, after rounds of acceptances, of which operators with few slots need more. The
// first of all, to operators of which nothing is known, is slower.
func (d *deployment) remember() {
	d.Helper()
	ago := func() time.Time { return time.Now().Add(-time.Minute) }
	g := &gate.Gate{Table: d.Table, Lanes: d.lanes, Events: true, Now: ago, Dice: func() float64 { return 0.5 }}
	const fills = 12 // copies without a verdict, with which two slots are busy
	names := map[string]bool{}
	for address := range d.addresses {
		_, domain, _ := strings.Cut(address, "@")
		names[d.lanes.Of(domain).Name] = true
	}
	for name := range names {
		for round, window := 0, 0; round < 6 || round < 48 && window < fills; round++ {
			p, err := g.Ask(d.Context(), gate.Who{Place: lane.Place{Lane: name}}, 100)
			if err == nil {
				err = p.Begin(d.Context())
			}
			if err == nil {
				err = g.Report(d.Context(), name, slices.Repeat([]pace.Verdict{{Took: time.Second / 5}}, p.N)...)
			}
			if err != nil {
				d.Fatal(err)
			}
			window = p.N
		}
	}
}

// mostDisturbed is by how much one lane may make the others late. The goal is 5 %;
// the rest is for machines that do other work during one of the two runs.
const mostDisturbed = 0.15

// leastUsed is the share of the account's rate that must be used. The goal is 95 %;
// the rest is as above.
const leastUsed = 0.80

// disturbedDomain is that of the lane that puts off everything.
const disturbedDomain = "@docomo.ne.jp"

// sendOverLanes sends an alert in a deployment of its own and returns after how
// long the last copy had left that is not for the disturbed domain, and which share of the
// account's rate was used.
func sendOverLanes(t *testing.T, cfg cloud.Config, copies int, disturbed bool) (took time.Duration, used float64) {
	t.Helper()
	if disturbed {
		cfg.Before = putOff(disturbedDomain)
	}
	d := deploy(t, cfg, copies)
	defer d.Close()
	if disturbed {
		copies -= d.contactsAt(disturbedDomain)
	}
	d.remember()
	r := d.accepted(d.send("lanes"), copies, 15*time.Minute)
	d.checkLanes(r, cfg.SES.Rate)
	return r.lastBut(disturbedDomain).Sub(r.first), r.used(1, cfg.SES.Rate)
}

// putOff has SES not accept what is for a domain.
func putOff(domain string) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			if bytes.Contains(body, []byte(domain+`"]`)) {
				w.Header().Set("X-Amzn-ErrorType", sesfake.Unverified.Type)
				w.WriteHeader(sesfake.Unverified.Status)
				_ = json.NewEncoder(w).Encode(map[string]string{"message": sesfake.Unverified.Message})
				return
			}
			r.Body = io.NopCloser(bytes.NewReader(body))
			next.ServeHTTP(w, r)
		})
	}
}

// checkLanes prints what SES saw, and fails if it saw more at once than a lane
// allows, or more in a second than the account may send.
func (d *deployment) checkLanes(r outcome, rate float64) {
	d.Helper()
	s := d.SES.Stats()
	d.Logf("%d copies in %v, 0 lost, %d duplicates; rate of %.0f/s used to %.1f %%, until nine tenths had left to %.1f %%; %d throttled",
		len(r.copies), r.took().Round(time.Millisecond), r.total-len(r.copies), rate, 100*r.used(1, rate), 100*r.used(0.9, rate), s.Throttled)
	for _, name := range slices.Sorted(maps.Keys(s.Lanes)) {
		limit := d.lanes.Named(name).Slots
		d.Logf("  %-12s %5d copies, high-water mark %d of %d, done after %v", name, s.Lanes[name].Accepted, s.Lanes[name].HighWater, limit,
			d.lastOf(r, name).Sub(r.first).Round(time.Millisecond))
		if s.Lanes[name].HighWater > limit {
			d.Errorf("%s: %d sends at once, limit %d", name, s.Lanes[name].HighWater, limit)
		}
	}
	if most := r.busiest(time.Second); float64(most) > rate*1.1+1 {
		d.Errorf("%d copies in one second, the account may send %.0f", most, rate)
	}
}

// lastOf returns when the last copy of a lane left.
func (d *deployment) lastOf(r outcome, name string) (last time.Time) {
	for i, to := range r.to {
		if _, domain, _ := strings.Cut(to, "@"); d.lanes.Of(domain).Name == name {
			last = r.at[i]
		}
	}
	return last
}

// used returns how much of the rate was used until a share of the copies had left.
func (r outcome) used(share, rate float64) float64 {
	n := int(share * float64(len(r.at)-1))
	return float64(n) / r.at[n].Sub(r.first).Seconds() / rate
}

// lastBut returns when the last copy left that is not for a domain.
func (r outcome) lastBut(domain string) (last time.Time) {
	for i, to := range r.to {
		if !strings.HasSuffix(to, domain) {
			last = r.at[i]
		}
	}
	return last
}

// busiest returns the most copies that were accepted in any time so long.
func (r outcome) busiest(window time.Duration) (most int) {
	from := 0
	for i, at := range r.at {
		for at.Sub(r.at[from]) >= window {
			from++
		}
		most = max(most, i-from+1)
	}
	return most
}

// contactsAt counts the school's contacts at a domain.
func (d *deployment) contactsAt(domain string) (n int) {
	for address := range d.addresses {
		if strings.HasSuffix(address, domain) {
			n++
		}
	}
	return n
}
