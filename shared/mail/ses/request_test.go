package ses

import (
	"context"
	"errors"
	"net/http"
	"net/mail"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/sesv2"
	"github.com/aws/aws-sdk-go-v2/service/sesv2/types"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	port "github.com/todoku/todoku/shared/mail"
)

var unexported = cmpopts.IgnoreUnexported(sesv2.SendEmailInput{}, types.Destination{}, types.EmailContent{}, types.RawMessage{}, types.MessageTag{})

func TestRequest(t *testing.T) {
	m := &port.Message{
		From:    mail.Address{Name: "みどり小学校", Address: "alert@midori.example.jp"},
		To:      mail.Address{Name: "山田太郎", Address: `"a..b"@docomo.ne.jp`},
		ReplyTo: mail.Address{Address: "sato@midori.example.jp"},
		Tags:    map[string]string{"round": "0", "alert": "01k41", "contact": "01k42"},
	}
	plain := sesv2.SendEmailInput{
		FromEmailAddress: aws.String("alert@midori.example.jp"),
		Destination:      &types.Destination{ToAddresses: []string{`"a..b"@docomo.ne.jp`}},
		Content:          &types.EmailContent{Raw: &types.RawMessage{Data: []byte("raw")}},
		EmailTags: []types.MessageTag{
			{Name: aws.String("alert"), Value: aws.String("01k41")},
			{Name: aws.String("contact"), Value: aws.String("01k42")},
			{Name: aws.String("round"), Value: aws.String("0")},
		},
	}
	withSet := plain
	withSet.ConfigurationSetName = aws.String("todoku")
	for set, want := range map[string]sesv2.SendEmailInput{"": plain, "todoku": withSet} {
		if diff := cmp.Diff(&want, request(m, []byte("raw"), set), unexported); diff != "" {
			t.Errorf("with the configuration set %q (-want +got):\n%s", set, diff)
		}
	}
}

func TestSetsFor(t *testing.T) {
	now := time.Date(2026, 4, 7, 3, 0, 0, 0, time.UTC)
	sets := Sets{"hour": time.Hour, "half": 30 * time.Minute, "short": 5 * time.Minute}
	for _, tt := range []struct {
		name string
		sets Sets
		left time.Duration // 0: there is no deadline
		want string
	}{
		{"useful for long", sets, 3 * time.Hour, "hour"},
		{"to the second", sets, time.Hour, "hour"},
		{"a little less than an hour", sets, time.Hour - time.Second, "half"},
		{"a little more than the shortest", sets, 6 * time.Minute, "short"},
		{"less than SES allows", sets, time.Minute, "short"},
		{"without a deadline", sets, 0, "hour"},
		{"without sets", nil, time.Hour, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var deadline time.Time
			if tt.left > 0 {
				deadline = now.Add(tt.left)
			}
			if got := tt.sets.For(deadline, now); got != tt.want {
				t.Errorf("by the set %q, want %q", got, tt.want)
			}
		})
	}
}

// answered is an error as the SDK returns it for an answer of SES.
func answered(status int, code, message string) error {
	return &smithy.OperationError{ServiceID: "SESv2", OperationName: "SendEmail", Err: &awshttp.ResponseError{
		ResponseError: &smithyhttp.ResponseError{
			Response: &smithyhttp.Response{Response: &http.Response{StatusCode: status}},
			Err:      &smithy.GenericAPIError{Code: code, Message: message},
		},
	}}
}

func TestFaultOfAnAnswer(t *testing.T) {
	operator, permanent, maybe := port.SendError{Scope: port.ScopeOperator}, port.SendError{Permanent: true}, port.SendError{Maybe: true}
	temporary := port.SendError{}
	for _, tt := range []struct {
		status        int
		code, message string
		want          port.SendError
	}{
		{429, "TooManyRequestsException", "Maximum sending rate exceeded.", operator},
		{429, "TooManyRequestsException", "Daily message quota exceeded.", operator},
		{400, "LimitExceededException", "too many", operator},
		{400, "ThrottlingException", "Rate exceeded", operator},
		{400, "SendingPausedException", "Sending paused for this account.", operator},
		{400, "AccountSuspendedException", "suspended", operator},
		{400, "MailFromDomainNotVerifiedException", "not verified", operator},
		{404, "NotFoundException", "Configuration set <todoku> does not exist.", operator},
		{403, "AccessDeniedException", "not authorized to perform ses:SendRawEmail", operator},
		{403, "ExpiredTokenException", "expired", operator},
		{400, "MessageRejected", "Email address is not verified. The following identities failed", temporary},
		{400, "MessageRejected", "something new", temporary},
		{400, "MessageRejected", "Message length is more than 41943040 bytes long: '41943099'.", permanent},
		{400, "BadRequestException", "Missing final '@domain'", permanent},
		{400, "BadRequestException", "Domain contains dot-dot", permanent},
		{400, "BadRequestException", "Local address contains control or whitespace", permanent},
		{400, "BadRequestException", "Illegal address", permanent},
		{400, "BadRequestException", "Invalid tag", temporary},
		{418, "NewException", "", temporary},
		{500, "InternalServiceErrorException", "", maybe},
		{502, "UnknownError", "", maybe},
		{503, "ServiceUnavailable", "The request has failed due to a temporary failure of the server.", maybe},
		{503, "ThrottlingException", "Rate exceeded", operator},
	} {
		t.Run(tt.code+" "+tt.message, func(t *testing.T) {
			err := fault(t.Context(), answered(tt.status, tt.code, tt.message), true)
			var got *port.SendError
			if !errors.As(err, &got) {
				t.Fatalf("got %v", err)
			}
			if diff := cmp.Diff(&tt.want, got, cmpopts.IgnoreFields(port.SendError{}, "Text", "Err")); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if throttled := strings.HasPrefix(got.Text, AccountRate); throttled != isThrottling(tt.code) {
				t.Errorf("text %q", got.Text)
			}
		})
	}
}

func TestFaultWithoutAnAnswer(t *testing.T) {
	cause := errors.New("connection reset")
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	for _, tt := range []struct {
		name    string
		ctx     context.Context
		written bool
		want    *port.SendError // nil: the context's error alone
		is      error
	}{
		{"before it was written", t.Context(), false, &port.SendError{Scope: port.ScopeOperator, Text: "no connection to SES"}, cause},
		{"after it was written", t.Context(), true, &port.SendError{Maybe: true, Text: "no answer from SES"}, cause},
		{"cancelled before", ended, false, nil, context.Canceled},
		{"cancelled after", ended, true, &port.SendError{Maybe: true, Text: "no answer from SES"}, context.Canceled},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := fault(tt.ctx, cause, tt.written)
			var got *port.SendError
			errors.As(err, &got)
			if diff := cmp.Diff(tt.want, got, cmpopts.IgnoreFields(port.SendError{}, "Err")); diff != "" || !errors.Is(err, tt.is) {
				t.Errorf("error %v (-want +got):\n%s", err, diff)
			}
		})
	}
}

func TestTextHasNoAddress(t *testing.T) {
	err := fault(t.Context(), answered(400, "MessageRejected", "Email address is not verified.\r\nThe following failed: tarou@example.jp, <hanako＠example.jp>\x00 "+strings.Repeat("x", 300)), true)
	var e *port.SendError
	if !errors.As(err, &e) {
		t.Fatal(err)
	}
	want := "Email address is not verified. The following failed: (address) (address) xxx"
	if !strings.HasPrefix(e.Text, want) || len([]rune(e.Text)) != port.MaxWords || strings.Contains(err.Error(), "tarou") {
		t.Errorf("text %q", e.Text)
	}
}
