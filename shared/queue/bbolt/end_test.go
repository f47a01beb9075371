package bbolt_test

import (
	"context"
	"path/filepath"
	"testing"
	"testing/synctest"

	"github.com/todoku/todoku/shared/queue/bbolt"
)

// endsBetween is a context that ends after it was asked so often whether it has.
type endsBetween struct {
	context.Context
	looks int
}

func (c *endsBetween) Err() error {
	if c.looks--; c.looks >= 0 {
		return nil
	}
	return context.Canceled
}

// TestEndsBetweenTwoLooks ends a queue that has nothing to do at every place where
// it looks for its end: it must not wait for something that has happened.
func TestEndsBetweenTwoLooks(t *testing.T) {
	for looks := range 8 {
		synctest.Test(t, func(t *testing.T) {
			q := open(t, openFile(t, filepath.Join(t.TempDir(), "queue.db")), bbolt.Config{})
			ended, end := context.WithCancel(t.Context())
			end()
			if err := q.Run(&endsBetween{ended, looks}, nil); err != nil {
				t.Error(err)
			}
		})
	}
}
