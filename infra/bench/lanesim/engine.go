// Package lanesim simulates receiving mail operators, and schedulers that send to
// them, in virtual time: hours pass in milliseconds, and a seed says all that
// happens. It is a discrete event simulation: what happens is a function at a
// moment, and the clock jumps from one to the next.
//
// The operators are those of simulated-receivers.json. A receiver has one source
// address in front of it, as a school has.
package lanesim

import (
	"math/rand/v2"
	"time"
)

// Sim is a virtual clock with what is to happen. Everything runs on one goroutine.
type Sim struct {
	Now    time.Duration // since the simulation began
	Rand   *rand.Rand
	seed   uint64
	events events
	seq    int
}

// New returns a simulation of which seed says all chance.
func New(seed uint64) *Sim {
	s := &Sim{seed: seed}
	s.Rand = s.chance(0)
	return s
}

// chance returns one of many sources. Each lane has its own, so that what happens in
// one lane does not change another's luck.
func (s *Sim) chance(of uint64) *rand.Rand {
	return rand.New(rand.NewPCG(s.seed, 0x746f646f6b75+of))
}

// After lets f happen d from now.
func (s *Sim) After(d time.Duration, f func()) {
	s.seq++
	s.events.push(event{at: s.Now + max(d, 0), seq: s.seq, do: f})
}

// Run lets everything happen until nothing is left, or until the end.
func (s *Sim) Run(end time.Duration) {
	for len(s.events) > 0 && s.events[0].at <= end {
		e := s.events.pop()
		s.Now = e.at
		e.do()
	}
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

// event is something that is to happen; seq keeps the order of what is at one time.
type event struct {
	at  time.Duration
	seq int
	do  func()
}

func (e event) before(o event) bool { return e.at < o.at || e.at == o.at && e.seq < o.seq }

// events is a binary heap. container/heap would box each event.
type events []event

func (e *events) push(x event) {
	h := append(*e, x)
	i := len(h) - 1
	for i > 0 && h[i].before(h[(i-1)/2]) {
		h[i], h[(i-1)/2] = h[(i-1)/2], h[i]
		i = (i - 1) / 2
	}
	*e = h
}

func (e *events) pop() event {
	h := *e
	first, n := h[0], len(h)-1
	h[0], h[n] = h[n], event{}
	h = h[:n]
	for i := 0; ; {
		least := i
		for child := 2*i + 1; child <= 2*i+2 && child < n; child++ {
			if h[child].before(h[least]) {
				least = child
			}
		}
		if least == i {
			break
		}
		h[i], h[least] = h[least], h[i]
		i = least
	}
	*e = h
	return first
}
