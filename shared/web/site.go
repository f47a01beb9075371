// Package web is what the pages of Todoku share: handlers that answer with a
// value or an error, one layout and one style sheet, errors turned into pages,
// problem documents and log lines in one place, and the headers that keep
// browsers on the safe side.
//
// A Handler never writes to the connection. It returns a Response, or an error
// that package problem can show; a Site does the rest.
package web

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strconv"
	"time"
)

// Handler answers a request, or fails with an error for the person (package
// problem) or for the log (any other). It must not keep the request.
type Handler func(r *http.Request) (Response, error)

// MaxForm is the limit of a request's body, in bytes. Beyond it the answer is 413.
const MaxForm = 64 << 10

// School is whose pages these are. Its phone is on every page: when nothing else
// works, it does.
type School struct{ Name, Phone string }

// Config says what a Site needs. Only Pages and Log are obligatory.
type Config struct {
	// Pages has in a folder "templates" one file for each page, which defines the
	// templates "title" and "main"; files that begin with "_" are parts that all pages may use.
	Pages fs.FS
	Log   *slog.Logger
	// School is what the last-resort error page shows, and what every page shows
	// unless Frame says otherwise.
	School School
	// Frame completes what surrounds a page: school, zone, navigation.
	Frame func(r *http.Request, b *Base)
	// Explain turns errors of the domain into problems that can be shown; what it
	// does not know it returns unchanged.
	Explain func(err error) error
	// Secure says that the site is reached by HTTPS only.
	Secure bool
	// BaseURL is where the site is seen from outside, "" if only where it listens. Forms from
	// there are taken even if a proxy in front does not pass on which host was asked for.
	BaseURL string
}

// Site serves pages.
type Site struct {
	cfg        Config
	pages      templates
	lastResort []byte
	origins    *http.CrossOriginProtection
}

// New returns a Site. It fails if a part of the pages does not parse, if BaseURL is no
// address, or if the last-resort error page, which is rendered here and now, cannot be
// made. A page is parsed when it is first shown; that each can be, webtest.Templates tests.
func New(cfg Config) (*Site, error) {
	pages, err := findTemplates(cfg.Pages)
	if err != nil {
		return nil, err
	}
	if cfg.Frame == nil {
		cfg.Frame = func(*http.Request, *Base) {}
	}
	if cfg.Explain == nil {
		cfg.Explain = func(err error) error { return err }
	}
	s := &Site{cfg: cfg, pages: pages}
	if s.origins, err = protection(cfg.BaseURL); err != nil {
		return nil, err
	}
	s.lastResort, err = lastResort(cfg.School)
	return s, err
}

// Handle returns h with a limit of MaxForm for the request's body.
func (s *Site) Handle(h Handler) http.Handler { return s.HandleUpTo(MaxForm, h) }

// HandleUpTo returns h with a limit for the request's body.
func (s *Site) HandleUpTo(maxBody int64, h Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Body != nil {
			r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		}
		s.serve(w, r, h)
	})
}

func (s *Site) serve(w http.ResponseWriter, r *http.Request, h Handler) {
	out, err := s.answer(r, h)
	if err != nil {
		out = s.failure(r, err)
	}
	if err := out.write(w, r); err != nil {
		s.cfg.Log.Warn("answer cut off", "method", r.Method, "route", r.Pattern, "err", err)
		panic(http.ErrAbortHandler) // net/http cuts the connection and prints nothing
	}
}

// answer calls h and renders its response. A panic becomes an error, so that the
// person gets a page and the log one line.
func (s *Site) answer(r *http.Request, h Handler) (out rendered, err error) {
	defer func() {
		switch p := recover(); p {
		case nil:
		case http.ErrAbortHandler:
			panic(p)
		default:
			err = fmt.Errorf("web: panic: %v\n%s", p, debug.Stack())
		}
	}()
	res, err := h(r)
	if err != nil {
		return rendered{}, err
	}
	return res.render(s, r)
}

// Root returns the whole site: the routes of mux, and what belongs to every
// answer. What mux does not know becomes a page that says so.
func (s *Site) Root(mux *http.ServeMux) http.Handler {
	mux.Handle("GET "+assetPath+"{name}", http.HandlerFunc(serveAsset))
	known := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, pattern := mux.Handler(r); pattern == "" {
			s.unknown(mux, w, r)
			return
		}
		mux.ServeHTTP(w, r)
	})
	return s.secure(s.sameOrigin(known))
}

// unknown answers where mux has no route: it asks mux whether the path or only
// the method is wrong.
func (s *Site) unknown(mux *http.ServeMux, w http.ResponseWriter, r *http.Request) {
	probe := &probe{header: http.Header{}}
	mux.ServeHTTP(probe, r)
	why := notFound
	if probe.status == http.StatusMethodNotAllowed {
		why = notAllowed
	}
	out := s.failure(r, why)
	if allow := probe.header.Get("Allow"); allow != "" {
		out.header.Set("Allow", allow)
	}
	_ = out.write(w, r) // a person who has gone misses only an error page
}

// probe is a ResponseWriter that notes the head and forgets the rest.
type probe struct {
	header http.Header
	status int
}

func (p *probe) Header() http.Header         { return p.header }
func (p *probe) Write(b []byte) (int, error) { return len(b), nil }
func (p *probe) WriteHeader(status int)      { p.status = status }

func errNoTemplate(name string) error { return errors.New("web: no template " + name) }

func seconds(d time.Duration) string { return strconv.Itoa(int((d + time.Second - 1) / time.Second)) }
