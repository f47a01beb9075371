package dynamo

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/todoku/todoku/shared/table"
)

var errKind = errors.New("not of the kind that this program writes")

// Codes of errors and of reasons why a transaction was cancelled:
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Programming.Errors.html
// https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html
const (
	codeNone       = "None"
	codeCondition  = "ConditionalCheckFailed"
	codeValidation = "ValidationError"
)

// refused are the codes by which DynamoDB says that it has done nothing, and
// might if it were asked again.
var refused = map[string]struct{}{
	"ProvisionedThroughputExceeded":          {},
	"ProvisionedThroughputExceededException": {},
	"RequestLimitExceeded":                   {},
	"ThrottlingError":                        {},
	"ThrottlingException":                    {},
	"TransactionConflict":                    {},
	"TransactionConflictException":           {},
	"ReplicatedWriteConflictException":       {},
}

// busy are the codes after which a write may have been done.
var busy = map[string]struct{}{
	"InternalServerError":            {},
	"ServiceUnavailable":             {},
	"TransactionInProgressException": {},
}

// invalid are the codes of requests that will never be right.
var invalid = map[string]struct{}{
	"ValidationException":                      {},
	"ItemCollectionSizeLimitExceededException": {},
}

// fault maps an error of the SDK to the port's. What it does not know is busy if
// no answer came or the answer is of class 5xx, and else a fault of the store.
func fault(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	if ended := ctx.Err(); ended != nil {
		return fmt.Errorf("dynamo: %w", ended)
	}
	var api smithy.APIError
	coded := errors.As(err, &api)
	switch {
	case !coded && isLost(err):
		return wrap(table.ErrBusy, err)
	case !coded:
		return fmt.Errorf("dynamo: %w", err) // never sent: no credentials, no endpoint
	case isOne(api.ErrorCode(), refused), isOne(api.ErrorCode(), busy), isServerError(err):
		return wrap(table.ErrBusy, err)
	case isOne(api.ErrorCode(), invalid):
		return wrap(table.ErrInvalid, err)
	}
	return fmt.Errorf("dynamo: %s", describe(api))
}

// isLost reports whether a request was sent, or begun, and its answer never came
// or was no answer of DynamoDB's.
func isLost(err error) bool {
	var send *smithyhttp.RequestSendError
	var response *awshttp.ResponseError
	var garbled *smithy.DeserializationError
	return errors.As(err, &send) || errors.As(err, &response) || errors.As(err, &garbled)
}

// writeFault maps the error of a write of ops, of which the last item of a
// transaction with a token is the token.
func writeFault(ctx context.Context, err error, token string, ops []table.Op) error {
	var condition *types.ConditionalCheckFailedException
	var cancelled *types.TransactionCanceledException
	switch {
	case errors.As(err, &condition):
		return &table.ConflictError{Ops: []int{0}}
	case errors.As(err, &cancelled) && len(cancelled.CancellationReasons) >= len(ops):
		return cancellation(cancelled, token, ops)
	}
	return fault(ctx, err)
}

// cancellation reads the reasons, one for each item of the transaction. A token
// that is known decides before all else: the write was done, and what it did is
// why its conditions no longer hold. A conflict must name all failing ops, so it
// is certain only if every condition was looked at; where another transaction or
// a lack of capacity was in the way of one, it was not, and the answer is busy.
func cancellation(c *types.TransactionCanceledException, token string, ops []table.Op) error {
	reasons := c.CancellationReasons
	if token != "" && len(reasons) > len(ops) && code(reasons[len(ops)]) == codeCondition {
		return repeated(reasons[len(ops)], ops)
	}
	var failed []int
	for i, r := range reasons {
		switch code := code(r); {
		case code == codeNone:
		case code == codeCondition:
			failed = append(failed, i)
		case code == codeValidation:
			return wrap(table.ErrInvalid, c)
		case isOne(code, refused):
			return wrap(table.ErrBusy, c)
		default:
			return fmt.Errorf("dynamo: %s", describe(c))
		}
	}
	if failed == nil {
		return wrap(table.ErrBusy, c)
	}
	return &table.ConflictError{Ops: failed}
}

// repeated compares the ops that a token remembers with these.
func repeated(r types.CancellationReason, ops []table.Op) error {
	digest := table.Digest(ops)
	old, ok := r.Item[valueAttribute].(*types.AttributeValueMemberB)
	if !ok || !bytes.Equal(old.Value, digest[:]) {
		return fmt.Errorf("%w: the token was used with other ops", table.ErrInvalid)
	}
	return nil
}

func code(r types.CancellationReason) string {
	if r.Code == nil {
		return codeNone
	}
	return *r.Code
}

func isOne(code string, of map[string]struct{}) bool {
	_, ok := of[code]
	return ok
}

func isServerError(err error) bool {
	var response *awshttp.ResponseError
	return errors.As(err, &response) && response.HTTPStatusCode() >= http.StatusInternalServerError
}

// wrap makes an error that matches kind and keeps the words of the cause, but not
// the items that a cancellation carries.
func wrap(kind, cause error) error {
	var api smithy.APIError
	if errors.As(cause, &api) {
		return fmt.Errorf("%w: %s", kind, describe(api))
	}
	return fmt.Errorf("%w: %w", kind, cause)
}

// describe names an error by its code and, of a cancellation, the reasons' codes:
// DynamoDB's messages may quote keys.
func describe(api smithy.APIError) string {
	cancelled, ok := api.(*types.TransactionCanceledException)
	if !ok {
		return api.ErrorCode()
	}
	var codes []string
	for _, r := range cancelled.CancellationReasons {
		if c := code(r); c != codeNone && !slices.Contains(codes, c) {
			codes = append(codes, c)
		}
	}
	return fmt.Sprintf("%s %v", api.ErrorCode(), codes)
}
