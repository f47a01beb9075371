package pace

import (
	"bytes"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var start = time.Date(2026, 4, 1, 3, 0, 0, 0, time.UTC)

// at is a moment of a test, in seconds.
func at(seconds float64) time.Time { return start.Add(time.Duration(seconds * float64(time.Second))) }

var four = Limits{Slots: 4}

// take asks for places one by one, until there is none or so many.
func take(s *State, l Limits, now time.Time, most int) (n int, wait time.Duration) {
	for n < most {
		got, w := s.Take(l, now, 1)
		if got == 0 {
			return n, w
		}
		n++
	}
	return n, 0
}

func judge(s *State, now time.Time, k Kind, took time.Duration) {
	s.Judge(four, now, Verdict{Kind: k, Took: took}, 0)
}

func TestWindowOpensToTheSlots(t *testing.T) {
	var s State
	want := []int{2, 3, 4, 4, 4}
	for i, w := range want {
		n, _ := take(&s, four, at(float64(i)), 9)
		if s.Out != w {
			t.Fatalf("second %d: %d are out after %d were granted, want %d", i, s.Out, n, w)
		}
		judge(&s, at(float64(i)+0.5), Accepted, time.Second/2)
	}
}

// TestCrowded: when one of four connections is refused, three is what the operator
// takes, and a fourth is tried after a minute.
func TestCrowded(t *testing.T) {
	s := State{Window: 4, Sent: at(0), Heard: at(0)}
	take(&s, four, at(0), 4)
	judge(&s, at(0.1), Crowded, time.Second/10)
	if s.Window != 3 || s.WindowCeil != 3 || !s.Stopped.IsZero() {
		t.Fatalf("window %v, ceiling %v, stopped %v", s.Window, s.WindowCeil, s.Stopped)
	}
	judge(&s, at(30), Accepted, time.Second)
	take(&s, four, at(30), 1)
	if s.Window != 3 {
		t.Fatalf("the window is %v after half a minute", s.Window)
	}
	judge(&s, at(61), Accepted, time.Second)
	if s.Window != 4 {
		t.Fatalf("the window is %v after a minute", s.Window)
	}
}

// TestCrowdedAlone: a refused connection where none stands is a pause, for all
// that is known.
func TestCrowdedAlone(t *testing.T) {
	var s State
	take(&s, four, at(0), 1)
	judge(&s, at(0.1), Crowded, time.Second/10)
	n, wait := s.Take(four, at(1), 1)
	if n != 0 || wait < 3*time.Second || wait > 4*time.Second {
		t.Fatalf("%d granted, wait %v", n, wait)
	}
}

// bucket is an operator that takes depth at once and then rate a second.
type bucket struct{ rate, depth, tokens, filled float64 }

func (b *bucket) take(now float64) bool {
	b.tokens = min(b.depth, b.tokens+b.rate*(now-b.filled))
	b.filled = now
	if b.tokens < 1 {
		return false
	}
	b.tokens--
	return true
}

// send sends one copy after the other to b from second from on, each taking a
// tenth of a second, and returns how many b took and refused.
func send(s *State, l Limits, b *bucket, from, to float64) (taken, refused int) {
	for now := from; now < to; {
		n, wait := s.Take(l, at(now), 1)
		if n == 0 {
			now += max(wait.Seconds(), 0.001)
			continue
		}
		now += 0.1
		v := Verdict{Took: time.Second / 10}
		if b.take(now) {
			taken++
		} else {
			refused++
			v.Kind = TooFast
		}
		s.Judge(l, at(now), v, 0.5)
	}
	return taken, refused
}

// TestMeasures: two refusals tell the rate and the bucket, and the lane stays below.
func TestMeasures(t *testing.T) {
	var s State
	b := &bucket{rate: 3, depth: 60, tokens: 60}
	taken, refused := send(&s, four, b, 0, 55)
	if s.Ceil < 2.7 || s.Ceil > 3.3 {
		t.Errorf("measured %.2f a second, is 3", s.Ceil)
	}
	if s.Depth < 30 || s.Depth > 60 {
		t.Errorf("the bucket is thought to hold %.0f, it holds 60", s.Depth)
	}
	if refused > 3 {
		t.Errorf("%d refusals", refused)
	}
	if taken < 150 {
		t.Errorf("%d passed in 55 s; the operator takes 225", taken)
	}
}

// TestRemembers: an alert a week later is not refused.
func TestRemembers(t *testing.T) {
	var s State
	b := &bucket{rate: 3, depth: 60, tokens: 60}
	send(&s, four, b, 0, 70)
	week := 7 * 24 * 3600.0
	taken, refused := send(&s, four, b, week, week+55)
	if refused != 0 || taken < 170 {
		t.Errorf("%d refused, %d taken", refused, taken)
	}
}

// TestLostEvent: a lane of which an event was lost has rested all the same, and the week
// until the next alert is no part of what it measures then.
func TestLostEvent(t *testing.T) {
	events := Limits{Slots: 4, Events: true, Alive: true}
	week := at(7 * 24 * 3600)
	heard := State{
		Sent: at(0), Heard: at(3), Last: at(3), Took: time.Second / 2, Window: 20,
		Rate: 2.85, Ceil: 3, Depth: 40, Filled: at(0), RateWait: time.Minute, Mark: at(-300), Empty: true, Passed: 500,
	}
	lost := heard
	lost.Out = 1
	heard.Take(events, week, 1)
	lost.Take(events, week, 1)
	if d := cmp.Diff(heard, lost); d != "" || !lost.Mark.Equal(week) {
		t.Errorf("measured from %v on, want %v: %s", lost.Mark, week, d)
	}
}

// TestStoppedRest: a lane that was stopped when the last alert ended has rested since then, of
// which nothing is measured; it asks with a probe, and finds a full bucket.
func TestStoppedRest(t *testing.T) {
	month := at(30 * 24 * 3600)
	s := State{
		Sent: at(0), Heard: at(3), Window: 4, Rate: 2.85, Ceil: 3, Depth: 40, Filled: at(0), Mark: at(-300), Empty: true, Passed: 500,
		Stopped: at(1), Since: at(-60), Until: at(60), Vain: 4, RateWait: lastTry,
	}
	blocked := s
	if n, _ := s.Take(four, month, 4); n != 1 || !s.Probing {
		t.Fatalf("%d places, probing %v", n, s.Probing)
	}
	judge(&s, month.Add(time.Second), Accepted, time.Second)
	again, err := Decode(s.Append(nil))
	if n, _ := again.Take(four, month.Add(2*time.Second), 39); err != nil || n != 39 || again.Shut > hold || again.Rate < 2.8 || again.RateWait >= lastTry {
		t.Errorf("after a probe that passed %d places of 39: %v, %+v", n, err, again)
	}
	blocked.Take(four, month, 4)
	judge(&blocked, month, TooFast, 0)
	if wait := blocked.Until.Sub(month); wait > hold || blocked.Rate < 2.8 {
		t.Errorf("after a probe that was refused: %v until the next, rate %v", wait, blocked.Rate)
	}
}

// TestFades: what is remembered keeps its place and loses its authority, so that an
// operator that takes more than it did is soon given more.
func TestFades(t *testing.T) {
	s := State{Window: 1, WindowCeil: 2, Rate: 2, Ceil: 3, RateWait: lastTry, Sent: at(0), Filled: at(0)}
	now := at(0).Add(3 * fading)
	s.Take(four, now, 1)
	if wait := s.RateTry.Sub(now); s.Rate != 2 || s.Window != 2 || wait != lastTry/8 {
		t.Errorf("after three days: rate %v, window %v, more is tried in %v", s.Rate, s.Window, wait)
	}
}

// TestPause: probes of a blocked lane come rarer and rarer, one at a time, and a
// probe that passes reopens it.
func TestPause(t *testing.T) {
	s := State{Window: 4, Mark: start}
	probes, now := 0, 0.0
	for now < 1800 {
		n, wait := s.Take(four, at(now), 4)
		if probes > 0 && n > 1 {
			t.Fatalf("%d copies at once as a probe", n)
		}
		if n == 0 {
			now += wait.Seconds()
			continue
		}
		probes++
		now += 0.1
		for range n {
			judge(&s, at(now), TooFast, time.Second/10)
		}
	}
	if probes > 40 {
		t.Errorf("%d probes in half an hour", probes)
	}
	_, wait := s.Take(four, at(now), 1)
	s.Take(four, at(now).Add(wait), 1)
	judge(&s, at(now).Add(wait), Accepted, 0)
	if n, _ := s.Take(four, at(now).Add(wait+time.Second), 1); n != 1 {
		t.Error("the probe passed and the lane stays closed")
	}
}

// TestBehindSES: what events tell of a lane that reopened at second 100.
func TestBehindSES(t *testing.T) {
	events := Limits{Slots: 4, Events: true, Alive: true}
	open := State{Window: 20, Out: 10, Took: time.Second, Mark: at(0), Opened: at(100), Sent: at(170), Filled: at(170)}
	grey := open
	grey.Judge(events, at(160), Verdict{Kind: Personal, Took: 5 * time.Minute}, 0)
	for name, c := range map[string]struct {
		before State
		took   float64
		stops  bool
	}{
		"left while it was stopped":          {open, 71, false},
		"left after it reopened":             {open, 60, true},
		"late, where recipients are put off": {grey, 60, false},
		"at once":                            {open, 1, false},
	} {
		s := c.before
		s.Judge(events, at(170), Verdict{Took: time.Duration(c.took * float64(time.Second))}, 0)
		if stopped := !s.Stopped.IsZero(); stopped != c.stops {
			t.Errorf("%s: stopped %v, want %v", name, stopped, c.stops)
		}
	}
}

// TestWindowByEvents: events that come together widen the window as far as one by one.
func TestWindowByEvents(t *testing.T) {
	events := Limits{Slots: 10, Events: true, Alive: true}
	s := State{Window: 8, Filled: at(0), Mark: at(0)}
	s.Take(events, at(0), 20)
	for range 8 {
		s.Judge(events, at(2), Verdict{Took: time.Second}, 0)
	}
	if s.Window < 9.5 {
		t.Errorf("the window is %.1f after a full round", s.Window)
	}
}

// TestNarrow: to an operator known to take few connections the window opens slowly, for what
// SES is refused there is heard too late; to one of which nothing is known it opens freely.
func TestNarrow(t *testing.T) {
	for _, tt := range []struct {
		limits Limits
		want   float64
	}{
		{Limits{Slots: 2, Events: true, Alive: true, Listed: true}, 2.1},
		{Limits{Slots: 2, Events: true, Alive: true}, 4},
		{Limits{Slots: 4, Events: true, Alive: true, Listed: true}, 4},
	} {
		var s State
		s.Take(tt.limits, at(0), 20)
		for range 2 {
			s.Judge(tt.limits, at(2), Verdict{Took: 300 * time.Millisecond}, 0)
		}
		if math.Abs(s.Window-tt.want) > 0.01 {
			t.Errorf("%+v: the window is %.2f after a round, want %.2f", tt.limits, s.Window, tt.want)
		}
	}
}

// TestAfterBlock: an operator that was left alone for a while has a full bucket.
func TestAfterBlock(t *testing.T) {
	for name, c := range map[string]struct {
		closed, ceil float64
		want         float64 // tokens
	}{
		"a block":             {300, 5, 40},
		"a pause":             {5, 5, 0},
		"its rate is unknown": {300, 0, 0},
	} {
		s := State{Window: 2, Out: 1, Rate: 4.6, Ceil: c.ceil, Depth: 40, Stopped: at(0), Since: at(0), Probing: true, Filled: at(0), Mark: at(0), Sent: at(c.closed)}
		judge(&s, at(c.closed), Accepted, 0)
		if s.Tokens != c.want {
			t.Errorf("after %s: %.1f tokens, want %.1f", name, s.Tokens, c.want)
		}
	}
}

// TestPersonal: greylisting and unknown users do not slow a lane.
func TestPersonal(t *testing.T) {
	var s State
	for i := range 100 {
		now := at(float64(i))
		if n, _ := s.Take(four, now, 1); n != 1 {
			t.Fatal("the lane waits")
		}
		judge(&s, now, Personal, 0)
	}
}

// TestOneEventOneAnswer: refusals of copies that were under way when the lane was
// slowed do not slow it again.
func TestOneEventOneAnswer(t *testing.T) {
	s := State{Window: 4, Mark: start}
	take(&s, four, at(0), 4)
	judge(&s, at(10), TooFast, 10*time.Second)
	one := s
	judge(&s, at(10.1), TooFast, 10*time.Second)
	one.Out, one.Heard, one.Last = s.Out, s.Heard, s.Last
	if d := cmp.Diff(one, s); d != "" {
		t.Error(d)
	}
}

// TestUntoldIsSilence: behind SES a lane of which nothing is heard goes on at its cautious
// rate, though some of the places that it gave were not used.
func TestUntoldIsSilence(t *testing.T) {
	events := Limits{Slots: 4, Events: true}
	var s State
	s.Take(events, at(0), 20)
	silent := at(0).Add(Silence + time.Second)
	n, _ := s.Take(events, silent, 10)
	for range n / 2 {
		s.Judge(events, silent, Verdict{Kind: Untold}, 0)
	}
	if next, _ := s.Take(events, silent.Add(time.Second), 10); next == 0 || !s.Last.IsZero() {
		t.Errorf("%d places of %d were not used, and %d are given after that; last heard %v", n/2, n, next, s.Last)
	}
}

// TestForget: places of verdicts that never come are given back.
func TestForget(t *testing.T) {
	var s State
	take(&s, four, at(0), 4)
	if n, _ := s.Take(four, at(60), 1); n != 0 {
		t.Fatal("a place is free after a minute")
	}
	if n, _ := s.Take(four, at(0).Add(Forget+time.Second), 1); n != 1 {
		t.Error("no place is free after all that time")
	}
}

// TestInvariants: whatever happens, a lane keeps its cap and never stops for good.
func TestInvariants(t *testing.T) {
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 1))
		l := Limits{Slots: 1 + r.IntN(10), Events: r.IntN(2) == 0}
		var s State
		now := start
		for range 500 {
			now = now.Add(time.Duration(r.ExpFloat64() * float64(10*time.Second)))
			if n, wait := s.Take(l, now, 1+r.IntN(5)); n == 0 && (wait <= 0 || wait > Forget+time.Second) {
				t.Fatalf("seed %d: wait %v in %+v", seed, wait, s)
			}
			if !l.Events && float64(s.Out) > l.widest() {
				t.Fatalf("seed %d: %d out of %v", seed, s.Out, l.widest())
			}
			if s.Out > 0 && r.IntN(3) > 0 {
				s.Judge(l, now, Verdict{Kind: Kind(r.IntN(6)), Took: time.Duration(r.IntN(1e9))}, r.Float64())
			}
			again, err := Decode(s.Append(nil))
			if err != nil {
				t.Fatalf("seed %d: %v of %+v", seed, err, s)
			}
			if len(s.Append(nil)) > MaxEncoded || !bytes.Equal(again.Append(nil), s.Append(nil)) {
				t.Fatalf("seed %d: %+v comes back as %+v", seed, s, again)
			}
		}
	}
}

// TestLongTimes: a time that is too long for the stored form does not cost the memory.
func TestLongTimes(t *testing.T) {
	for _, shut := range []time.Duration{-time.Second, 100 * 24 * time.Hour} {
		s, err := Decode(State{Window: 2, Rate: 3, Shut: shut}.Append(nil))
		if err != nil || s.Rate != 3 || s.Shut < 0 || s.Shut > shut+time.Second {
			t.Errorf("%v: %v, %+v", shut, err, s)
		}
	}
}

func TestDecodeRefuses(t *testing.T) {
	good := State{Window: 2, Sent: start}.Append(nil)
	for name, b := range map[string][]byte{
		"nothing": nil, "another version": append([]byte{99}, good[1:]...),
		"half": good[:len(good)/2], "more": append(append([]byte{}, good...), 0),
	} {
		if s, err := Decode(b); err == nil || s != (State{}) {
			t.Errorf("%s: %+v, %v", name, s, err)
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(State{}.Append(nil))
	f.Add(State{Window: 2, Sent: start, Rate: 1.5}.Append(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := Decode(b)
		if err != nil {
			return
		}
		s.Take(four, start, 3)
		s.Judge(four, start, Verdict{Kind: TooFast}, 0.5)
	})
}

func TestStepsDoNotAllocate(t *testing.T) {
	var s State
	i := 0
	if n := testing.AllocsPerRun(1000, func() { step(&s, i); i++ }); n != 0 {
		t.Errorf("a step allocates %v times", n)
	}
}

// step is what a copy costs: a place and a verdict, of which a few are refusals.
func step(s *State, i int) {
	now := start.Add(time.Duration(i) * 100 * time.Millisecond)
	s.Take(four, now, 1)
	v := Verdict{Took: 100 * time.Millisecond}
	if i%100 == 99 {
		v.Kind = TooFast
	}
	s.Judge(four, now, v, 0.5)
}

func BenchmarkStep(b *testing.B) {
	b.ReportAllocs()
	var s State
	for i := 0; b.Loop(); i++ {
		step(&s, i)
	}
}

func BenchmarkAppend(b *testing.B) {
	b.ReportAllocs()
	s := State{Window: 2, Sent: start, Rate: 1.5}
	buf := make([]byte, 0, MaxEncoded)
	for b.Loop() {
		buf = s.Append(buf[:0])
	}
}
