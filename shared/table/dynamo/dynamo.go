// Package dynamo keeps a table.Table in one DynamoDB table.
//
// A lone op without a token is a PutItem, UpdateItem or DeleteItem with a
// condition; everything else is one TransactWriteItems, which costs twice the
// write units. Each call is a pure function that builds the request and a few
// lines that send it; one function maps what DynamoDB answers (errors.go).
package dynamo

import (
	"context"
	"errors"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"golang.org/x/sync/errgroup"

	"github.com/todoku/todoku/shared/id"
	"github.com/todoku/todoku/shared/table"
)

// Table implements table.Table, table.Checker and table.Walker.
type Table struct {
	client *dynamodb.Client
	build  builder
	now    func() time.Time
	ids    *id.Source // names of probes

	repeatable, once func(*dynamodb.Options)
}

var (
	_ table.Table   = (*Table)(nil)
	_ table.Checker = (*Table)(nil)
	_ table.Walker  = (*Table)(nil)
)

// New returns the table of this name, which must exist and be as Schema says. now
// is the clock by which items expire; every process that uses the table should
// agree about it to a second. ids names the items that CheckHealth writes.
//
// The role that client acts for needs GetItem, Query, PutItem, UpdateItem,
// DeleteItem and ConditionCheckItem on the table.
func New(client *dynamodb.Client, name string, now func() time.Time, ids *id.Source) *Table {
	return &Table{
		client: client, build: builder{table: name}, now: now, ids: ids,
		repeatable: retrying(), once: retrying(refusedOnly),
	}
}

// Get implements table.Table.
func (t *Table) Get(ctx context.Context, key table.Key) (table.Item, error) {
	if err := table.CheckKey(key); err != nil {
		return table.Item{}, err
	}
	if err := ctx.Err(); err != nil {
		return table.Item{}, err
	}
	out, err := t.client.GetItem(ctx, t.build.get(key), t.repeatable)
	if err != nil {
		return table.Item{}, fault(ctx, err)
	}
	if !live(out.Item, t.now().Unix()) {
		return table.Item{}, table.ErrNotFound
	}
	return parse(out.Item)
}

// readers is how many items GetMany reads at once. A BatchGetItem would read up to a
// hundred with one request, for the same price, and may leave any of them out.
const readers = 16

// GetMany implements table.Table.
func (t *Table) GetMany(ctx context.Context, keys ...table.Key) ([]table.Item, error) {
	if err := table.CheckKeys(keys); err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	items := make([]table.Item, len(keys))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(readers)
	for i, key := range keys {
		g.Go(func() (err error) {
			items[i], err = t.Get(ctx, key)
			if errors.Is(err, table.ErrNotFound) {
				return nil
			}
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	return items, nil
}

// Query implements table.Table. A page holds up to 1 MB as DynamoDB counts it,
// items that have expired and are not yet removed included.
func (t *Table) Query(ctx context.Context, q table.Query) (table.Page, error) {
	if err := table.CheckQuery(q); err != nil {
		return table.Page{}, err
	}
	if err := ctx.Err(); err != nil {
		return table.Page{}, err
	}
	in := t.build.query(q, t.now().Unix())
	if in == nil {
		return table.Page{}, nil
	}
	out, err := t.client.Query(ctx, in, t.repeatable)
	if err != nil {
		return table.Page{}, fault(ctx, err)
	}
	return page(out)
}

// Write implements table.Table. A write with a token stores the token as one more
// item, because DynamoDB's own tokens compare requests and not ops, and the
// conditions of a request hold the time.
func (t *Table) Write(ctx context.Context, token string, ops ...table.Op) error {
	if err := table.CheckWrite(token, ops); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if token == "" && len(ops) == 1 {
		if done, err := t.writeOne(ctx, ops[0]); done {
			return err
		}
	}
	err := t.transact(ctx, t.build.transaction(token, ops, t.now()))
	return writeFault(ctx, err, token, ops)
}

// writeOne writes op by a call of its own kind, if there is one.
func (t *Table) writeOne(ctx context.Context, op table.Op) (done bool, err error) {
	now := t.now().Unix()
	switch op := op.(type) {
	case table.Create:
		_, err = t.client.PutItem(ctx, t.build.create(op, now), t.once)
	case table.Replace:
		_, err = t.client.PutItem(ctx, t.build.replace(op, now), t.once)
	case table.Delete:
		_, err = t.client.DeleteItem(ctx, t.build.delete(op, now), t.once)
	case table.Add:
		_, err = t.client.UpdateItem(ctx, t.build.add(op, now), t.once)
	default:
		return false, nil
	}
	return true, writeFault(ctx, err, "", []table.Op{op})
}
