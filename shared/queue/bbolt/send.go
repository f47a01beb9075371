package bbolt

import (
	"encoding/binary"
	"errors"
	"hash/maphash"
	"slices"

	"github.com/todoku/todoku/shared/journal"
	"github.com/todoku/todoku/shared/queue"
)

// A Send of any size is written in transactions of at most this much, so that
// neither memory nor other writers suffer from a large one.
const (
	maxSendMessages = 1000
	maxSendBytes    = 1 << 20 // of bodies; more only if one message has more
)

// chunk returns how many of msgs, at least one, go into one transaction.
func chunk(msgs []queue.Message) int {
	size := 0
	for i, m := range msgs {
		size += len(m.Body)
		if i > 0 && (i == maxSendMessages || size > maxSendBytes) {
			return i
		}
	}
	return len(msgs)
}

func (q *Queue) send(msgs []queue.Message) error {
	now := q.cfg.Now().UnixMilli()
	var accepted map[string]int // messages by group
	err := q.cfg.Update(func(tx *journal.Tx) (err error) {
		accepted, err = q.store(openBuckets(tx, q.cfg.Name), msgs, now)
		return err
	})
	if written(err) {
		q.added(accepted)
	}
	return err
}

// written reports whether an Update has written, with an error or without: then memory
// follows.
func written(err error) bool { return err == nil || errors.Is(err, journal.ErrDoubt) }

// store writes the messages that are not duplicates and counts them by group.
func (q *Queue) store(b buckets, msgs []queue.Message, now int64) (map[string]int, error) {
	accepted := map[string]int{}
	fresh := make(map[string]bool, len(msgs))
	ids := make([]string, 0, len(msgs))
	seq := b.messages.Sequence()
	for _, m := range msgs {
		if fresh[m.ID] || q.seen.has(b.sent, m.ID, now) {
			continue
		}
		seq++
		err := b.messages.Put(messageKey(m.Group, seq), stored{Sent: now, ID: m.ID, Body: m.Body}.encode())
		if err != nil {
			return nil, err
		}
		fresh[m.ID] = true
		ids = append(ids, m.ID)
		accepted[m.Group]++
	}
	if err := b.messages.SetSequence(seq); err != nil {
		return nil, err
	}
	return accepted, q.seen.add(b.sent, ids, now)
}

// added counts messages that were stored.
func (q *Queue) added(byGroup map[string]int) {
	q.mu.Lock()
	for name, n := range byGroup {
		q.schedule.add(name, n)
	}
	q.mu.Unlock()
	q.Wake()
}

// seen finds duplicates. The ids sent are a log in the file, many to a record, so
// that a Send appends to one page instead of touching one an id. In memory a hash
// of each id leads to its record. The map is a hint and the record is the truth:
// two ids with one hash are told apart, and a record that was rolled back is not
// there.
type seen struct {
	seed    maphash.Seed
	records map[uint64]uint64 // hash of an id -> sequence of its record
}

// idsPerRecord keeps a record of usual ids within a page.
const idsPerRecord = 64

// has reports whether the id was sent within the interval before now.
func (s *seen) has(log *journal.Bucket, id string, now int64) bool {
	record, ok := s.records[maphash.String(s.seed, id)]
	if !ok {
		return false
	}
	sent, ids := decodeSent(log.Get(sequenceKey(record)))
	return !expired(sent, now) && slices.Contains(ids, id)
}

// add writes the ids to the log and removes about as much from its expired end.
func (s *seen) add(log *journal.Bucket, ids []string, now int64) error {
	removals := 2
	for some := range slices.Chunk(ids, idsPerRecord) {
		seq, err := log.NextSequence()
		if err != nil {
			return err
		}
		if err := log.Put(sequenceKey(seq), encodeSent(now, some)); err != nil {
			return err
		}
		s.remember(seq, some)
		removals += 2
	}
	return s.expire(log, now, removals)
}

func (s *seen) remember(record uint64, ids []string) {
	for _, id := range ids {
		s.records[maphash.String(s.seed, id)] = record
	}
}

// expire removes up to limit records that are too old to matter.
func (s *seen) expire(log *journal.Bucket, now int64, limit int) error {
	var old [][]byte
	c := log.Cursor()
	for k, v := c.First(); k != nil && len(old) < limit; k, v = c.Next() {
		sent, ids := decodeSent(v)
		if !expired(sent, now) {
			break
		}
		s.forget(sequence(k), ids)
		old = append(old, slices.Clone(k))
	}
	for _, k := range old {
		if err := log.Delete(k); err != nil {
			return err
		}
	}
	return nil
}

func (s *seen) forget(record uint64, ids []string) {
	for _, id := range ids {
		h := maphash.String(s.seed, id)
		if s.records[h] == record {
			delete(s.records, h)
		}
	}
}

// load reads the log into memory.
func (s *seen) load(log *journal.Bucket) error {
	return log.ForEach(func(k, v []byte) error {
		_, ids := decodeSent(v)
		s.remember(sequence(k), ids)
		return nil
	})
}

func expired(sent, now int64) bool { return now-sent >= queue.DedupInterval.Milliseconds() }

func encodeSent(now int64, ids []string) []byte {
	b := binary.AppendUvarint(make([]byte, 0, 32*len(ids)), uint64(now))
	for _, id := range ids {
		b = appendString(b, id)
	}
	return b
}

// decodeSent reads a record of the log; one that is missing has no ids.
func decodeSent(v []byte) (sent int64, ids []string) {
	d := decoder{rest: v}
	for sent = d.int(); len(d.rest) > 0; {
		ids = append(ids, d.string())
	}
	return sent, ids
}
