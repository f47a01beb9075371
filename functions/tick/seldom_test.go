package tick

import (
	"errors"
	"testing"
	"time"
)

func TestSeldom(t *testing.T) {
	failed := errors.New("failed")
	var s seldom
	n, begin := 0, time.Date(2026, 9, 1, 8, 0, 0, 0, time.UTC)
	for _, step := range []struct {
		after time.Duration
		err   error
		times int
	}{
		{0, failed, 1},
		{time.Second, nil, 2}, // what failed is due with the next tick
		{2 * time.Second, nil, 2},
		{time.Hour, nil, 2},
		{time.Hour + time.Second, nil, 3},
	} {
		err := s.do(begin.Add(step.after), time.Hour, func() error { n++; return step.err })
		if n != step.times || !errors.Is(err, step.err) {
			t.Errorf("after %v: done %d times, want %d, %v", step.after, n, step.times, err)
		}
	}
}
