package pace

import (
	"math"
	"time"
)

// Judge takes the verdict on a copy that Take gave a place. dice is random in
// [0, 1).
func (s *State) Judge(l Limits, now time.Time, v Verdict, dice float64) {
	full := float64(s.Out) >= math.Floor(s.Window)
	left := now.Add(-v.Took)
	s.heard(now, left, v)
	if l.Events { // events come many at once, and late
		full, left = s.Full, left.Add(-EventLag)
		v.Kind = s.timed(now, v)
	}
	switch v.Kind {
	case Accepted, Personal:
		s.passed(l, now, full)
	case Crowded:
		s.crowded(now, dice)
	case TooFast:
		s.tooFast(l, now, left, dice)
	case Unheard:
		s.unheard(now, left, dice)
	case Untold:
		s.Tokens++
		s.Probing = s.Probing && v.Held
	}
}

// heard gives a place back, unless it is held. Of a copy that did not leave nothing was
// heard: a lane that waits for verdicts in vain goes on to.
func (s *State) heard(now, left time.Time, v Verdict) {
	if v.Kind != Untold {
		s.Heard, s.Last = now, now
	}
	if v.Held {
		return
	}
	s.Out = max(s.Out-1, 0)
	if s.Old > 0 && !left.After(s.Turned) {
		s.Old--
	}
}

// timed keeps the usual time that SES takes, and says what a delivery speaks of that
// took much longer: SES had been put off.
func (s *State) timed(now time.Time, v Verdict) Kind {
	switch {
	case v.Took > putOff:
		s.Stuck = max(min(s.Stuck-1, s.Out), 0)
		if v.Kind == Personal {
			s.Grey = now
		}
		if v.Kind == Accepted && (s.Grey.IsZero() || now.Sub(s.Grey) > fading) {
			return TooFast
		}
	case v.Kind == Accepted && s.Took == 0:
		s.Took = v.Took
	case v.Kind == Accepted:
		s.Took += (v.Took - s.Took) / 16
	}
	return v.Kind
}

// passed: a copy passed the operator's gate.
func (s *State) passed(l Limits, now time.Time, full bool) {
	s.Passed++
	if !s.Stopped.IsZero() {
		if !s.Probing {
			return // it left before the pause
		}
		s.reopen(l, now)
	}
	if s.Good++; s.Good >= Proven {
		s.Since, s.Vain = time.Time{}, 0
	}
	if full {
		s.widen(l, now)
	}
}

func (s *State) reopen(l Limits, now time.Time) {
	closed := now.Sub(s.Stopped)
	s.Shut += closed
	if s.Ceil > 0 && closed > 3*hold { // a block is as good as a rest
		s.Tokens = min(s.Rate*closed.Seconds(), s.depth(l))
	}
	s.Stopped, s.Until, s.Opened, s.Probing, s.Good = time.Time{}, time.Time{}, now, false, 0
	s.Filled, s.Tokens = now, max(s.Tokens, 0)
}

// widen lets the window grow: freely as long as no ceiling is known, else beyond
// it by one, now and then.
func (s *State) widen(l Limits, now time.Time) {
	switch {
	case l.Events && s.WindowCeil == 0 && s.Window >= s.fills(l):
		s.Window += math.Ln2 * float64(s.Took+EventLag) / float64(outgrows)
	case s.WindowCeil == 0 && l.narrow():
		s.Window += narrowly
	case s.WindowCeil == 0 || s.Window+1 <= s.WindowCeil:
		s.Window++
	case now.After(s.WindowTry):
		s.WindowCeil = max(s.WindowCeil, math.Floor(s.Window))
		s.Window = s.WindowCeil + 1
		s.WindowTry = now.Add(s.WindowWait)
	}
	s.Window = min(s.Window, l.widest())
}

// fills returns how many copies without an event fill the slots with connections, by
// Little's law. A lane that is never refused outgrows that, but slowly.
func (s *State) fills(l Limits) float64 {
	if s.Took == 0 {
		return l.widest()
	}
	return max(firstWindow, l.busy()*float64(s.Took+EventLag)/float64(s.Took))
}

// crowded: connections that stand are what the operator takes.
func (s *State) crowded(now time.Time, dice float64) {
	if s.Out == 0 || s.Probing {
		s.stop(now, dice)
		return
	}
	if !s.Stopped.IsZero() {
		return
	}
	s.Window = max(1, min(s.Window, float64(s.Out)))
	s.WindowCeil = s.Window
	s.WindowWait = min(max(2*s.WindowWait, firstWiden), lastTry)
	s.WindowTry = now.Add(s.WindowWait)
}

// tooFast: the rate is too high, or the lane is blocked. The first refusal after a
// time without tells the rate; those that follow before the lane is proven open
// again tell of a block.
func (s *State) tooFast(l Limits, now, left time.Time, dice float64) {
	if s.answered(left) {
		return
	}
	if s.Since.IsZero() {
		s.slow(l, now)
	}
	s.stop(now, dice)
}

// unheard: nothing is known but that nobody answers.
func (s *State) unheard(now, left time.Time, dice float64) {
	if !s.answered(left) {
		s.stop(now, dice)
	}
}

// answered reports whether the event was answered already of which a copy tells
// that left at left.
func (s *State) answered(left time.Time) bool {
	if !s.Stopped.IsZero() {
		return !s.Probing || left.Before(s.Sent.Add(-time.Second))
	}
	return left.Before(s.Opened) || s.Empty && left.Before(s.Mark)
}

// stop pauses the lane, after which a probe leaves.
func (s *State) stop(now time.Time, dice float64) {
	if s.Since.IsZero() {
		s.Since = now
	}
	if s.Stopped.IsZero() {
		s.Stopped = now
	}
	s.Vain++
	d := min(max(hold, time.Duration(pauseShare*float64(now.Sub(s.Since)))), LongPause)
	s.Until = now.Add(d + time.Duration(jitter*dice*float64(d)))
	s.Probing = false
	if s.Vain == 3 { // this is a block: what led to it is not tried again soon
		s.RateWait = lastTry
		s.RateTry = now.Add(lastTry)
	}
}

// Suspend stops a lane whose hold by people is over: it reopens with a probe.
func (s *State) Suspend(now time.Time) {
	if s.Stopped.IsZero() {
		s.Stopped = now
	}
	s.Until, s.Probing = now, false
}

// slow learns from a refusal of the rate.
func (s *State) slow(l Limits, now time.Time) {
	span := now.Sub(s.Mark)
	open := span - s.Shut
	switch {
	case !s.Empty:
		s.fromFull(l, open)
	case s.Shut > 3*hold:
		s.afterBlock(l, span, open)
	case s.Passed < 8:
		s.cut()
	default:
		s.learn(float64(s.Passed) / span.Seconds())
	}
	s.RateTry = now.Add(s.RateWait)
	s.Mark, s.Empty, s.Passed, s.Shut, s.Tokens = now, true, 0, 0, 0
}

// cut lowers the rate by rule, because too little passed to measure it.
func (s *State) cut() {
	s.Rate *= nextCut
	s.Ceil = min(s.Ceil, s.Rate/below)
	s.Depth *= nextCut
}

// fromFull learns from the first refusal after a rest. The bucket was full: what
// passed is its content and the rate together, which a second such refusal after
// another time tells apart.
func (s *State) fromFull(l Limits, open time.Duration) {
	r, ok := s.apart(open)
	switch {
	case ok:
		s.learn(r)
	case s.Ceil > 0:
		s.Depth *= nextCut
		s.learn(0.9 * s.Ceil)
	default:
		s.RateWait = max(s.RateWait, firstTry)
		s.Rate = l.firstCut() * float64(s.Passed) / max(open, firstSpan).Seconds()
		s.Depth = 1
	}
	s.First, s.Span = float64(s.Passed), open
}

// firstCut is larger where the refusal is seen late: most of what was handed over
// meanwhile has no verdict, and does not count as passed.
func (l Limits) firstCut() float64 {
	if l.Events {
		return lateCut
	}
	return earlyCut
}

// apart returns the rate that explains two times from a full bucket to a refusal.
func (s *State) apart(open time.Duration) (float64, bool) {
	more, longer := float64(s.Passed)-s.First, (open - s.Span).Seconds()
	if s.First == 0 || longer < 0 && more >= 0 || longer > 0 && more <= 0 {
		return 0, false
	}
	return more / longer, math.Abs(longer) > 5 && math.Abs(more) > 8
}

// afterBlock learns from a refusal with a block before it, in which the bucket
// filled and may have overflowed: the rate lies between what passed in the whole time
// and in the open time.
func (s *State) afterBlock(l Limits, span, open time.Duration) {
	low, high := float64(s.Passed)/span.Seconds(), float64(s.Passed)/max(open.Seconds(), 1)
	if l.Events && s.Ceil == 0 { // a guess grew from far below, and the bucket was full all the while
		high = max(high, s.Rate)
	}
	r, ok := s.apart(open)
	if !ok || r < low || r > high {
		r = math.Sqrt(low * high)
	}
	s.learn(r)
}

// learn takes a rate as that of the operator. A refusal that came while more than the
// measured rate was tried says no more than that it was true.
func (s *State) learn(r float64) {
	if s.Ceil > 0 && s.Rate > s.Ceil {
		r = min(max(r, s.Ceil), s.Rate)
		s.RateWait = min(2*s.RateWait, lastTry)
	} else if s.RateWait < lastTry {
		s.RateWait = firstTry
	}
	s.Ceil, s.Rate = r, below*r
	if s.First > 0 {
		s.Depth = max(1, 0.8*(s.First-r*s.Span.Seconds()))
	}
}
