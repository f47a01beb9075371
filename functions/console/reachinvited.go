package console

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"golang.org/x/text/unicode/norm"

	"github.com/todoku/todoku/shared/enrol"
	"github.com/todoku/todoku/shared/lang"
	"github.com/todoku/todoku/shared/staff"
	"github.com/todoku/todoku/shared/web"
)

// invitedPage is the data of reach_invited.html.
type invitedPage struct {
	reachPage
	State  string
	States []joinChoice
	Rows   []invitedRow
}

// joinChoice is one of the states in which registrations are, and how many are.
type joinChoice struct {
	Value string
	Text  lang.Text
	N     int
}

// invitedRow is a registration as the office sees it.
type invitedRow struct {
	enrol.Join
	Names string // of its children
	By    string // of the member of staff
}

// shownInvited is how many registrations a page shows.
const shownInvited = 50

// listInvited shows who was invited or registered, when, by whom, and what came of it.
func (s *Server) listInvited(r *http.Request, me staff.Staff) (web.Response, error) {
	all, err := s.Enrol.Reach(r.Context(), me.School, nil)
	if err != nil {
		return nil, err
	}
	people, err := s.Staff.OfSchool(r.Context(), me.School)
	if err != nil {
		return nil, err
	}
	q := r.URL.Query()
	p := &invitedPage{State: q.Get("state")}
	p.Now, p.Query, p.From = s.Now(), strings.TrimSpace(q.Get("q")), atLeast(q.Get("from"), 0)
	names, by := map[string]string{}, map[string]string{}
	for _, c := range all.Children {
		names[c.Child.ID] = c.Child.Name
	}
	for _, m := range people {
		by[m.ID] = m.Name
	}
	n := map[string]int{}
	var rows []invitedRow
	for _, j := range all.Joins {
		row := invitedRow{Join: j, By: by[j.By]}
		for _, c := range j.Children {
			row.Names = strings.TrimPrefix(row.Names+"、"+names[c.Child], "、")
		}
		if !holdsWords(row.Names+" "+j.Address+" "+j.Name+" "+row.By, p.Query) {
			continue
		}
		state := joinState(j, p.Now)
		if n[state]++; p.State == "" || p.State == state {
			rows = append(rows, row)
		}
	}
	for _, c := range joinStates {
		p.States = append(p.States, joinChoice{c.Value, c.Text, n[c.Value]})
	}
	p.Many, p.From = len(rows), min(p.From, len(rows))
	p.Rows = first(rows[p.From:], shownInvited)
	return web.Page{Template: "reach_invited.html", Data: p}, nil
}

// Next returns the address of the following registrations, "" if there are none.
func (p *invitedPage) Next() string {
	if p.To() >= p.Many {
		return ""
	}
	return reachPath + "/invited?" + url.Values{"q": {p.Query}, "state": {p.State}, "from": {strconv.Itoa(p.To())}}.Encode()
}

// To returns the number of the last registration that is shown.
func (p *invitedPage) To() int { return p.From + len(p.Rows) }

// holdsWords reports whether a text holds all words of a query, in any width and case.
func holdsWords(text, query string) bool {
	fold := func(s string) string { return strings.ToLower(norm.NFKC.String(s)) }
	text = fold(text)
	for _, w := range strings.Fields(fold(query)) {
		if !strings.Contains(text, w) && !strings.Contains(strings.ReplaceAll(text, " ", ""), w) {
			return false
		}
	}
	return true
}
