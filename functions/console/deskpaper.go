package console

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

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

// paperPage is the data of paper.html and paper_enter.html.
type paperPage struct {
	deskFrame
	Paper   desk.Paper
	Rows    []paperRow
	Next    int // first row of the next page, from 1; 0: none
	Key     string
	Saved   int
	Options []paperOption
}

// paperRow is a row of a paper copy, as the family is now.
type paperRow struct {
	deskRow
	Settled bool // it need not be phoned any more
	Chosen  string
	Note    string
	At      string // when to call back, as the browser writes local time
	Newest  string
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

// paperOf reads a paper copy and its rows from one to another, as they are now. Rows
// that somebody may not see are left out.
func (s *Server) paperOf(r *http.Request, me staff.Staff, from, rows int) (*paperPage, error) {
	f, err := s.deskFrame(r, me)
	if err != nil {
		return nil, err
	}
	p := &paperPage{deskFrame: f, Key: s.Alerts.IDs.New()}
	number, err := strconv.Atoi(r.PathValue("paper"))
	if err != nil {
		return nil, alert.ErrNotFound
	}
	if p.Paper, err = s.desk().Paper(r.Context(), f.Alert.ID, number); err != nil {
		return nil, err
	}
	p.Scripts, p.Refresh = nil, 0
	end := min(len(p.Paper.Rows), from+rows)
	var list []desk.Row
	for i := from; i < end; i++ {
		row, err := s.desk().Row(r.Context(), p.Paper.Rows[i])
		if err != nil {
			return nil, err
		}
		if !seesFamily(me, row.Family) {
			continue
		}
		list = append(list, row)
		p.Rows = append(p.Rows, paperRow{
			deskRow: deskRow{Row: row, Page: &p.deskFrame, No: i + 1}, Settled: !desk.ToCall(&row.Family), Newest: nanosecondsOf(desk.Newest(&row.Family)),
		})
	}
	if end < len(p.Paper.Rows) {
		p.Next = end + 1
	}
	_, err = p.name(r.Context(), s, list, nil)
	return p, err
}

// Last is the number of the last row of the page.
func (p *paperPage) Last() int { return p.Rows[len(p.Rows)-1].No }

func seesFamily(me staff.Staff, f alert.Family) bool {
	to := access.Target{School: me.School}
	for _, c := range f.Children {
		to.Groups = append(to.Groups, c.Class)
	}
	return access.May(me, access.Children, to)
}

func (s *Server) paper(r *http.Request, me staff.Staff) (web.Response, error) {
	from := max(viewOf(r.URL.Query()).From-1, 0)
	p, err := s.paperOf(r, me, from, rowsToPrint)
	if err != nil {
		return nil, err
	}
	p.Scripts = []string{"print.js"}
	return web.Page{Template: "paper.html", Data: p}, nil
}

func (s *Server) enterPaper(r *http.Request, me staff.Staff) (web.Response, error) {
	from := max(viewOf(r.URL.Query()).From-1, 0)
	p, err := s.paperOf(r, me, from, rowsToKeyIn)
	if err != nil {
		return nil, err
	}
	p.options()
	if n, _ := strconv.Atoi(r.URL.Query().Get("saved")); n > 0 {
		p.Notice = lang.T("%d件を記録しました。", "Calls recorded: %d.", n).In(web.Language(r))
	}
	return web.Page{Template: "paper_enter.html", Data: p}, nil
}

// options lists what a row can end with: one answer for all children of the family,
// or another outcome; a call that was agreed has a time beside it.
func (p *paperPage) options() {
	for _, c := range p.Alert.Choices {
		t := c.Text()
		p.Options = append(p.Options, paperOption{string(desk.Answered) + " " + c.ID, lang.T("聞いた：%[1]s", "Told: %[2]s", t.JA, t.EN)})
	}
	for _, o := range []desk.Outcome{desk.Message, desk.NoReply, desk.WrongNumber, desk.CallBack} {
		p.Options = append(p.Options, paperOption{string(o), outcomeNames[o]})
	}
}

// keyPaperIn records what was written on a paper copy, row by row. What cannot be
// recorded is shown again.
func (s *Server) keyPaperIn(r *http.Request, me staff.Staff) (web.Response, error) {
	form, err := web.ReadForm(r)
	if err != nil {
		return nil, err
	}
	from := max(viewOf(form.Values).From-1, 0)
	p, err := s.paperOf(r, me, from, rowsToKeyIn)
	if err != nil {
		return nil, err
	}
	p.options()
	p.Problems = form.Wrong
	p.Key = form.Get("key")
	saved := 0
	for i := range p.Rows {
		row := &p.Rows[i]
		no := strconv.Itoa(row.No)
		row.Chosen, row.Note, row.At = form.Get("row_"+no), form.Get("note_"+no), form.Get("at_"+no)
		if row.Chosen == "" {
			continue
		}
		err := s.keyRowIn(r, me, p, row, nanoseconds(form.Get("newest_"+no)))
		if err == nil {
			saved, row.Chosen, row.Note, row.At = saved+1, "", "", ""
			continue
		}
		for _, e := range s.site.Problems(err) {
			p.Problems = append(p.Problems, problem.New(e.Kind, "%[1]s番：%[2]s", "Row %[1]s: %[3]s", no, e.Text.JA, e.Text.EN).In("row_"+no))
		}
	}
	if len(p.Problems) == 0 {
		to := fmt.Sprintf("/alerts/%s/desk/paper/%d/enter?saved=%d&from=%d", p.Alert.ID, p.Paper.Number, saved, from+1)
		return web.Redirect{To: to}, nil
	}
	return web.Page{Template: "paper_enter.html", Data: p, Status: web.Status(p.Problems[0].Kind)}, nil
}

func (s *Server) keyRowIn(r *http.Request, me staff.Staff, p *paperPage, row *paperRow, newest time.Time) error {
	outcome, choice, _ := strings.Cut(row.Chosen, " ")
	e := desk.Entry{Call: desk.Call{
		ID: fmt.Sprintf("paper-%d-%d-%s", p.Paper.Number, row.No, p.Key), By: caller(me), Outcome: desk.Outcome(outcome), Note: row.Note,
	}, Newest: newest}
	if len(e.ID) > maxEntryID {
		return alert.ErrNotFound
	}
	if e.Outcome == desk.CallBack {
		zone, err := s.zone(r.Context(), me.School)
		if err != nil {
			return err
		}
		e.CallAt, _ = time.ParseInLocation(localTime, row.At, zone) // the desk says what is wrong with none
	}
	if e.Outcome == desk.Answered {
		e.Choices = map[string]string{}
		for _, c := range row.Children {
			e.Choices[c.ID] = choice
		}
	}
	to := access.Target{School: me.School}
	for _, c := range row.Children {
		to.Groups = append(to.Groups, c.Class)
	}
	if err := access.Check(me, access.Phone, to); err != nil {
		return err
	}
	return s.recordCall(r, me, p.Alert, row.Ref, e)
}
