package drill

import (
	"sync/atomic"
	"time"
)

// Clock stands still until it is moved.
type Clock struct{ nanos atomic.Int64 }

// NewClock returns a Clock that shows t.
func NewClock(t time.Time) *Clock {
	c := &Clock{}
	c.nanos.Store(t.UnixNano())
	return c
}

// Now returns the time that the clock shows.
func (c *Clock) Now() time.Time { return time.Unix(0, c.nanos.Load()) }

// Advance moves the clock. A clock never goes back.
func (c *Clock) Advance(by time.Duration) { c.nanos.Add(int64(by)) }
