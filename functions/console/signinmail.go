package console

import (
	"context"
	"errors"
	"net/http"
	"net/mail"
	"time"

	"github.com/todoku/todoku/shared/address"
	"github.com/todoku/todoku/shared/audit"
	tmail "github.com/todoku/todoku/shared/mail"
	"github.com/todoku/todoku/shared/problem"
	"github.com/todoku/todoku/shared/staff"
	"github.com/todoku/todoku/shared/web"
)

// browserCookie knows the browser again that asked for a link.
const browserCookie = "asked"

func browserOf(r *http.Request) string {
	c, err := r.Cookie(browserCookie)
	if err != nil {
		return ""
	}
	return c.Value
}

// askMail mails a sign-in link to an address if somebody has it. The answer is the
// same, and takes as long, if nobody has: on one machine the work outlives the
// request, and on AWS, where none does, every answer takes mailPause.
func (s *Server) askMail(r *http.Request) (web.Response, error) {
	form, err := web.ReadForm(r)
	if err != nil {
		return nil, err
	}
	to, err := address.Parse(form.Get("mail"))
	if err != nil {
		return s.mailWrong(form.Get("mail"), err)
	}
	browser := browserOf(r) // that of a link which is under way goes on working
	if browser == "" {
		browser = s.Staff.NewBrowser()
	}
	work := func(ctx context.Context) { s.mailLinks(ctx, to.String(), browser) }
	if s.QueueImports {
		pause := time.NewTimer(mailPause)
		defer pause.Stop()
		work(r.Context())
		<-pause.C
	} else {
		s.background(r.Context(), work)
	}
	return web.Redirect{To: signInPath + "/mail", Header: web.Cookies(s.cookie(browserCookie, browser, staff.MailedLife))}, nil
}

// mailPause is longer than it takes to find a person and to hand SES a mail.
const mailPause = 2 * time.Second

func (s *Server) mailWrong(typed string, err error) (web.Response, error) {
	if !problem.Is(err, problem.Invalid) && !problem.Is(err, problem.TooLarge) {
		return nil, err
	}
	p := &signInPage{Passkeys: s.passkeys != nil, Mail: typed}
	p.Problems = problem.List{problem.Of(err)[0].In("mail")}
	p.Scripts = []string{"passkey.js"}
	return web.Page{Template: "signin.html", Data: p, Status: web.Status(problem.Invalid)}, nil
}

func (s *Server) mailAsked(*http.Request) (web.Response, error) {
	return web.Page{Template: "signin_mail.html", Data: &signInPage{}}, nil
}

// mailLinks mails a link to everybody who has an address. What goes wrong is for the
// log: the person who asked is told the same in any case.
func (s *Server) mailLinks(ctx context.Context, to, browser string) {
	people, err := s.Staff.ByMail(ctx, to)
	if err != nil {
		s.Log.Error("nobody looked up for a sign-in link", "err", err)
	}
	for _, m := range people {
		if err := s.mailLink(ctx, m, browser); err != nil {
			s.Log.Error("sign-in link not mailed", "staff", m.ID, "err", err)
		}
	}
}

func (s *Server) mailLink(ctx context.Context, m staff.Staff, browser string) error {
	token, err := s.Staff.NewMailedLink(ctx, m.ID, browser)
	if errors.Is(err, staff.ErrNotFound) {
		return nil // one was mailed just now
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
		ID: s.Alerts.IDs.New(), From: mail.Address{Name: school.Name, Address: school.Mail}, To: mail.Address{Address: m.Mail},
		Subject: "サインイン用リンク / Sign-in link",
		Text: school.Name + "\n\n依頼したブラウザで、15分以内に開いてください。一度だけ使えます。\nOpen this within 15 minutes, in the browser in which you asked for it. It works once.\n\n" + link +
			"\n\n心当たりがなければ、何もしないでください。だれもサインインできません。\nIf you did not ask for this, do nothing: nobody can sign in.\n",
		Date: now, Deadline: now.Add(staff.MailedLife),
	})
}
