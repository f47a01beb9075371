// Package lanesim simulates receiving mail operators, and schedulers that send to
// them, in virtual time: hours pass in milliseconds, and a seed says all that
// happens. It is a discrete event simulation: what happens is a function at a
// moment, and the clock jumps from one to the next.
//
// The operators are those of simulated-receivers.json. A receiver has one source
// address in front of it, as a school has.
package lanesim

import (
	"container/heap"
	"math"
	"math/rand/v2"
	"time"
)

// Sim is a virtual clock with what is to happen. Everything runs on one goroutine.
type Sim struct {
	Now    time.Duration // since the simulation began
	Rand   *rand.Rand
	events events
	seq    int
}

// New returns a simulation of which seed says all chance.
func New(seed uint64) *Sim {
	return &Sim{Rand: rand.New(rand.NewPCG(seed, 0x746f646f6b75))} //nolint:gosec // chance that can be repeated is what is wanted here
}

// After lets f happen d from now.
func (s *Sim) After(d time.Duration, f func()) {
	s.seq++
	heap.Push(&s.events, event{at: s.Now + max(d, 0), seq: s.seq, do: f})
}

// Run lets everything happen until nothing is left, or until the end.
func (s *Sim) Run(end time.Duration) {
	for len(s.events) > 0 && s.events[0].at <= end {
		e := heap.Pop(&s.events).(event)
		s.Now = e.at
		e.do()
	}
}

// lognormal returns a time with the median and the sigma of its logarithm.
func (s *Sim) lognormal(median, sigma float64) time.Duration {
	return seconds(median * math.Exp(sigma*s.Rand.NormFloat64()))
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

// event is something that is to happen; seq keeps the order of what is at one time.
type event struct {
	at  time.Duration
	seq int
	do  func()
}

type events []event

func (e events) Len() int      { return len(e) }
func (e events) Swap(i, j int) { e[i], e[j] = e[j], e[i] }
func (e events) Less(i, j int) bool {
	return e[i].at < e[j].at || e[i].at == e[j].at && e[i].seq < e[j].seq
}
func (e *events) Push(x any) { *e = append(*e, x.(event)) }
func (e *events) Pop() any {
	old := *e
	last := old[len(old)-1]
	old[len(old)-1] = event{}
	*e = old[:len(old)-1]
	return last
}
