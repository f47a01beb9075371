package console

import (
	"net/http"
	"slices"
	"strings"

	"github.com/todoku/todoku/shared/access"
	"github.com/todoku/todoku/shared/alert"
	"github.com/todoku/todoku/shared/desk"
	"github.com/todoku/todoku/shared/problem"
	"github.com/todoku/todoku/shared/staff"
	"github.com/todoku/todoku/shared/web"
)

// afterwards is what a form of a family leads to: the page to, unless it failed.
func (s *Server) afterwards(err error, to string) (web.Response, error) {
	if err != nil {
		return nil, err
	}
	return web.Redirect{To: to}, nil
}

func (s *Server) claim(r *http.Request, me staff.Staff) (web.Response, error) {
	ref, d, err := s.keptAt(r, me)
	if err != nil {
		return nil, err
	}
	_, err = d.Claim(r.Context(), ref, caller(me))
	return s.orFamily(r, me, familyPath(ref)+viewOf(r.URL.Query()).Query(), err)
}

func (s *Server) release(r *http.Request, me staff.Staff) (web.Response, error) {
	ref, d, err := s.keptAt(r, me)
	if err == nil {
		err = d.Release(r.Context(), ref, caller(me))
	}
	return s.afterwards(err, "/alerts/"+ref.Alert+"/desk"+viewOf(r.URL.Query()).Query())
}

// keptAt returns where the record of the family of a request is kept, whichever of
// its classes the address names, and the desk that it is on.
func (s *Server) keptAt(r *http.Request, me staff.Staff) (alert.Ref, desk.Desk, error) {
	made, err := s.Alerts.FindFamily(r.Context(), refOf(r))
	if err != nil {
		return alert.Ref{}, desk.Desk{}, err
	}
	d, err := s.deskAt(r.Context(), me.School)
	return made.Ref(r.PathValue("id")), d, err
}

// orFamily redirects, or shows the family's page with what kept the form from being done.
func (s *Server) orFamily(r *http.Request, me staff.Staff, to string, err error) (web.Response, error) {
	if err == nil {
		return web.Redirect{To: to}, nil
	}
	return s.familyAgain(r, me, callForm{}, err)
}

func (s *Server) passFamilyOn(r *http.Request, me staff.Staff) (web.Response, error) {
	form, err := web.ReadForm(r)
	if err != nil {
		return nil, err
	}
	ref, d, err := s.keptAt(r, me)
	if err != nil {
		return nil, err
	}
	colleagues, err := s.colleagues(r, me)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(colleagues, func(m staff.Staff) bool { return m.ID == form.Get("to") })
	if i < 0 {
		return s.familyAgain(r, me, callForm{}, problem.New(problem.Invalid, "引き継ぐ相手を選んでください。", "Choose whom to hand over to.").In("to"))
	}
	note := []rune(strings.TrimSpace(form.Get("note_to")))
	err = d.HandOver(r.Context(), ref, caller(me), caller(colleagues[i]), string(note[:min(len(note), desk.MaxNote)]))
	return s.orFamily(r, me, "/alerts/"+ref.Alert+"/desk"+viewOf(r.URL.Query()).Query(), err)
}

// colleagues are those who may phone the family of a request, but for me.
func (s *Server) colleagues(r *http.Request, me staff.Staff) ([]staff.Staff, error) {
	to, err := theFamily(s, r, me)
	if err != nil {
		return nil, err
	}
	all, err := s.Staff.OfSchool(r.Context(), me.School)
	return slices.DeleteFunc(all, func(m staff.Staff) bool { return m.ID == me.ID || !access.May(m, access.Phone, to) }), err
}
