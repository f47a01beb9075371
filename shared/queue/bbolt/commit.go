package bbolt

import (
	"sync"

	bolt "go.etcd.io/bbolt"
)

// committer combines updates that come while another is being written into one
// transaction, so that they share a sync. Unlike DB.Batch it never waits for
// company: an update that comes alone is written at once.
type committer struct {
	db      *bolt.DB
	mu      sync.Mutex
	waiting []call
	leading bool
}

type call struct {
	fn   func(*bolt.Tx) error
	done chan error
}

// update has the contract of Config.Update.
func (c *committer) update(fn func(*bolt.Tx) error) error {
	done := make(chan error, 1)
	c.mu.Lock()
	c.waiting = append(c.waiting, call{fn, done})
	if !c.leading {
		c.leading = true
		go c.lead()
	}
	c.mu.Unlock()
	return <-done
}

// lead writes what is waiting until nothing is.
func (c *committer) lead() {
	for {
		c.mu.Lock()
		calls := c.waiting
		c.waiting = nil
		c.leading = len(calls) > 0
		c.mu.Unlock()
		if len(calls) == 0 {
			return
		}
		c.write(calls)
	}
}

// write runs the calls in one transaction. One that fails spoils it, so the others
// are run again without it.
func (c *committer) write(calls []call) {
	for len(calls) > 0 {
		failed := -1
		err := c.db.Update(func(tx *bolt.Tx) error {
			for i, call := range calls {
				if err := call.fn(tx); err != nil {
					failed = i
					return err
				}
			}
			return nil
		})
		if failed < 0 {
			for _, call := range calls {
				call.done <- err
			}
			return
		}
		calls[failed].done <- err
		calls = append(calls[:failed], calls[failed+1:]...)
	}
}
