package bbolt

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"time"

	bolt "go.etcd.io/bbolt"
)

// load creates what is missing in the file, takes what is in flight out of flight,
// and builds what memory holds of it.
func (q *Queue) load() error {
	err := q.cfg.Update(func(tx *bolt.Tx) error {
		if err := createBuckets(tx, q.cfg.Name); err != nil {
			return err
		}
		return openBuckets(tx, q.cfg.Name).recover()
	})
	if err != nil {
		return fmt.Errorf("queue: open %s: %w", q.cfg.Name, err)
	}
	return q.db.View(func(tx *bolt.Tx) error { return q.index(openBuckets(tx, q.cfg.Name)) })
}

// recover takes the messages that were in flight when the last process ended out
// of flight, with a receive counted. They are not hidden: it was the only
// consumer. Those that a handler handed back stay hidden.
func (b buckets) recover() error {
	var interrupted []string
	err := b.groups.ForEach(func(k, v []byte) error {
		s, err := decodeGroupState(v)
		if s.Count > 0 {
			interrupted = append(interrupted, string(k))
		}
		return err
	})
	if err != nil {
		return err
	}
	for _, group := range interrupted {
		if err := b.interrupted(group, reasonCrash); err != nil {
			return err
		}
	}
	return nil
}

func (q *Queue) index(b buckets) error {
	if err := q.seen.load(b.sent); err != nil {
		return err
	}
	dead := int64(0)
	if err := b.dead.ForEach(func(_, _ []byte) error { dead++; return nil }); err != nil {
		return err
	}
	q.dead.Store(dead)
	for name, n := range b.count() {
		if err := q.indexGroup(b, name, n); err != nil {
			return err
		}
	}
	return nil
}

// count reads the keys of all messages.
func (b buckets) count() map[string]int {
	counts := map[string]int{}
	name, n := []byte(nil), 0
	c := b.messages.Cursor()
	for k, _ := c.First(); k != nil; k, _ = c.Next() {
		if group := k[:len(k)-9]; !bytes.Equal(group, name) {
			counts[string(name)] += n
			name, n = slices.Clone(group), 0
		}
		n++
	}
	counts[string(name)] += n
	delete(counts, "")
	return counts
}

func (q *Queue) indexGroup(b buckets, name string, n int) error {
	v := b.groups.Get([]byte(name))
	if v == nil {
		q.schedule.add(name, n)
		return nil
	}
	s, err := decodeGroupState(v)
	if err != nil {
		return err
	}
	g := &group{name: name, messages: n, hidden: b.tried(name)}
	q.schedule.groups[name] = g
	q.schedule.wait(g, fromMilli(s.At))
	return nil
}

// tried counts the messages of a group that were handed out in vain.
func (b buckets) tried(name string) (n int) {
	prefix := groupPrefix(name)
	c := b.attempts.Cursor()
	for k, _ := c.Seek(prefix); bytes.HasPrefix(k, prefix); k, _ = c.Next() {
		n++
	}
	return n
}

func sequence(key []byte) uint64 { return binary.BigEndian.Uint64(key) }

// Stats is the state of a queue at a moment.
type Stats struct {
	Visible  int           // messages waiting for a handler, or for others of their group
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
	now := milli(q.cfg.Now())
	err := q.db.View(func(tx *bolt.Tx) error {
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
		s.Hidden += g.hidden
		if g.part != nil {
			s.InFlight += len(g.part.entries)
		}
		s.Visible += g.messages
	}
	s.Visible = max(0, s.Visible-s.InFlight-s.Hidden)
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
	err := q.cfg.Update(func(tx *bolt.Tx) error {
		return openBuckets(tx, q.cfg.Name).groups.Put(probe, groupState{At: milli(q.cfg.Now())}.encode())
	})
	if err != nil {
		return err
	}
	return q.cfg.Update(func(tx *bolt.Tx) error {
		b := openBuckets(tx, q.cfg.Name)
		if b.groups.Get(probe) == nil {
			return errors.New("queue: what was written is not there")
		}
		return b.groups.Delete(probe)
	})
}
