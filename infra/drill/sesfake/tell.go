package sesfake

import "time"

// tell schedules the events of m. The caller holds the lock.
func (s *Server) tell(m Message) {
	if s.cfg.Emit == nil {
		return
	}
	fate := s.cfg.Fate(m.To)
	if s.listed[m.To] {
		fate = []Step{sent, listed}
	}
	for _, step := range fate {
		body := event(m, step)
		for range s.times() {
			s.schedule(step.After+s.late(), body)
		}
	}
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

func (s *Server) schedule(after time.Duration, body []byte) {
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
