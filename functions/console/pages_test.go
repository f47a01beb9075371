package console

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/todoku/todoku/shared/alert"
	"github.com/todoku/todoku/shared/mail"
	"github.com/todoku/todoku/shared/mail/inbox"
	"github.com/todoku/todoku/shared/roster"
	"github.com/todoku/todoku/shared/staff"
	"github.com/todoku/todoku/shared/table"
	"github.com/todoku/todoku/shared/web"
	"github.com/todoku/todoku/shared/web/webtest"
)

const site = "http://todoku.test"

// signIn returns a client with a session of the manager's.
func (o *office) signIn() *http.Client {
	o.t.Helper()
	token, err := o.server.Staff.NewLink(o.t.Context(), o.me.ID, time.Hour)
	o.must(err)
	c := webtest.Client(o.handler)
	res, err := c.Post(site+"/sign-in/"+token, "", nil)
	o.must(err)
	o.must(res.Body.Close())
	if res.StatusCode != http.StatusSeeOther {
		o.t.Fatalf("signing in: status %d", res.StatusCode)
	}
	return c
}

// group returns the id of the group with a name.
func (o *office) group(name string) string {
	o.t.Helper()
	groups, err := o.server.Roster.Groups(o.t.Context(), o.me.School)
	o.must(err)
	for _, g := range groups {
		if g.Name == name {
			return g.ID
		}
	}
	o.t.Fatalf("no group %s among %v", name, groups)
	return ""
}

// alert has an alert accepted, and its records made if fanOut is set.
func (o *office) alert(change func(*alert.Draft), fanOut bool) alert.Alert {
	o.t.Helper()
	d := alert.Draft{
		School: o.me.School, Kind: alert.Safety, Subject: "地震の安否確認", Body: "お子さんの状況を回答してください。",
		All: true, UsefulUntil: o.clock().Add(6 * time.Hour), Sender: alert.Sender{ID: o.me.ID, Name: o.me.Name, Mail: o.me.Mail},
	}
	if change != nil {
		change(&d)
	}
	o.childAt(d.School)
	a, err := o.server.Send(o.t.Context(), o.me, d, "")
	o.must(err)
	if fanOut {
		o.runJob(a.ID, alert.FanOut)
	}
	return a
}

// childAt sees that a school has somebody who can be told.
func (o *office) childAt(school string) {
	o.t.Helper()
	groups, err := o.server.Roster.Groups(o.t.Context(), school)
	o.must(err)
	if len(groups) > 0 {
		return
	}
	class := roster.NewClass(1, "1")
	o.must(o.server.Roster.PutGroup(o.t.Context(), school, class))
	_, err = o.server.Roster.PutFamily(o.t.Context(), school, roster.Family{Children: []roster.Child{{Name: "他校 一子", Class: class.ID}}})
	o.must(err)
}

// answer answers for the child with a name, as its guardian would.
func (o *office) answer(a alert.Alert, name, choice string) {
	o.t.Helper()
	err := o.server.eachChild(o.t.Context(), a.ID, func(lines []alert.ChildLine) error {
		for _, l := range lines {
			if l.Name != name {
				continue
			}
			by := l.Child.Guardians[0]
			return o.server.Alerts.Answer(o.t.Context(), a, alert.AnswerRequest{
				Ref: l.Ref, Guardian: by, By: l.Family.Guardians[by].ID, Way: alert.ByLink, Choices: map[string]string{l.ID: choice},
			})
		}
		return nil
	})
	o.must(err)
}

// clubRoster adds to smallRoster a club and a name that a spreadsheet would take
// for a formula.
const clubRoster = smallRoster + "2,2,1,\"=HYPERLINK(\"\"http://x\"\")\",ふぉーみゅら,数式 親,090-0000-0009,formula@example.net,,\n"

func TestPages(t *testing.T) {
	o := newOffice(t)
	o.load(clubRoster)
	ctx := t.Context()
	open := o.alert(nil, true)
	o.answer(open, "見本 一郎", "safe")
	o.answer(open, "見本 二葉", "help")
	closed := o.alert(func(d *alert.Draft) { d.Subject = "終わった連絡" }, true)
	_, err := o.server.Close(ctx, o.me.School, closed.ID)
	o.must(err)
	newer := o.alert(func(d *alert.Draft) { d.Subject, d.Supersedes = "訂正した連絡", closed.ID }, true)
	foreign := o.foreignAlert()
	o.must(o.server.Alerts.Supersede(ctx, newer))
	webtest.Files(t, o.signIn, site, "testdata/pages/*.txt", map[string]string{
		"open": open.ID, "closed": closed.ID, "newer": newer.ID, "foreign": foreign.ID,
		"class11": o.group("1年1組"), "class21": o.group("2年1組"), "grade2": o.group("2年"),
	})
}

// foreignAlert is an alert of another school.
func (o *office) foreignAlert() alert.Alert {
	o.t.Helper()
	other, _ := o.hire("s2", "manager")
	return o.alert(func(d *alert.Draft) { d.School, d.Sender.ID = "s2", other.ID }, false)
}

func TestPagesNeedSignIn(t *testing.T) {
	o := newOffice(t)
	for _, path := range []string{"/", "/alerts/new", "/alerts/x", "/alerts/x/help", "/alerts/x/close", "/alerts/x/children.csv", "/alerts/x/classes/y"} {
		t.Run(path, func(t *testing.T) {
			a := o.send("GET", path+"?q=1", nil)
			if want := "/sign-in?next=" + url.QueryEscape(path+"?q=1"); a.StatusCode != http.StatusSeeOther || a.Header.Get("Location") != want {
				t.Errorf("status %d, Location %q, want %q", a.StatusCode, a.Header.Get("Location"), want)
			}
		})
	}
	for _, path := range []string{"/alerts", "/alerts/new", "/alerts/preview", "/alerts/test", "/alerts/x/undo", "/alerts/x/close"} {
		t.Run("POST "+path, func(t *testing.T) {
			a := o.send("POST", path, strings.NewReader("subject=x"), "Content-Type", "application/x-www-form-urlencoded")
			if a.StatusCode != http.StatusUnauthorized || !strings.Contains(a.body, "まだ送信されていません") {
				t.Errorf("status %d: %.200s", a.StatusCode, a.body)
			}
		})
	}
}

// submit sends a form as the manager. If none is given, what is confirmed of an import is
// what its page shows.
func (o *office) submit(c *http.Client, path string, form url.Values) answer {
	o.t.Helper()
	if page, ok := strings.CutSuffix(path, "/confirm"); ok && form == nil {
		if m := seenField.FindStringSubmatch(o.visit(c, page).body); m != nil {
			form = url.Values{"seen": {m[1]}}
		}
	}
	return o.fetch(c, "POST", path, form)
}

func (o *office) visit(c *http.Client, path string) answer {
	o.t.Helper()
	return o.fetch(c, "GET", path, nil)
}

func (o *office) fetch(c *http.Client, method, path string, form url.Values) answer {
	o.t.Helper()
	r, err := http.NewRequestWithContext(o.t.Context(), method, site+path, strings.NewReader(form.Encode()))
	o.must(err)
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	res, err := c.Do(r)
	o.must(err)
	defer func() { _ = res.Body.Close() }()
	return answer{res, readAll(o.t, res)}
}

func TestUndo(t *testing.T) {
	o := newOffice(t)
	o.load(smallRoster)
	c := o.signIn()
	a := o.alert(func(d *alert.Draft) { d.Undo = alert.UndoWindow }, false)
	page := o.visit(c, "/alerts/"+a.ID+"?sent=1")
	for _, want := range []string{`data-undo="10"`, "送信を取り消す", `action="/alerts/` + a.ID + `/undo"`, "まだ1通も送っていません"} {
		if !strings.Contains(page.body, want) {
			t.Errorf("the page just after sending does not hold %q", want)
		}
	}
	o.pass(9 * time.Second)
	if page := o.visit(c, "/alerts/"+a.ID); !strings.Contains(page.body, `data-undo="1"`) {
		t.Error("after 9 seconds there is not 1 second left")
	}
	if got := o.submit(c, "/alerts/"+a.ID+"/undo", url.Values{}); got.StatusCode != http.StatusSeeOther {
		t.Errorf("undo: status %d", got.StatusCode)
	}
	page = o.visit(c, "/alerts/"+a.ID)
	if !strings.Contains(page.body, "誰にも送っていません") || strings.Contains(page.body, "data-undo") {
		t.Error("the page does not say that the alert was undone")
	}
}

func TestUndoTooLate(t *testing.T) {
	o := newOffice(t)
	o.load(smallRoster)
	c := o.signIn()
	a := o.alert(func(d *alert.Draft) { d.Undo = alert.UndoWindow }, false)
	o.pass(alert.UndoWindow)
	if page := o.visit(c, "/alerts/"+a.ID); strings.Contains(page.body, "data-undo") {
		t.Error("the page still offers to undo")
	}
	got := o.submit(c, "/alerts/"+a.ID+"/undo", url.Values{})
	if got.StatusCode != http.StatusConflict || !strings.Contains(got.body, "もう送信が始まっている") {
		t.Errorf("status %d: %.300s", got.StatusCode, got.body)
	}
}

// Sending the same form twice gives one alert; after a change the form is kept,
// and sent as another.
func TestSendTwice(t *testing.T) {
	o := newOffice(t)
	o.load(smallRoster)
	c := o.signIn()
	form := goodForm(o)
	first, again := o.submit(c, "/alerts", form), o.submit(c, "/alerts", form)
	to := first.Header.Get("Location")
	if first.StatusCode != http.StatusSeeOther || to == "" || to != again.Header.Get("Location") {
		t.Fatalf("sent to %q and %q (status %d)", to, again.Header.Get("Location"), first.StatusCode)
	}
	form.Set("body", "別の本文")
	changed := o.submit(c, "/alerts", form)
	if changed.StatusCode != http.StatusConflict || !strings.Contains(changed.body, "すでに連絡を送信しています") || !strings.Contains(changed.body, "別の本文") || !strings.Contains(changed.body, "まだ送信されていません") {
		t.Errorf("status %d: %.300s", changed.StatusCode, changed.body)
	}
	key := keyPattern.FindStringSubmatch(changed.body)
	if len(key) == 0 || key[1] == form.Get("key") {
		t.Fatalf("the form keeps the key %v", key)
	}
	form.Set("key", key[1])
	if other := o.submit(c, "/alerts", form); other.StatusCode != http.StatusSeeOther || other.Header.Get("Location") == to {
		t.Errorf("the changed form is not sent as another alert: status %d", other.StatusCode)
	}
}

func TestTestSend(t *testing.T) {
	o := newOffice(t)
	o.load(smallRoster)
	c := o.signIn()
	box := o.server.Mail.(*inbox.Inbox)
	got := o.submit(c, "/alerts/test", goodForm(o))
	if got.StatusCode != http.StatusOK || !strings.Contains(got.body, "hanako@school.example に送りました") {
		t.Fatalf("status %d: %.300s", got.StatusCode, got.body)
	}
	mails := box.List()
	if len(mails) != 1 || mails[0].To != "hanako@school.example" || !strings.HasPrefix(mails[0].Subject, "【テスト】") {
		t.Fatalf("the inbox holds %v", mails)
	}
	box.FailWith(func(*mail.Message) error { return fmt.Errorf("relay away") })
	got = o.submit(c, "/alerts/test", goodForm(o))
	if got.StatusCode != http.StatusServiceUnavailable || !strings.Contains(got.body, "テストメールを送れませんでした") || !strings.Contains(got.body, "避難所で待機") {
		t.Errorf("with the relay away: status %d: %.300s", got.StatusCode, got.body)
	}
}

// busyWrites is a table that can be read, and has no time to write.
type busyWrites struct{ table.Table }

func (busyWrites) Write(context.Context, string, ...table.Op) error { return table.ErrBusy }

// While the store is busy a form comes back with what was typed.
func TestSendWhileBusy(t *testing.T) {
	o := newOffice(t)
	o.load(smallRoster)
	c := o.signIn()
	form := goodForm(o)
	o.server.Alerts.Table = busyWrites{o.table}
	got := o.submit(c, "/alerts", form)
	if got.StatusCode != http.StatusServiceUnavailable || got.Header.Get("Retry-After") == "" {
		t.Errorf("status %d, Retry-After %q", got.StatusCode, got.Header.Get("Retry-After"))
	}
	if !strings.Contains(got.body, "避難所で待機") || !strings.Contains(got.body, form.Get("key")) {
		t.Error("what was typed is lost")
	}
}

// TestFormsWhileBusy: so do the forms of the settings, with a sentence that it will pass.
func TestFormsWhileBusy(t *testing.T) {
	o := newOffice(t)
	o.load(smallRoster)
	c := o.signIn()
	o.server.Audit.Table = busyWrites{o.table}
	typed := `value="高嶺 新"`
	for path, form := range map[string]url.Values{
		"/people":           {"name": {"高嶺 新"}, "role": {"teacher"}, "way": {"code"}},
		"/people/hand-over": {"class_" + o.group("1年1組"): {o.me.Name}},
		"/templates":        {"name": {"高嶺 新"}, "kind": {"notice"}, "subject": {"件"}, "body": {"文"}, "place": {"1"}, "revision": {"0"}},
		"/tokens":           {"name": {"高嶺 新"}, "may": {"frame"}, "ends": {"2026-05-01"}},
	} {
		a := o.submit(c, path, form)
		if a.StatusCode != http.StatusServiceUnavailable || !strings.Contains(a.body, "少し待ってから") {
			t.Errorf("%s: status %d: %.300s", path, a.StatusCode, a.body)
		}
		if !strings.Contains(a.body, typed) && !strings.Contains(a.body, "1年1組 を受け持つ") {
			t.Errorf("%s: what was typed is lost", path)
		}
	}
}

func TestChildrenCSV(t *testing.T) {
	o := newOffice(t)
	o.load(clubRoster)
	a := o.alert(nil, true)
	o.answer(a, "見本 一郎", "safe")
	got := o.visit(o.signIn(), "/alerts/"+a.ID+"/children.csv")
	want := "\uFEFFクラス,出席番号,氏名,ふりがな,状況,回答,要支援,回答日時,回答方法,保護者,電話,メール,延期・拒否の理由,電話の回数,最後の電話,電話の結果,電話した人,電話のメモ\r\n"
	if !strings.HasPrefix(got.body, want) {
		t.Errorf("the file begins with %.200q", got.body)
	}
	for _, line := range []string{
		"1年1組,1,見本 一郎,みほん いちろう,回答あり,無事です,,2026-04-06 12:00:00,メールのリンク,見本 花子 / 見本 太郎,090-0000-0001,example.jp 送信待ち 2026-04-06 12:00:00 / example.com 送信待ち 2026-04-06 12:00:00,,,,,,\r\n",
		"2年1組,2,例 四季,れい しき,メール宛先なし,,,,,例 陽子,090-0000-0004,,,,,,,\r\n",
		`2年2組,1,"'=HYPERLINK(""http://x"")",`,
	} {
		if !strings.Contains(got.body, line) {
			t.Errorf("the file does not hold %q:\n%s", line, got.body)
		}
	}
	if disposition := got.Header.Get("Content-Disposition"); disposition != "attachment; filename=todoku-20260406-1200.csv" {
		t.Errorf("Content-Disposition %q", disposition)
	}
}

func TestEmptyRoster(t *testing.T) {
	o := newOffice(t)
	if got := o.visit(o.signIn(), "/"); !strings.Contains(got.body, "まず、名簿を読み込んでください") || strings.Contains(got.body, "新しい連絡を作る") {
		t.Errorf("the first page does not lead to the roster: %.500s", got.body)
	}
	o.me, _ = o.hireAt(o.me.School, staff.Teacher)
	if got := o.visit(o.signIn(), "/"); !strings.Contains(got.body, "名簿がまだありません") || strings.Contains(got.body, `href="/roster"`) {
		t.Errorf("the first page leads to what is refused: %.500s", got.body)
	}
}

// TestReplacedForFewer: the preview says how many children are no longer told.
func TestReplacedForFewer(t *testing.T) {
	o := newOffice(t)
	o.load(clubRoster)
	old := o.alert(nil, true)
	c := o.signIn()
	classes, err := o.server.Roster.Groups(t.Context(), o.me.School)
	o.must(err)
	for _, groups := range []string{"1年1組", "2年1組"} {
		form := goodForm(o)
		form.Set("supersedes", old.ID)
		form.Set("remind_after", "３０")
		form.Del("all")
		form["groups"] = []string{o.group(groups)}
		all, mine := 0, 0
		for _, g := range classes {
			if g.Kind == roster.Class {
				all += g.Children
			}
			if g.Name == groups {
				mine = g.Children
			}
		}
		want := fmt.Sprintf("%d人は、この連絡の対象ではありません", all-mine)
		if a := o.submit(c, "/alerts/preview", form); !strings.Contains(a.body, want) {
			t.Errorf("%s: status %d, not %q:\n%s", groups, a.StatusCode, want, a.body)
		}
		form.Set("all", "1")
		if a := o.submit(c, "/alerts/preview", form); a.StatusCode != 200 || strings.Contains(a.body, "この連絡の対象ではありません") {
			t.Errorf("to all: status %d:\n%s", a.StatusCode, a.body)
		}
	}
}

// TestEmptyClass: a class that nobody is in is offered nowhere.
func TestEmptyClass(t *testing.T) {
	o := newOffice(t)
	o.load("学年,組,番号,氏名,保護者メール\n1,1,1,見本 一子,a@example.jp\n")
	empty := roster.NewClass(9, "7")
	o.must(o.server.Roster.PutGroup(t.Context(), o.me.School, empty))
	c := o.signIn()
	for _, path := range []string{"/alerts/new", "/quick/safety", "/roster"} {
		if body := o.visit(c, path).body; strings.Contains(body, empty.Name) || !strings.Contains(body, "1年1組") {
			t.Errorf("%s: the class without children is there, or the other is not:\n%s", path, body)
		}
	}
}

// Nobody's name, address, phone or answer goes into the log.
func TestPagesLogNoPeople(t *testing.T) {
	o := newOffice(t)
	o.load(clubRoster)
	c := o.signIn()
	a := o.alert(nil, true)
	for _, path := range []string{"/", "/alerts/" + a.ID, "/alerts/" + a.ID + "/classes/" + o.group("2年1組"), "/nowhere/hanako@example.jp"} {
		o.visit(c, path)
	}
	o.submit(c, "/alerts", goodForm(o))
	for _, secret := range []string{"example.jp", "090-", "見本", "避難所"} {
		if strings.Contains(o.log.String(), secret) {
			t.Errorf("the log holds %q:\n%s", secret, o.log)
		}
	}
}

// A page and its style sheet stay small enough for a bad connection.
func TestPageSize(t *testing.T) {
	o := newOffice(t)
	o.loadDemo()
	c := o.signIn()
	a := o.alert(nil, true)
	const limit = 50_000
	css := len(o.visit(c, web.Asset("style.css")).body)
	for _, path := range []string{"/", "/alerts/new", "/alerts/" + a.ID, "/alerts/" + a.ID + "/classes/" + o.group("1年1組"), "/alerts/" + a.ID + "/report", "/alerts/" + a.ID + "/desk", "/alerts/" + a.ID + "/gate/" + o.group("1年1組")} {
		if n := len(o.visit(c, path).body) + css; n > limit {
			t.Errorf("%s: %d bytes with the style sheet, more than %d", path, n, limit)
		}
	}
}

// loadDemo imports the demo school's sheet.
func (o *office) loadDemo() {
	o.t.Helper()
	csv, school := roster.Demo(1)
	school.ID = o.me.School
	o.must(o.server.Roster.PutSchool(context.Background(), school))
	o.load(string(csv))
}
