package console

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/todoku/todoku/shared/audit"
	"github.com/todoku/todoku/shared/problem"
	"github.com/todoku/todoku/shared/staff"
	"github.com/todoku/todoku/shared/web"
)

// Paths of signing in.
const (
	signInPath  = "/sign-in"
	signOutPath = "/sign-out"
)

func (s *Server) signInRoutes(rt *routes) {
	rt.open("GET "+signInPath, s.getSignIn)
	rt.open("POST "+signInPath+"/mail", s.askMail)
	rt.open("GET "+signInPath+"/mail", s.mailAsked)
	rt.open("POST "+signInPath+"/passkey/begin", s.beginPasskey)
	rt.open("POST "+signInPath+"/passkey", s.postPasskey)
	rt.open("GET "+signInPath+"/code", s.askCode)
	rt.open("POST "+signInPath+"/code", s.postCode)
	rt.open("GET "+openIDPath, s.beginOpenID)
	rt.open("GET "+openIDCallback, s.endOpenID)
	rt.open("GET "+signInPath+"/{token}", s.getSignInLink)
	rt.open("POST "+signInPath+"/{token}", s.postSignInLink)
	rt.open("GET "+signOutPath, s.getSignOut)
	rt.open("POST "+signOutPath, s.postSignOut)
}

// SignInURL returns the address of a sign-in link with a token of staff.NewLink.
func (a *App) SignInURL(token string) string { return a.BaseURL + signInPath + "/" + token }

// cookieName returns what a cookie is called. With the prefix __Host- a browser takes it
// over HTTPS only, and from this very host (RFC 6265bis, 4.1.3.2); a machine in the
// office that is reached by plain HTTP does without.
func (s *Server) cookieName(name string) string {
	if s.Secure {
		return "__Host-" + name
	}
	return name
}

const sessionCookie = "session"

// sessionSecret returns the secret of a request's session, "" if it has none.
func (s *Server) sessionSecret(r *http.Request) string {
	return s.cookieOf(r, sessionCookie)
}

// cookie returns a cookie that scripts cannot read and that other sites' forms do
// not carry. Without a value it is removed.
func (s *Server) cookie(name, value string, life time.Duration) *http.Cookie {
	c := &http.Cookie{
		Name: s.cookieName(name), Value: value, Path: "/", MaxAge: int(life.Seconds()),
		HttpOnly: true, SameSite: http.SameSiteLaxMode, Secure: s.Secure,
	}
	if value == "" {
		c.MaxAge = -1
	}
	return c
}

// signInPage is the data of signin.html, signin_link.html and signin_out.html.
type signInPage struct {
	web.Base
	Token string // of the link
	Name  string // who is signed in already, "" if nobody

	Passkeys bool // there are some at this address
	OpenID   bool // there is a provider
	Mail     string
	Code     string
}

// nextCookie remembers, while somebody signs in, which page to lead back to. The
// link comes by another way and cannot hold it.
const nextCookie = "next"

func (s *Server) getSignIn(r *http.Request) (web.Response, error) {
	p := s.waysIn(r, nil)
	if next := r.URL.Query().Get("next"); isLocal(next) {
		p.Header = web.Cookies(s.cookie(nextCookie, url.QueryEscape(next), staff.LinkLife))
	}
	return p, nil
}

// waysIn shows how to sign in, and what is wrong with the way that was tried.
func (s *Server) waysIn(r *http.Request, wrong problem.List) web.Page {
	data := &signInPage{Name: visitorOf(r).staff.Name, Passkeys: s.passkeys != nil, OpenID: s.OpenID != nil}
	data.Scripts, data.Problems = []string{"passkey.js"}, wrong
	p := web.Page{Template: "signin.html", Data: data}
	if len(wrong) > 0 {
		p.Status = web.Status(wrong[0].Kind)
	}
	return p
}

// isLocal reports whether an address is a path of this site. A second slash or a
// backslash would lead a browser to another one.
func isLocal(next string) bool {
	u, err := url.Parse(next)
	return err == nil && u.Scheme == "" && u.Host == "" && len(next) < 1000 &&
		strings.HasPrefix(next, "/") && !strings.HasPrefix(next, "//") && !strings.Contains(next, "\\")
}

// next returns where to go after signing in.
func (s *Server) next(r *http.Request) string {
	to, err := url.QueryUnescape(s.cookieOf(r, nextCookie))
	if err != nil || !isLocal(to) {
		return "/"
	}
	return to
}

// getSignInLink shows a button and changes nothing: mail scanners, previews and
// browsers that load ahead open links, too.
func (s *Server) getSignInLink(r *http.Request) (web.Response, error) {
	token := r.PathValue("token")
	if err := s.Staff.CheckLink(r.Context(), token, s.browserOf(r)); err != nil {
		return s.linkFailed(r, err)
	}
	return web.Page{Template: "signin_link.html", Data: &signInPage{Token: token}}, nil
}

// linkFailed leads those on who are signed in already, most often by this very
// link: they opened it again, or clicked twice. The others see how else to sign in.
func (s *Server) linkFailed(r *http.Request, err error) (web.Response, error) {
	switch {
	case !errors.Is(err, staff.ErrLink):
		return nil, err
	case visitorOf(r).err == nil:
		return web.Redirect{To: "/"}, nil
	}
	return s.waysIn(r, problem.Of(err)), nil
}

func (s *Server) postSignInLink(r *http.Request) (web.Response, error) {
	secret, me, err := s.Staff.SignIn(r.Context(), r.PathValue("token"), s.browserOf(r))
	if err != nil {
		return s.linkFailed(r, err)
	}
	s.Log.Info("signed in", "staff", me.ID)
	s.note(r, entry(me, audit.SignIn, "", "link"))
	return s.welcome(r, me, secret), nil
}

// getSignOut asks before it is done: GET changes nothing. Who is signed out
// already is told so.
func (s *Server) getSignOut(r *http.Request) (web.Response, error) {
	return web.Page{Template: "signin_out.html", Data: &signInPage{Name: visitorOf(r).staff.Name}}, nil
}

func (s *Server) postSignOut(r *http.Request) (web.Response, error) {
	if err := s.Staff.SignOut(r.Context(), s.sessionSecret(r)); err != nil {
		return nil, err
	}
	if v := visitorOf(r); v.err == nil {
		s.note(r, entry(v.staff, audit.SignOut, "", ""))
	}
	return web.Redirect{To: signOutPath, Header: web.Cookies(s.cookie(sessionCookie, "", 0))}, nil
}

// askCode shows where a printed code is entered.
func (s *Server) askCode(*http.Request) (web.Response, error) {
	return web.Page{Template: "signin_code.html", Data: &signInPage{}}, nil
}

var errCode = problem.New(problem.Invalid,
	"このコードは使えません。紙のとおりに24文字を入力してください。使用済みか期限切れなら、管理者に新しいコードを依頼してください。",
	"This code does not work. Enter its 24 characters as printed. If it was used or has expired, ask a manager for a new one.").In("code")

// postCode signs in with a printed code that somebody typed.
func (s *Server) postCode(r *http.Request) (web.Response, error) {
	form, err := web.ReadForm(r)
	if err != nil {
		return nil, err
	}
	asker := s.asker(r)
	if may, err := s.Staff.MayTryCode(r.Context(), asker); err != nil {
		s.Log.Warn("wrong codes are not counted", "err", err)
	} else if !may {
		return codeWrong(form.Get("code"), errCodes), nil
	}
	secret, me, err := s.Staff.SignIn(r.Context(), staff.ParseCode(form.Get("code")), "")
	if errors.Is(err, staff.ErrLink) {
		if err := s.Staff.TriedCode(r.Context(), asker); err != nil {
			s.Log.Warn("a wrong code is not counted", "err", err)
		}
		return codeWrong(form.Get("code"), errCode), nil
	}
	if err != nil {
		return nil, err
	}
	s.Log.Info("signed in", "staff", me.ID)
	s.note(r, entry(me, audit.SignIn, "", "code"))
	return s.welcome(r, me, secret), nil
}

func codeWrong(typed string, why *problem.Error) web.Response {
	p := &signInPage{Code: typed}
	p.Problems = problem.List{why}
	return web.Page{Template: "signin_code.html", Data: p}
}

// errCodes says how to get in although others on the same connection have guessed.
var errCodes = problem.New(problem.TooMany,
	"この回線から誤ったコードが何度も入力されたため、いまは受け付けられません。10分ほど待つか、別の回線（携帯電話の回線など）でお試しください。メールのリンクやパスキーは、いまも使えます。",
	"Too many wrong codes came from this connection. Wait ten minutes, or try another connection, such as a mobile one. A mailed link or a passkey works now.").In("code")

// knownCookie remembers a browser in which somebody has signed in: see staff.Know.
const knownCookie = "known"

// asker says who asks to be let in, for the budgets.
func (s *Server) asker(r *http.Request) staff.Asker {
	return s.Staff.Asker(r.Context(), web.Source(r), s.cookieOf(r, knownCookie))
}

// cookieOf returns the value of a cookie of s.cookie.
func (s *Server) cookieOf(r *http.Request, name string) string {
	c, err := r.Cookie(s.cookieName(name))
	if err != nil {
		return ""
	}
	return c.Value
}
