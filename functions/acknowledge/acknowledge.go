// Package acknowledge serves the links in mails: a guardian reads the alert and
// answers for the children, without an account and with one tap.
//
// A link is a capability. GET and HEAD only read, because mail scanners, previews
// and prefetching browsers open links; POST answers. A link of a replaced alert
// shows the newest one. A page to pass on (/r/) names no child and cannot answer.
package acknowledge

import (
	"context"
	"embed"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"github.com/todoku/todoku/shared/alert"
	"github.com/todoku/todoku/shared/link"
	"github.com/todoku/todoku/shared/roster"
	"github.com/todoku/todoku/shared/web"
)

//go:embed templates/*.html
var templates embed.FS

// Config says what the pages need.
type Config struct {
	Alerts  *alert.Store
	Roster  *roster.Store
	Links   *link.Signer
	Now     func() time.Time
	Log     *slog.Logger
	School  web.School // on error pages that know of no alert
	BaseURL string     // where the pages are seen from outside, without a slash at the end
	Secure  bool       // the site is reached by HTTPS only
}

// handler serves the links.
type handler struct{ Config }

// New returns the pages under /a/ and /r/, with the static files that they use.
func New(cfg Config) (http.Handler, error) {
	site, err := web.New(web.Config{Pages: templates, Log: cfg.Log, School: cfg.School, Secure: cfg.Secure, BaseURL: cfg.BaseURL})
	if err != nil {
		return nil, err
	}
	h := &handler{cfg}
	mux := http.NewServeMux()
	mux.Handle("GET "+link.Answer.Path()+"{token}", site.Handle(h.show))
	mux.Handle("POST "+link.Answer.Path()+"{token}", site.Handle(h.answer))
	mux.Handle("GET "+link.Read.Path()+"{token}", site.Handle(h.read))
	return site.Root(mux), nil
}

// opened is what a link leads to.
type opened struct {
	token  string
	link   link.Link
	alert  alert.Alert // the newest
	newer  bool        // it is not the one that the link was mailed for
	others bool        // it is for others than the link's family
	school roster.School
	now    time.Time

	// Only where the link can answer:
	family   alert.Made
	guardian int // index into the family's guardians; -1: it can only be read
}

// errUnknown says that a token leads nowhere: it was cut off, mistyped or forged,
// or what it led to is deleted.
var errUnknown = errors.New("acknowledge: the link leads nowhere")

// open reads a token, the newest alert behind it, and the school.
func (h *handler) open(r *http.Request, kind link.Kind) (opened, error) {
	ctx := r.Context()
	o := opened{token: r.PathValue("token"), now: h.Now(), guardian: -1}
	var err error
	o.link, err = h.Links.Parse(o.token)
	switch {
	case err == nil && o.link.Kind == kind:
	case err == nil, errors.Is(err, link.ErrInvalid):
		return o, errUnknown
	default:
		return o, err // the link may be good: there are no keys to judge it by
	}
	mailed, err := h.Alerts.Alert(ctx, o.link.Alert)
	if err != nil {
		return o, unknownIfNotFound(err)
	}
	o.alert, err = h.Alerts.Newest(ctx, mailed)
	if err != nil {
		return o, err
	}
	o.newer = o.alert.ID != mailed.ID
	o.school, err = h.Roster.School(ctx, o.alert.School)
	if err != nil || kind != link.Answer {
		return o, err
	}
	err = h.findFamily(ctx, &o)
	return o, err
}

func unknownIfNotFound(err error) error {
	if errors.Is(err, alert.ErrNotFound) {
		return errUnknown
	}
	return err
}

// findFamily finds whom the link may answer for in the newest alert. If that is
// nobody, because the newest alert is not about the family's children or the
// address is no longer on record, the page can still be read.
func (h *handler) findFamily(ctx context.Context, o *opened) error {
	ref := alert.Ref{Alert: o.link.Alert, Class: o.link.Class, Family: o.link.Family}
	made, err := h.Alerts.FindFamily(ctx, ref)
	if err != nil {
		return unknownIfNotFound(err)
	}
	if o.newer {
		made, err = h.inNewest(ctx, o.alert.ID, made.Family)
		if errors.Is(err, alert.ErrNotFound) {
			o.others, err = h.Alerts.FannedOut(ctx, o.alert.ID) // or they are about to be told
			return err
		}
		if err != nil {
			return err
		}
	}
	for _, c := range made.Family.Copies {
		if c.Contact == o.link.Contact {
			o.family, o.guardian = made, c.Guardian
		}
	}
	return nil
}

// inNewest finds a family in another alert, in whichever of its classes that
// alert is for.
func (h *handler) inNewest(ctx context.Context, alertID string, f alert.Family) (alert.Made, error) {
	for _, c := range f.Children {
		made, err := h.Alerts.FindFamily(ctx, alert.Ref{Alert: alertID, Class: c.Class, Family: f.ID})
		if !errors.Is(err, alert.ErrNotFound) {
			return made, err
		}
	}
	return alert.Made{}, alert.ErrNotFound
}

// canAnswer reports whether the link can answer now. A link that has expired is
// only good for reading the newest alert.
func (o *opened) canAnswer() bool {
	return o.guardian >= 0 && o.now.Before(o.link.Expires) && len(o.family.Family.Answerable(o.guardian)) > 0
}

// base returns what surrounds the page.
func (o *opened) base() web.Base {
	return web.Base{School: web.School{Name: o.school.Name, Phone: o.school.Phone}, Zone: o.school.Location()}
}
