package dynamo

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/todoku/todoku/shared/table"
)

// healthPartition is not one that the product could use for something else.
const healthPartition = "\x01health"

// probeLife is for how long a probe stays that nobody came to delete.
const probeLife = time.Hour

// CheckHealth implements table.Checker: it writes an item, reads it back and
// deletes it. Each call has an item of its own, so that many functions may look
// at once.
func (t *Table) CheckHealth(ctx context.Context) error {
	k := table.Key{Partition: healthPartition, Sort: t.ids.New()}
	err := t.Write(ctx, "", table.Create{Key: k, Value: []byte(k.Sort), Expires: t.now().Add(probeLife)})
	if err != nil {
		return fmt.Errorf("dynamo: write of a probe: %w", err)
	}
	got, err := t.Get(ctx, k)
	if err != nil {
		return fmt.Errorf("dynamo: read of a probe: %w", err)
	}
	if string(got.Value) != k.Sort {
		return errors.New("dynamo: a probe was read back as something else")
	}
	err = t.Write(ctx, "", table.Delete{Key: k, Revision: 1})
	if err != nil {
		return fmt.Errorf("dynamo: delete of a probe: %w", err)
	}
	return nil
}
