package console

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/todoku/todoku/shared/alert"
	"github.com/todoku/todoku/shared/lang"
	"github.com/todoku/todoku/shared/roster"
	"github.com/todoku/todoku/shared/staff"
	"github.com/todoku/todoku/shared/web"
)

// familiesPerPage is more than any class has, so a class is one page, and a
// group that is not a class is a few.
const familiesPerPage = 60

// childrenPage is the data of class.html and help.html.
type childrenPage struct {
	web.Base
	Alert    alert.Alert
	State    alert.State
	At       time.Time
	Group    string      // id of the class; "" where classes are mixed
	Class    string      // its name
	Open     []childLine // nobody answered, or help is needed: those to be phoned
	Answered []childLine
	Next     string // where the list goes on; "": nowhere
	Link     string // the path of the page
	Every    int    // seconds until the next look
}

// childLine is a child in a list.
type childLine struct {
	alert.ChildLine
	ClassName string
	lanes     func(name string) lang.Text
	alert     *alert.Alert
}

// childRow is a child with what the part "child" needs of its page.
type childRow struct {
	Page      *web.Base
	Child     childLine
	ShowClass bool
}

// Row returns a child for the part "child".
func (p *childrenPage) Row(c childLine) childRow {
	return childRow{Page: &p.Base, Child: c, ShowClass: p.Group == ""}
}

// class lists the children of one class: it reads one page of its families.
func (s *Server) class(r *http.Request, me staff.Staff) (web.Response, error) {
	ctx, group := r.Context(), r.PathValue("group")
	a, err := s.alertOf(ctx, me.School, r.PathValue("id"))
	if err != nil {
		return nil, err
	}
	groups, err := s.schoolGroups(ctx, me.School)
	if err != nil {
		return nil, err
	}
	lines, next, err := s.Alerts.Children(ctx, a.ID, group, r.URL.Query().Get("after"), familiesPerPage)
	if err != nil {
		return nil, err
	}
	if _, known := groups[group]; len(lines) == 0 && !known {
		return nil, alert.ErrNotFound
	}
	p := s.childrenPage(r, a, "/alerts/"+a.ID+"/classes/"+group)
	p.Group, p.Class, p.Next = group, groups[group].Name, next
	p.add(s.childLines(&a, lines, groups))
	p.sort()
	return web.Page{Template: "class.html", Data: p}, nil
}

func (s *Server) childrenPage(r *http.Request, a alert.Alert, link string) *childrenPage {
	p := &childrenPage{Alert: a, State: a.State(s.Now()), At: s.Now(), Link: link, Every: lookSeldom}
	p.Scripts = []string{statusScript}
	p.Refresh = lookSeldom
	if after := r.URL.Query().Get("after"); after != "" {
		p.Link = r.URL.RequestURI()
	}
	return p
}

func (s *Server) childLines(a *alert.Alert, lines []alert.ChildLine, groups map[string]roster.Group) []childLine {
	out := make([]childLine, len(lines))
	label := func(name string) lang.Text { return s.Lanes.Named(name).Label }
	for i, l := range lines {
		out[i] = childLine{ChildLine: l, ClassName: groups[l.Class].Name, lanes: label, alert: a}
	}
	return out
}

func (p *childrenPage) add(lines []childLine) {
	for _, l := range lines {
		if l.State == alert.Answered && !l.Answer.Help {
			p.Answered = append(p.Answered, l)
		} else {
			p.Open = append(p.Open, l)
		}
	}
}

// sort puts who needs help first, then the children by seat.
func (p *childrenPage) sort() {
	bySeat := func(a, b childLine) int {
		return cmp.Or(cmp.Compare(boolInt(b.Help()), boolInt(a.Help())), cmp.Compare(a.Seat, b.Seat), strings.Compare(a.Kana+a.Name, b.Kana+b.Name))
	}
	slices.SortStableFunc(p.Open, bySeat)
	slices.SortStableFunc(p.Answered, bySeat)
}

func boolInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

// help lists the children who need help. It reads the families of those classes
// only whose counters say that somebody there needs it, one page of classes.
func (s *Server) help(r *http.Request, me staff.Staff) (web.Response, error) {
	ctx := r.Context()
	a, err := s.alertOf(ctx, me.School, r.PathValue("id"))
	if err != nil {
		return nil, err
	}
	groups, err := s.schoolGroups(ctx, me.School)
	if err != nil {
		return nil, err
	}
	p := s.childrenPage(r, a, "/alerts/"+a.ID+"/help")
	classes, next, err := s.Alerts.Classes(ctx, a.ID, r.URL.Query().Get("after"), classesPerPage)
	if err != nil {
		return nil, err
	}
	p.Next = next
	for _, c := range classes {
		lines, err := s.needHelp(ctx, a.ID, c)
		if err != nil {
			return nil, err
		}
		p.add(s.childLines(&a, only(me, lines), groups))
	}
	p.sort()
	return web.Page{Template: "help.html", Data: p}, nil
}

func (s *Server) needHelp(ctx context.Context, alertID string, c alert.ClassStatus) ([]alert.ChildLine, error) {
	var found []alert.ChildLine
	for after := ""; c.Help > 0; {
		lines, next, err := s.Alerts.Children(ctx, alertID, c.Class, after, familiesPerPage)
		if err != nil {
			return nil, err
		}
		for _, l := range lines {
			if l.Answer != nil && l.Answer.Help {
				found = append(found, l)
			}
		}
		if next == "" {
			break
		}
		after = next
	}
	return found, nil
}

// Help reports whether help is needed for the child.
func (c childLine) Help() bool { return c.Answer != nil && c.Answer.Help }

// StateName returns what the child's state is called.
func (c childLine) StateName() lang.Text { return childStateNames[c.State] }

// Said returns the words of the answer.
func (c childLine) Said() lang.Text {
	if c.Answer == nil {
		return lang.Text{}
	}
	choice, ok := c.alert.Choice(c.Answer.Choice)
	if !ok {
		return lang.Text{JA: c.Answer.Choice, EN: c.Answer.Choice}
	}
	return choice.Text()
}

// mailLine is what became of one copy, in words.
type mailLine struct{ Lane, State lang.Text }

// Mails returns what became of the copies to one of the child's guardians.
func (c childLine) Mails(guardian alert.Guardian) []mailLine {
	var lines []mailLine
	for _, m := range c.Family.Copies {
		if c.Family.Guardians[m.Guardian].ID == guardian.ID {
			lines = append(lines, mailLine{c.lanes(m.Lane), copyStateNames[m.State]})
		}
	}
	return lines
}
