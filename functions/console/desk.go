package console

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/todoku/todoku/shared/access"
	"github.com/todoku/todoku/shared/alert"
	"github.com/todoku/todoku/shared/audit"
	"github.com/todoku/todoku/shared/desk"
	"github.com/todoku/todoku/shared/lang"
	"github.com/todoku/todoku/shared/roster"
	"github.com/todoku/todoku/shared/staff"
	"github.com/todoku/todoku/shared/web"
)

func (s *Server) deskRoutes(rt *routes) {
	rt.page("GET /alerts/{id}/desk", access.Children, s.deskList, on(theAlert), records(audit.View))
	rt.page("GET /alerts/{id}/desk/version", access.SeeAlert, s.deskVersion, on(theAlert))
	rt.page("POST /alerts/{id}/desk/next", access.Phone, s.deskNext, on(theAlert), records(audit.Call))
	rt.page("POST /alerts/{id}/desk/paper", access.Phone, s.makePaper, on(theAlert), records(audit.Call))
	rt.page("GET /alerts/{id}/desk/paper/{paper}", access.Children, s.paper, on(theAlert), records(audit.View))
	rt.page("GET /alerts/{id}/desk/paper/{paper}/enter", access.Children, s.enterPaper, on(theAlert), records(audit.View))
	rt.page("POST /alerts/{id}/desk/paper/{paper}/enter", access.Phone, s.keyPaperIn, on(theAlert), recordsItself())

	const family = "/alerts/{id}/families/{group}/{family}"
	rt.page("GET "+family, access.Children, s.family, on(theFamily), records(audit.View))
	rt.page("POST "+family+"/claim", access.Phone, s.claim, on(theFamily), records(audit.Call))
	rt.page("POST "+family+"/release", access.Phone, s.release, on(theFamily), records(audit.Call))
	rt.page("POST "+family+"/hand-over", access.Phone, s.passFamilyOn, on(theFamily), records(audit.Call))
	rt.page("POST "+family+"/calls", access.Phone, s.enterCall, on(theFamily), recordsItself())
}

func (s *Server) desk() desk.Desk { return desk.Desk{Alerts: s.Alerts} }

// deskAt is the desk with what it shares with those of the schools of its district: a
// family that is in hand at one school is in nobody's hands at another.
func (s *Server) deskAt(ctx context.Context, school string) (desk.Desk, error) {
	v, err := s.Roster.School(ctx, school)
	d := s.desk()
	d.Place = desk.Place{Name: v.Name, Scope: deskScope(v)}
	return d, err
}

// deskScope names what shares lines with the desks of a school.
func deskScope(v roster.School) string {
	if v.District != "" {
		return "district/" + v.District
	}
	return "school/" + v.ID
}

func caller(me staff.Staff) desk.Person { return desk.Person{ID: me.ID, Name: me.Name} }

// theFamily: the request is about the family {family} of the alert {id}.
func theFamily(s *Server, r *http.Request, me staff.Staff) (access.Target, error) {
	about, err := theAlert(s, r, me)
	if err != nil {
		return access.Target{}, err
	}
	made, err := s.Alerts.FindFamily(r.Context(), refOf(r))
	to := access.Target{School: about.School, District: about.District}
	for _, c := range made.Family.Children {
		to.Groups = append(to.Groups, c.Class)
	}
	if err == nil && !access.May(me, access.Children, to) {
		err = alert.ErrNotFound
	}
	return to, err
}

func refOf(r *http.Request) alert.Ref {
	return alert.Ref{Alert: r.PathValue("id"), Class: r.PathValue("group"), Family: r.PathValue("family")}
}

// Families on a page of the desk, and how many an overloaded desk reads.
const (
	rowsPerPage  = 15
	mostFamilies = 3000
	mostParts    = 20
	lookForNews  = 15 // seconds; what has changed is seen earlier, see desk.js
)

// deskView is which families of a desk somebody looks at.
type deskView struct {
	Group    string // id of a class; "": all
	Part, Of int    // the callers' parts of the list; Of 1: not split
	From     int    // first row, from 0
}

func viewOf(v url.Values) deskView {
	number := func(name string, least, most int) int {
		n, _ := strconv.Atoi(v.Get(name))
		return min(max(n, least), most)
	}
	d := deskView{Group: v.Get("group"), Of: number("of", 1, mostParts)}
	d.Part = number("part", 1, d.Of)
	d.From = number("from", 0, mostFamilies)
	return d
}

// Query writes the view as part of an address.
func (d deskView) Query() string {
	v := url.Values{}
	if d.Group != "" {
		v.Set("group", d.Group)
	}
	if d.Of > 1 {
		v.Set("part", strconv.Itoa(d.Part))
		v.Set("of", strconv.Itoa(d.Of))
	}
	if d.From > 0 {
		v.Set("from", strconv.Itoa(d.From))
	}
	if len(v) == 0 {
		return ""
	}
	return "?" + v.Encode()
}

// At returns the same view from another row.
func (d deskView) At(from int) deskView { d.From = from; return d }

// pages returns where the view goes on before and after this page of a list; "": nowhere.
func (d deskView) pages(list string, total int) (back, forward string) {
	if d.From > 0 {
		back = list + d.At(max(d.From-rowsPerPage, 0)).Query()
	}
	if d.From+rowsPerPage < total {
		forward = list + d.At(d.From+rowsPerPage).Query()
	}
	return back, forward
}

// Done is the address of a list that says that a call is recorded.
func (d deskView) Done(list string) string {
	if q := d.Query(); q != "" {
		return list + q + "&done=1"
	}
	return list + "?done=1"
}

// InPart returns the view of the n-th part.
func (d deskView) InPart(n int) deskView { d.Part, d.From = n, 0; return d }

// deskFrame is what the desk's pages have in common.
type deskFrame struct {
	web.Base
	Alert      alert.Alert
	At         time.Time
	View       deskView
	ClassNames map[string]string // of classes, by id
	Me         staff.Staff
	MayPhone   bool
	Version    string
	Every      int
	Link       string

	Back, Forward string // addresses of the list's pages before and after this one; "": there is none
}

// listed is what a row of a list is, of a school's desk or of a district's.
type listed struct {
	Page  *deskFrame
	No    int      // row number, from 1
	Other desk.Use // the same family for an alert that is not here; without a Place: nothing is known
}

// HeldThere reports whether somebody has the family in hand for an alert that is not here.
func (l listed) HeldThere() bool {
	return l.Other.Held(l.Page.At) && l.Other.Holder.ID != l.Page.Me.ID
}

// OutcomeThere returns how the last call ended there.
func (l listed) OutcomeThere() lang.Text { return outcomeNames[l.Other.Outcome] }

// deskRow is a family as the desk's pages show it.
type deskRow struct {
	desk.Row
	listed
}

// setOthers looks up what became of families at other alerts' desks.
func (s *Server) setOthers(ctx context.Context, school string, rows []deskRow) error {
	d, err := s.deskAt(ctx, school)
	if err != nil {
		return err
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(schoolReaders)
	for i := range rows {
		g.Go(func() (err error) {
			rows[i].Other, err = d.Elsewhere(ctx, rows[i].Ref, &rows[i].Family)
			return err
		})
	}
	return g.Wait()
}

// deskPage is the data of desk.html.
type deskPage struct {
	deskFrame
	Rows        []deskRow // of this page
	Total, Mine int
	Held        int
	More        bool // there are classes that were not read
	Classes     []classLine
	Parts       []int // 1..Of
	MineRow     *deskRow
}

// deskRows reads the rows of a view.
func (s *Server) deskRows(ctx context.Context, me staff.Staff, a alert.Alert, v deskView) (rows []desk.Row, classes []alert.ClassStatus, more bool, err error) {
	classes, more, err = s.classesToCall(ctx, me, a)
	if err != nil {
		return nil, nil, false, err
	}
	var ids []string
	for _, c := range classes {
		if v.Group == "" || c.Class == v.Group {
			ids = append(ids, c.Class)
		}
	}
	bad, err := s.badLanes(ctx, a)
	if err != nil {
		return nil, nil, false, err
	}
	rows, err = s.desk().Rows(ctx, a.ID, ids, bad)
	rows = slices.DeleteFunc(rows, func(r desk.Row) bool { return !desk.InPart(r.ID, v.Part, v.Of) })
	return rows, classes, more, err
}

// badLanes names the lanes whose mail does not tell the families of an alert.
func (s *Server) badLanes(ctx context.Context, a alert.Alert) (desk.Lanes, error) {
	bad := desk.Lanes{Suspect: map[string]bool{}, Held: map[string]bool{}}
	heard, err := s.Alerts.Listened(ctx, a.ID)
	if err != nil {
		return bad, err
	}
	for _, f := range heard.Found {
		bad.Suspect[f.Lane] = true
	}
	events, err := s.Docket.EventsOf(ctx, a.School)
	for _, e := range events {
		bad.Held[e.Lane] = e.Held()
	}
	return bad, err
}

// classesToCall returns the classes in which somebody may see who is to be phoned,
// as far as a desk goes: by their counters, so that those in which all have answered
// cost nothing.
func (s *Server) classesToCall(ctx context.Context, me staff.Staff, a alert.Alert) (open []alert.ClassStatus, more bool, err error) {
	var children int64
	for after := ""; ; {
		page, next, err := s.Alerts.Classes(ctx, a.ID, after, classesPerPage)
		if err != nil {
			return nil, false, err
		}
		for _, c := range page {
			to := access.Target{School: me.School, Groups: []string{c.Class}}
			if c.Unaccounted() == 0 && c.Help == 0 || !access.May(me, access.Children, to) {
				continue
			}
			if children += c.Total; children > mostFamilies {
				return open, true, nil
			}
			open = append(open, c)
		}
		if next == "" {
			return open, false, nil
		}
		after = next
	}
}

func (s *Server) deskFrame(r *http.Request, me staff.Staff) (deskFrame, error) {
	ctx := r.Context()
	a, err := s.alertOf(ctx, me.School, r.PathValue("id"))
	if err != nil {
		return deskFrame{}, err
	}
	f := deskFrame{Alert: a, At: s.Now(), Me: me, View: viewOf(r.URL.Query()), Every: lookForNews, ClassNames: map[string]string{}}
	f.Link = r.URL.Path + f.View.Query()
	f.MayPhone = access.MayAnywhere(me, access.Phone)
	f.Version, err = s.desk().Version(ctx, a.ID)
	f.Scripts = []string{statusScript, "news.js", "desk.js"}
	f.Refresh = lookForNews
	return f, err
}

// name looks up what classes are called.
func (f *deskFrame) name(ctx context.Context, s *Server, rows []desk.Row, classes []alert.ClassStatus) (map[string]roster.Group, error) {
	var ids []string
	for _, c := range classes {
		ids = append(ids, c.Class)
	}
	for _, r := range rows {
		for _, c := range r.Children {
			ids = append(ids, c.Class)
		}
	}
	slices.Sort(ids)
	groups, err := s.Roster.Named(ctx, f.Me.School, slices.Compact(ids))
	for id, g := range groups {
		f.ClassNames[id] = g.Name
	}
	return groups, err
}

func (s *Server) deskList(r *http.Request, me staff.Staff) (web.Response, error) {
	f, err := s.deskFrame(r, me)
	if err != nil {
		return nil, err
	}
	p := &deskPage{deskFrame: f}
	rows, classes, more, err := s.deskRows(r.Context(), me, f.Alert, f.View)
	if err != nil {
		return nil, err
	}
	p.Total, p.More = len(rows), more
	p.View.From = min(p.View.From, max(0, (len(rows)-1)/rowsPerPage*rowsPerPage))
	p.Back, p.Forward = p.View.pages(r.URL.Path, p.Total)
	shown := rows[p.View.From:min(len(rows), p.View.From+rowsPerPage)]
	groups, err := p.name(r.Context(), s, rows, classes)
	if err != nil {
		return nil, err
	}
	p.Classes = classLines(me, classes, groups)
	for i, row := range shown {
		p.Rows = append(p.Rows, deskRow{row, listed{Page: &p.deskFrame, No: p.View.From + i + 1}})
	}
	if err := s.setOthers(r.Context(), me.School, p.Rows); err != nil {
		return nil, err
	}
	for i, row := range rows {
		if row.Held(p.At) {
			p.Held++
		}
		if row.HeldBy(me.ID, p.At) && p.MineRow == nil {
			p.MineRow = &deskRow{row, listed{Page: &p.deskFrame, No: i + 1}}
		}
	}
	for n := range p.View.Of {
		p.Parts = append(p.Parts, n+1)
	}
	if r.URL.Query().Get("done") == "1" {
		p.Notice = lang.T("電話の結果を記録しました。", "The call is recorded.").In(web.Language(r))
	}
	return web.Page{Template: "desk.html", Data: p}, nil
}

// deskVersion says whether there is news. It is asked every second by everybody who
// has the desk open, so it reads a few counters and no family.
func (s *Server) deskVersion(r *http.Request, _ staff.Staff) (web.Response, error) {
	v, err := s.desk().Version(r.Context(), r.PathValue("id"))
	return web.JSON{Value: map[string]string{"version": v}}, err
}

// deskNext takes the most pressing family in hand that nobody has, or goes back to
// the one that the caller has.
func (s *Server) deskNext(r *http.Request, me staff.Staff) (web.Response, error) {
	form, err := web.ReadForm(r)
	if err != nil {
		return nil, err
	}
	ctx := r.Context()
	a, err := s.alertOf(ctx, me.School, r.PathValue("id"))
	if err != nil {
		return nil, err
	}
	v := viewOf(form.Values).At(0)
	rows, _, _, err := s.deskRows(ctx, me, a, v)
	if err != nil {
		return nil, err
	}
	for _, row := range rows {
		if row.HeldBy(me.ID, s.Now()) {
			return web.Redirect{To: familyPath(row.Ref) + v.Query()}, nil
		}
	}
	d, err := s.deskAt(ctx, me.School)
	if err != nil {
		return nil, err
	}
	row, found, err := d.Next(ctx, rows, caller(me))
	if err != nil {
		return nil, err
	}
	if !found {
		return web.Redirect{To: "/alerts/" + a.ID + "/desk" + v.Query()}, nil
	}
	return web.Redirect{To: familyPath(row.Ref) + v.Query()}, nil
}

func familyPath(ref alert.Ref) string {
	return "/alerts/" + ref.Alert + "/families/" + ref.Class + "/" + ref.Family
}

// Path is where the family's page is, with the way back to the view.
func (r deskRow) Path() string { return familyPath(r.Ref) }

// ClassName returns what a child's class is called.
func (r deskRow) ClassName(c alert.Child) string { return r.Page.ClassNames[c.Class] }

// IsHeld reports whether somebody has the family in hand.
func (r deskRow) IsHeld() bool { return r.Held(r.Page.At) }

// IsMine reports whether that is whoever looks.
func (r deskRow) IsMine() bool { return r.HeldBy(r.Page.Me.ID, r.Page.At) }

// NeedName returns why the family is to be phoned.
func (r deskRow) NeedName() lang.Text { return needNames[r.Need] }

// NeedTag returns how the need is marked, beside its words.
func (r deskRow) NeedTag() string {
	switch r.Need {
	case desk.NeedsHelp:
		return "help"
	case desk.NoMail, desk.NotTold, desk.MailSuspect, desk.CallNow:
		return "refused"
	case desk.NotHeard:
		return "silent"
	case desk.MailArrived:
		return "reached"
	}
	return "over"
}

// LastCall returns the newest call in words; nil if there is none.
func (r deskRow) LastCall() *callLine {
	last, ok := r.Last()
	if !ok {
		return nil
	}
	return &callLine{last}
}

// callLine is a call in words.
type callLine struct{ desk.Call }

// OutcomeName returns how the call ended.
func (c callLine) OutcomeName() lang.Text { return outcomeNames[c.Outcome] }

var needNames = map[desk.Need]lang.Text{
	desk.NeedsHelp:   lang.T("助けが必要", "Needs help"),
	desk.CallNow:     lang.T("かけ直す時刻", "Call back now"),
	desk.NoMail:      lang.T("メールが届かない", "No mail gets through"),
	desk.NotTold:     lang.T("送っていない（未連絡）", "Not told"),
	desk.MailSuspect: lang.T("メール不着の疑い", "Mail probably not arriving"),
	desk.NotHeard:    lang.T("未回答", "No answer"),
	desk.MailArrived: lang.T("メール到着・未回答", "Mail arrived, no answer"),
	desk.CallLater:   lang.T("あとでかけ直す", "Call back later"),
}

var outcomeNames = map[desk.Outcome]lang.Text{
	desk.Answered:    lang.T("状況を聞いた", "Told how the child is"),
	desk.Message:     lang.T("伝言を残した", "Left a message"),
	desk.NoReply:     lang.T("出なかった", "No reply"),
	desk.WrongNumber: lang.T("番号違い", "Wrong number"),
	desk.CallBack:    lang.T("かけ直す約束", "Call back at"),
}
