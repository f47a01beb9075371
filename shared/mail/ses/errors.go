package ses

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"regexp"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/smithy-go"

	"github.com/todoku/todoku/shared/mail"
)

// AccountRate begins the Text of an error that says that the account sends faster
// than it may, or has sent all that it may in a day. SES did not take the message
// and does not say when it would.
const AccountRate = "account rate"

// fault maps an error of the SDK to the port's; written says that the request had
// left. Everything is temporary except what is proven to be about the message as
// it is. The kinds are those of
// https://docs.aws.amazon.com/ses/latest/APIReference-V2/API_SendEmail.html
// and https://docs.aws.amazon.com/ses/latest/APIReference-V2/CommonErrors.html
func fault(ctx context.Context, err error, written bool) error {
	if err == nil {
		return nil
	}
	var api smithy.APIError
	if !errors.As(err, &api) {
		return unanswered(ctx, err, written)
	}
	e := &mail.SendError{Text: mail.Words(api.ErrorMessage(), "'@domain'"), Err: errors.New("ses: " + api.ErrorCode())}
	switch code := api.ErrorCode(); {
	case isThrottling(code):
		e.Scope, e.Text = mail.ScopeOperator, AccountRate+": "+e.Text
	case isAccount(code), isDenied(err):
		e.Scope = mail.ScopeOperator
	case code == "BadRequestException" || code == "MessageRejected":
		e.Permanent = hopeless.MatchString(api.ErrorMessage())
	case status(err) >= http.StatusInternalServerError:
		e.Maybe = true // it broke down at work, we do not know where
	}
	return e
}

// unanswered maps the lack of an answer. A request that has not left was sent to
// nobody; that is nobody's fault if the context has ended, and else the
// connection's, which no other message would find better.
func unanswered(ctx context.Context, err error, written bool) error {
	if ended := ctx.Err(); ended != nil {
		if !written {
			return ended
		}
		err = fmt.Errorf("%w: %w", ended, err)
	}
	if written {
		return &mail.SendError{Maybe: true, Text: "no answer from SES", Err: err}
	}
	return &mail.SendError{Scope: mail.ScopeOperator, Text: "no connection to SES", Err: err}
}

// isThrottling reports whether SES did not take the message because of the rate alone.
// ServiceUnavailable (503) does not say so: it is "a temporary failure of the server", and of
// all 5xx Amazon says that to try again can make duplicates
// (https://docs.aws.amazon.com/ses/latest/DeveloperGuide/api-error-codes.html).
func isThrottling(code string) bool {
	switch code {
	case "TooManyRequestsException", "LimitExceededException", "ThrottlingException", "Throttling", "RequestLimitExceeded":
		return true
	}
	return false
}

// isAccount reports whether an error is of the account, the sending domain or the
// configuration set: people put it right while the copies wait.
func isAccount(code string) bool {
	switch code {
	case "AccountSuspendedException", "SendingPausedException", "MailFromDomainNotVerifiedException", "NotFoundException":
		return true
	}
	return false
}

// isDenied reports whether SES did not take the caller for one who may send.
func isDenied(err error) bool {
	s := status(err)
	return s == http.StatusUnauthorized || s == http.StatusForbidden
}

func status(err error) int {
	var response *awshttp.ResponseError
	if !errors.As(err, &response) {
		return 0
	}
	return response.HTTPStatusCode()
}

// hopeless finds, in the words of a refusal, that this message will never be
// taken: an address that SES cannot read, or a message that is too long. The words
// about addresses are those of the parser of JavaMail, which practitioners report
// from SES; AWS documents none. Any other refusal stays temporary, above all
// "Email address is not verified", which is about this school's own domain, or
// about an account that is still in the sandbox.
var hopeless = regexp.MustCompile(`(?i)^(missing (final |local )?'?@?|local address |domain (contains|starts|ends) |illegal (address|character|semicolon|whitespace)|invalid email address|message length is more than )`)
