package bbolt

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/todoku/todoku/shared/journal"
)

// load creates what is missing in the file, takes what is in flight out of flight,
// and builds what memory holds of it.
func (q *Queue) load() error {
	err := q.cfg.Update(func(tx *journal.Tx) error {
		if err := createBuckets(tx, q.cfg.Name); err != nil {
			return err
		}
		return openBuckets(tx, q.cfg.Name).recover()
	})
	if err != nil {
		return fmt.Errorf("queue: open %s: %w", q.cfg.Name, err)
	}
	return q.db.View(func(tx *journal.Tx) error { return q.index(openBuckets(tx, q.cfg.Name)) })
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
	g := q.schedule.open(name)
	g.messages, g.hidden = n, b.tried(name)
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
