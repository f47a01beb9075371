package console

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/todoku/todoku/shared/staff"
	"github.com/todoku/todoku/shared/web/webtest"
)

// twoKeys gives the office a second manager, and both a passkey.
func (o *office) twoKeys() {
	o.t.Helper()
	second, _ := o.hire("s1", staff.Manager)
	o.cookieOf(second)
	o.cookieOf(o.me)
	for _, m := range []staff.Staff{o.me, second} {
		_, err := o.server.Staff.AddKey(o.t.Context(), m.ID, "a", []byte("{}"))
		o.must(err)
	}
}

// TestRulePage: what a school can choose, and when it cannot.
func TestRulePage(t *testing.T) {
	o := newOffice(t)
	c := o.signIn()
	choose := func(rule string, status int, says ...string) {
		t.Helper()
		a := o.submit(c, rulePath, url.Values{"rule": {rule}})
		if a.StatusCode != status {
			t.Errorf("%q: status %d, want %d", rule, a.StatusCode, status)
		}
		for _, s := range says {
			if !strings.Contains(a.body, s) {
				t.Errorf("%q: it does not say %q", rule, s)
			}
		}
	}
	choose("passkey", http.StatusConflict, "このアドレスでは、パスキーを使えません")
	o.atAName()
	c = o.signIn()
	choose("passkey", http.StatusConflict, "締め出されないよう", `value="passkey" checked`)
	o.twoKeys()
	choose("openid", http.StatusUnprocessableEntity, "どれか一つ") // there is no provider
	choose("nonsense", http.StatusUnprocessableEntity, "どれか一つ")
	if a := o.visit(c, rulePath); a.StatusCode != 200 || strings.Contains(a.body, "組織のアカウント\"") || strings.Contains(a.body, `value="openid"`) {
		t.Errorf("status %d, and a provider is offered", a.StatusCode)
	}
	choose("passkey", http.StatusSeeOther)
	o.holds(o.visit(c, rulePath+"?done=1"), "保存しました", `value="passkey" checked`)
	o.holds(o.visit(c, rulePath+"?lang=en"), "A passkey only", "Who has lost the device")
	o.holds(o.visit(c, "/audit?lang=ja"), "サインインの方法: パスキーだけ")
	choose("", http.StatusSeeOther) // back, at once
	teacher, _ := o.person("s1", staff.Teacher)
	if a := o.visit(teacher, rulePath); a.StatusCode != http.StatusForbidden {
		t.Errorf("a teacher: status %d", a.StatusCode)
	}
}

// TestBarred: under a stricter rule a mail tells whom to phone and holds no link; the
// page says what it says to everybody; and one whom a manager lets in comes in once.
func TestBarred(t *testing.T) {
	o := newOffice(t)
	o.atAName()
	o.twoKeys()
	o.must(o.server.Staff.SetRule(t.Context(), "s1", staff.PasskeyOnly))
	m, _ := o.hire("s1", staff.Teacher)
	m.Mail = "ichiko@school.example"
	_, err := o.server.Staff.PutStaff(t.Context(), m)
	o.must(err)
	c, nobody := webtest.Client(o.handler), webtest.Client(o.handler)
	theirs, none := o.askFor(c, m.Mail), o.askFor(nobody, "nobody@school.example")
	if theirs.StatusCode != none.StatusCode || theirs.Header.Get("Location") != none.Header.Get("Location") || theirs.body != none.body {
		t.Errorf("an account shows: %d %d", theirs.StatusCode, none.StatusCode)
	}
	if n := len(o.mailedLinks(m.Mail)); n != 0 {
		t.Fatalf("%d links were mailed", n)
	}
	if text := o.lastMail(m.Mail); !strings.Contains(text, "ほかの管理者に電話して") || !strings.Contains(text, "phone a manager") {
		t.Errorf("mailed: %s", text)
	}
	manager := o.signIn()
	o.holds(o.visit(manager, peoplePath+"/"+m.ID), "メールで一度だけサインインできるようにする")
	if a := o.submit(manager, peoplePath+"/"+m.ID+"/mail", nil); a.StatusCode != http.StatusSeeOther || !strings.HasSuffix(a.Header.Get("Location"), "done=let-in") {
		t.Fatalf("status %d", a.StatusCode)
	}
	if text := o.lastMail(m.Mail); !strings.Contains(text, "7日以内に一度だけ") {
		t.Errorf("invited: %s", text)
	}
	for i, want := range []int{1, 1} { // the second mail holds none
		o.pass(2 * 60e9)
		o.askFor(c, m.Mail)
		links := o.mailedLinks(m.Mail)
		if len(links) != want {
			t.Fatalf("time %d: %d links", i, len(links))
		}
		if i == 0 {
			if a := o.submit(c, links[0], nil); a.StatusCode != http.StatusSeeOther {
				t.Fatalf("status %d", a.StatusCode)
			}
			o.holds(o.visit(c, "/"), "サインインしているうちに登録してください")
			o.holds(o.visit(c, "/me"), "/me/keys/begin")
		}
	}
}

// TestRuleTellsTheKeyless: switching on mails everybody without a passkey, if one wants.
func TestRuleTellsTheKeyless(t *testing.T) {
	for _, tell := range []string{"", "1"} {
		o := newOffice(t)
		o.atAName()
		o.twoKeys()
		for i := range 3 {
			m, _ := o.hire("s1", staff.Teacher)
			m.Mail = fmt.Sprintf("t%d@school.example", i)
			_, err := o.server.Staff.PutStaff(t.Context(), m)
			o.must(err)
		}
		c := o.signIn()
		o.holds(o.visit(c, rulePath), "パスキーのない3人に案内を送り")
		if a := o.submit(c, rulePath, url.Values{"rule": {"passkey"}, "tell": {tell}}); a.StatusCode != http.StatusSeeOther {
			t.Fatalf("status %d", a.StatusCode)
		}
		for i := range 3 {
			told := o.lastMail(fmt.Sprintf("t%d@school.example", i)) != ""
			if told != (tell == "1") {
				t.Errorf("tell %q: told %v", tell, told)
			}
		}
	}
}

// TestOpenIDUnderARule: the organisation's account counts as more than a mail, and as less
// than a passkey.
func TestOpenIDUnderARule(t *testing.T) {
	for rule, want := range map[staff.Rule]int{staff.AnyWay: http.StatusSeeOther, staff.NoMail: http.StatusSeeOther, staff.PasskeyOnly: http.StatusForbidden} {
		o := newOffice(t)
		o.twoKeys()
		m, _ := o.hire("s1", staff.Teacher)
		m.Mail = "ichiko@school.example"
		_, err := o.server.Staff.PutStaff(t.Context(), m)
		o.must(err)
		o.withOpenID().Account("subject-2", m.Mail)
		o.must(o.server.Staff.SetRule(t.Context(), "s1", rule))
		c := webtest.Client(o.handler)
		a := o.visit(c, o.toProvider(c))
		if a.StatusCode != want || want == http.StatusForbidden && !strings.Contains(a.body, "ほかの管理者に電話して") {
			t.Errorf("rule %q: status %d, want %d", rule, a.StatusCode, want)
		}
	}
}
