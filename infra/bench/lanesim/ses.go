package lanesim

import (
	"math"
	"time"

	"github.com/todoku/todoku/shared/lane/pace"
)

// What the stand-in for Amazon SES does; assumed, but for accountRate and the times
// of delay events, which simulated-receivers.json gives.
const (
	accountRate = 14.0 // copies a second, all lanes together
	eventMedian = 1.0  // seconds until a Delivery event is heard
	eventSigma  = 0.5
)

// sesBackoff is how SES tries one message again.
var sesBackoff = backoff{time.Minute, 30 * time.Minute}

// ses takes copies at the account's rate, owns the way to the receivers with all
// retries, and reports events: Delivery and Bounce soon, DeliveryDelay 1 to 10
// minutes late and once a copy.
type ses struct {
	sim   *Sim
	next  time.Duration // when the account takes the next copy
	inner []*sender     // by lane
	from  map[*Copy]*sesLane
}

// sesRoute is how SES itself sends to one receiver: like Postfix, without its
// giving up of a destination, because SES does not say so.
type sesRoute struct {
	ses    *ses
	window float64
	out    int
}

func (r *sesRoute) Next() time.Duration {
	if r.out >= int(r.window) {
		return never
	}
	r.out++
	return 0
}

func (r *sesRoute) Heard(c *Copy, o Outcome) time.Duration {
	r.out--
	switch o.Reply {
	case NoRoom, NoAnswer:
		r.window = max(1, r.window-1)
	default:
		r.window = min(20, r.window+1/r.window)
	}
	if o.Reply == OK || o.Reply == Unknown {
		return 0
	}
	if c.Tries == 1 {
		late := time.Minute + time.Duration(r.ses.sim.Rand.Float64()*float64(9*time.Minute))
		kind := pace.TooFast
		if o.Reply == Grey { // the event's text says so
			kind = pace.Personal
		}
		r.ses.sim.After(late, func() { r.ses.delayed(c, kind) })
	}
	after := sesBackoff.after(c.Tries)
	return after*3/4 + time.Duration(r.ses.sim.Rand.Float64()*float64(after/2))
}

func newSES(s *Sim, lines []*line) *ses {
	e := &ses{sim: s, from: map[*Copy]*sesLane{}}
	for range lines {
		route := &sesRoute{ses: e, window: 5}
		e.inner = append(e.inner, &sender{sim: s, lanes: lines, pace: route, finish: e.finished})
	}
	return e
}

// account takes a copy now and returns 0, or says how long it takes none.
func (e *ses) account() time.Duration {
	if e.sim.Now < e.next {
		return e.next - e.sim.Now
	}
	e.next = max(e.next, e.sim.Now-time.Second) + seconds(1/accountRate)
	return 0
}

// finished reports Delivery or Bounce.
func (e *ses) finished(c *Copy) {
	l := e.from[c]
	took := e.sim.Now - l.handed[c]
	e.sim.After(seconds(eventMedian*lognormal(e.sim.Rand, eventSigma)), func() {
		if l.heard[c] {
			return
		}
		l.heard[c] = true
		kind := pace.Accepted
		if c.To.Unknown {
			kind = pace.Personal
		}
		l.how.event(kind, took)
		l.pump()
	})
}

// delayed reports DeliveryDelay, unless the copy has arrived.
func (e *ses) delayed(c *Copy, kind pace.Kind) {
	l := e.from[c]
	if c.Done || l.heard[c] {
		return
	}
	l.heard[c] = true
	l.how.event(kind, e.sim.Now-l.handed[c])
	l.pump()
}

// sesPacer decides when a lane hands copies to SES, of which it hears only events.
type sesPacer interface {
	next() time.Duration
	event(kind pace.Kind, took time.Duration)
}

// sesLane hands the copies of one lane to SES.
type sesLane struct {
	sim    *Sim
	ses    *ses
	lane   int
	how    sesPacer
	queue  []*Copy
	handed map[*Copy]time.Duration
	heard  map[*Copy]bool
	wake   time.Duration
}

func (l *sesLane) add(cs ...*Copy) {
	l.queue = append(l.queue, cs...)
	l.pump()
}

func (l *sesLane) pump() {
	for len(l.queue) > 0 {
		wait := l.ses.next - l.sim.Now
		if wait <= 0 {
			wait = l.how.next()
		}
		if wait > 0 {
			l.sleep(wait)
			return
		}
		l.ses.account()
		c := l.queue[0]
		l.queue = l.queue[1:]
		l.handed[c], l.ses.from[c] = l.sim.Now, l
		l.ses.inner[l.lane].add(c)
	}
}

func (l *sesLane) sleep(d time.Duration) {
	at := l.sim.Now + d
	if d >= never || l.wake > l.sim.Now && l.wake <= at {
		return
	}
	l.wake = at
	l.sim.After(d, func() {
		if l.wake == l.sim.Now {
			l.wake = 0
		}
		l.pump()
	})
}

// todokuByEvents is the control law where verdicts are events.
type todokuByEvents struct{ todoku }

func (t *todokuByEvents) next() time.Duration { return t.Next() }

func (t *todokuByEvents) event(kind pace.Kind, took time.Duration) {
	t.state.Judge(t.limits, t.now(), pace.Verdict{Kind: kind, Took: took}, t.dice.Float64())
}

// clairvoyant hands over what the receiver takes at the moment, because it sees the bucket
// and SES's own connections, which nobody can.
type clairvoyant struct {
	sim   *Sim
	r     *Receiver
	route *sesRoute
	sent  int // handed over, and not yet asked of the receiver's bucket
}

func (i *clairvoyant) next() time.Duration {
	i.r.fill()
	switch {
	case i.sim.Now < i.r.until, float64(i.route.out) >= i.r.MaxConnections, float64(i.route.out) >= math.Floor(i.route.window),
		i.r.tokens < float64(i.sent+1) && i.r.ReplyExcessRate != "tarpit":
		return 20 * time.Millisecond
	}
	i.sent++
	return 0
}

func (i *clairvoyant) event(pace.Kind, time.Duration) {}

// blind hands over as fast as the account allows, as whoever trusts SES does.
type blind struct{}

func (blind) next() time.Duration            { return 0 }
func (blind) event(pace.Kind, time.Duration) {}

// evens are the rates of which InformedSES has the best of each alert, chosen in hindsight, a fifth
// apart: what whoever knows an operator's every figure, and sees no more than events, can reach
// by the distance between copies.
func evens() []float64 {
	var rates []float64
	for rate := accountRate; rate > 0.25; rate /= math.Pow(2, 0.25) {
		rates = append(rates, rate)
	}
	return rates
}

// evenly hands over one copy after the other, all at the same distance.
type evenly struct {
	sim   *Sim
	every time.Duration
	due   time.Duration
}

func (e *evenly) next() time.Duration {
	if e.sim.Now < e.due {
		return e.due - e.sim.Now
	}
	e.due = e.sim.Now + e.every
	return 0
}

func (e *evenly) event(pace.Kind, time.Duration) {}
