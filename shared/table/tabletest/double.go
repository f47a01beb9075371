package tabletest

import (
	"context"
	"errors"

	"github.com/todoku/todoku/shared/table"
)

// Before is a table at which something else is done once, just before the first write.
type Before struct {
	table.Table
	Do func()
}

// Write implements table.Table.
func (b *Before) Write(ctx context.Context, token string, ops ...table.Op) error {
	if do := b.Do; do != nil {
		b.Do = nil
		do()
	}
	return b.Table.Write(ctx, token, ops...)
}

// Counted is a table that counts writes.
type Counted struct {
	table.Table
	Writes int
}

// Write implements table.Table.
func (c *Counted) Write(ctx context.Context, token string, ops ...table.Op) error {
	c.Writes++
	return c.Table.Write(ctx, token, ops...)
}

// Overtaken is a table on which somebody else is always faster with a write.
type Overtaken struct {
	table.Table
	writes int
}

// Write implements table.Table. Who never gives up is told at last.
func (o *Overtaken) Write(context.Context, string, ...table.Op) error {
	if o.writes++; o.writes > 100 {
		return errors.New("tabletest: a write is begun anew without end")
	}
	return &table.ConflictError{Ops: []int{0}}
}
