package console

import (
	"context"
	"errors"
	"net/http"
	"net/mail"

	"github.com/todoku/todoku/shared/address"
	"github.com/todoku/todoku/shared/audit"
	tmail "github.com/todoku/todoku/shared/mail"
	"github.com/todoku/todoku/shared/problem"
	"github.com/todoku/todoku/shared/staff"
	"github.com/todoku/todoku/shared/web"
)

// browserCookie knows the browser again that asked for a link.
const browserCookie = "asked"

func (s *Server) browserOf(r *http.Request) string { return s.cookieOf(r, browserCookie) }

// askMail mails a sign-in link to an address if somebody has it. The answer is the
// same, and takes as long, if nobody has: on one machine the work outlives the
// request, and on AWS, where none does, every answer takes as long (web.Padded).
func (s *Server) askMail(r *http.Request) (web.Response, error) {
	form, err := web.ReadForm(r)
	if err != nil {
		return nil, err
	}
	to, err := address.Parse(form.Get("mail"))
	if err != nil {
		return s.mailWrong(form.Get("mail"), err)
	}
	asker := s.asker(r)
	if may, err := s.Staff.MayAskMail(r.Context(), asker); err != nil {
		s.Log.Warn("a request for a sign-in link is not counted", "err", err) // it may be an emergency
	} else if !may {
		return s.mailWrong(form.Get("mail"), errAsked)
	}
	browser := s.browserOf(r) // that of a link which is under way goes on working
	if browser == "" {
		browser = s.Staff.NewBrowser()
	}
	work := func(ctx context.Context) { s.mailLinks(ctx, to.String(), browser, asker) }
	if s.Background == nil {
		web.Padded(r.Context(), work)
	} else {
		s.Background(work)
	}
	return web.Redirect{To: signInPath + "/mail", Header: web.Cookies(s.cookie(browserCookie, browser, staff.MailedLife))}, nil
}

func (s *Server) mailWrong(typed string, err error) (web.Response, error) {
	wrong := problem.Of(err)
	if !wrong.Mendable() {
		return nil, err
	}
	p := &signInPage{Passkeys: s.passkeys != nil, OpenID: s.OpenID != nil, Mail: typed}
	p.Problems = problem.List{wrong[0].In("mail")}
	p.Scripts = []string{"passkey.js"}
	status := web.Status(problem.Invalid)
	if problem.Is(err, problem.TooMany) {
		status = web.Status(problem.TooMany)
	}
	return web.Page{Template: "signin.html", Data: p, Status: status}, nil
}

// errAsked says how to get in although others on the same connection have asked too
// often.
var errAsked = problem.New(problem.TooMany,
	"この回線からの依頼が多いため、いまは受け付けられません。パスキーでサインインするか、10分ほど待つか、別の回線（携帯電話の回線など）でお試しください。管理者のコードも使えます。",
	"Too many links were asked for from this connection. Sign in with a passkey, wait ten minutes, or try another connection, such as a mobile one. A manager's code works, too.")

func (s *Server) mailAsked(*http.Request) (web.Response, error) {
	return web.Page{Template: "signin_mail.html", Data: &signInPage{}}, nil
}

// mailLinks mails a link to everybody who has an address. What goes wrong is for the
// log: the person who asked is told the same in any case.
func (s *Server) mailLinks(ctx context.Context, to, browser string, asker staff.Asker) {
	people, err := s.Staff.ByMail(ctx, to)
	if err != nil {
		s.Log.Error("nobody looked up for a sign-in link", "err", err)
	}
	for _, m := range people {
		if err := s.mailLink(ctx, m, browser, asker); err != nil {
			s.Log.Error("sign-in link not mailed", "staff", m.ID, "err", err)
		}
	}
}

func (s *Server) mailLink(ctx context.Context, m staff.Staff, browser string, asker staff.Asker) error {
	token, err := s.Staff.NewMailedLink(ctx, m.ID, browser, asker)
	if errors.Is(err, staff.ErrNotFound) { // some were mailed just now, or many today
		s.Log.Info("no sign-in link for now", "staff", m.ID)
		return nil
	}
	if errors.Is(err, staff.ErrPasskey) {
		return s.barred(ctx, m)
	}
	if err != nil {
		return err
	}
	if _, err := s.Audit.Add(ctx, entry(m, audit.Link, "", "mail")); err != nil {
		return err
	}
	school, err := s.Roster.School(ctx, m.School)
	if err != nil {
		return err
	}
	link, now := s.SignInURL(token), s.Now()
	return s.Mail.Send(ctx, &tmail.Message{
		ID: s.Alerts.IDs.New(), From: mail.Address{Name: school.Name, Address: school.Mail}, To: mail.Address{Address: address.MailboxOf(m.Mail)},
		Subject: "サインイン用リンク / Sign-in link",
		Text: school.Name + "\n\n依頼したブラウザーで、15分以内に開いてください。一度だけ使えます。\nOpen this within 15 minutes, in the browser in which you asked for it. It works once.\n\n" + link +
			"\n\n心当たりがなければ、何もしないでください。だれもサインインできません。\nIf you did not ask for this, do nothing: nobody can sign in.\n",
		Date: now, Deadline: now.Add(staff.MailedLife),
	})
}
