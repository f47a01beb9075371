package console

import (
	"context"
	"net/http"
	"net/mail"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/todoku/todoku/shared/access"
	"github.com/todoku/todoku/shared/address"
	"github.com/todoku/todoku/shared/audit"
	"github.com/todoku/todoku/shared/lang"
	tmail "github.com/todoku/todoku/shared/mail"
	"github.com/todoku/todoku/shared/problem"
	"github.com/todoku/todoku/shared/qr"
	"github.com/todoku/todoku/shared/roster"
	"github.com/todoku/todoku/shared/staff"
	"github.com/todoku/todoku/shared/web"
)

const peoplePath = "/people"

func (s *Server) peopleRoutes(rt *routes) {
	rt.page("GET "+peoplePath, access.People, s.people, records(audit.View))
	rt.page("GET "+peoplePath+"/new", access.People, s.newPerson, asksAnew(""))
	rt.page("POST "+peoplePath, access.People, s.addPerson, recordsItself(), asksAnew(""))
	rt.page("GET "+peoplePath+"/{id}", access.People, s.showPerson, asksAnew(""))
	rt.page("POST "+peoplePath+"/{id}", access.People, s.savePerson, recordsItself(), asksAnew(""))
	rt.page("POST "+peoplePath+"/{id}/mail", access.People, s.mailPerson, recordsItself(), asksAnew(""))
	rt.page("POST "+peoplePath+"/{id}/code", access.People, s.printCode, recordsItself(), asksAnew(""))
	rt.page("POST "+peoplePath+"/{id}/disable", access.People, s.disablePerson, recordsItself(), asksAnew(""))
	rt.page("POST "+peoplePath+"/{id}/enable", access.People, s.enablePerson, recordsItself(), asksAnew(""))
	rt.page("GET "+peoplePath+"/import", access.People, s.importPeople, asksAnew(""))
	rt.page("POST "+peoplePath+"/import/preview", access.People, s.previewPeople, upTo(maxPeopleSheet), changesNothing(), asksAnew(""))
	rt.page("POST "+peoplePath+"/import", access.People, s.commitPeople, upTo(maxPeopleSheet), recordsItself(), asksAnew(""))
	rt.page("GET "+peoplePath+"/hand-over", access.People, s.handOver, asksAnew(""))
	rt.page("POST "+peoplePath+"/hand-over/edit", access.People, s.editHandOver, upTo(maxPeopleSheet), changesNothing(), asksAnew(""))
	rt.page("POST "+peoplePath+"/hand-over/preview", access.People, s.previewHandOver, upTo(maxPeopleSheet), changesNothing(), asksAnew(""))
	rt.page("POST "+peoplePath+"/hand-over", access.People, s.applyHandOver, upTo(maxPeopleSheet), recordsItself(), asksAnew(""))
}

// schoolRoles are the roles that a school's manager can give. Who looks after the
// district's schools is for the district to say: see docs/operate.md.
var schoolRoles = []staff.Role{staff.Teacher, staff.Manager, staff.Viewer}

// peoplePage is the data of people.html.
type peoplePage struct {
	web.Base
	People []staff.Person
	Groups map[string]roster.Group
	Ready  int // managers who can act
}

// Role returns what a role is called.
func (*peoplePage) Role(r staff.Role) lang.Text { return roleNames[r] }

// Few reports whether there are too few managers.
func (p *peoplePage) Few() bool { return p.Ready < staff.Managers }

func (s *Server) people(r *http.Request, me staff.Staff) (web.Response, error) {
	p := &peoplePage{}
	var err error
	if p.People, err = s.Staff.People(r.Context(), me.School); err != nil {
		return nil, err
	}
	p.Ready = ready(p.People)
	if p.Groups, err = s.schoolGroups(r.Context(), me.School); err != nil {
		return nil, err
	}
	if r.URL.Query().Get("done") == "hand-over" {
		p.Notice = lang.T("引き継ぎを反映しました。", "The hand-over is done.").In(web.Language(r))
	}
	return web.Page{Template: "people.html", Data: p}, nil
}

// ready returns how many managers can act.
func ready(people []staff.Person) int {
	n := 0
	for _, p := range people {
		if p.Ready() {
			n++
		}
	}
	return n
}

// personForm is a person as somebody filled the form in.
type personForm struct {
	Name, Mail, Role string
	Groups           []string
}

// personPage is the data of person.html, for a new person or one who is there.
type personPage struct {
	web.Base
	Person  staff.Staff // ID "": a new one
	Me      bool        // it is oneself
	Strict  bool        // the school takes no mailed links
	Fixed   bool        // of the district: not for the school to change
	Form    personForm
	Grades  []gradeBoxes
	Others  []groupBox
	Cookies bool
}

// Roles returns the roles to choose from.
func (*personPage) Roles() []staff.Role { return schoolRoles }

// RoleName returns what a role is called.
func (*personPage) RoleName(r staff.Role) lang.Text { return roleNames[r] }

// RoleHint returns what a role may do.
func (*personPage) RoleHint(r staff.Role) lang.Text { return roleHints[r] }

var roleHints = map[staff.Role]lang.Text{
	staff.Teacher: lang.T("担当するクラス・グループに連絡し、回答を見ます。", "Sends to the own classes and groups, and sees their answers."),
	staff.Manager: lang.T("学校全体への連絡、名簿、教職員の管理。", "Sends to the whole school; looks after the roster and the people."),
	staff.Viewer:  lang.T("電話での確認だけ。連絡は送れません。", "Looks and phones. Cannot send."),
}

func (s *Server) newPerson(r *http.Request, me staff.Staff) (web.Response, error) {
	return s.personWith(r, me, staff.Staff{}, personForm{Role: string(staff.Teacher)}, nil)
}

func (s *Server) personWith(r *http.Request, me, m staff.Staff, f personForm, wrong problem.List) (web.Response, error) {
	groups, err := s.Roster.Groups(r.Context(), me.School)
	if err != nil {
		return nil, err
	}
	p := &personPage{Person: m, Me: m.ID == me.ID, Fixed: m.ID != "" && !slices.Contains(schoolRoles, m.Role), Form: f}
	rule, err := s.Staff.Rule(r.Context(), me.School)
	if err != nil {
		return nil, err
	}
	p.Strict = rule != staff.AnyWay
	boxes := composePage{Form: compose{Groups: f.Groups}}
	boxes.setGroups(groups)
	p.Grades, p.Others = boxes.Grades, boxes.Others
	p.Problems, p.Scripts = wrong, []string{"once.js"}
	p.Notice = personDone[r.URL.Query().Get("done")].In(web.Language(r))
	return web.Page{Template: "person.html", Data: p}, nil
}

var personDone = map[string]lang.Text{
	"saved":    lang.T("保存しました。次の操作から有効です。", "Saved. It counts from the person's next request."),
	"mailed":   lang.T("招待メールを送りました。", "The invitation was mailed."),
	"let-in":   lang.T("招待メールを送りました。7日以内に一度だけ、メールのリンクでサインインできます。", "The invitation was mailed. Within 7 days a mailed link signs the person in, once."),
	"not-mail": lang.T("登録しましたが、メールを送れませんでした。コードを印刷して渡してください。", "Saved, but the mail could not be sent. Print a code and hand it over."),
	"disabled": lang.T("停止しました。サインインもAPIトークンも、すでに使えません。", "Disabled. Sessions and API tokens have ended."),
	"enabled":  lang.T("再開しました。もう一度サインインできます。以前のAPIトークンは使えないままです。", "Enabled: the person can sign in again. Earlier API tokens stay void."),
}

// readPerson takes the form. Grades count as their classes.
func (s *Server) readPerson(r *http.Request, me staff.Staff) (personForm, error) {
	form, err := web.ReadForm(r)
	if err != nil {
		return personForm{}, err
	}
	groups, err := s.expand(r.Context(), me.School, form.Values["groups"])
	if err != nil {
		return personForm{}, err
	}
	slices.Sort(groups)
	return personForm{
		Name: strings.Join(strings.Fields(form.Get("name")), " "), Mail: strings.TrimSpace(form.Get("mail")),
		Role: form.Get("role"), Groups: slices.Compact(groups),
	}, nil
}

// put puts the form into m, and says what is wrong with it.
func (s *Server) put(ctx context.Context, f personForm, m *staff.Staff) (problem.List, error) {
	m.Name, m.Role = f.Name, staff.Role(f.Role)
	known, err := s.schoolGroups(ctx, m.School)
	if err != nil {
		return nil, err
	}
	m.Groups = nil
	for _, g := range f.Groups {
		if _, ok := known[g]; ok { // others were deleted meanwhile
			m.Groups = append(m.Groups, g)
		}
	}
	var wrong problem.List
	if f.Name == "" {
		wrong = append(wrong, problem.New(problem.Invalid, "氏名を入力してください。", "Enter the name.").In("name"))
	}
	if !slices.Contains(schoolRoles, m.Role) {
		wrong = append(wrong, problem.New(problem.Invalid, "役割を選んでください。", "Choose a role.").In("role"))
	}
	if m.Mail = f.Mail; f.Mail != "" {
		a, err := address.Parse(f.Mail)
		if err != nil {
			wrong = append(wrong, problem.Of(err)[0].In("mail"))
		} else {
			m.Mail = a.String()
		}
	}
	return wrong, nil
}

// addPerson makes a person, and mails an invitation or prints a code.
func (s *Server) addPerson(r *http.Request, me staff.Staff) (web.Response, error) {
	f, err := s.readPerson(r, me)
	if err != nil {
		return nil, err
	}
	m := staff.Staff{School: me.School}
	wrong, err := s.put(r.Context(), f, &m)
	if err != nil {
		return nil, err
	}
	way := r.PostFormValue("way")
	if way == "mail" && m.Mail == "" {
		wrong = append(wrong, problem.New(problem.Invalid, "招待メールを送るアドレスを入力するか、「コードを印刷する」を押してください。", "Enter an address, or choose to print a code.").In("mail"))
	}
	taken, err := s.taken(r.Context(), me.School, m.Mail)
	if err != nil {
		return nil, err
	}
	wrong = append(wrong, taken...)
	if len(wrong) == 0 {
		m, err = recording(r.Context(), s.App, entry(me, audit.People, "", "追加: "+m.Name+" / "+f.Role), func() (staff.Staff, error) { return s.Staff.PutStaff(r.Context(), m) })
		wrong = s.site.Mendable(err)
		if err != nil && len(wrong) == 0 {
			return nil, err
		}
	}
	if len(wrong) > 0 {
		return s.personWith(r, me, staff.Staff{}, f, wrong)
	}
	if way == "mail" {
		return s.invited(r, me, m)
	}
	return s.codeOf(r, me, m)
}

// taken says who of a school has a mail address already.
func (s *Server) taken(ctx context.Context, school, mail string) (problem.List, error) {
	if mail == "" {
		return nil, nil
	}
	same, err := s.Staff.ByMail(ctx, mail)
	for _, m := range same {
		if m.School == school {
			return problem.List{problem.New(problem.Invalid, "このアドレスは、%s さんが使っています。", "%s has this address already.", m.Name).In("mail")}, err
		}
	}
	return nil, err
}

// personOf reads the person {id} of somebody's school.
func (s *Server) personOf(r *http.Request, me staff.Staff) (staff.Staff, error) {
	m, err := s.Staff.Staff(r.Context(), r.PathValue("id"))
	if err == nil && m.School != me.School {
		return staff.Staff{}, staff.ErrNotFound
	}
	return m, err
}

// mine is personOf for those whom the school may change.
func (s *Server) mine(r *http.Request, me staff.Staff) (staff.Staff, error) {
	m, err := s.personOf(r, me)
	if err == nil && !slices.Contains(schoolRoles, m.Role) {
		return m, problem.New(problem.Forbidden, "教育委員会の人は、学校では変更できません。", "People of the district are not for the school to change.")
	}
	return m, err
}

func formOfPerson(m staff.Staff) personForm {
	return personForm{Name: m.Name, Mail: m.Mail, Role: string(m.Role), Groups: m.Groups}
}

func (s *Server) showPerson(r *http.Request, me staff.Staff) (web.Response, error) {
	m, err := s.personOf(r, me)
	if err != nil {
		return nil, err
	}
	return s.personWith(r, me, m, formOfPerson(m), nil)
}

func (s *Server) savePerson(r *http.Request, me staff.Staff) (web.Response, error) {
	m, err := s.mine(r, me)
	if err != nil {
		return nil, err
	}
	f, err := s.readPerson(r, me)
	if err != nil {
		return nil, err
	}
	next := m
	wrong, err := s.put(r.Context(), f, &next)
	if err == nil && !strings.EqualFold(next.Mail, m.Mail) {
		var taken problem.List
		taken, err = s.taken(r.Context(), me.School, next.Mail)
		wrong = append(wrong, taken...)
	}
	if err != nil {
		return nil, err
	}
	if len(wrong) == 0 {
		wrong, err = s.changed(r.Context(), me, "変更: "+next.Name+" / "+f.Role, next)
		if err != nil {
			return nil, err
		}
	}
	if len(wrong) > 0 {
		return s.personWith(r, me, m, f, wrong)
	}
	return web.Redirect{To: peoplePath + "/" + m.ID + "?done=saved"}, nil
}

// changed writes one person, and returns what the person who did it can put right.
func (s *Server) changed(ctx context.Context, me staff.Staff, said string, m staff.Staff) (problem.List, error) {
	err := s.record(ctx, entry(me, audit.People, m.ID, said), func() error {
		return s.Staff.Change(ctx, me.School, m)
	})
	if wrong := s.site.Mendable(err); len(wrong) > 0 {
		return wrong, nil
	}
	return nil, err
}

func (s *Server) disablePerson(r *http.Request, me staff.Staff) (web.Response, error) {
	return s.setDisabled(r, me, true)
}

func (s *Server) enablePerson(r *http.Request, me staff.Staff) (web.Response, error) {
	return s.setDisabled(r, me, false)
}

func (s *Server) setDisabled(r *http.Request, me staff.Staff, out bool) (web.Response, error) {
	m, err := s.mine(r, me)
	if err != nil {
		return nil, err
	}
	done := map[bool]string{true: "disabled", false: "enabled"}[out]
	next := m
	next.Disabled = out
	wrong, err := s.changed(r.Context(), me, map[bool]string{true: "停止: ", false: "再開: "}[out]+m.Name, next)
	if err != nil {
		return nil, err
	}
	if len(wrong) > 0 {
		return s.personWith(r, me, m, formOfPerson(m), wrong)
	}
	return web.Redirect{To: peoplePath + "/" + m.ID + "?done=" + done}, nil
}

func (s *Server) mailPerson(r *http.Request, me staff.Staff) (web.Response, error) {
	m, err := s.mine(r, me)
	if err != nil {
		return nil, err
	}
	if m.Mail == "" || m.Disabled {
		return s.personWith(r, me, m, formOfPerson(m), problem.List{problem.New(problem.Conflict,
			"メールアドレスがないか、停止中のため、招待メールを送れません。", "There is no mail address, or the person is disabled: nothing can be mailed.").In("mail")})
	}
	return s.invited(r, me, m)
}

// invited mails somebody an invitation and goes to their page.
func (s *Server) invited(r *http.Request, me, m staff.Staff) (web.Response, error) {
	done := "mailed"
	rule, err := s.Staff.Rule(r.Context(), m.School)
	if err == nil && rule != staff.AnyWay {
		done = "let-in"
	}
	if err == nil {
		err = s.inviteAs(r.Context(), me, m)
	}
	if err != nil {
		s.Log.Error("invitation not mailed", "staff", m.ID, "err", err)
		done = "not-mail"
	}
	return web.Redirect{To: peoplePath + "/" + m.ID + "?" + url.Values{"done": {done}}.Encode()}, nil
}

// inviteAs invites somebody, and records who did.
func (s *Server) inviteAs(ctx context.Context, me, m staff.Staff) error {
	return s.record(ctx, entry(me, audit.People, m.ID, "招待メール: "+m.Name), func() error {
		return s.invite(ctx, m)
	})
}

// invite mails an invitation. Where the school takes no mailed links, it lets the person
// in by one. It holds no secret, so it does no harm in other hands,
// and it does not end: the link that signs in is mailed to the same address when
// the person asks for it, and works in the asking browser only.
func (s *Server) invite(ctx context.Context, m staff.Staff) error {
	school, err := s.Roster.School(ctx, m.School)
	if err != nil {
		return err
	}
	rule, err := s.Staff.Rule(ctx, m.School)
	if err != nil {
		return err
	}
	after := lang.T("サインインしたら、「あなたの設定」でパスキーを登録してください。次からは一度触れるだけです。", "Then add a passkey under “Your settings”: from then on one touch is enough.")
	if rule != staff.AnyWay {
		if err := s.Staff.Allow(ctx, m.ID); err != nil {
			return err
		}
		after = lang.T("この学校では、メールのリンクは7日以内に一度だけ使えます。サインインしたら、すぐに「あなたの設定」でパスキーを登録してください。次からは一度触れるだけです。",
			"At this school a mailed link works only once, within 7 days. Then add a passkey under “Your settings” at once: from then on one touch is enough.")
	}
	now := s.Now()
	return s.Mail.Send(ctx, &tmail.Message{
		ID: s.Alerts.IDs.New(), From: mail.Address{Name: school.Name, Address: school.Mail}, To: mail.Address{Address: address.MailboxOf(m.Mail)},
		Subject: "緊急連絡システムへの招待 / Your account for emergency messages",
		Text: school.Name + "\n\n" + m.Name + " 様\n\n学校の緊急連絡システムに登録されています。使う端末（スマートフォンなど）で次のページを開き、このメールが届いたアドレスを入力すると、15分以内に一度だけ使えるサインイン用リンクが届きます。\n" +
			"You can use the school's emergency messages. Open this page on the device that you will use, and enter the address to which this mail came: you get a link that works once, within 15 minutes.\n\n" +
			s.BaseURL + signInPath + "\n\n" + after.JA + "\n" + after.EN + "\n",
		Date: now, Deadline: now.Add(24 * time.Hour),
	})
}

func (s *Server) printCode(r *http.Request, me staff.Staff) (web.Response, error) {
	m, err := s.mine(r, me)
	if err != nil {
		return nil, err
	}
	return s.codeOf(r, me, m)
}

// codePage is the data of person_code.html.
type codePage struct {
	web.Base
	Person staff.Staff
	Code   string
	Ends   time.Time
	URL    string
	Page   qr.Code
}

// codeOf shows a new code for somebody, this once, to be printed.
func (s *Server) codeOf(r *http.Request, me, m staff.Staff) (web.Response, error) {
	if m.Disabled {
		return s.personWith(r, me, m, formOfPerson(m), problem.List{problem.New(problem.Conflict, "停止中です。先に再開してください。", "The person is disabled. Enable the person first.")})
	}
	p := &codePage{Person: m, URL: s.BaseURL + signInPath}
	err := s.record(r.Context(), entry(me, audit.People, m.ID, "コードの印刷: "+m.Name), func() (err error) {
		p.Code, p.Ends, err = s.Staff.NewCode(r.Context(), m.ID)
		return err
	})
	if err != nil {
		return nil, err
	}
	if p.Page, err = qr.New(s.SignInURL(p.Code)); err != nil {
		return nil, err
	}
	p.Page.Label = lang.T("サインイン用のQRコード", "QR code to sign in").In(web.Language(r))
	p.Code = staff.PrettyCode(p.Code)
	return web.Page{Template: "person_code.html", Data: p}, nil
}
