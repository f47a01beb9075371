package console

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/todoku/todoku/shared/staff"
	"github.com/todoku/todoku/shared/web/webtest"
)

// newLink returns the path of a new sign-in link of the manager's.
func (o *office) newLink() string {
	o.t.Helper()
	token, err := o.server.Staff.NewLink(o.t.Context(), o.me.ID, 0)
	o.must(err)
	return strings.TrimPrefix(o.server.SignInURL(token), o.server.BaseURL)
}

func TestSignInLink(t *testing.T) {
	o := newOffice(t)
	link := o.newLink()
	for range 3 { // scanners and previews
		if a := o.send("GET", link, http.NoBody); a.StatusCode != 200 || !strings.Contains(a.body, `method="post"`) || len(a.Cookies()) > 0 {
			t.Fatalf("opened: status %d, cookies %v", a.StatusCode, a.Cookies())
		}
		if a := o.send("HEAD", link, http.NoBody); a.StatusCode != 200 {
			t.Fatalf("HEAD: status %d", a.StatusCode)
		}
	}
	c := webtest.Client(o.handler)
	if a := o.submit(c, link, nil); a.StatusCode != http.StatusSeeOther || a.Header.Get("Location") != "/" {
		t.Fatalf("signing in: status %d to %q", a.StatusCode, a.Header.Get("Location"))
	}
	if a := o.visit(c, "/roster"); a.StatusCode != 200 {
		t.Errorf("signed in: status %d", a.StatusCode)
	}
	for _, method := range []string{"GET", "POST"} {
		if a := o.fetch(c, method, link, nil); a.StatusCode != http.StatusSeeOther || a.Header.Get("Location") != "/" {
			t.Errorf("%s by who is signed in: status %d", method, a.StatusCode)
		}
		if a := o.send(method, link, http.NoBody); a.StatusCode != http.StatusGone || !strings.Contains(a.body, "使用済み") {
			t.Errorf("%s by another: status %d", method, a.StatusCode)
		}
	}
}

func TestSignInLinkThatDoesNotWork(t *testing.T) {
	o := newOffice(t)
	old := o.newLink()
	o.pass(staff.LinkLife)
	for name, path := range map[string]string{
		"expired": old, "unknown": "/sign-in/AAAAAAAAAAAAAAAAAAAAAA", "hostile": "/sign-in/%00%3Cscript%3E%E2%80%AE", "long": "/sign-in/" + strings.Repeat("a", 5000),
	} {
		for language, says := range map[string]string{"ja": "この画面から、もう一度サインインしてください", "en": "Sign in again from this page"} {
			for _, method := range []string{"GET", "POST"} {
				a := o.send(method, path, http.NoBody, "Accept-Language", language)
				if a.StatusCode != http.StatusGone || !strings.Contains(a.body, says) || !strings.Contains(a.body, `action="/sign-in/mail"`) || strings.Contains(a.body, "<script>") {
					t.Errorf("%s, %s in %s: status %d", name, method, language, a.StatusCode)
				}
			}
		}
	}
	if strings.Contains(o.log.String(), strings.TrimPrefix(old, "/sign-in/")) {
		t.Error("the link's token is in the log")
	}
}

func TestSessionCookie(t *testing.T) {
	for _, secure := range []bool{false, true} {
		o := newOffice(t)
		o.server.Secure = secure
		a := o.send("POST", o.newLink(), http.NoBody)
		name := map[bool]string{false: "session", true: "__Host-session"}[secure]
		var got *http.Cookie
		for _, c := range a.Cookies() {
			if c.Name == name {
				got = c
			}
		}
		if got == nil {
			t.Fatalf("secure %v: no cookie %s in %v", secure, name, a.Cookies())
		}
		if !got.HttpOnly || got.SameSite != http.SameSiteLaxMode || got.Secure != secure || got.Path != "/" || got.Domain != "" || got.MaxAge <= 0 {
			t.Errorf("secure %v: %v", secure, got)
		}
	}
}

func TestOtherSitesCannotSignIn(t *testing.T) {
	o := newOffice(t)
	link := o.newLink()
	if a := o.send("POST", link, http.NoBody, "Origin", "https://evil.example", "Sec-Fetch-Site", "cross-site"); a.StatusCode != http.StatusForbidden {
		t.Errorf("status %d", a.StatusCode)
	}
	if a := o.send("POST", link, http.NoBody); a.StatusCode != http.StatusSeeOther {
		t.Errorf("the link was used up: status %d", a.StatusCode)
	}
}

func TestSignInLeadsBack(t *testing.T) {
	tests := []struct{ name, next, want string }{
		{"a page", "/alerts/new?x=1&y=%E3%81%82", "/alerts/new?x=1&y=%E3%81%82"},
		{"nothing", "", "/"},
		{"another site", "https://evil.example/", "/"},
		{"another site without a scheme", "//evil.example/", "/"},
		{"a backslash", `/\evil.example`, "/"},
		{"no path", "evil.example", "/"},
		{"a script", "javascript:alert(1)", "/"},
		{"a line break", "/a\r\nSet-Cookie: x=y", "/"},
		{"endless", "/" + strings.Repeat("a", 2000), "/"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			o := newOffice(t)
			c := webtest.Client(o.handler)
			if a := o.visit(c, "/sign-in?next="+url.QueryEscape(tt.next)); a.StatusCode != 200 {
				t.Fatalf("status %d", a.StatusCode)
			}
			if a := o.submit(c, o.newLink(), nil); a.Header.Get("Location") != tt.want {
				t.Errorf("led to %q, want %q", a.Header.Get("Location"), tt.want)
			}
		})
	}
}

func TestForgedNextCookie(t *testing.T) {
	o := newOffice(t)
	r := httptest.NewRequest("POST", o.newLink(), http.NoBody)
	r.AddCookie(&http.Cookie{Name: nextCookie, Value: url.QueryEscape("//evil.example")})
	w := httptest.NewRecorder()
	o.handler.ServeHTTP(w, r)
	if got := w.Header().Get("Location"); got != "/" {
		t.Errorf("led to %q", got)
	}
}

func TestSignOut(t *testing.T) {
	o := newOffice(t)
	c, other := o.signIn(), o.signIn()
	if a := o.visit(c, "/sign-out"); a.StatusCode != 200 || !strings.Contains(a.body, "サインアウトしますか") || !strings.Contains(a.body, o.me.Name) {
		t.Errorf("asked: status %d", a.StatusCode)
	}
	if a := o.visit(c, "/roster"); a.StatusCode != 200 {
		t.Errorf("opening the page signed out: status %d", a.StatusCode)
	}
	if a := o.submit(c, "/sign-out", nil); a.StatusCode != http.StatusSeeOther {
		t.Errorf("signing out: status %d", a.StatusCode)
	}
	if a := o.visit(c, "/sign-out"); a.StatusCode != 200 || !strings.Contains(a.body, "サインアウトしました") {
		t.Errorf("told: status %d", a.StatusCode)
	}
	if a := o.visit(c, "/roster"); a.StatusCode != http.StatusSeeOther {
		t.Errorf("afterwards: status %d", a.StatusCode)
	}
	if a := o.visit(other, "/roster"); a.StatusCode != 200 {
		t.Errorf("on another device: status %d", a.StatusCode)
	}
}

func TestSessionEndsByItself(t *testing.T) {
	o := newOffice(t)
	c := o.signIn()
	o.pass(staff.SessionIdle - time.Minute)
	if a := o.visit(c, "/roster"); a.StatusCode != 200 {
		t.Errorf("within the idle time: status %d", a.StatusCode)
	}
	o.pass(staff.SessionIdle)
	if a := o.visit(c, "/roster"); a.StatusCode != http.StatusSeeOther {
		t.Errorf("idle: status %d", a.StatusCode)
	}
	if a := o.visit(c, "/sign-in"); a.StatusCode != 200 || !strings.Contains(a.body, "パスワードはありません") {
		t.Errorf("the sign-in page: status %d", a.StatusCode)
	}
}

func TestSignInPageSpeaksBothLanguages(t *testing.T) {
	o := newOffice(t)
	for language, want := range map[string]string{"ja": "一度だけ使えるサインイン用リンク", "en": "a link that works once"} {
		if a := o.send("GET", "/sign-in?lang="+language, http.NoBody); !strings.Contains(a.body, want) {
			t.Errorf("in %s it does not say %q", language, want)
		}
	}
}

func TestOnlyManagersSeeTheRoster(t *testing.T) {
	o := newOffice(t)
	o.me, _ = o.hire("s1", staff.Teacher)
	c := o.signIn()
	if a := o.visit(c, "/roster"); a.StatusCode != http.StatusForbidden || !strings.Contains(a.body, "管理者") {
		t.Errorf("a teacher: status %d", a.StatusCode)
	}
}
