package gate

import (
	"context"
	"time"

	"github.com/todoku/todoku/shared/lane/pace"
	"github.com/todoku/todoku/shared/table"
)

// Permit is the places of one batch of copies of one lane. It is used by one
// goroutine, and ends with End.
type Permit struct {
	N    int           // how many copies may leave
	Wait time.Duration // if they are fewer than were asked for: until it is worth asking again

	gate    *Gate // nil: nothing is counted
	lane    string
	limits  pace.Limits
	read    *Lane // the lane as Ask saw it, to be written by Begin
	begun   bool  // places are taken
	told    int   // copies of which the verdict is known, or will come as an event
	open    bool  // the place is in use, where one serves a whole batch
	relayed bool  // the relay counts the batch
	soon    bool  // none was granted, but that may change in a moment
}

// Waits that Ask names.
const (
	patience = time.Second           // of who waits in Ask for a window that grows
	opening  = 50 * time.Millisecond // the least
	crowded  = time.Second           // for a place, once the window has its size
	gather   = 5 * time.Second       // at most, for the bucket to hold a batch
	byEvents = time.Second           // for events that give places back
	probing  = 2 * time.Second       // for another's probe
	longest  = time.Minute           // a hold may be released, a clock set
)

// Ask asks for places for want copies. Where many processes send it only looks: the
// places are taken by Begin, when the first copy leaves.
func (g *Gate) Ask(ctx context.Context, name string, want int) (*Permit, error) {
	if g == nil {
		return &Permit{N: want}, nil
	}
	p := &Permit{gate: g, lane: name, limits: g.limits(name)}
	if g.Alone {
		return p, p.askKept(ctx, want)
	}
	l, err := g.read(ctx, name)
	if err != nil {
		return &Permit{N: want}, err
	}
	now := g.Now().UTC()
	if l.State.Out > 0 && now.Sub(l.State.Heard) > pace.Silence {
		p.limits.Alive = g.alive(ctx, now)
	}
	before := *l
	p.read = &before
	p.look(l, want)
	if p.N == 0 && (l.State.Until != before.State.Until || l.State.Stuck != before.State.Stuck) {
		return p, ignoreConflict(g.write(ctx, l)) // it has noticed something
	}
	return p, nil
}

// askKept asks for places of a lane in memory. While the lane's window grows from its
// small beginning, others' batches make room within milliseconds, and so does a probe
// of the relay: that is waited for, because the queue would take longer to hand the
// copies out again. A lane that has paused is not waited for.
func (p *Permit) askKept(ctx context.Context, want int) error {
	soon, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		p.gate.mu.Lock()
		freed := p.gate.freed
		if freed == nil {
			freed = make(chan struct{})
			p.gate.freed = freed
		}
		p.gate.mu.Unlock()
		err := p.gate.changeKept(ctx, p.lane, func(l *Lane) bool { p.take(l, want); return true })
		if err != nil || p.N > 0 || !p.soon {
			return err
		}
		select {
		case <-freed:
		case <-soon.Done():
			return ctx.Err()
		}
	}
}

// free wakes those who wait for places.
func (g *Gate) free() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.freed != nil {
		close(g.freed)
		g.freed = nil
	}
}

func ignoreConflict(err error) error {
	if _, conflict := table.Conflict(err); conflict {
		return nil
	}
	return err
}

// claim takes the places that look saw.
func (p *Permit) claim(l *Lane, want int) {
	now := p.gate.Now().UTC()
	if !l.Hold.over(now) {
		p.N, p.Wait = 0, longest
		return
	}
	var wait time.Duration
	p.N, wait = l.State.Claim(p.limits, now, want)
	if p.N < want {
		p.Wait = p.limit(&l.State, now, want-p.N, wait)
	}
}

// look asks the law, and leaves the answer in p and l.
func (p *Permit) look(l *Lane, want int) {
	now := p.gate.Now().UTC()
	p.soon = false
	if !l.Hold.over(now) {
		p.N, p.Wait = 0, longest
		return
	}
	var wait time.Duration
	p.N, wait = l.State.Take(p.limits, now, want)
	if p.N < want {
		p.Wait = p.limit(&l.State, now, want-p.N, wait)
	}
}

// limit says how long to wait for places that were not granted.
func (p *Permit) limit(s *pace.State, now time.Time, want int, wait time.Duration) time.Duration {
	switch {
	case s.Silent(p.limits, now) && !now.Before(s.Until):
		return max(wait, time.Second)
	case s.Probing:
		return probing
	case !s.Stopped.IsZero():
		return min(max(s.Until.Sub(now), opening), pace.LongPause)
	case s.Rate > 0 && s.Tokens < 1:
		batch := min(float64(want), max(s.Depth, 1)) - s.Tokens
		return max(min(time.Duration(batch/s.Rate*float64(time.Second)), gather), wait, opening)
	case p.limits.Events:
		return byEvents
	}
	p.soon = s.WindowCeil == 0
	return crowded
}

// take takes places of a lane in memory, if the relay is there.
func (p *Permit) take(l *Lane, want int) {
	now := p.gate.Now().UTC()
	if wait := p.gate.askRelay(now); wait > 0 {
		p.Wait, p.soon = wait, p.gate.relay.Probing
		return
	}
	p.look(l, want)
	p.begun, p.open, p.relayed = p.N > 0, p.N > 0, true
	if p.N == 0 {
		p.gate.relayHeard(now, pace.Untold)
		p.relayed = false
	}
}

// Begin takes the places that Ask saw, and says how many there still are: others may
// have been faster.
func (p *Permit) Begin(ctx context.Context) error {
	if p.gate == nil || p.begun {
		return nil
	}
	want := p.N
	l := p.read
	for range tries {
		p.claim(l, want)
		p.begun = p.N > 0
		if !p.begun {
			return nil
		}
		err := p.gate.write(ctx, l)
		if _, conflict := table.Conflict(err); !conflict {
			p.begun = err == nil
			return err
		}
		if l, err = p.gate.read(ctx, p.lane); err != nil {
			p.begun = false
			return err
		}
	}
	p.begun = false
	return table.ErrBusy
}

// Heard notes the verdict on the next copy of the batch. It is only for who sees
// replies; by events, Left notes that the copy is on its way.
func (p *Permit) Heard(k pace.Kind, took time.Duration) {
	if p.gate == nil || !p.begun {
		return
	}
	p.told++
	last := p.told == p.N || k == pace.TooFast || k == pace.Crowded || k == pace.Unheard
	p.judge(pace.Verdict{Kind: k, Took: took, Held: p.open && !last})
	if last {
		p.open = false
	}
}

// Left notes that the next copy is on its way, and that its verdict will come as an event.
func (p *Permit) Left() { p.told++ }

func (p *Permit) judge(v pace.Verdict) {
	_ = p.gate.change(context.Background(), p.lane, func(l *Lane) bool { // it is in memory
		l.State.Judge(p.limits, p.gate.Now().UTC(), v, p.gate.Dice())
		return true
	})
}

// End gives back what was not used, and says after how long it is worth asking for
// what was not granted, or was not taken. away says that the relay itself could not be used.
func (p *Permit) End(ctx context.Context, away bool) (wait time.Duration, err error) {
	wait = p.Wait
	if p.gate == nil || !p.begun && !p.relayed {
		return wait, nil
	}
	now := p.gate.Now().UTC()
	unused := p.N - p.told
	if unused > 0 || p.gate.Alone {
		err = p.gate.change(ctx, p.lane, func(l *Lane) bool {
			p.untold(&l.State, now, unused)
			trial := *l
			wait = p.again(&trial)
			return unused > 0
		})
	}
	if p.relayed {
		wait = max(wait, p.gate.relayEnded(now, relayVerdict(away, p.told)))
	}
	p.begun, p.open, p.relayed = false, false, false
	p.gate.free()
	return wait, err
}

// untold gives the places of copies back that did not leave.
func (p *Permit) untold(s *pace.State, now time.Time, unused int) {
	for i := range unused {
		held := p.gate.Alone && (!p.open || i > 0)
		s.Judge(p.limits, now, pace.Verdict{Kind: pace.Untold, Held: held}, 0)
	}
}

// again asks the law, without taking anything, when another copy may leave.
func (p *Permit) again(l *Lane) time.Duration {
	next := *p
	if next.look(l, 1); next.N > 0 {
		return 0
	}
	return next.Wait
}

// Report notes verdicts that came as events.
func (g *Gate) Report(ctx context.Context, name string, verdicts ...pace.Verdict) error {
	if g == nil || len(verdicts) == 0 {
		return nil
	}
	return g.change(ctx, name, func(l *Lane) bool {
		for _, v := range verdicts {
			l.State.Judge(g.limits(name), g.Now().UTC(), v, g.Dice())
		}
		return true
	})
}

// The relay speaks for itself: a refused connection or login pauses all lanes, and one
// batch is the probe. Of the relay nothing else is learned: how many connections it
// takes, its URL says.
var relayLimits = pace.Limits{Slots: 1 << 20}

// longestAway is how long all lanes wait for a relay at most before it is tried again.
const longestAway = time.Minute

// askRelay is called with mu held.
func (g *Gate) askRelay(now time.Time) (wait time.Duration) {
	s := &g.relay
	if s.Window == 0 {
		s.Window = float64(relayLimits.Slots)
	}
	if n, _ := s.Take(relayLimits, now, 1); n > 0 {
		return 0
	}
	if s.Probing {
		return probing
	}
	return max(s.Until.Sub(now), opening)
}

func relayVerdict(away bool, told int) pace.Kind {
	switch {
	case away:
		return pace.Unheard
	case told > 0:
		return pace.Accepted
	}
	return pace.Untold
}

func (g *Gate) relayHeard(now time.Time, k pace.Kind) {
	s := &g.relay
	s.Judge(relayLimits, now, pace.Verdict{Kind: k}, g.Dice())
	if latest := now.Add(longestAway); s.Until.After(latest) {
		s.Until = latest
	}
}

// relayEnded notes how a batch found the relay, and says how long to stay away.
func (g *Gate) relayEnded(now time.Time, k pace.Kind) time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.relayHeard(now, k)
	return max(g.relay.Until.Sub(now), 0)
}
