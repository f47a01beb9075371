package sqs

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/todoku/todoku/shared/queue"
)

// fault maps an error of the SDK, which has tried a few times itself, to the
// port's. The codes are those of
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/CommonErrors.html
// and of each action.
func fault(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	if ended := ctx.Err(); ended != nil {
		return fmt.Errorf("sqs: %w", ended)
	}
	var api smithy.APIError
	if !errors.As(err, &api) {
		if isLost(err) {
			return fmt.Errorf("%w: %w", queue.ErrBusy, err)
		}
		return fmt.Errorf("sqs: %w", err) // never sent: no credentials, no endpoint
	}
	switch shortCode(api) {
	case "RequestThrottled", "ThrottlingException", "Throttling", "OverLimit", "KmsThrottled", "KMS.ThrottlingException", "ServiceUnavailable", "InternalError":
		return fmt.Errorf("%w: %s", queue.ErrBusy, api.ErrorCode())
	case "InvalidMessageContents", "BatchRequestTooLong", "InvalidParameterValue", "MissingParameter":
		return fmt.Errorf("%w: %s", queue.ErrInvalid, api.ErrorCode())
	}
	if isServerError(err) {
		return fmt.Errorf("%w: %s", queue.ErrBusy, api.ErrorCode())
	}
	return fmt.Errorf("sqs: %w", err)
}

// beyondLimit begins what SQS says when a message would be hidden for longer than
// 12 hours in all; every other invalid parameter of an entry is the receipt, which
// expires with the visibility timeout.
const beyondLimit = "Total VisibilityTimeout"

// entryFault maps what SQS says of one entry that names a message by its receipt.
func entryFault(f types.BatchResultErrorEntry) error {
	code := strings.TrimPrefix(aws.ToString(f.Code), oldPrefix)
	switch {
	case code == "MessageNotInflight", code == "ReceiptHandleIsInvalid",
		code == "InvalidParameterValue" && !strings.Contains(aws.ToString(f.Message), beyondLimit):
		return fmt.Errorf("%w: %s", queue.ErrNotInFlight, code)
	case f.SenderFault:
		return fmt.Errorf("%w: %s", queue.ErrInvalid, code)
	}
	return fmt.Errorf("%w: %s", queue.ErrBusy, code)
}

// oldPrefix is what older names of errors begin with.
const oldPrefix = "AWS.SimpleQueueService."

func shortCode(api smithy.APIError) string { return strings.TrimPrefix(api.ErrorCode(), oldPrefix) }

// isLost reports whether a request was sent, or begun, and its answer never came
// or was no answer of SQS's.
func isLost(err error) bool {
	var send *smithyhttp.RequestSendError
	var response *awshttp.ResponseError
	var garbled *smithy.DeserializationError
	return errors.As(err, &send) || errors.As(err, &response) || errors.As(err, &garbled)
}

func isServerError(err error) bool {
	var response *awshttp.ResponseError
	return errors.As(err, &response) && response.HTTPStatusCode() >= http.StatusInternalServerError
}
