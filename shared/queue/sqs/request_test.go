package sqs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/todoku/todoku/shared/queue"
)

// parse reads "a1 b1 a2" as messages of the groups a, b and a.
func parse(s string) []queue.Message {
	var msgs []queue.Message
	for name := range strings.FieldsSeq(s) {
		msgs = append(msgs, queue.Message{Group: name[:1], ID: name, Body: "body " + name})
	}
	return msgs
}

func names(msgs []queue.Message) string {
	var ids []string
	for _, m := range msgs {
		ids = append(ids, m.ID)
	}
	return strings.Join(ids, " ")
}

func TestInterleave(t *testing.T) {
	for _, tt := range []struct{ name, in, want string }{
		{"nothing", "", ""},
		{"one group", "a1 a2 a3", "a1 a2 a3"},
		{"in turn already", "a1 b1 a2 b2", "a1 b1 a2 b2"},
		{"a long group in front", "a1 a2 a3 a4 b1 c1 c2", "a1 b1 c1 a2 c2 a3 a4"},
		{"a long group behind", "c1 a1 a2 b1 a3", "c1 a1 b1 a2 a3"},
	} {
		if got := names(interleave(parse(tt.in))); got != tt.want {
			t.Errorf("%s: got %s, want %s", tt.name, got, tt.want)
		}
	}
}

func TestBatches(t *testing.T) {
	sized := func(sizes ...int) (msgs []queue.Message) {
		for _, n := range sizes {
			msgs = append(msgs, queue.Message{Body: strings.Repeat("x", n)})
		}
		return msgs
	}
	const largest = queue.MaxMessageBytes
	for _, tt := range []struct {
		name string
		in   []queue.Message
		want []int
	}{
		{"nothing", nil, nil},
		{"ten", make([]queue.Message, 10), []int{10}},
		{"eleven", make([]queue.Message, 11), []int{10, 1}},
		{"thirty", make([]queue.Message, 30), []int{10, 10, 10}},
		{"as large as can be", sized(largest, largest, largest, largest), []int{4}},
		{"a byte more", sized(largest, largest, largest, largest, 1), []int{4, 1}},
		{"a byte more in the middle", sized(largest, largest, largest, 1, largest, 1), []int{4, 2}},
	} {
		var got []int
		for _, b := range batches(tt.in) {
			got = append(got, len(b))
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
}

func TestSendRequest(t *testing.T) {
	got := sendRequest("url", parse("a1 b1"))
	want := &sqs.SendMessageBatchInput{QueueUrl: aws.String("url"), Entries: []types.SendMessageBatchRequestEntry{
		{Id: aws.String("0"), MessageBody: aws.String("body a1"), MessageGroupId: aws.String("a"), MessageDeduplicationId: aws.String("a1")},
		{Id: aws.String("1"), MessageBody: aws.String("body b1"), MessageGroupId: aws.String("b"), MessageDeduplicationId: aws.String("b1")},
	}}
	unexported := cmpopts.IgnoreUnexported(sqs.SendMessageBatchInput{}, types.SendMessageBatchRequestEntry{})
	if diff := cmp.Diff(want, got, unexported); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestPostponeRequest(t *testing.T) {
	for d, want := range map[time.Duration]int32{
		0: 0, 1: 1, time.Second: 1, time.Second + 1: 2, time.Minute: 60, longestHidden: 42300, queue.MaxDelay: 42300,
	} {
		got := postponeRequest("url", d, []string{"r0", "r1"})
		if len(got.Entries) != 2 || *got.QueueUrl != "url" {
			t.Fatalf("%v: %+v", d, got)
		}
		for i, e := range got.Entries {
			if e.VisibilityTimeout != want || *e.ReceiptHandle != fmt.Sprint("r", i) || *e.Id != strconv.Itoa(i) {
				t.Errorf("%v: %+v, want %d seconds", d, e, want)
			}
		}
	}
}

func TestSettleRequest(t *testing.T) {
	got := settleRequest("url", []string{"r0", "r1"})
	if len(got.Entries) != 2 || *got.QueueUrl != "url" {
		t.Fatalf("%+v", got)
	}
	for i, e := range got.Entries {
		if *e.ReceiptHandle != fmt.Sprint("r", i) || *e.Id != strconv.Itoa(i) {
			t.Errorf("%+v", e)
		}
	}
}

// answered is an error as the SDK returns it for an answer of SQS.
func answered(status int, code, message string) error {
	return &smithy.OperationError{ServiceID: "SQS", Err: &awshttp.ResponseError{ResponseError: &smithyhttp.ResponseError{
		Response: &smithyhttp.Response{Response: &http.Response{StatusCode: status}},
		Err:      &smithy.GenericAPIError{Code: code, Message: message},
	}}}
}

func TestFaults(t *testing.T) {
	plain := errors.New("no credentials")
	denied := answered(403, "AccessDenied", "")
	for _, tt := range []struct {
		name string
		err  error
		want error
	}{
		{"nothing", nil, nil},
		{"throttled", answered(403, "RequestThrottled", ""), queue.ErrBusy},
		{"too many in flight", answered(400, "OverLimit", ""), queue.ErrBusy},
		{"breakdown", answered(500, "SomethingNew", ""), queue.ErrBusy},
		{"connection", &smithyhttp.RequestSendError{Err: io.ErrUnexpectedEOF}, queue.ErrBusy},
		{"body", answered(400, "InvalidMessageContents", ""), queue.ErrInvalid},
		{"parameter", answered(400, "InvalidParameterValue", "x"), queue.ErrInvalid},
		{"denied", denied, denied},
		{"before it was sent", plain, plain},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := fault(t.Context(), tt.err); !errors.Is(got, tt.want) {
				t.Errorf("%v, want %v", got, tt.want)
			}
		})
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if got := fault(ended, denied); !errors.Is(got, context.Canceled) {
		t.Errorf("after the context's end: %v", got)
	}
}

func TestEntryFaults(t *testing.T) {
	for _, tt := range []struct {
		name, code, message string
		sender              bool
		want                error
	}{
		{"expired", "InvalidParameterValue", "x", true, queue.ErrNotInFlight},
		{"too late to hide", "InvalidParameterValue", "Total VisibilityTimeout for the message is beyond the limit [43200 seconds]", true, queue.ErrInvalid},
		{"not in flight", "AWS.SimpleQueueService.MessageNotInflight", "", true, queue.ErrNotInFlight},
		{"no receipt", "ReceiptHandleIsInvalid", "", true, queue.ErrNotInFlight},
		{"breakdown", "InternalError", "", false, queue.ErrBusy},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := entryFault(types.BatchResultErrorEntry{Code: &tt.code, Message: &tt.message, SenderFault: tt.sender})
			if !errors.Is(got, tt.want) {
				t.Errorf("%v, want %v", got, tt.want)
			}
		})
	}
}

// answers is an SQS in this process that answers each batch with the next text, in
// which FAIL and FAULT name entries that it does not take.
type answers struct {
	texts []string
	asked []string // the bodies of requests
}

func (a *answers) Do(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	a.asked = append(a.asked, string(body))
	text := a.texts[min(len(a.asked), len(a.texts))-1]
	return &http.Response{
		StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {"application/x-amz-json-1.0"}},
		Body: io.NopCloser(strings.NewReader(text)),
	}, nil
}

func putOffAnswer(senderFault bool, ids ...string) string {
	var failed []string
	for _, id := range ids {
		failed = append(failed, fmt.Sprintf(`{"Id":%q,"Code":"InternalError","SenderFault":%t}`, id, senderFault))
	}
	return `{"Failed":[` + strings.Join(failed, ",") + `]}`
}

// TestPutOffMessagesAreSentAgain lets SQS take a part of a batch at a time.
func TestPutOffMessagesAreSentAgain(t *testing.T) {
	for _, tt := range []struct {
		name  string
		texts []string
		err   error
		sent  []string // what is in each request, of "a1 b1 c1"
		took  time.Duration
	}{
		{"taken at once", []string{`{}`}, nil, []string{"a1 b1 c1"}, 0},
		{"two put off once", []string{putOffAnswer(false, "0", "2"), `{}`}, nil, []string{"a1 b1 c1", "a1 c1"}, firstPause},
		{"one by one", []string{putOffAnswer(false, "1", "2"), putOffAnswer(false, "1"), `{}`}, nil, []string{"a1 b1 c1", "b1 c1", "c1"}, 3 * firstPause},
		{"never taken", []string{putOffAnswer(false, "0")}, queue.ErrBusy, []string{"a1 b1 c1", "a1", "a1", "a1"}, 7 * firstPause},
		{"refused", []string{putOffAnswer(true, "0")}, queue.ErrInvalid, []string{"a1 b1 c1"}, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := &answers{texts: tt.texts}
				q := New(sqs.New(sqs.Options{
					Region: "us-east-1", HTTPClient: a, Credentials: credentials.NewStaticCredentialsProvider("a", "b", ""),
					DisableMessageChecksumValidation: true,
				}), "https://sqs.example/q.fifo")
				begin := time.Now()
				err := q.Send(t.Context(), parse("a1 b1 c1")...)
				if !errors.Is(err, tt.err) {
					t.Errorf("got %v, want %v", err, tt.err)
				}
				if took := time.Since(begin); took != tt.took {
					t.Errorf("took %v, want %v", took, tt.took)
				}
				if diff := cmp.Diff(tt.sent, a.sent()); diff != "" {
					t.Errorf("sent (-want +got):\n%s", diff)
				}
			})
		})
	}
}

func (a *answers) sent() []string {
	var all []string
	for _, body := range a.asked {
		var in []string
		for _, id := range []string{"a1", "b1", "c1"} {
			if strings.Contains(body, "body "+id) {
				in = append(in, id)
			}
		}
		all = append(all, strings.Join(in, " "))
	}
	return all
}
