package console

import (
	"net/http"
	"strings"
	"time"

	"github.com/todoku/todoku/shared/access"
	"github.com/todoku/todoku/shared/alert"
	"github.com/todoku/todoku/shared/audience"
	"github.com/todoku/todoku/shared/lang"
	"github.com/todoku/todoku/shared/mail"
	"github.com/todoku/todoku/shared/staff"
	"github.com/todoku/todoku/shared/web"
)

// draftPage is the data of preview.html.
type draftPage struct {
	web.Base
	Preview
	Form compose
	Old  string
	Mail *mail.Message
	Me   staff.Staff

	Forecast *forecast // nil: nothing can be said
	Followed string    // subject of the alert of which only those are told who have not answered it
	Open     []openLine
	Stopped  []lang.Text // why mails will not leave
	now      time.Time
}

// Drill reports whether the alert is a drill.
func (p *draftPage) Drill() bool { return p.Draft.Kind == alert.Drill }

// KindName returns what the alert's kind is called.
func (p *draftPage) KindName() lang.Text { return kindName(p.Draft.Kind) }

// Reminder says when and how often those are reminded who have not answered, as long as the
// alert is useful.
func (p *draftPage) Reminder() lang.Text {
	d := p.Draft
	left, times := d.UsefulUntil.Sub(p.now)-d.RemindAfter, d.RemindTimes
	if d.RemindAfter > 0 && left <= 0 {
		return lang.T("しない（%d分後には有効期限が過ぎています）", "none (after %d minutes the alert is not useful any more)", int(d.RemindAfter/time.Minute))
	}
	if d.RemindEvery > 0 {
		times = min(times, 1+int((left-1)/d.RemindEvery))
	}
	return reminderWords(d.RemindAfter, d.RemindEvery, times)
}

// Confirm is what the button says: what is sent, to whom, and to how many.
func (p *draftPage) Confirm() lang.Text {
	if p.Followed != "" {
		return lang.T("%[1]sを送信する（未回答の家庭だけ・約%[3]d人）", "Send the %[2]s (only those who have not answered, children: about %[3]d)",
			p.KindName().JA, strings.ToLower(p.KindName().EN), p.Size.Children)
	}
	return lang.T("%[1]sを送信する（%[3]s・%[5]d人）", "Send the %[2]s (%[4]s, children: %[5]d)",
		p.KindName().JA, strings.ToLower(p.KindName().EN), p.To().JA, p.To().EN, p.Size.Children)
}

// To says whom the alert is for.
func (p *draftPage) To() lang.Text {
	if p.Draft.All && access.MayAnywhere(p.Me, access.Overview) {
		return allOf(p.Me, p.School.Name)
	}
	return audience.Said(p.Draft.Audience, p.Draft.All)
}

func (s *Server) previewAlert(r *http.Request, me staff.Staff) (web.Response, error) {
	return s.previewWith(r, me, "")
}

// previewWith shows the preview of the posted form, or the form with what is
// wrong with it.
func (s *Server) previewWith(r *http.Request, me staff.Staff, notice string) (web.Response, error) {
	ctx := r.Context()
	f, err := s.fill(r, me)
	if err != nil {
		return nil, err
	}
	if err := s.maySend(ctx, me, f.draft); err != nil {
		return s.formOr(ctx, me, f, err)
	}
	p, err := s.judge(ctx, &f)
	if err != nil {
		return s.formOr(ctx, me, f, err)
	}
	if len(f.wrong) > 0 {
		return s.composeAgain(ctx, me, f.form, f.wrong)
	}
	page := &draftPage{now: s.Now(), Preview: p, Form: f.form, Mail: p.Mail, Me: me, Old: s.replaced(ctx, me, f.form.Supersedes)}
	page.Followed = s.replaced(ctx, me, f.draft.Follows)
	page.Forecast = s.forecast(ctx, p)
	page.Open = s.openFor(ctx, me, f.draft)
	if page.Stopped, err = s.brakeWords(ctx); err != nil {
		s.Log.Warn("the brake was not read", "err", err)
	}
	page.Notice = notice
	page.Scripts = []string{"once.js"}
	page.Resubmit = web.Resubmit{Form: "send", Action: "/alerts/preview"}
	return web.Page{Template: "preview.html", Data: page, Header: keptForBack()}, nil
}
