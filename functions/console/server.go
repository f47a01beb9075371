package console

import (
	"context"
	"embed"
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/go-webauthn/webauthn/webauthn"

	"github.com/todoku/todoku/shared/access"
	"github.com/todoku/todoku/shared/alert"
	"github.com/todoku/todoku/shared/docket"
	"github.com/todoku/todoku/shared/lane"
	"github.com/todoku/todoku/shared/lang"
	"github.com/todoku/todoku/shared/problem"
	"github.com/todoku/todoku/shared/roster"
	"github.com/todoku/todoku/shared/staff"
	"github.com/todoku/todoku/shared/web"
)

//go:embed templates/*.html
var templates embed.FS

// Server is the console: the pages and the JSON API over the services of App.
type Server struct {
	*App
	Staff *staff.Store
	Lanes *lane.Lanes // for what the lanes are called
	// School is whom the last-resort error page names. Other pages name the
	// school of whoever is signed in.
	School web.School
	// Secure says that the console is reached by HTTPS only.
	Secure bool
	// Background runs work that outlives the request that asked for it; its context ends
	// when the work is to stop. If it is nil no work does, as on AWS: an imports.Handler
	// takes imports of rosters from Jobs, and answers wait for mails.
	Background func(work func(ctx context.Context))
	// MaxSheet is how many bytes a class list may have where less than
	// roster.MaxSheetBytes gets through; 0: that many.
	MaxSheet int64

	// OpenID is where staff can sign in as well; nil: nowhere.
	OpenID *OpenID

	passkeys *webauthn.WebAuthn // nil: none at this address

	site   *web.Site
	routes []route // all of them, for the test that walks them
}

func (s *Server) maxSheet() int64 {
	if s.MaxSheet == 0 {
		return roster.MaxSheetBytes
	}
	return s.MaxSheet
}

// Handler returns the console. It fails if its templates are faulty.
func (s *Server) Handler() (http.Handler, error) {
	site, err := web.New(web.Config{
		Pages: templates, Log: s.Log, School: s.School,
		Frame: s.frame, Explain: explain, Secure: s.Secure, BaseURL: s.BaseURL,
	})
	if err != nil {
		return nil, err
	}
	s.site = site
	if s.passkeys, err = newPasskeys(s.BaseURL); err != nil {
		return nil, err
	}
	rt := &routes{server: s, mux: http.NewServeMux()}
	s.alertRoutes(rt)
	s.noteRoutes(rt)
	s.quickRoutes(rt)
	s.statusRoutes(rt)
	s.deskRoutes(rt)
	s.gateRoutes(rt)
	s.districtRoutes(rt)
	s.reportRoutes(rt)
	s.usageRoutes(rt)
	s.signInRoutes(rt)
	s.meRoutes(rt)
	s.proveRoutes(rt)
	s.apiRoutes(rt)
	s.rosterRoutes(rt)
	s.reachRoutes(rt)
	s.auditRoutes(rt)
	s.peopleRoutes(rt)
	s.ruleRoutes(rt)
	s.glassRoutes(rt)
	s.chaseRoutes(rt)
	s.drillRoutes(rt)
	s.cardRoutes(rt)
	s.replyRoutes(rt)
	s.tokenRoutes(rt)
	s.systemRoutes(rt)
	s.lostRoutes(rt)
	s.routes = rt.all
	return s.recognise(site.Root(rt.mux)), nil
}

// explain gives what the domain does not find a sentence.
func explain(err error) error {
	switch {
	case errors.Is(err, alert.ErrNotFound), errors.Is(err, roster.ErrNotFound), errors.Is(err, staff.ErrNotFound):
		return problem.New(problem.NotFound,
			"お探しのものは見つかりません。削除されたか、アドレスが間違っている可能性があります。",
			"What you are looking for was not found. It may have been deleted, or the address may be wrong.").Because(err)
	}
	return err
}

// staffHandler is a handler for somebody who is signed in.
type staffHandler func(r *http.Request, me staff.Staff) (web.Response, error)

// visitor is who sends a request, as the session cookie says.
type visitor struct {
	staff staff.Staff
	err   error // why it is nobody
}

type visitorKey struct{}

// recognise looks up once a request who is signed in, for the handlers and for
// the frame of error pages. The API and static files have no use for it.
func (s *Server) recognise(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/api/") || strings.HasPrefix(r.URL.Path, "/static/") {
			next.ServeHTTP(w, r)
			return
		}
		var v visitor
		v.staff, v.err = s.Staff.BySession(r.Context(), s.sessionSecret(r))
		if v.err == nil {
			v.staff, v.err = s.turned(r.Context(), v.staff)
		}
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), visitorKey{}, v)))
	})
}

func visitorOf(r *http.Request) visitor {
	v, ok := r.Context().Value(visitorKey{}).(visitor)
	if !ok {
		v.err = staff.ErrSession
	}
	return v
}

// signedIn returns h for those who are signed in. Who is not is sent to sign in,
// and from there back to the page; somebody who was sending a form gets a page
// that says how to send it after all.
func (s *Server) signedIn(h staffHandler) web.Handler {
	return func(r *http.Request) (web.Response, error) {
		v := visitorOf(r)
		switch {
		case v.err == nil:
			return h(r, v.staff)
		case problem.Is(v.err, problem.Unauthorized) && (r.Method == http.MethodGet || r.Method == http.MethodHead):
			return web.Redirect{To: "/sign-in?next=" + url.QueryEscape(r.URL.RequestURI())}, nil
		case problem.Is(v.err, problem.Unauthorized):
			return nil, signInToSend
		}
		return nil, v.err
	}
}

var signInToSend = problem.New(problem.Unauthorized,
	"サインアウトしたため、まだ送信されていません。別のタブでサインインしてから、この画面を再読み込みすると、入力した内容をそのまま送れます。",
	"You were signed out, so this was not sent. Sign in in another tab, then reload this page: what you entered is sent as it is.")

// navigation is shown to those who may do what it leads to.
var navigation = []struct {
	web.NavLink
	do access.Action
}{
	{web.NavLink{Text: lang.T("連絡", "Alerts"), Href: "/"}, access.SeeAlert},
	{web.NavLink{Text: lang.T("各校の状況", "Schools"), Href: districtPath}, access.Overview},
	{web.NavLink{Text: lang.T("新しい連絡", "New alert"), Href: "/alerts/new"}, access.Send},
	{web.NavLink{Text: lang.T("名簿", "Roster"), Href: "/roster"}, access.Roster},
	{web.NavLink{Text: lang.T("登録状況", "Registration"), Href: reachPath}, access.Reach},
	{web.NavLink{Text: lang.T("届かない連絡先", "Lost mail"), Href: docket.Path}, access.Lost},
	{web.NavLink{Text: lang.T("教職員", "People"), Href: peoplePath}, access.People},
	{web.NavLink{Text: lang.T("訓練", "Drills"), Href: drillsPath}, access.Settings},
	{web.NavLink{Text: lang.T("システム", "System"), Href: systemPath}, access.Operate},
	{web.NavLink{Text: lang.T("操作の記録", "Audit log"), Href: "/audit"}, access.Audit},
	{web.NavLink{Text: lang.T("あなたの設定", "Your settings"), Href: mePath}, access.Own},
	{web.NavLink{Text: lang.T("サインアウト", "Sign out"), Href: "/sign-out"}, access.Own},
}

// frame puts the school's name, phone and zone around a page, and the navigation
// for whoever is signed in. If the school cannot be read the page is shown
// without: it is more use than an error.
func (s *Server) frame(r *http.Request, b *web.Base) {
	v := visitorOf(r)
	if v.err != nil {
		return
	}
	for _, n := range navigation {
		n.Current = n.Href == r.URL.Path
		if access.MayAnywhere(v.staff, n.do) {
			b.Nav = append(b.Nav, n.NavLink)
		}
	}
	if school, err := s.Roster.School(r.Context(), v.staff.School); err == nil {
		b.School = web.School{Name: school.Name, Phone: school.Phone}
		b.Zone = school.Location()
	}
}
