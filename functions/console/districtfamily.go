package console

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/todoku/todoku/shared/access"
	"github.com/todoku/todoku/shared/alert"
	"github.com/todoku/todoku/shared/audit"
	"github.com/todoku/todoku/shared/desk"
	"github.com/todoku/todoku/shared/problem"
	"github.com/todoku/todoku/shared/staff"
	"github.com/todoku/todoku/shared/web"
)

// parties are the families of a household, each with the alert and school that it is of.
type parties []party

type party struct {
	branch
	ref alert.Ref
}

func (p parties) together() desk.Together {
	var t desk.Together
	for _, m := range p {
		t = append(t, desk.Member{Desk: m.desk, Ref: m.ref})
	}
	return t
}

// about is what is asked of access to do something for a family.
func (m party) about(f *alert.Family) access.Target {
	to := access.Target{School: m.Alert.School, District: m.district}
	for _, c := range f.Children {
		to.Groups = append(to.Groups, c.Class)
	}
	return to
}

// partiesOf reads which families a request is about. What somebody may not see is not
// there.
func (s *Server) partiesOf(r *http.Request, me staff.Staff) (parties, error) {
	names := strings.Split(r.PathValue("members"), memberSign)
	if len(names) > desk.MaxTogether {
		return nil, alert.ErrNotFound
	}
	refs := make([]alert.Ref, len(names))
	for i, name := range names {
		ids := strings.Split(name, memberPart)
		if len(ids) != 3 {
			return nil, alert.ErrNotFound
		}
		refs[i] = alert.Ref{Alert: ids[0], Class: ids[1], Family: ids[2]}
	}
	all := make(parties, len(refs))
	g, ctx := errgroup.WithContext(r.Context())
	for i, ref := range refs {
		g.Go(func() error {
			b, err := s.branchOf(ctx, me, ref.Alert)
			if err != nil {
				return err
			}
			made, err := s.Alerts.FindFamily(ctx, ref)
			all[i] = party{b, made.Ref(ref.Alert)}
			return err
		})
	}
	return all, g.Wait()
}

// householdPage is the data of district_family.html.
type householdPage struct {
	deskFrame
	Row        districtRow
	Parts      []householdPart
	Form       callForm
	Colleagues []staff.Staff
	ToCall     bool
	Self       string
	List       string // address of the desk
	News       string
}

// householdPart is what the page shows of one school.
type householdPart struct {
	districtMember
	Alert      alert.Alert
	Children   []childLine
	Events     []familyEvent
	Newest     string // nanoseconds since 1970
	Complained bool
}

func (s *Server) household(r *http.Request, me staff.Staff) (web.Response, error) {
	return s.householdAgain(r, me, callForm{}, nil)
}

// householdAgain shows a household, with the form of a call as it was filled in and what
// is wrong with it.
func (s *Server) householdAgain(r *http.Request, me staff.Staff, form callForm, wrong error) (web.Response, error) {
	all, err := s.partiesOf(r, me)
	if err != nil {
		return nil, err
	}
	ctx := r.Context()
	rows, err := all.together().Rows(ctx)
	if err != nil {
		return nil, err
	}
	h := desk.Household{Rows: rows}
	p := &householdPage{deskFrame: s.districtFrame(r, me), Form: form, ToCall: h.ToCallAny(), Self: householdPath(h)}
	p.Scripts = []string{statusScript, "news.js", "desk.js", "once.js"}
	p.List, p.Link = districtDesk+p.View.Query(), p.Self+p.View.Query()
	branches := make([]branch, len(all))
	ids := make([]string, len(all))
	for i, m := range all {
		branches[i], ids[i] = m.branch, m.ID
	}
	p.News = districtDesk + "/version?" + url.Values{"alert": ids}.Encode()
	if p.Version, err = s.versions(ctx, branches); err != nil {
		return nil, err
	}
	p.Row = s.districtRow(&p.deskFrame, h, branches)
	if p.Row.Other, err = h.Elsewhere(ctx, all[0].desk); err != nil {
		return nil, err
	}
	if p.Form.ID == "" || errors.Is(wrong, desk.ErrRecorded) {
		p.Form.ID = s.Alerts.IDs.New()
	}
	if err := s.fillHousehold(r, p, all); err != nil {
		return nil, err
	}
	return s.orProblem(web.Page{Template: "district_family.html", Data: p}, &p.Base, wrong)
}

// fillHousehold adds what is known of each family, and who may be handed the household.
func (s *Server) fillHousehold(r *http.Request, p *householdPage, all parties) error {
	ctx := r.Context()
	people, err := s.staffOf(ctx, p.Me, all)
	if err != nil {
		return err
	}
	names := map[string]string{}
	for _, m := range people {
		names[m.ID] = m.Name
	}
	p.Colleagues = colleaguesOf(p.Me, people, all, p.Row.Household)
	p.Parts = make([]householdPart, len(all))
	for i, m := range all {
		if err := s.Audit.Once(ctx, entry(m.at, audit.View, familyPath(m.ref), ""), viewEvery); err != nil {
			return err
		}
		if p.Parts[i], err = s.householdPart(r, m, p.Row.Members[i], names); err != nil {
			return err
		}
	}
	return nil
}

func (s *Server) householdPart(r *http.Request, m party, row districtMember, names map[string]string) (householdPart, error) {
	part := householdPart{districtMember: row, Alert: m.Alert, Newest: nanosecondsOf(row.Family.NewestAnswer())}
	groups, err := m.page.name(r.Context(), s, []desk.Row{row.Row}, nil)
	if err != nil {
		return part, err
	}
	var lines []alert.ChildLine
	for i, c := range row.Children {
		lines = append(lines, alert.ChildLine{Child: c, State: row.State(i), Ref: m.ref, Family: row.Family})
	}
	part.Children = s.childLines(&part.Alert, lines, groups)
	if part.Complained, err = s.complained(r.Context(), m.Alert.School, m.ref.Family); err != nil {
		return part, err
	}
	part.Events, err = s.events(r, m.Alert, row.Row, names)
	return part, err
}

// staffOf returns those who work at the schools of a household, and where I do.
func (s *Server) staffOf(ctx context.Context, me staff.Staff, all parties) (people []staff.Staff, err error) {
	schools := []string{me.School}
	for _, m := range all {
		schools = append(schools, m.Alert.School)
	}
	slices.Sort(schools)
	for _, school := range slices.Compact(schools) {
		here, err := s.Staff.OfSchool(ctx, school)
		if err != nil {
			return nil, err
		}
		people = append(people, here...)
	}
	return people, nil
}

// colleaguesOf are those of people who may phone all families of a household, but for me.
func colleaguesOf(me staff.Staff, people []staff.Staff, all parties, h desk.Household) []staff.Staff {
	return slices.DeleteFunc(slices.Clone(people), func(m staff.Staff) bool {
		mayNot := func(i int) bool { return !access.May(m, access.Phone, all[i].about(&h.Rows[i].Family)) }
		for i := range all {
			if mayNot(i) {
				return true
			}
		}
		return m.ID == me.ID
	})
}

// Field names a field of the form that is about one alert.
func (m householdPart) Field(name string) string { return name + "_" + m.Alert.ID }

// Chosen reports whether a choice is ticked for a child.
func (p *householdPage) Chosen(part householdPart, child, choice string) bool {
	return p.Form.Choices[part.Alert.ID+"_"+child] == choice
}

// together does something to a household, and shows it with what kept that from being done.
func (s *Server) together(r *http.Request, me staff.Staff, to func(self string) string, do func(desk.Together) error) (web.Response, error) {
	all, err := s.partiesOf(r, me)
	if err != nil {
		return nil, err
	}
	for _, m := range all {
		if _, err := s.Audit.Add(r.Context(), entry(m.at, audit.Call, idsOf(m.ref), "")); err != nil {
			return nil, err
		}
	}
	if err := do(all.together()); err != nil {
		for _, m := range all {
			s.failed(r.Context(), entry(m.at, audit.Call, idsOf(m.ref), ""), err)
		}
		return s.householdAgain(r, me, callForm{}, err)
	}
	return web.Redirect{To: to(districtDesk+"/families/"+r.PathValue("members")) + viewOf(r.URL.Query()).Query()}, nil
}

func toList(string) string { return districtDesk }

func toSelf(self string) string { return self }

func (s *Server) claimHousehold(r *http.Request, me staff.Staff) (web.Response, error) {
	return s.together(r, me, toSelf, func(t desk.Together) error {
		_, err := t.Claim(r.Context(), caller(me))
		return err
	})
}

func (s *Server) releaseHousehold(r *http.Request, me staff.Staff) (web.Response, error) {
	return s.together(r, me, toList, func(t desk.Together) error { return t.Release(r.Context(), caller(me)) })
}

func (s *Server) passHouseholdOn(r *http.Request, me staff.Staff) (web.Response, error) {
	form, err := web.ReadForm(r)
	if err != nil {
		return nil, err
	}
	all, err := s.partiesOf(r, me)
	if err != nil {
		return nil, err
	}
	rows, err := all.together().Rows(r.Context())
	if err != nil {
		return nil, err
	}
	people, err := s.staffOf(r.Context(), me, all)
	if err != nil {
		return nil, err
	}
	colleagues := colleaguesOf(me, people, all, desk.Household{Rows: rows})
	i := slices.IndexFunc(colleagues, func(m staff.Staff) bool { return m.ID == form.Get("to") })
	if i < 0 {
		return s.householdAgain(r, me, callForm{}, problem.New(problem.Invalid, "引き継ぐ相手を選んでください。", "Choose whom to hand over to.").In("to"))
	}
	note := []rune(strings.TrimSpace(form.Get("note_to")))
	return s.together(r, me, toList, func(t desk.Together) error {
		return t.HandOver(r.Context(), caller(me), caller(colleagues[i]), string(note[:min(len(note), desk.MaxNote)]))
	})
}

// callHousehold records one call for each of the household's families: school by school,
// so that what is refused at one can be sent again; what was recorded counts once. Of a
// family for which nobody was told anything nothing is recorded, and it is given back.
func (s *Server) callHousehold(r *http.Request, me staff.Staff) (web.Response, error) {
	posted, err := web.ReadForm(r)
	if err != nil {
		return nil, err
	}
	form := readCall(posted.Values)
	if len(posted.Wrong) > 0 {
		return s.householdAgain(r, me, form, posted.Wrong)
	}
	all, err := s.partiesOf(r, me)
	if err != nil {
		return nil, err
	}
	for i, e := range s.entriesOf(form, all, me, posted.Values) {
		if err := s.enterFor(r, me, all[i], e); err != nil {
			return s.householdAgain(r, me, form, err)
		}
	}
	return web.Redirect{To: viewOf(r.URL.Query()).Done(districtDesk)}, nil
}

// entryOf is a call as it is entered for one family.
type entryOf struct {
	desk.Entry
	untold bool // something was heard of others, and of this family's children nothing
	err    error
}

// entriesOf returns the call that a form says as it is for each family.
func (s *Server) entriesOf(form callForm, all parties, me staff.Staff, v url.Values) []entryOf {
	entries := make([]entryOf, len(all))
	told := false
	for i, m := range all {
		one := form
		one.Newest, one.Choices = v.Get("newest_"+m.ID), map[string]string{}
		for field, choice := range form.Choices {
			if child, mine := strings.CutPrefix(field, m.ID+"_"); mine {
				one.Choices[child] = choice
			}
		}
		told = told || len(one.Choices) > 0
		e, err := one.entry(me, m.zone)
		entries[i] = entryOf{Entry: e, err: err}
	}
	for i := range entries {
		e := &entries[i]
		e.untold = told && e.Outcome == desk.Answered && len(e.Choices) == 0
	}
	return entries
}

func (s *Server) enterFor(r *http.Request, me staff.Staff, m party, e entryOf) error {
	switch {
	case e.err != nil:
		return e.err
	case e.untold:
		return m.desk.Release(r.Context(), m.ref, caller(me))
	}
	return s.recordCall(r, m.at, m.Alert, m.ref, e.Entry)
}
