package console

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/todoku/todoku/shared/roster"
	"github.com/todoku/todoku/shared/staff"
)

func TestAPINeedsAToken(t *testing.T) {
	o := newOffice(t)
	_, teacher := o.hire("s1", staff.Teacher)
	revoked, secret, err := o.server.Staff.NewToken(t.Context(), o.me.ID, "old", 0)
	o.must(err)
	o.must(o.server.Staff.Revoke(t.Context(), o.me.ID, revoked.ID))
	tests := []struct {
		name          string
		authorization string
		want          int
	}{
		{"no header", "", 401},
		{"another scheme", "Basic " + o.token, 401},
		{"no token", "Bearer ", 401},
		{"the scheme alone", "Bearer", 401},
		{"an unknown token", "Bearer todoku_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", 401},
		{"a revoked token", "Bearer " + secret, 401},
		{"hostile", "Bearer \u202e<script>", 401},
		{"a teacher's", "Bearer " + teacher, 403},
		{"a manager's", "Bearer " + o.token, 200},
		{"a manager's, scheme in lower case", "bearer " + o.token, 200},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a := o.send("GET", apiPath+"/roster", http.NoBody, "Authorization", tt.authorization)
			described(t, "GET", "/roster", a)
			if a.StatusCode != tt.want {
				t.Fatalf("status %d, want %d: %s", a.StatusCode, tt.want, a.body)
			}
			if tt.want != 200 {
				o.problem(a)
			}
			if got := a.Header.Get("WWW-Authenticate"); tt.want == 401 && !strings.HasPrefix(got, "Bearer") {
				t.Errorf("WWW-Authenticate %q", got)
			}
		})
	}
	if strings.Contains(o.log.String(), o.token) || strings.Contains(o.log.String(), secret) {
		t.Error("a token is in the log")
	}
}

func TestEveryRouteNeedsAToken(t *testing.T) {
	o := newOffice(t)
	for _, e := range o.server.endpoints() {
		path := apiPath + strings.ReplaceAll(e.path, "{id}", "01arz3ndektsv4rrffq69g5fav")
		a := o.send(e.method, path, http.NoBody, "Content-Type", "application/json")
		if a.StatusCode != 401 {
			t.Errorf("%s %s without a token: status %d", e.method, e.path, a.StatusCode)
		}
	}
}

func TestAPIWrongRequests(t *testing.T) {
	o := newOffice(t)
	const alert = "/alerts/01arz3ndektsv4rrffq69g5fav"
	real := "/alerts/" + o.alert(nil, false).ID
	tests := []struct {
		name         string
		method, path string
		header       []string
		body         string
		want         int
		headers      map[string]string // of the answer
	}{
		{name: "no such path", method: "GET", path: "/nothing", want: 404},
		{name: "no such path below", method: "GET", path: alert + "/nothing", want: 404},
		{name: "no such alert", method: "GET", path: alert, want: 404},
		{name: "no alert's id", method: "GET", path: "/alerts/%00%E2%80%AE", want: 404},
		{name: "a long id", method: "GET", path: "/alerts/" + strings.Repeat("x", 3000), want: 404},
		{name: "no such alert to close", method: "POST", path: alert + "/close", want: 404},
		{name: "no such alert to undo", method: "POST", path: alert + "/undo", want: 404},
		{name: "children of no such alert", method: "GET", path: alert + "/children", want: 404},
		{name: "delete", method: "DELETE", path: "/alerts", want: 405, headers: map[string]string{"Allow": "GET, HEAD, POST"}},
		{name: "get close", method: "GET", path: alert + "/close", want: 405, headers: map[string]string{"Allow": "POST"}},
		{name: "a form", method: "POST", path: "/alerts", header: []string{"Content-Type", "application/x-www-form-urlencoded"}, body: "kind=safety", want: 415},
		{name: "text", method: "POST", path: "/alerts", header: []string{"Content-Type", "text/plain"}, body: "{}", want: 415},
		{name: "a type that is none", method: "POST", path: "/alerts", header: []string{"Content-Type", ";;"}, body: "{}", want: 415},
		{name: "10 MB of JSON", method: "POST", path: "/alerts", body: `{"body":"` + strings.Repeat("x", 10<<20) + `"}`, want: 413},
		{name: "limit 0", method: "GET", path: "/alerts?limit=0", want: 422},
		{name: "limit too large", method: "GET", path: "/alerts?limit=501", want: 422},
		{name: "limit is no number", method: "GET", path: "/alerts?limit=ten", want: 422},
		{name: "cursor is no cursor", method: "GET", path: "/alerts?cursor=%3Cb%3E", want: 422},
		{name: "cursor with NUL", method: "GET", path: "/alerts?cursor=AAAA", want: 422},
		{name: "a long cursor", method: "GET", path: "/alerts?cursor=" + strings.Repeat("eHh4", 1000), want: 422},
		{name: "state is none", method: "GET", path: real + "/children?state=dead", want: 422},
		{name: "dry_run is neither", method: "POST", path: "/roster?dry_run=maybe", want: 422},
		{name: "encoding is none", method: "GET", path: "/roster?encoding=ebcdic", want: 422},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a := o.api(tt.method, tt.path, tt.body, tt.header...)
			if a.StatusCode != tt.want {
				t.Fatalf("status %d, want %d: %.300s", a.StatusCode, tt.want, a.body)
			}
			o.problem(a)
			for name, want := range tt.headers {
				if got := a.Header.Get(name); got != want {
					t.Errorf("%s is %q, want %q", name, got, want)
				}
			}
		})
	}
}

func TestAPIProblemsSpeakBothLanguages(t *testing.T) {
	o := newOffice(t)
	for language, want := range map[string]string{"": "件名を入力してください", "ja": "件名を入力してください", "en-GB,en": "Enter the subject"} {
		a := o.api("POST", "/alerts", `{"kind":"safety","body":"x","all":true,"useful_until":"2026-04-06T17:00:00+09:00"}`, "Accept-Language", language)
		if doc := o.problem(a); !strings.Contains(doc.Detail, want) {
			t.Errorf("Accept-Language %q: %q", language, doc.Detail)
		}
	}
}

func TestAPIBusyStore(t *testing.T) {
	o := newOffice(t)
	o.table.busy = true
	for _, e := range o.server.endpoints() {
		a := o.api(e.method, strings.ReplaceAll(e.path, "{id}", "01arz3ndektsv4rrffq69g5fav"), "{}", "Content-Type", "application/json")
		if a.StatusCode != 503 || a.Header.Get("Retry-After") == "" {
			t.Errorf("%s %s: status %d, Retry-After %q", e.method, e.path, a.StatusCode, a.Header.Get("Retry-After"))
		}
	}
}

func TestAPIGroups(t *testing.T) {
	o := newOffice(t)
	var got apiGroups
	o.ok(200, &got, "GET", "/groups", "")
	if diff := cmp.Diff(apiGroups{Groups: []roster.Group{}}, got); diff != "" {
		t.Errorf("without a roster (-want +got):\n%s", diff)
	}
	o.load(smallRoster)
	o.ok(200, &got, "GET", "/groups", "")
	var lines []string
	for _, g := range got.Groups {
		lines = append(lines, fmt.Sprintf("%s %s %d", g.Kind, g.Name, g.Children))
	}
	want := []string{"class 1年1組 1", "class 2年1組 2", "grade 1年 1", "grade 2年 2"}
	if diff := cmp.Diff(want, lines); diff != "" {
		t.Errorf("groups (-want +got):\n%s", diff)
	}
}

// rosterNumbers is what the numbers of a result say.
type rosterNumbers struct{ Children, Guardians, Contacts, Added, Changed, Unchanged int }

func TestAPIRoster(t *testing.T) {
	o := newOffice(t)
	form, formType := formBody("meibo.csv", []byte(smallRoster))
	changed := strings.Replace(smallRoster, "例 四季", "例 四季彩", 1)
	steps := []struct {
		name     string
		path     string
		body     io.Reader
		kind     string
		want     rosterNumbers
		children int // in the roster afterwards
	}{
		{"preview", "/roster?dry_run=1", strings.NewReader(smallRoster), "text/csv", rosterNumbers{3, 3, 2, 3, 0, 0}, 0},
		{"import", "/roster", strings.NewReader(smallRoster), "text/csv", rosterNumbers{3, 3, 2, 3, 0, 0}, 3},
		{"the same once more", "/roster?dry_run=0", strings.NewReader(smallRoster), "application/x-www-form-urlencoded", rosterNumbers{3, 3, 2, 0, 0, 3}, 3},
		{"in a form", "/roster", form, formType, rosterNumbers{3, 3, 2, 0, 0, 3}, 3},
		{"another child", "/roster?dry_run=true", strings.NewReader(changed), "", rosterNumbers{3, 3, 2, 1, 0, 2}, 3},
	}
	for _, tt := range steps {
		a := o.send("POST", apiPath+tt.path, tt.body, "Authorization", "Bearer "+o.token, "Content-Type", tt.kind)
		described(t, "POST", tt.path, a)
		var got rosterNumbers
		o.mustDecode(a, &got)
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
		if n := o.children(); n != tt.children {
			t.Errorf("%s: %d children in the roster, want %d", tt.name, n, tt.children)
		}
	}
}

func TestAPIRosterSaysWhatIsWrong(t *testing.T) {
	o := newOffice(t)
	faulty := smallRoster + "2,1,3,誤 五月,ご さつき,誤 母,090-0000-0005,satsuki＠,,\n"
	var got roster.Result
	o.ok(200, &got, "POST", "/roster", faulty, "Accept-Language", "en")
	if len(got.Errors) != 1 || got.Errors[0].Row != 5 || strings.ContainsAny(got.Errors[0].Message, "。「」") {
		t.Errorf("errors %+v, want one of row 5, in English", got.Errors)
	}
	if got.Children != 3 || o.children() != 3 {
		t.Errorf("%d children counted and %d imported, want the 3 good ones", got.Children, o.children())
	}
	if len(got.Warnings) == 0 {
		t.Error("nothing is said of the child without an address")
	}
}

func TestAPIRosterRefuses(t *testing.T) {
	o := newOffice(t)
	tests := []struct {
		name string
		body string
		want int
		says string
	}{
		{"nothing", "", 422, "空"},
		{"a PDF", "%PDF-1.7\n\x00\x01", 422, "PDF"},
		{"a workbook", "PK\x03\x04[Content_Types].xml", 422, "Excel"},
		{"a web page", "<!DOCTYPE html><p>x", 422, "HTML"},
		{"JSON", `{"children":[]}`, 422, "列"},
		{"no headers", "1,2,3\n4,5,6\n", 422, "列"},
		{"headers alone", "学年,組,氏名\n", 422, "行がありません"},
		{"binary", "\x00\xff\x00\xfe", 422, "文字"},
		{"larger than 20 MB", "学年,組,氏名\n" + strings.Repeat("1,1,見本 一郎\n", 1<<21), 413, "20 MB"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a := o.api("POST", "/roster", tt.body, "Content-Type", "text/csv")
			if doc := o.problem(a); a.StatusCode != tt.want || !strings.Contains(doc.Detail, tt.says) {
				t.Errorf("status %d, %q; want %d and %q", a.StatusCode, doc.Detail, tt.want, tt.says)
			}
		})
	}
	if n := o.children(); n != 0 {
		t.Errorf("%d children in the roster", n)
	}
}

func TestAPIRosterExport(t *testing.T) {
	o := newOffice(t)
	o.load(smallRoster)
	for encoding, mediaType := range map[string]string{"utf-8": "text/csv; charset=utf-8", "shift_jis": "text/csv; charset=Shift_JIS"} {
		a := o.ok(200, nil, "GET", "/roster?encoding="+encoding, "")
		if got := a.Header.Get("Content-Type"); got != mediaType {
			t.Errorf("%s has type %q", encoding, got)
		}
		var back roster.Result
		o.ok(200, &back, "POST", "/roster", a.body)
		if back.Unchanged != 3 || back.Added+back.Changed+len(back.Errors) != 0 {
			t.Errorf("%s, imported again: %+v", encoding, back)
		}
	}
	o.load(strings.Replace(smallRoster, "例 四季", "例 四季😀", 1))
	if a := o.api("GET", "/roster?encoding=shift_jis", ""); a.StatusCode != 422 {
		t.Errorf("a character that Shift_JIS does not have: status %d", a.StatusCode)
	}
}

func TestSampleSheetImports(t *testing.T) {
	o := newOffice(t)
	var got roster.Result
	o.ok(200, &got, "POST", "/roster", string(sampleSheet))
	if len(got.Errors) > 0 || got.Children != 4 {
		t.Errorf("the sample gives %+v", got)
	}
}

// A sheet without headers has a child where they should be; the answer quotes it
// to whom it belongs, the log does not.
func TestSheetsAreNotLogged(t *testing.T) {
	o := newOffice(t)
	const sheet = "見本 一郎,himitsu@example.jp\n"
	if a := o.api("POST", "/roster", sheet); a.StatusCode != 422 {
		t.Errorf("status %d", a.StatusCode)
	}
	c := o.signIn()
	o.visit(c, o.upload(c, "a.csv", []byte(sheet)))
	o.visit(c, o.upload(c, "a.csv", []byte("学年,組,氏名,himitsu@example.jp\n")))
	if log := o.log.String(); !strings.Contains(log, "sheet refused") || strings.Contains(log, "himitsu") || strings.Contains(log, "一郎") {
		t.Errorf("the log says: %s", log)
	}
}

// children counts the children of the manager's school.
func (o *office) children() int { return o.childrenOf(o.me.School) }

func (o *office) childrenOf(school string) int {
	o.t.Helper()
	groups, err := o.server.Roster.Groups(o.t.Context(), school)
	o.must(err)
	n := 0
	for _, g := range groups {
		if g.Kind == roster.Class {
			n += g.Children
		}
	}
	return n
}

func FuzzDecodeObject(f *testing.F) {
	for _, s := range []string{
		`{}`, `{"kind":"safety","all":true}`, `{"kind":1}`, `{"a":1,"a":2}`, `[]`, `{"kind":`, "\xff", `{"answers":["a",{"ja":"b"}]}`,
		`{"undo_seconds":1e99}`, `null`, `{"\u0000":null}`, `{"kind":"a"} {}`, `{"answers":[{"ja":[]}]}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		var q alertRequest
		wrong := decodeObject(body, q.members())
		for _, e := range wrong {
			if e.Text.JA == "" || e.Text.EN == "" || strings.Contains(e.Text.JA+e.Text.EN, "%!") {
				t.Errorf("a problem without words: %+v", e.Text)
			}
		}
		trimmed := bytes.TrimSpace(body)
		if len(wrong) == 0 && (len(trimmed) < 2 || trimmed[0] != '{' || trimmed[len(trimmed)-1] != '}') {
			t.Errorf("%q was taken for an object", body)
		}
	})
}
