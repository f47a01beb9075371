package console

import (
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/todoku/todoku/shared/access"
	"github.com/todoku/todoku/shared/staff"
	"github.com/todoku/todoku/shared/table/tabletest"
)

var secretPattern = regexp.MustCompile(`todoku_[A-Za-z0-9_-]{43}`)

// lastDay is a day on which a token may end; the office's clock stands at 2026-04-06.
const lastDay = "2027-04-06"

// newToken makes a token on the page, and returns what it shows.
func (o *office) newToken(c *http.Client, name string, may ...string) string {
	o.t.Helper()
	a := o.submit(c, "/tokens", url.Values{"name": {name}, "may": may, "ends": {lastDay}})
	if a.StatusCode != 200 {
		o.t.Fatalf("status %d: %s", a.StatusCode, a.body)
	}
	return secretPattern.FindString(a.body)
}

// TestScopesAreThoseOfTheCalls: what a token can be for is what the API's calls do.
func TestScopesAreThoseOfTheCalls(t *testing.T) {
	o := newOffice(t)
	used := map[access.Action]bool{}
	for _, e := range o.server.endpoints() {
		used[e.action] = true
		if !slices.Contains(scopes, e.action) {
			t.Errorf("%s %s does %s, which no token can be for", e.method, e.path, e.action)
		}
	}
	for _, do := range scopes {
		if !used[do] || scopeNames[do].JA == "" || scopeNames[do].EN == "" {
			t.Errorf("%s is done by no call, or has no name", do)
		}
	}
}

// TestTokens: shown once, good for what it was made for, revoked at once, recorded.
func TestTokens(t *testing.T) {
	o := newOffice(t)
	o.load(smallRoster)
	c := o.signIn()
	secret := o.newToken(c, "名簿連携", "frame", "roster")
	if secret == "" {
		t.Fatal("the page does not show the token")
	}
	call := func(path string) int {
		return o.send("GET", apiPath+path, http.NoBody, "Authorization", "Bearer "+secret).StatusCode
	}
	for path, want := range map[string]int{"/groups": 200, "/roster": 200, "/alerts": 403} {
		if got := call(path); got != want {
			t.Errorf("%s: status %d, want %d", path, got, want)
		}
	}
	alert := safety(map[string]any{"all": true})
	if a := o.send("POST", apiPath+"/alerts", strings.NewReader(alert), "Authorization", "Bearer "+secret, "Content-Type", "application/json"); a.StatusCode != 403 || !strings.Contains(a.body, "APIトークン") {
		t.Errorf("an alert by a token for the roster: status %d: %s", a.StatusCode, a.body)
	}
	a := o.visit(c, "/tokens")
	if strings.Contains(a.body, secret) || !strings.Contains(a.body, "名簿連携") || !strings.Contains(a.body, "12:00") {
		t.Errorf("the list: %s", a.body)
	}
	revoke := regexp.MustCompile(`/tokens/[a-z0-9]+/[a-z0-9]+/revoke`)
	tokens, err := o.server.Staff.Tokens(t.Context(), o.me.ID)
	o.must(err)
	if n := len(revoke.FindAllString(a.body, -1)); n != len(tokens) {
		t.Errorf("%d of %d tokens can be revoked", n, len(tokens))
	}
	id := tokens[len(tokens)-1].ID
	if a := o.submit(c, "/tokens/"+o.me.ID+"/"+id+"/revoke", nil); a.StatusCode != 303 || !strings.Contains(o.visit(c, a.Header.Get("Location")).body, "取り消しました") {
		t.Errorf("revoked: status %d", a.StatusCode)
	}
	if got := call("/groups"); got != 401 {
		t.Errorf("a revoked token: status %d", got)
	}
	entries, err := o.server.Audit.Day(t.Context(), o.me.School, o.clock().Format("2006-01-02"))
	o.must(err)
	var said []string
	for _, e := range entries {
		if e.Kind == "token" {
			said = append(said, e.Said)
		}
	}
	if !slices.Equal(said, []string{"発行: 名簿連携 / frame roster / 2027-04-06", "取り消し: 名簿連携 / 山田 花子"}) {
		t.Errorf("recorded: %q", said)
	}
	if strings.Contains(o.log.String(), secret) {
		t.Error("the token is in the log")
	}
}

// TestTokenFields: what is wrong is said at the field, and nothing typed is lost.
func TestTokenFields(t *testing.T) {
	o := newOffice(t)
	c := o.signIn()
	for _, tt := range []struct {
		name   string
		form   url.Values
		status int
		has    []string
	}{
		{"nothing chosen", url.Values{"name": {"連携"}}, 422, []string{`id="may-error"`, `value="連携"`}},
		{"an unknown thing chosen", url.Values{"name": {"連携"}, "may": {"people", "tokens", "fly"}}, 422, []string{`id="may-error"`}},
		{"no name", url.Values{"name": {" 　"}, "may": {"send"}}, 422, []string{`id="name-error"`, `value="send" checked`}},
		{"a long name", url.Values{"name": {strings.Repeat("あ", 101)}, "may": {"send"}}, 422, []string{`id="name-error"`, strings.Repeat("あ", 101)}},
		{"yesterday", url.Values{"name": {"連携"}, "may": {"send"}, "ends": {"2026-04-05"}}, 422, []string{`id="ends-error"`, `value="send" checked`, `value="2026-04-05"`}},
		{"more than a year", url.Values{"name": {"連携"}, "may": {"send"}, "ends": {"2027-04-07"}}, 422, []string{`id="ends-error"`}},
		{"no day", url.Values{"name": {"連携"}, "may": {"send"}, "ends": {""}}, 422, []string{`id="ends-error"`}},
		{"today", url.Values{"name": {"連携"}, "may": {"send"}, "ends": {"2026-04-06"}}, 200, []string{"2026-04-06T15:00:00Z", "まもなく期限"}},
		{"to end is to see", url.Values{"name": {"連携"}, "may": {"end"}}, 200, []string{"連絡と集計を読む<br>連絡を取り消す"}},
	} {
		if !tt.form.Has("ends") {
			tt.form.Set("ends", lastDay)
		}
		a := o.submit(c, "/tokens", tt.form)
		if a.StatusCode != tt.status {
			t.Errorf("%s: status %d", tt.name, a.StatusCode)
		}
		for _, want := range tt.has {
			if !strings.Contains(a.body, want) {
				t.Errorf("%s: no %s", tt.name, want)
			}
		}
	}
	for range staff.MaxTokens {
		_, _, _ = o.server.Staff.NewToken(t.Context(), o.me.ID, "x", 0)
	}
	if a := o.submit(c, "/tokens", url.Values{"name": {"連携"}, "may": {"send"}, "ends": {lastDay}}); a.StatusCode != http.StatusConflict || !strings.Contains(a.body, `value="連携"`) {
		t.Errorf("one too many: status %d", a.StatusCode)
	}
}

// TestTokensOfTheSchool: a manager sees and revokes a colleague's, and no other
// school's.
func TestTokensOfTheSchool(t *testing.T) {
	o := newOffice(t)
	c := o.signIn()
	colleague, _ := o.hire("s1", staff.Manager)
	foreign, _ := o.hire("s2", staff.Manager)
	for _, tt := range []struct {
		whose staff.Staff
		want  int
	}{{colleague, 303}, {foreign, 404}} {
		made, secret, err := o.server.Staff.NewToken(t.Context(), tt.whose.ID, "of "+tt.whose.School, 0)
		o.must(err)
		if shown := strings.Contains(o.visit(c, "/tokens").body, made.ID); shown != (tt.want == 303) {
			t.Errorf("a token of %s is shown: %v", tt.whose.School, shown)
		}
		if a := o.submit(c, "/tokens/"+tt.whose.ID+"/"+made.ID+"/revoke", nil); a.StatusCode != tt.want {
			t.Errorf("a token of %s: status %d", tt.whose.School, a.StatusCode)
		}
		_, err = o.server.Staff.ByToken(t.Context(), secret)
		if works := err == nil; works == (tt.want == 303) {
			t.Errorf("a token of %s works: %v", tt.whose.School, works)
		}
	}
}

// TestTokenUseIsCoarse: a program that calls all the time costs one write an hour.
func TestTokenUseIsCoarse(t *testing.T) {
	o := newOffice(t)
	asked := &tabletest.Counted{Table: o.table}
	o.server.Staff.Table = asked
	for range 600 {
		o.must(func() error { _, err := o.server.Staff.ByToken(t.Context(), o.token); return err }())
		o.pass(10 * time.Second)
	}
	if asked.Writes != 2 {
		t.Errorf("%d writes in 100 minutes", asked.Writes)
	}
}
