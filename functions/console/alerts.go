package console

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/todoku/todoku/shared/access"
	"github.com/todoku/todoku/shared/alert"
	"github.com/todoku/todoku/shared/audience"
	"github.com/todoku/todoku/shared/audit"
	"github.com/todoku/todoku/shared/lang"
	"github.com/todoku/todoku/shared/mail"
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

const alertsPerPage = 20

// homePage is the data of home.html.
type homePage struct {
	web.Base
	Open, Past []alertLine
	Next       string // where older alerts go on; "": nowhere
	First      bool   // it is the newest page
	NoRoster   bool
	Loads      bool             // this person may load one
	May        bool             // send alerts
	Edit       bool             // the buttons
	Quick      []alert.Template // the buttons
	Few        bool             // managers; only a manager is told
	Held       []alertLine      // alerts behind glass that this person could let go
	NeedsKey   bool             // the school signs in by passkeys, and this person has none
	Glass      bool             // this person can send to the whole school so only
}

// alertLine is an alert in a list.
type alertLine struct {
	alert.Alert
	State alert.State
}

func (s *Server) home(r *http.Request, me staff.Staff) (web.Response, error) {
	if me.At == "" && access.MayAnywhere(me, access.Overview) {
		// Who looks after several schools has not said which: its buttons would tell one alone.
		if schools, err := s.schoolsOf(r.Context(), me, access.Overview); err != nil || len(schools) > 1 {
			return web.Redirect{To: districtPath}, err
		}
	}
	after := r.URL.Query().Get("after")
	p := &homePage{First: after == ""}
	alerts, next, err := s.Alerts.List(r.Context(), me.School, after, alertsPerPage)
	if err != nil {
		return nil, err
	}
	p.Next = next
	for _, a := range alerts {
		if !access.May(me, access.SeeAlert, ofAlert(a)) {
			continue
		}
		line := alertLine{a, a.State(s.Now())}
		if a.Held(s.Now()) && access.May(me, access.Approve, access.Target{School: me.School}) {
			p.Held = append(p.Held, line)
			continue
		}
		if a.Useful(s.Now()) {
			p.Open = append(p.Open, line)
		} else {
			p.Past = append(p.Past, line)
		}
	}
	groups, err := s.Roster.Groups(r.Context(), me.School)
	p.NoRoster, p.Loads = len(groups) == 0, access.May(me, access.Roster, access.Target{School: me.School})
	if err != nil {
		return nil, err
	}
	if p.NeedsKey, err = s.Staff.NeedsKey(r.Context(), me); err != nil {
		return nil, err
	}
	if access.May(me, access.People, access.Target{School: me.School}) {
		managers, err := s.Staff.ReadyManagers(r.Context(), me.School)
		if err != nil {
			return nil, err
		}
		p.Few = managers < staff.Managers
	}
	return web.Page{Template: "home.html", Data: p}, s.buttons(r.Context(), me, p)
}

// Drills returns the drills that are not over.
func (p *homePage) Drills() (open []alertLine) {
	for _, l := range p.Open {
		if l.Kind == alert.Drill {
			open = append(open, l)
		}
	}
	return open
}

// buttons adds what somebody who may send alerts begins with.
func (s *Server) buttons(ctx context.Context, me staff.Staff, p *homePage) error {
	p.May, p.Edit = access.MayAnywhere(me, access.Send), access.MayAnywhere(me, access.Templates)
	if !p.May {
		return nil
	}
	if all := (access.Target{School: me.School}); access.May(me, access.BreakGlass, all) && !access.May(me, access.Send, all) {
		school, err := s.Roster.School(ctx, me.School)
		if err != nil {
			return err
		}
		p.Glass = school.BreakGlass != roster.GlassOff
	}
	t, err := s.Alerts.Templates(ctx, me.School)
	p.Quick = t.List
	return err
}

// To says whom the alert is for.
func (l alertLine) To() lang.Text { return audience.Said(l.Audience, l.All) }

// KindName returns what the alert's kind is called.
func (l alertLine) KindName() lang.Text { return kindName(l.Kind) }

// StateName returns what the alert's state is called.
func (l alertLine) StateName() lang.Text { return stateNames[l.State] }

var stateNames = map[alert.State]lang.Text{
	alert.StateWaiting:    lang.T("送信待ち", "About to be sent"),
	alert.StateOpen:       lang.T("回答受付中", "Open"),
	alert.StateExpired:    lang.T("期限切れ", "Time is over"),
	alert.StateUndone:     lang.T("取り消し済み", "Undone"),
	alert.StateClosed:     lang.T("終了", "Closed"),
	alert.StateSuperseded: lang.T("新しい連絡に置き換え済み", "Replaced by a newer alert"),
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
	p := &composePage{Form: c, Defaults: map[alert.Kind]string{}, Chases: chases}
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

// draftPage is the data of preview.html.
type draftPage struct {
	web.Base
	Preview
	Form compose
	Old  string
	Mail *mail.Message
	Me   staff.Staff

	Forecast *forecast // nil: nothing can be said
	Followed string    // subject of the alert of which only those are told who have not answered it
	Open     []openLine
	Stopped  []lang.Text // why mails will not leave
}

// Drill reports whether the alert is a drill.
func (p *draftPage) Drill() bool { return p.Draft.Kind == alert.Drill }

// KindName returns what the alert's kind is called.
func (p *draftPage) KindName() lang.Text { return kindName(p.Draft.Kind) }

// Reminder says when and how often those are reminded who have not answered.
func (p *draftPage) Reminder() lang.Text {
	return reminderWords(p.Draft.RemindAfter, p.Draft.RemindEvery, p.Draft.RemindTimes)
}

// Confirm is what the button says: what is sent, to whom, and to how many.
func (p *draftPage) Confirm() lang.Text {
	if p.Followed != "" {
		return lang.T("%[1]sを送信する（未回答の家庭だけ・約%[3]d人）", "Send the %[2]s (only those who have not answered, children: about %[3]d)",
			p.KindName().JA, strings.ToLower(p.KindName().EN), p.Size.Children)
	}
	return lang.T("%[1]sを送信する（%[3]s・%[5]d人）", "Send the %[2]s (%[4]s, children: %[5]d)",
		p.KindName().JA, strings.ToLower(p.KindName().EN), p.To().JA, p.To().EN, p.Size.Children)
}

// To says whom the alert is for.
func (p *draftPage) To() lang.Text { return audience.Said(p.Draft.Audience, p.Draft.All) }

func (s *Server) previewAlert(r *http.Request, me staff.Staff) (web.Response, error) {
	return s.previewWith(r, me, "")
}

// previewWith shows the preview of the posted form, or the form with what is
// wrong with it.
func (s *Server) previewWith(r *http.Request, me staff.Staff, notice string) (web.Response, error) {
	ctx := r.Context()
	f, err := s.fill(r, me)
	if err != nil {
		return nil, err
	}
	if err := s.maySend(ctx, me, f.draft); err != nil {
		return s.formOr(ctx, me, f, err)
	}
	p, err := s.judge(ctx, &f)
	if err != nil {
		return s.formOr(ctx, me, f, err)
	}
	if len(f.wrong) > 0 {
		return s.composeAgain(ctx, me, f.form, f.wrong)
	}
	page := &draftPage{Preview: p, Form: f.form, Mail: p.Mail, Me: me, Old: s.replaced(ctx, me, f.form.Supersedes)}
	page.Followed = s.replaced(ctx, me, f.draft.Follows)
	page.Forecast = s.forecast(ctx, p)
	page.Open = s.openFor(ctx, me, f.draft)
	if page.Stopped, err = s.brakeWords(ctx); err != nil {
		s.Log.Warn("the brake was not read", "err", err)
	}
	page.Notice = notice
	page.Scripts = []string{"once.js"}
	page.Resubmit = web.Resubmit{Form: "send", Action: "/alerts/preview"}
	return web.Page{Template: "preview.html", Data: page, Header: keptForBack()}, nil
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
