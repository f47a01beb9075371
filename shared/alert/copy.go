package alert

import (
	"time"

	"github.com/todoku/todoku/shared/lane"
)

// Group returns the message group of the queue that the copy waits in.
func (c *Copy) Group() string { return lane.Lane{Name: c.Lane}.Group(c.Slot) }

// Claim is what became of an attempt to claim a copy for sending.
type Claim int

// The outcomes of a claim.
const (
	Claimed Claim = iota // send it
	Held                 // another worker has it until Copy.Lease
	Over                 // it needs no sending any more
)

// Worker identifies who claims. A claim is a lease: it ends by itself, so that
// the copies of a dead worker are sent by another.
type Worker struct {
	ID    string
	Lease time.Duration // longer than a batch can take
	// Alone says that no other worker lives: any other's claim is a dead one's,
	// and need not be waited for. It is so where one process owns the store.
	Alone bool
}

// Claim takes the copy for w at now. A copy whose claim ended without a record
// of how is claimed again: a duplicate is better than silence, and it is counted.
func (c *Copy) Claim(w Worker, now time.Time) Claim {
	switch c.State {
	case Queued:
	case Delayed:
		if c.Away {
			return Over
		}
	case Sending:
		if c.heldBy(w, now) {
			return Held
		}
		c.Again++
	default:
		return Over
	}
	c.move(Sending, now)
	c.Tries++
	c.Owner, c.Lease = w.ID, now.Add(w.Lease)
	return Claimed
}

// heldBy reports whether a living worker has the copy, as far as w can know.
func (c *Copy) heldBy(w Worker, now time.Time) bool {
	return now.Before(c.Lease) && (c.Owner == w.ID || !w.Alone)
}

// holds reports whether the claim of w is still the newest.
func (c *Copy) holds(w Worker) bool { return c.State == Sending && c.Owner == w.ID }

// Accept records that the operator took the copy. It holds even if the claim was
// lost meanwhile, since the copy did leave; but what events said of it already is
// newer.
func (c *Copy) Accept(now time.Time) {
	if c.rank() < ranks[Sent] {
		c.move(Sent, now)
	}
}

// ranks orders the states in which an operator's events leave a copy. Events come
// late, twice and out of order; one of a lower rank changes nothing, and of two of
// the same rank the later counts, so in the end the order in which they came does
// not matter. What was cancelled
// and is reported all the same did leave.
var ranks = map[CopyState]int{Queued: 0, Delayed: 0, Cancelled: 0, Sending: 0, Sent: 1, away: 2, Delivered: 3, Refused: 4}

// away ranks a copy that is Delayed in the operator's hands.
const away CopyState = "away"

func (c *Copy) rank() int {
	if c.State == Delayed && c.Away {
		return ranks[away]
	}
	return ranks[c.State]
}

// Event records what an operator reported of a copy at a time: Sent, Delayed (it
// tries again itself), Delivered or Refused. It reports whether anything changed.
func (c *Copy) Event(s CopyState, why Failure, at time.Time) bool {
	next := Copy{State: s, Away: s == Delayed}
	if next.rank() < c.rank() || next.rank() == c.rank() && !at.After(c.At) {
		return false
	}
	c.move(s, at)
	c.Away = next.Away
	c.Code, c.Status, c.Reason = why.Code, why.Status, why.Reason
	return true
}

// Release puts an unsent copy back as if it had not been claimed.
func (c *Copy) Release(w Worker, now time.Time) {
	if c.holds(w) {
		c.move(Queued, now)
		c.Tries--
	}
}

// Failure is an operator's reply to a copy that it did not take.
type Failure struct {
	Code   int
	Status string
	Reason string
	Unsure bool // the copy may have been taken all the same
}

// Delay records a temporary failure.
func (c *Copy) Delay(w Worker, why Failure, now time.Time) {
	if !c.holds(w) {
		return
	}
	c.fail(Delayed, why, now)
	if why.Unsure {
		c.Again++
	}
}

// Refuse records a permanent failure.
func (c *Copy) Refuse(w Worker, why Failure, now time.Time) {
	if c.holds(w) {
		c.fail(Refused, why, now)
	}
}

// Cancel gives up a copy that has not left, as far as anybody knows, and reports
// whether it did. One in a living worker's hands is left to that worker.
func (c *Copy) Cancel(w Worker, now time.Time) bool {
	switch c.State {
	case Queued:
	case Delayed:
		if c.Away {
			return false
		}
	case Sending:
		if !c.holds(w) && c.heldBy(w, now) {
			return false
		}
	default:
		return false
	}
	c.move(Cancelled, now)
	return true
}

func (c *Copy) fail(s CopyState, why Failure, now time.Time) {
	c.move(s, now)
	c.Code, c.Status, c.Reason = why.Code, why.Status, why.Reason
}

func (c *Copy) move(s CopyState, now time.Time) {
	c.State, c.At, c.Away = s, now, false
	c.Owner, c.Lease = "", time.Time{}
}
