package console

import (
	"context"
	"net/http"
	"net/mail"
	"slices"

	"github.com/todoku/todoku/shared/access"
	"github.com/todoku/todoku/shared/address"
	"github.com/todoku/todoku/shared/audit"
	"github.com/todoku/todoku/shared/lang"
	tmail "github.com/todoku/todoku/shared/mail"
	"github.com/todoku/todoku/shared/problem"
	"github.com/todoku/todoku/shared/staff"
	"github.com/todoku/todoku/shared/web"
)

const rulePath = peoplePath + "/sign-in"

func (s *Server) ruleRoutes(rt *routes) {
	rt.page("GET "+rulePath, access.People, s.getRule, asksAnew(""))
	rt.page("POST "+rulePath, access.People, s.postRule, recordsItself(), asksAnew(""))
}

// ruleChoice is a way in which a school can sign in.
type ruleChoice struct {
	Value      staff.Rule
	Name, Hint lang.Text
}

var ruleChoices = []ruleChoice{
	{staff.AnyWay, lang.T("パスキー、またはメールのリンク", "A passkey, or a mailed link"), lang.T("端末を失くしても、だれにも頼まずにサインインできます。", "Who has lost the device comes in without asking anybody.")},
	{staff.NoMail, lang.T("パスキー、または組織のアカウント", "A passkey, or the organisation's account"), lang.T("メールのリンクではサインインできません。組織のアカウントで、多要素認証を必須にしてください。", "No mailed links. Have the organisation's accounts ask for two factors.")},
	{staff.PasskeyOnly, lang.T("パスキーだけ", "A passkey only"), lang.T("メールのリンクでも、組織のアカウントでも、サインインできません。", "Neither mailed links nor the organisation's accounts.")},
}

// rulePage is the data of signin_rule.html.
type rulePage struct {
	web.Base
	Rule    staff.Rule
	Choices []ruleChoice
	Keyless []staff.Person // who could not come in with a passkey
	Mailed  int            // of them have an address
}

func (s *Server) getRule(r *http.Request, me staff.Staff) (web.Response, error) {
	rule, err := s.Staff.Rule(r.Context(), me.School)
	if err != nil {
		return nil, err
	}
	return s.ruleWith(r, me, rule, nil)
}

// ruleWith shows the choice, and whom a stricter one would keep out.
func (s *Server) ruleWith(r *http.Request, me staff.Staff, rule staff.Rule, wrong problem.List) (web.Response, error) {
	p := &rulePage{Rule: rule, Choices: slices.DeleteFunc(slices.Clone(ruleChoices), func(c ruleChoice) bool {
		return c.Value == staff.NoMail && s.OpenID == nil && rule != staff.NoMail
	})}
	people, err := s.Staff.People(r.Context(), me.School)
	if err != nil {
		return nil, err
	}
	for _, m := range people {
		if m.Keys > 0 || m.Disabled {
			continue
		}
		p.Keyless = append(p.Keyless, m)
		if m.Mail != "" {
			p.Mailed++
		}
	}
	if r.URL.Query().Get("done") != "" {
		p.Notice = lang.T("保存しました。次のサインインから有効です。", "Saved. It counts from the next sign-in.").In(web.Language(r))
	}
	p.Problems, p.Scripts = wrong, []string{"once.js"}
	return web.Page{Template: "signin_rule.html", Data: p}, nil
}

func (s *Server) postRule(r *http.Request, me staff.Staff) (web.Response, error) {
	form, err := web.ReadForm(r)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(ruleChoices, func(c ruleChoice) bool { return string(c.Value) == form.Get("rule") })
	switch {
	case i < 0 || ruleChoices[i].Value == staff.NoMail && s.OpenID == nil:
		return s.ruleWith(r, me, "?", problem.List{problem.New(problem.Invalid, "どれか一つを選んでください。", "Choose one of them.").In("rule")})
	case ruleChoices[i].Value != staff.AnyWay && s.passkeys == nil:
		return s.ruleWith(r, me, ruleChoices[i].Value, problem.List{errNoPasskeys.In("rule")})
	}
	to := ruleChoices[i]
	err = s.record(r.Context(), entry(me, audit.Settings, "", "サインインの方法: "+to.Name.JA), func() error {
		return s.Staff.SetRule(r.Context(), me.School, to.Value)
	})
	if wrong := s.site.Mendable(err); len(wrong) > 0 {
		return s.ruleWith(r, me, to.Value, wrong)
	}
	if err != nil {
		return nil, err
	}
	if to.Value != staff.AnyWay && form.Get("tell") != "" {
		err = s.letKeylessIn(r, me)
	}
	return web.Redirect{To: rulePath + "?done=1"}, err
}

// letKeylessIn lets everybody in by mail once who has no passkey yet, and tells them how.
func (s *Server) letKeylessIn(r *http.Request, me staff.Staff) error {
	people, err := s.Staff.People(r.Context(), me.School)
	if err != nil {
		return err
	}
	for _, p := range people {
		if p.Keys > 0 || p.Disabled || p.Mail == "" {
			continue
		}
		if err := s.inviteAs(r.Context(), me, p.Staff); err != nil {
			s.Log.Error("invitation not mailed", "staff", p.ID, "err", err)
		}
	}
	return nil
}

// barred tells somebody who asked for a link that their school takes none. It does no more
// than mailLink does, so that the page takes as long. To whom it goes has an account, so it
// may say so.
func (s *Server) barred(ctx context.Context, m staff.Staff) error {
	school, err := s.Roster.School(ctx, m.School)
	if err != nil {
		return err
	}
	now := s.Now()
	return s.Mail.Send(ctx, &tmail.Message{
		ID: s.Alerts.IDs.New(), From: mail.Address{Name: school.Name, Address: school.Mail}, To: mail.Address{Address: address.MailboxOf(m.Mail)},
		Subject: "サインインについて / About signing in",
		Text:    school.Name + "\n\n" + staff.ErrPasskey.Text.JA + "\n\n" + staff.ErrPasskey.Text.EN + "\n\n" + s.BaseURL + signInPath + "\n\n心当たりがなければ、何もしないでください。\nIf you did not ask to sign in, do nothing.\n",
		Date:    now, Deadline: now.Add(staff.MailedLife),
	})
}
