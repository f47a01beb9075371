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
	case Queued, Delayed:
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

// Accept records that the operator took the copy. It holds against every state
// but Delivered: even if the claim was lost meanwhile, the copy did leave.
func (c *Copy) Accept(now time.Time) {
	if c.State != Delivered {
		c.move(Sent, now)
	}
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
	case Queued, Delayed:
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
	c.State, c.At = s, now
	c.Owner, c.Lease = "", time.Time{}
}
