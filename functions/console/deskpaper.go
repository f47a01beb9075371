package console

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/todoku/todoku/shared/access"
	"github.com/todoku/todoku/shared/alert"
	"github.com/todoku/todoku/shared/desk"
	"github.com/todoku/todoku/shared/lang"
	"github.com/todoku/todoku/shared/problem"
	"github.com/todoku/todoku/shared/staff"
	"github.com/todoku/todoku/shared/web"
)

const (
	rowsToKeyIn = 20
	rowsToPrint = 50 // of a page, which is to come over a bad line, too
)

// paperPage is the data of paper.html and paper_enter.html: a paper copy of a school's
// desk, whose rows are households of one family, or of a district's.
type paperPage struct {
	deskFrame
	Paper desk.Paper
	Of    lang.Text // what is phoned for
	Desk  lang.Text // what the list is called where the copy leads back to
	List  string    // address of that list
	Self  string    // address of the copy
	Drill bool
	Rows  []paperRow
	Total int
	Next  int // first row of the next page, from 1; 0: none
	Key   string
}

// paperRow is a row of a paper copy, as its families are now.
type paperRow struct {
	districtRow
	of      parties // one a member
	To      string  // address of the family's page
	Asked   []askedBy
	Options []paperOption
	Chosen  string
	Note    string
	At      string   // when to call back, as the browser writes local time
	again   []string // alerts for which something was entered that is shown again
}

// askedBy are the answers that one can be told, and at which school; "": at all of them.
type askedBy struct {
	School  string
	Choices []alert.Choice
}

// paperOption is what can be entered for a row.
type paperOption struct {
	Value string
	Name  lang.Text
}

// makePaper keeps the rows of the view as a paper copy, and shows it.
func (s *Server) makePaper(r *http.Request, me staff.Staff) (web.Response, error) {
	form, err := web.ReadForm(r)
	if err != nil {
		return nil, err
	}
	ctx := r.Context()
	a, err := s.alertOf(ctx, me.School, r.PathValue("id"))
	if err != nil {
		return nil, err
	}
	rows, _, _, err := s.deskRows(ctx, me, a, viewOf(form.Values))
	if err != nil {
		return nil, err
	}
	p, err := s.desk().Print(ctx, a.ID, caller(me), rows)
	return s.afterwards(err, fmt.Sprintf("/alerts/%s/desk/paper/%d", a.ID, p.Number))
}

func paperNumber(r *http.Request) (int, error) {
	n, err := strconv.Atoi(r.PathValue("paper"))
	if err != nil {
		return 0, alert.ErrNotFound
	}
	return n, nil
}

// paperOf reads a paper copy and so many of its rows, as they are now. Rows that somebody
// may not see are left out.
func (s *Server) paperOf(r *http.Request, me staff.Staff, from, rows int) (*paperPage, error) {
	f, err := s.deskFrame(r, me)
	if err != nil {
		return nil, err
	}
	number, err := paperNumber(r)
	if err != nil {
		return nil, err
	}
	school, err := s.Roster.School(r.Context(), me.School)
	if err != nil {
		return nil, err
	}
	f.Scripts, f.Refresh = nil, 0
	p := &paperPage{
		deskFrame: f, Of: lang.Text{JA: f.Alert.Title(), EN: f.Alert.Title()}, Desk: lang.T("電話連絡", "Call desk"),
		List: "/alerts/" + f.Alert.ID + "/desk", Drill: f.Alert.Kind == alert.Drill,
	}
	p.Self = fmt.Sprintf("%s/paper/%d", p.List, number)
	if p.Paper, err = s.desk().Paper(r.Context(), f.Alert.ID, number); err != nil {
		return nil, err
	}
	b := s.branch(me, school, schoolLine{Alert: f.Alert})
	if err := s.fillPaper(r.Context(), p, []branch{b}, from, rows); err != nil {
		return nil, err
	}
	return p, eachBranch(r.Context(), p.households(), []branch{b}, func(ctx context.Context, b branch, mine []desk.Row) error {
		_, err := b.page.name(ctx, s, mine, nil)
		return err
	})
}

// fillPaper reads rows of a copy: of those of the branches' families that somebody may see.
func (s *Server) fillPaper(ctx context.Context, p *paperPage, all []branch, from, rows int) error {
	homes := p.Paper.Households()
	p.Total, p.Key = len(homes), s.Alerts.IDs.New()
	end := min(len(homes), from+rows)
	found := make([]paperRow, max(end-from, 0))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(schoolReaders)
	for i := range found {
		g.Go(func() (err error) {
			found[i], err = s.paperRow(ctx, p, all, homes[from+i])
			found[i].No = from + i + 1
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	p.Rows = slices.DeleteFunc(found, func(r paperRow) bool { return len(r.Members) == 0 })
	if end < len(homes) {
		p.Next = end + 1
	}
	return nil
}

func (s *Server) paperRow(ctx context.Context, p *paperPage, all []branch, refs []alert.Ref) (row paperRow, err error) {
	var h desk.Household
	for _, ref := range refs {
		i := slices.IndexFunc(all, func(b branch) bool { return b.ID == ref.Alert })
		if i < 0 {
			continue
		}
		family, err := all[i].desk.Row(ctx, ref)
		if err != nil {
			return row, err
		}
		m := party{all[i], ref}
		if access.May(p.Me, access.Children, m.about(&family.Family)) {
			h.Rows, row.of = append(h.Rows, family), append(row.of, m)
		}
	}
	if len(h.Rows) == 0 {
		return row, nil
	}
	row.districtRow = s.districtRow(&p.deskFrame, h, all)
	row.To = householdPath(h)
	if p.Alert.ID != "" {
		row.To = familyPath(h.Rows[0].Ref)
	}
	row.Asked = asked(row.of)
	row.Options = optionsOf(row.of)
	return row, nil
}

// households are the rows without what is entered for them.
func (p *paperPage) households() (all []districtRow) {
	for _, r := range p.Rows {
		all = append(all, r.districtRow)
	}
	return all
}

// Last is the number of the last row of the page.
func (p *paperPage) Last() int { return p.Rows[len(p.Rows)-1].No }

// asked lists the answers of the alerts of a household: once, if all have the same.
func asked(of parties) (all []askedBy) {
	same := func(m party) bool { return slices.Equal(m.Choices, of[0].Choices) }
	if !slices.ContainsFunc(of, func(m party) bool { return !same(m) }) {
		return []askedBy{{"", of[0].Choices}}
	}
	for _, m := range of {
		all = append(all, askedBy{m.School, m.Choices})
	}
	return all
}

// optionsOf lists what a row can end with: one answer for all children of the household,
// if all its alerts offer it, or another outcome; a call that was agreed has a time
// beside it.
func optionsOf(of parties) (all []paperOption) {
	for _, c := range of[0].Choices {
		lacks := func(m party) bool { return !slices.Contains(m.Choices, c) }
		if !slices.ContainsFunc(of, lacks) {
			t := c.Text()
			all = append(all, paperOption{string(desk.Answered) + " " + c.ID, lang.T("聞いた：%[1]s", "Told: %[2]s", t.JA, t.EN)})
		}
	}
	for _, o := range []desk.Outcome{desk.Message, desk.NoReply, desk.WrongNumber, desk.CallBack} {
		all = append(all, paperOption{string(o), outcomeNames[o]})
	}
	return all
}

// Newest returns when the newest answer of a member was given, as the form sends it back.
func (r paperRow) Newest(m districtMember) string { return nanosecondsOf(m.Family.NewestAnswer()) }

// NewestField names the field of it. Of a family that need not be phoned there is none,
// and nothing is entered for it.
func (r paperRow) NewestField(m districtMember) string {
	return fmt.Sprintf("newest_%d_%s", r.No, m.Ref.Alert)
}

// Open reports whether something can be entered for a member.
func (r paperRow) Open(m districtMember) bool {
	return !m.Settled() || slices.Contains(r.again, m.Ref.Alert)
}

func (s *Server) paper(r *http.Request, me staff.Staff) (web.Response, error) {
	p, err := s.paperOf(r, me, firstRow(r.URL.Query()), rowsToPrint)
	return printed(p, err)
}

// firstRow is the index of the row from which on a page shows a copy.
func firstRow(v url.Values) int { return max(viewOf(v).From-1, 0) }

func printed(p *paperPage, err error) (web.Response, error) {
	if err != nil {
		return nil, err
	}
	p.Scripts = []string{"print.js"}
	return web.Page{Template: "paper.html", Data: p}, nil
}

func (s *Server) enterPaper(r *http.Request, me staff.Staff) (web.Response, error) {
	p, err := s.paperOf(r, me, firstRow(r.URL.Query()), rowsToKeyIn)
	return toKeyIn(r, p, err)
}

func toKeyIn(r *http.Request, p *paperPage, err error) (web.Response, error) {
	if err != nil {
		return nil, err
	}
	if n, _ := strconv.Atoi(r.URL.Query().Get("saved")); n > 0 {
		p.Notice = lang.T("%d件を記録しました。", "Calls recorded: %d.", n).In(web.Language(r))
	}
	return web.Page{Template: "paper_enter.html", Data: p}, nil
}

func (s *Server) keyPaperIn(r *http.Request, me staff.Staff) (web.Response, error) {
	form, err := web.ReadForm(r)
	if err != nil {
		return nil, err
	}
	p, err := s.paperOf(r, me, firstRow(form.Values), rowsToKeyIn)
	if err != nil {
		return nil, err
	}
	return s.keyIn(r, p, form)
}

// keyIn records what was written on a paper copy, row by row. What cannot be recorded is
// shown again.
func (s *Server) keyIn(r *http.Request, p *paperPage, form web.Form) (web.Response, error) {
	p.Problems = form.Wrong
	fresh := p.Key
	p.Key = form.Get("key")
	saved, changed := 0, false
	for i := range p.Rows {
		row := &p.Rows[i]
		no := strconv.Itoa(row.No)
		row.Chosen, row.Note, row.At = form.Get("row_"+no), form.Get("note_"+no), form.Get("at_"+no)
		if row.Chosen == "" {
			continue
		}
		err := s.keyRowIn(r, p, row, form.Values)
		if err == nil {
			saved, row.Chosen, row.Note, row.At = saved+1, "", "", ""
			continue
		}
		changed = changed || errors.Is(err, desk.ErrRecorded)
		for _, e := range s.problemsOf(err, "a row of a paper copy was not recorded", "paper", p.Paper.Number, "row", row.No) {
			p.Problems = append(p.Problems, problem.New(e.Kind, "%[1]s番：%[2]s", "Row %[1]s: %[3]s", no, e.Text.JA, e.Text.EN).In("row_"+no))
		}
	}
	if len(p.Problems) == 0 {
		return web.Redirect{To: fmt.Sprintf("%s/enter?saved=%d&from=%d", p.Self, saved, firstRow(form.Values)+1)}, nil
	}
	if changed {
		p.Key = fresh
	}
	return web.Page{Template: "paper_enter.html", Data: p}, nil
}

// keyRowIn records one row, family by family under one id: what is refused of one can be
// sent again, and what was recorded counts once.
func (s *Server) keyRowIn(r *http.Request, p *paperPage, row *paperRow, form url.Values) error {
	id := fmt.Sprintf("paper-%d-%d-%s", p.Paper.Number, row.No, p.Key)
	if len(id) > maxEntryID {
		return alert.ErrNotFound
	}
	for i, m := range row.of {
		member := row.Members[i]
		if !form.Has(row.NewestField(member)) {
			continue // it was settled when the form was made
		}
		row.again = append(row.again, m.ID)
		if err := access.Check(p.Me, access.Phone, m.about(&member.Family)); err != nil {
			return err
		}
		e := row.entry(m, member, nanoseconds(form.Get(row.NewestField(member))))
		e.ID, e.By = id, caller(p.Me)
		if err := s.recordCall(r, m.at, m.Alert, m.ref, e); err != nil {
			return err
		}
	}
	return nil
}

// entry is the call that a row says, for one of its families.
func (r paperRow) entry(m party, member districtMember, newest time.Time) desk.Entry {
	outcome, choice, _ := strings.Cut(r.Chosen, " ")
	e := desk.Entry{Call: desk.Call{Outcome: desk.Outcome(outcome), Note: r.Note}, Newest: newest}
	switch e.Outcome {
	case desk.CallBack:
		e.CallAt, _ = time.ParseInLocation(localTime, r.At, m.zone) // the desk says what is wrong with none
	case desk.Answered:
		e.Choices = map[string]string{}
		for _, c := range member.Children {
			e.Choices[c.ID] = choice
		}
	}
	return e
}
