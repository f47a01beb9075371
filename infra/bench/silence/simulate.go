package main

import (
	"math"
	"math/rand/v2"
	"time"

	"github.com/todoku/todoku/shared/silence"
)

// What guardians do, from the schools that published it: 30 % have answered two
// minutes after a mail, two thirds after half an hour, 80 % after two hours.
var answered = []struct {
	minute float64
	share  float64
}{{0, 0}, {2, 0.30}, {30, 0.67}, {120, 0.80}}

// minuteOf is when somebody answers of whom a share of that size was faster: in
// minutes after the mail; never: infinity. Between the points the share grows with
// the logarithm of the time.
func minuteOf(share float64) float64 {
	for i := 1; i < len(answered); i++ {
		a, b := answered[i-1], answered[i]
		if share > b.share {
			continue
		}
		part := (share - a.share) / (b.share - a.share)
		return (a.minute+1)*math.Pow((b.minute+1)/(a.minute+1), part) - 1
	}
	return math.Inf(1)
}

// mix is how many of a hundred addresses the operators have.
var mix = []struct {
	lane  string
	share float64
}{
	{"google", 38}, {"docomo", 20}, {"icloud", 12}, {"au", 10}, {"softbank", 8},
	{"yahoo-jp", 7}, {"rakuten", 1}, {"microsoft", 2}, {"others", 2},
}

// normal is how alerts differ from each other without any fault.
type normal struct {
	evening float64 // spread of the whole school's readiness: log odds
	lane    float64 // spread of a lane's own: log odds
	minutes float64 // longest time that the sending of all takes
}

// lifelike is what the figures are printed for.
var lifelike = normal{evening: 0.5, lane: 0.15, minutes: 5}

// event is one simulated alert.
type event struct {
	sizes   map[string]int
	dropped string // lane; "": none
	start   map[string]float64
	answers map[string][]float64 // minutes after the start, unsorted; only those that come
}

// draw makes an alert to 20 to 2,000 guardians. With dropping, one lane of at least
// 20 swallows all its mails.
func draw(r *rand.Rand, n normal, dropping bool) event {
	for {
		e := event{sizes: map[string]int{}, start: map[string]float64{}, answers: map[string][]float64{}}
		for range int(math.Round(20 * math.Pow(100, r.Float64()))) {
			e.sizes[pick(r)]++
		}
		if dropping {
			if e.dropped = large(r, e.sizes); e.dropped == "" {
				continue
			}
		}
		evening := r.NormFloat64() * n.evening
		for _, m := range mix { // in this order: a seed says everything
			e.start[m.lane] = r.Float64() * n.minutes / 2
			readiness := evening + r.NormFloat64()*n.lane
			for range e.sizes[m.lane] {
				at := e.start[m.lane] + r.Float64()*n.minutes/2 + minuteOf(lessReady(r.Float64(), readiness))
				if m.lane != e.dropped && !math.IsInf(at, 1) {
					e.answers[m.lane] = append(e.answers[m.lane], at)
				}
			}
		}
		return e
	}
}

// lessReady moves a share by log odds, so that the curve as a whole is higher or lower.
func lessReady(share, odds float64) float64 {
	return 1 / (1 + math.Exp(odds)*(1/share-1))
}

func pick(r *rand.Rand) string {
	x := r.Float64() * 100
	for _, m := range mix {
		if x -= m.share; x < 0 {
			return m.lane
		}
	}
	return mix[0].lane
}

// large is any lane of at least 20 guardians.
func large(r *rand.Rand, sizes map[string]int) string {
	var lanes []string
	for _, m := range mix {
		if sizes[m.lane] >= 20 {
			lanes = append(lanes, m.lane)
		}
	}
	if len(lanes) == 0 {
		return ""
	}
	return lanes[r.IntN(len(lanes))]
}

// watch runs the detector over an alert and returns what it calls out, with the
// minutes from when half of that lane's mails had been accepted.
func (e event) watch(n normal) map[string]float64 {
	var w silence.Watch
	began := time.Date(2026, 9, 1, 7, 0, 0, 0, time.UTC)
	found := map[string]float64{}
	for minute := 0; minute <= int(n.minutes+silence.Over.Minutes())+1; minute++ {
		now := began.Add(time.Duration(minute) * time.Minute)
		silent, _ := w.Look(now, e.counts(float64(minute), n), nil)
		for _, f := range silent {
			found[f.Lane] = now.Sub(w.Tracks[f.Lane].Since).Minutes()
		}
	}
	return found
}

func (e event) counts(minute float64, n normal) []silence.Count {
	var counts []silence.Count
	for _, m := range mix {
		size := e.sizes[m.lane]
		if size == 0 {
			continue
		}
		gone := 1.0
		if n.minutes > 0 {
			gone = min(1, max(0, (minute-e.start[m.lane])/(n.minutes/2)))
		}
		c := silence.Count{Lane: m.lane, Made: int64(size), Sent: int64(math.Round(gone * float64(size)))}
		for _, at := range e.answers[m.lane] {
			if at <= minute {
				c.Answered++
			}
		}
		counts = append(counts, c)
	}
	return counts
}
