package bbolt

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/todoku/todoku/shared/journal"
	"github.com/todoku/todoku/shared/queue"
)

// redriveAtOnce is how many dead letters one transaction brings back.
const redriveAtOnce = 100

// ListDead implements queue.DeadLetters.
func (q *Queue) ListDead(ctx context.Context, after string, limit int) ([]queue.DeadLetter, error) {
	from, err := parseHandle(after)
	if err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	var letters []queue.DeadLetter
	err = q.db.View(func(tx *journal.Tx) error {
		c := openBuckets(tx, q.cfg.Name).dead.Cursor()
		for k, v := c.Seek(sequenceKey(from + 1)); k != nil && len(letters) < limit; k, v = c.Next() {
			l, err := decodeDeadLetter(v)
			if err != nil {
				return err
			}
			letters = append(letters, l.public(handle(k)))
		}
		return nil
	})
	return letters, err
}

func (l deadLetter) public(handle string) queue.DeadLetter {
	return queue.DeadLetter{
		Handle:   handle,
		Message:  queue.Message{Group: l.Group, ID: l.ID, Body: l.Body},
		Receives: l.Failed.Receives,
		Died:     fromMilli(l.Died),
		Reason:   l.Failed.Reason,
	}
}

// Redrive implements queue.DeadLetters.
func (q *Queue) Redrive(ctx context.Context, handles ...string) (int, error) {
	seqs, err := q.chosen(handles)
	if err != nil {
		return 0, err
	}
	total := 0
	for some := range slices.Chunk(seqs, redriveAtOnce) {
		if err := ctx.Err(); err != nil {
			return total, err
		}
		n, err := q.redrive(some)
		if err != nil {
			return total, err
		}
		total += n
	}
	return total, nil
}

// chosen returns the sequences of the handles, or of all dead letters that there
// are now, oldest death first.
func (q *Queue) chosen(handles []string) (seqs []uint64, err error) {
	for _, h := range handles {
		seq, err := parseHandle(h)
		if err != nil || seq == 0 {
			return nil, fmt.Errorf("%w: no such handle", queue.ErrInvalid)
		}
		seqs = append(seqs, seq)
	}
	if len(handles) == 0 {
		err = q.db.View(func(tx *journal.Tx) error {
			return openBuckets(tx, q.cfg.Name).dead.ForEach(func(k, _ []byte) error {
				seqs = append(seqs, sequence(k))
				return nil
			})
		})
	}
	slices.Sort(seqs)
	return slices.Compact(seqs), err
}

func (q *Queue) redrive(seqs []uint64) (int, error) {
	var byGroup map[string]int
	var n int
	err := q.cfg.Update(func(tx *journal.Tx) error {
		byGroup, n = map[string]int{}, 0
		b := openBuckets(tx, q.cfg.Name)
		for _, seq := range seqs {
			group, err := b.revive(seq)
			if err != nil {
				return err
			}
			if group != "" {
				byGroup[group]++
				n++
			}
		}
		return nil
	})
	if !written(err) {
		return 0, err
	}
	q.dead.Add(int64(-n))
	q.added(byGroup)
	return n, err
}

// revive puts a dead letter at the end of its group, which it returns, or "" if
// there is no such letter.
func (b buckets) revive(seq uint64) (string, error) {
	v := b.dead.Get(sequenceKey(seq))
	if v == nil {
		return "", nil
	}
	l, err := decodeDeadLetter(v)
	if err != nil {
		return "", err
	}
	next, err := b.messages.NextSequence()
	if err != nil {
		return "", err
	}
	if err := b.messages.Put(messageKey(l.Group, next), l.stored.encode()); err != nil {
		return "", err
	}
	return l.Group, b.dead.Delete(sequenceKey(seq))
}

// Forget removes dead letters of before a time, a transaction's worth: the next call goes
// on. It costs nothing while there are none.
func (q *Queue) Forget(before time.Time) error {
	if q.dead.Load() == 0 {
		return nil
	}
	var old [][]byte
	err := q.cfg.Update(func(tx *journal.Tx) error {
		old = nil
		b := openBuckets(tx, q.cfg.Name)
		c := b.dead.Cursor()
		for k, v := c.First(); k != nil && len(old) < redriveAtOnce; k, v = c.Next() { // in the order of their deaths
			l, err := decodeDeadLetter(v)
			if err != nil {
				return err
			}
			if !fromMilli(l.Died).Before(before) {
				break
			}
			old = append(old, slices.Clone(k))
		}
		for _, k := range old {
			if err := b.dead.Delete(k); err != nil {
				return err
			}
		}
		return nil
	})
	if written(err) {
		q.dead.Add(int64(-len(old)))
	}
	return err
}

// A handle is the sequence of a dead letter; "" comes before the first.
func handle(key []byte) string { return strconv.FormatUint(sequence(key), 10) }

func parseHandle(s string) (uint64, error) {
	if s == "" {
		return 0, nil
	}
	seq, err := strconv.ParseUint(s, 10, 63)
	if err != nil {
		return 0, fmt.Errorf("%w: no such handle", queue.ErrInvalid)
	}
	return seq, nil
}
