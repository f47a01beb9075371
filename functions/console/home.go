package console

import (
	"context"
	"net/http"

	"github.com/todoku/todoku/shared/access"
	"github.com/todoku/todoku/shared/alert"
	"github.com/todoku/todoku/shared/audience"
	"github.com/todoku/todoku/shared/lang"
	"github.com/todoku/todoku/shared/roster"
	"github.com/todoku/todoku/shared/staff"
	"github.com/todoku/todoku/shared/web"
)

const alertsPerPage = 20

// homePage is the data of home.html.
type homePage struct {
	web.Base
	Open, Past []alertLine
	Next       string // where older alerts go on; "": nowhere
	First      bool   // it is the newest page
	NoRoster   bool
	Loads      bool             // this person may load one
	May        bool             // send alerts
	Edit       bool             // the buttons
	Quick      []alert.Template // the buttons
	Few        bool             // managers; only a manager is told
	Held       []alertLine      // alerts behind glass that this person could let go
	NeedsKey   bool             // the school signs in by passkeys, and this person has none
	Glass      bool             // this person can send to the whole school so only
}

// alertLine is an alert in a list.
type alertLine struct {
	alert.Alert
	State alert.State
}

func (s *Server) home(r *http.Request, me staff.Staff) (web.Response, error) {
	if me.At == "" && access.MayAnywhere(me, access.Overview) {
		// Who looks after several schools has not said which: its buttons would tell one alone.
		if schools, err := s.schoolsOf(r.Context(), me, access.Overview); err != nil || len(schools) > 1 {
			return web.Redirect{To: districtPath}, err
		}
	}
	after := r.URL.Query().Get("after")
	p := &homePage{First: after == ""}
	alerts, next, err := s.Alerts.List(r.Context(), me.School, after, alertsPerPage)
	if err != nil {
		return nil, err
	}
	p.Next = next
	for _, a := range alerts {
		if !access.May(me, access.SeeAlert, ofAlert(a)) {
			continue
		}
		line := alertLine{a, a.State(s.Now())}
		if a.Held(s.Now()) && access.May(me, access.Approve, access.Target{School: me.School}) {
			p.Held = append(p.Held, line)
			continue
		}
		if a.Useful(s.Now()) {
			p.Open = append(p.Open, line)
		} else {
			p.Past = append(p.Past, line)
		}
	}
	groups, err := s.Roster.Groups(r.Context(), me.School)
	p.NoRoster, p.Loads = len(groups) == 0, access.May(me, access.Roster, access.Target{School: me.School})
	if err != nil {
		return nil, err
	}
	if p.NeedsKey, err = s.Staff.NeedsKey(r.Context(), me); err != nil {
		return nil, err
	}
	if access.May(me, access.People, access.Target{School: me.School}) {
		managers, err := s.Staff.ReadyManagers(r.Context(), me.School)
		if err != nil {
			return nil, err
		}
		p.Few = managers < staff.Managers
	}
	return web.Page{Template: "home.html", Data: p}, s.buttons(r.Context(), me, p)
}

// Drills returns the drills that are not over.
func (p *homePage) Drills() (open []alertLine) {
	for _, l := range p.Open {
		if l.Kind == alert.Drill {
			open = append(open, l)
		}
	}
	return open
}

// buttons adds what somebody who may send alerts begins with.
func (s *Server) buttons(ctx context.Context, me staff.Staff, p *homePage) error {
	p.May, p.Edit = access.MayAnywhere(me, access.Send), access.MayAnywhere(me, access.Templates)
	if !p.May {
		return nil
	}
	if all := (access.Target{School: me.School}); access.May(me, access.BreakGlass, all) && !access.May(me, access.Send, all) {
		school, err := s.Roster.School(ctx, me.School)
		if err != nil {
			return err
		}
		p.Glass = school.BreakGlass != roster.GlassOff
	}
	t, err := s.Alerts.Templates(ctx, me.School)
	p.Quick = t.List
	return err
}

// To says whom the alert is for.
func (l alertLine) To() lang.Text { return audience.Said(l.Audience, l.All) }

// KindName returns what the alert's kind is called.
func (l alertLine) KindName() lang.Text { return kindName(l.Kind) }

// StateName returns what the alert's state is called.
func (l alertLine) StateName() lang.Text { return stateNames[l.State] }

var stateNames = map[alert.State]lang.Text{
	alert.StateWaiting:    lang.T("送信待ち", "About to be sent"),
	alert.StateOpen:       lang.T("回答受付中", "Open"),
	alert.StateExpired:    lang.T("期限切れ", "Time is over"),
	alert.StateUndone:     lang.T("取り消し済み", "Undone"),
	alert.StateClosed:     lang.T("終了", "Closed"),
	alert.StateSuperseded: lang.T("新しい連絡に置き換え済み", "Replaced by a newer alert"),
}
