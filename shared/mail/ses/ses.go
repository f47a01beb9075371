// Package ses is a mail.Sender that hands mail to Amazon SES (API version 2).
//
// It sends raw messages, so that a mail is composed in one place for every
// operator and a guardian gets the same bytes from a relay and from SES. SES
// overwrites Message-ID and Date either way, signs with DKIM and adds its own
// header fields. It opens the connections to the receiving operators itself: what
// a lane limits here is how many sends are under way to SES, and how many mails
// are out without a verdict.
package ses

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"net/http/httptrace"
	"slices"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sesv2"
	"github.com/aws/aws-sdk-go-v2/service/sesv2/types"

	"github.com/todoku/todoku/shared/mail"
)

// sendTimeout bounds one call. SES answers within a second; a call that was given
// up may have been accepted, so giving up early makes duplicates.
const sendTimeout = 20 * time.Second

// Sets are configuration sets by name, and after how long each has SES give a mail up.
// SES has that time (MaxDeliverySeconds) of a set, not of a mail; so there are several.
type Sets map[string]time.Duration

// For returns the set of a mail: of those with which SES gives up by the deadline the one
// with which it tries longest, or else the shortest, which is five minutes where SES allows
// no less. "" if there is none.
func (s Sets) For(deadline, now time.Time) (name string) {
	byTime := slices.SortedFunc(maps.Keys(s), func(a, b string) int {
		return cmp.Or(cmp.Compare(s[b], s[a]), cmp.Compare(a, b))
	})
	for _, name = range byTime {
		if deadline.IsZero() || !now.Add(s[name]).After(deadline) {
			return name
		}
	}
	return name
}

// Sender implements mail.Sender. It takes one message a call: SES has no call for
// several different ones.
type Sender struct {
	client *sesv2.Client
	sets   Sets
	now    func() time.Time
}

var _ mail.Sender = (*Sender)(nil)

// New returns a Sender that sends by configuration sets, which decide where events go
// and when SES gives up; see Sets.For. now is the clock by which messages expire.
//
// The role that client acts for needs ses:SendRawEmail on the schools' identities
// and the configuration sets, by which name SES checks a SendEmail of a raw message
// (https://github.com/nodemailer/nodemailer/issues/1734), and ses:GetAccount for
// Rate and Check.
func New(client *sesv2.Client, sets Sets, now func() time.Time) *Sender {
	return &Sender{client: client, sets: sets, now: now}
}

// Send implements mail.Sender. The SDK does not try again by itself: SES has no
// token that would make a second try harmless, and a copy that may have been sent
// is for the caller to judge. A SendError never has a Code: SES says nothing of
// the mailbox until its events come.
func (s *Sender) Send(ctx context.Context, m *mail.Message) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	now := s.now()
	if m.Expired(now) {
		return mail.Unsendable(mail.ErrExpired)
	}
	raw, err := m.Bytes()
	if err != nil {
		return mail.Unsendable(err)
	}
	var written atomic.Bool
	bounded, cancel := context.WithTimeout(ctx, sendTimeout)
	defer cancel()
	_, err = s.client.SendEmail(noteWritten(bounded, &written), request(m, raw, s.sets.For(m.Deadline, now)), noRetry)
	return fault(ctx, err, written.Load())
}

// noteWritten sets written when the whole request has left: before that SES cannot
// have accepted it.
func noteWritten(ctx context.Context, written *atomic.Bool) context.Context {
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		WroteRequest: func(info httptrace.WroteRequestInfo) {
			if info.Err == nil {
				written.Store(true)
			}
		},
	})
}

func noRetry(o *sesv2.Options) { o.Retryer = aws.NopRetryer{} }

// request sends raw to m's recipient alone. Reply-To and the rest stand in raw.
func request(m *mail.Message, raw []byte, configurationSet string) *sesv2.SendEmailInput {
	in := &sesv2.SendEmailInput{
		FromEmailAddress: aws.String(m.From.Address),
		Destination:      &types.Destination{ToAddresses: []string{m.To.Address}},
		Content:          &types.EmailContent{Raw: &types.RawMessage{Data: raw}},
	}
	if configurationSet != "" {
		in.ConfigurationSetName = &configurationSet
	}
	for _, name := range slices.Sorted(maps.Keys(m.Tags)) {
		in.EmailTags = append(in.EmailTags, types.MessageTag{Name: aws.String(name), Value: aws.String(m.Tags[name])})
	}
	return in
}

// Unlist takes a mailbox off the account's suppression list, so that SES sends to it again.
// One that is not on the list is no error. SES lets an account do so once a second
// (https://docs.aws.amazon.com/ses/latest/dg/sending-email-suppression-list.html).
func (s *Sender) Unlist(ctx context.Context, mailbox string) error {
	_, err := s.client.DeleteSuppressedDestination(ctx, &sesv2.DeleteSuppressedDestinationInput{EmailAddress: &mailbox})
	var absent *types.NotFoundException
	if err == nil || errors.As(err, &absent) {
		return nil
	}
	return fault(ctx, err, false)
}

// Check fails if the account cannot send: the operator's way of saying so, without
// a mail, is GetAccount.
func (s *Sender) Check(ctx context.Context) error {
	out, err := s.client.GetAccount(ctx, &sesv2.GetAccountInput{})
	if err != nil {
		return fault(ctx, err, false)
	}
	if !out.SendingEnabled {
		return &mail.SendError{Scope: mail.ScopeOperator, Text: "SES has paused sending for this account"}
	}
	return nil
}

// Rate returns how many messages a second the account may send, and how many it
// may still send today.
func (s *Sender) Rate(ctx context.Context) (perSecond, leftToday float64, err error) {
	out, err := s.client.GetAccount(ctx, &sesv2.GetAccountInput{})
	if err != nil {
		return 0, 0, fault(ctx, err, false)
	}
	q := out.SendQuota
	if q == nil {
		return 0, 0, &mail.SendError{Scope: mail.ScopeOperator, Text: "the account has no sending quota"}
	}
	if q.Max24HourSend < 0 { // unlimited
		return q.MaxSendRate, -1, nil
	}
	return q.MaxSendRate, max(0, q.Max24HourSend-q.SentLast24Hours), nil
}
