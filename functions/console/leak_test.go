package console

import (
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/todoku/todoku/shared/access"
	"github.com/todoku/todoku/shared/alert"
	"github.com/todoku/todoku/shared/roster"
	"github.com/todoku/todoku/shared/staff"
)

// stranger is somebody who asks for what is not theirs.
type stranger struct {
	name  string
	staff staff.Staff // the zero Staff: nobody is signed in
	sees  bool        // the class that the walk asks for
	// headers of a request to a page, and to the API
	page, api func() []string
}

// strangers are everybody from whom something is to be kept.
func (o *office) strangers(class, other string) []stranger {
	none := func() []string { return nil }
	over := func() []string { // a session that was ended
		m, _ := o.hire("s1", staff.Manager)
		c := o.cookieOf(m)
		sessions, err := o.server.Staff.Sessions(o.t.Context(), m.ID)
		o.must(err)
		o.must(o.server.Staff.EndSession(o.t.Context(), m.ID, sessions[0].ID))
		return []string{"Cookie", c}
	}
	overToken := func() []string {
		m, _ := o.hire("s1", staff.Manager)
		t, secret, err := o.server.Staff.NewToken(o.t.Context(), m.ID, "test", 0)
		o.must(err)
		o.must(o.server.Staff.Revoke(o.t.Context(), m.ID, t.ID))
		return []string{"Authorization", "Bearer " + secret}
	}
	all := []stranger{{"nobody", staff.Staff{}, false, none, none}, {"revoked", staff.Staff{}, false, over, overToken}}
	for _, s := range []struct {
		name string
		m    staff.Staff
		sees bool
	}{
		{"other class", staff.Staff{School: "s1", Role: staff.Teacher, Groups: []string{other}}, false},
		{"no class", staff.Staff{School: "s1", Role: staff.Teacher}, false},
		{"viewer", staff.Staff{School: "s1", Role: staff.Viewer}, true},
		{"other school", staff.Staff{School: "s2", Role: staff.Manager}, false},
		{"same class id", staff.Staff{School: "s2", Role: staff.Teacher, Groups: []string{class}}, false},
		{"other district", staff.Staff{School: "s2", Role: staff.District, District: "d2"}, false},
	} {
		m, token := o.hire(s.m.School, s.m.Role)
		m.Groups, m.District = s.m.Groups, s.m.District
		m, err := o.server.Staff.PutStaff(o.t.Context(), m)
		o.must(err)
		all = append(all, stranger{
			s.name, m, s.sees,
			func() []string { return []string{"Cookie", o.cookieOf(m)} },
			func() []string { return []string{"Authorization", "Bearer " + token} },
		})
	}
	return all
}

// cookieOf signs somebody in, anew each time: what is asked for may sign them out.
func (o *office) cookieOf(m staff.Staff) string {
	o.t.Helper()
	link, err := o.server.Staff.NewLink(o.t.Context(), m.ID, 0)
	o.must(err)
	secret, _, err := o.server.Staff.SignIn(o.t.Context(), link, "")
	o.must(err)
	return o.server.cookieName(sessionCookie) + "=" + secret
}

var wildcard = regexp.MustCompile(`\{(\w+)(\.\.\.)?\}`)

// ask returns the request of a route with ids in the place of its wildcards.
func ask(r route, id, group string) (method, path string) {
	p := wildcard.ReplaceAllStringFunc(strings.ReplaceAll(r.pattern, "{$}", ""), func(w string) string {
		if strings.HasPrefix(w, "{group") {
			return group
		}
		return id
	})
	method, path, _ = strings.Cut(p, " ")
	return method, path
}

// secretRoster is a child of whom strangers are to learn nothing, and another.
const secretRoster = "学年,組,番号,氏名,ふりがな,保護者1氏名,保護者1電話,保護者1メール\n" +
	"1,1,1,秘密 一郎,ひみつ いちろう,秘密 花子,090-9999-0001,himitsu@example.com\n" +
	"2,1,1,見本 二葉,みほん ふたば,見本 花子,090-0000-0001,hanako@example.jp\n"

// harmless are the routes that say yes to an id of nothing, and do nothing: to end
// what is not there is no error. Where the person's own are looked for is tested with
// each.
var harmless = []string{"POST /roster/imports/{id}/cancel"}

// TestNothingLeaks asks for every page and API call, with the ids of another's alert,
// session and person in its path, as everybody who has no business there. It prints
// what each was answered.
func TestNothingLeaks(t *testing.T) {
	o := newOffice(t)
	o.load(secretRoster)
	o.must(o.server.Roster.PutSchool(t.Context(), roster.School{ID: "s2", Name: "よその学校", Mail: "a@b.example", Zone: "Asia/Tokyo"}))
	class, other := o.group("1年1組"), o.group("2年1組")
	theirs := o.alert(func(d *alert.Draft) {
		d.All, d.Groups, d.Subject, d.Audience = false, []string{class}, "一年生だけの連絡", "1年1組"
	}, true)
	o.answer(theirs, "秘密 一郎", "help")
	o.cookieOf(o.me)
	sessions, err := o.server.Staff.Sessions(t.Context(), o.me.ID)
	o.must(err)
	secrets := []string{"秘密 一郎", "ひみつ いちろう", "秘密 花子", "090-9999-0001", theirs.Subject, "himitsu@example.com"}
	strangers := o.strangers(class, other)
	ids := []string{theirs.ID, sessions[0].ID, o.me.ID}
	before := o.whole(theirs)
	rows := []string{row("", names(strangers))}
	for _, r := range o.server.routes {
		var cells []string
		for _, s := range strangers {
			statuses := map[int]bool{}
			for i, id := range ids {
				if i > 0 && !wildcard.MatchString(strings.ReplaceAll(r.pattern, "{$}", "")) {
					break
				}
				statuses[o.keptFrom(r, s, id, class, secrets)] = true
			}
			cells = append(cells, strings.Trim(fmt.Sprint(sortedKeys(statuses)), "[]"))
		}
		rows = append(rows, row(r.pattern, cells))
	}
	t.Logf("who is answered what (a teacher and a viewer of this school, a manager, a teacher and a district of others):\n%s", strings.Join(rows, "\n"))
	if after := o.whole(theirs); after != before {
		t.Errorf("something was changed:\n%s\n%s", before, after)
	}
}

// keptFrom asks as a stranger and returns the status. It fails if what was answered
// tells or does what it should not.
func (o *office) keptFrom(r route, s stranger, id, group string, secrets []string) int {
	o.t.Helper()
	method, path := ask(r, id, group)
	header := s.page()
	if r.api {
		header = s.api()
	}
	a := o.send(method, path, http.NoBody, append(header, "Content-Type", "application/x-www-form-urlencoded")...)
	if method == "POST" && r.api {
		a = o.send(method, path, strings.NewReader("{}"), append(header, "Content-Type", "application/json")...)
	}
	named := wildcard.MatchString(strings.ReplaceAll(r.pattern, "{$}", ""))
	refused := a.StatusCode >= 400 && a.StatusCode < 500
	switch {
	case a.StatusCode >= 500:
		o.t.Errorf("%s by %s: status %d", r.pattern, s.name, a.StatusCode)
	case r.do == access.Public:
	case s.staff.ID == "" && (method != "GET" || r.api):
		if a.StatusCode != http.StatusUnauthorized {
			o.t.Errorf("%s by %s: status %d", r.pattern, s.name, a.StatusCode)
		}
	case s.staff.ID == "":
		if !strings.HasPrefix(a.Header.Get("Location"), "/sign-in?next=") {
			o.t.Errorf("%s by %s: status %d to %q", r.pattern, s.name, a.StatusCode, a.Header.Get("Location"))
		}
	case !access.MayAnywhere(s.staff, r.do):
		if a.StatusCode != http.StatusForbidden {
			o.t.Errorf("%s by %s: status %d", r.pattern, s.name, a.StatusCode)
		}
	case named && !s.sees && !refused && !slices.Contains(harmless, r.pattern):
		o.t.Errorf("%s by %s: status %d for what is another's", r.pattern, s.name, a.StatusCode)
	}
	if s.sees && access.MayAnywhere(s.staff, r.do) {
		return a.StatusCode
	}
	for _, secret := range secrets {
		if strings.Contains(a.body+fmt.Sprint(a.Header), secret) {
			o.t.Errorf("%s tells %s of %s", r.pattern, s.name, secret)
		}
	}
	return a.StatusCode
}

// whole is all that a stranger might have changed.
func (o *office) whole(a alert.Alert) string {
	o.t.Helper()
	now, err := o.server.Alerts.Alert(o.t.Context(), a.ID)
	o.must(err)
	alerts, _, err := o.server.Alerts.List(o.t.Context(), "s1", "", 100)
	o.must(err)
	me, err := o.server.Staff.Staff(o.t.Context(), o.me.ID)
	o.must(err)
	templates, err := o.server.Alerts.Templates(o.t.Context(), "s1")
	o.must(err)
	size := 0
	groups, err := o.server.Roster.Groups(o.t.Context(), "s1")
	o.must(err)
	for _, g := range groups {
		size += g.Children
	}
	mine, err := o.server.Staff.Sessions(o.t.Context(), o.me.ID)
	o.must(err)
	return fmt.Sprint(now.Revision, len(alerts), me.Revision, templates.Revision, size, len(mine))
}

func names(all []stranger) (names []string) {
	for _, s := range all {
		names = append(names, s.name)
	}
	return names
}

func row(pattern string, cells []string) string {
	b := fmt.Sprintf("%-44s", pattern)
	for _, c := range cells {
		b += fmt.Sprintf(" %-14s", c)
	}
	return b
}

func sortedKeys(m map[int]bool) (keys []int) {
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// TestSessionsAreTheOwn: nobody ends another's session, or removes another's passkey.
func TestSessionsAreTheOwn(t *testing.T) {
	o := newOffice(t)
	mine := o.cookieOf(o.me)
	sessions, err := o.server.Staff.Sessions(t.Context(), o.me.ID)
	o.must(err)
	key, err := o.server.Staff.AddKey(t.Context(), o.me.ID, "a", []byte("{}"))
	o.must(err)
	other, _ := o.hire("s1", staff.Manager)
	for _, path := range []string{"/me/sessions/" + sessions[0].ID + "/end", "/me/keys/" + key.ID + "/remove"} {
		if a := o.send("POST", path, http.NoBody, "Cookie", o.cookieOf(other)); a.StatusCode != http.StatusNotFound {
			t.Errorf("%s: status %d", path, a.StatusCode)
		}
	}
	if a := o.send("GET", "/me", http.NoBody, "Cookie", mine); a.StatusCode != http.StatusOK {
		t.Errorf("the session has ended: status %d", a.StatusCode)
	}
}
