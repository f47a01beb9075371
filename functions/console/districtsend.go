package console

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/todoku/todoku/shared/access"
	"github.com/todoku/todoku/shared/alert"
	"github.com/todoku/todoku/shared/audit"
	"github.com/todoku/todoku/shared/lang"
	"github.com/todoku/todoku/shared/mail"
	"github.com/todoku/todoku/shared/problem"
	"github.com/todoku/todoku/shared/roster"
	"github.com/todoku/todoku/shared/staff"
	"github.com/todoku/todoku/shared/web"
)

func (s *Server) districtSendRoutes(rt *routes) {
	rt.page("POST "+districtPath+"/turn", access.Overview, s.turn, changesNothing())
	rt.page("GET "+districtPath+"/send", access.Overview, s.newDistrictAlert)
	rt.page("POST "+districtPath+"/edit", access.Overview, s.editDistrictAlert, changesNothing())
	rt.page("POST "+districtPath+"/preview", access.Overview, s.previewDistrictAlert, changesNothing())
	rt.page("POST "+districtPath+"/send", access.Overview, s.sendDistrictAlert, recordsItself())
	rt.page("GET "+districtPath+"/undo", access.Overview, s.toDistrict) // from the link to the other language
	rt.page("POST "+districtPath+"/undo", access.Overview, s.undoDistrictAlert, recordsItself())
}

// turned returns somebody as they stand before the school to which their session has
// turned, if it is (still) one of their district. It is asked with each request.
func (s *Server) turned(ctx context.Context, m staff.Staff) (staff.Staff, error) {
	if m.At == "" || m.At == m.School || !access.MayAnywhere(m, access.Overview) {
		return m, nil
	}
	school, err := s.Roster.School(ctx, m.At)
	if errors.Is(err, roster.ErrNotFound) {
		return m, nil
	}
	if err == nil && access.May(m, access.Overview, access.Target{School: school.ID, District: school.District}) {
		m.School = school.ID
	}
	return m, err
}

// before returns somebody before a school of their district, as its audit log is to
// show them.
func before(me staff.Staff, school roster.School) staff.Staff {
	me.School = school.ID
	return me
}

// schoolsOf returns the schools where somebody of the district may do something.
func (s *Server) schoolsOf(ctx context.Context, me staff.Staff, do access.Action) ([]roster.School, error) {
	all, err := s.Roster.Schools(ctx)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(all, func(v roster.School) bool {
		return !access.May(me, do, access.Target{School: v.ID, District: v.District})
	}), nil
}

// eachSchool calls f for schools, some side by side.
func eachSchool(ctx context.Context, schools []roster.School, f func(ctx context.Context, i int, v roster.School) error) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(schoolReaders)
	for i, v := range schools {
		g.Go(func() error { return f(ctx, i, v) })
	}
	return g.Wait()
}

// turn has the session be about a school of the district, and leads to it or to one of
// its alerts.
func (s *Server) turn(r *http.Request, me staff.Staff) (web.Response, error) {
	form, err := web.ReadForm(r)
	if err != nil {
		return nil, err
	}
	school, err := s.Roster.School(r.Context(), form.Get("school"))
	if err != nil {
		return nil, err
	}
	if !access.May(me, access.Overview, access.Target{School: school.ID, District: school.District}) {
		return nil, roster.ErrNotFound
	}
	if err := s.Staff.Turn(r.Context(), me.ID, me.Via, school.ID); err != nil {
		return nil, err
	}
	if id := form.Get("alert"); id != "" {
		if _, err := s.alertOf(r.Context(), school.ID, id); err == nil {
			return web.Redirect{To: "/alerts/" + id}, nil
		}
	}
	return web.Redirect{To: "/"}, nil
}

// schoolBox is a school to choose, with how many children it has.
type schoolBox struct {
	roster.School
	Chosen   bool
	Children int
}

// districtAlertPage is the data of district_send.html: the form, or what is about to be
// sent.
type districtAlertPage struct {
	web.Base
	District string
	Form     compose
	Schools  []schoolBox
	Ready    bool // nothing is wrong: ask once more
	Until    time.Time
	Mail     *mail.Message // as guardians of the first of the schools will see it
}

// Kinds returns the kinds to choose from.
func (*districtAlertPage) Kinds() []kindCard { return kindCards }

// Chosen returns the schools that are told.
func (p *districtAlertPage) Chosen() []schoolBox {
	return slices.DeleteFunc(slices.Clone(p.Schools), func(b schoolBox) bool { return !b.Chosen })
}

// Children returns how many children they have.
func (p *districtAlertPage) Children() (n int) {
	for _, b := range p.Chosen() {
		n += b.Children
	}
	return n
}

// KindName returns what the alert's kind is called.
func (p *districtAlertPage) KindName() lang.Text { return kindName(alert.Kind(p.Form.Kind)) }

// districtDraft is a form for several schools as it was filled in.
type districtDraft struct {
	filled
	page *districtAlertPage
}

// schoolBoxes returns the schools to which somebody may send, with those of ids, or all
// if there are none, chosen.
func (s *Server) schoolBoxes(ctx context.Context, me staff.Staff, all bool, ids []string) ([]schoolBox, error) {
	schools, err := s.schoolsOf(ctx, me, access.Send)
	if err != nil {
		return nil, err
	}
	boxes := make([]schoolBox, len(schools))
	err = eachSchool(ctx, schools, func(ctx context.Context, i int, v roster.School) error {
		groups, err := s.Roster.Groups(ctx, v.ID)
		b := schoolBox{School: v}
		for _, g := range groups {
			if g.Kind == roster.Class {
				b.Children += g.Children
			}
		}
		b.Chosen = b.Children > 0 && (all || slices.Contains(ids, v.ID))
		boxes[i] = b
		return err
	})
	return boxes, err
}

func (s *Server) newDistrictAlert(r *http.Request, me staff.Staff) (web.Response, error) {
	loc, err := s.zone(r.Context(), me.School)
	if err != nil {
		return nil, err
	}
	boxes, err := s.schoolBoxes(r.Context(), me, true, nil)
	p := &districtAlertPage{Form: newCompose(alert.Notice, s.Now(), loc, alert.Chases{}, s.Alerts.IDs.New()), Schools: boxes}
	return s.districtForm(p, me, nil), err
}

func (s *Server) districtForm(p *districtAlertPage, me staff.Staff, wrong problem.List) web.Response {
	p.District, p.Problems, p.Scripts = me.District, wrong, []string{"once.js"}
	p.Resubmit = web.Resubmit{Form: "send", Action: districtPath + "/edit"}
	if p.Ready {
		p.Resubmit.Action = districtPath + "/preview"
	}
	return web.Page{Template: "district_send.html", Data: p}
}

var errNoSchool = problem.New(problem.Invalid,
	"送る学校を一つ以上選んでください。名簿のない学校には送れません。",
	"Choose at least one school. One without a roster cannot be told.").In("schools")

// fillDistrict reads the form and says what is wrong with it.
func (s *Server) fillDistrict(r *http.Request, me staff.Staff) (districtDraft, error) {
	f, err := s.fill(r, me)
	if err != nil {
		return districtDraft{}, err
	}
	d := &f.draft
	d.All, d.Groups, d.Supersedes = true, nil, ""
	if err := s.remindAsUsual(r.Context(), d); err != nil {
		return districtDraft{}, err
	}
	_, more := d.Tidy(s.Now())
	f.add(more)
	boxes, err := s.schoolBoxes(r.Context(), me, false, r.PostForm["schools"])
	p := &districtAlertPage{Form: f.form, Schools: boxes, Until: d.UsefulUntil}
	if chosen := p.Chosen(); len(chosen) > 0 {
		p.Mail = s.sample(*d, chosen[0].School)
	} else {
		f.wrong = append(f.wrong, errNoSchool)
	}
	return districtDraft{f, p}, err
}

func (s *Server) editDistrictAlert(r *http.Request, me staff.Staff) (web.Response, error) {
	f, err := s.fillDistrict(r, me)
	if err != nil {
		return nil, err
	}
	return s.districtForm(f.page, me, nil), nil
}

func (s *Server) previewDistrictAlert(r *http.Request, me staff.Staff) (web.Response, error) {
	f, err := s.fillDistrict(r, me)
	if err != nil {
		return nil, err
	}
	f.page.Ready = len(f.wrong) == 0
	return s.districtForm(f.page, me, f.wrong), nil
}

// districtSentPage is the data of district_sent.html.
type districtSentPage struct {
	web.Base
	Form    compose
	Title   string
	Results []schoolResult
	Undone  bool
	Left    int // seconds in which all can be taken back
}

// schoolResult is what became of an alert at one school.
type schoolResult struct {
	roster.School
	Alert alert.Alert
	Wrong problem.List
}

// Failed reports whether there is a school to try again.
func (p *districtSentPage) Failed() bool {
	return slices.ContainsFunc(p.Results, func(r schoolResult) bool { return len(r.Wrong) > 0 })
}

// sendDistrictAlert sends one alert to each school that was chosen. The same form sent
// again sends to those where it failed.
func (s *Server) sendDistrictAlert(r *http.Request, me staff.Staff) (web.Response, error) {
	f, err := s.fillDistrict(r, me)
	if err != nil {
		return nil, err
	}
	if len(f.wrong) > 0 {
		return s.districtForm(f.page, me, f.wrong), nil
	}
	chosen := f.page.Chosen()
	p := &districtSentPage{Form: f.form, Title: f.draft.Subject, Results: make([]schoolResult, len(chosen))}
	schools := make([]roster.School, len(chosen))
	for i, b := range chosen {
		schools[i] = b.School
	}
	err = eachSchool(r.Context(), schools, func(ctx context.Context, i int, v roster.School) error {
		a, err := s.sendTo(ctx, me, v, f.draft, f.form.Key)
		p.Results[i] = schoolResult{School: v, Alert: a}
		if err != nil {
			p.Results[i].Wrong = s.site.Problems(err)
			s.Log.Error("an alert of the district was not sent at a school", "school", v.ID, "staff", me.ID, "err", err)
		}
		return nil // the others go on
	})
	for _, res := range p.Results {
		if res.Alert.ID != "" {
			p.Left = int((res.Alert.Starts.Sub(s.Now()) + time.Second - 1) / time.Second)
		}
	}
	p.Scripts = []string{"once.js"}
	page := web.Page{Template: "district_sent.html", Data: p}
	if p.Failed() {
		page.Status = web.Status(problem.Busy)
	}
	return page, err
}

func (s *Server) sendTo(ctx context.Context, me staff.Staff, v roster.School, d alert.Draft, key string) (alert.Alert, error) {
	if err := access.Check(me, access.Send, access.Target{School: v.ID, District: v.District}); err != nil {
		return alert.Alert{}, err
	}
	d.School = v.ID
	return s.Send(ctx, before(me, v), d, key)
}

func (s *Server) toDistrict(*http.Request, staff.Staff) (web.Response, error) {
	return web.Redirect{To: districtPath}, nil
}

// undoDistrictAlert takes back what was sent to all schools just now.
func (s *Server) undoDistrictAlert(r *http.Request, me staff.Staff) (web.Response, error) {
	form, err := web.ReadForm(r)
	if err != nil {
		return nil, err
	}
	schools, err := s.schoolsOf(r.Context(), me, access.End)
	if err != nil {
		return nil, err
	}
	ids := map[string]string{} // of alerts by school
	for _, one := range form.Values["sent"] {
		if school, id, whole := strings.Cut(one, "/"); whole {
			ids[school] = id
		}
	}
	schools = slices.DeleteFunc(schools, func(v roster.School) bool { return ids[v.ID] == "" })
	p := &districtSentPage{Undone: true, Title: form.Get("subject"), Results: make([]schoolResult, len(schools))}
	err = eachSchool(r.Context(), schools, func(ctx context.Context, i int, v roster.School) error {
		a, err := s.undoAt(ctx, me, v, ids[v.ID])
		p.Results[i] = schoolResult{School: v, Alert: a}
		if err != nil {
			p.Results[i].Wrong = s.problemsOf(err, "an alert of the district was not undone at a school", "school", v.ID, "staff", me.ID)
		}
		return nil // the others go on
	})
	page := web.Page{Template: "district_sent.html", Data: p}
	if p.Failed() {
		page.Status = web.Status(problem.Conflict)
	}
	return page, err
}

// undoAt takes back an alert at one school.
func (s *Server) undoAt(ctx context.Context, me staff.Staff, v roster.School, id string) (alert.Alert, error) {
	if _, err := s.alertOf(ctx, v.ID, id); err != nil {
		return alert.Alert{}, err
	}
	return recording(ctx, s.App, entry(before(me, v), audit.Undo, id, ""), func() (alert.Alert, error) { return s.Undo(ctx, v.ID, id) })
}
