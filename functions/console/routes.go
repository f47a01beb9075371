package console

import (
	"context"
	"errors"
	"net/http"

	"github.com/todoku/todoku/shared/access"
	"github.com/todoku/todoku/shared/alert"
	"github.com/todoku/todoku/shared/audit"
	"github.com/todoku/todoku/shared/staff"
	"github.com/todoku/todoku/shared/web"
)

// routes is where pages and API calls are registered. Nothing else holds the mux,
// so a route without an action of package access cannot be added.
type routes struct {
	server *Server
	mux    *http.ServeMux
	all    []route
}

// route is one page or API call.
type route struct {
	pattern string        // as http.ServeMux reads it
	do      access.Action // what it does
	api     bool
	pageOptions
}

// about finds what a request is about. It fails with an ErrNotFound for what is
// not there: what somebody may not see is not there either.
type about func(s *Server, r *http.Request, me staff.Staff) (access.Target, error)

// pageOption is something out of the ordinary about a page.
type pageOption func(*pageOptions)

type pageOptions struct {
	on      about // what it is done to; nil: the whole school
	maxBody int64 // bytes that may be posted

	records        audit.Kind
	recordsItself  bool
	changesNothing bool

	proven bool   // it asks for a fresh proof of who the person is
	back   string // and leads here after it; "": to the page itself
}

// on says what the page is about. Without it, that is the whole school.
func on(t about) pageOption { return func(o *pageOptions) { o.on = t } }

// upTo is the most bytes that may be posted. Without it, that is web.MaxForm.
func upTo(bytes int64) pageOption { return func(o *pageOptions) { o.maxBody = bytes } }

// page registers a page for those who are signed in and may do something.
func (rt *routes) page(pattern string, do access.Action, h staffHandler, options ...pageOption) {
	o := pageOptions{on: wholeSchool, maxBody: web.MaxForm}
	for _, set := range options {
		set(&o)
	}
	s := rt.server
	h = s.recorded(o.records, h)
	if o.proven {
		h = s.asksProof(o.back, h)
	}
	h = s.allowed(do, o.on, h)
	rt.add(route{pattern: pattern, do: do, pageOptions: o}, s.site.HandleUpTo(o.maxBody, s.signedIn(h)))
}

// open registers a page for everybody. Its action is access.Public.
func (rt *routes) open(pattern string, h web.Handler) {
	rt.add(route{pattern: pattern, do: access.Public}, rt.server.site.Handle(h))
}

// call registers an API call.
func (rt *routes) call(e endpoint) {
	s := rt.server
	if e.on == nil {
		e.on = wholeSchool
	}
	h := s.site.HandleUpTo(e.maxBody, s.bearer(s.allowed(e.action, e.on, s.recorded(e.records, e.do))))
	if e.json {
		h = jsonOnly(h)
	}
	rt.add(route{pattern: e.method + " " + apiPath + e.path, do: e.action, api: true, pageOptions: e.pageOptions}, h)
}

func (rt *routes) add(r route, h http.Handler) {
	if !access.Known(r.do) {
		panic("console: " + r.pattern + " does " + string(r.do) + ", which package access does not know")
	}
	rt.all = append(rt.all, r)
	rt.mux.Handle(r.pattern, h)
}

// allowed returns h for those who may do something to what a request is about.
func (s *Server) allowed(do access.Action, on about, h staffHandler) staffHandler {
	return func(r *http.Request, me staff.Staff) (web.Response, error) {
		if err := access.CheckAnywhere(me, do); err != nil {
			return nil, err
		}
		to, err := on(s, r, me)
		if err != nil {
			return nil, err
		}
		if !isUndecided(to) {
			if err := access.Check(me, do, to); err != nil {
				return nil, err
			}
			me.School = to.School // whoever acts for a district does so at the target's school
		}
		return h(r, me)
	}
}

// wholeSchool: the request is about all of somebody's school.
func wholeSchool(_ *Server, _ *http.Request, me staff.Staff) (access.Target, error) {
	return access.Target{School: me.School}, nil
}

// ownThing: the request is about what is somebody's own.
func ownThing(_ *Server, _ *http.Request, me staff.Staff) (access.Target, error) {
	return access.Target{School: me.School, Staff: me.ID}, nil
}

// undecided: what the request is about stands in its body, or is many things. The
// handler asks package access for each of them; here it is only asked whether the
// person may do this to anything at all.
func undecided(*Server, *http.Request, staff.Staff) (access.Target, error) {
	return access.Target{School: undecidedSchool}, nil
}

// undecidedSchool is no school's id.
const undecidedSchool = "?"

func isUndecided(t access.Target) bool { return t.School == undecidedSchool }

// theAlert: the request is about the alert {id}. Of an alert that somebody may not
// even see, it is not said that it exists.
func theAlert(s *Server, r *http.Request, me staff.Staff) (access.Target, error) {
	a, err := s.Alerts.Alert(r.Context(), r.PathValue("id"))
	if err != nil {
		return access.Target{}, err
	}
	to := ofAlert(a)
	if to.District, err = s.districtOf(r.Context(), me, a.School); err != nil {
		return access.Target{}, err
	}
	if !access.May(me, access.SeeAlert, to) {
		return to, alert.ErrNotFound
	}
	return to, nil
}

// theGroup: the request is about the children of the group {group}.
func theGroup(s *Server, r *http.Request, me staff.Staff) (access.Target, error) {
	to, err := theAlert(s, r, me)
	if err != nil {
		return access.Target{}, err
	}
	return access.Target{School: to.School, District: to.District, Groups: []string{r.PathValue("group")}}, nil
}

// districtOf returns the district of another school, for somebody who is of one; "":
// it does not matter.
func (s *Server) districtOf(ctx context.Context, me staff.Staff, school string) (string, error) {
	if me.Role != staff.District || me.School == school {
		return "", nil
	}
	v, err := s.Roster.School(ctx, school)
	return v.District, err
}

func ofAlert(a alert.Alert) access.Target {
	to := access.Target{School: a.School, Staff: a.Sender.ID}
	if !a.All {
		to.Groups = a.Groups
	}
	return to
}

// seesChild reports whether somebody may see a child in the list of an alert.
func seesChild(me staff.Staff, l alert.ChildLine) bool {
	return access.May(me, access.Children, access.Target{School: me.School, Groups: []string{l.Class}})
}

// only returns the children whom somebody may see.
func only(me staff.Staff, lines []alert.ChildLine) []alert.ChildLine {
	var mine []alert.ChildLine
	for _, l := range lines {
		if seesChild(me, l) {
			mine = append(mine, l)
		}
	}
	return mine
}

// maySend fails with a problem.Forbidden if somebody may not send a draft, or
// replace the alert that it replaces. Groups that do not exist are for the domain
// to name.
func (a *App) maySend(ctx context.Context, me staff.Staff, d alert.Draft) error {
	to := access.Target{School: d.School}
	if !d.All {
		groups, err := a.expand(ctx, d.School, d.Groups)
		if err != nil {
			return err
		}
		to.Groups = groups
	}
	if len(to.Groups) > 0 || d.All {
		if err := access.Check(me, access.Send, to); err != nil {
			return err
		}
	}
	if d.Supersedes == "" {
		return access.CheckAnywhere(me, access.Send)
	}
	old, err := a.alertOf(ctx, d.School, d.Supersedes)
	if errors.Is(err, alert.ErrNotFound) {
		return nil // the domain says it better
	}
	if err != nil {
		return err
	}
	return access.Check(me, access.End, ofAlert(old))
}

// expand returns groups with grades as their classes, and those that are not there
// as they are.
func (a *App) expand(ctx context.Context, school string, ids []string) ([]string, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	groups, err := a.Roster.Groups(ctx, school)
	if err != nil {
		return nil, err
	}
	classes := map[string][]string{}
	for _, g := range groups {
		classes[g.ID] = g.Classes
	}
	var out []string
	for _, id := range ids {
		if c := classes[id]; len(c) > 0 {
			out = append(out, c...)
		} else {
			out = append(out, id)
		}
	}
	return out, nil
}
