// Package dynamo keeps a table.Table in one DynamoDB table.
//
// A lone op without a token is a PutItem, UpdateItem or DeleteItem with a
// condition; everything else is one TransactWriteItems, which costs twice the
// write units. Each call is a pure function that builds the request and a few
// lines that send it; one function maps what DynamoDB answers (errors.go).
package dynamo

import (
	"context"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/todoku/todoku/shared/id"
	"github.com/todoku/todoku/shared/table"
)

// maxAttempts bounds the SDK's own retries: three tries and their pauses end
// within a second or two, after which the caller hears ErrBusy and decides.
const maxAttempts = 3

// Table implements table.Table and table.Checker.
type Table struct {
	client *dynamodb.Client
	build  builder
	now    func() time.Time
	ids    *id.Source // names of probes
}

var (
	_ table.Table   = (*Table)(nil)
	_ table.Checker = (*Table)(nil)
)

// New returns the table of this name, which must exist and be as Schema says. now
// is the clock by which items expire; every process that uses the table should
// agree about it to a second. ids names the items that CheckHealth writes.
//
// The role that client acts for needs GetItem, Query, PutItem, UpdateItem,
// DeleteItem and ConditionCheckItem on the table.
func New(client *dynamodb.Client, name string, now func() time.Time, ids *id.Source) *Table {
	return &Table{client: client, build: builder{table: name}, now: now, ids: ids}
}

// Get implements table.Table.
func (t *Table) Get(ctx context.Context, key table.Key) (table.Item, error) {
	if err := table.CheckKey(key); err != nil {
		return table.Item{}, err
	}
	if err := ctx.Err(); err != nil {
		return table.Item{}, err
	}
	out, err := t.client.GetItem(ctx, t.build.get(key), repeatable)
	if err != nil {
		return table.Item{}, fault(ctx, err)
	}
	if !live(out.Item, t.now().Unix()) {
		return table.Item{}, table.ErrNotFound
	}
	return parse(out.Item)
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
	out, err := t.client.Query(ctx, in, repeatable)
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
	_, err := t.client.TransactWriteItems(ctx, t.build.transaction(token, ops, t.now()), repeatable)
	return writeFault(ctx, err, token, ops)
}

// writeOne writes op by a call of its own kind, if there is one.
func (t *Table) writeOne(ctx context.Context, op table.Op) (done bool, err error) {
	now := t.now().Unix()
	switch op := op.(type) {
	case table.Create:
		_, err = t.client.PutItem(ctx, t.build.create(op, now), once)
	case table.Replace:
		_, err = t.client.PutItem(ctx, t.build.replace(op, now), once)
	case table.Delete:
		_, err = t.client.DeleteItem(ctx, t.build.delete(op, now), once)
	case table.Add:
		_, err = t.client.UpdateItem(ctx, t.build.add(op, now), once)
	default:
		return false, nil
	}
	return true, writeFault(ctx, err, "", []table.Op{op})
}

// repeatable is for calls that do no more when they are made twice: reads, and
// transactions, to which the SDK gives a token of its own for its own retries.
func repeatable(o *dynamodb.Options) { o.Retryer = bounded(o.Retryer) }

// once is for a lone write. Trying again after a lost reply would add twice, or
// call its own success a conflict, so only what was surely not done is repeated.
func once(o *dynamodb.Options) {
	o.Retryer = retry.NewStandard(func(s *retry.StandardOptions) {
		s.MaxAttempts = maxAttempts
		s.RateLimiter = noLimit{}
		s.Retryables = []retry.IsErrorRetryable{
			retry.RetryableErrorCode{Codes: refused},
		}
	})
}

// bounded keeps a retryer that the caller has set, with at most maxAttempts.
func bounded(r aws.Retryer) aws.Retryer {
	if r.MaxAttempts() != 0 && r.MaxAttempts() <= maxAttempts {
		return r
	}
	return retry.AddWithMaxAttempts(r, maxAttempts)
}
