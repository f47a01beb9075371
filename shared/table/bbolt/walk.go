package bbolt

import (
	"bytes"
	"context"

	"github.com/todoku/todoku/shared/journal"
	"github.com/todoku/todoku/shared/table"
)

// walkStep is how many items Walk reads at a time, so that writers go on in between.
const walkStep = 1000

// Walk implements table.Walker.
func (t *Table) Walk(ctx context.Context, f func(table.Item) error) error {
	for after := []byte(nil); ; {
		if err := ctx.Err(); err != nil {
			return err
		}
		items, last, err := t.walk(after)
		if err != nil {
			return fault(err)
		}
		for _, it := range items {
			if err := f(it); err != nil {
				return err
			}
		}
		if last == nil {
			return nil
		}
		after = last
	}
}

// walk reads the items behind a key, and returns the key of the last that it looked
// at; nil: there are no more.
func (t *Table) walk(after []byte) (items []table.Item, last []byte, err error) {
	now := t.now().Unix()
	err = t.db.View(func(tx *journal.Tx) error {
		c := tx.Bucket(bucketItems).Cursor()
		k, v := c.Seek(append(after, 0)) // tokens begin with NUL: some of them come first
		if after == nil {
			k, v = c.First()
		}
		for n := 0; k != nil; k, v = c.Next() {
			if n == walkStep {
				return nil
			}
			n++
			last = bytes.Clone(k)
			it, err := walked(k, v, now)
			if err != nil {
				return err
			}
			if it != nil {
				items = append(items, *it)
			}
		}
		last = nil
		return nil
	})
	return items, last, err
}

// walked returns the item at a key, or nil if it is a token or has expired.
func walked(k, v []byte, now int64) (*table.Item, error) {
	key, ok := splitItemKey(k)
	if !ok {
		return nil, nil
	}
	s, err := parse(v)
	if err != nil || !s.live(now) {
		return nil, err
	}
	it, err := s.item(key)
	return &it, err
}
