package console

import (
	"context"
	"net/http"
	"slices"

	"github.com/todoku/todoku/shared/access"
	"github.com/todoku/todoku/shared/alert"
	"github.com/todoku/todoku/shared/problem"
	"github.com/todoku/todoku/shared/roster"
	"github.com/todoku/todoku/shared/staff"
	"github.com/todoku/todoku/shared/web"
)

// A district's token reads, closes and undoes its schools' alerts by the calls that a
// school's does; these calls are about several schools.

// apiSchools is a page of a district's schools.
type apiSchools struct {
	Schools []apiSchool `json:"schools"`
	Next    string      `json:"next"` // "": the end
}

// apiSchool is a school with its open alerts.
type apiSchool struct {
	ID     string         `json:"id"`
	Name   string         `json:"name"`
	Alerts []apiOpenAlert `json:"alerts"`
}

// apiOpenAlert is an open alert with the numbers of its children.
type apiOpenAlert struct {
	ID       string     `json:"id"`
	Kind     alert.Kind `json:"kind"`
	Subject  string     `json:"subject"`
	Total    int64      `json:"total"`
	Answered int64      `json:"answered"`
	Help     int64      `json:"help"`
}

// apiGetSchools reads what the district's page reads: see districtPage.
func (s *Server) apiGetSchools(r *http.Request, me staff.Staff) (web.Response, error) {
	after, err := cursor(r)
	if err != nil {
		return nil, joined(err)
	}
	schools, err := s.schoolsOf(r.Context(), me, access.Overview)
	if err != nil {
		return nil, err
	}
	schools = slices.DeleteFunc(schools, func(v roster.School) bool { return v.ID <= after })
	out := apiSchools{}
	if len(schools) > schoolsPerPage {
		schools = schools[:schoolsPerPage]
		out.Next = nextCursor(schools[schoolsPerPage-1].ID)
	}
	out.Schools = make([]apiSchool, len(schools))
	err = eachSchool(r.Context(), schools, func(ctx context.Context, i int, v roster.School) error {
		open, err := s.openOf(ctx, v)
		out.Schools[i] = apiSchool{ID: v.ID, Name: v.Name, Alerts: []apiOpenAlert{}}
		for _, l := range open {
			out.Schools[i].Alerts = append(out.Schools[i].Alerts, apiOpenAlert{l.ID, l.Kind, l.Subject, l.Total, l.Answered, l.Help})
		}
		return err
	})
	return web.JSON{Value: out}, err
}

// districtRequest is the body of POST /district/alerts.
type districtRequest struct {
	alertRequest
	Schools []string
}

func (q *districtRequest) members() members {
	m := q.alertRequest.members()
	for _, ofOneSchool := range []string{"groups", "supersedes", "remind_after_minutes", "remind_times", "remind_every_minutes"} {
		delete(m, ofOneSchool)
	}
	m["schools"] = &q.Schools
	return m
}

// districtDraft returns the request as an alert to each whole school, with what is wrong with it.
func (s *Server) districtDraft(ctx context.Context, me staff.Staff, q districtRequest) (alert.Draft, problem.List, error) {
	all := q.All
	q.All = false
	d, wrong := q.draft(me)
	d.All = true
	if err := s.remindAsUsual(ctx, &d); err != nil {
		return d, nil, err
	}
	_, more := d.Tidy(s.Now())
	wrong = merge(wrong, more)
	if all == (len(q.Schools) > 0) {
		wrong = append(wrong, problem.New(problem.Invalid, "「all」に true を送るか、「schools」に学校を一つ以上送ってください。", "Send all as true, or at least one school in schools.").In("schools"))
	}
	return d, wrong, nil
}

// apiSent is what became of an alert of the district at each school.
type apiSent struct {
	Alerts []apiSentAt `json:"alerts"`
}

type apiSentAt struct {
	School string      `json:"school"`
	ID     string      `json:"id,omitempty"` // of the alert
	State  alert.State `json:"state,omitempty"`
	Wrong  string      `json:"error,omitempty"` // why it was not sent here
}

// apiPostDistrictAlert sends one alert to each school that is named, or to all that have
// a roster. The same request sent again, with its key, sends to those where it failed.
func (s *Server) apiPostDistrictAlert(r *http.Request, me staff.Staff) (web.Response, error) {
	key, body, err := keyed(r)
	if err != nil {
		return nil, err
	}
	var q districtRequest
	if wrong := decodeObject(body, q.members()); len(wrong) > 0 {
		return nil, wrong
	}
	d, wrong, err := s.districtDraft(r.Context(), me, q)
	if err != nil {
		return nil, err
	}
	if len(wrong) > 0 {
		return nil, apiNames(wrong)
	}
	schools, err := s.namedSchools(r.Context(), me, q)
	if err != nil {
		return nil, err
	}
	return s.apiSend(r, me, schools, d, key)
}

// namedSchools returns the schools of a request. It fails if one of them is not for
// somebody to tell: half of the district is not what was asked for.
func (s *Server) namedSchools(ctx context.Context, me staff.Staff, q districtRequest) ([]roster.School, error) {
	if err := access.CheckAnywhere(me, access.Send); err != nil {
		return nil, err
	}
	boxes, err := s.schoolBoxes(ctx, me, q.All, q.Schools)
	if err != nil {
		return nil, err
	}
	var named []roster.School
	for _, b := range boxes {
		if b.Chosen {
			named = append(named, b.School)
		}
	}
	for _, id := range q.Schools {
		if !slices.ContainsFunc(named, func(v roster.School) bool { return v.ID == id }) {
			return nil, problem.New(problem.Invalid, "学校「%s」には送れません。担当の学校で、名簿があるか確認してください。", "The school %q cannot be told: see that it is one of yours and has a roster.", printable(id)).In("schools")
		}
	}
	if len(named) == 0 {
		return nil, errNoSchool
	}
	return named, nil
}

func (s *Server) apiSend(r *http.Request, me staff.Staff, schools []roster.School, d alert.Draft, key string) (web.Response, error) {
	out, failed := apiSent{Alerts: make([]apiSentAt, len(schools))}, make([]error, len(schools))
	err := eachSchool(r.Context(), schools, func(ctx context.Context, i int, v roster.School) error {
		a, err := s.sendTo(ctx, me, v, d, key)
		out.Alerts[i] = apiSentAt{School: v.ID, ID: a.ID}
		if failed[i] = err; err == nil {
			out.Alerts[i].State = a.State(s.Now())
			return nil
		}
		out.Alerts[i] = apiSentAt{School: v.ID, Wrong: s.site.Problems(err)[0].Text.In(web.Language(r))}
		s.Log.Error("an alert of the district was not sent at a school", "school", v.ID, "staff", me.ID, "err", err)
		return nil // the others go on
	})
	if err == nil && !slices.ContainsFunc(failed, func(err error) bool { return err == nil }) {
		err = apiNames(failed[0])
	}
	if err != nil {
		return nil, err
	}
	return web.JSON{Status: http.StatusCreated, Value: out}, nil
}
