package dynamo

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// The SDK's own retries are few and quick; after them the caller hears ErrBusy,
// and knows better whether waiting is worth it.
const (
	maxAttempts = 3
	maxBackoff  = 500 * time.Millisecond
)

// retrying makes calls repeat what is worth repeating, which is right for those
// that do no more when they are made twice: reads, and transactions, to which the
// SDK gives a token of its own for its own retries.
func retrying(changes ...func(*retry.StandardOptions)) func(*dynamodb.Options) {
	r := retry.NewStandard(append(changes, func(o *retry.StandardOptions) {
		o.MaxAttempts, o.MaxBackoff = maxAttempts, maxBackoff
	})...)
	return func(o *dynamodb.Options) { o.Retryer = r }
}

// refusedOnly is for a lone write. Trying again after a lost reply would add
// twice, or call its own success a conflict; so only what was surely not done is
// tried again.
func refusedOnly(o *retry.StandardOptions) {
	o.Retryables = []retry.IsErrorRetryable{retry.RetryableErrorCode{Codes: refused}}
}

// The SDK never repeats a transaction that was cancelled. One that another was in the
// way of has done nothing and lasts some milliseconds, and answers of one class meet
// in its counters all the time: it is tried again after a random time from half of
// conflictPause up, then after twice as much. Each try is charged.
const (
	maxConflicts  = 6
	conflictPause = 40 * time.Millisecond
)

// transact writes a transaction. Each try has a token of its own, since what DynamoDB
// remembers of one that it cancelled is not said.
func (t *Table) transact(ctx context.Context, in *dynamodb.TransactWriteItemsInput) error {
	for pause := conflictPause; ; pause *= 2 {
		try := *in
		_, err := t.client.TransactWriteItems(ctx, &try, t.repeatable)
		if !inTheWay(err) || pause >= conflictPause<<(maxConflicts-1) {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(pause/2 + rand.N(pause/2)):
		}
	}
}

// inTheWay reports whether a transaction was cancelled because of another one or for
// lack of capacity.
func inTheWay(err error) bool {
	var cancelled *types.TransactionCanceledException
	return errors.As(err, &cancelled) && slices.ContainsFunc(cancelled.CancellationReasons, func(r types.CancellationReason) bool {
		return isOne(code(r), refused)
	})
}
