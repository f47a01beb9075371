package lanesim

import (
	"math/rand/v2"
	"runtime"
	"sync"
	"time"

	"github.com/todoku/todoku/shared/lane"
)

// unknownUsers is the share of recipients who no longer exist, in every workload.
const unknownUsers = 0.005

// Bench holds what all studies need.
type Bench struct {
	Profiles   Profiles
	Lanes      *lane.Lanes
	Variations int    // of every number by x0.5 to x2; the first is none
	Seed       uint64 // says all chance; a variation's own is derived from it
}

// NewBench returns a bench of the profiles and the lanes that ship.
func NewBench(variations int, seed uint64) (Bench, error) {
	ps, err := Load()
	if err != nil {
		return Bench{}, err
	}
	lanes, err := lane.Load(nil)
	return Bench{Profiles: ps, Lanes: lanes, Variations: variations, Seed: seed}, err
}

// SchoolAlerts is how many alerts a school sends to one operator in a row, and
// between them are SchoolPause: the first finds the operator unknown.
const (
	SchoolAlerts = 3
	SchoolPause  = 3 * time.Hour
	SchoolSize   = 1400
)

// Ends of the runs: what has not arrived by then counts as arrived then.
const (
	schoolEnd = 12 * time.Hour
	mixedEnd  = 8 * time.Hour
)

// chance returns that of a variation, which the schedulers share.
func (b Bench) chance(variation int, what uint64) *rand.Rand {
	return rand.New(rand.NewPCG(b.Seed+uint64(variation), what))
}

// vary returns a profile's variation.
func vary(p Profile, variation int, r *rand.Rand) Profile {
	if v := p.Vary(r); variation > 0 {
		return v
	}
	return p
}

// people returns so many recipients, numbered from first on.
func people(n, first int, r *rand.Rand) []*Recipient {
	rs := make([]*Recipient, n)
	for i := range rs {
		rs[i] = &Recipient{ID: first + i, Unknown: r.Float64() < unknownUsers}
	}
	return rs
}

// School is a world in which a school's guardians all have one operator, and the
// school sends SchoolAlerts.
func (b Bench) School(profile string, variation int) World {
	r := b.chance(variation, 1)
	w := World{Profiles: []Profile{vary(b.Profiles.ByName[profile], variation, r)}, End: schoolEnd}
	to := [][]*Recipient{people(SchoolSize, 0, r)}
	w.Offset = time.Duration(r.Float64() * float64(time.Hour))
	for a := range SchoolAlerts {
		w.Alerts = append(w.Alerts, Alert{At: time.Duration(a) * SchoolPause, To: to})
	}
	return w
}

// Mixed is a world with all operators, each varied by itself, and so many alerts to
// so many recipients in all, spread over a time at random.
func (b Bench) Mixed(recipients, alerts int, within time.Duration, variation int) World {
	r := b.chance(variation, 2)
	w := World{End: mixedEnd}
	names := b.Profiles.Names()
	for _, name := range names {
		w.Profiles = append(w.Profiles, vary(b.Profiles.ByName[name], variation, r))
	}
	w.Offset = time.Duration(r.Float64() * float64(time.Hour))
	id := 0
	for range alerts {
		a := Alert{At: time.Duration(r.Float64() * float64(within))}
		for _, name := range names {
			n := int(b.Profiles.Mix[name]*float64(recipients/alerts) + r.Float64())
			a.To = append(a.To, people(n, id, r))
			id += n
		}
		w.Alerts = append(w.Alerts, a)
	}
	return w
}

// City and Prefecture are the workloads of simulated-receivers.json.
func (b Bench) City(variation int) World {
	return b.Mixed(43_000, 72, 10*time.Minute, variation)
}

// Prefecture is one alert to 64,000 recipients.
func (b Bench) Prefecture(variation int) World { return b.Mixed(64_000, 1, 0, variation) }

// Result is what one scheduler did in one variation.
type Result struct {
	Alert    [SchoolAlerts]Times // of a school's alerts; of a mixed workload the first is all
	Healthy  Times               // of the copies that the world watches
	Attempts float64             // a message
	Blocks   int                 // that were triggered
	Hourly   int                 // most of them within an hour, after the first alert
}

// Each runs every scheduler in every variation of a world, as many at once as there
// are processors, and returns their results by scheduler and variation.
func (b Bench) Each(world func(variation int) World, schedulers []Scheduler) map[Scheduler][]Result {
	results := map[Scheduler][]Result{}
	for _, how := range schedulers {
		results[how] = make([]Result, b.Variations)
	}
	var wg sync.WaitGroup
	places := make(chan struct{}, runtime.GOMAXPROCS(0))
	for v := range b.Variations {
		for _, how := range schedulers {
			places <- struct{}{}
			wg.Go(func() {
				results[how][v] = b.best(world(v), how, v)
				<-places
			})
		}
	}
	wg.Wait()
	return results
}

// best runs a world once, or with InformedSES at every rate.
func (b Bench) best(w World, how Scheduler, variation int) Result {
	if how != InformedSES {
		return b.one(w, how, variation)
	}
	var best Result
	for i, even := range evens() {
		w.Even = even
		r := b.one(w, how, variation)
		for a, t := range r.Alert {
			if i == 0 || t.T99 < best.Alert[a].T99 {
				best.Alert[a] = t
			}
		}
	}
	return best
}

func (b Bench) one(w World, how Scheduler, variation int) Result {
	run := RunWorld(w, how, b.Lanes, b.Seed+uint64(variation))
	r := Result{Attempts: run.Attempts(), Blocks: run.Blocks(0), Hourly: run.BlocksAnHour(SchoolPause)}
	if w.Watched != nil {
		r.Healthy = run.Times(w.Watched)
	}
	if len(w.Alerts) != SchoolAlerts {
		r.Alert[0] = run.Times(func(*Copy) bool { return true })
		return r
	}
	for a := range r.Alert {
		r.Alert[a] = run.Times(func(c *Copy) bool { return c.Alert == a })
	}
	return r
}

// FieldNotesBurst is what the field notes tell: three mails to the same mailboxes at
// webmail-y at once, after 6 and after 13 seconds; a school's guardians there.
func (b Bench) FieldNotesBurst(variation int) World {
	r := b.chance(variation, 3)
	const name = "webmail-y"
	w := World{Profiles: []Profile{vary(b.Profiles.ByName[name], variation, r)}, End: mixedEnd}
	to := [][]*Recipient{people(int(SchoolSize*b.Profiles.Mix[name]), 0, r)}
	for _, at := range []time.Duration{0, 6 * time.Second, 13 * time.Second} {
		w.Alerts = append(w.Alerts, Alert{At: at, To: to})
	}
	return w
}

// Faults are those of simulated-receivers.json that are no matter of isolation, each of the
// operator that is sent to.
var Faults = []struct {
	Name string
	Fault
}{
	{"blackhole", Fault{Blackhole: [2]time.Duration{time.Minute, 21 * time.Minute}}},
	{"capacity-step", Fault{Slow: [2]time.Duration{time.Minute, 10 * time.Minute}, Factor: 0.3}},
	{"cross-traffic", Fault{Others: 0.5}},
	{"bad-mx", Fault{BadHosts: 0.25}},
}

// Faulty is a school's alert to one operator that has a fault.
func (b Bench) Faulty(profile string, f Fault, variation int) World {
	w := b.School(profile, variation)
	w.Alerts, w.Faults, w.End = w.Alerts[:1], []Fault{f}, mixedEnd
	return w
}

// Isolation is a school's alert to all operators. One of them, by its place in
// Names, is dark for twenty minutes, or, to compare, is not; in both cases
// Result.Healthy is of the others.
func (b Bench) Isolation(lane int, dark bool, variation int) World {
	w := b.Mixed(SchoolSize, 1, 0, variation)
	w.Faults = make([]Fault, len(w.Profiles))
	w.Faults[lane].Greets = variation%2 == 1
	w.Watched = func(c *Copy) bool { return c.Lane != lane }
	if dark {
		w.Faults[lane].Blackhole = [2]time.Duration{0, 20 * time.Minute}
	}
	return w
}
