package console

import (
	"context"
	"maps"
	"net/http"
	"slices"
	"strconv"

	"github.com/todoku/todoku/shared/audit"
	"github.com/todoku/todoku/shared/lang"
	"github.com/todoku/todoku/shared/problem"
	"github.com/todoku/todoku/shared/queue"
	"github.com/todoku/todoku/shared/roster"
	"github.com/todoku/todoku/shared/staff"
	"github.com/todoku/todoku/shared/web"
)

// shownDead is how many dead letters of a queue the page shows.
const shownDead = 10

// deadQueue is a queue's dead letters on the page.
type deadQueue struct {
	Name    string
	Letters []queue.DeadLetter
	More    bool // than are shown
}

// Says returns what a letter of the queue is, in words that a school uses.
func (q deadQueue) Says() lang.Text {
	return map[string]lang.Text{
		"jobs":   lang.T("送信の準備ができなかった連絡", "Alerts that could not be prepared for sending"),
		"copies": lang.T("送れなかったメール", "Mails that could not be sent"),
		"mails":  lang.T("処理できなかった保護者からのメール", "Mail of guardians that could not be handled"),
	}[q.Name]
}

// dead reads the dead letters. Where a queue tells nobody of them (AWS), there are none:
// the operator has the queue's own tools.
func (a *App) dead(ctx context.Context) (all []deadQueue, err error) {
	for _, name := range slices.Sorted(maps.Keys(a.Dead)) {
		letters, err := a.Dead[name].ListDead(ctx, "", shownDead+1)
		if err != nil {
			return nil, err
		}
		if len(letters) > 0 {
			all = append(all, deadQueue{name, letters[:min(len(letters), shownDead)], len(letters) > shownDead})
		}
	}
	return all, nil
}

// redrive puts the dead letters of a queue back. They may belong to other schools of
// the same machine: whatever was given up there is as well tried again.
func (s *Server) redrive(r *http.Request, me staff.Staff) (web.Response, error) {
	q, ok := s.Dead[r.PathValue("queue")]
	if !ok {
		return nil, roster.ErrNotFound
	}
	n, err := recording(r.Context(), s.App, entry(me, audit.Settings, r.PathValue("queue"), "再試行（処理できなかったもの）"), func() (int, error) {
		return q.Redrive(r.Context())
	})
	if err != nil {
		return nil, problem.Of(err)[0]
	}
	return web.Redirect{To: systemPath + "?again=" + strconv.Itoa(n)}, nil
}
