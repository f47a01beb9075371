// Package mail is the port to sending mail, and the messages that Todoku sends.
//
// A Sender takes one message to one recipient. Its error says whether trying
// again can help; what is not proven permanent is temporary. Package mailtest
// says the promises as an executable suite.
package mail

import (
	"context"
	"errors"
	"fmt"
	"net/mail"
	"time"
)

// Message is one mail to one recipient, as text and HTML of the same content.
type Message struct {
	// ID is the copy's id: 1 to MaxID letters, digits, '.', '-' and '_'. It is the
	// left side of the Message-ID, so it stays the same when a copy is sent again
	// and a mailbox can recognise the duplicate.
	ID      string
	From    mail.Address // the school's own address
	To      mail.Address // Address is the mailbox as RFC 5321 writes it, quoted if need be
	ReplyTo mail.Address // the staff member; zero: none
	Subject string
	Text    string // lines end in \n
	HTML    string // empty: the mail is plain text alone
	// Unsubscribe is the https (on one machine http) or mailto address for
	// List-Unsubscribe (RFC 2369); empty: no such header.
	Unsubscribe string
	// OneClick adds List-Unsubscribe-Post (RFC 8058): Unsubscribe takes a POST.
	OneClick bool
	// Tags travel with the message where the operator allows it (SES message
	// tags; an X-Todoku- header elsewhere), so that events can be matched: names
	// and values of 1 to MaxTag letters, digits, '-' and '_'.
	Tags map[string]string
	Date time.Time // required
	// Deadline is when the message ceases to be useful; zero: never. A Sender
	// must not begin to send after it (ErrExpired); at that very moment it may.
	Deadline time.Time
}

// Limits of a Message, so that every line stays under the 998 octets of RFC 5322.
const (
	MaxID          = 200 // octets of ID
	MaxAddress     = 254 // octets of an address: RFC 5321's path of 256 less its brackets
	MaxTag         = 256 // octets of a tag's name, and of its value (SES's limit)
	MaxUnsubscribe = 900 // octets of Unsubscribe
)

// Expired reports whether it is too late to begin sending m.
func (m *Message) Expired(now time.Time) bool {
	return !m.Deadline.IsZero() && now.After(m.Deadline)
}

// Why a message was not handed to the operator at all; see Unsendable.
var (
	// ErrInvalid is wrapped by the error of a message that cannot be written as
	// RFC 5322, for example for a line break in a header field.
	ErrInvalid = errors.New("mail: the message is not valid")
	// ErrExpired is the cause when a message's Deadline passed before it was begun.
	ErrExpired = errors.New("mail: the message's deadline has passed")
)

// Sender hands messages to a mail operator.
type Sender interface {
	// Send returns nil when the operator has accepted responsibility for the
	// message, which does not mean that anybody was told. Otherwise it returns a
	// *SendError, or the context's error if nothing was sent. A message that is
	// invalid or expired is not begun; its error is that of Unsendable. Several
	// goroutines may send at once.
	Send(ctx context.Context, m *Message) error
}

// BatchSender is a Sender that can do several messages faster than one by one.
// Use the function SendAll.
type BatchSender interface {
	Sender
	// SendAll sends msgs in order, one connection at a time, and calls done once for
	// each, in order, as soon as its outcome is known, with what Send would have
	// returned. It stops early, with the same SendError for all the rest and
	// without trying them, when the operator as a whole cannot be used (Scope is
	// ScopeOperator). It returns when done has been called for every message.
	SendAll(ctx context.Context, msgs []*Message, done func(i int, err error))
}

// SendAll sends msgs in order over s, with its own SendAll where it has one.
func SendAll(ctx context.Context, s Sender, msgs []*Message, done func(i int, err error)) {
	if b, ok := s.(BatchSender); ok {
		b.SendAll(ctx, msgs, done)
		return
	}
	var stop error
	for i, m := range msgs {
		err := stop
		if err == nil {
			err = s.Send(ctx, m)
		}
		var se *SendError
		if errors.As(err, &se) && se.Scope == ScopeOperator {
			stop = err
		}
		done(i, err)
	}
}

type turnKey struct{}

// OnTurn returns a context for SendAll: a sender that makes messages wait for their
// turn calls f with the index of each when its turn has come, and if f fails sends
// neither it nor those after it, whose error f's is. Other senders do not call f.
func OnTurn(ctx context.Context, f func(ctx context.Context, i int) error) context.Context {
	return context.WithValue(ctx, turnKey{}, f)
}

// Turn says that the turn of the i-th message has come; see OnTurn.
func Turn(ctx context.Context, i int) error {
	f, ok := ctx.Value(turnKey{}).(func(context.Context, int) error)
	if !ok {
		return nil
	}
	return f(ctx, i)
}

type placeKey struct{}

// AtPlace returns a context for SendAll with how far back in their alert the messages
// stand: the time after its acceptance at which they were queued. Of senders that share
// a rate, those go first whose messages stand farthest in front.
func AtPlace(ctx context.Context, place time.Duration) context.Context {
	return context.WithValue(ctx, placeKey{}, place)
}

// Place returns what AtPlace has set, or 0.
func Place(ctx context.Context) time.Duration {
	place, _ := ctx.Value(placeKey{}).(time.Duration)
	return place
}

// Scope says for whom a failure speaks.
type Scope int

const (
	// ScopeRecipient is a reply about this message: at MAIL, RCPT or after DATA.
	// Through a relay it may still tell of the recipient's whole lane.
	ScopeRecipient Scope = iota
	// ScopeOperator is a failure of the relay or the account itself: connection,
	// TLS, AUTH, sending rate. No other message would fare better now.
	ScopeOperator
)

// SendError says that a message was not accepted, and why.
type SendError struct {
	Scope Scope
	// Permanent means that trying this message again cannot help: a 5yz reply to
	// RCPT or DATA about it, or, with Code 0, a message that cannot be sent as it
	// is (ErrInvalid, too large, an address that needs SMTPUTF8). Only with a Code
	// does it say anything about the mailbox.
	Permanent bool
	Maybe     bool   // the connection was lost after the message was handed over: it may have been accepted
	Code      int    // SMTP reply code, 0 if there was none
	Enhanced  string // RFC 3463 status code such as "5.1.1", "" if there was none
	Text      string // the operator's words, without addresses
	AfterData bool   // it replied to the message, not to the recipient's address
	// RetryAfter is how long it is of no use to try again, with ScopeOperator any
	// message; 0 if that is not known.
	RetryAfter time.Duration
	Err        error // the cause, for the log
}

func (e *SendError) Error() string {
	kind := "temporary"
	if e.Permanent {
		kind = "permanent"
	}
	s := fmt.Sprintf("mail: %s failure: %d %s %s", kind, e.Code, e.Enhanced, e.Text)
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

func (e *SendError) Unwrap() error { return e.Err }

// Unsendable returns what a Sender says of a message that it did not begin to
// send, by its cause: ErrExpired is temporary, because it says nothing of the
// recipient and whoever tries again looks at the deadline first; anything else
// (ErrInvalid) is permanent.
func Unsendable(cause error) *SendError {
	return &SendError{
		Permanent: !errors.Is(cause, ErrExpired),
		Text:      "not begun",
		Err:       cause,
	}
}
