package console

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/todoku/todoku/infra/drill/issuer"
	"github.com/todoku/todoku/shared/roster"
	"github.com/todoku/todoku/shared/staff"
	"github.com/todoku/todoku/shared/web/webtest"
)

// withOpenID lets people sign in with a provider whose account is the manager's.
func (o *office) withOpenID() *issuer.Issuer {
	o.t.Helper()
	i := issuer.Start(o.t, o.clock)
	i.Account("subject-1", o.me.Mail)
	o.server.OpenID = &OpenID{Issuer: i.URL, Client: issuer.Client, Secret: func(context.Context) (string, error) { return issuer.Secret, nil }}
	var err error
	o.handler, err = o.server.Handler()
	o.must(err)
	return i
}

// toProvider begins to sign in, and returns where the provider leads the browser back to.
func (o *office) toProvider(c *http.Client) string {
	o.t.Helper()
	return o.throughProvider(c, nil)
}

// throughProvider is toProvider with another way to the provider than the network.
func (o *office) throughProvider(c *http.Client, way http.RoundTripper) string {
	o.t.Helper()
	a := o.visit(c, "/sign-in/openid")
	if a.StatusCode != http.StatusSeeOther {
		o.t.Fatalf("status %d: %s", a.StatusCode, a.body)
	}
	to, err := url.Parse(a.Header.Get("Location"))
	o.must(err)
	browser := &http.Client{Transport: way, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	res, err := browser.Get(to.String())
	o.must(err)
	page, err := io.ReadAll(res.Body)
	o.must(err)
	_ = res.Body.Close()
	if res.StatusCode != http.StatusOK {
		o.t.Fatalf("the provider says: %s", page)
	}
	res, err = browser.Post(to.String(), "application/x-www-form-urlencoded", nil)
	o.must(err)
	_ = res.Body.Close()
	back := res.Header.Get("Location")
	if !strings.HasPrefix(back, o.server.BaseURL+"/sign-in/openid/callback?") {
		o.t.Fatalf("the provider leads to %s", back)
	}
	return strings.TrimPrefix(back, o.server.BaseURL)
}

func TestOpenID(t *testing.T) {
	o := newOffice(t)
	if page := o.visit(webtest.Client(o.handler), "/sign-in").body; strings.Contains(page, "/sign-in/openid") {
		t.Error("a provider is offered that is not there")
	}
	if a := o.visit(webtest.Client(o.handler), "/sign-in/openid"); a.StatusCode != http.StatusNotFound {
		t.Errorf("without a provider: status %d", a.StatusCode)
	}
	o.withOpenID()
	c := webtest.Client(o.handler)
	if page := o.visit(c, "/sign-in?next=/roster").body; !strings.Contains(page, `href="/sign-in/openid"`) {
		t.Error("the provider is not offered")
	}
	a := o.visit(c, o.toProvider(c))
	if a.StatusCode != http.StatusSeeOther || a.Header.Get("Location") != "/roster" {
		t.Fatalf("status %d to %s: %s", a.StatusCode, a.Header.Get("Location"), a.body)
	}
	if a := o.visit(c, "/roster"); a.StatusCode != http.StatusOK {
		t.Errorf("signed in: status %d", a.StatusCode)
	}
	if got := o.recorded(); !slices.ContainsFunc(got, func(e string) bool { return strings.Contains(e, "sign-in") }) {
		t.Errorf("recorded: %q", got)
	}
	for _, secret := range []string{"subject-1", o.me.Mail, "code="} {
		if strings.Contains(o.log.String(), secret) {
			t.Errorf("the log holds %s", secret)
		}
	}
}

// TestOpenIDRefuses: everything that is wrong with an answer.
func TestOpenIDRefuses(t *testing.T) {
	for _, tt := range []struct {
		name   string
		lie    map[string]any
		change func(o *office, i *issuer.Issuer, back string) string
		want   int
	}{
		{"another nonce", map[string]any{"nonce": "x"}, nil, 401},
		{"no nonce", map[string]any{"nonce": nil}, nil, 401},
		{"for another site", map[string]any{"aud": "other"}, nil, 401},
		{"by another issuer", map[string]any{"iss": "https://evil.example"}, nil, 401},
		{"expired", map[string]any{"exp": monday.Unix() - 1}, nil, 401},
		{"an address that is not verified", map[string]any{"email_verified": false}, nil, 401},
		{"an address of which nothing is said", map[string]any{"email_verified": nil}, nil, 401},
		{"no address", map[string]any{"email": nil}, nil, 401},
		{"no subject", map[string]any{"sub": ""}, nil, 401},
		{"claims of another kind", map[string]any{"email": 1}, nil, 401},
		{"Cognito's way to say verified", map[string]any{"email_verified": "true"}, nil, 303},
		{"Entra's way to say verified", map[string]any{"email_verified": nil, "xms_edov": "1"}, nil, 303},
		{"an address of nobody", map[string]any{"email": "nobody@school.example"}, nil, 403},
		{"upper case", map[string]any{"email": "HANAKO@School.Example"}, nil, 303},
		{"a forged token", nil, func(_ *office, i *issuer.Issuer, back string) string { i.Forge(); return back }, 401},
		{"another state", nil, func(_ *office, _ *issuer.Issuer, back string) string {
			return strings.Replace(back, "state=", "state=x", 1)
		}, 401},
		{"no state", nil, func(_ *office, _ *issuer.Issuer, back string) string {
			return strings.Replace(back, "state=", "other=", 1)
		}, 401},
		{"a made-up code", nil, func(_ *office, _ *issuer.Issuer, back string) string {
			return strings.Replace(back, "code=", "code=x", 1)
		}, 401},
		{"the person said no", nil, func(_ *office, _ *issuer.Issuer, back string) string {
			return strings.Replace(back, "code=", "error=access_denied&other=", 1)
		}, 401},
		{"the provider is away", nil, func(_ *office, i *issuer.Issuer, back string) string { i.Away(); return back }, 401},
		{"a disabled person", nil, func(o *office, _ *issuer.Issuer, back string) string {
			o.me.Disabled = true
			_, err := o.server.Staff.PutStaff(o.t.Context(), o.me)
			o.must(err)
			return back
		}, 403},
		{"somebody who shares the address", nil, func(o *office, _ *issuer.Issuer, back string) string {
			o.hire("s2", staff.Teacher)
			return back
		}, 409},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o := newOffice(t)
			i := o.withOpenID()
			i.Lie(tt.lie)
			c := webtest.Client(o.handler)
			back := o.toProvider(c)
			if tt.change != nil {
				back = tt.change(o, i, back)
			}
			a := o.visit(c, back)
			if a.StatusCode != tt.want {
				t.Errorf("status %d, want %d: %s", a.StatusCode, tt.want, o.log)
			}
			if in := o.visit(c, "/me").StatusCode == http.StatusOK; in != (tt.want == 303) {
				t.Errorf("signed in: %v", in)
			}
			people, err := o.server.Staff.OfSchool(t.Context(), "s1")
			o.must(err)
			if len(people) != 1 {
				t.Errorf("%d people: somebody was made", len(people))
			}
		})
	}
}

// TestOpenIDIsTheOwn: an answer signs in the browser that asked, once, and a successor
// with the same address is somebody else.
func TestOpenIDIsTheOwn(t *testing.T) {
	o := newOffice(t)
	i := o.withOpenID()
	c, thief := webtest.Client(o.handler), webtest.Client(o.handler)
	back := o.toProvider(c)
	o.toProvider(thief) // so that the thief has such a cookie, too
	if a := o.visit(thief, back); a.StatusCode != http.StatusUnauthorized {
		t.Errorf("in another browser: status %d", a.StatusCode)
	}
	if a := o.send("GET", back, http.NoBody); a.StatusCode != http.StatusUnauthorized {
		t.Errorf("in a browser without a cookie: status %d", a.StatusCode)
	}
	if a := o.visit(c, back); a.StatusCode != http.StatusSeeOther {
		t.Errorf("in the one that asked: status %d", a.StatusCode)
	}
	if a := o.visit(c, back); a.StatusCode != http.StatusUnauthorized {
		t.Errorf("once more: status %d", a.StatusCode)
	}
	i.Account("subject-2", o.me.Mail)
	successor := webtest.Client(o.handler)
	if a := o.visit(successor, o.toProvider(successor)); a.StatusCode != http.StatusUnauthorized {
		t.Errorf("a successor: status %d", a.StatusCode)
	}
	o.me.Mail = "new@school.example"
	_, err := o.server.Staff.PutStaff(t.Context(), o.me)
	o.must(err)
	i.Account("subject-3", o.me.Mail)
	renamed := webtest.Client(o.handler)
	if a := o.visit(renamed, o.toProvider(renamed)); a.StatusCode != http.StatusSeeOther {
		t.Errorf("with the address that a manager has put on record: status %d", a.StatusCode)
	}
	i.Away()
	o.server.OpenID.until = o.clock()
	if a := o.visit(renamed, "/sign-in/openid"); a.StatusCode != http.StatusServiceUnavailable || !strings.Contains(a.body, "パスキー") {
		t.Errorf("while the provider is away: status %d", a.StatusCode)
	}
}

// TestAddressOfAnother: whatever address another school puts on record, who has it comes in
// by the account they came by before, and by mail.
func TestAddressOfAnother(t *testing.T) {
	o := newOffice(t)
	i := o.withOpenID()
	const mail = "jiro@school.example"
	put := func(m staff.Staff) staff.Staff {
		m, err := o.server.Staff.PutStaff(t.Context(), m)
		o.must(err)
		return m
	}
	o.must(o.server.Roster.PutSchool(t.Context(), roster.School{ID: "s2", Name: "別の学校", Mail: "s2@school.example", Zone: "Asia/Tokyo"}))
	var older []staff.Staff
	for range 12 {
		older = append(older, put(staff.Staff{School: "s2", Name: "別の 人", Role: staff.Teacher}))
	}
	o.pass(time.Second)
	jiro := put(staff.Staff{School: "s1", Name: "見本 次郎", Mail: mail, Role: staff.Teacher})
	i.Account("subject-2", mail)
	comes := func(want int) {
		t.Helper()
		c := webtest.Client(o.handler)
		if a := o.visit(c, o.toProvider(c)); a.StatusCode != want {
			t.Errorf("status %d, want %d: %s", a.StatusCode, want, o.log)
		}
		if in := strings.Contains(o.visit(c, "/me").body, jiro.Name); in != (want == http.StatusSeeOther) {
			t.Errorf("signed in: %v", in)
		}
	}
	comes(http.StatusSeeOther)
	for _, m := range older {
		m.Mail = mail
		put(m)
	}
	comes(http.StatusSeeOther)
	o.askFor(webtest.Client(o.handler), mail)
	if n := len(o.mailedLinks(mail)); n != 11 {
		t.Errorf("%d mails, want one and ten of the other school", n)
	}
	people, err := o.server.Staff.ByMail(t.Context(), mail)
	o.must(err)
	if !slices.ContainsFunc(people, func(m staff.Staff) bool { return m.ID == jiro.ID }) {
		t.Error("no mail goes to who had the address first")
	}
	i.Account("subject-3", mail) // an account by which nobody of them has come
	comes(http.StatusConflict)
}
