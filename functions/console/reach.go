package console

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/todoku/todoku/shared/access"
	"github.com/todoku/todoku/shared/address"
	"github.com/todoku/todoku/shared/audit"
	"github.com/todoku/todoku/shared/enrol"
	"github.com/todoku/todoku/shared/problem"
	"github.com/todoku/todoku/shared/qr"
	"github.com/todoku/todoku/shared/roster"
	"github.com/todoku/todoku/shared/staff"
	"github.com/todoku/todoku/shared/web"
)

const reachPath = "/reach"

func (s *Server) reachRoutes(rt *routes) {
	rt.page("GET "+reachPath, access.Reach, s.reach)
	rt.page("GET "+reachPath+"/{group}", access.Reach, s.classReach, records(audit.View))
	rt.page("POST "+reachPath+"/{group}/fix", access.Reach, s.fix, records(audit.RosterChange))
	rt.page("POST "+reachPath+"/{group}/slips", access.Reach, s.issueSlips, records(audit.Invite))
	rt.page("GET "+reachPath+"/{group}/slips", access.Reach, s.slips, records(audit.View))
	rt.page("GET "+reachPath+"/{group}/poster", access.Reach, s.poster)
	rt.page("GET "+reachPath+"/{group}/invite", access.Reach, s.getInvite)
	rt.page("POST "+reachPath+"/{group}/invite", access.Reach, s.postInvite, records(audit.Invite))
}

// reachPage is the data of reach.html.
type reachPage struct {
	web.Base
	enrol.SchoolReach
	Query   string
	Found   []enrol.ChildReach
	Classes map[string]string // names by id
	Picture scorePicture
	Invited []enrol.Join // the newest, as many as a page bears
	Now     time.Time
}

// shownJoins is how many of the newest registrations the overview lists, and
// shownFound how many children a search shows.
const (
	shownJoins = 20
	shownFound = 50
	scoreDays  = 180
)

func (s *Server) reach(r *http.Request, me staff.Staff) (web.Response, error) {
	all, err := s.Enrol.Reach(r.Context(), me.School, s.Lanes)
	if err != nil {
		return nil, err
	}
	scores, err := s.Enrol.Scores(r.Context(), me.School, scoreDays)
	if err != nil {
		return nil, err
	}
	p := &reachPage{SchoolReach: all, Query: strings.TrimSpace(r.URL.Query().Get("q")), Classes: map[string]string{}, Now: s.Now()}
	for _, k := range all.Classes {
		p.Classes[k.Class.ID] = k.Class.Name
	}
	if p.Query != "" {
		found := enrol.Search(all.Children, p.Query)
		p.Found = found[:min(len(found), shownFound)]
	}
	p.Invited = all.Joins[:min(len(all.Joins), shownJoins)]
	p.Picture = drawScores(scores)
	return web.Page{Template: "reach.html", Data: p}, nil
}

// classPage is the data of reach_class.html.
type classPage struct {
	web.Base
	Class    enrol.ClassReach
	Children []enrol.ChildReach
	Fixing   string // id of the contact that is being changed
	Typed    string
	Now      time.Time
}

// groupOf reads the group {group}, which must be a class of the school.
func (s *Server) groupOf(r *http.Request, me staff.Staff) (roster.Group, error) {
	groups, err := s.Roster.Groups(r.Context(), me.School)
	if err != nil {
		return roster.Group{}, err
	}
	i := slices.IndexFunc(groups, func(g roster.Group) bool { return g.ID == r.PathValue("group") && g.Kind != roster.Grade })
	if i < 0 {
		return roster.Group{}, roster.ErrNotFound
	}
	return groups[i], nil
}

func (s *Server) classReach(r *http.Request, me staff.Staff) (web.Response, error) {
	return s.classReachWith(r, me, &classPage{Fixing: r.URL.Query().Get("contact")}, nil)
}

func (s *Server) classReachWith(r *http.Request, me staff.Staff, p *classPage, wrong problem.List) (web.Response, error) {
	class, err := s.groupOf(r, me)
	if err != nil {
		return nil, err
	}
	all, err := s.Enrol.Reach(r.Context(), me.School, s.Lanes)
	if err != nil {
		return nil, err
	}
	p.Class.Class, p.Now, p.Problems, p.Scripts = class, s.Now(), wrong, []string{"once.js"}
	for _, k := range all.Classes {
		if k.Class.ID == class.ID {
			p.Class = k
		}
	}
	for _, c := range all.Children {
		if c.Child.In(map[string]bool{class.ID: true}) {
			p.Children = append(p.Children, c)
		}
	}
	page := web.Page{Template: "reach_class.html", Data: p}
	if len(wrong) > 0 {
		page.Status = web.Status(wrong[0].Kind)
	}
	return page, nil
}

// fix corrects an address that was not confirmed, or invites it again.
func (s *Server) fix(r *http.Request, me staff.Staff) (web.Response, error) {
	f, err := web.ReadForm(r)
	if err != nil {
		return nil, err
	}
	p := &classPage{Fixing: f.Get("contact"), Typed: f.Get("address")}
	field := "fix-" + p.Fixing
	a, err := address.Parse(p.Typed)
	if err == nil {
		answer := s.Hosts.Check(r.Context(), []string{a.Domain}, domainLimit)[a.Domain]
		if e := answer.Problem(a.Domain); e != nil {
			err = e
		}
	}
	if err == nil {
		err = s.Enrol.Fix(r.Context(), me.School, f.Get("family"), p.Fixing, a, me.ID, s.Lanes)
	}
	var told *problem.Error
	if errors.As(err, &told) && told.Kind != problem.Internal && told.Kind != problem.Busy {
		return s.classReachWith(r, me, p, problem.List{told.In(field)})
	}
	if err != nil {
		return nil, err
	}
	s.Log.Info("contact invited again", "contact", p.Fixing, "staff", me.ID)
	return web.Redirect{To: reachPath + "/" + r.PathValue("group")}, nil
}

// domainLimit is how long a page waits for DNS.
const domainLimit = 3 * time.Second

// slip is what one child takes home.
type slip struct {
	Child   roster.Child
	Code    string
	Ends    time.Time
	Page    qr.Code
	Mail    qr.Code
	MailTo  string
	HasMail bool
}

// slipsPage is the data of slips.html.
type slipsPage struct {
	web.Base
	Class roster.Group
	Slips []slip
	URL   string // of the form, as it is printed
}

// issueSlips gives the children of a class their codes. Those who have one keep it,
// but for the child whose code is to be replaced.
func (s *Server) issueSlips(r *http.Request, me staff.Staff) (web.Response, error) {
	f, err := web.ReadForm(r)
	if err != nil {
		return nil, err
	}
	class, err := s.groupOf(r, me)
	if err != nil {
		return nil, err
	}
	children, refs, err := s.Enrol.Pupils(r.Context(), me.School, class.ID)
	if err != nil {
		return nil, err
	}
	to := reachPath + "/" + class.ID + "/slips"
	if anew := f.Get("anew"); anew != "" {
		i := slices.IndexFunc(children, func(c roster.Child) bool { return c.ID == anew })
		if i < 0 {
			return nil, roster.ErrNotFound
		}
		_, err = s.Enrol.Issue(r.Context(), me.School, refs[i:i+1], true)
		s.Log.Info("code issued anew", "child", anew, "staff", me.ID)
		return web.Redirect{To: to + "?child=" + anew}, err
	}
	_, err = s.Enrol.Issue(r.Context(), me.School, refs, false)
	return web.Redirect{To: to}, err
}

// slips shows the slips of a class, or of the child of the query, for printing.
func (s *Server) slips(r *http.Request, me staff.Staff) (web.Response, error) {
	class, err := s.groupOf(r, me)
	if err != nil {
		return nil, err
	}
	children, _, err := s.Enrol.Pupils(r.Context(), me.School, class.ID)
	if err != nil {
		return nil, err
	}
	passes, err := s.Enrol.Issued(r.Context(), me.School)
	if err != nil {
		return nil, err
	}
	p := &slipsPage{Class: class, URL: s.registerURL()}
	only := r.URL.Query().Get("child")
	for _, c := range children {
		pass, ok := passes[c.ID]
		if !ok || only != "" && c.ID != only {
			continue
		}
		one, err := s.slip(r, c, pass)
		if err != nil {
			return nil, err
		}
		p.Slips = append(p.Slips, one)
	}
	return web.Page{Template: "slips.html", Data: p}, nil
}

func (s *Server) registerURL() string { return s.BaseURL + enrol.Path }

func (s *Server) slip(r *http.Request, c roster.Child, pass enrol.Pass) (slip, error) {
	page, err := qr.New(s.registerURL() + "/" + pass.Code)
	if err != nil {
		return slip{}, err
	}
	l := web.Language(r)
	page.Label = labelPage.In(l)
	v := slip{Child: c, Code: enrol.Pretty(pass.Code), Ends: pass.Expires, Page: page}
	if s.InboundDomain == "" {
		return v, nil
	}
	v.MailTo = strings.ToLower(pass.Code) + "@" + s.InboundDomain
	v.Mail, err = qr.New("mailto:" + v.MailTo)
	v.Mail.Label, v.HasMail = labelMail.In(l), err == nil
	return v, err
}

// posterPage is the data of poster.html.
type posterPage struct {
	web.Base
	Class roster.Group
	Page  qr.Code
	URL   string
	From  string
}

// poster shows what hangs on the wall at the parents' evening: it holds no code,
// because everybody sees it.
func (s *Server) poster(r *http.Request, me staff.Staff) (web.Response, error) {
	class, err := s.groupOf(r, me)
	if err != nil {
		return nil, err
	}
	school, err := s.Roster.School(r.Context(), me.School)
	if err != nil {
		return nil, err
	}
	p := &posterPage{Class: class, URL: s.registerURL(), From: domainOf(school.Mail)}
	p.Page, err = qr.New(p.URL)
	p.Page.Label = labelPage.In(web.Language(r))
	return web.Page{Template: "poster.html", Data: p}, err
}

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
		return web.Page{Status: http.StatusUnprocessableEntity, Template: "invite.html", Data: p}, nil
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

// scorePicture is the reach score of the school over time, laid out for an SVG.
type scorePicture struct {
	Line                     string
	Across, Up               []curveTick
	Left, Right, Top, Bottom float64
	Width, Height            float64
	First, Last              enrol.Score
	Empty                    bool
}

// drawScores lays the scores out, each at its day.
func drawScores(scores []enrol.Score) scorePicture {
	p := scorePicture{
		Left: curveLeft, Right: curveWidth - curveRight, Top: curveTop, Bottom: curveHeight - curveBottom,
		Width: curveWidth, Height: curveHeight, Empty: len(scores) == 0,
	}
	if p.Empty {
		return p
	}
	p.First, p.Last = scores[0], scores[len(scores)-1]
	day := func(v enrol.Score) time.Time { t, _ := time.Parse(time.DateOnly, v.Day); return t }
	from, span := day(p.First), max(day(p.Last).Sub(day(p.First)), 24*time.Hour)
	x := func(v enrol.Score) float64 { return p.Left + float64(day(v).Sub(from))/float64(span)*(p.Right-p.Left) }
	y := func(percent int) float64 { return p.Bottom - float64(percent)/100*(p.Bottom-p.Top) }
	for _, percent := range []int{0, 25, 50, 75, 100} {
		p.Up = append(p.Up, curveTick{y(percent), fmt.Sprint(percent, "%")})
	}
	var b strings.Builder
	for i, v := range scores {
		fmt.Fprintf(&b, "%s%.1f %.1f", map[bool]string{true: "M", false: "L"}[i == 0], x(v), y(v.Percent()))
	}
	if len(scores) == 1 {
		fmt.Fprintf(&b, "h4")
	}
	p.Line = b.String()
	p.Across = []curveTick{{x(p.First), shortDay(p.First.Day)}}
	if len(scores) > 1 {
		p.Across = append(p.Across, curveTick{x(p.Last), shortDay(p.Last.Day)})
	}
	return p
}

// shortDay writes 2026-04-06 as 4/6.
func shortDay(day string) string {
	t, err := time.Parse(time.DateOnly, day)
	if err != nil {
		return day
	}
	return t.Format("1/2")
}
