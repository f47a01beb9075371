package console

import (
	"context"
	"net/http"
	"slices"
	"strconv"

	"github.com/todoku/todoku/shared/access"
	"github.com/todoku/todoku/shared/alert"
	"github.com/todoku/todoku/shared/audit"
	"github.com/todoku/todoku/shared/lang"
	"github.com/todoku/todoku/shared/problem"
	"github.com/todoku/todoku/shared/staff"
	"github.com/todoku/todoku/shared/web"
)

const templatesPath = "/templates"

// quickRoutes are the big buttons, and the pages on which managers change them.
func (s *Server) quickRoutes(rt *routes) {
	rt.page("GET /quick/{id}", access.Send, s.quick, on(undecided))
	rt.page("GET "+templatesPath, access.Templates, s.listTemplates)
	rt.page("GET "+templatesPath+"/new", access.Templates, s.newTemplate)
	rt.page("POST "+templatesPath, access.Templates, s.saveTemplate, recordsItself())
	rt.page("GET "+templatesPath+"/{id}", access.Templates, s.editTemplate)
	rt.page("POST "+templatesPath+"/{id}", access.Templates, s.saveTemplate, recordsItself())
	rt.page("POST "+templatesPath+"/{id}/remove", access.Templates, s.removeTemplate, records(audit.Settings))
}

// templatesPage is the data of templates.html.
type templatesPage struct {
	web.Base
	List []alert.Template
	Full bool
}

// KindName returns what a template's kind is called.
func (*templatesPage) KindName(k alert.Kind) lang.Text { return kindName(k) }

func (s *Server) listTemplates(r *http.Request, me staff.Staff) (web.Response, error) {
	t, err := s.Alerts.Templates(r.Context(), me.School)
	p := &templatesPage{List: t.List, Full: len(t.List) >= alert.MaxTemplates}
	if r.URL.Query().Get("done") != "" {
		p.Notice = lang.T("ボタンを変更しました。", "The buttons are changed.").In(web.Language(r))
	}
	return web.Page{Template: "templates.html", Data: p}, err
}

// templatePage is the data of template.html.
type templatePage struct {
	web.Base
	Template alert.Template
	Place    int // from 1
	Places   []int
	Revision int64
	New      bool
}

// Kinds returns the kinds to choose from.
func (*templatePage) Kinds() []kindCard { return kindCards }

func (s *Server) newTemplate(r *http.Request, me staff.Staff) (web.Response, error) {
	t, err := s.Alerts.Templates(r.Context(), me.School)
	if err != nil {
		return nil, err
	}
	return s.templateForm(t, alert.Template{Kind: alert.Notice}, len(t.List)+1, nil), nil
}

func (s *Server) editTemplate(r *http.Request, me staff.Staff) (web.Response, error) {
	t, err := s.Alerts.Templates(r.Context(), me.School)
	if err != nil {
		return nil, err
	}
	one, err := t.Find(r.PathValue("id"))
	if err != nil {
		return nil, err
	}
	return s.templateForm(t, one, slices.Index(t.List, one)+1, nil), nil
}

// templateForm shows a template to be changed, with what is wrong with it.
func (s *Server) templateForm(t alert.Templates, one alert.Template, place int, wrong problem.List) web.Page {
	p := &templatePage{Template: one, Place: place, Revision: t.Revision, New: one.ID == ""}
	n := len(t.List)
	if p.New {
		n++
	}
	for i := range n {
		p.Places = append(p.Places, i+1)
	}
	p.Problems = wrong
	p.Scripts = []string{"once.js"}
	return web.Page{Template: "template.html", Data: p}
}

// saveTemplate writes a template that is new, or was changed.
func (s *Server) saveTemplate(r *http.Request, me staff.Staff) (web.Response, error) {
	form, err := web.ReadForm(r)
	if err != nil {
		return nil, err
	}
	ctx := r.Context()
	t, err := s.Alerts.Templates(ctx, me.School)
	if err != nil {
		return nil, err
	}
	one := alert.Template{
		ID: r.PathValue("id"), Name: lang.Text{JA: form.Get("name"), EN: form.Get("name_en")}, Kind: alert.Kind(form.Get("kind")),
		Subject: form.Get("subject"), Body: form.Get("body"),
	}
	if one.ID != "" {
		if _, err := t.Find(one.ID); err != nil {
			return nil, err
		}
	}
	place, _ := strconv.Atoi(form.Get("place")) // whatever it is, it is put right
	if len(form.Wrong) > 0 {
		return s.templateForm(t, one, place, form.Wrong), nil
	}
	err = s.putTemplate(ctx, me, t, one, place, revisionOf(form))
	if wrong := s.site.Mendable(err); len(wrong) > 0 {
		return s.templateForm(t, one, place, wrong), nil
	}
	if err != nil {
		return nil, err
	}
	return web.Redirect{To: templatesPath + "?done=1"}, nil
}

// revisionOf returns the revision of what a form was filled in from; -1, which nothing has,
// if it names none.
func revisionOf(form web.Form) int64 {
	if rev, err := strconv.ParseInt(form.Get("revision"), 10, 64); err == nil {
		return rev
	}
	return -1
}

// putTemplate writes a template at a place, if the others are as the form has them.
func (s *Server) putTemplate(ctx context.Context, me staff.Staff, t alert.Templates, one alert.Template, place int, revision int64) error {
	t.Revision = revision
	if old, err := t.Find(one.ID); err == nil {
		if err := alert.SameWorld(old.Kind, one.Kind); err != nil {
			return err
		}
	}
	t.List = slices.DeleteFunc(slices.Clone(t.List), func(old alert.Template) bool { return old.ID == one.ID })
	if one.ID == "" {
		one.ID = s.Alerts.IDs.New()
	}
	t.List = slices.Insert(t.List, min(max(place-1, 0), len(t.List)), one)
	return s.record(ctx, entry(me, audit.Settings, one.ID, one.Name.JA), func() error {
		return s.Alerts.PutTemplates(ctx, me.School, t)
	})
}

// removeTemplate removes a button. Nothing that was sent with it changes.
func (s *Server) removeTemplate(r *http.Request, me staff.Staff) (web.Response, error) {
	t, err := s.Alerts.Templates(r.Context(), me.School)
	if err != nil {
		return nil, err
	}
	one, err := t.Find(r.PathValue("id"))
	if err != nil {
		return nil, err
	}
	t.List = slices.DeleteFunc(slices.Clone(t.List), func(old alert.Template) bool { return old.ID == one.ID })
	if err := s.Alerts.PutTemplates(r.Context(), me.School, t); err != nil {
		return nil, err
	}
	return web.Redirect{To: templatesPath + "?done=1"}, nil
}
