package console

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/todoku/todoku/shared/staff"
	"github.com/todoku/todoku/shared/web/webtest"
)

// from returns a client that calls from an address.
func (o *office) from(address string) *http.Client {
	return webtest.Client(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.RemoteAddr = address + ":4711"
		o.handler.ServeHTTP(w, r)
	}))
}

// known signs somebody in, so that the client's browser is known from then on, and out.
func (o *office) known(c *http.Client, who staff.Staff) {
	o.t.Helper()
	link, err := o.server.Staff.NewLink(o.t.Context(), who.ID, 0)
	o.must(err)
	if a := o.submit(c, "/sign-in/"+link, nil); a.StatusCode != http.StatusSeeOther {
		o.t.Fatalf("status %d", a.StatusCode)
	}
	if a := o.submit(c, "/sign-out", nil); a.StatusCode != http.StatusSeeOther {
		o.t.Fatalf("status %d", a.StatusCode)
	}
}

func (o *office) mails() int { o.t.Helper(); return len(o.mailedLinks(o.me.Mail)) }

// TestNobodyIsLockedOut: whatever strangers do at the sign-in page, a person gets in.
func TestNobodyIsLockedOut(t *testing.T) {
	t.Run("one source asks for a person's mail without end", func(t *testing.T) {
		o := newOffice(t)
		for range 300 {
			o.askFor(o.from("203.0.113.66"), o.me.Mail)
		}
		if n := o.mails(); n != 3 {
			t.Errorf("%d mails", n)
		}
		if o.askFor(o.from("192.0.2.1"), o.me.Mail); o.mails() != 4 {
			t.Error("the person, who asks from elsewhere, gets none")
		}
	})
	t.Run("many sources do", func(t *testing.T) {
		o := newOffice(t)
		own, colleague := o.from("192.0.2.1"), o.from("192.0.2.1")
		o.known(own, o.me)
		other, _ := o.hire("s1", staff.Teacher)
		other.Mail = "jiro@school.example"
		other, err := o.server.Staff.PutStaff(t.Context(), other)
		o.must(err)
		o.known(colleague, other)
		for i := range 300 {
			o.askFor(o.from(fmt.Sprintf("203.0.%d.%d", i/200, i%200)), o.me.Mail)
		}
		before := o.mails()
		if before > 5 {
			t.Errorf("%d mails flood a person", before)
		}
		if o.askFor(colleague, o.me.Mail); o.mails() != before {
			t.Error("a browser that a colleague is known by is taken for the person's")
		}
		if o.askFor(own, o.me.Mail); o.mails() != before+1 {
			t.Error("the person, whose browser is known, gets none")
		}
	})
	t.Run("somebody asks slowly, for days", func(t *testing.T) {
		o := newOffice(t)
		own := o.from("192.0.2.1")
		o.known(own, o.me)
		for i := range 24 * 4 {
			o.askFor(o.from("203.0.113.66"), o.me.Mail)
			if i == 24*4/2 {
				if o.askFor(o.from("192.0.2.7"), o.me.Mail); o.mails() != 11 {
					t.Errorf("%d mails: the person, who asks from elsewhere, gets none", o.mails())
				}
			}
			o.askFor(own, "nobody@school.example")
			o.pass(15 * time.Minute)
		}
		if n := o.mails(); n > 21 { // the day of a budget is not the day of the test
			t.Errorf("%d mails", n)
		}
		for i := range 300 {
			o.askFor(o.from(fmt.Sprintf("203.0.%d.%d", i/200, i%200)), o.me.Mail)
			o.pass(time.Minute)
		}
		before := o.mails()
		if before > 21+30 {
			t.Errorf("%d mails for many sources", before)
		}
		if o.askFor(own, o.me.Mail); o.mails() != before+1 {
			t.Error("the person, whose browser is known, gets none")
		}
	})
	t.Run("somebody in the school's own network does", func(t *testing.T) {
		o := newOffice(t)
		const school = "198.51.100.7"
		own := o.from(school)
		o.known(own, o.me)
		var refused answer
		for i := range 101 {
			refused = o.askFor(o.from(school), fmt.Sprintf("nobody%d@school.example", i))
		}
		if refused.StatusCode != http.StatusTooManyRequests || !strings.Contains(refused.body, "パスキー") || !strings.Contains(refused.body, "nobody100@school.example") {
			t.Errorf("the 101st: status %d", refused.StatusCode)
		}
		if a := o.askFor(o.from(school), o.me.Mail); a.StatusCode != http.StatusTooManyRequests {
			t.Errorf("somebody who is not known: status %d", a.StatusCode)
		}
		if a := o.askFor(own, o.me.Mail); a.StatusCode != http.StatusSeeOther || o.mails() != 1 {
			t.Errorf("the person: status %d, %d mails", a.StatusCode, o.mails())
		}
		code, _, err := o.server.Staff.NewCode(t.Context(), o.me.ID)
		o.must(err)
		if a := o.submit(o.from(school), "/sign-in/code", url.Values{"code": {code}}); a.StatusCode != http.StatusSeeOther {
			t.Errorf("by a code: status %d", a.StatusCode)
		}
		o.pass(10 * time.Minute)
		if a := o.askFor(o.from(school), o.me.Mail); a.StatusCode != http.StatusSeeOther {
			t.Errorf("ten minutes later: status %d", a.StatusCode)
		}
	})
	t.Run("somebody guesses codes", func(t *testing.T) {
		o := newOffice(t)
		own := o.from("198.51.100.7")
		o.known(own, o.me)
		code := func() url.Values {
			code, _, err := o.server.Staff.NewCode(t.Context(), o.me.ID)
			o.must(err)
			return url.Values{"code": {code}}
		}
		for i := range 30 {
			if a := o.submit(o.from("198.51.100.7"), "/sign-in/code", url.Values{"code": {fmt.Sprintf("0000-0000-0000-%04d", i)}}); a.StatusCode != http.StatusUnprocessableEntity {
				t.Fatalf("guess %d: status %d", i, a.StatusCode)
			}
		}
		for _, tt := range []struct {
			name string
			c    *http.Client
			want int
		}{
			{"who guesses on", o.from("198.51.100.7"), http.StatusTooManyRequests},
			{"a browser that is known", own, http.StatusSeeOther},
			{"another source", o.from("192.0.2.1"), http.StatusSeeOther},
		} {
			if a := o.submit(tt.c, "/sign-in/code", code()); a.StatusCode != tt.want {
				t.Errorf("%s: status %d, want %d", tt.name, a.StatusCode, tt.want)
			}
		}
		if a := o.askFor(o.from("198.51.100.7"), o.me.Mail); a.StatusCode != http.StatusSeeOther {
			t.Errorf("mail for who guesses on: status %d", a.StatusCode)
		}
	})
	t.Run("passkeys and links have no budget", func(t *testing.T) {
		o := newOffice(t)
		o.atAName()
		for i := range 150 {
			o.askFor(o.from("198.51.100.7"), "nobody@school.example")
			o.submit(o.from("198.51.100.7"), "/sign-in/code", url.Values{"code": {fmt.Sprintf("0000-0000-0000-%04d", i)}})
		}
		if a := o.submit(o.from("198.51.100.7"), "/sign-in/passkey/begin", nil); a.StatusCode != http.StatusOK {
			t.Errorf("a passkey: status %d", a.StatusCode)
		}
		if a := o.submit(o.from("198.51.100.7"), o.newLink(), nil); a.StatusCode != http.StatusSeeOther {
			t.Errorf("a link: status %d", a.StatusCode)
		}
	})
}

// TestKnownBrowser: the cookie opens nothing, and a forged one is worth nothing.
func TestKnownBrowser(t *testing.T) {
	o := newOffice(t)
	c := o.from("192.0.2.1")
	o.known(c, o.me)
	u, err := url.Parse(site)
	o.must(err)
	var value string
	for _, cookie := range c.Jar.Cookies(u) {
		if cookie.Name == knownCookie {
			value = cookie.Value
		}
	}
	if value == "" {
		t.Fatal("no such cookie")
	}
	if a := o.send("GET", "/me", http.NoBody, "Cookie", knownCookie+"="+value); a.StatusCode != http.StatusSeeOther {
		t.Errorf("status %d", a.StatusCode)
	}
	for _, forged := range []string{"", "x", value + "x", strings.Repeat("x", 500), o.me.ID} {
		if a := o.server.Staff.Asker(t.Context(), "s", forged); len(a.Known) != 0 {
			t.Errorf("%.20q is known", forged)
		}
	}
	if a := o.server.Staff.Asker(t.Context(), "s", value); len(a.Known) != 1 {
		t.Errorf("known: %v", a.Known)
	}
	o.pass(staff.KnownLife)
	if a := o.server.Staff.Asker(t.Context(), "s", value); len(a.Known) != 0 {
		t.Errorf("known for ever: %v", a.Known)
	}
}
