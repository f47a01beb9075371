package gate

import (
	"context"
	"errors"
	"time"

	"github.com/todoku/todoku/shared/lane"
	"github.com/todoku/todoku/shared/lane/pace"
	"github.com/todoku/todoku/shared/table"
)

// Who asks for places: a slot of the queue, and how often its first message came in vain.
type Who struct {
	lane.Place
	Vain int
}

// Permit is the places of one batch of copies of one lane. It is used by one
// goroutine, in this order:
//
//	             in memory                                many processes
//	Ask          takes: begun, open and relayed if N > 0  looks: noted if others wait, too
//	Begin        nothing more                             takes: begun, unless others were faster
//	Heard, Left  Heard: told; open no more after the last Left: told
//	End          gives back what was not told, and clears begun, open, relayed and noted
//
// A Permit without a gate counts nothing.
type Permit struct {
	N    int           // how many copies may leave
	Wait time.Duration // if they are fewer than were asked for: until it is worth asking again

	gate    *Gate // nil: nothing is counted
	who     Who
	limits  pace.Limits
	read    *Lane // the lane as Ask saw it, to be written by Begin
	begun   bool  // places are taken
	told    int   // copies of which the verdict is known, or will come as an event
	open    bool  // the place is in use, where one serves a whole batch
	relayed bool  // the relay counts the batch
	soon    bool  // none was granted, but that may change in a moment
	turn    bool  // because others are first
	shared  bool  // others were seen in the lane
	noted   bool  // the batch is in the lane's order as it is stored
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

	longestBatch = time.Hour // where the end of each is seen
)

// Waiting is how many batches may wait in Ask for their turn, of all lanes: so many more
// than send may be under way. The others come again.
const Waiting = 8

// Ask asks for places for want copies. Where many processes send it only looks: the
// places are taken by Begin, when the first copy leaves.
func (g *Gate) Ask(ctx context.Context, who Who, want int) (*Permit, error) {
	if g == nil {
		return &Permit{N: want}, nil
	}
	p := &Permit{gate: g, who: who, limits: g.limits(who.Lane)}
	if g.Alone {
		err := p.askKept(ctx, want)
		if err != nil && ctx.Err() == nil {
			return &Permit{N: want}, err // a lane that cannot be read is not counted
		}
		return p, err
	}
	for n := range tries {
		again, err := p.ask(ctx, want)
		if p.read == nil {
			return &Permit{N: want}, err
		}
		if !again {
			return p, err
		}
		g.stepAside(ctx, n)
	}
	return p, nil
}

// ask looks at the lane. What it has noticed, and that a slot waits among others, it
// writes; again is true if others got in the way of noting a batch among others, or one
// that waits for them: who is not known to wait is passed over until it asks again.
func (p *Permit) ask(ctx context.Context, want int) (again bool, err error) {
	l, err := p.gate.read(ctx, p.who.Lane)
	if err != nil {
		return false, err
	}
	now := p.gate.Now().UTC()
	if l.State.Out > 0 && now.Sub(l.State.Heard) > pace.Silence {
		p.limits.Alive = p.gate.alive(ctx, now)
	}
	before := l.State
	p.look(l, want)
	p.read = l
	news := p.N == 0 && noticed(before, l.State)
	if p.N > 0 {
		l.State = before // Begin takes the places
	}
	p.shared = l.order.shared(p.who.Place)
	contested := l.order.contested(p.who.Place)
	if !news && !(p.N > 0 && contested) && !(p.N == 0 && l.order.news && (p.turn || p.shared)) {
		return false, nil
	}
	err = p.gate.write(ctx, l)
	if _, conflict := table.Conflict(err); conflict {
		return p.N > 0 || p.turn, nil
	}
	if err == nil {
		l.revision++
		p.noted = p.N > 0
	}
	return false, err
}

// noticed reports whether the law saw something that others must know of, though it gave
// no place: who sees it only later would begin the pause once more.
func noticed(before, after pace.State) bool {
	return after.Until != before.Until || after.Stuck != before.Stuck
}

// askKept asks for places of a lane in memory. While the lane's window grows from its
// small beginning, others' batches make room within milliseconds, and so does a probe
// of the relay: that is waited for, because the queue would take longer to hand the
// copies out again. A lane that has paused is not waited for.
func (p *Permit) askKept(ctx context.Context, want int) error {
	patient, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	queued := false
	defer func() { p.gate.leaveQueue(queued) }()
	for {
		p.gate.mu.Lock()
		freed := p.gate.freed
		if freed == nil {
			freed = make(chan struct{})
			p.gate.freed = freed
		}
		p.gate.mu.Unlock()
		err := p.gate.changeKept(ctx, p.who.Lane, func(l *Lane) bool { p.take(l, want); return true })
		if err != nil || p.N > 0 || !p.soon {
			return err
		}
		if p.turn && !queued {
			if queued = p.gate.enterQueue(); !queued {
				return p.gone(ctx)
			}
		}
		select {
		case <-freed:
		case <-time.After(soon): // whom others are held back for may not come
		case <-patient.Done():
			return errors.Join(p.gone(ctx), ctx.Err())
		}
	}
}

// moment is the measure of a lane's order.
func (g *Gate) moment() time.Duration {
	if g.Alone {
		return soon
	}
	return bySQS
}

// gone notes that nobody waits in Ask any more for the turn of a slot: it will come again,
// but nobody is held back for it.
func (p *Permit) gone(ctx context.Context) error {
	return p.gate.changeKept(ctx, p.who.Lane, func(l *Lane) bool {
		if p.turn {
			l.order.rest(p.who.Place, p.gate.Now().UTC().Add(rested*p.gate.moment()))
		}
		return false
	})
}

func (g *Gate) enterQueue() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.queue >= Waiting {
		return false
	}
	g.queue++
	return true
}

func (g *Gate) leaveQueue(queued bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if queued {
		g.queue--
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

// claim takes the places that look saw.
func (p *Permit) claim(l *Lane, want int) {
	now := p.gate.Now().UTC()
	p.N, p.Wait = 0, longest
	if !l.Hold.over(now) {
		return
	}
	p.Wait = crowded
	if !l.order.hold(p.who.Place, p.limits.Slots, now, p.gate.moment()) {
		return
	}
	p.Wait = 0
	var wait time.Duration
	p.N, wait = l.State.Claim(p.limits, now, want)
	if p.N < want {
		p.Wait = p.limit(&l.State, now, want-p.N, wait)
	}
	p.queued(l, now, lease, p.noted)
	p.shared = l.order.shared(p.who.Place)
}

// look asks the lane's order and the law, and leaves the answer in p and l.
func (p *Permit) look(l *Lane, want int) {
	now := p.gate.Now().UTC()
	p.N, p.soon, p.turn = 0, false, false
	if !l.Hold.over(now) {
		p.Wait = longest
		return
	}
	limited := l.State.Rate > 0 || !l.State.Stopped.IsZero() || l.State.Silent(p.limits, now)
	wait, first := l.order.ask(p.who.Place, p.limits.Slots, limited, now, p.gate.moment(), p.who.Vain)
	if !first {
		p.Wait, p.turn = wait, true
		p.soon = p.gate.Alone && !p.who.Last()
		if p.soon {
			p.Wait = opening
		}
		return
	}
	p.Wait = 0
	p.N, wait = l.State.Take(p.limits, now, want)
	if p.N < want {
		p.Wait = p.limit(&l.State, now, want-p.N, wait)
	}
	until := turnLease
	if p.gate.Alone {
		until = longestBatch // End is called, or the process ends
	}
	p.queued(l, now, until, false)
}

// queued notes in the lane's order what the law said, and for how long that is believed.
// noted says that the copies are counted already.
func (p *Permit) queued(l *Lane, now time.Time, until time.Duration, noted bool) {
	switch {
	case p.N == 0:
		l.order.wait(p.who.Place, now.Add(p.Wait+expect*p.gate.moment()))
	case noted:
		l.order.grant(p.who.Place, 0, now.Add(until))
	default:
		l.order.grant(p.who.Place, p.N, now.Add(until))
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
	p.N, p.turn = 0, false
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
	for n := range tries {
		before := l.State
		p.claim(l, want)
		p.begun = p.N > 0
		if !p.begun && !noticed(before, l.State) {
			return nil
		}
		err := p.gate.write(ctx, l)
		if _, conflict := table.Conflict(err); !conflict {
			p.begun = p.begun && err == nil
			return err
		}
		p.gate.stepAside(ctx, n)
		if l, err = p.gate.read(ctx, p.who.Lane); err != nil {
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
	_ = p.gate.change(context.Background(), p.who.Lane, func(l *Lane) bool { // it is in memory
		l.State.Judge(p.limits, p.gate.Now().UTC(), v, p.gate.Dice())
		switch {
		case v.Kind != pace.Accepted:
		case l.Took == 0:
			l.Took = v.Took
		default:
			l.Took += (v.Took - l.Took) / 16
		}
		return true
	})
}

// End gives back what was not used, and says after how long it is worth asking for
// what was not granted, or was not taken. away says that the relay itself could not be used.
func (p *Permit) End(ctx context.Context, away bool) (wait time.Duration, err error) {
	wait = p.Wait
	if p.gate == nil || !p.begun && !p.relayed && !p.noted {
		return wait, nil
	}
	now := p.gate.Now().UTC()
	unused := 0
	if p.begun || p.relayed {
		unused = p.N - p.told
	}
	if unused > 0 || p.gate.Alone || p.shared {
		err = p.gate.change(ctx, p.who.Lane, func(l *Lane) bool {
			p.untold(&l.State, now, unused)
			p.ended(l, now)
			trial := *l
			trial.order = l.order.clone()
			wait = p.again(&trial)
			return unused > 0 || !p.gate.Alone
		})
	}
	if p.relayed {
		wait = max(wait, p.gate.relayEnded(now, relayVerdict(away, p.told)))
	}
	p.begun, p.open, p.relayed, p.noted = false, false, false, false
	p.gate.free()
	return wait, err
}

// ended notes that the batch is over. Its slot will ask again in a moment: where nobody can
// wait in Ask, or if it is urgent, the others leave it its turn.
func (p *Permit) ended(l *Lane, now time.Time) {
	if p.gate.Alone && !p.who.Urgent {
		l.order.rest(p.who.Place, now.Add(rested*p.gate.moment()))
	} else {
		l.order.wait(p.who.Place, now.Add(rested*p.gate.moment()))
	}
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
