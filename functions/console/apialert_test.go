package console

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/todoku/todoku/shared/alert"
	"github.com/todoku/todoku/shared/roster"
	"github.com/todoku/todoku/shared/staff"
)

// safety returns the body of a safety check to the whole school, with members
// changed; nil leaves a member out.
func safety(changes map[string]any) string {
	m := map[string]any{
		"kind": "safety", "subject": "地震のため安否確認", "body": "お子さんの状況を回答してください。",
		"all": true, "useful_until": monday.Add(5 * time.Hour).Format(time.RFC3339),
	}
	maps.Copy(m, changes)
	maps.DeleteFunc(m, func(_ string, v any) bool { return v == nil })
	b, err := json.Marshal(m)
	if err != nil {
		panic(err)
	}
	return string(b)
}

func TestAPIAlertFields(t *testing.T) {
	o := newOffice(t)
	o.load(smallRoster)
	type set = map[string]any
	some := func(n int) []string { return slices.Repeat([]string{"x"}, n) }
	tests := []struct {
		name  string
		body  string
		field string
	}{
		{"kind missing", safety(set{"kind": nil}), "kind"},
		{"kind unknown", safety(set{"kind": "panic"}), "kind"},
		{"kind a number", safety(set{"kind": 1}), "kind"},
		{"subject missing", safety(set{"subject": nil}), "subject"},
		{"subject blank", safety(set{"subject": " \u3000\n"}), "subject"},
		{"subject without width", safety(set{"subject": "\u200b"}), "subject"},
		{"subject of half a character", strings.Replace(safety(set{"subject": "x"}), `"x"`, `"\ud800"`, 1), "subject"},
		{"subject too long", safety(set{"subject": strings.Repeat("あ", 101)}), "subject"},
		{"subject an object", safety(set{"subject": set{}}), "subject"},
		{"subject with NUL", safety(set{"subject": "a\x00b"}), "subject"},
		{"subject turned around", safety(set{"subject": "a\u202eb"}), "subject"},
		{"body missing", safety(set{"body": nil}), "body"},
		{"body too long", safety(set{"body": strings.Repeat("あ", 4001)}), "body"},
		{"body with an escape", safety(set{"body": "a\x1b[2J"}), "body"},
		{"body a list", safety(set{"body": some(1)}), "body"},
		{"no audience", safety(set{"all": nil}), "groups"},
		{"all false", safety(set{"all": false}), "groups"},
		{"all a string", safety(set{"all": "true"}), "all"},
		{"groups empty", safety(set{"all": nil, "groups": some(0)}), "groups"},
		{"groups and all", safety(set{"groups": some(1)}), "groups"},
		{"groups a string", safety(set{"all": nil, "groups": "x"}), "groups"},
		{"groups of numbers", safety(set{"all": nil, "groups": []int{1}}), "groups"},
		{"a group that vanished", safety(set{"all": nil, "groups": some(1)}), "groups"},
		{"too many groups", safety(set{"all": nil, "groups": some(5001)}), "groups"},
		{"useful_until missing", safety(set{"useful_until": nil}), "useful_until"},
		{"useful_until without offset", safety(set{"useful_until": "2026-04-06T17:00:00"}), "useful_until"},
		{"useful_until in words", safety(set{"useful_until": "tomorrow"}), "useful_until"},
		{"useful_until past", safety(set{"useful_until": monday.Format(time.RFC3339)}), "useful_until"},
		{"useful_until too far", safety(set{"useful_until": "2027-04-06T17:00:00Z"}), "useful_until"},
		{"useful_until a number", safety(set{"useful_until": 1775444400}), "useful_until"},
		{"too many answers", safety(set{"answers": []string{"a", "b", "c", "d", "e", "f", "g"}}), "answers"},
		{"an empty answer", safety(set{"answers": []string{""}}), "answers"},
		{"two equal answers", safety(set{"answers": []string{"はい", "はい"}}), "answers"},
		{"two answers that look alike", safety(set{"answers": []set{{"ja": "はい"}, {"ja": " はい", "help": true}}}), "answers"},
		{"a long answer", safety(set{"answers": []string{strings.Repeat("あ", 41)}}), "answers"},
		{"an answer that is a number", safety(set{"answers": []int{1}}), "answers"},
		{"an answer with an unknown member", safety(set{"answers": []set{{"ja": "a", "id": "b"}}}), "answers"},
		{"answers a string", safety(set{"answers": "はい"}), "answers"},
		{"reminder negative", safety(set{"remind_after_minutes": -1}), "remind_after_minutes"},
		{"reminder enormous", safety(set{"remind_after_minutes": 1e15}), "remind_after_minutes"},
		{"reminder a fraction", safety(set{"remind_after_minutes": 1.5}), "remind_after_minutes"},
		{"reminder a string", safety(set{"remind_after_minutes": "30"}), "remind_after_minutes"},
		{"undo negative", safety(set{"undo_seconds": -1}), "undo_seconds"},
		{"undo too long", safety(set{"undo_seconds": 601}), "undo_seconds"},
		{"supersedes unknown", safety(set{"supersedes": "01arz3ndektsv4rrffq69g5fav"}), "supersedes"},
		{"supersedes hostile", safety(set{"supersedes": "../\x00"}), "supersedes"},
		{"supersedes a number", safety(set{"supersedes": 1}), "supersedes"},
		{"an unknown member", safety(set{"urgent": true}), "urgent"},
		{"a member in other letters", safety(set{"Subject": "x"}), "Subject"},
		{"a hostile member", safety(set{"\u202e<b>": 1}), `\u202e<b>`},
		{"a member twice", strings.Replace(safety(nil), "{", `{"subject":"a",`, 1), "subject"},
	}
	for _, tt := range tests {
		for _, language := range []string{"ja", "en"} {
			t.Run(tt.name+" "+language, func(t *testing.T) {
				a := o.api("POST", "/alerts", tt.body, "Accept-Language", language)
				doc := o.problem(a)
				if a.StatusCode != 422 || len(doc.Errors) != 1 || doc.Errors[0].Field != tt.field {
					t.Fatalf("status %d, errors %+v; want 422 and one of %q", a.StatusCode, doc.Errors, tt.field)
				}
				if isEnglish := !strings.ContainsAny(doc.Detail, "。、"); isEnglish != (language == "en") || strings.Contains(doc.Detail, "%!") {
					t.Errorf("in %s: %q", language, doc.Detail)
				}
			})
		}
	}
	if got := o.list(""); len(got.Alerts) > 0 {
		t.Errorf("%d alerts were made", len(got.Alerts))
	}
	if strings.Contains(o.log.String(), "お子さん") {
		t.Error("the text of an alert is in the log")
	}
}

// TestAlertToNobody: an alert that reaches no child is refused, by the API and by a form
// that goes past the preview; one to children without an address is not.
func TestAlertToNobody(t *testing.T) {
	o := newOffice(t)
	empty := roster.NewClass(3, "1")
	o.must(o.server.Roster.PutGroup(t.Context(), o.me.School, empty))
	refused := func(name, body string) {
		t.Helper()
		if a := o.api("POST", "/alerts", body); a.StatusCode != 422 || o.problem(a).Errors[0].Field != "groups" {
			t.Errorf("%s: status %d: %s", name, a.StatusCode, a.body)
		}
	}
	refused("a school without children", safety(nil))
	c := o.signIn()
	form := formOf(o.visit(c, "/quick/safety").body)
	form.Set("all", "1")
	form.Set("subject", "地震")
	form.Set("body", "状況を回答してください。")
	if a := o.submit(c, "/alerts", form); a.StatusCode != 422 || !strings.Contains(a.body, "児童生徒がいません") {
		t.Errorf("a form: status %d: %s", a.StatusCode, a.body)
	}
	o.load("学年,組,番号,氏名,保護者1氏名,保護者1電話\n1,1,1,見本 一郎,見本 花子,090-0000-0001\n")
	refused("an empty class", safety(map[string]any{"all": nil, "groups": []string{empty.ID}}))
	o.newAlert(nil)
	o.newAlert(map[string]any{"all": nil, "groups": []string{o.group("1年1組"), empty.ID}})
}

func TestAPIMalformedJSON(t *testing.T) {
	o := newOffice(t)
	tests := []struct{ name, body, says string }{
		{"nothing", "", "empty"},
		{"blanks", " \n", "empty"},
		{"a list", "[]", "JSON object"},
		{"null", "null", "JSON object"},
		{"cut off", `{"kind":"safety",`, "line 1, character 17"},
		{"a comma too many", "{\n  \"kind\": \"安全\",}", "line 2, character 16"},
		{"two values", "{}{}", "line 1, character 3"},
		{"not UTF-8", "{\"kind\":\"\x82\xa0\"}", "UTF-8"},
		{"a BOM", "\ufeff{}", "line 1, character 1"},
		{"deep", strings.Repeat("[", 100_000), "well-formed"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a := o.api("POST", "/alerts", tt.body, "Accept-Language", "en")
			if doc := o.problem(a); a.StatusCode != 422 || !strings.Contains(doc.Detail, tt.says) {
				t.Errorf("status %d, %q; want 422 and %q", a.StatusCode, doc.Detail, tt.says)
			}
		})
	}
}

func TestAPISaysAllThatIsWrong(t *testing.T) {
	o := newOffice(t)
	a := o.api("POST", "/alerts", `{"kind":"","subject":"","body":"","undo_seconds":-1,"remind_after_minutes":-1}`)
	var fields []string
	for _, f := range o.problem(a).Errors {
		fields = append(fields, f.Field)
	}
	slices.Sort(fields)
	want := []string{"body", "groups", "kind", "remind_after_minutes", "subject", "undo_seconds", "useful_until"}
	if diff := cmp.Diff(want, fields); diff != "" {
		t.Errorf("fields (-want +got):\n%s", diff)
	}
}

func TestAPIAlertIsAcceptedOnce(t *testing.T) {
	o := newOffice(t)
	o.load(smallRoster)
	post := func(body, key string) (int, madeAlert, string) {
		a := o.api("POST", "/alerts", body, "Idempotency-Key", key, "Content-Type", "application/json; charset=utf-8")
		var made madeAlert
		_ = json.Unmarshal([]byte(a.body), &made) // a problem has no id
		return a.StatusCode, made, a.Header.Get("Location")
	}
	status, first, location := post(safety(nil), "k1")
	if status != 201 || first.ID == "" || location != apiPath+"/alerts/"+first.ID {
		t.Fatalf("status %d, id %q, location %q", status, first.ID, location)
	}
	for range 3 {
		if status, again, _ := post(safety(nil), "k1"); status != 201 || again.ID != first.ID {
			t.Errorf("repeated: status %d, id %q, want 201 and %q", status, again.ID, first.ID)
		}
	}
	if status, _, _ := post(safety(map[string]any{"subject": "x"}), "k1"); status != 409 {
		t.Errorf("another alert with the key: status %d", status)
	}
	if second := o.newAlert(nil); second == first.ID {
		t.Error("without a key: the same alert")
	}
	for _, key := range []string{"", strings.Repeat("k", 256), "a b", "鍵", "\u202e"} {
		if status, _, _ := post(safety(nil), key); status != 422 {
			t.Errorf("key %.10q: status %d", key, status)
		}
	}
	if got := o.list(""); len(got.Alerts) != 2 {
		t.Errorf("%d alerts, want 2", len(got.Alerts))
	}
}

func TestAPIAlertAsItIs(t *testing.T) {
	o := newOffice(t)
	o.load(smallRoster)
	id := o.newAlert(map[string]any{"answers": []any{"行けます", map[string]any{"ja": "行けません", "en": "Cannot come", "help": true}}, "remind_after_minutes": 30})
	var got apiStatus
	o.ok(200, &got, "GET", "/alerts/"+id, "")
	want := apiAlert{
		ID: id, Kind: "safety", Subject: "地震のため安否確認", Body: "お子さんの状況を回答してください。", State: "open",
		Groups: []string{}, All: true, Audience: "全校", Accepted: monday, Starts: monday, UsefulUntil: monday.Add(5 * time.Hour),
		Answers: []apiAnswer{{ID: "c1", JA: "行けます"}, {ID: "c2", JA: "行けません", EN: "Cannot come", Help: true}},
	}
	if diff := cmp.Diff(want, got.apiAlert); diff != "" {
		t.Errorf("alert (-want +got):\n%s", diff)
	}
	if got.FanOutDone {
		t.Error("fan-out is done before it began")
	}
	o.runJob(id, alert.FanOut)
	o.ok(200, &got, "GET", "/alerts/"+id, "")
	wantChildren := map[string]int64{"total": 3, "answered": 0, "reached": 0, "silent": 2, "untold": 0, "refused": 0, "no_route": 1, "help": 0}
	if diff := cmp.Diff(wantChildren, got.Children); diff != "" {
		t.Errorf("children (-want +got):\n%s", diff)
	}
	wantCopies := map[string]int64{"total": 2, "queued": 2, "sending": 0, "delayed": 0, "sent": 0, "delivered": 0, "refused": 0, "cancelled": 0}
	if diff := cmp.Diff(wantCopies, got.Copies); diff != "" {
		t.Errorf("copies (-want +got):\n%s", diff)
	}
	if !got.FanOutDone || len(got.Lanes) == 0 || got.Lanes[0]["lane"] == "" {
		t.Errorf("fan_out_done %v, lanes %v", got.FanOutDone, got.Lanes)
	}
}

// newAlert sends an alert and returns its id.
func (o *office) newAlert(changes map[string]any) string {
	o.t.Helper()
	var made madeAlert
	o.ok(201, &made, "POST", "/alerts", safety(changes))
	return made.ID
}

func (o *office) list(query string) (page apiAlerts) {
	o.t.Helper()
	o.ok(200, &page, "GET", "/alerts"+query, "")
	return page
}

func TestAPIAlertsInPages(t *testing.T) {
	o := newOffice(t)
	o.load(smallRoster)
	var want, got []string
	for i := range 5 {
		o.pass(time.Second)
		want = append(want, o.newAlert(map[string]any{"subject": fmt.Sprintf("連絡%d", i)}))
	}
	slices.Reverse(want)
	for next := ""; ; {
		page := o.list("?limit=2&cursor=" + next)
		for _, a := range page.Alerts {
			got = append(got, a.ID)
		}
		if next = page.Next; next == "" {
			break
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("alerts (-want +got):\n%s", diff)
	}
}

func TestAPIChildren(t *testing.T) {
	o := newOffice(t)
	o.load(smallRoster)
	id := o.newAlert(nil)
	o.runJob(id, alert.FanOut)
	o.answerFor(id, "見本 一郎", "help")
	all := o.pages(id, "limit=1")
	if len(all) != 3 {
		t.Fatalf("%d children, want 3", len(all))
	}
	ichiro := all["見本 一郎"]
	if ichiro.State != "answered" || ichiro.Answer == nil || !ichiro.Answer.Help || ichiro.Answer.Text != "助けが必要です" || ichiro.ClassName != "1年1組" {
		t.Errorf("the child that was answered for: %+v, answer %+v", ichiro, ichiro.Answer)
	}
	if len(ichiro.Guardians) != 2 || ichiro.Guardians[0].Phones[0] != "090-0000-0001" || len(ichiro.Copies) != 2 {
		t.Errorf("its guardians %+v and copies %+v", ichiro.Guardians, ichiro.Copies)
	}
	if got := all["例 四季"]; got.State != "no_route" || got.Answer != nil {
		t.Errorf("the child without an address: %+v", got)
	}
	for state, want := range map[string]int{"answered": 1, "silent": 1, "no_route": 1, "reached": 0, "refused": 0} {
		if got := o.pages(id, "state="+state); len(got) != want {
			t.Errorf("%d children are %s, want %d", len(got), state, want)
		}
	}
	if a := o.api("GET", "/alerts/"+id+"/children", ""); strings.Contains(a.body, "@") {
		t.Error("an address is in the list")
	}
}

// pages reads all pages of an alert's children, by name.
func (o *office) pages(id, query string) map[string]apiChild {
	o.t.Helper()
	all := map[string]apiChild{}
	for next := ""; ; {
		var page apiChildren
		o.ok(200, &page, "GET", "/alerts/"+id+"/children?"+query+"&cursor="+next, "")
		for _, c := range page.Children {
			if _, twice := all[c.Name]; twice {
				o.t.Errorf("%s is on two pages", c.ID)
			}
			all[c.Name] = c
		}
		if next = page.Next; next == "" {
			return all
		}
	}
}

// answerFor answers for a child as its first guardian.
func (o *office) answerFor(alertID, name, choice string) {
	o.t.Helper()
	al, err := o.server.Alerts.Alert(o.t.Context(), alertID)
	o.must(err)
	for cursor := ""; ; {
		lines, next, err := o.server.Alerts.AllChildren(o.t.Context(), alertID, cursor, 100)
		o.must(err)
		for _, l := range lines {
			if l.Name == name {
				o.must(o.server.Alerts.Answer(o.t.Context(), al, alert.AnswerRequest{
					Ref: l.Ref, By: l.GuardianList()[0].ID, Way: alert.ByLink, Choices: map[string]string{l.ID: choice},
				}))
				return
			}
		}
		if cursor = next; next == "" {
			o.t.Fatalf("no child %s", name)
		}
	}
}

func TestAPICloseAndUndo(t *testing.T) {
	o := newOffice(t)
	o.load(smallRoster)
	open := o.newAlert(nil)
	for range 2 {
		var made madeAlert
		if o.ok(200, &made, "POST", "/alerts/"+open+"/close", ""); made.State != alert.StateClosed {
			t.Errorf("closed alert is %s", made.State)
		}
	}
	waiting := o.newAlert(map[string]any{"undo_seconds": 10})
	var made madeAlert
	if o.ok(200, &made, "POST", "/alerts/"+waiting+"/undo", ""); made.State != alert.StateUndone {
		t.Errorf("undone alert is %s", made.State)
	}
	late := o.newAlert(map[string]any{"undo_seconds": 10, "subject": "late"})
	o.pass(10 * time.Second)
	if a := o.api("POST", "/alerts/"+late+"/undo", ""); a.StatusCode != 409 {
		t.Errorf("undone too late: status %d", a.StatusCode)
	}
}

func TestAPISupersede(t *testing.T) {
	o := newOffice(t)
	o.load(smallRoster)
	old := o.newAlert(nil)
	id := o.newAlert(map[string]any{"supersedes": old, "subject": "訂正"})
	o.runJob(id, alert.FanOut)
	var got apiStatus
	o.ok(200, &got, "GET", "/alerts/"+old, "")
	if got.State != alert.StateSuperseded || got.SupersededBy != id {
		t.Errorf("the old alert is %s by %q", got.State, got.SupersededBy)
	}
	if a := o.api("POST", "/alerts", safety(map[string]any{"supersedes": old})); a.StatusCode != 409 {
		t.Errorf("superseded twice: status %d", a.StatusCode)
	}
}

func TestAPIIsWithinOneSchool(t *testing.T) {
	o := newOffice(t)
	o.load(smallRoster)
	id := o.newAlert(nil)
	_, o.token = o.hire("s2", staff.Manager)
	for _, request := range []string{"GET /alerts/" + id, "GET /alerts/" + id + "/children", "POST /alerts/" + id + "/close", "POST /alerts/" + id + "/undo"} {
		method, path, _ := strings.Cut(request, " ")
		if a := o.api(method, path, ""); a.StatusCode != http.StatusNotFound {
			t.Errorf("%s of another school: status %d", request, a.StatusCode)
		}
	}
	if got := o.list(""); len(got.Alerts) != 0 {
		t.Errorf("the list has %d alerts of another school", len(got.Alerts))
	}
	if n := o.childrenOf("s2"); n != 0 {
		t.Errorf("the other school has %d children", n)
	}
}
