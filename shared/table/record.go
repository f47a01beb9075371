package table

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
)

// What follows is made of the port's methods alone, for all who keep records as JSON.

// Load reads a record at key; without one it returns the zero T and revision 0.
func Load[T any](ctx context.Context, t Table, key Key) (v T, revision int64, err error) {
	item, err := t.Get(ctx, key)
	if errors.Is(err, ErrNotFound) {
		return v, 0, nil
	}
	if err != nil {
		return v, 0, err
	}
	return v, item.Revision, decode(item, &v)
}

// Read reads the record at key into v and returns its revision. Without one it fails with
// missing.
func Read(ctx context.Context, t Table, key Key, v any, missing error) (revision int64, err error) {
	item, err := t.Get(ctx, key)
	if errors.Is(err, ErrNotFound) {
		return 0, missing
	}
	if err != nil {
		return 0, err
	}
	return item.Revision, decode(item, v)
}

// decode names the type of what cannot be read and not its key, which may be an address
// or the hash of a secret.
func decode(item Item, v any) error {
	if err := json.Unmarshal(item.Value, v); err != nil {
		return fmt.Errorf("table: a %T cannot be read: %w", v, err)
	}
	return nil
}

// Recall is Load for what may be forgotten: a record that cannot be read counts as the
// zero T, to be replaced.
func Recall[T any](ctx context.Context, t Table, key Key) (v T, revision int64, err error) {
	item, err := t.Get(ctx, key)
	if errors.Is(err, ErrNotFound) {
		return v, 0, nil
	}
	if err == nil && json.Unmarshal(item.Value, &v) != nil {
		v = *new(T) // without what was read until then
	}
	return v, item.Revision, err
}

// Save writes v at key, where Load found revision. It fails with a *ConflictError if
// somebody else has written there since.
func Save(ctx context.Context, t Table, key Key, revision int64, v any) error {
	value, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return t.Write(ctx, "", Put(Item{Key: key, Revision: revision, Value: value}))
}

// Set writes a record whatever was there before it: of those who write at once the last
// one wins. The item's revision is of no account.
func Set(ctx context.Context, t Table, record Item) error {
	return Again(func() error {
		old, err := t.Get(ctx, record.Key)
		if err != nil && !errors.Is(err, ErrNotFound) {
			return err
		}
		record.Revision = old.Revision
		return t.Write(ctx, "", Put(record))
	})
}

// tries is how often Again begins: as many people or processes as may want one record at
// the same moment, such as the callers at one desk. Each round one of them is through.
const tries = 20

// Again calls f, which reads, changes and writes, until it fails no more with a
// *ConflictError: who was slower than others looks at what they wrote. If they are
// faster every time it fails with ErrBusy.
func Again(f func() error) error {
	for range tries {
		err := f()
		if _, conflict := Conflict(err); !conflict {
			return err
		}
	}
	return fmt.Errorf("%w: %d writes in a row lost against others", ErrBusy, tries)
}

// IgnoreConflict returns a Write's error, and nil for a *ConflictError: it is for what is
// written once, or is as good as written if somebody else has changed it.
func IgnoreConflict(err error) error {
	if _, conflict := Conflict(err); conflict {
		return nil
	}
	return err
}

// Encode returns a record as JSON. It panics if v's type cannot be JSON.
func Encode(v any) []byte {
	value, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return value
}

// Put is the op that writes a record over the revision that was read of it: Create if
// that is 0, else Replace.
func Put(record Item) Op {
	if record.Revision == 0 {
		return Create{Key: record.Key, Value: record.Value, Expires: record.Expires}
	}
	return Replace{Key: record.Key, Revision: record.Revision, Value: record.Value, Expires: record.Expires}
}

// Items yields what a query finds, page after page: Query.Limit is of a page. An error is
// the last that it yields.
func Items(ctx context.Context, t Table, q Query) iter.Seq2[Item, error] {
	return func(yield func(Item, error) bool) {
		for {
			page, err := t.Query(ctx, q)
			if err != nil {
				yield(Item{}, err)
				return
			}
			for _, item := range page.Items {
				if !yield(item, nil) {
					return
				}
			}
			if q.After = page.Next; q.After == "" {
				return
			}
		}
	}
}
