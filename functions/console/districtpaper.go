package console

import (
	"fmt"
	"net/http"
	"slices"

	"github.com/todoku/todoku/shared/alert"
	"github.com/todoku/todoku/shared/audit"
	"github.com/todoku/todoku/shared/desk"
	"github.com/todoku/todoku/shared/lang"
	"github.com/todoku/todoku/shared/roster"
	"github.com/todoku/todoku/shared/staff"
	"github.com/todoku/todoku/shared/web"
)

// The list of a district's call desk on paper: a row is a household, whichever schools
// its children go to. Who of the district keys it in need not be who printed it.

const districtPapers = districtDesk + "/paper"

// districtShelf is the desk with which the papers of somebody's district are kept.
func (s *Server) districtShelf(me staff.Staff) desk.Desk {
	d := s.desk()
	d.Place = desk.Place{Scope: deskScope(roster.School{ID: me.School, District: me.District})}
	return d
}

// makeDistrictPaper keeps the households of the view as a paper copy, and shows it.
func (s *Server) makeDistrictPaper(r *http.Request, me staff.Staff) (web.Response, error) {
	form, err := web.ReadForm(r)
	if err != nil {
		return nil, err
	}
	ctx := r.Context()
	homes, all, _, _, err := s.householdsOf(ctx, me, viewOf(form.Values))
	if err != nil {
		return nil, err
	}
	for _, b := range all {
		if _, err := s.Audit.Add(ctx, entry(b.at, audit.Call, b.ID, "")); err != nil {
			return nil, err
		}
	}
	p, err := s.districtShelf(me).PrintHouseholds(ctx, caller(me), homes)
	return s.afterwards(err, fmt.Sprintf("%s/%d", districtPapers, p.Number))
}

// districtPaperOf reads a paper copy of the district's and so many of its rows, as they
// are now. Children of schools where somebody may not phone any more are left out.
func (s *Server) districtPaperOf(r *http.Request, me staff.Staff, from, rows int) (*paperPage, error) {
	number, err := paperNumber(r)
	if err != nil {
		return nil, err
	}
	p := &paperPage{
		deskFrame: s.districtFrame(r, me), Desk: lang.T("地区の電話連絡", "Call desk of all schools"),
		List: districtDesk, Self: fmt.Sprintf("%s/%d", districtPapers, number),
	}
	ctx := r.Context()
	if p.Paper, err = s.districtShelf(me).ScopePaper(ctx, number); err != nil {
		return nil, err
	}
	all, err := s.branchesOf(ctx, me, alertsOn(p.Paper))
	if err != nil {
		return nil, err
	}
	p.Of, p.Drill = titlesOf(all), len(all) > 0 && all[0].Kind == alert.Drill
	if err := s.fillPaper(ctx, p, all, from, rows); err != nil {
		return nil, err
	}
	return p, s.showMembers(ctx, p.households(), all)
}

// alertsOn returns the ids of the alerts that the families of a copy were phoned for.
func alertsOn(p desk.Paper) (ids []string) {
	for _, refs := range p.Households() {
		for _, ref := range refs {
			ids = append(ids, ref.Alert)
		}
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

// titlesOf names alerts, those of the same words once.
func titlesOf(all []branch) lang.Text {
	var titles []string
	for _, b := range all {
		titles = append(titles, b.Title())
	}
	slices.Sort(titles)
	return lang.Names(slices.Compact(titles))
}

func (s *Server) districtPaper(r *http.Request, me staff.Staff) (web.Response, error) {
	p, err := s.districtPaperOf(r, me, firstRow(r.URL.Query()), rowsToPrint)
	return printed(p, err)
}

func (s *Server) enterDistrictPaper(r *http.Request, me staff.Staff) (web.Response, error) {
	p, err := s.districtPaperOf(r, me, firstRow(r.URL.Query()), rowsToKeyIn)
	return toKeyIn(r, p, err)
}

func (s *Server) keyDistrictPaperIn(r *http.Request, me staff.Staff) (web.Response, error) {
	form, err := web.ReadForm(r)
	if err != nil {
		return nil, err
	}
	p, err := s.districtPaperOf(r, me, firstRow(form.Values), rowsToKeyIn)
	if err != nil {
		return nil, err
	}
	return s.keyIn(r, p, form)
}
