package dynamo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"
	"github.com/google/go-cmp/cmp"

	"github.com/todoku/todoku/shared/table"
)

// answered is an error as the SDK returns it for an answer of DynamoDB.
func answered(status int, cause error) error {
	return &smithy.OperationError{ServiceID: "DynamoDB", Err: &awshttp.ResponseError{ResponseError: &smithyhttp.ResponseError{
		Response: &smithyhttp.Response{Response: &http.Response{StatusCode: status}}, Err: cause,
	}}}
}

func coded(code string) error { return &smithy.GenericAPIError{Code: code, Message: "key p s"} }

// cancelled is a transaction that was cancelled for the reasons.
func cancelled(codes ...string) error {
	c := &types.TransactionCanceledException{}
	for _, code := range codes {
		c.CancellationReasons = append(c.CancellationReasons, types.CancellationReason{Code: aws.String(code)})
	}
	return answered(http.StatusBadRequest, c)
}

var errOther = errors.New("any error that is none of the port's")

func TestWriteFault(t *testing.T) {
	const none, failed, conflict = "None", "ConditionalCheckFailed", "TransactionConflict"
	ops := []table.Op{table.CheckAbsent{Key: table.Key{Sort: "1"}}, table.CheckAbsent{Key: table.Key{Sort: "2"}}, table.CheckAbsent{Key: table.Key{Sort: "3"}}}
	for _, tt := range []struct {
		name  string
		err   error
		ops   []int // of a conflict
		match error
	}{
		{name: "success"},
		{"lone condition", answered(400, &types.ConditionalCheckFailedException{}), []int{0}, nil},
		{"one op", cancelled(none, failed, none), []int{1}, nil},
		{"all ops", cancelled(failed, failed, failed), []int{0, 1, 2}, nil},
		{"first and last", cancelled(failed, none, failed), []int{0, 2}, nil},
		{"another transaction in the way", cancelled(none, conflict, none), nil, table.ErrBusy},
		{"and a condition", cancelled(failed, conflict, none), nil, table.ErrBusy},
		{"a condition before it", cancelled(conflict, none, failed), nil, table.ErrBusy},
		{"no capacity", cancelled("ProvisionedThroughputExceeded", none, failed), nil, table.ErrBusy},
		{"throttled", cancelled("ThrottlingError", none, none), nil, table.ErrBusy},
		{"too large", cancelled(none, none, "ValidationError"), nil, table.ErrInvalid},
		{"no reason", cancelled(none, none, none), nil, table.ErrBusy},
		{"fewer reasons than ops", cancelled(failed), nil, errOther},
		{"a reason nobody knows", cancelled(none, "NewReason", none), nil, errOther},
		{"in the way of a lone op", answered(400, coded("TransactionConflictException")), nil, table.ErrBusy},
		{"in progress", answered(400, coded("TransactionInProgressException")), nil, table.ErrBusy},
		{"capacity", answered(400, coded("ProvisionedThroughputExceededException")), nil, table.ErrBusy},
		{"throttling", answered(400, coded("ThrottlingException")), nil, table.ErrBusy},
		{"account limit", answered(400, coded("RequestLimitExceeded")), nil, table.ErrBusy},
		{"breakdown", answered(500, coded("NewServerError")), nil, table.ErrBusy},
		{"no answer of DynamoDB's", answered(502, errors.New("a page of HTML")), nil, table.ErrBusy},
		{"connection", &smithyhttp.RequestSendError{Err: io.ErrUnexpectedEOF}, nil, table.ErrBusy},
		{"validation", answered(400, coded("ValidationException")), nil, table.ErrInvalid},
		{"no table", answered(400, coded("ResourceNotFoundException")), nil, errOther},
		{"denied", answered(400, coded("AccessDeniedException")), nil, errOther},
		{"never sent", errors.New("no credentials"), nil, errOther},
	} {
		t.Run(tt.name, func(t *testing.T) { checkFault(t, writeFault(t.Context(), tt.err, "", ops), tt.ops, tt.match) })
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	checkFault(t, writeFault(ended, &smithyhttp.RequestSendError{Err: context.Canceled}, "", ops), nil, context.Canceled)
}

// checkFault takes errOther for an error that is neither a conflict nor of a kind.
func checkFault(t *testing.T, err error, ops []int, match error) {
	t.Helper()
	got, _ := table.Conflict(err)
	if diff := cmp.Diff(ops, got); diff != "" {
		t.Errorf("%v: failing ops (-want +got):\n%s", err, diff)
	}
	kinds := errors.Is(err, table.ErrBusy) || errors.Is(err, table.ErrInvalid) || errors.Is(err, table.ErrNotFound)
	switch {
	case match == errOther && (err == nil || kinds):
		t.Errorf("got %v, want a fault", err)
	case match != errOther && match != nil && !errors.Is(err, match):
		t.Errorf("got %v, want %v", err, match)
	case match == nil && ops == nil && err != nil:
		t.Errorf("got %v", err)
	}
	if err != nil && strings.Contains(err.Error(), "key p s") {
		t.Errorf("the error has the key: %v", err)
	}
}

// TestTokenDecides holds that a token that is known outweighs every other reason.
func TestTokenDecides(t *testing.T) {
	ops := []table.Op{table.CheckAbsent{Key: key}}
	same, other := table.Digest(ops), table.Digest(nil)
	for _, tt := range []struct {
		name  string
		first string // the op's reason
		token string // the token's
		old   []byte
		ops   []int
		match error
	}{
		{"the same ops", "ConditionalCheckFailed", "ConditionalCheckFailed", same[:], nil, nil},
		{"the same ops, busy", "TransactionConflict", "ConditionalCheckFailed", same[:], nil, nil},
		{"other ops", "None", "ConditionalCheckFailed", other[:], nil, table.ErrInvalid},
		{"other ops that fail", "ConditionalCheckFailed", "ConditionalCheckFailed", other[:], nil, table.ErrInvalid},
		{"a token without a memory", "None", "ConditionalCheckFailed", nil, nil, table.ErrInvalid},
		{"a new token", "ConditionalCheckFailed", "None", nil, []int{0}, nil},
		{"at the same moment", "None", "TransactionConflict", nil, nil, table.ErrBusy},
		{"at the same moment, and a condition", "ConditionalCheckFailed", "TransactionConflict", nil, nil, table.ErrBusy},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := &types.TransactionCanceledException{CancellationReasons: []types.CancellationReason{
				{Code: aws.String(tt.first)}, {Code: aws.String(tt.token)},
			}}
			if tt.old != nil {
				c.CancellationReasons[1].Item = attributes{"v": b(string(tt.old))}
			}
			checkFault(t, writeFault(t.Context(), answered(400, c), "token", ops), tt.ops, tt.match)
		})
	}
}

// cancelling is a DynamoDB without a network that cancels the first transactions.
type cancelling struct {
	times   int
	reasons [2]string
	asked   int
	tokens  map[string]bool
}

func (c *cancelling) Do(r *http.Request) (*http.Response, error) {
	var in struct{ ClientRequestToken string }
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
		return nil, err
	}
	c.asked++
	c.tokens[in.ClientRequestToken] = true
	status, body := http.StatusOK, "{}"
	if c.asked <= c.times {
		status = http.StatusBadRequest
		body = fmt.Sprintf(`{"__type":"com.amazonaws.dynamodb.v20120810#TransactionCanceledException","CancellationReasons":[{"Code":%q},{"Code":%q}]}`, c.reasons[0], c.reasons[1])
	}
	header := http.Header{"Content-Type": {"application/x-amz-json-1.0"}}
	return &http.Response{StatusCode: status, Header: header, Body: io.NopCloser(strings.NewReader(body))}, nil
}

// TestCancelled counts what a transaction that is cancelled asks of the server, and the
// tokens that it is asked with.
func TestCancelled(t *testing.T) {
	ops := []table.Op{table.CheckAbsent{Key: table.Key{Partition: "p", Sort: "other"}}, table.CheckAbsent{Key: key}}
	const conflict, failed, none = "TransactionConflict", "ConditionalCheckFailed", "None"
	for _, tt := range []struct {
		name    string
		reasons [2]string
		times   int // it is cancelled
		asked   int
		ops     []int // that conflict in the end
		match   error
	}{
		{"another in the way", [2]string{none, conflict}, 2, 3, nil, nil},
		{"always another in the way", [2]string{conflict, none}, maxConflicts, maxConflicts, nil, table.ErrBusy},
		{"another in the way of one condition, another failed", [2]string{conflict, failed}, 1, 2, nil, nil},
		{"no capacity", [2]string{none, "ProvisionedThroughputExceeded"}, 1, 2, nil, nil},
		{"a condition failed", [2]string{failed, none}, 1, 1, []int{0}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server := &cancelling{times: tt.times, reasons: tt.reasons, tokens: map[string]bool{}}
				client := dynamodb.New(dynamodb.Options{
					Region: "us-east-1", BaseEndpoint: aws.String("http://dynamodb.test"), HTTPClient: server,
					Credentials: credentials.NewStaticCredentialsProvider("a", "b", ""),
				})
				err := New(client, "t", time.Now, nil).Write(t.Context(), "", ops...)
				if server.asked != tt.asked || len(server.tokens) != tt.asked {
					t.Errorf("asked %d times with %d tokens, want %d", server.asked, len(server.tokens), tt.asked)
				}
				checkFault(t, err, tt.ops, tt.match)
			})
		})
	}
}

// TestRetries counts what a call that fails asks of the server: a lone write whose
// outcome is unknown is never repeated.
func TestRetries(t *testing.T) {
	lone := []table.Op{table.Add{Key: key, Deltas: map[string]int64{"n": 1}}}
	two := append([]table.Op{table.CheckAbsent{Key: table.Key{Partition: "p", Sort: "other"}}}, lone...)
	for _, tt := range []struct {
		name   string
		status int
		code   string
		ops    []table.Op
		want   int64
	}{
		{"a lone write that broke down", 500, "InternalServerError", lone, 1},
		{"a lone write that was refused", 400, "ProvisionedThroughputExceededException", lone, maxAttempts},
		{"a transaction that broke down", 500, "InternalServerError", two, maxAttempts},
		{"a call that is wrong", 400, "ValidationException", two, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel() // the SDK pauses between its tries
			var asked atomic.Int64
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				asked.Add(1)
				w.Header().Set("Content-Type", "application/x-amz-json-1.0")
				w.WriteHeader(tt.status)
				_, _ = io.WriteString(w, `{"__type":"com.amazonaws.dynamodb.v20120810#`+tt.code+`"}`)
			}))
			t.Cleanup(server.Close)
			client := dynamodb.New(dynamodb.Options{
				Region: "us-east-1", BaseEndpoint: aws.String(server.URL), Credentials: credentials.NewStaticCredentialsProvider("a", "b", ""),
			})
			err := New(client, "t", time.Now, nil).Write(t.Context(), "", tt.ops...)
			if err == nil || asked.Load() != tt.want {
				t.Errorf("asked %d times, want %d: %v", asked.Load(), tt.want, err)
			}
		})
	}
}
