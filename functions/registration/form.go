package registration

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/todoku/todoku/shared/address"
	"github.com/todoku/todoku/shared/enrol"
	"github.com/todoku/todoku/shared/lang"
	"github.com/todoku/todoku/shared/link"
	"github.com/todoku/todoku/shared/problem"
	"github.com/todoku/todoku/shared/web"
)

// formPage is the data of form.html.
type formPage struct {
	web.Base
	Code, Siblings string
	Address        string
	Name, Relation string
	In             lang.Lang // in which the guardian wants to be written to
	Doubts         []lang.Text
	Suggested      string // the address that was probably meant
	Relations      []lang.Text
}

// Relations are offered; the Japanese word is what is kept.
var relations = []lang.Text{
	lang.T("母", "Mother"), lang.T("父", "Father"), lang.T("祖母", "Grandmother"), lang.T("祖父", "Grandfather"), lang.T("その他", "Other"),
}

// form shows the form. It looks no code up: for every code that somebody might
// guess it is the same page.
func (h *handler) form(r *http.Request) (web.Response, error) {
	p := &formPage{In: web.Language(r)}
	if code, ok := enrol.ParseCode(r.PathValue("code")); ok {
		p.Code = enrol.Pretty(code)
	}
	return p.page(nil), nil
}

// page shows the form with what is wrong with it.
func (p *formPage) page(wrong problem.List) web.Page {
	p.Problems, p.Relations = wrong, relations
	p.Scripts = []string{"once.js", "register.js"}
	p.Resubmit = web.Resubmit{Form: "register", Action: enrol.Path + "?again=1", Enter: true}
	return web.Page{Template: "form.html", Data: p}
}

func readFormPage(f web.Form) *formPage {
	text := func(name string) string { return strings.TrimSpace(f.Get(name)) }
	p := &formPage{Code: text("code"), Siblings: text("siblings"), Address: text("address"), Name: text("name"), Relation: text("relation"), In: lang.JA}
	if f.Get("in") == string(lang.EN) {
		p.In = lang.EN
	}
	if better := text("suggested"); better != "" { // the button that takes the suggestion
		p.Address = better
	}
	return p
}

// register takes the form: it keeps the address and sends the mail that asks for
// its confirmation.
func (h *handler) register(r *http.Request) (web.Response, error) {
	f, err := web.ReadForm(r)
	if err != nil {
		return nil, err
	}
	p := readFormPage(f)
	if r.URL.Query().Has("again") {
		return p.page(nil), nil // the language was switched
	}
	if len(f.Wrong) > 0 {
		return p.page(f.Wrong), nil
	}
	a, wrong := h.address(r, p)
	wrong = append(enrol.CheckPerson(p.Name, p.Relation), wrong...)
	if len(wrong) == 0 && p.doubt(a, f.Get("sure")) {
		page := p.page(nil)
		page.Status = http.StatusUnprocessableEntity
		return page, nil
	}
	if _, ok := enrol.ParseCode(p.Code); !ok {
		wrong = append(problem.List{enrol.ErrWrongCode}, wrong...)
	}
	if len(wrong) > 0 {
		return p.page(wrong), nil
	}
	return h.begin(r, p, a)
}

// checkLimit is how long the form waits for DNS; what it does not say by then is no
// reason to refuse.
const checkLimit = 3 * time.Second

// address reads the form's address and asks whether its domain receives mail.
func (h *handler) address(r *http.Request, p *formPage) (address.Address, problem.List) {
	a, err := address.Parse(p.Address)
	if err != nil {
		return a, problem.List{problem.Of(err)[0].In("address")}
	}
	p.Address = a.String() // without what was pasted around it
	answer := h.Hosts.Check(r.Context(), []string{a.Domain}, checkLimit)[a.Domain]
	if e := answer.Problem(a.Domain); e != nil {
		if better, ok := address.Suggest(a); ok {
			p.Suggested = better.String()
		}
		return a, problem.List{e.In("address")}
	}
	return a, nil
}

// doubt reports whether the person should be asked about the address; sure is the
// address of which he or she has said that it is right.
func (p *formPage) doubt(a address.Address, sure string) bool {
	p.Doubts = address.Doubts(a)
	if better, ok := address.Suggest(a); ok {
		p.Suggested = better.String()
	}
	return len(p.Doubts) > 0 && sure != a.String()
}

// begin keeps the address, sends the mail and leads on to the page that waits for it.
func (h *handler) begin(r *http.Request, p *formPage, a address.Address) (web.Response, error) {
	codes := append([]string{p.Code}, enrol.Codes(p.Siblings)...)
	j, err := h.Enrol.Join(r.Context(), enrol.Request{
		Codes: codes, Address: a, Name: p.Name, Relation: p.Relation, Lang: p.In, Door: enrol.Sheet, Source: web.Source(r),
	})
	if wrong := h.site.Mendable(err); len(wrong) > 0 {
		return p.page(wrong), nil
	}
	if err != nil {
		return nil, err
	}
	h.Log.Info("address registered", "join", j.ID, "school", j.School)
	_, err = h.Poster.Send(r.Context(), j.School, j.ID)
	switch {
	case errors.Is(err, enrol.ErrSoon): // a double click: the mail is on its way
	case problem.Is(err, problem.TooMany):
		return p.page(problem.Of(err)), nil
	case err != nil:
		return nil, err
	}
	to, err := h.path(j, link.Wait)
	return web.Redirect{To: to}, err
}

// path is a join's page as a path of this site.
func (h *handler) path(j enrol.Join, kind link.Kind) (string, error) {
	to, err := h.Poster.Link(j, kind)
	if err != nil {
		return "", err
	}
	u, err := url.Parse(to)
	if err != nil {
		return "", err
	}
	return u.Path, nil
}

// checked is what register.js shows beside the address while it is typed.
type checked struct {
	Wrong     string   `json:"wrong,omitempty"`
	Doubts    []string `json:"doubts,omitempty"`
	Suggested string   `json:"suggested,omitempty"`
}

// check says what the form would say of an address. It keeps nothing.
func (h *handler) check(r *http.Request) (web.Response, error) {
	f, err := web.ReadForm(r)
	if err != nil {
		return nil, err
	}
	l, p, c := web.Language(r), readFormPage(f), checked{}
	a, wrong := h.address(r, p)
	if len(wrong) > 0 {
		c.Wrong = wrong[0].Text.In(l)
	} else {
		p.doubt(a, "")
	}
	c.Suggested = p.Suggested
	for _, d := range p.Doubts {
		c.Doubts = append(c.Doubts, d.In(l))
	}
	return web.JSON{Value: c}, nil
}
