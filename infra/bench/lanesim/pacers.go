package lanesim

import (
	"math"
	"math/rand/v2"
	"time"

	"github.com/todoku/todoku/shared/lane/pace"
)

// epoch is when simulations begin.
var epoch = time.Date(2026, 4, 1, 3, 0, 0, 0, time.UTC)

// greylisted is when a recipient is tried again that was greylisted, as package dispatch
// does (greyDelays).
func greylisted(tries int) time.Duration {
	if tries <= 1 {
		return 6 * time.Minute
	}
	return 2 * time.Minute
}

// todoku is the control law of shared/lane/pace.
type todoku struct {
	sim    *Sim
	dice   *rand.Rand
	limits pace.Limits
	state  pace.State
}

func (t *todoku) now() time.Time { return epoch.Add(t.sim.Now) }

func (t *todoku) Next() time.Duration {
	if n, wait := t.state.Take(t.limits, t.now(), 1); n == 0 {
		return wait
	}
	return 0
}

var kinds = map[Reply]pace.Kind{
	OK: pace.Accepted, Grey: pace.Personal, Unknown: pace.Personal,
	NoRoom: pace.Crowded, TooMuch: pace.TooFast, NoAnswer: pace.Unheard,
}

func (t *todoku) Heard(c *Copy, o Outcome) time.Duration {
	t.state.Judge(t.limits, t.now(), pace.Verdict{Kind: kinds[o.Reply], Took: o.Took}, t.dice.Float64())
	if o.Reply == Grey {
		return greylisted(c.Tries)
	}
	return 0
}

// backoff is the usual wait of one message: doubled after each try. Postfix:
// minimal_backoff_time 300 s, maximal_backoff_time 4000 s.
type backoff struct{ first, most time.Duration }

var (
	postfixBackoff = backoff{300 * time.Second, 4000 * time.Second}
	kumoBackoff    = backoff{20 * time.Minute, 24 * time.Hour} // retry_interval, max_age
)

func (b backoff) after(tries int) time.Duration {
	return min(b.most, b.first<<min(max(tries-1, 0), 20))
}

// fixed sends over so many connections, come what may, at most so fast. Given to
// a sender of all lanes it is one global limit.
type fixed struct {
	sim   *Sim
	most  int
	rate  float64 // a second; 0: as fast as it goes
	out   int
	next  time.Duration
	again backoff
}

func (f *fixed) Next() time.Duration {
	switch {
	case f.out >= f.most:
		return never
	case f.sim.Now < f.next:
		return f.next - f.sim.Now
	}
	f.out++
	if f.rate > 0 {
		f.next = f.sim.Now + seconds(1/f.rate)
	}
	return 0
}

func (f *fixed) Heard(c *Copy, _ Outcome) time.Duration {
	f.out--
	return f.again.after(c.Tries)
}

// postfix is its scheduler as SCHEDULER_README says: concurrency begins with 5, grows
// by 1/concurrency with each success up to 20, shrinks by the same when a connection
// or its handshake fails; one cohort of failures in a row (destination_concurrency_failed_cohort_limit
// 1) and the destination is dead, and all of it waits for minimal_backoff_time.
// A message that is put off within a connection waits alone.
type postfix struct {
	sim    *Sim
	window float64
	out    int
	failed float64 // cohorts
	dead   time.Duration
}

func newPostfix(s *Sim) *postfix { return &postfix{sim: s, window: 5} }

func (p *postfix) Next() time.Duration {
	switch {
	case p.sim.Now < p.dead:
		return p.dead - p.sim.Now
	case p.out >= int(p.window):
		return never
	}
	p.out++
	return 0
}

func (p *postfix) Heard(c *Copy, o Outcome) time.Duration {
	p.out--
	if o.Reply != NoRoom && o.Reply != NoAnswer && !o.Shut {
		p.failed = 0
		p.window = min(20, p.window+1/p.window)
		return postfixBackoff.after(c.Tries)
	}
	p.failed += 1 / p.window
	p.window = max(1, p.window-1/p.window)
	if p.failed >= 1 {
		p.dead, p.failed, p.window = p.sim.Now+postfixBackoff.first, 0, 5
	}
	return postfixBackoff.after(c.Tries)
}

// shaping is KumoMTA with figures for each operator as its community writes them,
// for the operators of the profiles as they stand, unvaried; and a suspension
// when an operator says no.
type shaping struct {
	fixed
	suspend time.Duration // after a refusal; 0: the message waits alone
	until   time.Duration
}

// shapes are from the field notes; what they do not know has KumoMTA's defaults: 10
// connections here, and no rate.
var shapes = map[string]struct {
	connections int
	rate        float64
	suspend     time.Duration
}{
	"webmail-y": {2, 10, time.Hour},
	"global-g":  {10, 0, 0},
	"global-m":  {5, 0, 0},
	"global-i":  {10, 0, 0},
	"isp-grey":  {10, 100.0 / 60, 0},
}

func newShaping(s *Sim, p Profile) *shaping {
	sh, ok := shapes[p.Name]
	if !ok {
		sh.connections = 10
	}
	return &shaping{fixed: fixed{sim: s, most: sh.connections, rate: sh.rate, again: kumoBackoff}, suspend: sh.suspend}
}

func (s *shaping) Next() time.Duration {
	if s.sim.Now < s.until {
		return s.until - s.sim.Now
	}
	return s.fixed.Next()
}

func (s *shaping) Heard(c *Copy, o Outcome) time.Duration {
	if o.Reply == TooMuch || o.Reply == NoRoom {
		s.until = s.sim.Now + s.suspend
	}
	return s.fixed.Heard(c, o)
}

// informed knows every limit and the state of the operator's bucket: what nobody can
// know, and so the measure of what is possible.
type informed struct {
	sim     *Sim
	r       *Receiver
	out     int
	pending int // begun, and not yet asked of the bucket; the receiver's asked lowers it
}

func newInformed(s *Sim, r *Receiver) *informed {
	i := &informed{sim: s, r: r}
	r.asked = func() { i.pending-- }
	return i
}

func (i *informed) Next() time.Duration {
	switch {
	case i.sim.Now < i.r.until:
		return i.r.until - i.sim.Now
	case i.r.during(i.r.Blackhole):
		return i.r.Blackhole[1] - i.sim.Now
	case float64(i.out) >= i.r.MaxConnections:
		return never
	}
	i.r.fill()
	if i.r.tokens < float64(i.pending+1) && i.r.ReplyExcessRate != "tarpit" {
		d := seconds((float64(i.pending+1)-i.r.tokens)/i.r.rate()) + time.Millisecond
		return min(d, time.Second) // the rate may change before
	}
	i.out++
	i.pending++
	return 0
}

func (i *informed) Heard(_ *Copy, o Outcome) time.Duration {
	i.out--
	if o.Reply == NoRoom || o.Reply == NoAnswer {
		i.pending--
	}
	if o.Reply == Grey {
		return seconds(math.Max(i.r.Greylist, 0)) + time.Second
	}
	return 0
}
