package console

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/todoku/todoku/shared/access"
	"github.com/todoku/todoku/shared/alert"
	"github.com/todoku/todoku/shared/audit"
	"github.com/todoku/todoku/shared/problem"
	"github.com/todoku/todoku/shared/staff"
	"github.com/todoku/todoku/shared/web"
)

// records has what the page or call does written into the audit log before it is
// done, with the ids in its path as what it is done to. If it then fails, that is
// written as well.
func records(kind audit.Kind) pageOption { return func(o *pageOptions) { o.records = kind } }

// recordsItself says that the handler writes into the audit log, because it knows
// better what is done.
func recordsItself() pageOption { return func(o *pageOptions) { o.recordsItself = true } }

// changesNothing says that a POST changes nothing that anybody would ask about: it
// shows a form again.
func changesNothing() pageOption { return func(o *pageOptions) { o.changesNothing = true } }

// viewEvery is how often a look at the same list by the same session is written
// down: pages load themselves anew every few seconds.
const viewEvery = time.Hour

// recorded returns h for a handler whose doings go into the audit log.
func (s *Server) recorded(kind audit.Kind, h staffHandler) staffHandler {
	if kind == "" {
		return h
	}
	return func(r *http.Request, me staff.Staff) (web.Response, error) {
		what := strings.Join(strings.Fields(r.PathValue("id")+" "+r.PathValue("group")+" "+r.PathValue("family")), " ")
		if kind == audit.View {
			if err := s.Audit.Once(r.Context(), entry(me, kind, pathOf(r), ""), viewEvery); err != nil {
				return nil, err
			}
			return h(r, me)
		}
		return recording(r.Context(), s.App, entry(me, kind, what, ""), func() (web.Response, error) { return h(r, me) })
	}
}

// pathOf names a list that was looked at.
func pathOf(r *http.Request) string {
	const longest = 200
	p := strings.TrimPrefix(r.URL.Path, apiPath)
	return p[:min(len(p), longest)]
}

// entry begins an entry of somebody's.
func entry(me staff.Staff, kind audit.Kind, what, said string) audit.Entry {
	return audit.Entry{
		School: me.School, Kind: kind, Staff: me.ID, Name: me.Name, Role: string(me.Role), Via: me.Via, What: what, Said: said,
	}
}

// recording writes an entry, does the thing, and writes another if it failed.
func recording[T any](ctx context.Context, a *App, e audit.Entry, do func() (T, error)) (T, error) {
	if _, err := a.Audit.Add(ctx, e); err != nil {
		var none T
		return none, err
	}
	v, err := do()
	if err != nil {
		a.failed(ctx, e, err)
	}
	return v, err
}

// record is recording for what has no result.
func (a *App) record(ctx context.Context, e audit.Entry, do func() error) error {
	_, err := recording(ctx, a, e, func() (struct{}, error) { return struct{}{}, do() })
	return err
}

// failed writes that what was recorded was not done. The person gets the error in
// any case; that it could not be written down is for the log.
func (a *App) failed(ctx context.Context, e audit.Entry, why error) {
	e.Failed = string(problem.Of(explain(why))[0].Kind)
	if _, err := a.Audit.Add(context.WithoutCancel(ctx), e); err != nil {
		a.Log.Error("a failure is not in the audit log", "kind", e.Kind, "staff", e.Staff, "err", err)
	}
}

// note writes what was done already. Who has come in is not sent away again because
// the log cannot be written, for it may be an emergency: that is for the operator.
func (s *Server) note(r *http.Request, e audit.Entry) {
	if _, err := s.Audit.Add(context.WithoutCancel(r.Context()), e); err != nil {
		s.Log.Error("not in the audit log", "kind", e.Kind, "staff", e.Staff, "err", err)
	}
}

// sendEntry is the entry of an alert that is about to be sent, in Japanese like the
// names of groups in it.
func sendEntry(me staff.Staff, d alert.Draft) audit.Entry {
	return entry(me, audit.Send, d.ID, d.Audience+" / "+kindName(d.Kind).JA+" / "+d.Subject)
}

// auditRoutes are the pages of the audit log.
func (s *Server) auditRoutes(rt *routes) {
	rt.page("GET /audit", access.Audit, s.auditPage)
	rt.page("GET /audit.csv", access.Audit, s.auditCSV, records(audit.AuditExport), asksAnew("/audit"))
}
