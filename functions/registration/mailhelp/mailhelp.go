// Package mailhelp serves the pages that tell guardians how to let the school's
// mail through, one a mail operator, under Path. Anybody may read them: they say
// nothing but the school's own mail domain.
package mailhelp

import (
	"embed"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/todoku/todoku/shared/lane"
	"github.com/todoku/todoku/shared/problem"
	"github.com/todoku/todoku/shared/roster"
	"github.com/todoku/todoku/shared/web"
)

//go:embed templates/*.html
var templates embed.FS

// Path is the list of operators; a page is Path + "/" + its name. Both take the
// query ?domain=, the domain that the school's mail comes from.
const Path = "/help/mail"

// Config says what the pages need.
type Config struct {
	Roster *roster.Store
	Log    *slog.Logger
	School web.School // on pages that know of no other
	Secure bool       // the site is reached by HTTPS only
}

// New returns the pages at and under Path.
func New(cfg Config) (http.Handler, error) {
	site, err := web.New(web.Config{Pages: templates, Log: cfg.Log, School: cfg.School, Secure: cfg.Secure})
	if err != nil {
		return nil, err
	}
	h := &handler{cfg}
	mux := http.NewServeMux()
	mux.Handle("GET "+Path, site.Handle(h.list))
	mux.Handle("GET "+Path+"/{operator}", site.Handle(h.page))
	return site.Root(mux), nil
}

// For returns the address of the page that fits a guardian's mail domain, that of
// the list if none does, for a school whose mail comes from domain from.
func For(domain string, l lane.Lane, from string) string {
	path := Path
	if slug := slugOf(domain, l); slug != "" {
		path += "/" + slug
	}
	return path + "?" + url.Values{"domain": {from}}.Encode()
}

// ymobile are the domains of Y!mobile, which shares SoftBank's lane.
var ymobile = []string{"ymobile.ne.jp", "ymobile1.ne.jp", "emnet.ne.jp", "willcom.com", "pdx.ne.jp"}

func slugOf(domain string, l lane.Lane) string {
	for _, d := range ymobile {
		if domain == d || strings.HasSuffix(domain, "."+d) {
			return "ymobile"
		}
	}
	for _, o := range operators {
		if o.Lane == l.Name {
			return o.Slug
		}
	}
	return ""
}

type handler struct{ Config }

// sender is who sends the mail that is to be let through. Domain is "" if that is
// not known: what a link says is believed only if a school sends from there, or
// somebody could have guardians let his own mail through.
type sender struct {
	Domain, Mail string
}

func (h *handler) sender(r *http.Request, b *web.Base) (s sender, err error) {
	schools, err := h.Roster.Schools(r.Context())
	if err != nil {
		return s, err
	}
	want := strings.ToLower(r.URL.Query().Get("domain"))
	for _, school := range schools {
		_, domain, _ := strings.Cut(school.Mail, "@")
		if strings.ToLower(domain) != want && (want != "" || len(schools) > 1) {
			continue
		}
		if s.Domain != "" { // several send from there: the page names none of them
			s.Mail, b.School = "", h.School
			continue
		}
		s = sender{Domain: domain, Mail: school.Mail}
		b.School = web.School{Name: school.Name, Phone: school.Phone}
	}
	return s, nil
}

// listPage is the data of list.html.
type listPage struct {
	web.Base
	Sender    sender
	Query     string // with its question mark, for links
	Operators []operator
}

func (h *handler) list(r *http.Request) (web.Response, error) {
	p := &listPage{Operators: operators}
	var err error
	p.Sender, err = h.sender(r, &p.Base)
	if p.Sender.Domain != "" {
		p.Query = "?" + url.Values{"domain": {p.Sender.Domain}}.Encode()
	}
	return web.Page{Template: "list.html", Data: p}, err
}

// operatorPage is the data of operator.html.
type operatorPage struct {
	listPage
	Operator operator
}

var errOperator = problem.New(problem.NotFound,
	"この名前のメール会社の案内はありません。一覧から選んでください。",
	"There is no page for a mail operator of that name. Choose one from the list.")

func (h *handler) page(r *http.Request) (web.Response, error) {
	i := slices.IndexFunc(operators, func(o operator) bool { return o.Slug == r.PathValue("operator") })
	if i < 0 {
		return nil, errOperator
	}
	p := &operatorPage{Operator: operators[i]}
	var err error
	p.Sender, err = h.sender(r, &p.Base)
	if p.Sender.Domain != "" {
		p.Query = "?" + url.Values{"domain": {p.Sender.Domain}}.Encode()
	}
	return web.Page{Template: "operator.html", Data: p}, err
}

// Measures of a drawing, in units of its view box.
const (
	rowHeight = 30
	rowsTop   = 44
)

// row is one line of a drawing.
type row struct {
	Text          string
	Y, Base, Mid  int // top, base line of the text, middle
	Chosen, Field bool
}

// Height is how high the drawing is.
func (s screen) Height() int { return rowsTop + rowHeight*len(s.Rows) + 14 }

// Drawn returns the lines of the drawing.
func (s screen) Drawn() []row {
	var rows []row
	for i, text := range s.Rows {
		y := rowsTop + rowHeight*i
		r := row{Text: text, Y: y, Base: y + 18, Mid: y + 13, Chosen: i == s.Chosen, Field: i == s.Chosen && s.Field}
		if r.Field {
			r.Text = "学校のドメイン"
		}
		rows = append(rows, r)
	}
	return rows
}
