// Package registration serves the pages on which guardians register: the form
// behind a slip's code, the page that waits for the mail, and the page behind the
// link of that mail, whose POST makes the address a verified contact.
//
// No page shows anything of a child before the address was proven by its link.
// GET and HEAD only read, because mail scanners and previews open links.
package registration

import (
	"context"
	"embed"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"github.com/todoku/todoku/functions/registration/mailhelp"
	"github.com/todoku/todoku/shared/alert"
	"github.com/todoku/todoku/shared/enrol"
	"github.com/todoku/todoku/shared/lane"
	"github.com/todoku/todoku/shared/link"
	"github.com/todoku/todoku/shared/mailhost"
	"github.com/todoku/todoku/shared/problem"
	"github.com/todoku/todoku/shared/roster"
	"github.com/todoku/todoku/shared/web"
)

//go:embed templates/*.html
var templates embed.FS

// Config says what the pages need.
type Config struct {
	Enrol   *enrol.Store
	Alerts  *alert.Store // which the family cards answer
	Poster  *enrol.Poster
	Links   *link.Signer
	Lanes   *lane.Lanes // for what an address's operator is called
	Now     func() time.Time
	Log     *slog.Logger
	School  web.School      // on pages that know of no other
	BaseURL string          // where the pages are seen from outside, without a slash at the end
	Secure  bool            // the site is reached by HTTPS only
	Hosts   *mailhost.Store // what DNS says of mail domains; nil: it is not asked
	// Background runs work that outlives the request that asked for it. If it is nil no work
	// does, as on AWS: who asks for mail waits for two seconds, whatever there is to do.
	Background func(work func(ctx context.Context))
}

// handler serves the pages.
type handler struct {
	Config
	site *web.Site
}

// New returns the pages at and under enrol.Path and mailhelp.Path, with the static files that they use.
func New(cfg Config) (http.Handler, error) {
	site, err := web.New(web.Config{Pages: templates, Log: cfg.Log, School: cfg.School, Secure: cfg.Secure, BaseURL: cfg.BaseURL, Explain: explain})
	if err != nil {
		return nil, err
	}
	h := &handler{cfg, site}
	mux := http.NewServeMux()
	mux.Handle("GET "+enrol.Path, site.Handle(h.form))
	mux.Handle("POST "+enrol.Path, site.Handle(h.register))
	mux.Handle("GET "+enrol.Path+"/{code}", site.Handle(h.form))
	mux.Handle("POST "+enrol.Path+"/check", site.Handle(h.check))
	mux.Handle("GET "+enrol.CardPath+"/{code}", site.Handle(h.card))
	mux.Handle("POST "+enrol.CardPath+"/{code}", site.Handle(h.answerCard))
	mux.Handle("GET "+link.Wait.Path()+"{token}", site.Handle(h.wait))
	mux.Handle("POST "+link.Wait.Path()+"{token}", site.Handle(h.sendAgain))
	mux.Handle("GET "+link.Confirm.Path()+"{token}", site.Handle(h.showConfirm))
	mux.Handle("POST "+link.Confirm.Path()+"{token}", site.Handle(h.confirm))
	mux.Handle("GET "+enrol.Path+"/own", site.Handle(h.askOwn))
	mux.Handle("POST "+enrol.Path+"/own", site.Handle(h.sendOwn))
	mux.Handle("GET "+link.Own.Path()+"{token}", site.Handle(h.own))
	mux.Handle("POST "+link.Own.Path()+"{token}", site.Handle(h.changeOwn))
	mux.Handle("GET "+link.Leave.Path()+"{token}", site.Handle(h.showLeave))
	mux.Handle("POST "+link.Leave.Path()+"{token}", site.Handle(h.leave))
	help, err := mailhelp.New(mailhelp.Config{Roster: cfg.Enrol.Roster, Log: cfg.Log, School: cfg.School, Secure: cfg.Secure})
	if err != nil {
		return nil, err
	}
	root := http.NewServeMux()
	root.Handle(mailhelp.Path, help)
	root.Handle(mailhelp.Path+"/", help)
	root.Handle("/", site.Root(mux))
	return root, nil
}

// errLink says that a link leads nowhere.
var errLink = problem.New(problem.NotFound,
	"リンクの一部が欠けているか、登録がすでに削除されています。メールのリンクをもう一度押すか、登録をやり直してください。",
	"Part of the address is missing, or the registration has been deleted. Tap the link in the mail again, or register again.")

// explain gives what the domain does not find a sentence.
func explain(err error) error {
	if errors.Is(err, enrol.ErrNotFound) || errors.Is(err, roster.ErrNotFound) || errors.Is(err, link.ErrInvalid) {
		return errLink.Because(err)
	}
	return err
}

// opened is what a link leads to.
type opened struct {
	token  string
	link   link.Link
	school roster.School
}

// open reads a token of a kind, and its school.
func (h *handler) open(r *http.Request, kind link.Kind) (opened, error) {
	o := opened{token: r.PathValue("token")}
	var err error
	o.link, err = h.Links.Parse(o.token)
	if err == nil && o.link.Kind != kind {
		err = link.ErrInvalid
	}
	if err != nil {
		return o, err
	}
	o.school, err = h.Enrol.Roster.School(r.Context(), o.link.Class)
	return o, err
}

// join reads the join that a link is about.
func (h *handler) join(r *http.Request, kind link.Kind) (opened, enrol.Join, error) {
	o, err := h.open(r, kind)
	if err != nil {
		return o, enrol.Join{}, err
	}
	j, err := h.Enrol.Get(r.Context(), o.link.Class, o.link.Alert)
	return o, j, err
}

// base returns what surrounds the page of a school.
func (o opened) base() web.Base {
	return web.Base{School: web.School{Name: o.school.Name, Phone: o.school.Phone}, Zone: o.school.Location(), Scripts: []string{"once.js"}}
}
