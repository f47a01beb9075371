package console

import (
	"context"
	"net/http"
	"slices"

	"github.com/todoku/todoku/shared/access"
	"github.com/todoku/todoku/shared/alert"
	"github.com/todoku/todoku/shared/audit"
	"github.com/todoku/todoku/shared/staff"
	"github.com/todoku/todoku/shared/web"
)

func (s *Server) replyRoutes(rt *routes) {
	rt.page("GET /alerts/{id}/replies", access.Children, s.showReplies, on(theAlert), records(audit.View))
}

// mostReplies is how many replies are read for a page.
const mostReplies = 100

// replies reads the replies to an alert that somebody may read, oldest first.
func (s *Server) replies(ctx context.Context, me staff.Staff, id string) (mine []alert.Reply, more bool, err error) {
	all, more, err := s.Alerts.Replies(ctx, id, mostReplies)
	for _, r := range all {
		if access.May(me, access.Children, access.Target{School: me.School, Groups: r.Classes}) {
			mine = append(mine, r)
		}
	}
	slices.SortStableFunc(mine, func(a, b alert.Reply) int { return a.At.Compare(b.At) })
	return mine, more, err
}

// repliesPage is the data of replies.html.
type repliesPage struct {
	web.Base
	Alert   alert.Alert
	Replies []replyLine
	More    bool
}

// replyLine is one reply.
type replyLine struct {
	alert.Reply
	Family alert.Family // as it stands now
}

// Answered reports whether all children of the family have been answered for since.
func (l replyLine) Answered() bool {
	return len(l.Family.Children) > 0 && !slices.ContainsFunc(l.Family.Children, func(c alert.Child) bool { return c.Answer == nil })
}

// showReplies shows what guardians wrote back. Those whose children nobody has answered
// for stand first.
func (s *Server) showReplies(r *http.Request, me staff.Staff) (web.Response, error) {
	ctx := r.Context()
	a, err := s.alertOf(ctx, me.School, r.PathValue("id"))
	if err != nil {
		return nil, err
	}
	replies, more, err := s.replies(ctx, me, a.ID)
	if err != nil {
		return nil, err
	}
	p := &repliesPage{Alert: a, More: more}
	for _, one := range replies {
		made, err := s.Alerts.FindFamily(ctx, alert.Ref{Alert: a.ID, Class: one.Class, Family: one.Family})
		if err != nil {
			return nil, err
		}
		p.Replies = append(p.Replies, replyLine{one, made.Family})
	}
	slices.SortStableFunc(p.Replies, func(a, b replyLine) int { return boolInt(a.Answered()) - boolInt(b.Answered()) })
	return web.Page{Template: "replies.html", Data: p}, nil
}
