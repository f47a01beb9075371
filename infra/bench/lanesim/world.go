package lanesim

import (
	"math"
	"slices"
	"time"

	"github.com/todoku/todoku/shared/lane"
	"github.com/todoku/todoku/shared/lane/pace"
)

// Scheduler names a way to send.
type Scheduler string

// Schedulers. Informed knows every limit and is the measure for the others.
const (
	Todoku   Scheduler = "Todoku"
	Fixed1   Scheduler = "fixed 1"
	Fixed20  Scheduler = "fixed 20"
	Global   Scheduler = "one global limit"
	Postfix  Scheduler = "Postfix's rule"
	Kumo     Scheduler = "KumoMTA-style shaping"
	Informed Scheduler = "informed"

	// Behind the stand-in for SES, which owns the way to the receivers. Informed knows every
	// limit and sees what Todoku sees; the clairvoyant sees SES's connections as well.
	TodokuSES      Scheduler = "Todoku by events"
	InformedSES    Scheduler = "informed: the best even rate"
	BlindSES       Scheduler = "all to SES at once"
	ClairvoyantSES Scheduler = "clairvoyant"
)

// Schedulers are all of them.
var Schedulers = []Scheduler{Informed, Todoku, Postfix, Kumo, Fixed1, Fixed20, Global}

// Alert is a number of recipients that are told something at a time.
type Alert struct {
	At time.Duration
	To [][]*Recipient // by lane
}

// SESSchedulers are those behind the stand-in for SES.
var SESSchedulers = []Scheduler{InformedSES, TodokuSES, ClairvoyantSES, BlindSES}

// World is everything that a run begins with, but chance.
type World struct {
	Profiles []Profile
	Faults   []Fault // by profile; nil: none
	Offset   time.Duration
	Alerts   []Alert
	End      time.Duration    // when the run is given up
	Watched  func(*Copy) bool // which copies are looked at by themselves; nil: none
	Even     float64          // copies a second of InformedSES
}

// Run is what became of a world under a scheduler.
type Run struct {
	Copies    []*Copy
	Receivers []*Receiver
	end       time.Duration
}

// RunWorld lets a scheduler send the alerts of a world.
func RunWorld(w World, how Scheduler, lanes *lane.Lanes, seed uint64) Run {
	s := New(seed)
	run := Run{end: w.End}
	lines := make([]*line, len(w.Profiles))
	for i, p := range w.Profiles {
		f := Fault{}
		if w.Faults != nil {
			f = w.Faults[i]
		}
		r := NewReceiver(s, i, p, f)
		r.Offset = w.Offset
		run.Receivers = append(run.Receivers, r)
		lines[i] = &line{Receiver: r}
	}
	senders := newOutlets(s, lines, how, lanes, w.Even)
	for a, alert := range w.Alerts {
		byLane := copies(a, alert)
		for _, cs := range byLane {
			run.Copies = append(run.Copies, cs...)
		}
		s.After(alert.At, func() { deal(s, senders, byLane) })
	}
	s.Run(w.End)
	return run
}

func copies(a int, alert Alert) [][]*Copy {
	byLane := make([][]*Copy, len(alert.To))
	for lane, to := range alert.To {
		for _, r := range to {
			byLane[lane] = append(byLane[lane], &Copy{To: r, Lane: lane, Alert: a, Released: alert.At})
		}
	}
	return byLane
}

// deal gives copies to the senders: each lane has one, or all share one, which then
// gets the copies as a list of names would have them, in any order.
func deal(s *Sim, senders []outlet, byLane [][]*Copy) {
	if len(senders) == len(byLane) {
		for i, cs := range byLane {
			senders[i].add(cs...)
		}
		return
	}
	all := slices.Concat(byLane...)
	s.Rand.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	senders[0].add(all...)
}

// outlet takes copies to send.
type outlet interface{ add(cs ...*Copy) }

func newOutlets(s *Sim, lines []*line, how Scheduler, lanes *lane.Lanes, even float64) []outlet {
	switch how {
	case TodokuSES, BlindSES, ClairvoyantSES, InformedSES:
		return newSESLanes(s, lines, how, lanes, even)
	case Global: // listmonk: concurrency 10, message_rate 10
		return []outlet{&sender{sim: s, lanes: lines, pace: &fixed{sim: s, most: 10, rate: 10, again: postfixBackoff}}}
	}
	senders := make([]outlet, len(lines))
	for i, l := range lines {
		senders[i] = &sender{sim: s, lanes: lines, pace: newPacer(s, l.Receiver, how, lanes)}
	}
	return senders
}

func newSESLanes(s *Sim, lines []*line, how Scheduler, lanes *lane.Lanes, even float64) []outlet {
	e := newSES(s, lines)
	outlets := make([]outlet, len(lines))
	for i, l := range lines {
		o := &sesLane{sim: s, ses: e, lane: i, handed: map[*Copy]time.Duration{}, heard: map[*Copy]bool{}}
		switch how {
		case TodokuSES:
			limits := limitsOf(l.Profile, lanes)
			limits.Events, limits.Alive = true, true
			o.how = &todokuByEvents{todoku{sim: s, dice: l.rand, limits: limits}}
		case ClairvoyantSES:
			in := &clairvoyant{sim: s, r: l.Receiver, route: e.inner[i].pace.(*sesRoute)}
			l.asked = func() { in.sent = max(in.sent-1, 0) }
			o.how = in
		case InformedSES:
			o.how = &evenly{sim: s, every: seconds(1 / even)}
		default:
			o.how = blind{}
		}
		outlets[i] = o
	}
	return outlets
}

func newPacer(s *Sim, r *Receiver, how Scheduler, lanes *lane.Lanes) Pacer {
	switch how {
	case Fixed1:
		return &fixed{sim: s, most: 1, again: postfixBackoff}
	case Fixed20:
		return &fixed{sim: s, most: 20, again: postfixBackoff}
	case Postfix:
		return newPostfix(s)
	case Kumo:
		return newShaping(s, r.Profile)
	case Informed:
		return newInformed(s, r)
	default:
		return &todoku{sim: s, dice: r.rand, limits: limitsOf(r.Profile, lanes)}
	}
}

// limitsOf returns what the lanes file that ships says of the operator that a
// profile is like.
func limitsOf(p Profile, lanes *lane.Lanes) pace.Limits {
	l := lanes.Of(p.Domain())
	return pace.Limits{Slots: l.Slots, Listed: l.Listed()}
}

// Times are how long it took until shares of the deliverable recipients were
// reached.
type Times struct{ T50, T90, T99, T100 time.Duration }

// Times returns those of the copies that of picks, since each was released. What was
// not delivered counts as delivered at the end of the run.
func (r Run) Times(of func(*Copy) bool) Times {
	var ds []time.Duration
	for _, c := range r.Copies {
		switch {
		case !of(c) || c.To.Unknown || c.Done && !c.Reached:
		case c.Done:
			ds = append(ds, c.At-c.Released)
		default:
			ds = append(ds, r.end-c.Released)
		}
	}
	slices.Sort(ds)
	return Times{quantile(ds, 0.5), quantile(ds, 0.9), quantile(ds, 0.99), quantile(ds, 1)}
}

func quantile[T any](sorted []T, q float64) T {
	var zero T
	if len(sorted) == 0 {
		return zero
	}
	return sorted[max(int(math.Ceil(q*float64(len(sorted))))-1, 0)]
}

// Attempts returns the attempts a message.
func (r Run) Attempts() float64 {
	n := 0
	for _, c := range r.Copies {
		n += c.Tries
	}
	return float64(n) / float64(max(len(r.Copies), 1))
}

// Blocks returns how many blocks were triggered from a time on.
func (r Run) Blocks(from time.Duration) int {
	n := 0
	for _, at := range r.blocks() {
		if at >= from {
			n++
		}
	}
	return n
}

func (r Run) blocks() []time.Duration {
	var all []time.Duration
	for _, rcv := range r.Receivers {
		all = append(all, rcv.Blocks...)
	}
	slices.Sort(all)
	return all
}

// BlocksAnHour returns the most blocks that one receiver triggered within an hour,
// from a time on.
func (r Run) BlocksAnHour(from time.Duration) int {
	most := 0
	for _, rcv := range r.Receivers {
		for i, at := range rcv.Blocks {
			n := 0
			for _, other := range rcv.Blocks[i:] {
				if at >= from && other < at+time.Hour {
					n++
				}
			}
			most = max(most, n)
		}
	}
	return most
}
