// Package bbolt keeps a table.Table in one file on one machine, with
// go.etcd.io/bbolt. The file is safe against the process being killed and against
// a full disk: a Write is in it as a whole or not at all, and when Write has
// returned nil, it has reached the disk.
//
// The embedded queue lives in other buckets of the same file and shares its
// commits through Table.Update.
package bbolt

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/todoku/todoku/shared/journal"

	"github.com/todoku/todoku/shared/problem"
	"github.com/todoku/todoku/shared/table"
)

// Table implements table.Table, table.Checker and table.Walker.
type Table struct {
	db    *journal.DB
	group *Group
	now   func() time.Time

	checking sync.Mutex // one CheckHealth at a time
	swept    []byte     // up to where Sweep has come
}

var (
	_ table.Table   = (*Table)(nil)
	_ table.Checker = (*Table)(nil)
	_ table.Walker  = (*Table)(nil)
)

// New returns the table in db, which it creates there if need be. now is the clock
// by which items expire. There must be one Table a file. It needs no closing; the
// caller closes db when no call is running any more.
func New(db *journal.DB, now func() time.Time) (*Table, error) {
	t := &Table{db: db, group: NewGroup(db), now: now}
	ready := false
	err := db.View(func(tx *journal.Tx) (err error) {
		if b := tx.Bucket(bucketFormat); b != nil {
			ready, err = checkFormat(b.Get(formatKey))
		}
		return err
	})
	if err == nil && !ready {
		err = db.Update(create)
	}
	if err != nil {
		return nil, fault(err)
	}
	return t, nil
}

// Update is Group.Update on the group that commits the table's own writes: others
// who write to the same file call it to share them.
func (t *Table) Update(fn func(*journal.Tx) error) error { return t.group.Update(fn) }

// Get implements table.Table.
func (t *Table) Get(ctx context.Context, key table.Key) (table.Item, error) {
	if err := table.CheckKey(key); err != nil {
		return table.Item{}, err
	}
	if err := ctx.Err(); err != nil {
		return table.Item{}, err
	}
	var item table.Item
	err := t.db.View(func(tx *journal.Tx) (err error) {
		item, err = t.get(tx.Bucket(bucketItems), key)
		return err
	})
	if err != nil {
		return table.Item{}, fault(err)
	}
	return item, nil
}

// GetMany implements table.Table.
func (t *Table) GetMany(ctx context.Context, keys ...table.Key) ([]table.Item, error) {
	if err := table.CheckKeys(keys); err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	items := make([]table.Item, len(keys))
	err := t.db.View(func(tx *journal.Tx) (err error) {
		b := tx.Bucket(bucketItems)
		for i := range keys {
			if items[i], err = t.get(b, keys[i]); err != nil && !errors.Is(err, table.ErrNotFound) {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, fault(err)
	}
	return items, nil
}

func (t *Table) get(b *journal.Bucket, key table.Key) (table.Item, error) {
	s, err := parse(b.Get(itemKey(key)))
	if err != nil {
		return table.Item{}, err
	}
	if !s.live(t.now().Unix()) {
		return table.Item{}, table.ErrNotFound
	}
	return s.item(key)
}

func create(tx *journal.Tx) error {
	for _, name := range [][]byte{bucketItems, bucketFormat} {
		if _, err := tx.CreateBucketIfNotExists(name); err != nil {
			return err
		}
	}
	return tx.Bucket(bucketFormat).Put(formatKey, []byte(formatVersion))
}

// checkFormat reports whether a file whose bucket of formats holds v (nil: it has none)
// holds a table, and fails if it is one of another version.
func checkFormat(v []byte) (ready bool, err error) {
	switch {
	case v == nil:
		return false, nil
	case string(v) != formatVersion:
		return false, problem.New(problem.Internal,
			"このデータは別のバージョンの届く（Todoku）で作られています（形式 %s）。作成時と同じか、それより新しいバージョンで起動してください。",
			"This data was made by another version of Todoku (format %s). Start that version, or a newer one.", v)
	}
	return true, nil
}
