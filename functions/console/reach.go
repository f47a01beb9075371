package console

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/todoku/todoku/shared/access"
	"github.com/todoku/todoku/shared/address"
	"github.com/todoku/todoku/shared/audit"
	"github.com/todoku/todoku/shared/enrol"
	"github.com/todoku/todoku/shared/problem"
	"github.com/todoku/todoku/shared/roster"
	"github.com/todoku/todoku/shared/staff"
	"github.com/todoku/todoku/shared/web"
)

const reachPath = "/reach"

func (s *Server) reachRoutes(rt *routes) {
	rt.page("GET "+reachPath, access.Reach, s.reach)
	rt.page("GET "+reachPath+"/invited", access.Reach, s.listInvited, records(audit.View))
	rt.page("GET "+reachPath+"/{group}", access.Reach, s.classReach, records(audit.View))
	rt.page("POST "+reachPath+"/{group}/fix", access.Reach, s.fix, records(audit.RosterChange))
	rt.page("POST "+reachPath+"/{group}/ask", access.Reach, s.askStill, records(audit.Invite))
	rt.page("POST "+reachPath+"/{group}/remove", access.Reach, s.removeContact, records(audit.RosterChange))
	rt.page("POST "+reachPath+"/{group}/slips", access.Reach, s.issueSlips, records(audit.Invite))
	rt.page("GET "+reachPath+"/{group}/slips", access.Reach, s.slips, records(audit.View), asksAnew(""))
	rt.page("GET "+reachPath+"/{group}/poster", access.Reach, s.poster)
	rt.page("GET "+reachPath+"/{group}/invite", access.Reach, s.getInvite)
	rt.page("POST "+reachPath+"/{group}/invite", access.Reach, s.postInvite, records(audit.Invite))
}

// reachPage is the data of reach.html.
type reachPage struct {
	web.Base
	enrol.SchoolReach
	Query   string
	Want    enrol.Want
	Days    int
	Looks   bool // children are listed
	Found   []enrol.ChildReach
	Many    int               // how many there are
	From    int               // of the first that is shown, from 0
	Classes map[string]string // names by id
	Picture scorePicture
	Invited []enrol.Join // the newest, as many as a page bears
	Now     time.Time
}

// shownJoins is how many of the newest registrations the overview lists, and
// shownFound how many children a search shows.
const (
	shownJoins = 20
	shownFound = 25
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
	p.look(r, all.Children)
	p.Invited = all.Joins[:min(len(all.Joins), shownJoins)]
	p.Picture = drawScores(scores)
	return web.Page{Template: "reach.html", Data: p}, nil
}

// look lists the children that somebody looks for: by words, by trouble, or by both.
func (p *reachPage) look(r *http.Request, children []enrol.ChildReach) {
	q := r.URL.Query()
	p.Want, p.Days, p.From = enrol.Want(q.Get("show")), atLeast(q.Get("days"), 0), atLeast(q.Get("from"), 0)
	if _, known := wantWords[p.Want]; !known {
		p.Want = enrol.WantAll
	}
	if p.Looks = p.Query != "" || p.Want != enrol.WantAll; !p.Looks {
		return
	}
	found := enrol.Pick(children, p.Want, p.Days, p.Now)
	if p.Query != "" {
		found = enrol.Search(found, p.Query)
	}
	p.Many, p.From = len(found), min(p.From, len(found))
	p.Found = first(found[p.From:], shownFound)
}

// atLeast reads a number that is not less than another; what is none is that one.
func atLeast(text string, least int) int {
	n, err := strconv.Atoi(text)
	if err != nil || n < least || n > 1_000_000 {
		return least
	}
	return n
}

// Next returns the address of the following children, "" if there are none.
func (p *reachPage) Next() string {
	if p.From+len(p.Found) >= p.Many {
		return ""
	}
	q := url.Values{"q": {p.Query}, "show": {string(p.Want)}, "days": {strconv.Itoa(p.Days)}, "from": {strconv.Itoa(p.From + len(p.Found))}}
	return reachPath + "?" + q.Encode() + "#found"
}

// To returns the number of the last child that is shown.
func (p *reachPage) To() int { return p.From + len(p.Found) }

// Fixable reports whether the office can change a route's address.
func (p *reachPage) Fixable(r enrol.Route) bool { return r.Contact.State != roster.Verified }

// classPage is the data of reach_class.html.
type classPage struct {
	web.Base
	Class    enrol.ClassReach
	Children []enrol.ChildReach
	Fixing   string // id of the contact that is being changed
	Typed    string
	Doubted  string // the address of which it has to be said that it is meant
	Removing string // id of the contact of which it is asked whether to remove it
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

// pupilsOf reads the class {group} and its children.
func (s *Server) pupilsOf(r *http.Request, me staff.Staff) (class roster.Group, children []roster.Child, refs []enrol.ChildRef, err error) {
	if class, err = s.groupOf(r, me); err != nil {
		return class, nil, nil, err
	}
	children, refs, err = s.Enrol.Pupils(r.Context(), me.School, class.ID)
	return class, children, refs, err
}

func (s *Server) classReach(r *http.Request, me staff.Staff) (web.Response, error) {
	q := r.URL.Query()
	return s.classReachWith(r, me, &classPage{Fixing: q.Get("contact"), Removing: q.Get("remove")}, nil)
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
	return web.Page{Template: "reach_class.html", Data: p}, nil
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
	if doubts := address.Doubts(a); err == nil && len(doubts) > 0 && f.Get("sure") != a.String() {
		p.Doubted = a.String()
		err = &problem.Error{Kind: problem.Invalid, Text: doubts[0]}
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

// contactForm reads a form of the page of a class that is about one contact.
func (s *Server) contactForm(r *http.Request, me staff.Staff) (web.Form, error) {
	f, err := web.ReadForm(r)
	if err == nil {
		_, err = s.groupOf(r, me)
	}
	return f, err
}

// backToChild leads to where the form of a contact was.
func backToChild(r *http.Request, f web.Form) web.Redirect {
	return web.Redirect{To: reachPath + "/" + r.PathValue("group") + "#child-" + f.Get("child")}
}

// askStill mails a confirmed contact the question whether it is still read.
func (s *Server) askStill(r *http.Request, me staff.Staff) (web.Response, error) {
	f, err := s.contactForm(r, me)
	if err != nil {
		return nil, err
	}
	err = s.Enrol.AskStill(r.Context(), me.School, f.Get("family"), f.Get("contact"), s.Lanes)
	if errors.Is(err, enrol.ErrNotFound) {
		err = roster.ErrNotFound
	}
	if err != nil {
		return nil, err
	}
	s.Log.Info("contact asked whether it is still read", "contact", f.Get("contact"), "staff", me.ID)
	return backToChild(r, f), nil
}

// removeContact takes an address out of the roster, or its guardian off the one child.
// Twice is as good as once.
func (s *Server) removeContact(r *http.Request, me staff.Staff) (web.Response, error) {
	f, err := s.contactForm(r, me)
	if err != nil {
		return nil, err
	}
	lost, only := 0, f.Get("only") != ""
	if only {
		err = s.Enrol.Unlink(r.Context(), me.School, f.Get("family"), f.Get("contact"), f.Get("child"))
	} else {
		lost, err = s.Enrol.Remove(r.Context(), me.School, f.Get("family"), f.Get("contact"), s.Lanes)
	}
	if err != nil && !errors.Is(err, enrol.ErrNotFound) {
		return nil, err
	}
	s.Log.Info("contact removed", "contact", f.Get("contact"), "staff", me.ID, "only", only, "lost", lost)
	return backToChild(r, f), nil
}

// domainLimit is how long a page waits for DNS.
const domainLimit = 3 * time.Second
