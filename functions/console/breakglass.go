package console

import (
	"context"
	"errors"
	"net/http"
	"net/mail"
	"slices"
	"time"

	"github.com/todoku/todoku/shared/access"
	"github.com/todoku/todoku/shared/address"
	"github.com/todoku/todoku/shared/alert"
	"github.com/todoku/todoku/shared/audience"
	"github.com/todoku/todoku/shared/audit"
	"github.com/todoku/todoku/shared/lang"
	tmail "github.com/todoku/todoku/shared/mail"
	"github.com/todoku/todoku/shared/problem"
	"github.com/todoku/todoku/shared/roster"
	"github.com/todoku/todoku/shared/staff"
	"github.com/todoku/todoku/shared/web"
)

const glassPath = "/break-glass"

func (s *Server) glassRoutes(rt *routes) {
	rt.page("GET "+glassPath, access.BreakGlass, s.newGlass)
	rt.page("POST "+glassPath, access.BreakGlass, s.breakGlass, recordsItself())
	rt.page("GET "+glassPath+"/settings", access.Settings, s.glassSettings)
	rt.page("POST "+glassPath+"/settings", access.Settings, s.setGlass, recordsItself())
	rt.page("GET "+glassPath+"/{id}", access.Approve, s.held)
	rt.page("POST "+glassPath+"/{id}/approve", access.Approve, s.approve, recordsItself())
}

// glassPage is the data of break_glass.html.
type glassPage struct {
	web.Base
	Form     compose
	Children int
	Second   bool // the school wants a second person
}

// Minutes is the countdown.
func (*glassPage) Minutes() int { return int(alert.GlassWait / time.Minute) }

// Kinds returns the kinds to choose from: nobody drills so.
func (*glassPage) Kinds() []kindCard {
	return slices.DeleteFunc(slices.Clone(kindCards), func(c kindCard) bool { return c.Kind == alert.Drill })
}

var errGlassOff = problem.New(problem.Forbidden,
	"この学校では、担当外への緊急送信を使わない設定になっています。管理者に電話してください。",
	"At this school only managers send to the whole school. Phone one of them.")

// glassSchool reads the school of somebody who may break the glass there.
func (s *Server) glassSchool(r *http.Request, me staff.Staff) (roster.School, error) {
	school, err := s.Roster.School(r.Context(), me.School)
	if err == nil && school.BreakGlass == roster.GlassOff {
		err = errGlassOff
	}
	return school, err
}

// newGlass shows the form. Who may send to the whole school anyway has the other one.
func (s *Server) newGlass(r *http.Request, me staff.Staff) (web.Response, error) {
	if access.May(me, access.Send, access.Target{School: me.School}) {
		return web.Redirect{To: "/alerts/new"}, nil
	}
	school, err := s.glassSchool(r, me)
	if err != nil {
		return nil, err
	}
	return s.glassWith(r, me, school, newCompose(alert.Safety, s.Now(), school.Location(), alert.Chases{}, s.Alerts.IDs.New()), nil)
}

func (s *Server) glassWith(r *http.Request, me staff.Staff, school roster.School, c compose, wrong problem.List) (web.Response, error) {
	groups, err := s.Roster.Groups(r.Context(), me.School)
	if err != nil {
		return nil, err
	}
	p := &glassPage{Form: c, Second: school.BreakGlass == roster.GlassSecond}
	for _, g := range groups {
		if g.Kind == roster.Class {
			p.Children += g.Children
		}
	}
	p.Problems, p.Scripts = wrong, []string{"once.js"}
	return web.Page{Template: "break_glass.html", Data: p, Header: keptForBack()}, nil
}

// breakGlass accepts the alert, held, and tells the managers.
func (s *Server) breakGlass(r *http.Request, me staff.Staff) (web.Response, error) {
	school, err := s.glassSchool(r, me)
	if err != nil {
		return nil, err
	}
	f, err := s.fill(r, me)
	if err != nil {
		return nil, err
	}
	d := f.draft
	d.All, d.Groups, d.Supersedes, d.Undo = true, nil, "", alert.GlassWait
	d.Glass = &alert.Glass{Second: school.BreakGlass == roster.GlassSecond}
	if err := s.remindAsUsual(r.Context(), &d); err != nil {
		return nil, err
	}
	_, more := d.Tidy(s.Now())
	f.add(more)
	if len(f.wrong) > 0 {
		return s.glassWith(r, me, school, f.form, f.wrong)
	}
	a, made, err := s.hold(r.Context(), me, d, f.form.Key)
	if problem.Is(err, problem.Conflict) {
		f.form.Key = s.Alerts.IDs.New()
		return s.glassWith(r, me, school, f.form, problem.List{sentBefore})
	}
	if wrong := s.site.Mendable(err); len(wrong) > 0 {
		return s.glassWith(r, me, school, f.form, wrong)
	}
	if err != nil {
		return nil, err
	}
	if made {
		s.Log.Info("alert held", "alert", a.ID, "school", a.School, "kind", a.Kind, "sender", a.Sender.ID)
		s.behindAnswer(r.Context(), func(ctx context.Context) { s.tellManagers(ctx, school, a) })
	}
	return web.Redirect{To: glassPath + "/" + a.ID}, nil
}

// hold is Send for an alert behind glass: no job is asked for, because a held one
// would keep the one of a second person waiting.
func (a *App) hold(ctx context.Context, me staff.Staff, d alert.Draft, key string) (al alert.Alert, made bool, err error) {
	if al, err := a.Alerts.Repeated(ctx, d, key); !errors.Is(err, alert.ErrNotFound) {
		return al, false, err
	}
	d.Audience, d.ID = audience.Names(nil, true), a.Alerts.IDs.New()
	e := sendEntry(me, d)
	e.Kind = audit.BreakGlass
	al, err = recording(ctx, a, e, func() (al alert.Alert, err error) {
		al, made, err = a.Alerts.Accept(ctx, d, key)
		return al, err
	})
	return al, made, err
}

// behindAnswer does work after the answer where a request can be outlived.
func (s *Server) behindAnswer(ctx context.Context, work func(context.Context)) {
	if s.Background == nil {
		work(ctx)
		return
	}
	s.Background(work)
}

// tellManagers mails the managers that an alert is held behind glass.
func (s *Server) tellManagers(ctx context.Context, school roster.School, a alert.Alert) {
	people, err := s.Staff.OfSchool(ctx, school.ID)
	if err != nil {
		s.Log.Error("managers not told of a break-glass", "alert", a.ID, "err", err)
		return
	}
	for _, m := range people {
		if m.Disabled || m.Mail == "" || !access.May(m, access.Settings, access.Target{School: school.ID}) {
			continue
		}
		if err := s.Mail.Send(ctx, s.glassMail(school, m, a)); err != nil {
			s.Log.Error("manager not told of a break-glass", "alert", a.ID, "staff", m.ID, "err", err)
		}
	}
}

func (s *Server) glassMail(school roster.School, to staff.Staff, a alert.Alert) *tmail.Message {
	now := s.Now()
	when := lang.T("%s に送信が始まります。", "It goes out at %s.", a.Starts.In(school.Location()).Format("15:04:05"))
	if a.Glass.Second {
		when = lang.T("ほかの教職員が確認すると、送信が始まります。", "It goes out when somebody else confirms it.")
	}
	return &tmail.Message{
		ID: s.Alerts.IDs.New(), From: mail.Address{Name: school.Name, Address: school.Mail}, To: mail.Address{Address: address.MailboxOf(to.Mail)},
		Subject: "【要確認】全校への緊急送信 / Break-glass alert",
		Text: school.Name + "\n\n" + a.Sender.Name + " さんが、全校への緊急送信を始めました。\n" + when.JA + "\n件名：" + a.Title() + "\n\n" +
			a.Sender.Name + " is sending an alert to the whole school. " + when.EN + "\n\n内容の確認、送信、取り消し / Look at it, send it now, or undo it:\n" + s.BaseURL + glassPath + "/" + a.ID + "\n",
		Date: now, Deadline: now.Add(alert.GlassLife),
	}
}

// heldPage is the data of break_glass_held.html.
type heldPage struct {
	web.Base
	Alert  alert.Alert
	Mine   bool // it is the visitor's own
	May    bool // the visitor may undo it
	Left   int  // seconds until it goes out
	Lapses time.Time
}

// held shows an alert behind glass, and once it is out where it stands.
func (s *Server) held(r *http.Request, me staff.Staff) (web.Response, error) {
	a, err := s.glassAlert(r, me)
	if err != nil {
		return nil, err
	}
	now := s.Now()
	if !a.Held(now) {
		return web.Redirect{To: "/alerts/" + a.ID}, nil
	}
	p := &heldPage{Alert: a, Mine: a.Sender.ID == me.ID, May: access.May(me, access.End, ofAlert(a)), Lapses: a.Accepted.Add(alert.GlassLife)}
	p.Left = int((a.Starts.Sub(now) + time.Second - 1) / time.Second)
	p.Scripts = []string{"once.js", "undo.js"}
	p.Refresh = 10
	return web.Page{Template: "break_glass_held.html", Data: p}, nil
}

func (s *Server) glassAlert(r *http.Request, me staff.Staff) (alert.Alert, error) {
	a, err := s.alertOf(r.Context(), me.School, r.PathValue("id"))
	if err == nil && a.Glass == nil {
		err = alert.ErrNotFound
	}
	return a, err
}

// approve is the second person's touch.
func (s *Server) approve(r *http.Request, me staff.Staff) (web.Response, error) {
	a, err := s.glassAlert(r, me)
	if err != nil {
		return nil, err
	}
	e := entry(me, audit.BreakGlass, a.ID, "確認: "+a.Sender.Name+" / "+a.Subject)
	_, err = recording(r.Context(), s.App, e, func() (alert.Alert, error) {
		return s.Alerts.Approve(r.Context(), a.ID, alert.Sender{ID: me.ID, Name: me.Name})
	})
	if err != nil {
		return nil, err
	}
	s.start(r.Context(), a.ID, alert.FanOut)
	return web.Redirect{To: "/alerts/" + a.ID + "?sent=1"}, nil
}

// glassSettingsPage is the data of break_glass_settings.html.
type glassSettingsPage struct {
	web.Base
	Choice string
}

// glassChoices are how strict a school can be.
var glassChoices = []struct {
	Value      string
	Name, Hint lang.Text
}{
	{roster.GlassAlone, lang.T("二人目の確認、または一人で秒読み後", "A second person, or alone after a countdown"), lang.T("夜や休日に一人でも送れます。2分間は取り消せます。", "Works for somebody who is alone. For 2 minutes it can be undone.")},
	{roster.GlassSecond, lang.T("二人目の確認が必要", "Only with a second person"), lang.T("ほかの教職員が確認するまで送りません。15分で取り消されます。", "Nothing leaves before somebody else confirms. After 15 minutes it is undone.")},
	{roster.GlassOff, lang.T("使わない", "Not at all"), lang.T("全校には管理者だけが送れます。", "Only managers send to the whole school.")},
}

// Choices returns what there is to choose from.
func (*glassSettingsPage) Choices() any { return glassChoices }

func (s *Server) glassSettings(r *http.Request, me staff.Staff) (web.Response, error) {
	school, err := s.Roster.School(r.Context(), me.School)
	p := &glassSettingsPage{Choice: school.BreakGlass}
	if r.URL.Query().Get("done") != "" {
		p.Notice = lang.T("保存しました。", "Saved.").In(web.Language(r))
	}
	return web.Page{Template: "break_glass_settings.html", Data: p}, err
}

func (s *Server) setGlass(r *http.Request, me staff.Staff) (web.Response, error) {
	form, err := web.ReadForm(r)
	if err != nil {
		return nil, err
	}
	choice := form.Get("choice")
	i := slices.IndexFunc(glassChoices, func(c struct {
		Value      string
		Name, Hint lang.Text
	}) bool {
		return c.Value == choice
	})
	if i < 0 {
		p := &glassSettingsPage{Choice: "?"}
		p.Problems = problem.List{problem.New(problem.Invalid, "どれか一つを選んでください。", "Choose one of them.").In("choice")}
		return web.Page{Template: "break_glass_settings.html", Data: p}, nil
	}
	err = s.record(r.Context(), entry(me, audit.Settings, "", "緊急時の全校送信: "+glassChoices[i].Name.JA), func() error {
		school, err := s.Roster.School(r.Context(), me.School)
		if err != nil {
			return err
		}
		school.BreakGlass = choice
		return s.Roster.PutSchool(r.Context(), school)
	})
	if err != nil {
		return nil, err
	}
	return web.Redirect{To: glassPath + "/settings?done=1"}, nil
}
