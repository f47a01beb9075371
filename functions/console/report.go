package console

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/todoku/todoku/shared/access"
	"github.com/todoku/todoku/shared/alert"
	"github.com/todoku/todoku/shared/audit"
	"github.com/todoku/todoku/shared/desk"
	"github.com/todoku/todoku/shared/lang"
	"github.com/todoku/todoku/shared/staff"
	"github.com/todoku/todoku/shared/web"
)

func (s *Server) reportRoutes(rt *routes) {
	rt.page("GET /alerts/{id}/report", access.SeeAlert, s.report, on(theAlert), records(audit.View))
	rt.page("GET /alerts/{id}/calls.csv", access.Export, s.callsCSV, on(theAlert), records(audit.AlertExport))
}

// reportPage is the data of report.html: what became of an alert, to be printed and
// kept. It reads what a board reads, and one counter of calls for each class.
type reportPage struct {
	statusPage
	Marks    []mark
	Timeline []moment
	Lanes    []laneReport
	Last     *lastDrill // of a drill: the one before
	Calls    desk.Calls
	ByCall   []callCount

	Unreached     []unreached
	UnreachedMore bool // there are others
}

// mark is when a part of the children was answered for.
type mark struct {
	Name    lang.Text
	After   string // "": never
	Earlier string // the median of earlier alerts; "": not known
}

// moment is a line of the timeline.
type moment struct {
	At   time.Time
	What lang.Text
}

// laneReport is a lane in the report.
type laneReport struct {
	Label lang.Text
	alert.LaneStatus
}

// callCount says how many calls ended in one way.
type callCount struct {
	Name lang.Text
	N    int64
}

func (s *Server) report(r *http.Request, me staff.Staff) (web.Response, error) {
	ctx, now := r.Context(), s.Now()
	st, err := s.Status(ctx, me.School, r.PathValue("id"))
	if err != nil {
		return nil, err
	}
	p := &reportPage{statusPage: statusPage{Status: st, State: st.Alert.State(now), Link: "/alerts/" + st.Alert.ID}}
	if !p.Begun() {
		return nil, alert.ErrNotFound
	}
	p.Bar = childBar(st.Children)
	p.Scripts = []string{"print.js"}
	p.MayExport = access.May(me, access.Export, access.Target{School: me.School})
	past, err := s.earlier(ctx, st.Alert)
	if err != nil {
		return nil, err
	}
	l, open := web.Language(r), alert.Summarize(st).Open
	p.Picture = drawCurve(st.Curve, st.Children.Total, open, l)
	p.Picture.drawPast(past, st.Curve, st.Children.Total, open, l)
	p.setMarks(past, l)
	if p.Last, err = s.lastDrill(r, st); err != nil {
		return nil, err
	}
	if err := s.setClasses(r, me, &p.statusPage); err != nil {
		return nil, err
	}
	if err := s.setUnreached(r, me, p); err != nil {
		return nil, err
	}
	if p.Calls, err = s.desk().Calls(ctx, st.Alert.ID); err != nil {
		return nil, err
	}
	for _, lane := range st.Lanes {
		p.Lanes = append(p.Lanes, laneReport{s.Lanes.Named(lane.Lane).Label, lane})
	}
	for _, o := range desk.Outcomes {
		if n := p.Calls.By[o]; n > 0 {
			p.ByCall = append(p.ByCall, callCount{outcomeNames[o], n})
		}
	}
	if p.Timeline, err = s.timeline(ctx, p); err != nil {
		return nil, err
	}
	return web.Page{Template: "report.html", Data: p}, nil
}

// marksAt are the parts of the children, in hundredths, whose time is told.
var marksAt = []int64{50, 90}

func (p *reportPage) setMarks(past []alert.Summary, l lang.Lang) {
	if len(p.Curve) > 0 {
		p.Marks = append(p.Marks, mark{Name: lang.T("最初の回答", "First answer"), After: within(p.Curve[0].After, l)})
	}
	for _, share := range marksAt {
		m := mark{Name: lang.T("%d%%の回答", "%d%% answered", share)}
		if after, ok := alert.ReachedAt(p.Curve, p.Children.Total, share); ok {
			m.After = within(after, l)
		}
		if after, ok := usualReach(past, share); ok {
			m.Earlier = within(after, l)
		}
		p.Marks = append(p.Marks, m)
	}
}

// within says a time of the curve, whose steps end at full minutes.
func within(d time.Duration, l lang.Lang) string {
	return lang.T("%s以内", "within %s", roughly(d, l)).In(l)
}

// usualReach returns the median of when earlier alerts reached a share; false: fewer
// than half of them did.
func usualReach(past []alert.Summary, share int64) (time.Duration, bool) {
	var times []time.Duration
	for _, p := range past {
		if after, ok := alert.ReachedAt(p.Curve(), p.Children, share); ok {
			times = append(times, after)
		}
	}
	if len(times) == 0 || len(times)*2 <= len(past) {
		return 0, false
	}
	slices.Sort(times)
	return times[len(times)/2], true
}

// timeline tells what happened, oldest first.
func (s *Server) timeline(ctx context.Context, p *reportPage) ([]moment, error) {
	a := p.Alert
	all := []moment{
		{a.Accepted, lang.T("%[1]sさんが送信を決定", "%[1]s pressed send", a.Sender.Name)},
		{a.Starts, lang.T("送信開始", "Sending began")},
	}
	if p.FanOut.Done {
		all = append(all, moment{p.FanOut.At, lang.T("全%d通の準備が完了", "All mails were ready: %d", sumOf(p.FanOut.Copies))})
	}
	all = append(all, p.curveMoments()...)
	all = append(all, p.laneMoments()...)
	for round := 1; round <= a.Rounds(); round++ {
		p, err := s.Alerts.Progress(ctx, a.ID, alert.RemindJob(round, false))
		if err != nil {
			return nil, err
		}
		if p.Done {
			all = append(all, moment{p.At, lang.T("未回答の家庭に再送（%d回目）", "Reminder to those who had not answered (round %d)", round)})
		}
	}
	heard, err := s.Alerts.Listened(ctx, a.ID)
	if err != nil {
		return nil, err
	}
	for _, f := range heard.Found {
		all = append(all, moment{f.At, f.Say(s.Lanes.Named(f.Lane).Label)})
	}
	all = append(all, p.callMoments()...)
	held, err := s.heldMoments(ctx, p)
	if err != nil {
		return nil, err
	}
	all = append(all, held...)
	all = append(all, p.endMoments()...)
	slices.SortStableFunc(all, func(x, y moment) int { return cmp.Compare(x.At.UnixNano(), y.At.UnixNano()) })
	return all, nil
}

func sumOf(counts map[string]int64) (n int64) {
	for _, c := range counts {
		n += c
	}
	return n
}

// curveMoments are the first answer, and when half and nine tenths had answered. The
// curve knows the minute, and the timeline gives its end.
func (p *reportPage) curveMoments() (all []moment) {
	if len(p.Curve) > 0 {
		all = append(all, moment{p.Alert.Starts.Add(p.Curve[0].After), lang.T("最初の回答", "First answer")})
	}
	for _, share := range marksAt {
		if after, ok := alert.ReachedAt(p.Curve, p.Children.Total, share); ok {
			all = append(all, moment{p.Alert.Starts.Add(after), lang.T("%d%%の回答に到達", "%d%% were answered for", share)})
		}
	}
	return all
}

// laneMoments are when operators put copies off, to ten minutes.
func (p *reportPage) laneMoments() (all []moment) {
	for _, l := range p.Lanes {
		for _, off := range l.PutOff {
			at := off.At
			if at.Before(p.Alert.Starts) {
				at = p.Alert.Starts
			}
			all = append(all, moment{at, lang.T("%[1]sが受け取りを延期（10分間に%[3]d通）", "%[2]s put mails off: %[3]d in ten minutes", l.Label.JA, l.Label.EN, off.Copies)})
		}
	}
	return all
}

func (p *reportPage) callMoments() (all []moment) {
	n := len(p.Calls.Minutes)
	if n == 0 {
		return nil
	}
	all = append(all, moment{p.Calls.Minutes[0].At, lang.T("電話連絡を開始", "Phoning began")})
	if n > 1 {
		all = append(all, moment{p.Calls.Minutes[n-1].At, lang.T("最後の電話（ここまで%d件）", "Last call, of %d", p.Calls.Total)})
	}
	return all
}

// heldMoments are when sending to operators was held while the alert was open, and resumed.
func (s *Server) heldMoments(ctx context.Context, p *reportPage) (all []moment, err error) {
	from := p.Alert.Starts
	to := from.Add(alert.Summarize(p.Status).Open)
	events, err := s.Docket.EventsOf(ctx, p.Alert.School)
	for _, e := range events {
		label := s.Lanes.Named(e.Lane).Label
		if e.Since.IsZero() || e.Since.After(to) || !e.Resumed.IsZero() && e.Resumed.Before(from) {
			continue
		}
		since := e.Since
		if since.Before(from) {
			since = from
		}
		all = append(all, moment{since, lang.T("%[1]sあての送信を停止", "Sending to %[2]s was held", label.JA, label.EN)})
		if !e.Resumed.IsZero() && !e.Resumed.After(to) {
			all = append(all, moment{e.Resumed, lang.T("%[1]sあての送信を再開", "Sending to %[2]s was resumed", label.JA, label.EN)})
		}
	}
	return all, err
}

// endMoments are the end, and how many mails had not left by then.
func (p *reportPage) endMoments() []moment {
	var at time.Time
	switch {
	case p.Alert.Ending != "":
		at = p.Alert.Ended
	case p.State == alert.StateExpired:
		at = p.Alert.UsefulUntil
	default:
		return nil
	}
	all := []moment{{at, stateNames[p.State]}}
	if n := p.NotTold(); n > 0 {
		all = append(all, moment{at, lang.T("送れなかった%d通を取りやめ（未連絡）", "Mails given up that had not left: %d (not told)", n)})
	}
	return all
}

// Percent returns how many of a hundred families that were asked through the lane
// answered through it.
func (l laneReport) Percent() int64 {
	if l.Asked <= 0 {
		return 0
	}
	return min(l.Answered*100/l.Asked, 100)
}

// Left returns how many copies left.
func (l laneReport) Left() int64 { return l.By[string(alert.Sent)] + l.By[string(alert.Delivered)] }

// Off returns how many copies were put off.
func (l laneReport) Off() (n int64) {
	for _, o := range l.PutOff {
		n += o.Copies
	}
	return n
}

// Refused returns how many copies were refused.
func (l laneReport) Refused() int64 { return l.By[string(alert.Refused)] }

// NotTold returns how many copies were given up before they left.
func (l laneReport) NotTold() int64 { return l.By[string(alert.Cancelled)] }

// Untold returns how many children no mail was sent for.
func (p *reportPage) Untold() int64 { return p.Children.By[string(alert.Untold)] }

// NoMail returns how many children no mail can have reached.
func (p *reportPage) NoMail() int64 {
	return p.Children.By[string(alert.NoRoute)] + p.Children.By[string(alert.RouteRefused)]
}
