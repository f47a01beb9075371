package console

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/todoku/todoku/shared/enrol"
	"github.com/todoku/todoku/shared/qr"
	"github.com/todoku/todoku/shared/roster"
	"github.com/todoku/todoku/shared/staff"
	"github.com/todoku/todoku/shared/web"
)

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
	class, children, refs, err := s.pupilsOf(r, me)
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
	class, children, _, err := s.pupilsOf(r, me)
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
