package gate

import (
	"time"

	"github.com/todoku/todoku/shared/lane"
	"github.com/todoku/todoku/shared/lane/pace"
)

// Outlook is how a lane will probably fare with the copies that wait for it, by what it
// remembers. It promises nothing.
type Outlook struct {
	Lane    string
	Waiting int64
	Held    bool // nothing leaves until people say so
	Paused  bool // by its operator's word: one copy at a time is tried
	Silent  bool // no events come: it sends cautiously
	Unknown bool // nothing was ever sent there: the times are by the slots alone

	delay time.Duration // before any copy leaves
	burst float64       // copies that may leave at once then,
	rate  float64       // and after them each second
}

// assumed is how many copies a second a slot is thought to do of which no limit is known,
// where replies are seen.
const assumed = 2

// Outlook returns it for copies that wait; held says that the lane is held for whose they are,
// which package docket knows.
func (g *Gate) Outlook(l Lane, waiting int64, held bool) Outlook {
	now, limits, s := g.Now().UTC(), g.limits(l.Name), l.State
	o := Outlook{
		Lane: l.Name, Waiting: waiting, Held: held, Paused: !s.Stopped.IsZero(),
		Silent: s.Silent(limits, now) && now.Sub(s.Sent) <= pace.Forget, Unknown: s.Window == 0,
	}
	slots := float64(max(limits.Slots, 1))
	switch {
	case o.Silent:
		o.rate = slots / 2
	case s.Rate > 0:
		o.burst, o.rate = max(s.Ready(limits, max(now.Sub(s.Filled), 0)), 0), s.Rate
	case limits.Events && s.Took > 0:
		o.burst, o.rate = s.Window, s.Window/(s.Took+pace.EventLag).Seconds()
	case limits.Events:
		o.rate = slots / 2
	default:
		o.rate = slots * assumed
	}
	if o.Paused {
		o.delay = max(s.Until.Sub(now), 0)
	}
	return o
}

// Queue is an alert's copies that wait in a lane already.
type Queue struct {
	Copies int64
	Urgent bool // the alert is a safety check
}

// Before returns how many of them leave before so many copies of an alert have left that comes
// now: the alerts take turns, in which a safety check gets more (order).
func (q Queue) Before(copies float64, urgent bool) float64 {
	one, theirs := weigh(lane.Place{Urgent: urgent}, 1), weigh(lane.Place{Urgent: q.Urgent}, 1)
	return min(float64(q.Copies), copies*float64(one)/float64(theirs))
}

// After returns after how long a share of the waiting copies, 0 to 1, has probably left.
func (o Outlook) After(share float64) time.Duration {
	n := share * float64(o.Waiting)
	if n <= 0 {
		return 0
	}
	d := max(n-o.burst, 0) / max(o.rate, 1e-3)
	return o.delay + time.Duration(d*float64(time.Second))
}

// Late returns how many of the waiting copies will probably not have left by then.
func (o Outlook) Late(left time.Duration) int64 {
	if o.Held {
		return o.Waiting
	}
	in := o.burst + o.rate*(left-o.delay).Seconds()
	if left < o.delay {
		in = 0
	}
	return max(o.Waiting-int64(max(in, 0)), 0)
}
