package console

import (
	"cmp"
	"errors"
	"net/http"
	"net/url"
	"slices"

	"github.com/todoku/todoku/shared/access"
	"github.com/todoku/todoku/shared/alert"
	"github.com/todoku/todoku/shared/audit"
	"github.com/todoku/todoku/shared/lang"
	"github.com/todoku/todoku/shared/problem"
	"github.com/todoku/todoku/shared/staff"
	"github.com/todoku/todoku/shared/web"
)

func (s *Server) gateRoutes(rt *routes) {
	rt.page("GET /alerts/{id}/gate", access.SeeAlert, s.gateClasses, on(theAlert))
	const class = "/alerts/{id}/gate/{group}"
	rt.page("GET "+class, access.Children, s.gate, on(theGroup), records(audit.View))
	rt.page("POST "+class, access.Phone, s.seen, on(theGroup), recordsItself())
	rt.page("POST "+class+"/back", access.Phone, s.notSeen, on(theGroup), recordsItself())
}

// gateClassesPage is the data of gate_classes.html: of which class is the list?
type gateClassesPage struct {
	statusPage
}

// gateClasses offers the classes whose children somebody may see.
func (s *Server) gateClasses(r *http.Request, me staff.Staff) (web.Response, error) {
	a, err := s.alertOf(r.Context(), me.School, r.PathValue("id"))
	if err != nil {
		return nil, err
	}
	p := &gateClassesPage{}
	p.Alert, p.Link = a, "/alerts/"+a.ID+"/gate"
	err = s.setClasses(r, me, &p.statusPage)
	p.Classes = slices.DeleteFunc(p.Classes, func(c classLine) bool { return !c.Mine })
	return web.Page{Template: "gate_classes.html", Data: p}, err
}

// gatePage is the data of gate.html: the children of a class as the teacher's list has
// them, to be ticked off by who sees them.
type gatePage struct {
	childrenPage
	Me      staff.Staff
	Rows    []gateRow
	Choice  alert.Choice // what a tap records
	Seen    int          // children who are answered for
	Path    string
	Version string
	May     bool
}

// gateRow is a child of the list.
type gateRow struct {
	childLine
	Entry  string // id of the entry that a tap makes
	Newest string // when the newest answer was given, that the page shows
	By     string // who gave it, if that was a member of staff
	Mine   bool   // it was given here, and can be taken back
}

// Missing is how many children of the page nobody has answered for.
func (p *gatePage) Missing() int { return len(p.Rows) - p.Seen }

// Of returns the address of the same list, where a tap records another answer.
func (p *gatePage) Of(c alert.Choice) string { return p.Path + "?choice=" + url.QueryEscape(c.ID) }

// Here is where forms lead back to.
func (p *gatePage) Here() string { return p.Of(p.Choice) }

// gateTap is a row with what the part "gate-tap" needs of its page.
type gateTap struct {
	Page *gatePage
	Row  gateRow
}

// Tap returns a row for the part "gate-tap".
func (p *gatePage) Tap(r gateRow) gateTap { return gateTap{p, r} }

// usualChoice returns the answer with the id, or else the first that asks for no help.
func usualChoice(a alert.Alert, id string) alert.Choice {
	if c, ok := a.Choice(id); ok {
		return c
	}
	for _, c := range a.Choices {
		if !c.Help {
			return c
		}
	}
	return a.Choices[0]
}

func (s *Server) gate(r *http.Request, me staff.Staff) (web.Response, error) {
	return s.gateAgain(r, me, nil)
}

// gateAgain shows the list, with what kept a tap from being recorded.
func (s *Server) gateAgain(r *http.Request, me staff.Staff, wrong error) (web.Response, error) {
	ctx, group := r.Context(), r.PathValue("group")
	a, err := s.alertOf(ctx, me.School, r.PathValue("id"))
	if err != nil {
		return nil, err
	}
	version, err := s.desk().Version(ctx, a.ID)
	if err != nil {
		return nil, err
	}
	lines, next, err := s.Alerts.Children(ctx, a.ID, group, r.URL.Query().Get("after"), familiesPerPage)
	if err != nil {
		return nil, err
	}
	groups, err := s.Roster.Named(ctx, me.School, []string{group})
	if err != nil {
		return nil, err
	}
	p := &gatePage{childrenPage: *s.childrenPage(r, a, ""), Me: me, Path: "/alerts/" + a.ID + "/gate/" + group, Version: version}
	p.Group, p.Class, p.Next = group, groups[group].Name, next
	p.Choice = usualChoice(a, r.URL.Query().Get("choice"))
	p.Link = p.Here()
	p.Scripts = append(p.Scripts, "news.js", "desk.js")
	p.May = access.May(me, access.Phone, access.Target{School: me.School, Groups: []string{group}})
	if p.Rows, err = s.gateRows(r, me, s.childLines(&a, lines, groups)); err != nil {
		return nil, err
	}
	for _, row := range p.Rows {
		p.Seen += boolInt(row.State == alert.Answered)
	}
	return s.orProblem(web.Page{Template: "gate.html", Data: p}, &p.Base, wrong)
}

// orProblem adds to a page what the person can do something about, or that will pass.
func (s *Server) orProblem(page web.Page, b *web.Base, wrong error) (web.Response, error) {
	b.Problems = s.site.Mendable(wrong)
	if wrong != nil && len(b.Problems) == 0 {
		return nil, wrong
	}
	return page, nil
}

// problemsOf returns what to show of an error on a page that goes on with the rest. What is
// our fault is logged, as it would be on a page of its own.
func (s *Server) problemsOf(err error, what string, about ...any) problem.List {
	l := s.site.Problems(err)
	if l[0].Kind == problem.Internal {
		s.Log.Error(what, append(about, "err", err)...)
	}
	return l
}

// gateRows puts children in the order of the class's list.
func (s *Server) gateRows(r *http.Request, me staff.Staff, lines []childLine) ([]gateRow, error) {
	byStaff := func(c childLine) bool {
		return c.Answer != nil && (c.Answer.Way == alert.ByStaff || c.Answer.Way == alert.ByPhone)
	}
	names := map[string]string{}
	if slices.ContainsFunc(lines, byStaff) {
		all, err := s.Staff.OfSchool(r.Context(), me.School)
		if err != nil {
			return nil, err
		}
		for _, m := range all {
			names[m.ID] = m.Name
		}
	}
	rows := make([]gateRow, len(lines))
	for i, c := range lines {
		rows[i] = gateRow{childLine: c, Entry: s.Alerts.IDs.New(), Newest: "0"}
		if c.Answer == nil {
			continue
		}
		rows[i].Newest = nanosecondsOf(c.Answer.At)
		if byStaff(c) {
			rows[i].By, rows[i].Mine = names[c.Answer.By], c.Answer.Way == alert.ByStaff
		}
	}
	slices.SortStableFunc(rows, func(a, b gateRow) int {
		return cmp.Or(cmp.Compare(a.Seat, b.Seat), cmp.Compare(a.Kana+a.Name, b.Kana+b.Name))
	})
	return rows, nil
}

// WayName returns how the answer came.
func (r gateRow) WayName() lang.Text { return wayNames[r.Answer.Way] }

// gateChild finds the child that a form is about, of the class in the address.
func (s *Server) gateChild(r *http.Request, form web.Form) (alert.Alert, alert.Ref, *alert.Child, error) {
	ctx := r.Context()
	ref := alert.Ref{Alert: r.PathValue("id"), Class: r.PathValue("group"), Family: form.Get("family")}
	a, err := s.Alerts.Alert(ctx, ref.Alert)
	if err != nil {
		return a, ref, nil, err
	}
	made, err := s.Alerts.FindFamily(ctx, ref)
	if err != nil {
		return a, ref, nil, err
	}
	for i, c := range made.Family.Children {
		if c.ID == form.Get("child") && c.Class == ref.Class {
			return a, made.Ref(ref.Alert), &made.Family.Children[i], nil
		}
	}
	return a, ref, nil, alert.ErrNotFound
}

// seen records what a member of staff saw: the child is there. A script that could not
// reach the server sends it later, with the same id.
func (s *Server) seen(r *http.Request, me staff.Staff) (web.Response, error) {
	form, err := web.ReadForm(r)
	if err != nil {
		return nil, err
	}
	a, ref, child, err := s.gateChild(r, form)
	if err != nil {
		return nil, err
	}
	id := form.Get("id")
	if id == "" || len(id) > maxEntryID {
		return nil, alert.ErrNotFound
	}
	newest, choice := nanoseconds(form.Get("newest")), r.URL.Query().Get("choice")
	if err := enteredBy(me, form.Get("as")); err != nil {
		return s.backToGate(r, me, choice, child.ID, err)
	}
	said, _ := a.Choice(choice)
	err = s.record(r.Context(), entry(me, audit.Gate, a.ID+" "+ref.Class+" "+child.ID, said.JA), func() error {
		return s.Alerts.Answer(r.Context(), a, alert.AnswerRequest{
			Ref: ref, Guardian: -1, By: me.ID, Way: alert.ByStaff, ID: id, Choices: map[string]string{child.ID: choice}, Newest: &newest, Late: true,
		})
	})
	if errors.Is(err, alert.ErrNewer) {
		err = s.unlessTheSame(r, form, choice)
	}
	return s.backToGate(r, me, choice, child.ID, err)
}

// unlessTheSame says what somebody has answered meanwhile, unless it is the same.
func (s *Server) unlessTheSame(r *http.Request, form web.Form, choice string) error {
	a, _, child, err := s.gateChild(r, form)
	if err != nil || child.Answer == nil || child.Answer.Choice == choice {
		return err
	}
	return saidOtherwise(child.Name, child.Answer, a)
}

// saidOtherwise is what a tap meets when somebody has said something else meanwhile.
func saidOtherwise(name string, newest *alert.Answer, a alert.Alert) error {
	choice, _ := a.Choice(newest.Choice)
	said, way := choice.Text(), wayNames[newest.Way]
	return problem.New(problem.Conflict,
		"%[1]sさんには、この間に別の回答「%[2]s」（%[3]s）が届きました。まだ記録していません。確かめて、もう一度押してください。",
		"Meanwhile somebody has said “%[4]s” (%[5]s) for %[1]s. Nothing is recorded yet: check, and tap again.", name, said.JA, way.JA, said.EN, way.EN)
}

func (s *Server) backToGate(r *http.Request, me staff.Staff, choice, child string, err error) (web.Response, error) {
	if err != nil {
		return s.gateAgain(r, me, err)
	}
	to := "/alerts/" + r.PathValue("id") + "/gate/" + r.PathValue("group") + "?choice=" + url.QueryEscape(choice) + "#c-" + child
	return web.Redirect{To: to}, nil
}

// notSeen takes back a tap on the wrong row.
func (s *Server) notSeen(r *http.Request, me staff.Staff) (web.Response, error) {
	form, err := web.ReadForm(r)
	if err != nil {
		return nil, err
	}
	a, ref, child, err := s.gateChild(r, form)
	if err != nil {
		return nil, err
	}
	if err := enteredBy(me, form.Get("as")); err != nil {
		return s.backToGate(r, me, r.URL.Query().Get("choice"), child.ID, err)
	}
	err = s.record(r.Context(), entry(me, audit.Gate, a.ID+" "+ref.Class+" "+child.ID, "取り消し"), func() error {
		return s.Alerts.TakeBack(r.Context(), a, ref, child.ID, nanoseconds(form.Get("newest")), me.ID)
	})
	if errors.Is(err, alert.ErrNewer) {
		err = problem.New(problem.Conflict, "この間に別の回答が届いたため、取り消しませんでした。いまの回答を確かめてください。",
			"Another answer has come meanwhile, so nothing was taken back. Look at it below.")
	}
	return s.backToGate(r, me, r.URL.Query().Get("choice"), child.ID, err)
}
