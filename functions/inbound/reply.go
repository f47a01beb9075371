package inbound

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/todoku/todoku/shared/address"
	"github.com/todoku/todoku/shared/alert"
	"github.com/todoku/todoku/shared/lang"
	"github.com/todoku/todoku/shared/link"
	"github.com/todoku/todoku/shared/mail/incoming"
	"github.com/todoku/todoku/shared/memo"
	"github.com/todoku/todoku/shared/problem"
	"github.com/todoku/todoku/shared/reply"
	"github.com/todoku/todoku/shared/roster"
	"github.com/todoku/todoku/shared/table"
)

// local returns the local part of a recipient of the inbound domain, in lower case.
func (h *Handler) local(mailbox string) (string, bool) {
	local, domain, _ := strings.Cut(strings.ToLower(mailbox), "@")
	return local, strings.TrimSuffix(domain, ".") == h.Domain
}

// replyTo returns the recipient that is a reply address, "" if none is.
func (h *Handler) replyTo(to []string) string {
	for _, mailbox := range to {
		if local, ours := h.local(mailbox); ours && link.IsReply(local) {
			return local
		}
	}
	return ""
}

// replied is a reply with what it is about.
type replied struct {
	mail     incoming.Mail
	alert    alert.Alert // the newest, if it is about the family
	family   alert.Made
	guardian int
	contact  string
}

// reply takes a reply to an alert's mail: it answers for the sender's children, or is
// kept for staff to read. What is of nobody in the family is dropped: an address that
// was forwarded answers for nobody.
func (h *Handler) reply(ctx context.Context, m incoming.Mail, local string) (dropped string, err error) {
	alertID, familyID, err := h.Links.ParseReply(local)
	if errors.Is(err, link.ErrInvalid) {
		return "no reply address of ours", nil
	}
	if err != nil {
		return "", err
	}
	r, err := h.open(ctx, alertID, familyID, m)
	switch {
	case errors.Is(err, alert.ErrNotFound):
		return "about nothing that is there", nil
	case err != nil:
		return "", err
	case r.guardian < 0:
		return "a reply from an address that is none of the family's", nil
	}
	choice, said, ok := r.question().Read(m.Subject, m.Text)
	if !ok {
		return "", h.keep(ctx, r, said, alert.Unclear)
	}
	return h.answer(ctx, r, choice, said)
}

// open finds what a reply is about: the family's record of the newest alert, and who of
// the family wrote. An alert that replaced the one of the mail may be for fewer: then it is
// that one's record.
func (h *Handler) open(ctx context.Context, alertID, familyID string, m incoming.Mail) (replied, error) {
	a, err := h.Alerts.Alert(ctx, alertID)
	if err != nil {
		return replied{}, err
	}
	newest, err := h.Alerts.Newest(ctx, a)
	if err != nil {
		return replied{}, err
	}
	r, err := h.look(ctx, newest, familyID, m)
	if newest.ID == a.ID {
		return r, err
	}
	if errors.Is(err, alert.ErrNotFound) || err == nil && r.guardian < 0 {
		r, err = h.look(ctx, a, familyID, m)
	}
	r.alert.Choices = nil // its writer has not read the newest
	return r, err
}

// look finds a family's record of an alert, and who of the family wrote.
func (h *Handler) look(ctx context.Context, a alert.Alert, familyID string, m incoming.Mail) (r replied, err error) {
	r = replied{mail: m, alert: a, guardian: -1}
	r.family, err = h.family(ctx, a, familyID)
	if err != nil {
		return r, err
	}
	for _, c := range r.family.Family.Copies {
		if to, err := address.Parse(c.Mailbox); err == nil && to.Key() == m.Sender.Key() {
			r.guardian, r.contact = c.Guardian, c.Contact
		}
	}
	return r, nil
}

// family finds a family's record of an alert: in the classes where its children are today,
// and, as they may have changed since, in those of the alert.
func (h *Handler) family(ctx context.Context, a alert.Alert, familyID string) (alert.Made, error) {
	f, err := h.Enrol.Roster.Family(ctx, a.School, familyID)
	if err != nil && !errors.Is(err, roster.ErrNotFound) {
		return alert.Made{}, err
	}
	for _, c := range f.Children {
		made, err := h.Alerts.FindFamily(ctx, alert.Ref{Alert: a.ID, Class: c.Class, Family: familyID})
		if !errors.Is(err, alert.ErrNotFound) {
			return made, err
		}
	}
	return h.Alerts.Locate(ctx, a.ID, familyID)
}

func (r *replied) question() reply.Question {
	q := reply.Question{Subject: r.alert.Subject, Choices: r.alert.Choices}
	for _, g := range r.family.Family.Guardians {
		q.Names = append(q.Names, g.Name)
	}
	for _, c := range r.family.Family.Children {
		q.Names = append(q.Names, c.Name)
	}
	return q
}

// errAgain says that the mail was taken before: mail comes twice, and an older one
// must not replace an answer that was given since.
var errAgain = errors.New("inbound: the reply was taken before")

// answer records what a reply says, or keeps it for staff if that is too late, or if
// something was said since.
func (h *Handler) answer(ctx context.Context, r replied, choice alert.Choice, said string) (dropped string, err error) {
	err = h.record(ctx, r, choice)
	switch {
	case errors.Is(err, errAgain):
		return errAgain.Error(), nil
	case errors.Is(err, alert.ErrNewer):
		return "", h.keep(ctx, r, said, alert.Older)
	case problem.Is(err, problem.Gone):
		return "", h.keep(ctx, r, said, alert.Late)
	case err == nil:
		h.Log.Info("reply answered", "alert", r.alert.ID, "family", r.family.Family.ID)
	}
	return "", err
}

// record records what a reply says for the children for whom the guardian answers and of
// whom nothing was said since. If there are none it fails with alert.ErrNewer.
func (h *Handler) record(ctx context.Context, r replied, choice alert.Choice) error {
	ref, at := r.family.Ref(r.alert.ID), r.written(choice.Help, h.Alerts.Now())
	take := func() ([]table.Op, error) {
		op, known, err := h.Alerts.TakeReply(ctx, ref, r.name())
		if known {
			err = errAgain
		}
		return []table.Op{op}, err
	}
	err := alert.ErrNewer
	if choices := r.choices(choice, at); len(choices) > 0 {
		err = h.Alerts.Answer(ctx, r.alert, alert.AnswerRequest{
			Ref: ref, Guardian: r.guardian, By: r.family.Family.Guardians[r.guardian].ID, Contact: r.contact, Way: alert.ByMail,
			Choices: choices, At: r.after(at), Newest: &at, With: take,
		})
	}
	if errors.Is(err, alert.ErrNewer) {
		if _, err := take(); err != nil {
			return err // what was said since may have been said after this very mail was taken
		}
	}
	return err
}

// after returns when an answer that was given at a time counts from: it stands after those
// that were given for the family's other children. Whoever has the family's page open, and
// knows of no newer one, is told that there is one.
func (r *replied) after(at time.Time) time.Time {
	if newest := r.family.Family.NewestAnswer(); !at.After(newest) {
		return newest.Add(1)
	}
	return at
}

// choices has a choice for the children of whom nothing was said after a time.
func (r *replied) choices(choice alert.Choice, at time.Time) map[string]string {
	f := &r.family.Family
	choices := map[string]string{}
	for _, i := range f.Answerable(r.guardian) {
		if c := &f.Children[i]; c.Answer == nil || !c.Answer.At.After(at) {
			choices[c.ID] = choice.ID
		}
	}
	return choices
}

// written returns when a reply was written: as it says itself, unless that cannot be,
// else when it came. Phones' clocks go wrong, so what asks for help counts from when it
// came: a clock that is behind must not put it before another answer.
func (r *replied) written(help bool, now time.Time) time.Time {
	at := r.mail.At
	if at.IsZero() || at.After(now) {
		at = now
	}
	if d := r.mail.Date; !help && d.Before(at) && !d.Before(r.alert.Starts) {
		at = d
	}
	return at.UTC()
}

// name tells one mail from another.
func (r *replied) name() string {
	id := r.mail.ID
	if id == "" {
		id = r.mail.Subject + "\n" + r.mail.Text
	}
	sum := sha256.Sum256([]byte(id))
	return hex.EncodeToString(sum[:12])
}

// keep keeps a reply for staff to read, and tells who sent the alert that there is one.
func (h *Handler) keep(ctx context.Context, r replied, said string, why alert.Why) error {
	f := &r.family.Family
	kept := alert.Reply{
		Family: f.ID, Class: r.family.Class, Guardian: f.Guardians[r.guardian].ID, Name: f.Guardians[r.guardian].Name,
		Text: said, Why: why,
	}
	if kept.Text == "" {
		kept.Text = r.mail.Subject
	}
	for _, i := range f.Answerable(r.guardian) {
		kept.Children = append(kept.Children, f.Children[i].Name)
		if !slices.Contains(kept.Classes, f.Children[i].Class) {
			kept.Classes = append(kept.Classes, f.Children[i].Class)
		}
	}
	news, err := h.Alerts.KeepReply(ctx, r.alert.ID, r.name(), kept)
	if err != nil || !news || h.Memos == nil {
		return err
	}
	h.Log.Info("reply kept for staff", "alert", r.alert.ID, "family", f.ID, "why", why)
	_, err = h.Memos.Tell(ctx, h.tell(r.alert), memo.Person(r.alert.Sender.ID))
	return err
}

// tellEvery is how often somebody is mailed at most that there are replies to read.
const tellEvery = 5 * time.Minute

// tell says that there are replies, and not what they say: that is behind the link.
func (h *Handler) tell(a alert.Alert) memo.Memo {
	now := h.Alerts.Now()
	return memo.Memo{
		School: a.School, About: "replies-" + a.ID + "-" + now.UTC().Truncate(tellEvery).Format("02T1504"), Path: "/alerts/" + a.ID + "/replies",
		Until:   now.Add(24 * time.Hour),
		Subject: lang.T("保護者からの返信があります：%s", "Guardians have replied: %s", a.Title()),
		Body: lang.T("「%s」に、自動では回答にならない返信がありました。画面を開いて、内容を確認してください。\n",
			"There are replies to \"%s\" that did not count by themselves. Please open the page.\n", a.Title()),
	}
}
