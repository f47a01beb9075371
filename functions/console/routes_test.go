package console

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/todoku/todoku/shared/access"
	"github.com/todoku/todoku/shared/alert"
	"github.com/todoku/todoku/shared/staff"
	"github.com/todoku/todoku/shared/web/webtest"
)

// public are the routes that nobody needs to sign in for. To add one is a
// decision, so they stand here once more.
var public = []string{
	"GET /sign-in", "GET /sign-in/openid", "GET /sign-in/openid/callback", "GET /sign-in/{token}", "POST /sign-in/{token}", "POST /sign-in/passkey", "POST /sign-in/mail", "GET /sign-in/code", "POST /sign-in/code", "GET /sign-in/mail", "POST /sign-in/passkey/begin", "GET /sign-out", "POST /sign-out",
	"GET /api/v1/openapi.json",
}

// TestEveryRouteAsksForItsAction walks all routes as somebody who may nothing.
func TestEveryRouteAsksForItsAction(t *testing.T) {
	o := newOffice(t)
	open := map[string]bool{}
	for _, p := range public {
		open[p] = true
	}
	for _, r := range o.server.routes {
		if !access.Known(r.do) {
			t.Errorf("%s does %q, which is no action", r.pattern, r.do)
		}
		if (r.do == access.Public) != open[r.pattern] {
			t.Errorf("%s does %q", r.pattern, r.do)
		}
		delete(open, r.pattern)
		if r.do == access.Public {
			continue
		}
		method, path, _ := strings.Cut(fillIn(r.pattern, strangeID), " ")
		a := o.send(method, path, http.NoBody, "Content-Type", "application/json")
		switch {
		case r.api || method != "GET":
			if a.StatusCode != http.StatusUnauthorized {
				t.Errorf("%s by nobody: status %d", r.pattern, a.StatusCode)
			}
		case a.StatusCode != http.StatusSeeOther || !strings.HasPrefix(a.Header.Get("Location"), "/sign-in?next="):
			t.Errorf("%s by nobody: status %d to %q", r.pattern, a.StatusCode, a.Header.Get("Location"))
		}
	}
	for p := range open {
		t.Errorf("%s is said to be public and is not served", p)
	}
}

// TestEveryChangeIsRecorded: what changes something, and what shows or hands out
// children in bulk, says what goes into the audit log.
func TestEveryChangeIsRecorded(t *testing.T) {
	o := newOffice(t)
	for _, r := range o.server.routes {
		says := r.records != "" || r.recordsItself || r.changesNothing
		bulk := r.do == access.Children || r.do == access.Export || strings.HasSuffix(r.pattern, "/export.csv")
		if r.do != access.Public && !strings.HasPrefix(r.pattern, "GET ") && !says {
			t.Errorf("%s does not say what it records", r.pattern)
		}
		if bulk && r.records == "" {
			t.Errorf("%s shows many children and records nothing", r.pattern)
		}
	}
}

const strangeID = "01arz3ndektsv4rrffq69g5fav"

// fillIn puts something in the place of a pattern's wildcards.
func fillIn(pattern, id string) string {
	return strings.NewReplacer("{$}", "", "{id}", id, "{group}", id, "{token}", id, "{family}", id, "{paper}", "1", "{queue}", "copies").Replace(pattern)
}

// person returns a client, and an API token, of a new member of staff.
func (o *office) person(school string, role staff.Role, groups ...string) (*http.Client, string) {
	o.t.Helper()
	m, token := o.hire(school, role)
	m.Groups = groups
	m, err := o.server.Staff.PutStaff(o.t.Context(), m)
	o.must(err)
	before := o.me
	defer func() { o.me = before }()
	o.me = m
	return o.signIn(), token
}

// TestTeachersSeeTheirOwn: one alert to all, one to another class.
func TestTeachersSeeTheirOwn(t *testing.T) {
	o := newOffice(t)
	o.load(smallRoster)
	mine, other := o.group("1年1組"), o.group("2年1組")
	all := o.alert(nil, true)
	o.answer(all, "見本 一郎", "help")
	o.answer(all, "見本 二葉", "help")
	theirs := o.alert(func(d *alert.Draft) { d.All, d.Groups, d.Subject = false, []string{other}, "二年生だけの連絡" }, true)
	c, token := o.person("s1", staff.Teacher, mine)
	for _, tt := range []struct {
		path   string
		status int
		has    string
		hasNot string
	}{
		{"/", 200, all.Subject, theirs.Subject},
		{"/alerts/" + all.ID, 200, "/classes/" + mine, "/classes/" + other},
		{"/alerts/" + all.ID + "/classes/" + mine, 200, "見本 一郎", "見本 二葉"},
		{"/alerts/" + all.ID + "/classes/" + other, 403, "担当", "見本 二葉"},
		{"/alerts/" + all.ID + "/help", 200, "見本 一郎", "見本 二葉"},
		{"/alerts/" + all.ID + "/children.csv", 403, "管理者", "見本 一郎"},
		{"/alerts/" + theirs.ID, 404, "見つかりません", theirs.Subject},
		{"/alerts/" + theirs.ID + "/close", 404, "見つかりません", theirs.Subject},
		{"/alerts/new?from=" + theirs.ID, 404, "見つかりません", theirs.Subject},
		{"/alerts/new", 200, mine, other},
		{"/alerts/new", 200, mine, `name="all"`},
		{"/roster", 403, "管理者", "1年1組"},
	} {
		a := o.visit(c, tt.path)
		if a.StatusCode != tt.status || !strings.Contains(a.body, tt.has) || strings.Contains(a.body, tt.hasNot) {
			t.Errorf("%s: status %d, want %d; has %q: %v; has %q: %v", tt.path, a.StatusCode, tt.status,
				tt.has, strings.Contains(a.body, tt.has), tt.hasNot, strings.Contains(a.body, tt.hasNot))
		}
	}
	bearer := []string{"Authorization", "Bearer " + token}
	for _, path := range []string{"/alerts", "/alerts/" + all.ID + "/children", "/alerts/" + theirs.ID, "/alerts/" + theirs.ID + "/children"} {
		a := o.send("GET", apiPath+path, http.NoBody, bearer...)
		if strings.Contains(a.body, "見本 二葉") || strings.Contains(a.body, theirs.Subject) {
			t.Errorf("the API tells of another class: %s", path)
		}
	}
}

// TestTeachersSendToTheirOwn tries every way of sending to what is not theirs.
func TestTeachersSendToTheirOwn(t *testing.T) {
	o := newOffice(t)
	o.load(smallRoster)
	mine, other, grade := o.group("1年1組"), o.group("2年1組"), o.group("2年")
	_, token := o.person("s1", staff.Teacher, mine)
	_, viewer := o.person("s1", staff.Viewer)
	theirs := o.alert(func(d *alert.Draft) { d.All, d.Groups = false, []string{other} }, false)
	for _, tt := range []struct {
		name, token, to string
		want            int
	}{
		{"own class", token, `"groups":["` + mine + `"]`, 201},
		{"another class", token, `"groups":["` + other + `"]`, 403},
		{"own and another class", token, `"groups":["` + mine + `","` + other + `"]`, 403},
		{"a grade", token, `"groups":["` + grade + `"]`, 403},
		{"the school", token, `"all":true`, 403},
		{"in place of another class's", token, `"groups":["` + mine + `"],"supersedes":"` + theirs.ID + `"`, 403},
		{"a viewer", viewer, `"all":true`, 403},
		{"a manager", o.token, `"all":true`, 201},
	} {
		body := `{"kind":"notice","subject":"x","body":"y","useful_until":"` + o.clock().Add(3600e9).Format("2006-01-02T15:04:05Z") + `",` + tt.to + `}`
		a := o.send("POST", apiPath+"/alerts", strings.NewReader(body), "Authorization", "Bearer "+tt.token)
		if a.StatusCode != tt.want {
			t.Errorf("%s: status %d, want %d: %.200s", tt.name, a.StatusCode, tt.want, a.body)
		}
	}
}

// TestFormRefusedLosesNothing: a teacher posts what the form did not offer.
func TestFormRefusedLosesNothing(t *testing.T) {
	o := newOffice(t)
	o.load(smallRoster)
	c, _ := o.person("s1", staff.Teacher, o.group("1年1組"))
	form := url.Values{"kind": {"notice"}, "subject": {"大雨"}, "body": {"迎えに来てください"}, "all": {"1"}, "answers": {"standard"}, "useful_until": {"2026-04-06T18:00"}}
	for _, path := range []string{"/alerts/preview", "/alerts/test", "/alerts"} {
		a := o.submit(c, path, form)
		if a.StatusCode != http.StatusForbidden || !strings.Contains(a.body, "迎えに来てください") || !strings.Contains(a.body, "担当") {
			t.Errorf("%s: status %d", path, a.StatusCode)
		}
	}
}

func TestDisabledAreOutAtOnce(t *testing.T) {
	o := newOffice(t)
	c := o.signIn()
	link := o.newLink()
	if a := o.visit(c, "/roster"); a.StatusCode != 200 {
		t.Fatalf("status %d", a.StatusCode)
	}
	o.me.Disabled = true
	_, err := o.server.Staff.PutStaff(t.Context(), o.me)
	o.must(err)
	if a := o.visit(c, "/roster"); a.StatusCode != http.StatusSeeOther {
		t.Errorf("by session: status %d", a.StatusCode)
	}
	if a := o.send("GET", apiPath+"/roster", http.NoBody, "Authorization", "Bearer "+o.token); a.StatusCode != 401 {
		t.Errorf("by token: status %d", a.StatusCode)
	}
	if a := o.submit(webtest.Client(o.handler), link, nil); a.StatusCode != http.StatusGone {
		t.Errorf("by link: status %d", a.StatusCode)
	}
}
