package sesfake

import (
	"fmt"
	"slices"
	"time"
)

// tell schedules the events of m. The caller holds the lock.
func (s *Server) tell(m Message) {
	if s.cfg.Emit == nil {
		return
	}
	fate := s.cfg.Fate(m.To)
	if s.listed[m.To] {
		fate = []Step{sent, listed}
	}
	tries := s.tries(m.ConfigurationSet)
	for _, step := range within(tries, fate) {
		body := event(m, step, tries)
		for range s.times() {
			s.schedule(step.After+s.late(), body)
		}
	}
}

// within returns a fate as it is where SES gives up after a time: what would have been
// later does not happen, but the bounce that says so.
func within(tries time.Duration, fate []Step) (steps []Step) {
	last := "421 4.4.2 Connection timed out"
	for _, step := range fate {
		if step.After > tries && step.Kind != Complaint {
			words := fmt.Sprintf("550 4.4.7 Message expired: unable to deliver in %.0f minutes.<%s>", tries.Minutes(), last)
			return append(steps, Step{Kind: Bounce, After: tries, Type: "Transient", SubType: "General", Status: "4.4.7", Words: words})
		}
		if step.Kind == DeliveryDelay {
			last = step.Words
		}
		steps = append(steps, step)
	}
	return steps
}

// times returns how often an event comes.
func (s *Server) times() int {
	switch r := s.rand.Float64(); {
	case r < s.cfg.Chaos.Drop:
		return 0
	case r < s.cfg.Chaos.Drop+s.cfg.Chaos.Duplicate:
		return 2
	}
	return 1
}

func (s *Server) late() time.Duration {
	if s.cfg.Chaos.Jitter <= 0 {
		return 0
	}
	return time.Duration(s.rand.Int64N(int64(s.cfg.Chaos.Jitter)))
}

// laterEvent is one whose time is to come.
type laterEvent struct {
	at   time.Time
	body []byte
}

// Pass has those events come whose time has come by the clock.
func (s *Server) Pass() {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.cfg.Now()
	s.later = slices.DeleteFunc(s.later, func(e laterEvent) bool {
		due := !e.at.After(now)
		if due {
			s.emit(0, e.body)
		}
		return due
	})
}

// schedule has an event come after a time. The caller holds the lock.
func (s *Server) schedule(after time.Duration, body []byte) {
	if s.cfg.Later && after > 0 {
		s.later = append(s.later, laterEvent{s.cfg.Now().Add(after), body})
		return
	}
	s.emit(after, body)
}

func (s *Server) emit(after time.Duration, body []byte) {
	if s.closed {
		return
	}
	s.pending.Add(1)
	s.untold++
	var t *time.Timer
	t = time.AfterFunc(after, func() {
		defer s.pending.Done()
		s.mu.Lock()
		delete(s.timers, t)
		s.mu.Unlock()
		s.cfg.Emit(body)
		s.mu.Lock()
		defer s.mu.Unlock()
		s.untold--
	})
	s.timers[t] = struct{}{}
}

// Untold returns how many events are still to be emitted, or are being emitted.
func (s *Server) Untold() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.untold
}

// Drain waits until every event of what was sent before has been emitted.
func (s *Server) Drain() { s.pending.Wait() }

// Close drops the events that are not due yet and waits for those being emitted.
func (s *Server) Close() {
	s.mu.Lock()
	s.closed = true
	for t := range s.timers {
		if t.Stop() {
			s.pending.Done()
		}
	}
	s.mu.Unlock()
	s.pending.Wait()
}
