package console

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/todoku/todoku/shared/access"
	"github.com/todoku/todoku/shared/alert"
	"github.com/todoku/todoku/shared/each"
	"github.com/todoku/todoku/shared/lang"
	"github.com/todoku/todoku/shared/roster"
	"github.com/todoku/todoku/shared/staff"
	"github.com/todoku/todoku/shared/web"
)

const districtPath = "/district"

func (s *Server) districtRoutes(rt *routes) {
	rt.page("GET "+districtPath, access.Overview, s.district, on(undecided))
	s.districtSendRoutes(rt)
	s.districtDeskRoutes(rt)
}

// Bounds of a page of a district.
const (
	schoolsPerPage  = 40
	newestOfSchool  = 10 // alerts of a school that are looked at; those before are over
	schoolReaders   = 8
	districtRefresh = 10 // seconds
)

// districtPage is the data of district.html: the open alerts of a district's schools.
//
// It reads the list of schools, the ten newest alerts of each of 40 schools, and of
// each of those that are open what a status page reads of children: 8 counters and
// a record of progress. It does not grow with children or guardians.
type districtPage struct {
	web.Base
	At    time.Time
	Every int
	Lines []schoolLine
	Quiet []string // schools without an open alert
	All   []roster.School
	Here  string // the school to which the session has turned
	Sum   alert.ClassStatus
	More  string
	Path  string
	Link  string
}

// schoolLine is an open alert of a school.
type schoolLine struct {
	alert.Alert
	alert.ClassStatus
	School string
}

// KindName returns what the alert's kind is called.
func (l schoolLine) KindName() lang.Text { return kindName(l.Kind) }

func (s *Server) district(r *http.Request, me staff.Staff) (web.Response, error) {
	ctx := r.Context()
	p := &districtPage{At: s.Now(), Every: districtRefresh, Path: districtPath, Link: r.URL.RequestURI()}
	p.Scripts, p.Refresh = []string{statusScript, "board.js"}, districtRefresh
	schools, err := s.Roster.Schools(ctx)
	if err != nil {
		return nil, err
	}
	after := r.URL.Query().Get("after")
	schools = slices.DeleteFunc(schools, func(v roster.School) bool {
		return v.ID <= after || !access.May(me, access.Overview, access.Target{School: v.ID, District: v.District})
	})
	if len(schools) > schoolsPerPage {
		schools = schools[:schoolsPerPage]
		p.More = schools[schoolsPerPage-1].ID
	}
	p.All, p.Here = schools, me.School
	if err := s.openAlerts(ctx, p, schools); err != nil {
		return nil, err
	}
	return web.Page{Template: "district.html", Data: p}, nil
}

// openAlerts adds the open alerts of schools: those where help is needed first, then
// those with most children missing.
func (s *Server) openAlerts(ctx context.Context, p *districtPage, schools []roster.School) error {
	found, err := each.Map(ctx, schoolReaders, schools, s.openOf)
	if err != nil {
		return err
	}
	for i, lines := range found {
		if len(lines) == 0 {
			p.Quiet = append(p.Quiet, schools[i].Name)
		}
		for _, l := range lines {
			p.Sum.Total, p.Sum.Answered, p.Sum.Help = p.Sum.Total+l.Total, p.Sum.Answered+l.Answered, p.Sum.Help+l.Help
		}
		p.Lines = append(p.Lines, lines...)
	}
	slices.SortStableFunc(p.Lines, func(a, b schoolLine) int {
		return cmp.Or(cmp.Compare(b.Help, a.Help), cmp.Compare(b.Unaccounted(), a.Unaccounted()))
	})
	return nil
}

func (s *Server) openOf(ctx context.Context, school roster.School) ([]schoolLine, error) {
	alerts, _, err := s.Alerts.List(ctx, school.ID, "", newestOfSchool)
	if err != nil {
		return nil, err
	}
	var lines []schoolLine
	for _, a := range alerts {
		if a.State(s.Now()) != alert.StateOpen {
			continue
		}
		sum, err := s.Alerts.Sum(ctx, a.ID)
		if err != nil {
			return nil, err
		}
		lines = append(lines, schoolLine{a, sum, school.Name})
	}
	return lines, nil
}
