package console

import (
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/todoku/todoku/shared/mail/inbox"
	"github.com/todoku/todoku/shared/staff"
	"github.com/todoku/todoku/shared/web/webtest"
)

var signInLinkPattern = regexp.MustCompile(`http://(?:127\.0\.0\.1|localhost):8080(/sign-in/[A-Za-z0-9_-]{22})`)

// mailedLinks returns the paths of the links in the mails to an address, newest
// first.
func (o *office) mailedLinks(to string) []string {
	o.t.Helper()
	var links []string
	for _, e := range o.server.Mail.(*inbox.Inbox).List() { //nolint:forcetypeassert // it is one in tests
		if m := signInLinkPattern.FindStringSubmatch(e.Text); m != nil && strings.Contains(e.To, to) {
			links = append(links, m[1])
		}
	}
	return links
}

// lastMail returns the text of the newest mail to an address, "" if there is none.
func (o *office) lastMail(to string) string {
	o.t.Helper()
	for _, e := range o.server.Mail.(*inbox.Inbox).List() { //nolint:forcetypeassert // it is one in tests
		if strings.Contains(e.To, to) {
			return e.Text
		}
	}
	return ""
}

func (o *office) askFor(c *http.Client, address string) answer {
	o.t.Helper()
	return o.submit(c, "/sign-in/mail", url.Values{"mail": {address}})
}

func TestMailedLink(t *testing.T) {
	o := newOffice(t)
	c, thief := webtest.Client(o.handler), webtest.Client(o.handler)
	if a := o.askFor(c, "　HANAKO@school.example "); a.StatusCode != http.StatusSeeOther || a.Header.Get("Location") != "/sign-in/mail" {
		t.Fatalf("status %d", a.StatusCode)
	}
	links := o.mailedLinks("hanako@school.example")
	if len(links) != 1 {
		t.Fatalf("%d mails", len(links))
	}
	o.askFor(thief, "somebody@school.example") // so that the thief has such a cookie, too
	for _, method := range []string{"GET", "POST"} {
		if a := o.fetch(thief, method, links[0], nil); a.StatusCode != http.StatusForbidden || !strings.Contains(a.body, "依頼したブラウザーでだけ") || strings.Contains(a.body, o.me.Name) {
			t.Errorf("%s from another browser: status %d", method, a.StatusCode)
		}
		if a := o.send(method, links[0], http.NoBody); a.StatusCode != http.StatusForbidden {
			t.Errorf("%s from a browser without a cookie: status %d", method, a.StatusCode)
		}
	}
	o.askFor(c, "hanako@school.example") // an impatient person
	o.pass(staff.MailedLife - time.Second)
	if a := o.visit(c, links[0]); a.StatusCode != 200 {
		t.Errorf("opened: status %d", a.StatusCode)
	}
	if a := o.submit(c, links[0], nil); a.StatusCode != http.StatusSeeOther {
		t.Fatalf("signing in: status %d", a.StatusCode)
	}
	if a := o.visit(c, "/roster"); a.StatusCode != 200 {
		t.Errorf("signed in: status %d", a.StatusCode)
	}
	if a := o.send("POST", links[0], http.NoBody); a.StatusCode != http.StatusGone {
		t.Errorf("used twice: status %d", a.StatusCode)
	}
	if strings.Contains(o.log.String(), "hanako") {
		t.Error("an address is in the log")
	}
}

func TestMailedLinkEnds(t *testing.T) {
	o := newOffice(t)
	c := webtest.Client(o.handler)
	o.askFor(c, o.me.Mail)
	o.pass(staff.MailedLife)
	if a := o.submit(c, o.mailedLinks(o.me.Mail)[0], nil); a.StatusCode != http.StatusGone {
		t.Errorf("status %d", a.StatusCode)
	}
}

// TestNobodyLearnsWhoHasAnAccount compares all that a stranger sees.
func TestNobodyLearnsWhoHasAnAccount(t *testing.T) {
	o := newOffice(t)
	gone, _ := o.hire("s1", staff.Teacher)
	gone.Mail, gone.Disabled = "gone@school.example", true
	_, err := o.server.Staff.PutStaff(t.Context(), gone)
	o.must(err)
	var first answer
	for i, address := range []string{o.me.Mail, "nobody@school.example", "gone@school.example"} {
		a := o.askFor(webtest.Client(o.handler), address)
		if i == 0 {
			first = a
		}
		if a.StatusCode != first.StatusCode || a.body != first.body || len(a.Cookies()) != len(first.Cookies()) || a.Header.Get("Location") != first.Header.Get("Location") {
			t.Errorf("%s is answered in another way", address)
		}
	}
	if n := len(o.mailedLinks("gone@")); n != 0 {
		t.Errorf("%d mails to a disabled person", n)
	}
	for _, typed := range []string{"", "nonsense", "a@b@c", strings.Repeat("x", 5000), "\u202e"} {
		a := o.askFor(webtest.Client(o.handler), typed)
		if a.StatusCode != http.StatusUnprocessableEntity || !strings.Contains(a.body, `id="mail-error"`) {
			t.Errorf("%.20q: status %d", typed, a.StatusCode)
		}
	}
}

// TestMailsAreFew: a mailbox is not flooded, and a minute later goes on.
func TestMailsAreFew(t *testing.T) {
	o := newOffice(t)
	for i := range 20 {
		o.askFor(o.from(fmt.Sprintf("192.0.2.%d", i)), o.me.Mail)
	}
	if n := len(o.mailedLinks(o.me.Mail)); n != 5 {
		t.Errorf("%d mails within a minute", n)
	}
	o.pass(time.Minute)
	c := webtest.Client(o.handler)
	o.askFor(c, o.me.Mail)
	links := o.mailedLinks(o.me.Mail)
	if len(links) != 6 {
		t.Fatalf("%d mails in the next", len(links))
	}
	signedIn := 0
	for _, l := range links {
		if a := o.submit(c, l, nil); a.StatusCode == http.StatusSeeOther {
			signedIn++
			break
		}
	}
	if signedIn != 1 {
		t.Error("the link does not work")
	}
}

// TestAnotherAddress: a link goes to where the person's mail goes now.
func TestAnotherAddress(t *testing.T) {
	o := newOffice(t)
	before := o.me.Mail
	o.me.Mail = "new@school.example"
	var err error
	o.me, err = o.server.Staff.PutStaff(t.Context(), o.me)
	o.must(err)
	o.askFor(webtest.Client(o.handler), before)
	o.askFor(webtest.Client(o.handler), "new@school.example")
	if old, now := len(o.mailedLinks(before)), len(o.mailedLinks("new@")); old != 0 || now != 1 {
		t.Errorf("%d mails to the old address, %d to the new", old, now)
	}
}
