package console

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/html"

	"github.com/todoku/todoku/shared/mail/inbox"
	"github.com/todoku/todoku/shared/staff"
	"github.com/todoku/todoku/shared/table"
	"github.com/todoku/todoku/shared/web"
	"github.com/todoku/todoku/shared/web/webtest"
)

// probed is an office with an alert, and a manager's session.
func probed(t *testing.T) (o *office, alertID, cookie string) {
	o = newOffice(t)
	o.load(smallRoster)
	return o, o.alert(nil, true).ID, o.cookieOf(o.me)
}

// TestCrossSiteRequests: no page of another site makes the browser of somebody who is
// signed in do anything, and no cookie opens the API.
func TestCrossSiteRequests(t *testing.T) {
	o, alertID, cookie := probed(t)
	before, err := o.server.Alerts.Alert(t.Context(), alertID)
	o.must(err)
	for _, r := range o.server.routes {
		method, path := ask(r, alertID, o.group("1年1組"))
		if method == "GET" {
			continue
		}
		for name, header := range map[string][]string{
			"another site":        {"Sec-Fetch-Site", "cross-site", "Origin", "https://evil.example"},
			"a neighbour":         {"Sec-Fetch-Site", "same-site", "Origin", "https://x.todoku.test"},
			"an old browser":      {"Origin", "https://evil.example"},
			"a page without name": {"Origin", "null"},
		} {
			a := o.send(method, path, strings.NewReader("all=1"), append(header, "Cookie", cookie, "Content-Type", "application/x-www-form-urlencoded")...)
			if a.StatusCode != http.StatusForbidden {
				t.Errorf("%s from %s: status %d", r.pattern, name, a.StatusCode)
			}
		}
		if !r.api {
			continue
		}
		if a := o.send(method, path, strings.NewReader("{}"), "Cookie", cookie, "Content-Type", "application/json"); a.StatusCode != http.StatusUnauthorized {
			t.Errorf("%s by a cookie: status %d", r.pattern, a.StatusCode)
		}
	}
	after, err := o.server.Alerts.Alert(t.Context(), alertID)
	o.must(err)
	if after.Revision != before.Revision {
		t.Error("the alert was changed")
	}
}

// keptPages may be kept by the browser for its own Back button: they hold an alert's
// text and counts, and nobody's data.
var keptPages = []string{"GET /alerts/new", "GET /quick/{id}"}

// TestHeadersOfEveryPage: frames, sniffing, caches and scripts, for every answer to a
// GET, whoever asks, and for every address.
func TestHeadersOfEveryPage(t *testing.T) {
	o, alertID, cookie := probed(t)
	for _, r := range o.server.routes {
		method, path := ask(r, alertID, o.group("1年1組"))
		if method != "GET" {
			continue
		}
		if r.pattern == "GET /quick/{id}" {
			path = "/quick/weather"
		}
		for _, who := range [][]string{nil, {"Cookie", cookie, "Authorization", "Bearer " + o.token}} {
			a := o.send(method, path, http.NoBody, append(who, "Accept", "text/html")...)
			h := a.Header
			csp := h.Get("Content-Security-Policy")
			for _, want := range []string{"default-src 'none'", "script-src 'self'", "style-src 'self'", "form-action 'self'", "base-uri 'none'", "frame-ancestors 'none'"} {
				if !slices.Contains(strings.Split(csp, "; "), want) {
					t.Errorf("%s: the policy lacks %s", r.pattern, want)
				}
			}
			if strings.Contains(csp, "unsafe") || strings.Contains(csp, "*") || h.Get("X-Content-Type-Options") != "nosniff" || h.Get("Referrer-Policy") != "same-origin" || h.Get("Cross-Origin-Opener-Policy") != "same-origin" {
				t.Errorf("%s: %v", r.pattern, h)
			}
			if cache := h.Get("Cache-Control"); cache != "no-store" && !(cache == "private, no-cache" && slices.Contains(keptPages, r.pattern)) {
				t.Errorf("%s may be cached: %q", r.pattern, cache)
			}
			if h.Get("Access-Control-Allow-Origin") != "" {
				t.Errorf("%s is open to other sites", r.pattern)
			}
			typed(t, r.pattern, a)
		}
	}
}

// typed fails if an answer says nothing of what it is, or is a page with something that
// runs in it.
func typed(t *testing.T, pattern string, a answer) {
	t.Helper()
	kind := a.Header.Get("Content-Type")
	switch {
	case a.body == "" || a.StatusCode == http.StatusSeeOther:
	case strings.HasPrefix(kind, "text/html; charset=utf-8"):
		for _, found := range inline(a.body) {
			t.Errorf("%s holds %s", pattern, found)
		}
	case strings.HasPrefix(kind, "text/csv"):
		if !strings.HasPrefix(a.Header.Get("Content-Disposition"), "attachment") {
			t.Errorf("%s is a file that a browser opens in place", pattern)
		}
	case strings.HasPrefix(kind, "text/plain; charset=utf-8") && a.StatusCode >= 400:
	case kind != "application/json" && kind != "application/problem+json":
		t.Errorf("%s is of type %q", pattern, kind)
	}
}

// inline returns what would need unsafe-inline: a script or style on the page itself,
// an attribute that is one, an address that runs.
func inline(page string) (found []string) {
	root, err := html.Parse(strings.NewReader(page))
	if err != nil {
		return []string{err.Error()}
	}
	for n := range root.Descendants() {
		if n.Type != html.ElementNode {
			continue
		}
		if n.Data == "style" || n.Data == "iframe" || n.Data == "object" || n.Data == "script" && n.FirstChild != nil {
			found = append(found, "<"+n.Data+">")
		}
		for _, a := range n.Attr {
			runs := strings.HasPrefix(a.Key, "on") || a.Key == "style" || strings.HasPrefix(strings.ToLower(strings.TrimSpace(a.Val)), "javascript:")
			if runs || (a.Key == "src" || a.Key == "action") && strings.Contains(a.Val, "//") {
				found = append(found, a.Key+"="+a.Val)
			}
		}
	}
	return found
}

// TestInlineIsFound: the probe sees what it is for.
func TestInlineIsFound(t *testing.T) {
	for _, page := range []string{"<script>1</script>", "<p onclick=x>", "<p style=x>", "<a href=' JavaScript:x'>", "<style>a{}</style>", "<img src=https://a.example/b>"} {
		if len(inline(page)) != 1 {
			t.Errorf("%s: %q", page, inline(page))
		}
	}
}

// TestNextLeadsNowhereElse: every way to write another site's address.
func TestNextLeadsNowhereElse(t *testing.T) {
	for _, next := range []string{
		"https://evil.example", "//evil.example", "///evil.example", `/\evil.example`, `\/evil.example`, "/%5cevil.example", "/\t/evil.example",
		"/%09/evil.example", "/\n/evil.example", "http:evil.example", "javascript:alert(1)", "data:text/html,x", "/@evil.example\\..", " //evil.example", "/\x00/evil.example",
		"/.//evil.example", "/..//evil.example", "https:/evil.example",
	} {
		if !isLocal(next) {
			continue
		}
		base, err := url.Parse("https://todoku.test/sign-in")
		if err != nil {
			t.Fatal(err)
		}
		// as a browser reads it: without tabs and line ends, with / for \ (WHATWG URL, 4.4)
		to, err := base.Parse(strings.NewReplacer("\t", "", "\n", "", "\r", "", `\`, "/").Replace(strings.TrimSpace(next)))
		if err != nil || to.Host != base.Host || to.Scheme != base.Scheme {
			t.Errorf("%q leads to %v: %v", next, to, err)
		}
	}
}

// TestHostIsNotBelieved: what a request calls the host is in no page, no redirect and
// no mail.
func TestHostIsNotBelieved(t *testing.T) {
	o, alertID, cookie := probed(t)
	evil := func(method, path, body string) answer {
		r := httptest.NewRequest(method, path, strings.NewReader(body))
		r.Host = "evil.example"
		for _, h := range []string{"X-Forwarded-Host", "X-Host", "X-Original-Host"} {
			r.Header.Set(h, "evil.example")
		}
		r.Header.Set("Forwarded", "host=evil.example")
		r.Header.Set("Cookie", cookie)
		r.Header.Set("Authorization", "Bearer "+o.token)
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		w := httptest.NewRecorder()
		o.handler.ServeHTTP(w, r)
		return answer{w.Result(), w.Body.String()}
	}
	for _, r := range o.server.routes {
		method, path := ask(r, alertID, o.group("1年1組"))
		if method != "GET" {
			continue
		}
		a := evil(method, path, "")
		for _, v := range a.Header {
			a.body += strings.Join(v, " ")
		}
		if strings.Contains(a.body, "evil.example") {
			t.Errorf("%s believes the host", r.pattern)
		}
	}
	evil("POST", "/sign-in/mail", "mail="+url.QueryEscape(o.me.Mail))
	mails := o.server.Mail.(*inbox.Inbox).List() //nolint:forcetypeassert // it is one in tests
	if len(mails) != 1 || strings.Contains(mails[0].Text+mails[0].HTML, "evil.example") || !strings.Contains(mails[0].Text, o.server.BaseURL) {
		t.Errorf("the mail's link: %v", mails)
	}
}

// TestOnlyWhatIsExpected: a body of another type is not taken for a form or for JSON.
func TestOnlyWhatIsExpected(t *testing.T) {
	o, _, cookie := probed(t)
	body := goodForm(o).Encode()
	for _, kind := range []string{"text/plain", "application/json", "application/xml", "", "application/x-www-form-urlencoded; charset=x; boundary"} {
		if a := o.send("POST", "/alerts", strings.NewReader(body), "Cookie", cookie, "Content-Type", kind); a.StatusCode != http.StatusUnprocessableEntity {
			t.Errorf("a form as %q: status %d", kind, a.StatusCode)
		}
	}
	alert := `{"kind":"notice","subject":"x","body":"y","all":true,"useful_until":"2026-04-06T09:00:00Z"}`
	for _, kind := range []string{"text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=a", "text/html"} {
		if a := o.send("POST", apiPath+"/alerts", strings.NewReader(alert), "Authorization", "Bearer "+o.token, "Content-Type", kind); a.StatusCode != http.StatusUnsupportedMediaType {
			t.Errorf("JSON as %q: status %d", kind, a.StatusCode)
		}
	}
	alerts, _, err := o.server.Alerts.List(t.Context(), "s1", "", 10)
	o.must(err)
	if len(alerts) != 1 {
		t.Errorf("%d alerts were sent", len(alerts)-1)
	}
}

// TestAddressesThatPointInside: an address that names a machine of the inside is none.
// Of all others DNS is asked, and nobody is connected to: see TestWhoMayConnect of the
// drill.
func TestAddressesThatPointInside(t *testing.T) {
	o := newOffice(t)
	for _, inside := range []string{
		"a@localhost", "a@127.0.0.1", "a@[127.0.0.1]", "a@[IPv6:::1]", "a@169.254.169.254", "a@[169.254.169.254]", "a@0x7f000001", "a@2130706433",
		"a@metadata", "a@127.1", "a@[::ffff:10.0.0.1]", "a@10.0.0.1.", "a@example.com:25", "a@example.com/x", "a@evil.example@localhost",
	} {
		if a := o.askFor(webtest.Client(o.handler), inside); a.StatusCode != http.StatusUnprocessableEntity {
			t.Errorf("%s: status %d", inside, a.StatusCode)
		}
	}
}

// counted is a table that counts what is asked of it.
type counted struct {
	table.Table
	n atomic.Int64
}

func (c *counted) Get(ctx context.Context, key table.Key) (table.Item, error) {
	c.n.Add(1)
	return c.Table.Get(ctx, key)
}

func (c *counted) GetMany(ctx context.Context, keys ...table.Key) ([]table.Item, error) {
	c.n.Add(int64(len(keys)))
	return c.Table.GetMany(ctx, keys...)
}

func (c *counted) Query(ctx context.Context, q table.Query) (table.Page, error) {
	c.n.Add(1)
	return c.Table.Query(ctx, q)
}

func (c *counted) Write(ctx context.Context, token string, ops ...table.Op) error {
	c.n.Add(1)
	return c.Table.Write(ctx, token, ops...)
}

// accounts are addresses of a person, of nobody, of somebody who may not sign in, and of one
// whose school takes no mailed links.
func (o *office) accounts() []string {
	gone, _ := o.hire("s1", staff.Teacher)
	gone.Mail, gone.Disabled = "gone@school.example", true
	_, err := o.server.Staff.PutStaff(o.t.Context(), gone)
	o.must(err)
	barred, _ := o.hire("s1", staff.Teacher)
	barred.School, barred.Mail = "s2", "barred@school.example"
	_, err = o.server.Staff.PutStaff(o.t.Context(), barred)
	o.must(err)
	for i := range staff.Managers {
		m, err := o.server.Staff.PutStaff(o.t.Context(), staff.Staff{School: "s2", Name: "管理者", Mail: fmt.Sprintf("s2-%d@school.example", i), Role: staff.Manager})
		o.must(err)
		o.cookieOf(m)
		_, err = o.server.Staff.AddKey(o.t.Context(), m.ID, "a", []byte("{}"))
		o.must(err)
	}
	o.must(o.server.Staff.SetRule(o.t.Context(), "s2", staff.PasskeyOnly))
	return []string{o.me.Mail, "nobody@school.example", gone.Mail, barred.Mail}
}

// TestSignInTakesAsLong: on one machine the answer waits for nothing that depends on
// whether there is an account; on AWS, where nothing outlives a request, every answer
// takes the same time.
func TestSignInTakesAsLong(t *testing.T) {
	o := newOffice(t)
	accounts := o.accounts()
	var asked *counted
	answered := func() int64 {
		n := asked.n.Load()
		asked.n.Store(0)
		return n
	}
	asked = &counted{Table: o.table}
	o.server.Staff.Table = asked
	o.server.Background = func(func(context.Context)) {} // after the answer
	var first int64
	for i, mail := range accounts {
		o.askFor(webtest.Client(o.handler), mail)
		if n := answered(); i == 0 {
			first = n
		} else if n != first {
			t.Errorf("%s: the store is asked %d times before the answer, and %d times for a person", mail, n, first)
		}
	}
	synctest.Test(t, func(t *testing.T) {
		o := newOffice(t)
		o.server.Background = nil
		for _, mail := range o.accounts() {
			begun := time.Now()
			o.askFor(webtest.Client(o.handler), mail)
			if took := time.Since(begun); took != web.MailPause {
				t.Errorf("%s: answered after %v", mail, took)
			}
		}
	})
}
