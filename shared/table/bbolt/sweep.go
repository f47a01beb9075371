package bbolt

import (
	"context"
	"fmt"

	"github.com/todoku/todoku/shared/journal"

	"github.com/todoku/todoku/shared/table"
)

// MaxSweep is the most that one Sweep removes, so that it does not keep writers
// waiting for more than some milliseconds.
const MaxSweep = 1000

// Sweep removes up to limit (1 to MaxSweep) items and tokens that have expired,
// those longest ago first, and returns how many. They are long invisible, so
// nothing but the size of the file depends on it; call it again until it returns
// less than limit. A call that finds nothing writes nothing.
func (t *Table) Sweep(ctx context.Context, limit int) (int, error) {
	if limit < 1 || limit > MaxSweep {
		return 0, fmt.Errorf("%w: sweep %d, not 1 to %d", table.ErrInvalid, limit, MaxSweep)
	}
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	now := t.now().Unix()
	n := 0
	err := t.db.View(func(tx *journal.Tx) error {
		n = len(expired(tx, now, 1))
		return nil
	})
	if err == nil && n > 0 {
		err = t.group.Update(func(tx *journal.Tx) (err error) {
			n, err = sweep(tx, now, limit)
			return err
		})
	}
	if err != nil {
		return 0, fault(err)
	}
	return n, nil
}

// expired returns up to limit entries of expiry whose second is not after now.
func expired(tx *journal.Tx, now int64, limit int) [][]byte {
	var entries [][]byte
	c := tx.Bucket(bucketExpiry).Cursor()
	for k, _ := c.First(); k != nil && len(entries) < limit; k, _ = c.Next() {
		if second, _ := splitExpiryKey(k); second > now {
			break
		}
		entries = append(entries, append([]byte(nil), k...))
	}
	return entries
}

func sweep(tx *journal.Tx, now int64, limit int) (int, error) {
	entries := expired(tx, now, limit)
	items := openItems(tx)
	for _, e := range entries {
		second, key := splitExpiryKey(e)
		gone := writeStep{key: key, remove: true}
		if err := items.apply(&gone, second); err != nil {
			return 0, err
		}
	}
	return len(entries), nil
}
