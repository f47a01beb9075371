package bbolt

import (
	"bytes"
	"context"
	"errors"
	"time"

	"github.com/todoku/todoku/shared/journal"
)

// Stats is the state of a queue at a moment.
type Stats struct {
	Visible  int           // messages waiting for a handler, or for others of their group
	Behind   int           // those of Visible that wait for others of their group, in flight or hidden
	InFlight int           // messages being handled
	Hidden   int           // messages handed back or postponed, until their time comes
	Dead     int           // dead letters
	Oldest   time.Duration // since the oldest of the messages was sent; 0 if there is none
}

// Stats returns the state of the queue. It reads one record a group.
func (q *Queue) Stats() (Stats, error) {
	s, groups := q.counts()
	if s.Visible+s.InFlight+s.Hidden == 0 {
		return s, nil
	}
	now := q.cfg.Now().UnixMilli()
	err := q.db.View(func(tx *journal.Tx) error {
		oldest, err := openBuckets(tx, q.cfg.Name).oldest(groups, now)
		s.Oldest = time.Duration(max(0, now-oldest)) * time.Millisecond
		return err
	})
	return s, err
}

func (q *Queue) counts() (s Stats, groups []string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	s.Dead = int(q.dead.Load())
	for name, g := range q.schedule.groups {
		groups = append(groups, name)
		inFlight := 0
		if g.part != nil {
			inFlight = len(g.part.entries)
		}
		rest := max(0, g.messages-inFlight-g.hidden)
		s.InFlight += inFlight
		s.Hidden += g.hidden
		s.Visible += rest
		if inFlight+g.hidden > 0 {
			s.Behind += rest
		}
	}
	return s, groups
}

// oldest returns when the oldest of the groups' first messages was sent, now if
// there are none.
func (b buckets) oldest(groups []string, now int64) (int64, error) {
	c := b.messages.Cursor()
	for _, name := range groups {
		prefix := groupPrefix(name)
		k, v := c.Seek(prefix)
		if !bytes.HasPrefix(k, prefix) {
			continue
		}
		m, err := decodeStored(v)
		if err != nil {
			return now, err
		}
		now = min(now, m.Sent)
	}
	return now, nil
}

// CheckHealth proves that the queue can write: it stores and removes a group's
// record. It says nothing about the handler; Stats does.
func (q *Queue) CheckHealth(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	probe := []byte{0} // no group has this name
	err := q.cfg.Update(func(tx *journal.Tx) error {
		return openBuckets(tx, q.cfg.Name).groups.Put(probe, groupState{At: q.cfg.Now().UnixMilli()}.encode())
	})
	if err != nil {
		return err
	}
	return q.cfg.Update(func(tx *journal.Tx) error {
		b := openBuckets(tx, q.cfg.Name)
		if b.groups.Get(probe) == nil {
			return errors.New("queue: what was written is not there")
		}
		return b.groups.Delete(probe)
	})
}
