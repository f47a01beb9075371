package bbolt

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/todoku/todoku/shared/table"
)

// healthKey is not a key that the product could use for something else.
var healthKey = table.Key{Partition: "\x01health", Sort: "probe"}

// CheckHealth implements table.Checker: it writes an item, reads it back and
// deletes it, and so waits for the disk twice.
func (t *Table) CheckHealth(ctx context.Context) error {
	t.checking.Lock()
	defer t.checking.Unlock()
	want := []byte(t.now().UTC().Format(time.RFC3339Nano))
	revision, err := t.probe(ctx, want)
	if err != nil {
		return fmt.Errorf("bbolt: write of a probe: %w", err)
	}
	got, err := t.Get(ctx, healthKey)
	if err != nil {
		return fmt.Errorf("bbolt: read of a probe: %w", err)
	}
	if !bytes.Equal(got.Value, want) {
		return errors.New("bbolt: a probe was read back as something else")
	}
	err = t.Write(ctx, "", table.Delete{Key: healthKey, Revision: revision})
	if err != nil {
		return fmt.Errorf("bbolt: delete of a probe: %w", err)
	}
	return nil
}

// probe writes the probe, over one that a process which was killed left behind.
func (t *Table) probe(ctx context.Context, value []byte) (revision int64, err error) {
	old, err := t.Get(ctx, healthKey)
	switch {
	case errors.Is(err, table.ErrNotFound):
		return 1, t.Write(ctx, "", table.Create{Key: healthKey, Value: value})
	case err != nil:
		return 0, err
	}
	return old.Revision + 1, t.Write(ctx, "", table.Replace{Key: healthKey, Revision: old.Revision, Value: value})
}
