package console

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/todoku/todoku/shared/staff"
	"github.com/todoku/todoku/shared/web/webtest"
)

// atAName has the console be reached by a name, without which there are no passkeys.
func (o *office) atAName() {
	o.t.Helper()
	o.server.BaseURL = "http://localhost:8080"
	var err error
	o.handler, err = o.server.Handler()
	o.must(err)
}

// challenge begins a touch and returns the challenge.
func (o *office) challenge(c *http.Client, path string) string {
	o.t.Helper()
	a := o.fetch(c, "POST", path, nil)
	var options struct {
		PublicKey struct {
			Challenge, RPID  string
			UserVerification string
			AllowCredentials []any
		}
	}
	o.mustDecode(a, &options)
	return options.PublicKey.Challenge
}

// TestPasskeyOptionsTellNobodyApart: what a stranger gets to see is the same whoever
// works here, and new each time.
func TestPasskeyOptionsTellNobodyApart(t *testing.T) {
	o := newOffice(t)
	o.atAName()
	seen := map[string]bool{}
	for range 3 {
		a := o.send("POST", "/sign-in/passkey/begin", http.NoBody)
		if a.StatusCode != 200 || strings.Contains(a.body, "allowCredentials") || a.Header.Get("Cache-Control") != "no-store" {
			t.Fatalf("status %d: %s", a.StatusCode, a.body)
		}
		var options map[string]map[string]any
		o.must(json.Unmarshal([]byte(a.body), &options))
		if options["publicKey"]["userVerification"] != "required" || options["publicKey"]["rpId"] != "localhost" {
			t.Errorf("options %s", a.body)
		}
		seen[options["publicKey"]["challenge"].(string)] = true //nolint:forcetypeassert // a test
		cookies := a.Cookies()
		if len(cookies) != 1 || !cookies[0].HttpOnly || cookies[0].SameSite != http.SameSiteLaxMode {
			t.Errorf("cookies %v", cookies)
		}
	}
	if len(seen) != 3 {
		t.Errorf("%d challenges of 3 are different", len(seen))
	}
}

// hostile are answers that no authenticator gives.
var hostile = []string{
	"", "{", "null", "[]", `{"id":"AA","rawId":"AA","type":"public-key"}`,
	`{"id":"AA","rawId":"AA","type":"public-key","response":{"clientDataJSON":"e30","authenticatorData":"AA","signature":"AA","userHandle":"AA"}}`,
	`{"id":"AA","rawId":"AA","type":"public-key","response":{"clientDataJSON":"e30","attestationObject":"o2NmbXRkbm9uZWdhdHRTdG10oGhhdXRoRGF0YUA"}}`,
	"\u202e<script>", strings.Repeat("[", 10000), strings.Repeat("a", 60000),
}

func TestHostileTouches(t *testing.T) {
	o := newOffice(t)
	o.atAName()
	c := webtest.Client(o.handler)
	me := o.signIn()
	for _, answer := range hostile {
		form := url.Values{"answer": {answer}, "name": {"x"}}
		o.challenge(c, "/sign-in/passkey/begin")
		if a := o.submit(c, "/sign-in/passkey", form); a.StatusCode != http.StatusUnauthorized || !strings.Contains(a.body, "パスキーを確認できませんでした") {
			t.Errorf("signing in with %.60q: status %d", answer, a.StatusCode)
		}
		o.challenge(me, "/me/keys/begin")
		if a := o.submit(me, "/me/keys", form); a.StatusCode != http.StatusUnprocessableEntity || !strings.Contains(a.body, "登録できませんでした") {
			t.Errorf("adding %.60q: status %d", answer, a.StatusCode)
		}
	}
	if a := o.submit(webtest.Client(o.handler), "/sign-in/passkey", url.Values{"answer": {"{}"}}); a.StatusCode != http.StatusUnauthorized {
		t.Errorf("without a challenge: status %d", a.StatusCode)
	}
	keys, err := o.server.Staff.Keys(t.Context(), o.me.ID)
	o.must(err)
	if len(keys) > 0 {
		t.Errorf("%d passkeys were added", len(keys))
	}
}

func TestNoPasskeysAtAnAddress(t *testing.T) {
	o := newOffice(t) // at 127.0.0.1
	c := o.signIn()
	if a := o.visit(c, "/me"); a.StatusCode != 200 || !strings.Contains(a.body, "このアドレスでは、パスキーを使えません") || strings.Contains(a.body, "data-passkey") {
		t.Errorf("own settings: status %d", a.StatusCode)
	}
	if a := o.visit(webtest.Client(o.handler), "/sign-in"); strings.Contains(a.body, "data-passkey") {
		t.Error("the sign-in page offers a passkey")
	}
	for _, path := range []string{"/sign-in/passkey/begin", "/sign-in/passkey", "/me/keys/begin", "/me/keys"} {
		if a := o.submit(c, path, url.Values{}); a.StatusCode != http.StatusConflict {
			t.Errorf("%s: status %d", path, a.StatusCode)
		}
	}
}

// TestSessions: who lost a telephone signs it out from another.
func TestSessions(t *testing.T) {
	o := newOffice(t)
	lost := o.signIn()
	o.pass(time.Hour)
	c := o.signIn()
	other, _ := o.person("s1", staff.Manager)
	list, err := o.server.Staff.Sessions(t.Context(), o.me.ID)
	o.must(err)
	if len(list) != 2 {
		t.Fatalf("%d sessions", len(list))
	}
	end := mePath + "/sessions/" + list[1].ID + "/end" // the older
	if a := o.submit(other, end, nil); a.StatusCode != http.StatusNotFound {
		t.Errorf("by somebody else: status %d", a.StatusCode)
	}
	if a := o.visit(c, "/me"); !strings.Contains(a.body, end) || strings.Contains(a.body, list[0].ID+"/end") {
		t.Error("the page does not offer the other session alone")
	}
	if a := o.submit(c, end, nil); a.StatusCode != http.StatusSeeOther {
		t.Errorf("status %d", a.StatusCode)
	}
	if a := o.visit(lost, "/roster"); a.StatusCode != http.StatusSeeOther {
		t.Errorf("the lost telephone: status %d", a.StatusCode)
	}
	if a := o.visit(c, "/roster"); a.StatusCode != 200 {
		t.Errorf("this one: status %d", a.StatusCode)
	}
	if a := o.submit(c, end, nil); a.StatusCode != http.StatusNotFound {
		t.Errorf("twice: status %d", a.StatusCode)
	}
	one, two := o.signIn(), o.signIn()
	if a := o.visit(c, "/me"); !strings.Contains(a.body, `action="/me/sessions/end"`) {
		t.Error("the page does not offer to end all others at once")
	}
	if a := o.submit(c, "/me/sessions/end", nil); a.StatusCode != http.StatusSeeOther {
		t.Errorf("all others: status %d", a.StatusCode)
	}
	for who, want := range map[*http.Client]int{one: http.StatusSeeOther, two: http.StatusSeeOther, c: http.StatusOK, other: http.StatusOK} {
		if a := o.visit(who, "/roster"); a.StatusCode != want {
			t.Errorf("after all others were ended: status %d, want %d", a.StatusCode, want)
		}
	}
	o.pass(staff.SessionLife)
	if list, err := o.server.Staff.Sessions(t.Context(), o.me.ID); err != nil || len(list) != 0 {
		t.Errorf("a week later: %v, %v", list, err)
	}
}
