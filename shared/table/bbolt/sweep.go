package bbolt

import (
	"bytes"
	"context"

	"github.com/todoku/todoku/shared/journal"
)

// MaxSweep is how many items one Sweep looks at: it is called every second, and keeps
// writers waiting for less than a millisecond.
const MaxSweep = 200

// Sweep looks at the next MaxSweep items and tokens of the table and removes those that
// have expired. It reports whether it has come to the end; the next call begins anew.
// What has expired is invisible in any case, so nothing but the size of the file depends
// on it. A call that finds nothing writes nothing. One Sweep runs at a time.
//
// There is no index of what expires when: to keep one took as many changes as the
// items themselves, of which an alert makes hundreds of thousands.
func (t *Table) Sweep(ctx context.Context) (end bool, err error) {
	if err := ctx.Err(); err != nil {
		return false, err
	}
	now := t.now().Unix()
	var expired [][]byte
	var last []byte
	err = t.db.View(func(tx *journal.Tx) (err error) {
		expired, last, err = openItems(tx).expired(t.swept, now)
		return err
	})
	if err == nil && len(expired) > 0 {
		err = t.group.Update(func(tx *journal.Tx) error { return openItems(tx).remove(expired, now) })
	}
	if err != nil {
		return false, fault(err)
	}
	t.swept = last
	return last == nil, nil
}

// expired looks at MaxSweep items behind a key, and returns the keys of those that have
// expired and the last that it looked at; nil: there are no more.
func (t items) expired(after []byte, now int64) (keys [][]byte, last []byte, err error) {
	c := t.items.Cursor()
	k, v := c.Seek(append(after, 0))
	if after == nil {
		k, v = c.First()
	}
	for n := 0; k != nil && n < MaxSweep; k, v = c.Next() {
		s, err := parse(v)
		if err != nil {
			return nil, nil, err
		}
		if !s.live(now) {
			keys = append(keys, bytes.Clone(k))
		}
		last = k
		n++
	}
	if k == nil {
		return keys, nil, nil
	}
	return keys, bytes.Clone(last), nil
}

// remove removes what has expired, unless it was written anew meanwhile.
func (t items) remove(keys [][]byte, now int64) error {
	for _, k := range keys {
		s, err := t.get(k)
		if err != nil {
			return err
		}
		if s.live(now) {
			continue
		}
		if err := t.items.Delete(k); err != nil {
			return err
		}
	}
	return nil
}
