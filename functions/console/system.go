package console

import (
	"context"
	"net/http"
	"strconv"

	"github.com/todoku/todoku/shared/access"
	"github.com/todoku/todoku/shared/doctor"
	"github.com/todoku/todoku/shared/heal"
	"github.com/todoku/todoku/shared/lang"
	"github.com/todoku/todoku/shared/staff"
	"github.com/todoku/todoku/shared/web"
)

const systemPath = "/system"

// systemRoutes are the pages on which a manager sees whether the system works.
func (s *Server) systemRoutes(rt *routes) {
	rt.page("GET "+systemPath, access.Operate, s.system)
	rt.page("POST "+systemPath+"/doctor", access.Operate, s.askDoctor, changesNothing())
	rt.page("POST "+systemPath+"/dead/{queue}", access.Operate, s.redrive, recordsItself())
}

// systemPage is the data of system.html.
type systemPage struct {
	web.Base
	Report  doctor.Report
	Known   bool // there is a report
	Waiting bool // for a new one
	Proof   proven
	Dead    []deadQueue
	Heal    heal.State
}

// Stuck are the kinds of which something stands still, or stood.
func (p systemPage) Stuck() (kinds []heal.Kind) {
	for _, k := range heal.Kinds {
		if p.Heal.Stuck[k] > 0 || p.Heal.Healed[k] > 0 {
			kinds = append(kinds, k)
		}
	}
	return kinds
}

// proven is what a page says of the newest proof. Its zero value says nothing.
type proven struct {
	Lane    lang.Text // what the mail operator is called that it is about
	Ever    bool
	Late    bool     // it is too old, or there should be one
	Minutes int      // since
	Lanes   []proven // of mail operators that have a mailbox for it
}

// LateLanes are the mail operators at which arrival cannot be proven.
func (p proven) LateLanes() (late []proven) {
	for _, l := range p.Lanes {
		if l.Late {
			late = append(late, l)
		}
	}
	return late
}

// GoodLanes are those at which it was proven.
func (p proven) GoodLanes() (good []proven) {
	for _, l := range p.Lanes {
		if l.Ever && !l.Late {
			good = append(good, l)
		}
	}
	return good
}

// proof reads how the proofs go. What cannot be read is not said: the page is about
// something else.
func (s *Server) proof(ctx context.Context) (p proven) {
	if s.Proof == nil || s.Proof.Every == 0 {
		return p
	}
	standings, err := s.Proof.Standings(ctx)
	if err != nil {
		s.Log.Warn("the proofs cannot be read", "err", err)
		return p
	}
	for _, st := range standings {
		is := proven{Ever: !st.Last.IsZero(), Late: st.Late != nil, Minutes: int(st.Age(s.Now()).Minutes())}
		if st.Lane == "" {
			p = is
			continue
		}
		is.Lane = s.Lanes.Named(st.Lane).Label
		p.Lanes = append(p.Lanes, is)
	}
	return p
}

// LevelName returns what a level is called.
func (systemPage) LevelName(l doctor.Level) lang.Text { return levelNames[l] }

// LevelTag returns how a level looks.
func (systemPage) LevelTag(l doctor.Level) string {
	return map[doctor.Level]string{doctor.Fail: "help", doctor.Warn: "silent", doctor.Unknown: "over"}[l]
}

// Live is where the page looks for the report.
func (p systemPage) Live() string { return systemPath + "?lang=" + string(p.Lang) }

// CheckName returns what a check is called.
func (systemPage) CheckName(check string) lang.Text { return doctor.Names[check] }

var levelNames = map[doctor.Level]lang.Text{
	doctor.Fail:    lang.T("今すぐ直してください", "Mend it now"),
	doctor.Warn:    lang.T("近いうちに直してください", "Mend it soon"),
	doctor.Unknown: lang.T("確かめられませんでした", "Could not be checked"),
}

// refreshWaiting is how often, in seconds, the page that waits for a report looks.
const refreshWaiting = 5

func (s *Server) system(r *http.Request, me staff.Staff) (web.Response, error) {
	p := &systemPage{Proof: s.proof(r.Context())}
	if n, err := strconv.Atoi(r.URL.Query().Get("again")); err == nil {
		p.Notice = lang.T("%d件を、1分以内にもう一度処理します。", "%d are tried again within a minute.", n).In(web.Language(r))
	}
	var err error
	if p.Dead, err = s.dead(r.Context(), me.School); err != nil {
		return nil, err
	}
	if s.Stuck.Table != nil {
		if p.Heal, err = s.Stuck.State(r.Context()); err != nil {
			return nil, err
		}
	}
	if p.Report, p.Known, err = s.Doctor.Last(r.Context()); err != nil {
		return nil, err
	}
	if p.Waiting, err = s.Doctor.Waits(r.Context()); err != nil {
		return nil, err
	}
	if p.Waiting {
		p.Refresh, p.Scripts = refreshWaiting, []string{"live.js"}
	}
	return web.Page{Template: "system.html", Data: p}, nil
}

// askDoctor has the next tick examine: an examination takes longer than a page may,
// and needs rights that the pages do not have.
func (s *Server) askDoctor(r *http.Request, _ staff.Staff) (web.Response, error) {
	if err := s.Doctor.Ask(r.Context()); err != nil {
		return nil, err
	}
	return web.Redirect{To: systemPath}, nil
}
