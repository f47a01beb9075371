package pace

import (
	"math"
	"time"
)

// Take grants up to want places to copies that leave at now. If it grants none, it
// says how long until it is worth asking again; a verdict may make it worth before.
func (s *State) Take(l Limits, now time.Time, want int) (n int, wait time.Duration) {
	s.forget(now) // first: a verdict that was lost must not make a rest look like work
	s.begin(l, now)
	s.miss(l, now)
	switch {
	case s.Silent(l, now) && !now.Before(s.Until):
		n, wait = s.cautiously(l, now, want)
	case !s.Stopped.IsZero():
		n, wait = s.probe(l, now, want)
	default:
		n, wait = s.room(l, now, want)
	}
	s.leave(l, now, n)
	return n, wait
}

// Claim takes the places that Take granted on an older copy of the state. Where no
// limit is known they are taken even if others were faster: for so few it is not
// worth losing their turn of the account's rate.
func (s *State) Claim(l Limits, now time.Time, want int) (n int, wait time.Duration) {
	if s.Window == 0 || s.Rate > 0 || !s.Stopped.IsZero() || s.Silent(l, now) {
		return s.Take(l, now, want)
	}
	s.leave(l, now, want)
	return want, 0
}

// leave notes that n copies leave now.
func (s *State) leave(l Limits, now time.Time, n int) {
	if n == 0 {
		return
	}
	if s.Out == 0 {
		s.Heard = now // nothing was to be heard before
	}
	s.Out += l.places(n)
	s.Full = float64(s.Out-s.Stuck) >= math.Floor(s.Window)
	s.Tokens -= float64(n)
	s.Sent = now
}

// places is how many places n copies take that leave together. Where replies are seen
// they go one after the other over one connection.
func (l Limits) places(n int) int {
	if l.Events {
		return n
	}
	return 1
}

// begin makes a lane ready that has never sent, or has rested. A lane that is stopped rests
// when it has not sent a probe for long, because nothing waited: the time is no block's, and
// what it is stopped for may be over.
func (s *State) begin(l Limits, now time.Time) {
	if s.Window == 0 {
		s.Window = min(firstWindow, l.widest())
		s.Mark, s.Filled, s.Heard = now, now, now
		return
	}
	rested := now.Sub(s.Sent)
	least := rest
	if !s.Stopped.IsZero() {
		least = Forget
	}
	if rested < least || s.Sent.IsZero() || s.Out > 0 {
		return
	}
	if !s.Stopped.IsZero() {
		s.Stopped, s.Since, s.Vain = now, now, 0
	}
	s.fill(l, now)
	s.Mark, s.Empty, s.Passed, s.Shut, s.Heard = now, false, 0, 0, now
	s.Window = min(max(s.Window, s.WindowCeil), l.widest())
	s.RateWait, s.WindowWait = fade(s.RateWait, firstTry, rested), fade(s.WindowWait, firstWiden, rested)
	s.RateTry, s.WindowTry = now.Add(s.RateWait), now.Add(s.WindowWait)
}

// fade lets a remembered limit lose authority: the time until more is tried halves
// with every such rest (fading).
func fade(wait, least, rested time.Duration) time.Duration {
	return max(time.Duration(float64(wait)*math.Exp2(-float64(rested)/float64(fading))), least)
}

// forget gives the places of verdicts back that will not come: a place that was taken
// before the last turn and is still out at the next, and all of them if nothing is
// sent or heard any more.
func (s *State) forget(now time.Time) {
	quiet := now.Sub(s.Sent) > Forget && now.Sub(s.Heard) > Forget
	if !quiet && now.Sub(s.Turned) < Forget/2 {
		return
	}
	lost := min(s.Old, s.Out)
	if quiet {
		lost = s.Out
	}
	s.Out -= lost
	s.Stuck = min(s.Stuck, s.Out)
	s.Probing = s.Probing && s.Out > 0
	s.Old, s.Turned = s.Out, now
}

// probe grants one place when the pause is over.
func (s *State) probe(l Limits, now time.Time, want int) (int, time.Duration) {
	if s.Probing && l.Events && now.Sub(s.Sent) > s.patience() {
		s.Stuck++
		s.stop(now, 0.5)
	}
	switch {
	case s.Probing && l.Events:
		return 0, probeWait
	case s.Probing:
		return 0, Forget - now.Sub(s.Sent) + time.Second
	case now.Before(s.Until):
		return 0, s.Until.Sub(now)
	case want < 1:
		return 0, 0
	}
	s.Probing = true
	return 1, 0
}

// patience is how long to wait for the verdict on a probe.
func (s *State) patience() time.Duration {
	if s.Took == 0 {
		return Silence
	}
	return probeWait
}

// miss notices by the copies without an event that some are put off, long before SES
// says so.
func (s *State) miss(l Limits, now time.Time) {
	if !l.Events || s.Took == 0 || !s.Stopped.IsZero() || s.Silent(l, now) {
		return
	}
	usual, missed := s.usual(now)
	if !missed {
		return
	}
	s.Stuck = max(s.Out-usual, 0)
	if s.Since.IsZero() {
		s.slow(l, now)
	}
	s.stop(now, 0.5)
}

// usual returns how many copies should be out without an event, and reports whether
// far more are: more than twice as many at a known rate; or, while no limit is known
// and the window grows, some of which no event came for three times as long as usual.
func (s *State) usual(now time.Time) (n int, missed bool) {
	due := s.Took + EventLag
	if s.Rate == 0 {
		return 0, s.Out > s.Stuck && now.Sub(s.Heard) > max(3*due, probeWait)
	}
	usual, out := s.Rate*due.Seconds(), float64(s.Out-s.Stuck)
	return int(usual), out > 2*usual+4 || out >= math.Floor(s.Window) && now.Sub(s.Heard) > 2*due
}

// Silent reports whether verdicts are overdue for so long that the lane no longer
// waits for them. A lane that was never heard does not wait even if others are heard.
func (s *State) Silent(l Limits, now time.Time) bool {
	return l.Events && (!l.Alive || s.Took == 0) && s.Out > 0 && now.Sub(s.Heard) > Silence
}

// cautiously grants what the cautious rate allows since the last copy left, a few
// seconds' worth at most, for missing verdicts never stop an alert.
func (s *State) cautiously(l Limits, now time.Time, want int) (int, time.Duration) {
	due := l.cautious() * min(now.Sub(s.Sent), cautiousBurst).Seconds()
	if due < 1 {
		return 0, time.Duration((1-due)/l.cautious()*float64(time.Second)) + time.Millisecond
	}
	return min(want, int(due)), 0
}

// room grants what window and bucket leave.
func (s *State) room(l Limits, now time.Time, want int) (int, time.Duration) {
	s.fill(l, now)
	n := int(s.Window) + s.Stuck - s.Out
	if n <= 0 && l.Events {
		return 0, probeWait
	}
	if n <= 0 {
		return 0, Forget
	}
	if n = min(n, want); !l.Events {
		n = want
	}
	if s.Rate == 0 {
		return n, 0
	}
	if s.Tokens < 1 {
		return 0, min(time.Duration((1-s.Tokens)/s.Rate*float64(time.Second))+time.Millisecond, Forget)
	}
	return min(n, int(s.Tokens)), 0
}

// fill brings the mirror of the operator's bucket up to now, and lets a rate grow
// that holds the lane back.
func (s *State) fill(l Limits, now time.Time) {
	d := now.Sub(s.Filled)
	if d <= 0 {
		return
	}
	s.Filled = now
	if s.Rate == 0 {
		return
	}
	if s.Tokens < 2 && d < rest {
		s.grow(now, d/l.lateness())
		if l.Events && s.Took > 0 { // Little's law: more would be more connections at once than slots
			s.Rate = min(s.Rate, l.busy()/s.Took.Seconds())
		}
	}
	s.Tokens = s.Ready(l, d)
}

// Ready is how many copies the rate lets leave at once, some time after Filled.
func (s *State) Ready(l Limits, later time.Duration) float64 {
	return min(s.Tokens+s.Rate*later.Seconds(), s.depth(l))
}

// depth is how many copies may leave at once after a rest. Behind SES they would be as
// many connections.
func (s *State) depth(l Limits) float64 {
	if l.Events {
		return min(max(s.Depth, 1), max(1, l.busy()))
	}
	return max(s.Depth, 1)
}

// lateness is by how much slower a rate grows where refusals are seen late, so that few
// copies go beyond the operator's before it is noticed.
func (l Limits) lateness() time.Duration {
	if l.Events {
		return lateGrows
	}
	return 1
}

func (s *State) grow(now time.Time, d time.Duration) {
	switch {
	case s.Ceil == 0:
		s.Rate *= doubled(d, guessGrows)
	case s.Rate < below*s.Ceil:
		s.Rate = min(s.Rate*doubled(d, guessGrows), below*s.Ceil)
	case now.After(s.RateTry):
		if s.Empty { // what is left over fills the bucket by now
			s.Mark, s.Empty, s.Passed, s.Shut = now, false, 0, 0
		}
		s.Rate *= doubled(d, ceilGrows)
	}
}

func doubled(d, in time.Duration) float64 { return math.Exp2(float64(d) / float64(in)) }

// busy is how many connections at once SES should have on average, so that it seldom has
// more than slots: average and above times its square root are the slots, by which rule
// switchboards are staffed. Four slots are then far from full, and ten nearly.
func (l Limits) busy() float64 { return max(l.seldom(), 1) }

// seldom is busy by that rule alone, which for few slots is less than one connection.
func (l Limits) seldom() float64 {
	root := (math.Sqrt(above*above+4*float64(max(l.Slots, 1))) - above) / 2
	return root * root
}

// narrow reports whether an operator takes so few connections that SES has more even with
// one on average. How many were refused is heard a minute later, when the lane may be blocked.
func (l Limits) narrow() bool { return l.Events && l.Listed && l.seldom() < 1 }
