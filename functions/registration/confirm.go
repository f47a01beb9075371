package registration

import (
	"net/http"
	"strings"

	"github.com/todoku/todoku/functions/registration/mailhelp"
	"github.com/todoku/todoku/shared/address"
	"github.com/todoku/todoku/shared/enrol"
	"github.com/todoku/todoku/shared/lane"
	"github.com/todoku/todoku/shared/lang"
	"github.com/todoku/todoku/shared/link"
	"github.com/todoku/todoku/shared/problem"
	"github.com/todoku/todoku/shared/roster"
	"github.com/todoku/todoku/shared/web"
)

// waitPage is the data of wait.html.
type waitPage struct {
	web.Base
	Token    string
	Join     enrol.Join
	Why      lang.Text // why the mail was refused or put off
	From     string    // the domain to let through
	Operator lane.Lane
	Help     string // address of the page on how to let mail through
}

// wait shows what became of the mail, and how to let it through.
func (h *handler) wait(r *http.Request) (web.Response, error) {
	o, j, err := h.join(r, link.Wait)
	if err != nil {
		return nil, err
	}
	return h.waitPage(o, j, nil), nil
}

func (h *handler) waitPage(o opened, j enrol.Join, wrong problem.List) web.Response {
	p := &waitPage{Base: o.base(), Token: o.token, Join: j, Why: enrol.Why(j.Mail)}
	_, p.From, _ = strings.Cut(o.school.Mail, "@")
	if a, err := address.Parse(j.Address); err == nil {
		p.Operator = h.Lanes.Of(a.Domain)
		p.Help = mailhelp.For(a.Domain, p.Operator, p.From)
	}
	p.Problems = wrong
	if j.Open(h.Now()) && j.Mail.State != enrol.Refused {
		p.Refresh = 10
		p.Scripts = append(p.Scripts, "live.js")
	}
	return web.Page{Template: "wait.html", Data: p}
}

// Confirmed reports whether the address has been confirmed.
func (p *waitPage) Confirmed() bool { return !p.Join.Confirmed.IsZero() }

// sendAgain sends the mail once more.
func (h *handler) sendAgain(r *http.Request) (web.Response, error) {
	o, j, err := h.join(r, link.Wait)
	if err != nil {
		return nil, err
	}
	if !j.Confirmed.IsZero() {
		return h.waitPage(o, j, nil), nil
	}
	_, err = h.Poster.Send(r.Context(), j.School, j.ID)
	if wrong := h.site.Mendable(err); len(wrong) > 0 {
		return h.waitPage(o, j, wrong), nil
	}
	if err != nil {
		return nil, err
	}
	return web.Redirect{To: link.Wait.Path() + o.token}, nil
}

// confirmPage is the data of confirm.html.
type confirmPage struct {
	web.Base
	Token     string
	Join      enrol.Join
	Children  []childLine
	Code      string // as typed, where the link needs one
	Relations []lang.Text
	Name      string
	Relation  string
	Doubts    []lang.Text // an office's address, or a list's, that came by a door where nobody could be asked
}

// childLine is one child of a join.
type childLine struct{ Name, Class string }

// NeedsCode reports whether the school invited the address without a child.
func (p *confirmPage) NeedsCode() bool { return len(p.Join.Children) == 0 }

// Asked reports whether the page asks somebody who is registered whether mail arrives.
// It shows no child then: an operator may have given the address to somebody else.
func (p *confirmPage) Asked() bool { return p.Join.Door == enrol.Recheck }

// Confirmed reports whether it is done.
func (p *confirmPage) Confirmed() bool { return !p.Join.Confirmed.IsZero() }

// showConfirm shows what a POST would register.
func (h *handler) showConfirm(r *http.Request) (web.Response, error) {
	o, j, err := h.join(r, link.Confirm)
	if err != nil {
		return nil, err
	}
	return h.confirmPage(r, o, j, &confirmPage{}, nil)
}

func (h *handler) confirmPage(r *http.Request, o opened, j enrol.Join, p *confirmPage, wrong problem.List) (web.Response, error) {
	if !j.Open(h.Now()) && j.Confirmed.IsZero() {
		return nil, enrol.ErrEnded
	}
	p.Base, p.Token, p.Join, p.Relations = o.base(), o.token, j, relations
	p.Problems = wrong
	if a, err := address.Parse(j.Address); err == nil && j.Confirmed.IsZero() && (a.IsRole() || a.IsList()) {
		p.Doubts = address.Doubts(a)
	}
	if !p.Asked() {
		children, err := h.Enrol.Children(r.Context(), j)
		if err != nil {
			return nil, err
		}
		if p.Children, err = h.lines(r, j.School, children); err != nil {
			return nil, err
		}
	}
	return web.Page{Template: "confirm.html", Data: p}, nil
}

// confirm registers the address: the one place where that happens.
func (h *handler) confirm(r *http.Request) (web.Response, error) {
	f, err := web.ReadForm(r)
	if err != nil {
		return nil, err
	}
	o, j, err := h.join(r, link.Confirm)
	if err != nil {
		return nil, err
	}
	if len(j.Children) == 0 && j.Open(h.Now()) {
		p := &confirmPage{Code: f.Get("code"), Name: f.Get("name"), Relation: f.Get("relation")}
		_, err := h.Enrol.Complete(r.Context(), j, enrol.Request{
			Codes: enrol.Codes(p.Code), Name: p.Name, Relation: p.Relation, Source: web.Source(r),
		})
		if wrong := h.site.Mendable(err); len(wrong) > 0 {
			return h.confirmPage(r, o, j, p, wrong)
		}
		if err != nil {
			return nil, err
		}
	}
	if _, err := h.Enrol.Confirm(r.Context(), o.link.Class, o.link.Alert); err != nil {
		return nil, err
	}
	h.Log.Info("address confirmed", "join", j.ID, "school", j.School)
	return web.Redirect{To: link.Confirm.Path() + o.token}, nil
}

// lines returns the children with the names of their classes.
func (h *handler) lines(r *http.Request, school string, children []roster.Child) ([]childLine, error) {
	ids := make([]string, len(children))
	for i, c := range children {
		ids[i] = c.Class
	}
	classes, err := h.Enrol.Roster.Named(r.Context(), school, ids)
	lines := make([]childLine, len(children))
	for i, c := range children {
		lines[i] = childLine{Name: c.Name, Class: classes[c.Class].Name}
	}
	return lines, err
}
