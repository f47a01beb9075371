package alert

import (
	"time"

	"github.com/todoku/todoku/shared/lane"
)

// Group returns the message group of the queue that the copy of an alert waits in.
func (c *Copy) Group(a Alert) string {
	return lane.Place{Lane: c.Lane, Slot: c.Slot, Alert: a.ID[max(len(a.ID)-lane.MaxAlert, 0):], Urgent: a.Kind == Safety}.Group()
}

// Waits reports whether the copy is to be sent: it has not left, as far as anybody
// knows, and was not given up.
func (c *Copy) Waits() bool {
	return c.State == Queued || c.State == Sending || c.State == Delayed && !c.Away
}

// Doubt records that the copy was in a worker's hands and that nobody knows how
// that ended. It will be sent, perhaps for a second time: a duplicate is better
// than silence, and it is counted. It reports whether that is news: what an
// operator has reported meanwhile leaves no doubt.
func (c *Copy) Doubt() bool {
	if c.rank() > 0 {
		return false
	}
	c.Again++
	c.Tries++
	return true
}

// begun counts a try. A record that says Sending is of an older version, which
// noted there whose hands the copy was in: nobody knows how that ended.
func (c *Copy) begun() {
	c.Tries++
	if c.State == Sending {
		c.Again++
	}
}

// Accept records that the operator took the copy. It holds even if the copy was
// given up or sent by another worker meanwhile, since it did leave; but what events
// said of it already is newer.
func (c *Copy) Accept(now time.Time) {
	if c.rank() < ranks[Sent] {
		c.begun()
		c.move(Sent, now)
	}
}

// ranks orders the states in which an operator's events leave a copy. Events come
// late, twice and out of order; one of a lower rank changes nothing, and of two of
// the same rank the later counts, so in the end the order in which they came does
// not matter. What was cancelled and is reported all the same did leave.
var ranks = map[CopyState]int{Queued: 0, Delayed: 0, Cancelled: 0, Sending: 0, Sent: 1, away: 2, gaveUp: 3, soft: 4, Delivered: 5, Refused: 6}

// away ranks a copy that is Delayed in the operator's hands, gaveUp one that it tried
// until its time was over, soft one of which a reply came that may have been automatic.
const (
	away   CopyState = "away"
	gaveUp CopyState = "gave up"
	soft   CopyState = "soft"
)

// Expired is the status code of a mail whose time was over (RFC 3463, X.4.7).
const Expired = "4.4.7"

func (c *Copy) rank() int {
	switch {
	case c.State == Delayed && c.Away:
		return ranks[away]
	case c.State == Refused && c.Status == Expired:
		return ranks[gaveUp]
	case c.State == Refused && c.Soft:
		return ranks[soft]
	}
	return ranks[c.State]
}

// Event records what an operator reported of a copy at a time: Sent, Delayed (it
// tries again itself), Delivered or Refused. It reports whether anything changed.
func (c *Copy) Event(s CopyState, why Failure, at time.Time) bool {
	next := Copy{State: s, Away: s == Delayed, Status: why.Status, Soft: s == Refused && why.Soft}
	if next.rank() < c.rank() || next.rank() == c.rank() && !at.After(c.At) {
		return false
	}
	c.move(s, at)
	c.Away, c.Soft = next.Away, next.Soft
	if why != (Failure{}) { // why it was put off before it arrived is worth knowing afterwards
		c.Code, c.Status, c.Reason = why.Code, why.Status, why.Reason
	}
	return true
}

// MostReturns is how often a copy goes back to its lane that the operator gave up: with an
// hour each about as long as SES itself tries where nothing is said.
const MostReturns = 12

// Return has a copy that the operator gave up, at a time, wait for its lane once more, and
// reports whether it does: not if it has arrived, was refused or cancelled, or has come
// back too often. That is then an Event like others.
func (c *Copy) Return(why Failure, at time.Time) bool {
	if c.rank() >= ranks[gaveUp] || c.State == Cancelled || c.Returned >= MostReturns {
		return false
	}
	c.fail(Delayed, why, at)
	c.Returned++
	c.Back = at
	return true
}

// Past reports whether an event speaks of a mail that the operator had before it gave the copy
// up, and says nothing new: only that such a mail arrived, or was refused for good, still counts.
func (c *Copy) Past(s CopyState, why Failure, mailed time.Time) bool {
	if !mailed.Before(c.Back) || s == Delivered {
		return false
	}
	return s != Refused || why.Status == Expired
}

// Failure is an operator's reply to a copy that it did not take.
type Failure struct {
	Code   int
	Status string
	Reason string
	Unsure bool // the copy may have been taken all the same
	// Soft says that an operator's event may be an automatic reply to a mail that arrived: if it did,
	// it says nothing.
	Soft bool
}

// Delay records a temporary failure. One that was given up meanwhile stays so.
func (c *Copy) Delay(why Failure, now time.Time) {
	if c.rank() > 0 {
		return
	}
	if why.Unsure {
		c.Again++
	}
	if c.Waits() {
		c.begun()
		c.fail(Delayed, why, now)
	}
}

// Refuse records a permanent failure.
func (c *Copy) Refuse(why Failure, now time.Time) {
	if c.rank() == 0 {
		c.begun()
		c.fail(Refused, why, now)
	}
}

// Cancel gives up a copy that has not left, as far as anybody knows, and reports
// whether it did. If it is in a worker's hands, what that reports counts more.
func (c *Copy) Cancel(now time.Time) bool {
	if !c.Waits() {
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
	if c.State == Sent && s != Sent {
		c.SentAt = c.At
	}
	if s == Delayed {
		if c.PutOff == 0 {
			c.PutOffAt = now
		}
		c.PutOff++
	}
	c.State, c.At, c.Away, c.Soft = s, now, false, false
}
