package smtp

import (
	"errors"
	"regexp"
	"strings"
	"time"

	"github.com/todoku/todoku/shared/mail"
)

// stage is what a reply answers.
type stage int

const (
	atConnect stage = iota // the connection and the greeting
	atHello                // EHLO, HELO
	atTLS                  // STARTTLS and the handshake
	atAuth
	atMail
	atRcpt
	atData
	atDot   // the message and its final dot
	atReset // RSET, or a dot without a message
	atQuit
)

func (s stage) String() string {
	return [...]string{"connect", "hello", "tls", "auth", "mail", "rcpt", "data", "dot", "reset", "quit"}[s]
}

// timeout is how long to wait for the reply (RFC 5321, 4.5.3.2). The longest is
// that of the dot: giving up early there makes duplicates (RFC 1047).
func (s stage) timeout() time.Duration {
	switch s {
	case atData:
		return 2 * time.Minute
	case atDot:
		return 10 * time.Minute
	case atQuit:
		return 5 * time.Second // nothing depends on it
	default:
		return 5 * time.Minute
	}
}

// writeTimeout is how long a write may take (RFC 5321, 4.5.3.2.5).
const writeTimeout = 3 * time.Minute

// refusal maps a 4yz or 5yz reply to the port's error.
//
//   - Before MAIL every reply speaks of the relay or the account, and is never
//     permanent: a password can be put right while the copies wait.
//   - MAIL is about the sender, not the recipient, so it never proves anything
//     permanent, but for a message that is too large. A 4yz there (rate, storage,
//     shutting down) would meet every other message: ScopeOperator. A 5yz, and any
//     status about the sender's address, is about this school's From, and a batch
//     may hold several schools' copies: ScopeRecipient.
//   - RCPT, DATA and the dot are about the message: ScopeRecipient, a 5yz
//     permanent. The exceptions are replies that only a wrong set-up or a spent
//     allowance gives, and which would close every contact if they were believed;
//     see ofAccount.
func refusal(at stage, r reply) *mail.SendError {
	status, text := r.enhanced()
	e := &mail.SendError{Code: r.code, Enhanced: status, Text: mail.Words(text), AfterData: at == atData || at == atDot}
	ofSender := strings.HasSuffix(status, ".1.7") || strings.HasSuffix(status, ".1.8")
	tooLarge := r.code == 552 && (status == "" || status == "5.3.4") || status == "5.3.4"
	switch {
	case at < atMail || ofAccount(at, r.code, status, text):
		e.Scope = mail.ScopeOperator
	case at == atMail && r.code < 500 && !ofSender:
		e.Scope = mail.ScopeOperator
	case at == atMail:
		e.Permanent = tooLarge
	default:
		e.Permanent = r.code >= 500 && !ofSender
	}
	return e
}

// ofAccount reports whether a refusal at MAIL or later speaks of the account or
// the relay, whatever it answers: a missing login (RFC 4954), a relay that does
// not know us, a mail system that is full or closed (RFC 3463, X.3.1, X.3.2,
// X.3.5), a sending allowance that is used up (X.4.5; Google's 550-5.4.5).
func ofAccount(at stage, code int, status, text string) bool {
	switch code {
	case 530, 534, 535, 538:
		return true
	}
	switch status {
	case "5.3.1", "5.3.2", "5.3.5", "5.4.5":
		return true
	}
	return at == atRcpt && code >= 500 && relayingDenied.MatchString(text)
}

// relayingDenied finds, in the words of Postfix, Exim, Sendmail and Exchange,
// that the relay does not know us. Their status 5.7.1 alone may also be a
// recipient's policy, and "unknown in relay recipient table" is one unknown user.
var relayingDenied = regexp.MustCompile(`(?i)\brelay(ing)?( access)? (is )?(denied|not permitted|not allowed|prohibited)|\bunable to relay\b`)

// lost maps the end of a connection to the port's error. After the dot the relay
// may have taken the message; before it, not. A connection that ends before RCPT
// would have ended for anybody.
func lost(at stage, err error) *mail.SendError {
	e := &mail.SendError{Text: "connection lost at " + at.String(), Err: err}
	switch {
	case at == atDot:
		e.Maybe = true
	case at <= atMail:
		e.Scope = mail.ScopeOperator
	}
	return e
}

// unable is a failure that the relay has no reply for, before any message.
func unable(at stage, why string) *mail.SendError {
	return &mail.SendError{Scope: mail.ScopeOperator, Text: why, Err: errors.New("smtp: " + at.String() + ": " + why)}
}
