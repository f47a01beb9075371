package console

import (
	"context"
	"maps"
	"net/http"
	"slices"
	"strconv"

	"github.com/todoku/todoku/shared/audit"
	"github.com/todoku/todoku/shared/dead"
	"github.com/todoku/todoku/shared/lang"
	"github.com/todoku/todoku/shared/problem"
	"github.com/todoku/todoku/shared/queue"
	"github.com/todoku/todoku/shared/roster"
	"github.com/todoku/todoku/shared/staff"
	"github.com/todoku/todoku/shared/web"
)

const (
	// shownDead is how many dead letters of a queue the page shows.
	shownDead = 10
	// readDead is how many of a queue are read, a page at a time: many schools may share it.
	readDead, readAtOnce = 1000, 100
)

// deadQueue is a queue's dead letters on the page.
type deadQueue struct {
	Name    string
	Letters []deadLetter
	More    bool // than are shown
}

// deadLetter is one of them.
type deadLetter struct {
	queue.DeadLetter
	Alert string // which it is of; "": of none, or that is not known
}

// Says returns what a letter of the queue is, in words that a school uses.
func (q deadQueue) Says() lang.Text {
	return map[string]lang.Text{
		"jobs":   lang.T("送信の準備ができなかった連絡", "Alerts that could not be prepared for sending"),
		"copies": lang.T("送れなかったメール", "Mails that could not be sent"),
		"events": lang.T("記録できなかった、メールの到着や不達の知らせ", "News of what became of mails that could not be recorded"),
		"mails":  lang.T("処理できなかった保護者からのメール", "Mail of guardians that could not be handled"),
	}[q.Name]
}

// dead reads the dead letters that a school may see.
func (a *App) dead(ctx context.Context, school string) (all []deadQueue, err error) {
	for _, name := range slices.Sorted(maps.Keys(a.Dead)) {
		letters, err := a.deadOf(ctx, a.Dead[name], school, shownDead+1)
		if err != nil {
			return nil, err
		}
		if len(letters) > 0 {
			all = append(all, deadQueue{name, letters[:min(len(letters), shownDead)], len(letters) > shownDead})
		}
	}
	return all, nil
}

// deadOf returns up to limit letters of a queue that are of the school, or of which nobody
// knows whose they are: somebody has to see them.
func (a *App) deadOf(ctx context.Context, q queue.DeadLetters, school string, limit int) (mine []deadLetter, err error) {
	owners := &dead.Owners{Alerts: a.Alerts}
	after := ""
	for range readDead / readAtOnce {
		letters, err := q.ListDead(ctx, after, readAtOnce)
		if err != nil {
			return nil, err
		}
		for _, l := range letters {
			after = l.Handle
			alertID, whose, err := owners.Of(ctx, l)
			if err != nil {
				return nil, err
			}
			if whose == "" || whose == school {
				mine = append(mine, deadLetter{l, alertID})
			}
		}
		if len(letters) < readAtOnce || len(mine) >= limit {
			break
		}
	}
	return mine[:min(limit, len(mine))], nil
}

// redrive puts one dead letter back, or all of the school's in a queue.
func (s *Server) redrive(r *http.Request, me staff.Staff) (web.Response, error) {
	q, ok := s.Dead[r.PathValue("queue")]
	if !ok {
		return nil, roster.ErrNotFound
	}
	mine, err := s.deadOf(r.Context(), q, me.School, readDead)
	if err != nil {
		return nil, err
	}
	one := r.PostFormValue("letter")
	var handles []string
	for _, l := range mine {
		if one == "" || l.Handle == one {
			handles = append(handles, l.Handle)
		}
	}
	if len(handles) == 0 { // somebody was faster
		return web.Redirect{To: systemPath + "?again=0"}, nil
	}
	n, err := recording(r.Context(), s.App, entry(me, audit.Settings, r.PathValue("queue"), "再試行（処理できなかったもの）"), func() (int, error) {
		return q.Redrive(r.Context(), handles...)
	})
	if err != nil {
		return nil, problem.Of(err)[0]
	}
	return web.Redirect{To: systemPath + "?again=" + strconv.Itoa(n)}, nil
}
