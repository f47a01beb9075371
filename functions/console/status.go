package console

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/todoku/todoku/shared/access"
	"github.com/todoku/todoku/shared/alert"
	"github.com/todoku/todoku/shared/audience"
	"github.com/todoku/todoku/shared/audit"
	"github.com/todoku/todoku/shared/lang"
	"github.com/todoku/todoku/shared/roster"
	"github.com/todoku/todoku/shared/staff"
	"github.com/todoku/todoku/shared/web"
)

func (s *Server) statusRoutes(rt *routes) {
	rt.page("GET /alerts/{id}", access.SeeAlert, s.status, on(theAlert))
	rt.page("GET /alerts/{id}/classes/{group}", access.Children, s.class, on(theGroup), records(audit.View))
	rt.page("GET /alerts/{id}/help", access.Children, s.help, on(theAlert), records(audit.View))
	rt.page("GET /alerts/{id}/children.csv", access.Export, s.childrenCSV, records(audit.AlertExport))
}

const classesPerPage = 50

// Seconds between two looks at a status page: often while mails leave and first
// answers come in, then less.
const (
	lookOften    = 3
	lookSeldom   = 15
	oftenFor     = 15 * time.Minute
	statusScript = "live.js"
)

// statusPage is the data of status.html.
//
// What it reads is bounded, for 100 recipients as for 100,000: the alert, three
// records of progress, one of what was seen of its lanes, 8 counters of children, one counter for each slot of each
// lane, at most 38 spans of 8 counters for the curve (some 20 items in the first
// hours), at most 50 counters of classes, and the school's groups for their
// names, a teacher's own classes, and the summaries of 20 earlier alerts. No record
// of a child, guardian or copy is read. Every three seconds it is asked whether there
// is news, which reads 8 counters and one for each class that was worked on.
type statusPage struct {
	web.Base
	alert.Status
	SchoolName string // where that is not the reader's own
	State      alert.State
	UndoLeft   int // seconds in which the alert can still be taken back
	Every      int // seconds until the next look; 0: nothing changes any more
	Bar        []barPart
	CopyKinds  []alert.CopyState // the columns of the table of lanes
	LaneLines  []laneLine
	Unheard    time.Time   // since when no verdicts come of what is sent; zero: they do
	Held       []lang.Text // lanes that are held because their operator refuses the school's mail
	Outlook    []laneNews  // of lanes with copies waiting
	LateLikely int64       // copies that will probably not leave in time
	Silent     []lang.Text // lanes whose mails are probably not arriving
	Replies    int         // guardians' mails that somebody is to read
	Picture    curvePicture
	Lately     int64       // first answers of the last Recent
	Own        []classLine // a teacher's own classes
	Classes    []classLine
	Version    string
	More       string // where the classes go on; "": nowhere
	Link       string // the path of this page

	MayExport, MayEnd bool
}

// laneLine is a lane in the table.
type laneLine struct {
	Label lang.Text
	alert.LaneStatus
}

// classLine is a class in the table.
type classLine struct {
	alert.ClassStatus
	Name string
	Mine bool // its children may be seen
}

func (s *Server) status(r *http.Request, me staff.Staff) (web.Response, error) {
	ctx, now := r.Context(), s.Now()
	st, err := s.Status(ctx, me.School, r.PathValue("id"))
	if err != nil {
		return nil, err
	}
	if st.Alert.Held(now) {
		return web.Redirect{To: glassPath + "/" + st.Alert.ID}, nil
	}
	p := &statusPage{Status: st, State: st.Alert.State(now), Link: "/alerts/" + st.Alert.ID}
	p.Bar = childBar(st.Children)
	p.setLanes(s)
	s.laneOutlook(ctx, p, now)
	heard, err := s.Alerts.Listened(ctx, st.Alert.ID)
	if err != nil {
		return nil, err
	}
	for _, f := range heard.Found {
		p.Silent = append(p.Silent, f.Say(s.Lanes.Named(f.Lane).Label))
	}
	if p.Held, err = s.heldLanes(ctx, me.School); err != nil {
		return nil, err
	}
	replies, _, err := s.replies(ctx, me, st.Alert.ID)
	if err != nil {
		return nil, err
	}
	p.Replies = len(replies)
	if err := s.setCurve(r, p, now); err != nil {
		return nil, err
	}
	if err := s.setClasses(r, me, p); err != nil {
		return nil, err
	}
	if p.Version, err = s.desk().Version(ctx, st.Alert.ID); err != nil {
		return nil, err
	}
	if home := visitorOf(r).staff.School; home != me.School {
		school, err := s.Roster.School(ctx, me.School)
		if err != nil {
			return nil, err
		}
		p.SchoolName = school.Name
	}
	p.MayEnd = access.May(me, access.End, ofAlert(st.Alert))
	p.MayExport = access.May(me, access.Export, access.Target{School: me.School})
	p.setPace(r, now)
	return web.Page{Template: "status.html", Data: p}, nil
}

// recently is what counts as just now.
const recently = 10 * time.Minute

func (s *Server) setCurve(r *http.Request, p *statusPage, now time.Time) error {
	past, err := s.earlier(r.Context(), p.Alert)
	if err != nil {
		return err
	}
	elapsed := now.Sub(p.Alert.Starts)
	p.Picture = drawCurve(p.Curve, p.Children.Total, elapsed, web.Language(r))
	p.Picture.drawPast(past, p.Curve, p.Children.Total, elapsed, web.Language(r))
	if n := len(p.Curve); n > 0 && elapsed > recently {
		p.Lately = p.Curve[n-1].Answered - alert.AnsweredBy(p.Curve, elapsed-recently)
	}
	return nil
}

// mostOwn is how many classes of a teacher's stand first.
const mostOwn = 12

// setClasses reads one page of the classes, and a teacher's own, which stand first.
func (s *Server) setClasses(r *http.Request, me staff.Staff, p *statusPage) error {
	ctx := r.Context()
	classes, next, err := s.Alerts.Classes(ctx, p.Alert.ID, r.URL.Query().Get("after"), classesPerPage)
	if err != nil {
		return err
	}
	var own []alert.ClassStatus
	if me.Role == staff.Teacher {
		own, err = s.Alerts.ClassesOf(ctx, p.Alert.ID, me.Groups[:min(len(me.Groups), mostOwn)])
		if err != nil {
			return err
		}
	}
	var ids []string
	for _, c := range append(slices.Clone(classes), own...) {
		ids = append(ids, c.Class)
	}
	slices.Sort(ids)
	groups, err := s.Roster.Named(ctx, me.School, slices.Compact(ids))
	p.Own, p.Classes, p.More = classLines(me, own, groups), classLines(me, classes, groups), next
	return err
}

// Recent is how long just now is, in minutes.
func (p *statusPage) Recent() int { return int(recently / time.Minute) }

// HelpIn returns the classes of this page in which help is needed.
func (p *statusPage) HelpIn() (in []classLine) {
	for _, c := range p.Classes {
		if c.Help > 0 {
			in = append(in, c)
		}
	}
	return in
}

// justSent is for how long after its start a page says that an alert was accepted.
const justSent = time.Minute

// setPace says how often the page is looked at anew, and what was just done.
func (p *statusPage) setPace(r *http.Request, now time.Time) {
	l := web.Language(r)
	if p.State == alert.StateWaiting {
		p.UndoLeft = int((p.Alert.Starts.Sub(now) + time.Second - 1) / time.Second)
		p.Scripts = append(p.Scripts, "undo.js")
	}
	switch r.URL.Query().Get("closed") + r.URL.Query().Get("sent") {
	case "1":
		if p.State == alert.StateClosed {
			p.Notice = lang.T("この連絡を終了しました。", "This alert is closed.").In(l)
		} else if p.Alert.Useful(now) && now.Sub(p.Alert.Starts) < justSent && len(p.Held) == 0 {
			p.Notice = lang.T("連絡を受け付けました。送信は自動で進みます。この画面を閉じても止まりません。", "The alert is accepted and goes out by itself, even if you close this page.").In(l)
		}
	}
	if r.URL.Query().Get("noted") == "1" && len(p.Alert.Notes) > 0 {
		p.Notice = lang.T("ページを更新しました。メールは送っていません。", "The page is updated. No mail was sent.").In(l)
	}
	switch {
	case p.State == alert.StateUndone:
		return
	case now.Sub(p.Alert.Starts) < oftenFor:
		p.Every = lookOften
	default:
		p.Every = lookSeldom
	}
	p.Refresh = max(p.Every, 5) // a whole page: give people without scripts time to read
	p.Scripts = append(p.Scripts, statusScript, "news.js", "board.js")
}

// StateName returns what the alert's state is called.
func (p *statusPage) StateName() lang.Text { return stateNames[p.State] }

// To says whom the alert is for.
func (p *statusPage) To() lang.Text { return audience.Said(p.Alert.Audience, p.Alert.All) }

// KindName returns what the alert's kind is called.
func (p *statusPage) KindName() lang.Text { return kindName(p.Alert.Kind) }

// Begun reports whether there is anything to see: the alert can no longer be
// undone, and was not.
func (p *statusPage) Begun() bool {
	return p.State != alert.StateWaiting && p.State != alert.StateUndone
}

// Useful reports whether the alert can still be answered.
func (p *statusPage) Useful() bool { return p.Alert.Useful(p.At) }

// NotTold returns how many copies were given up before they left.
func (p *statusPage) NotTold() int64 { return p.Copies.By[string(alert.Cancelled)] }

// Percent returns how many of a hundred children are answered for, rounded down:
// it says 100 only when all are.
func (p *statusPage) Percent() int64 {
	if p.Children.Total == 0 {
		return 0
	}
	return p.Children.By[string(alert.Answered)] * 100 / p.Children.Total
}

// Answered returns how many children are answered for.
func (p *statusPage) Answered() int64 { return p.Children.By[string(alert.Answered)] }

// CopyName returns what a state of copies is called.
func (p *statusPage) CopyName(c alert.CopyState) lang.Text { return copyStateNames[c] }

// CopyTotals returns the copies of the whole alert in the columns of the table.
func (p *statusPage) CopyTotals() []copyCell { return columns(p.CopyKinds, p.Copies) }

// LaneCells returns a lane's copies in the columns of the table.
func (p *statusPage) LaneCells(l laneLine) []copyCell { return columns(p.CopyKinds, l.Counts) }

// copyCell is how many copies of a lane are in a state.
type copyCell struct {
	Name lang.Text
	N    int64
	Bad  bool // they told nobody
}

func columns(states []alert.CopyState, c alert.Counts) []copyCell {
	cells := make([]copyCell, len(states))
	for i, s := range states {
		n := c.By[string(s)]
		cells[i] = copyCell{copyStateNames[s], n, n > 0 && slices.Contains(badStates, s)}
	}
	return cells
}

// badStates are those that ask somebody to phone; columnStates is the order of the columns,
// these first.
var (
	badStates    = []alert.CopyState{alert.Cancelled, alert.Refused}
	columnStates = append(slices.Clone(badStates), alert.Delayed, alert.Queued, alert.Sending, alert.Sent, alert.Delivered)
)

// setLanes leaves out the states that no copy is in.
func (p *statusPage) setLanes(s *Server) {
	for _, state := range columnStates {
		if p.Copies.By[string(state)] > 0 {
			p.CopyKinds = append(p.CopyKinds, state)
		}
	}
	for _, l := range p.Lanes {
		p.LaneLines = append(p.LaneLines, laneLine{Label: s.Lanes.Named(l.Lane).Label, LaneStatus: l})
	}
}

// barPart is one state in the bar of children. X and Width are parts of a
// thousand.
type barPart struct {
	State    alert.ChildState
	Name     lang.Text
	Hint     lang.Text
	N        int64
	X, Width int64
}

// childBar divides the children by state. It is drawn and listed in one order. That none
// was left untold is not said: until the end nobody knows.
func childBar(c alert.Counts) (parts []barPart) {
	var before int64
	for _, s := range alert.ChildStates {
		n := c.By[string(s)]
		if n == 0 && s == alert.Untold {
			continue
		}
		part := barPart{State: s, Name: childStateNames[s], Hint: childStateHints[s], N: n}
		if c.Total > 0 {
			part.X = before * 1000 / c.Total
			part.Width = (before+n)*1000/c.Total - part.X
		}
		parts = append(parts, part)
		before += n
	}
	return parts
}

// classLines names the classes of one page and puts them in the order in which a
// school reads them. A class that has left the roster keeps its numbers.
func classLines(me staff.Staff, classes []alert.ClassStatus, groups map[string]roster.Group) []classLine {
	lines := make([]classLine, len(classes))
	for i, c := range classes {
		to := access.Target{School: me.School, Groups: []string{c.Class}}
		lines[i] = classLine{ClassStatus: c, Name: groups[c.Class].Name, Mine: access.May(me, access.Children, to)}
	}
	slices.SortStableFunc(lines, func(a, b classLine) int {
		if d := groups[a.Class].Grade - groups[b.Class].Grade; d != 0 {
			return d
		}
		return strings.Compare(a.Name, b.Name)
	})
	return lines
}

// tile is a class as the part "tile" shows it.
type tile struct {
	Page  *web.Base
	Alert string // its id
	Class classLine
}

// Tile returns a class for the part "tile".
func (p *statusPage) Tile(c classLine) tile { return tile{&p.Base, p.Alert.ID, c} }

// Percent returns how many of a hundred children are answered for.
func (t tile) Percent() int64 {
	if t.Class.Total == 0 {
		return 0
	}
	return t.Class.Answered * 100 / t.Class.Total
}

// Figure names the figure for the script that tells what has changed.
func (t tile) Figure() string { return "class-" + t.Class.Class }
