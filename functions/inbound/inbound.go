// Package inbound takes the mail that guardians send in. An empty mail to
// CODE@inbound domain registers the address that it came from, as the form behind
// the code does; the reply is the mail that asks for the confirmation, so that
// whoever gets it knows that mail of the school gets through.
//
// A mail of a proof that its mailbox passes on here answers, too (package proof).
//
// A reply to an alert's mail goes to an address of its own there, which names alert and
// family, and answers if it is clear (package reply).
//
// Mail comes from strangers. What is automatic, forged, or of our own domain is
// dropped with a line in the log and no reply: two programs must not answer each
// other, and a reply to a forged sender is a nuisance to somebody else. So is what
// has no valid code. Replies are bounded by package enrol: wrong codes of a sender
// in an hour, joins with a code in a day, mails to an address in a day, and a minute
// between two.
package inbound

import (
	"context"
	"errors"
	"log/slog"
	"strings"

	"github.com/aws/aws-lambda-go/events"

	"github.com/todoku/todoku/shared/alert"
	"github.com/todoku/todoku/shared/enrol"
	"github.com/todoku/todoku/shared/lang"
	"github.com/todoku/todoku/shared/link"
	"github.com/todoku/todoku/shared/mail/incoming"
	"github.com/todoku/todoku/shared/memo"
	"github.com/todoku/todoku/shared/problem"
	"github.com/todoku/todoku/shared/queue"
)

// Handler takes mail that came in.
type Handler struct {
	Enrol  *enrol.Store
	Poster *enrol.Poster
	Domain string // the inbound domain, in lower case
	// Alerts and Links have replies to alerts answer; Memos tells of those that staff
	// are to read.
	Alerts *alert.Store
	Links  *link.Signer
	Memos  *memo.Office
	Log    *slog.Logger
}

// Handle takes the mails of a batch, each by itself. One that could not be
// answered, in a busy store for example, is handed back and comes again.
func (h *Handler) Handle(ctx context.Context, e events.SQSEvent) (events.SQSEventResponse, error) {
	var res events.SQSEventResponse
	for _, m := range e.Records {
		why, err := h.message(ctx, m.Body)
		switch {
		case err != nil:
			h.Log.Warn("mail not answered, it will come again", "message", m.MessageId, "err", err)
			queue.HandBack(ctx, &res, m.MessageId, err)
		case why != "":
			h.Log.Info("mail dropped", "message", m.MessageId, "why", why)
		}
	}
	return res, nil
}

// message takes one mail. It returns why it was dropped, "" if it was answered, or
// an error if it should come again.
func (h *Handler) message(ctx context.Context, body string) (dropped string, err error) {
	m, err := parse(body)
	if err != nil {
		return err.Error(), nil // no mail, or without a sender: it will not get better
	}
	if h.isProof(m.To) && h.Alerts != nil {
		return h.proof(ctx, m)
	}
	if why := h.unanswerable(m); why != "" {
		return why, nil
	}
	if to := h.replyTo(m.To); to != "" && h.Alerts != nil {
		return h.reply(ctx, m, to)
	}
	codes := h.codes(m.To)
	if len(codes) == 0 {
		return "no code in the recipient", nil
	}
	return h.register(ctx, m, codes)
}

// unanswerable says why a mail gets no reply, whatever it is about.
func (h *Handler) unanswerable(m incoming.Mail) string {
	switch {
	case m.Automatic != "":
		return "automatic: " + m.Automatic
	case m.Verdicts.Forged():
		return "forged, or spam"
	case m.Sender.Domain == h.Domain:
		return "from the inbound domain itself"
	}
	return ""
}

// codes returns the recipients that are codes, as they were written.
func (h *Handler) codes(to []string) []string {
	var codes []string
	for _, mailbox := range to {
		local, ours := h.local(mailbox)
		if _, ok := enrol.ParseCode(local); ok && ours {
			codes = append(codes, local)
		}
	}
	return codes
}

// register has the sender joined with the codes' children, and sends the mail that
// asks for the confirmation.
func (h *Handler) register(ctx context.Context, m incoming.Mail, codes []string) (dropped string, err error) {
	j, err := h.Enrol.Join(ctx, enrol.Request{
		Codes: codes, Address: m.Sender, Door: enrol.ByMail, Lang: language(m), Source: "mail/" + m.Sender.Key(),
	})
	if err == nil {
		_, err = h.Poster.Send(ctx, j.School, j.ID)
	}
	if err == nil {
		h.Log.Info("mail answered", "school", j.School, "join", j.ID)
		return "", nil
	}
	if why := refusal(err); why != "" {
		return why, nil
	}
	return "", err
}

// refusal returns the kind of a problem that is the sender's; "" if err is ours and
// may pass.
func refusal(err error) string {
	var one *problem.Error
	var list problem.List
	switch {
	case errors.As(err, &list) && len(list) > 0:
		one = list[0]
	case !errors.As(err, &one):
		return ""
	}
	if one.Kind == problem.Busy || one.Kind == problem.Internal {
		return ""
	}
	return "refused: " + string(one.Kind)
}

// language is Japanese, unless the subject asks for English, as the English side of
// a slip has it do.
func language(m incoming.Mail) lang.Lang {
	if strings.EqualFold(strings.TrimSpace(m.Subject), "English") {
		return lang.EN
	}
	return lang.JA
}
