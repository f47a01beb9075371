package dynamo

import (
	"time"

	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
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
