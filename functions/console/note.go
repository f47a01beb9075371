package console

import (
	"net/http"
	"strings"

	"github.com/todoku/todoku/shared/access"
	"github.com/todoku/todoku/shared/alert"
	"github.com/todoku/todoku/shared/audit"
	"github.com/todoku/todoku/shared/problem"
	"github.com/todoku/todoku/shared/staff"
	"github.com/todoku/todoku/shared/web"
)

func (s *Server) noteRoutes(rt *routes) {
	rt.page("GET /alerts/{id}/note", access.End, s.noteForm, on(theAlert))
	rt.page("POST /alerts/{id}/note/edit", access.End, s.noteForm, on(theAlert), changesNothing())
	rt.page("POST /alerts/{id}/note", access.End, s.addNote, on(theAlert), recordsItself())
}

// notePage is the data of note.html.
type notePage struct {
	web.Base
	Alert alert.Alert
	Text  string
}

// Most is how many characters a note may have.
func (*notePage) Most() int { return alert.MaxNote }

// noteForm asks for a note on an alert's page. Who comes from the preview of a new
// alert has written its words already.
func (s *Server) noteForm(r *http.Request, me staff.Staff) (web.Response, error) {
	a, err := s.alertOf(r.Context(), me.School, r.PathValue("id"))
	if err != nil {
		return nil, err
	}
	text := ""
	if r.Method == http.MethodPost {
		form, err := web.ReadForm(r)
		if err != nil {
			return nil, err
		}
		if text = form.Get("note"); text == "" {
			text = strings.TrimSpace(form.Get("subject") + "\n" + form.Get("body"))
		}
	}
	return notePageOf(a, text, nil), nil
}

func notePageOf(a alert.Alert, text string, wrong problem.List) web.Response {
	p := &notePage{Alert: a, Text: text}
	p.Problems = wrong
	p.Scripts = []string{"once.js"}
	p.Resubmit = web.Resubmit{Form: "note-form", Action: "/alerts/" + a.ID + "/note/edit"}
	return web.Page{Template: "note.html", Data: p}
}

// addNote puts a note on an alert's page. No mail leaves.
func (s *Server) addNote(r *http.Request, me staff.Staff) (web.Response, error) {
	ctx := r.Context()
	a, err := s.alertOf(ctx, me.School, r.PathValue("id"))
	if err != nil {
		return nil, err
	}
	form, err := web.ReadForm(r)
	if err != nil {
		return nil, err
	}
	typed := form.Get("note")
	if len(form.Wrong) > 0 {
		return notePageOf(a, typed, form.Wrong), nil
	}
	text, err := alert.CheckNote(typed)
	if err == nil {
		_, err = recording(ctx, s.App, entry(me, audit.Note, a.ID, text), func() (alert.Alert, error) {
			return s.Alerts.Annotate(ctx, a.ID, text, me.Name)
		})
	}
	switch l := s.site.Mendable(err); {
	case len(l) > 0:
		return notePageOf(a, typed, l), nil
	case err != nil:
		return nil, err
	}
	return web.Redirect{To: "/alerts/" + a.ID + "?noted=1"}, nil
}
