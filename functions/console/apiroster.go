package console

import (
	"io"
	"net/http"
	"strings"

	"github.com/todoku/todoku/functions/console/imports"
	"github.com/todoku/todoku/shared/audit"
	"github.com/todoku/todoku/shared/roster"
	"github.com/todoku/todoku/shared/staff"
	"github.com/todoku/todoku/shared/web"
)

// apiPostRoster imports a sheet, or says what that would do. It answers when
// everything is written.
func (s *Server) apiPostRoster(r *http.Request, me staff.Staff) (web.Response, error) {
	dry, err := queryBool(r, "dry_run")
	if err != nil {
		return nil, err
	}
	body, err := sheetBody(r)
	if err != nil {
		return nil, err
	}
	plan, err := s.planSheet(r, me, body)
	if err != nil {
		return nil, imports.Withhold(err)
	}
	if dry {
		imports.Doubt(r.Context(), s.Hosts, plan)
	} else {
		e := entry(me, audit.RosterChange, "", imported(plan))
		err := s.record(r.Context(), e, func() error {
			return imports.Commit(r.Context(), plan, s.Hosts, s.Log, nil)
		})
		if err != nil {
			return nil, err
		}
		s.Log.Info("roster imported", "school", me.School, "staff", me.ID, "children", plan.Children.Total(), "errors", len(plan.Errors))
	}
	return web.JSON{Value: plan.Result(web.Language(r))}, nil
}

func (s *Server) planSheet(r *http.Request, me staff.Staff, body io.Reader) (*roster.Plan, error) {
	sheet, err := roster.ReadSheet(body, s.maxSheet())
	if err != nil {
		return nil, err
	}
	return roster.NewPlan(r.Context(), s.Roster, me.School, sheet, nil)
}

// sheetBody returns the sheet in a request: the file of a form, or the body
// itself, whatever type a program gives it.
func sheetBody(r *http.Request) (io.Reader, error) {
	if !strings.HasPrefix(r.Header.Get("Content-Type"), "multipart/form-data") {
		return r.Body, nil
	}
	_, file, err := filePart(r)
	return file, err
}

func (s *Server) apiGetRoster(r *http.Request, me staff.Staff) (web.Response, error) {
	return s.exportRoster(r, me, roster.UTF8)
}

// apiGroups are the groups of a school.
type apiGroups struct {
	Groups []roster.Group `json:"groups"`
}

func (s *Server) apiGetGroups(r *http.Request, me staff.Staff) (web.Response, error) {
	groups, err := s.Roster.Groups(r.Context(), me.School)
	if err != nil {
		return nil, err
	}
	return web.JSON{Value: apiGroups{Groups: append([]roster.Group{}, groups...)}}, nil
}
