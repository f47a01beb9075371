package table

import (
	"context"
	"encoding/json"
	"errors"
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
	err = json.Unmarshal(item.Value, &v)
	return v, item.Revision, err
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
