package console

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/todoku/todoku/shared/access"
	"github.com/todoku/todoku/shared/alert"
	"github.com/todoku/todoku/shared/audit"
	"github.com/todoku/todoku/shared/problem"
	"github.com/todoku/todoku/shared/roster"
	"github.com/todoku/todoku/shared/staff"
	"github.com/todoku/todoku/shared/web"
)

func (s *Server) alertRoutes(rt *routes) {
	rt.page("GET /{$}", access.SeeAlert, s.home, on(undecided))
	rt.page("GET /alerts/new", access.Send, s.newAlert, on(undecided))
	rt.page("POST /alerts/new", access.Send, s.editAlert, on(undecided), changesNothing())
	rt.page("POST /alerts/preview", access.Send, s.previewAlert, on(undecided), changesNothing())
	rt.page("POST /alerts/test", access.Send, s.testAlert, on(undecided), changesNothing())
	rt.page("POST /alerts", access.Send, s.sendAlert, on(undecided), recordsItself())
	rt.page("POST /alerts/{id}/undo", access.End, s.undoAlert, on(theAlert), records(audit.Undo))
	rt.page("GET /alerts/{id}/close", access.End, s.askClose, on(theAlert))
	rt.page("POST /alerts/{id}/close", access.End, s.closeAlert, on(theAlert), records(audit.Close))
}

// newAlert shows the form: empty, or filled in with an alert that it replaces
// (supersedes) or that is sent again (from).
func (s *Server) newAlert(r *http.Request, me staff.Staff) (web.Response, error) {
	q, ctx := r.URL.Query(), r.Context()
	loc, err := s.zone(ctx, me.School)
	if err != nil {
		return nil, err
	}
	chases, err := s.Alerts.Chases(ctx, me.School)
	if err != nil {
		return nil, err
	}
	c := newCompose(alert.Kind(q.Get("kind")), s.Now(), loc, chases, s.Alerts.IDs.New())
	if id := q.Get("supersedes") + q.Get("from") + q.Get("follows"); id != "" {
		old, err := s.seenAlert(ctx, me, id)
		if err != nil {
			return nil, err
		}
		c = composeFrom(old, s.Now(), loc, chases, c.Key)
		if q.Get("supersedes") != "" {
			c.Supersedes = id
		}
		if q.Get("follows") != "" {
			c.Follows = id
		}
	}
	return s.composeAgain(ctx, me, c, nil)
}

func (s *Server) zone(ctx context.Context, school string) (*time.Location, error) {
	v, err := s.Roster.School(ctx, school)
	return v.Location(), err
}

// composeAgain shows a form as it was filled in, with what is wrong with it.
func (s *Server) composeAgain(ctx context.Context, me staff.Staff, c compose, wrong problem.List) (web.Response, error) {
	school, err := s.Roster.School(ctx, me.School)
	if err != nil {
		return nil, err
	}
	groups, err := s.Roster.Groups(ctx, me.School)
	if err != nil {
		return nil, err
	}
	slices.SortStableFunc(wrong, func(a, b *problem.Error) int { return composeOrder(a.Field) - composeOrder(b.Field) })
	chases, err := s.Alerts.Chases(ctx, me.School)
	if err != nil {
		return nil, err
	}
	p := &composePage{Form: c, Me: me, Defaults: map[alert.Kind]string{}, Chases: chases}
	p.Problems = wrong
	p.Scripts = []string{"once.js", "compose.js"}
	p.Resubmit = web.Resubmit{Form: "compose", Action: "/alerts/new", Enter: true}
	for k := range usefulFor {
		p.Defaults[k] = defaultUntil(k, s.Now(), school.Location())
	}
	p.May = access.May(me, access.Send, access.Target{School: me.School})
	p.setGroups(sendable(me, groups))
	p.Old, p.Followed = s.replaced(ctx, me, c.Supersedes), s.replaced(ctx, me, c.Follows)
	p.Proof = s.proof(ctx)
	page := web.Page{Template: "compose.html", Data: p, Header: keptForBack()}
	if len(wrong) > 0 {
		maps.Copy(page.Header, retryHeader(wrong[0].Kind))
	}
	return page, nil
}

// composeOrder is the place of a field on the page: problems are listed in the
// order in which they are met there.
func composeOrder(field string) int {
	fields := []string{"", "supersedes", "follows", "kind", "subject", "body", "groups", "answers", "choices", "useful_until", "remind_after"}
	if i := slices.Index(fields, field); i >= 0 {
		return i
	}
	return slices.Index(fields, "choices") // a line of them
}

func retryHeader(k problem.Kind) http.Header {
	if k == problem.Busy {
		return web.RetryAfter(web.BusyRetry)
	}
	return nil
}

// keptForBack lets a browser keep a page for its own Back button. Without it, who
// goes back to a page that came of a form sees the browser's error page instead,
// in the middle of an emergency. It is for pages that hold an alert's text and
// counts, and nobody's data.
func keptForBack() http.Header { return http.Header{"Cache-Control": {"private, no-cache"}} }

// replaced returns the subject of the alert to be replaced, if there is one: what
// is wrong with it is said when the form is sent.
func (s *Server) replaced(ctx context.Context, me staff.Staff, id string) string {
	if id == "" {
		return ""
	}
	old, err := s.seenAlert(ctx, me, id)
	if err != nil {
		return ""
	}
	return old.Title()
}

// seenAlert reads an alert that somebody may see; another does not exist for them.
func (s *Server) seenAlert(ctx context.Context, me staff.Staff, id string) (alert.Alert, error) {
	a, err := s.alertOf(ctx, me.School, id)
	if err == nil && !access.May(me, access.SeeAlert, ofAlert(a)) {
		return alert.Alert{}, alert.ErrNotFound
	}
	return a, err
}

// sendable returns the groups to which somebody may send, and the grades of which
// they may send to every class. What nobody is in is left out, such as a class that a turn
// of the year made and that was undone.
func sendable(me staff.Staff, groups []roster.Group) []roster.Group {
	var mine []roster.Group
	for _, g := range groups {
		if g.Children == 0 {
			continue
		}
		to := access.Target{School: me.School, Groups: []string{g.ID}}
		if g.Kind == roster.Grade {
			to.Groups = g.Classes
		}
		if access.May(me, access.Send, to) {
			mine = append(mine, g)
		}
	}
	return mine
}

// filled is a form with the draft that it makes.
type filled struct {
	form  compose
	draft alert.Draft
	wrong problem.List
}

func (s *Server) fill(r *http.Request, me staff.Staff) (filled, error) {
	form, err := web.ReadForm(r)
	if err != nil {
		return filled{}, err
	}
	loc, err := s.zone(r.Context(), me.School)
	if err != nil {
		return filled{}, err
	}
	f := filled{form: readCompose(form.Values)}
	f.draft, f.wrong = f.form.draft(me, loc)
	f.wrong = append(form.Wrong, f.wrong...)
	if err := s.follow(r.Context(), &f.draft); err != nil {
		return f, err
	}
	chases, err := s.Alerts.Chases(r.Context(), me.School)
	chases.Apply(&f.draft)
	return f, err
}

// judge adds what the domain finds wrong with the draft. A problem that the form
// already has with a field is not said twice.
func (s *Server) judge(ctx context.Context, f *filled) (Preview, error) {
	p, err := s.Preview(ctx, f.draft)
	var list problem.List
	switch {
	case errors.As(err, &list), problem.Is(err, problem.Invalid):
		f.add(problem.Of(err))
	case err != nil:
		return p, err
	}
	if len(f.wrong) == 0 && p.Size.Children == 0 {
		f.wrong = append(f.wrong, errNobody)
	}
	return p, nil
}

func (f *filled) add(more problem.List) {
	has := map[string]bool{}
	for _, e := range f.wrong {
		has[e.Field] = true
	}
	for _, e := range more {
		if !has[e.Field] {
			f.wrong = append(f.wrong, e)
		}
	}
}

// editAlert shows the form again as it was typed: the way back from the preview,
// and the page in the other language.
func (s *Server) editAlert(r *http.Request, me staff.Staff) (web.Response, error) {
	f, err := s.fill(r, me)
	if err != nil {
		return nil, err
	}
	return s.composeAgain(r.Context(), me, f.form, nil)
}

// formOr shows the form again for errors that the person can do something about,
// or that will pass: nothing that was typed is lost. Others are for the error page.
func (s *Server) formOr(ctx context.Context, me staff.Staff, f filled, err error) (web.Response, error) {
	problems := s.site.Mendable(err, problem.Forbidden)
	if len(problems) == 0 {
		return nil, err
	}
	page, failed := s.composeAgain(ctx, me, f.form, problems)
	if failed != nil {
		return nil, err
	}
	return page, nil
}

// schoolGroups returns the school's groups by id.
func (s *Server) schoolGroups(ctx context.Context, school string) (map[string]roster.Group, error) {
	groups, err := s.Roster.Groups(ctx, school)
	byID := make(map[string]roster.Group, len(groups))
	for _, g := range groups {
		byID[g.ID] = g
	}
	return byID, err
}
