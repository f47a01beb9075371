package tick

import (
	"sync/atomic"
	"time"
)

// seldom is what is not done with every tick.
type seldom struct {
	next atomic.Int64 // when it is due again, in seconds since 1970
}

// do does it, if it is due, and not again within a time. What fails is due with the next
// tick.
func (s *seldom) do(now time.Time, every time.Duration, f func() error) error {
	if now.Unix() < s.next.Load() {
		return nil
	}
	err := f()
	if err == nil {
		s.next.Store(now.Add(every).Unix())
	}
	return err
}
