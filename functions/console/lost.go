package console

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/todoku/todoku/shared/access"
	"github.com/todoku/todoku/shared/alert"
	"github.com/todoku/todoku/shared/audit"
	"github.com/todoku/todoku/shared/docket"
	"github.com/todoku/todoku/shared/lang"
	"github.com/todoku/todoku/shared/roster"
	"github.com/todoku/todoku/shared/staff"
	"github.com/todoku/todoku/shared/web"
)

// lostRoutes are the pages of what operators refuse: to teachers their own classes'
// contacts and which lanes are held, to managers all contacts, and why and how to resume.
func (s *Server) lostRoutes(rt *routes) {
	rt.page("GET "+docket.Path, access.Lost, s.lost, on(undecided), records(audit.View))
	rt.page("POST "+docket.Path+"/test", access.Operate, s.tryLane, records(audit.Settings))
	rt.page("POST "+docket.Path+"/brake", access.Operate, s.freeBrake, records(audit.Settings))
	rt.page("POST "+docket.Path+"/resume", access.Operate, s.resumeLane, records(audit.Settings))
}

// heldLane is a lane that is held, or was.
type heldLane struct {
	docket.Event
	Label lang.Text
	Waits bool // for the verdict on a test
	// Untold are the open alerts of which the lane has told nobody something.
	Untold []untoldAlert
}

// untoldAlert is an alert, and how many of its mails told nobody.
type untoldAlert struct {
	ID    string
	Title string
	Mails int64
}

// lostLine is a contact at which mail did not arrive, with its class's name.
type lostLine struct {
	docket.Seen
	Class string
}

// lostPage is the data of lost.html.
type lostPage struct {
	web.Base
	Brake   docket.Braked
	Held    []heldLane
	Past    []heldLane
	Lines   []lostLine
	More    bool
	Manager bool
	Live    string // where the page looks for a test's verdict; "": it does not wait
}

// Says returns what an operator meant, in words.
func (lostPage) Says(l lostLine) lang.Text { return l.Refusal.Says() }

// Do returns what to do about it.
func (lostPage) Do(l lostLine) lang.Text { return l.Refusal.Do() }

// Meant returns what the operator of a held lane meant, in words.
func (lostPage) Meant(h heldLane) lang.Text { return h.Event.Class.Says() }

// heldShort is for how long a lane that was let go is still shown.
const heldShort = 14 * 24 * time.Hour

func (s *Server) lost(r *http.Request, me staff.Staff) (web.Response, error) {
	p := &lostPage{Manager: access.May(me, access.Operate, access.Target{School: me.School})}
	if err := s.setHeld(r, me, p); err != nil {
		return nil, err
	}
	if p.Manager {
		b, err := s.Docket.Brake(r.Context())
		if err != nil {
			return nil, err
		}
		p.Brake = b
	}
	if err := s.setLost(r.Context(), me, p); err != nil {
		return nil, err
	}
	return web.Page{Template: "lost.html", Data: p}, nil
}

func (s *Server) setHeld(r *http.Request, me staff.Staff, p *lostPage) error {
	events, err := s.Docket.EventsOf(r.Context(), me.School)
	if err != nil {
		return err
	}
	now := s.Now()
	for _, e := range events {
		h := heldLane{Event: e, Label: s.Lanes.Named(e.Lane).Label, Waits: e.Waits(now)}
		switch {
		case e.Held():
			p.Held = append(p.Held, h)
		case now.Sub(e.Resumed) < heldShort:
			p.Past = append(p.Past, h)
		}
		if h.Waits {
			p.Refresh, p.Scripts, p.Live = refreshWaiting, []string{"live.js"}, docket.Path+"?lang="+string(web.Language(r))
		}
	}
	if len(p.Held) == 0 {
		return nil
	}
	return s.setUntold(r.Context(), me.School, p.Held)
}

// setUntold counts the mails of open alerts that wait for the lanes, or were refused there.
func (s *Server) setUntold(ctx context.Context, school string, held []heldLane) error {
	alerts, _, err := s.Alerts.List(ctx, school, "", newestOfSchool)
	if err != nil {
		return err
	}
	for _, a := range alerts {
		if a.State(s.Now()) != alert.StateOpen {
			continue
		}
		st, err := s.Alerts.Status(ctx, a)
		if err != nil {
			return err
		}
		for _, l := range st.Lanes {
			n := l.Waiting() + l.By[string(alert.Refused)] + l.By[string(alert.Cancelled)]
			for i := range held {
				if held[i].Lane == l.Lane && n > 0 {
					held[i].Untold = append(held[i].Untold, untoldAlert{a.ID, a.Title(), n})
				}
			}
		}
	}
	return nil
}

// setLost reads the contacts of the classes that somebody may see.
func (s *Server) setLost(ctx context.Context, me staff.Staff, p *lostPage) error {
	classes := []string{""} // all
	if !p.Manager {
		classes = me.Groups
	}
	var ids []string
	for _, class := range classes {
		seen, more, err := s.Docket.Refused(ctx, me.School, class)
		if err != nil {
			return err
		}
		p.More = p.More || more
		for _, l := range seen {
			p.Lines = append(p.Lines, lostLine{Seen: l})
			ids = append(ids, l.Line.Class)
		}
	}
	names, err := s.Roster.Named(ctx, me.School, slices.Compact(ids))
	for i := range p.Lines {
		p.Lines[i].Class = names[p.Lines[i].Line.Class].Name
	}
	slices.SortStableFunc(p.Lines, func(a, b lostLine) int { return cmp.Compare(a.Class, b.Class) })
	return err
}

// tryLane sends a test mail by a lane that is held.
func (s *Server) tryLane(r *http.Request, me staff.Staff) (web.Response, error) {
	f, err := web.ReadForm(r)
	if err != nil {
		return nil, err
	}
	school, err := s.Roster.School(r.Context(), me.School)
	if err != nil {
		return nil, err
	}
	lane := f.Get("lane")
	if err := s.Docket.Try(r.Context(), school, lane, s.Mail); err != nil {
		return nil, err
	}
	s.Log.Info("held lane tried", "lane", lane, "staff", me.ID)
	return web.Redirect{To: docket.Path}, nil
}

// resumeLane lets a lane go without a test.
func (s *Server) resumeLane(r *http.Request, me staff.Staff) (web.Response, error) {
	f, err := web.ReadForm(r)
	if err != nil {
		return nil, err
	}
	lane := f.Get("lane")
	if err := s.Docket.Resume(r.Context(), me.School, lane, me.ID); err != nil {
		return nil, err
	}
	s.Log.Info("held lane resumed", "lane", lane, "staff", me.ID)
	return web.Redirect{To: docket.Path}, nil
}

// freeBrake has notices sent again.
func (s *Server) freeBrake(r *http.Request, me staff.Staff) (web.Response, error) {
	if err := s.Docket.Free(r.Context(), me.ID); err != nil {
		return nil, err
	}
	s.Log.Warn("the brake is let go by hand", "staff", me.ID)
	return web.Redirect{To: docket.Path}, nil
}

// brakeWords says that the brake is on; empty: it is off.
func (s *Server) brakeWords(ctx context.Context) ([]lang.Text, error) {
	b, err := s.Docket.Brake(ctx)
	if err != nil || !b.On() {
		return nil, err
	}
	return []lang.Text{lang.T("届かずに戻るメールや迷惑メールの報告が多いため、お知らせと訓練は送らずに待っています。安否確認は、確認済みの連絡先だけに送ります。",
		"Too many mails came back or were reported as spam: notices and drills wait. Safety checks go to confirmed contacts only.")}, nil
}

// complained reports whether a guardian of a family reported a mail as spam.
func (s *Server) complained(ctx context.Context, school, family string) (bool, error) {
	f, err := s.Roster.Family(ctx, school, family)
	if errors.Is(err, roster.ErrNotFound) {
		return false, nil
	}
	for _, g := range f.Guardians {
		for _, k := range g.Contacts {
			if !k.Complained.IsZero() {
				return true, err
			}
		}
	}
	return false, err
}

// refusing returns which lanes are held for a school.
func (s *Server) refusing(ctx context.Context, school string) (map[string]bool, error) {
	held := map[string]bool{}
	events, err := s.Docket.EventsOf(ctx, school)
	for _, e := range events {
		held[e.Lane] = e.Held()
	}
	return held, err
}

// heldLanes returns which lanes of a school are held, in words.
func (s *Server) heldLanes(ctx context.Context, school string) ([]lang.Text, error) {
	held, err := s.brakeWords(ctx)
	if err != nil {
		return nil, err
	}
	events, err := s.Docket.EventsOf(ctx, school)
	for _, e := range events {
		if e.Held() {
			name := s.Lanes.Named(e.Lane).Label
			held = append(held, lang.Text{JA: name.JA + "が、学校からのメールを拒否しています。", EN: name.EN + " refuses mail from the school."})
		}
	}
	return held, err
}
