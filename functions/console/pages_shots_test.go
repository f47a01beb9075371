//go:build shots

package console

import (
	"flag"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/todoku/todoku/shared/alert"
	"github.com/todoku/todoku/shared/lane/pace"
	"github.com/todoku/todoku/shared/roster"
	"github.com/todoku/todoku/shared/staff"
	"github.com/todoku/todoku/shared/web/webtest"
	"github.com/todoku/todoku/shared/web/webtest/shot"
)

var shots = flag.String("shots", "shots", "folder for the pictures")

// TestShots takes pictures of the pages with the demo school:
//
//	go test -tags shots -run TestShots ./functions/console -shots /tmp/shots
func TestShots(t *testing.T) {
	o := newOffice(t)
	o.atAName()
	empty := o.demoEmpty()
	o.loadDemo()
	o.teach("docomo", 20)
	o.teach("yahoo-jp", 8)
	o.one("google", pace.Accepted)
	o.mu.Lock()
	o.now = monday
	o.mu.Unlock()
	for i := range 5 {
		o.pastCheck(i)
	}
	c := o.signIn()
	past := o.alert(func(d *alert.Draft) {
		d.Kind, d.Subject = alert.Notice, "明日の遠足は予定どおり行います"
	}, true)
	_, err := o.server.Close(t.Context(), o.me.School, past.ID)
	o.must(err)
	o.pass(time.Hour)
	a := o.alert(func(d *alert.Draft) {
		d.Subject, d.Audience = "震度5強の地震による安否確認", "全校"
		d.Body = "全員、校庭に避難しています。\nお子さんの状況を回答してください。\n\n電話は大変混み合います。お迎えは、次の連絡をお待ちください。"
	}, true)
	help := o.demoAnswers(a)
	o.pass(24 * time.Minute)
	form := goodForm(o)
	form.Set("subject", "大雨のためお迎えをお願いします")
	form.Set("body", "本日15時までに、体育館へお迎えをお願いします。\n徒歩でお越しください。車は入れません。\n\n児童は全員、体育館で待機しています。")
	form.Set("useful_until", o.clock().Add(15*time.Hour).Format(localTime)) // six hours, in Japan
	bad := url.Values{"kind": {""}, "subject": {""}, "body": {"本文だけ"}, "answers": {"own"}, "choice_1": {"迎えに行けます"}, "useful_until": {"2020-01-01T00:00"}, "remind_after": {"soon"}}
	waiting := o.alert(func(d *alert.Draft) {
		d.Undo, d.Kind, d.Subject = alert.UndoWindow, alert.Drill, "避難訓練の連絡"
	}, false)
	teacher, err := o.server.Staff.PutStaff(t.Context(), staff.Staff{School: o.me.School, Name: "例 一子", Mail: "ichiko@school.example", Role: staff.Teacher, Groups: []string{o.group("1年1組")}})
	o.must(err)
	before := o.me
	o.me = teacher
	tc := o.signIn()
	o.me = before
	held, _, err := o.server.hold(t.Context(), teacher, alert.Draft{
		School: teacher.School, Kind: alert.Safety, Subject: "不審者が校内に侵入しました", Body: "児童は教室にいます。学校に来ないでください。", All: true,
		UsefulUntil: o.clock().Add(6 * time.Hour), Undo: alert.GlassWait, Sender: alert.Sender{ID: teacher.ID, Name: teacher.Name}, Glass: &alert.Glass{},
	}, "")
	o.must(err)
	heldOwn, heldOther := o.visit(tc, glassPath+"/"+held.ID), o.visit(c, glassPath+"/"+held.ID)
	o.examine()
	oc, _ := o.ofDistrict()
	dd := o.districtDeskShots(oc)
	nobody := webtest.Client(o.handler)
	o.unclearReplies(a)
	o.submit(c, "/reach/"+help.Child.Class+"/cards", nil)
	dform := url.Values{"kind": {"notice"}, "subject": {"大雪による休校"}, "body": {"明日は休校です。\n自宅で過ごしてください。"}, "useful_until": {"2026-04-07T18:00"}, "schools": {"s1", "s2"}, "key": {"d"}}
	lost := o.lostMail()
	c = o.signIn() // so that nothing asks for a proof
	_, err = o.server.Staff.AddKey(t.Context(), o.me.ID, "わたしのスマートフォン", []byte("{}"))
	o.must(err)
	u, err := url.Parse(site)
	o.must(err)
	session := c.Jar.Cookies(u)[0]
	shot.Take(t, o.handler, *shots, map[string]string{session.Name: session.Value}, chosen([]shot.Page{
		{Name: "home-empty", Path: "/shot/empty", HTML: empty},
		{Name: "home", Path: "/"},
		{Name: "quick", Path: "/quick/weather"},
		{Name: "templates", Path: "/templates"},
		{Name: "template", Path: "/templates/safety"},
		{Name: "compose", Path: "/alerts/new"},
		{Name: "compose-errors", Path: "/shot/errors", HTML: o.submit(c, "/alerts/preview", bad).body},
		{Name: "preview", Path: "/shot/preview", HTML: o.submit(c, "/alerts/preview", form).body},
		{Name: "preview-english", Path: "/shot/preview-en", HTML: o.submit(c, "/alerts/preview?lang=en", form).body},
		{Name: "preview-follow", Path: "/shot/preview-follow", HTML: o.submit(c, "/alerts/preview?lang=ja", following(form, a.ID)).body},
		{Name: "undo", Path: "/alerts/" + waiting.ID + "?sent=1"},
		{Name: "status", Path: "/alerts/" + a.ID, Print: true},
		{Name: "status-english", Path: "/shot/english", HTML: o.visit(c, "/alerts/"+a.ID+"?lang=en").body},
		{Name: "status-teacher", Path: "/shot/status-teacher", HTML: o.visit(tc, "/alerts/"+a.ID+"?lang=ja").body},
		{Name: "district", Path: "/shot/district", HTML: o.visit(o.districtPerson(), "/district?lang=ja").body},
		{Name: "usage", Path: "/usage", Print: true},
		{Name: "desk", Path: "/alerts/" + a.ID + "/desk"},
		{Name: "family", Path: "/alerts/" + a.ID + "/families/" + help.Ref.Class + "/" + help.Ref.Family},
		{Name: "paper", Path: o.paperOf(c, a.ID), Print: true},
		{Name: "paper-enter", Path: o.paperOf(c, a.ID) + "/enter"},
		{Name: "report", Path: "/alerts/" + a.ID + "/report", Print: true},
		{Name: "report-over", Path: "/alerts/" + past.ID + "/report"},
		{Name: "class", Path: "/alerts/" + a.ID + "/classes/" + help.Child.Class},
		{Name: "gate-classes", Path: "/alerts/" + a.ID + "/gate"},
		{Name: "gate", Path: "/alerts/" + a.ID + "/gate/" + help.Child.Class, Print: true},
		{Name: "help", Path: "/alerts/" + a.ID + "/help"},
		{Name: "close", Path: "/alerts/" + a.ID + "/close"},
		{Name: "note", Path: "/alerts/" + a.ID + "/note"},
		{Name: "me", Path: "/me"},
		{Name: "audit", Path: "/audit"},
		{Name: "tokens", Path: "/shot/tokens", HTML: o.submit(c, "/tokens", url.Values{"name": {"名簿連携"}, "may": {"frame", "roster"}, "ends": {lastDay}}).body},
		{Name: "tokens-errors", Path: "/shot/tokens-errors", HTML: o.submit(c, "/tokens?lang=en", url.Values{}).body},
		{Name: "glass-held", Path: "/shot/glass-held", HTML: heldOther.body},
		{Name: "glass-settings", Path: glassPath + "/settings"},
		{Name: "glass", Path: "/shot/glass", HTML: o.visit(tc, glassPath).body},
		{Name: "glass-errors", Path: "/shot/glass-errors", HTML: o.submit(tc, glassPath+"?lang=en", url.Values{}).body},
		{Name: "glass-held-own", Path: "/shot/glass-held-own", HTML: heldOwn.body},
		{Name: "home-teacher", Path: "/shot/home-teacher", HTML: o.visit(tc, "/?lang=ja").body},
		{Name: "people", Path: "/people"},
		{Name: "people-english", Path: "/shot/people-en", HTML: o.visit(c, "/people?lang=en").body},
		{Name: "person-new", Path: "/people/new"},
		{Name: "person-errors", Path: "/shot/person-errors", HTML: o.submit(c, "/people", url.Values{"way": {"mail"}}).body},
		{Name: "person", Path: "/people/" + teacher.ID},
		{Name: "person-code", Path: "/shot/code", HTML: o.submit(c, "/people/"+teacher.ID+"/code", nil).body},
		{Name: "people-import", Path: "/people/import"},
		{Name: "people-import-preview", Path: "/shot/people-import", HTML: o.submit(c, "/people/import/preview", url.Values{"mail": {"1"}, "text": {"氏名,メールアドレス,職名,担任\n例 新,new@school.example,教諭,1年1組\n誤 記,x@school.example,社長,9年9組\n"}}).body},
		{Name: "hand-over", Path: "/people/hand-over"},
		{Name: "hand-over-preview", Path: "/shot/hand-over", HTML: o.submit(c, "/people/hand-over/preview", url.Values{"leaves": {teacher.ID}, "class_" + o.group("1年2組"): {o.me.Name}}).body},
		{Name: "hand-over-preview-english", Path: "/shot/hand-over-en", HTML: o.submit(c, "/people/hand-over/preview?lang=en", url.Values{"leaves": {teacher.ID}}).body},
		{Name: "lost", Path: lost},
		{Name: "lost-english", Path: "/shot/lost-en", HTML: o.visit(c, "/mail?lang=en").body},
		{Name: "system", Path: "/system"},
		{Name: "system-english", Path: "/shot/system-en", HTML: o.visit(c, "/system?lang=en").body},
		{Name: "sign-in-code", Path: "/sign-in/code"},
		{Name: "sign-in", Path: "/shot/sign-in", HTML: o.visit(nobody, "/sign-in?lang=ja").body},
		{Name: "sign-in-english", Path: "/shot/sign-in-en", HTML: o.visit(nobody, "/sign-in?lang=en").body},
		{Name: "sign-in-mail", Path: "/sign-in/mail"},
		{Name: "sign-in-mail-english", Path: "/shot/sign-in-mail-en", HTML: o.visit(nobody, "/sign-in/mail?lang=en").body},
		{Name: "sign-in-code-english", Path: "/shot/sign-in-code-en", HTML: o.submit(nobody, "/sign-in/code?lang=en", url.Values{"code": {"x"}}).body},
		{Name: "sign-in-link", Path: o.newLink()},
		{Name: "sign-out", Path: "/sign-out"},
		{Name: "me-english", Path: "/shot/me-en", HTML: o.visit(c, "/me?lang=en").body},
		{Name: "prove", Path: "/me/prove"},
		{Name: "prove-english", Path: "/shot/prove-en", HTML: o.visit(c, "/me/prove?lang=en").body},
		{Name: "sign-in-rule", Path: "/people/sign-in"},
		{Name: "sign-in-rule-english", Path: "/shot/sign-in-rule-en", HTML: o.submit(c, "/people/sign-in?lang=en", url.Values{"rule": {"passkey"}}).body},
		{Name: "person-english", Path: "/shot/person-en", HTML: o.visit(c, "/people/"+teacher.ID+"?lang=en").body},
		{Name: "person-new-english", Path: "/shot/person-new-en", HTML: o.visit(c, "/people/new?lang=en").body},
		{Name: "person-code-english", Path: "/shot/code-en", HTML: o.submit(c, "/people/"+teacher.ID+"/code?lang=en", nil).body},
		{Name: "hand-over-english", Path: "/shot/hand-over-form-en", HTML: o.visit(c, "/people/hand-over?lang=en").body},
		{Name: "audit-english", Path: "/shot/audit-en", HTML: o.visit(c, "/audit?lang=en").body},
		{Name: "tokens-english", Path: "/shot/tokens-en", HTML: o.visit(c, "/tokens?lang=en").body},
		{Name: "glass-settings-english", Path: "/shot/glass-settings-en", HTML: o.visit(c, glassPath+"/settings?lang=en").body},
		{Name: "chase", Path: "/chase"},
		{Name: "chase-english", Path: "/shot/chase-en", HTML: o.visit(c, "/chase?lang=en").body},
		{Name: "home-english", Path: "/shot/home-en", HTML: o.visit(c, "/?lang=en").body},
		{Name: "district-form", Path: "/shot/district-form", HTML: o.visit(oc, "/district/send").body},
		{Name: "district-preview", Path: "/shot/district-preview", HTML: o.submit(oc, "/district/preview", dform).body},
		{Name: "district-sent", Path: "/shot/district-sent", HTML: o.submit(oc, "/district/send", dform).body},
		{Name: "district-desk", Path: "/shot/district-desk", HTML: dd.list},
		{Name: "district-desk-english", Path: "/shot/district-desk-en", HTML: dd.english},
		{Name: "district-paper", Path: "/shot/district-paper", HTML: dd.paper, Print: true},
		{Name: "district-paper-english", Path: "/shot/district-paper-en", HTML: dd.paperEnglish, Print: true},
		{Name: "district-paper-enter", Path: "/shot/district-paper-enter", HTML: dd.enter},
		{Name: "district-family", Path: "/shot/district-family", HTML: dd.family},
		{Name: "replies", Path: "/alerts/" + a.ID + "/replies"},
		{Name: "replies-english", Path: "/shot/replies-en", HTML: o.visit(c, "/alerts/"+a.ID+"/replies?lang=en").body},
		{Name: "cards", Path: "/reach/" + help.Child.Class + "/cards", Print: true},
		{Name: "compose-english", Path: "/shot/compose-en", HTML: o.visit(c, "/alerts/new?lang=en").body},
		{Name: "usage-english", Path: "/shot/usage-en", HTML: o.visit(c, "/usage?lang=en").body},
		{Name: "report-english", Path: "/shot/report-en", HTML: o.visit(c, "/alerts/"+a.ID+"/report?lang=en").body},
		{Name: "desk-english", Path: "/shot/desk-en", HTML: o.visit(c, "/alerts/"+a.ID+"/desk?lang=en").body},
		{Name: "family-english", Path: "/shot/family-en", HTML: o.visit(c, "/alerts/"+a.ID+"/families/"+help.Ref.Class+"/"+help.Ref.Family+"?lang=en").body},
		{Name: "paper-english", Path: "/shot/paper-en", HTML: o.visit(c, o.paperOf(c, a.ID)+"?lang=en").body, Print: true},
		{Name: "drills", Path: "/drills"},
		{Name: "not-found", Path: "/alerts/nonsense"},
	}))
}

// paperOf prints the call desk's list, and returns where the copy is.
func (o *office) paperOf(c *http.Client, id string) string {
	o.t.Helper()
	return o.submit(c, "/alerts/"+id+"/desk/paper", url.Values{}).Header.Get("Location")
}

var onlyShots = flag.String("only", "", "beginnings of names of pictures, with commas; empty: all")

func chosen(pages []shot.Page) []shot.Page {
	return slices.DeleteFunc(pages, func(p shot.Page) bool {
		return *onlyShots != "" && !slices.ContainsFunc(strings.Split(*onlyShots, ","), func(begin string) bool { return strings.HasPrefix(p.Name, begin) })
	})
}

// districtPerson is somebody of the district of the demo school and two others, signed in.
func (o *office) districtPerson() *http.Client {
	o.t.Helper()
	school, err := o.server.Roster.School(o.t.Context(), o.me.School)
	o.must(err)
	school.District = "d1"
	o.must(o.server.Roster.PutSchool(o.t.Context(), school))
	for id, name := range map[string]string{"s3": "第二小学校", "s4": "見本中学校"} {
		o.must(o.server.Roster.PutSchool(o.t.Context(), roster.School{ID: id, Name: name, Mail: "a@b.example", Zone: "Asia/Tokyo", District: "d1"}))
	}
	m, err := o.server.Staff.PutStaff(o.t.Context(), staff.Staff{School: "s4", Name: "教育 委員", Mail: "district@school.example", Role: staff.District, District: "d1"})
	o.must(err)
	before := o.me
	o.me = m
	defer func() { o.me = before }()
	return o.signIn()
}

// pastCheck is an earlier alert, half of which answered within minutes.
func (o *office) pastCheck(n int) {
	o.t.Helper()
	a := o.alert(func(d *alert.Draft) { d.Subject = "以前の安否確認" }, true)
	i := 0
	o.must(o.server.eachChild(o.t.Context(), a.ID, func(lines []alert.ChildLine) error {
		for _, l := range lines {
			if i++; i%(4+n) == 0 || len(l.Child.Guardians) == 0 {
				continue
			}
			o.answerLine(a, l, "safe")
			o.pass(time.Duration(i*i/1500) * time.Second)
		}
		return nil
	}))
	o.pass(3 * time.Hour)
	_, err := o.server.Close(o.t.Context(), o.me.School, a.ID)
	o.must(err)
	o.runJob(a.ID, alert.Cancel)
}

func (o *office) demoEmpty() string { return o.visit(o.signIn(), "/").body }

// demoAnswers has two thirds of the children answered for within half an hour,
// three in need of help, and mails in every state.
func (o *office) demoAnswers(a alert.Alert) alert.ChildLine {
	o.t.Helper()
	var lines []alert.ChildLine
	o.must(o.server.eachChild(o.t.Context(), a.ID, func(page []alert.ChildLine) error {
		lines = append(lines, page...)
		return nil
	}))
	states := []alert.CopyState{alert.Delivered, alert.Sent, alert.Delivered, alert.Delivered, alert.Sent, alert.Delayed, alert.Refused, alert.Delivered}
	n := 0
	seen := map[string]bool{}
	for i, l := range lines {
		if !seen[l.Ref.Family] {
			seen[l.Ref.Family] = true
			o.must(o.server.Alerts.Update(o.t.Context(), alert.Change{Ref: l.Ref, Apply: func(f *alert.Family) bool {
				for j := range f.Copies {
					f.Copies[j].State = states[n%len(states)]
					n++
				}
				return true
			}}))
		}
		if (i*7919)%100 >= 66 || len(l.Child.Guardians) == 0 {
			continue
		}
		choice := "safe"
		if i%97 == 5 {
			choice = "help"
		}
		o.answerLine(a, l, choice)
		if wait := time.Duration(i*i%17) * time.Second; i%2 == 0 {
			o.pass(wait)
		}
	}
	for _, l := range lines {
		f, err := o.server.Alerts.Family(o.t.Context(), l.Ref)
		o.must(err)
		if i := strings.Index(fmt.Sprint(f), "help"); i > 0 {
			return l
		}
	}
	return lines[0]
}

func (o *office) answerLine(a alert.Alert, l alert.ChildLine, choice string) {
	o.t.Helper()
	by := l.Child.Guardians[0]
	contact := ""
	for _, c := range l.Family.Copies {
		if c.Guardian == by {
			contact = c.Contact
		}
	}
	o.must(o.server.Alerts.Answer(o.t.Context(), a, alert.AnswerRequest{
		Ref: l.Ref, Guardian: by, By: l.Family.Guardians[by].ID, Contact: contact, Way: alert.ByLink, Choices: map[string]string{l.ID: choice},
	}))
}

// following returns a form of an alert to those who have not answered another.
func following(form url.Values, id string) url.Values {
	f := maps.Clone(form)
	f.Set("follows", id)
	return f
}

// districtDeskPages are the pages of a district's desk.
type districtDeskPages struct{ list, english, family, paper, paperEnglish, enter string }

func (o *office) districtDeskShots(c *http.Client) (p districtDeskPages) {
	o.t.Helper()
	_, token := o.hireAt("s2", staff.Manager)
	siblings := smallRoster + "1,1,2,虹ヶ丘 空,にじがおか そら,虹ヶ丘 恵,090-0000-0425,megumi@example.net,,\n1,1,3,高嶺 葵,たかみね あおい,高嶺 湊,090-0000-0021,minato@example.net,,\n"
	if a := o.send("POST", apiPath+"/roster", strings.NewReader(siblings), "Authorization", "Bearer "+token); a.StatusCode != 200 {
		o.t.Fatalf("status %d", a.StatusCode)
	}
	o.checkAt("s2", "震度5強の地震による安否確認", alert.Safety)
	next := o.submit(c, districtDesk+"/next", nil).Header.Get("Location")
	p.family = o.visit(c, next+"?lang=ja").body
	p.list, p.english = o.visit(c, districtDesk+"?lang=ja").body, o.visit(c, districtDesk+"?lang=en").body
	paper := o.submit(c, districtDesk+"/paper", url.Values{}).Header.Get("Location")
	p.paperEnglish = o.visit(c, paper+"?lang=en").body
	p.paper, p.enter = o.visit(c, paper+"?lang=ja").body, o.visit(c, paper+"/enter").body
	return p
}

// unclearReplies has families reply what is no answer.
func (o *office) unclearReplies(a alert.Alert) {
	o.t.Helper()
	texts := []string{
		"いま避難所に向かっています。長男は無事ですが、次男とまだ連絡が取れません。分かり次第連絡します。", "無事ではない", "?", "迎えは何時まで待ってもらえますか。\n\n車で向かっていますが、国道が渋滞していて 17 時ごろになりそうです。妹も一緒に引き取れますか。",
		"Hello, we are on vacation in Kyoto, everyone is fine but my phone has no signal. Please call grandmother.", "https://maps.example.jp/very/long/address/without/any/place/to/break/it/0123456789012345678901234567890123456789",
	}
	n := 0
	o.must(o.server.eachChild(o.t.Context(), a.ID, func(lines []alert.ChildLine) error {
		for _, l := range lines {
			if n == len(texts) {
				return nil
			}
			if len(l.Family.Guardians) == 0 {
				continue
			}
			r := alert.Reply{Family: l.Ref.Family, Class: l.Ref.Class, Classes: []string{l.Class}, Guardian: l.Family.Guardians[0].ID, Name: l.Family.Guardians[0].Name, Children: []string{l.Name}, Text: texts[n], Why: alert.Unclear}
			if n == 0 {
				r.Why = alert.Older
			}
			_, err := o.server.Alerts.KeepReply(o.t.Context(), a.ID, fmt.Sprint(n), r)
			o.must(err)
			n++
		}
		return nil
	}))
}
