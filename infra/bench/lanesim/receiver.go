package lanesim

import (
	"math"
	"math/rand/v2"
	"time"
)

// Reply is what a receiver says.
type Reply int

// Replies, by what they speak of.
const (
	OK       Reply = iota
	Grey           // 450: come back later with this recipient
	Unknown        // 550: no such user
	NoRoom         // connection refused: 421, 451 or a reset
	TooMuch        // rate: 421, 450, 451, and the connection may be closed
	NoAnswer       // nothing comes
)

// Fault is what goes wrong at a receiver, and when.
type Fault struct {
	Blackhole [2]time.Duration // from, to: nothing answers
	Greets    bool             // the blackhole takes connections and does not greet
	Slow      [2]time.Duration // from, to: Factor of the rate
	Factor    float64
	Others    float64 // share of the bucket that other senders take
	BadHosts  float64 // share of the hosts that refuse
}

// Receiver is one operator, as one source address sees it.
type Receiver struct {
	Profile
	Fault
	sim    *Sim
	rand   *rand.Rand
	Offset time.Duration // into the hour, at the beginning

	asked    func() // is told of each message that was asked for; may be nil
	open     int
	tokens   float64
	filled   time.Duration
	refusals [2][]time.Duration // of connections, of the rate: when

	Blocks  []time.Duration // when each began
	until   time.Duration   // block
	level   float64         // of the next block, in seconds; 0: PenaltyFirst
	forgive time.Duration   // when level is forgotten
	trickle time.Duration   // when the next copy may trickle through

	seen          map[int]time.Duration // greylist: first attempt by recipient
	users         []bool                // of the last recipients: unknown
	unknown       int
	unknownLevel  float64
	Connections   int
	RateRefused   int
	MostConnected int
}

// NewReceiver returns a receiver whose bucket is full; i tells it from the others of
// the simulation.
func NewReceiver(s *Sim, i int, p Profile, f Fault) *Receiver {
	r := &Receiver{Profile: p, Fault: f, sim: s, rand: s.chance(1 + uint64(i)), seen: map[int]time.Duration{}}
	r.tokens = r.depth()
	return r
}

func (r *Receiver) during(span [2]time.Duration) bool {
	return r.sim.Now >= span[0] && r.sim.Now < span[1]
}

func (r *Receiver) depth() float64 { return max(1, r.Burst*(1-r.Others)) }

// rate is what the receiver takes a second at the moment.
func (r *Receiver) rate() float64 {
	v := r.Rate
	if len(r.Busy) == 2 {
		if in := (r.sim.Now + r.Offset).Seconds(); in-3600*float64(int(in/3600)) < r.Busy[1] {
			v = min(v, r.BusyRate)
		}
	}
	if r.during(r.Slow) {
		v *= r.Factor
	}
	return v * (1 - r.Others)
}

// fill fills the bucket. The rate changes seldom beside how often it is called.
func (r *Receiver) fill() {
	r.tokens = min(r.depth(), r.tokens+r.rate()*(r.sim.Now-r.filled).Seconds())
	r.filled = r.sim.Now
}

// blocked reports whether the sender is blocked now.
func (r *Receiver) blocked() bool { return r.sim.Now < r.until }

// Connect asks for a connection, which Close gives back.
func (r *Receiver) Connect() Reply {
	r.Connections++
	switch {
	case r.during(r.Blackhole):
		return NoAnswer
	case r.BadHosts > 0 && r.rand.Float64() < r.BadHosts:
		return NoRoom
	case r.blocked() && r.ReplyBlocked != "trickle":
		return NoRoom
	case float64(r.open) >= r.MaxConnections:
		r.refused(0, r.ConnectionRefusals, r.ConnectionRefusalsS)
		return NoRoom
	}
	r.open++
	r.MostConnected = max(r.MostConnected, r.open)
	return OK
}

// Close gives a connection back.
func (r *Receiver) Close() { r.open-- }

// Mail asks for one message to one recipient. wait is how long the receiver
// stalls before it answers; shut, that it closes the connection.
func (r *Receiver) Mail(rcpt *Recipient) (reply Reply, wait time.Duration, shut bool) {
	if r.asked != nil {
		r.asked()
	}
	if r.blocked() {
		reply, shut = r.whileBlocked()
	} else {
		reply, wait, shut = r.gate()
	}
	if reply == OK {
		reply = r.recipient(rcpt)
	}
	return reply, wait, shut
}

func (r *Receiver) whileBlocked() (Reply, bool) {
	if r.ReplyBlocked == "trickle" && r.sim.Now >= r.trickle {
		r.trickle = r.sim.Now + seconds(1/r.TrickleRate)
		return OK, false
	}
	return TooMuch, r.ReplyBlocked == "421" || r.ReplyBlocked == "rst"
}

// gate takes a token of the bucket.
func (r *Receiver) gate() (Reply, time.Duration, bool) {
	if r.fill(); r.tokens < 1 {
		return r.excess()
	}
	r.tokens--
	return OK, 0, false
}

// excess is what is said about a message for which the bucket has no token.
func (r *Receiver) excess() (Reply, time.Duration, bool) {
	if r.ReplyExcessRate == "tarpit" {
		wait := seconds((1 - r.tokens) / r.rate())
		r.tokens--
		return OK, wait, false
	}
	r.RateRefused++
	r.refused(1, r.RateRefusals, r.RateRefusalsS)
	return TooMuch, 0, r.ReplyExcessRate == "421close" || r.ReplyExcessRate == "rst"
}

// recipient is what is said about the recipient alone.
func (r *Receiver) recipient(rcpt *Recipient) Reply {
	r.countUser(rcpt.Unknown)
	if rcpt.Unknown {
		return Unknown
	}
	if r.Greylist > 0 {
		first, ok := r.seen[rcpt.ID]
		if !ok {
			r.seen[rcpt.ID] = r.sim.Now
		}
		if !ok || r.sim.Now < first+seconds(r.Greylist) {
			return Grey
		}
	}
	return OK
}

// refused counts a refusal, of which too many within a time block the sender.
func (r *Receiver) refused(kind int, most, within float64) {
	kept := r.refusals[kind][:0]
	for _, at := range r.refusals[kind] {
		if at > r.sim.Now-seconds(within) {
			kept = append(kept, at)
		}
	}
	r.refusals[kind] = append(kept, r.sim.Now)
	if float64(len(r.refusals[kind])) < most {
		return
	}
	if r.level == 0 || r.sim.Now > r.forgive {
		r.level = r.PenaltyFirst
	}
	r.block(r.level)
	r.forgive = r.until + seconds(r.PenaltyForgiven)
	r.level = min(r.level*r.PenaltyMultiplier, r.PenaltyMax)
}

func (r *Receiver) block(secs float64) {
	r.refusals[0], r.refusals[1] = r.refusals[0][:0], r.refusals[1][:0]
	r.Blocks = append(r.Blocks, r.sim.Now)
	r.until = r.sim.Now + seconds(secs)
}

// countUser counts unknown users among the last recipients, of which too many
// block the sender.
func (r *Receiver) countUser(unknown bool) {
	if r.UnknownAbove > 1 {
		return
	}
	r.users = append(r.users, unknown)
	if unknown {
		r.unknown++
	}
	if len(r.users) > int(r.UnknownWindow) {
		if r.users[0] {
			r.unknown--
		}
		r.users = r.users[1:]
	}
	if float64(r.unknown) > r.UnknownAbove*r.UnknownWindow {
		r.unknownLevel = min(max(r.unknownLevel*r.UnknownMultiplier, r.UnknownFirst), r.UnknownMax)
		r.block(r.unknownLevel)
		r.users, r.unknown = r.users[:0], 0
	}
}

// processing is how long the receiver takes over a message.
func (r *Receiver) processing() time.Duration {
	return seconds(r.Processing * lognormal(r.rand, r.Sigma))
}

// drops reports whether the receiver accepts a message only to drop it.
func (r *Receiver) drops() bool { return r.rand.Float64() < r.Dropped }

// lognormal returns a factor with median 1 and the sigma of its logarithm.
func lognormal(r *rand.Rand, sigma float64) float64 { return math.Exp(sigma * r.NormFloat64()) }
