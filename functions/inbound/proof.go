package inbound

import (
	"context"
	"errors"
	"regexp"
	"slices"

	"github.com/todoku/todoku/shared/alert"
	"github.com/todoku/todoku/shared/link"
	"github.com/todoku/todoku/shared/mail/incoming"
	"github.com/todoku/todoku/shared/problem"
	"github.com/todoku/todoku/shared/proof"
)

// isProof reports whether a mail goes to where mailboxes pass the mails of proofs on.
func (h *Handler) isProof(to []string) bool {
	return slices.ContainsFunc(to, func(mailbox string) bool {
		local, ours := h.local(mailbox)
		return ours && local == proof.Door
	})
}

// answerLink is a link in a mail of an alert.
var answerLink = regexp.MustCompile(regexp.QuoteMeta(link.Answer.Path()) + `([A-Za-z0-9_-]{40,})`)

// maxLinks is how many links of a mail are looked at.
const maxLinks = 5

// proof takes a mail of a proof that a mailbox passed on, and answers it. It is ours, and
// automatic, and its sender says nothing: the link in it is what nobody can forge. A link
// of anybody else's alert answers nothing here.
func (h *Handler) proof(ctx context.Context, m incoming.Mail) (dropped string, err error) {
	for _, found := range answerLink.FindAllStringSubmatch(m.Text, maxLinks) {
		l, err := h.Links.Parse(found[1])
		if errors.Is(err, link.ErrInvalid) {
			continue
		}
		if err != nil {
			return "", err
		}
		return h.answerProof(ctx, l)
	}
	return "no link of a proof in it", nil
}

func (h *Handler) answerProof(ctx context.Context, l link.Link) (dropped string, err error) {
	a, err := h.Alerts.Alert(ctx, l.Alert)
	if errors.Is(err, alert.ErrNotFound) || err == nil && (a.School != proof.School || l.Kind != link.Answer) {
		return "the link is not of a proof", nil
	}
	if err != nil {
		return "", err
	}
	ref := alert.Ref{Alert: l.Alert, Class: l.Class, Family: l.Family}
	f, err := h.Alerts.Family(ctx, ref)
	if errors.Is(err, alert.ErrNotFound) {
		return "the link is of no family", nil
	}
	if err != nil {
		return "", err
	}
	child, guardian := f.Children[0].ID, f.Guardians[0].ID // there are no others
	err = h.Alerts.Answer(ctx, a, alert.AnswerRequest{
		Ref: ref, Guardian: 0, By: guardian, Contact: l.Contact, Way: alert.ByMail, Choices: map[string]string{child: a.Choices[0].ID},
	})
	if problem.Is(err, problem.Gone) {
		return "the proof is over", nil
	}
	return "", err
}
