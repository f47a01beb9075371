package console

import (
	"context"
	"net/http"
	"strings"

	"github.com/todoku/todoku/shared/enrol"
	"github.com/todoku/todoku/shared/problem"
	"github.com/todoku/todoku/shared/roster"
	"github.com/todoku/todoku/shared/staff"
	"github.com/todoku/todoku/shared/web"
)

func domainOf(mail string) string { return mail[strings.LastIndexByte(mail, '@')+1:] }

// invitePage is the data of invite.html.
type invitePage struct {
	web.Base
	Class  roster.Group
	Text   string
	Rows   []enrol.Row
	Counts map[enrol.Outcome]int
	Doubts bool
}

func (s *Server) getInvite(r *http.Request, me staff.Staff) (web.Response, error) {
	class, err := s.groupOf(r, me)
	return web.Page{Template: "invite.html", Data: &invitePage{Class: class, Base: web.Base{Scripts: []string{"once.js"}}}}, err
}

// postInvite takes the rows, and shows what became of each; those that were not
// taken stay in the form, to be corrected.
func (s *Server) postInvite(r *http.Request, me staff.Staff) (web.Response, error) {
	f, err := web.ReadForm(r)
	if err != nil {
		return nil, err
	}
	class, err := s.groupOf(r, me)
	if err != nil {
		return nil, err
	}
	p := &invitePage{Class: class, Text: f.Get("rows"), Counts: map[enrol.Outcome]int{}, Base: web.Base{Scripts: []string{"once.js"}}}
	rows, err := s.Enrol.Invite(r.Context(), enrol.Invitation{
		School: me.School, Class: class, By: me.ID, Text: p.Text, Sure: f.Get("sure") != "", Refused: s.refusedDomains(r.Context()),
	}, s.Lanes)
	if problem.Is(err, problem.Invalid) {
		p.Problems = problem.Of(err)
		return web.Page{Template: "invite.html", Data: p}, nil
	}
	if err != nil {
		return nil, err
	}
	p.Rows, p.Text = rows, ""
	for _, row := range rows {
		p.Counts[row.Outcome]++
		if row.Outcome == enrol.Failed || row.Outcome == enrol.Doubtful {
			p.Text += row.Text + "\n"
		}
	}
	p.Doubts = p.Counts[enrol.Doubtful] > 0
	s.Log.Info("guardians invited", "group", class.ID, "staff", me.ID, "rows", len(rows), "invited", p.Counts[enrol.DidInvite])
	return web.Page{Template: "invite.html", Data: p}, nil
}

func (s *Server) refusedDomains(ctx context.Context) func([]string) map[string]*problem.Error {
	return func(domains []string) map[string]*problem.Error {
		refused := map[string]*problem.Error{}
		for d, answer := range s.Hosts.Check(ctx, domains, domainLimit) {
			if e := answer.Problem(d); e != nil {
				refused[d] = e
			}
		}
		return refused
	}
}
