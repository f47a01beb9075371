package console

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/todoku/todoku/shared/access"
	"github.com/todoku/todoku/shared/staff"
)

// TestWhatAsksForAProof: who may come in, and what is taken away; never what an
// emergency needs.
func TestWhatAsksForAProof(t *testing.T) {
	o := newOffice(t)
	asks := map[string]bool{}
	for _, r := range o.server.routes {
		if asks[r.pattern] = r.proven; !r.proven {
			continue
		}
		switch r.do {
		case access.People, access.Tokens, access.Own, access.Roster, access.Reach, access.Audit:
		default:
			t.Errorf("%s, which is for %s, asks for a proof", r.pattern, r.do)
		}
	}
	for _, must := range []string{
		"POST /people", "POST /people/{id}", "POST /people/{id}/code", "POST /people/{id}/disable", "POST /people/import", "POST /people/hand-over",
		"POST /tokens", "POST /me/keys/begin", "POST /me/keys", "POST /me/keys/{id}/remove", "POST /me/sessions/{id}/end", "POST /me/sessions/end", "GET /roster/export.csv", "GET /audit.csv",
		"GET /roster/imports/{id}/rejected.csv", "GET /reach/{group}/slips", "GET /reach/{group}/cards",
	} {
		if !asks[must] {
			t.Errorf("%s asks for no proof", must)
		}
	}
	for _, free := range []string{"GET /alerts/{id}/children.csv", "GET /alerts/{id}/calls.csv", "POST /reach/{group}/slips"} {
		if asks[free] {
			t.Errorf("%s asks for a proof", free)
		}
	}
}

// TestProofEnds: a session that is older is led to the proof and loses nothing; a form
// that was open can still be sent.
func TestProofEnds(t *testing.T) {
	o := newOffice(t)
	o.load(smallRoster)
	c := o.signIn()
	form := url.Values{"name": {"名簿連携"}, "may": {"frame"}, "ends": {lastDay}}
	if a := o.visit(c, "/tokens"); a.StatusCode != 200 {
		t.Fatalf("just signed in: status %d", a.StatusCode)
	}
	o.pass(proofLife)
	slips := "/reach/" + o.group("1年1組") + "/slips"
	if a := o.submit(c, slips, nil); a.StatusCode != http.StatusSeeOther || a.Header.Get("Location") != slips {
		t.Errorf("codes are not made: status %d", a.StatusCode)
	}
	for path, next := range map[string]string{slips + "?child=x": slips + "?child=x", "/tokens": "/tokens", "/people/new": "/people/new", "/roster/export.csv": "/roster", "/audit.csv?from=x": "/audit"} {
		if a := o.visit(c, path); a.StatusCode != http.StatusSeeOther || a.Header.Get("Location") != provePath+"?next="+url.QueryEscape(next) {
			t.Errorf("%s: status %d to %s", path, a.StatusCode, a.Header.Get("Location"))
		}
	}
	if a := o.visit(c, "/me"); !strings.Contains(a.body, provePath) || strings.Contains(a.body, `data-begin="/me/keys/begin"`) {
		t.Error("own settings offer what asks for a proof")
	}
	for _, path := range []string{"/", "/alerts/new", "/people", "/roster", "/audit", "/me"} {
		if a := o.visit(c, path); a.StatusCode != 200 {
			t.Errorf("%s asks for a proof: status %d", path, a.StatusCode)
		}
	}
	if a := o.submit(c, "/tokens", form); a.StatusCode != 200 {
		t.Errorf("a form that was open: status %d", a.StatusCode)
	}
	o.pass(proofForm)
	if a := o.submit(c, "/tokens", form); a.StatusCode != http.StatusForbidden || !strings.Contains(a.body, "まだ送信されていません") {
		t.Errorf("an hour later: status %d", a.StatusCode)
	}
	if a := o.visit(c, provePath+"?next=//else.example"); a.StatusCode != 200 || !strings.Contains(a.body, `name="mail" value="`+o.me.Mail) {
		t.Errorf("the proof's page: status %d", a.StatusCode)
	}
	if a := o.visit(c, "/me/prove?next=//else.example"); strings.Contains(strings.Join(a.Header.Values("Set-Cookie"), " "), "else.example") {
		t.Error("it would lead to another site")
	}
}

// TestProofLeadsBack: everybody goes back to where they came from.
func TestProofLeadsBack(t *testing.T) {
	o := newOffice(t)
	first := o.signIn()
	second, _ := o.person("s2", staff.Manager)
	o.pass(proofLife)
	for _, c := range []*http.Client{first, second, first} {
		for _, path := range []string{"/people/1", "/people/2", "/people/new"} {
			if a := o.visit(c, path); a.Header.Get("Location") != provePath+"?next="+url.QueryEscape(path) {
				t.Errorf("%s leads to %s", path, a.Header.Get("Location"))
			}
		}
	}
}

// TestMailIsNoProofOfAPasskey: whoever reads the mail of somebody with a passkey signs in
// and gets no further; of somebody without, a fresh link is all there is.
func TestMailIsNoProofOfAPasskey(t *testing.T) {
	for name, tt := range map[string]struct {
		keys int
		want bool
	}{"without a passkey": {0, true}, "with a passkey": {1, false}} {
		o := newOffice(t)
		for range tt.keys {
			_, err := o.server.Staff.AddKey(t.Context(), o.me.ID, "a", []byte("{}"))
			o.must(err)
		}
		signIn := func(token, browser string) bool {
			secret, _, err := o.server.Staff.SignIn(t.Context(), token, browser)
			o.must(err)
			a := o.send("GET", "/people/new", http.NoBody, "Cookie", o.server.cookieName(sessionCookie)+"="+secret)
			return a.StatusCode == http.StatusOK
		}
		browser := o.server.Staff.NewBrowser()
		link, err := o.server.Staff.NewMailedLink(t.Context(), o.me.ID, browser, staff.Asker{Source: "192.0.2.1"})
		o.must(err)
		if got := signIn(link, browser); got != tt.want {
			t.Errorf("%s: a mailed link proves: %v", name, got)
		}
		code, _, err := o.server.Staff.NewCode(t.Context(), o.me.ID)
		o.must(err)
		if !signIn(code, "") {
			t.Errorf("%s: a manager's code proves nothing", name)
		}
	}
}

// TestProofRefused: nothing but a touch of an own passkey proves anything.
func TestProofRefused(t *testing.T) {
	o := newOffice(t)
	o.atAName()
	c := o.signIn()
	if a := o.submit(c, provePath+"/begin", nil); a.StatusCode != http.StatusUnauthorized {
		t.Errorf("without a passkey: status %d", a.StatusCode)
	}
	o.pass(2 * time.Hour)
	for _, answer := range hostile {
		o.challenge(c, "/sign-in/passkey/begin") // one that is not for this
		if a := o.submit(c, provePath, url.Values{"answer": {answer}}); a.StatusCode != http.StatusUnauthorized {
			t.Errorf("%.60q: status %d", answer, a.StatusCode)
		}
	}
	if a := o.visit(c, "/people/new"); a.StatusCode != http.StatusSeeOther {
		t.Errorf("proven: status %d", a.StatusCode)
	}
}
