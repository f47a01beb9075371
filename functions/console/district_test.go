package console

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/todoku/todoku/shared/alert"
	"github.com/todoku/todoku/shared/roster"
	"github.com/todoku/todoku/shared/staff"
)

// ofDistrict makes three schools, two of them in the district, with a roster each, and
// signs in somebody who looks after the district.
func (o *office) ofDistrict() (c *http.Client, who staff.Staff) {
	o.t.Helper()
	for _, v := range []roster.School{{ID: "s1", Name: "第一小学校", District: "見本市"}, {ID: "s2", Name: "第二小学校", District: "見本市"}, {ID: "s3", Name: "よその小学校", District: "隣市"}} {
		v.Mail, v.Phone, v.Zone = "renraku@"+v.ID+".example", "03-0000-0000", "Asia/Tokyo"
		o.must(o.server.Roster.PutSchool(o.t.Context(), v))
		_, token := o.hireAt(v.ID, staff.Manager)
		if a := o.send("POST", apiPath+"/roster", strings.NewReader(smallRoster), "Authorization", "Bearer "+token); a.StatusCode != 200 {
			o.t.Fatalf("status %d", a.StatusCode)
		}
	}
	who, err := o.server.Staff.PutStaff(o.t.Context(), staff.Staff{School: "s1", District: "見本市", Name: "指導主事 例", Mail: "shido@city.example", Role: staff.District})
	o.must(err)
	mine := o.me
	defer func() { o.me = mine }()
	o.me = who
	return o.signIn(), who
}

// hireAt is hire at a school that is there.
func (o *office) hireAt(school string, role staff.Role) (staff.Staff, string) {
	o.t.Helper()
	m, err := o.server.Staff.PutStaff(o.t.Context(), staff.Staff{School: school, Name: "例 次郎", Mail: school + "@school.example", Role: role})
	o.must(err)
	_, token, err := o.server.Staff.NewToken(o.t.Context(), m.ID, "test", 0)
	o.must(err)
	return m, token
}

// of returns the newest alert of a school.
func (o *office) of(school string) (newest alert.Alert) {
	o.t.Helper()
	alerts, _, err := o.server.Alerts.List(o.t.Context(), school, "", 10)
	o.must(err)
	if len(alerts) > 0 {
		newest = alerts[0]
	}
	return newest
}

// TestTurn: somebody of the district turns from school to school of the district, and
// to no other.
func TestTurn(t *testing.T) {
	o := newOffice(t)
	c, who := o.ofDistrict()
	for school, name := range map[string]string{"s1": "一つ目", "s2": "二つ目", "s3": "三つ目"} {
		d := alert.Draft{School: school, Kind: alert.Notice, Subject: name, Body: "x", All: true, UsefulUntil: o.clock().Add(3600e9), Sender: alert.Sender{ID: who.ID, Name: "x"}}
		_, _, err := o.server.Alerts.Accept(t.Context(), d, school)
		o.must(err)
	}
	page := o.visit(c, "/district").body
	for _, want := range []string{"第一小学校", "第二小学校", "一つ目", "二つ目"} {
		if !strings.Contains(page, want) {
			t.Errorf("the list lacks %s", want)
		}
	}
	if strings.Contains(page, "よその小学校") || strings.Contains(page, "三つ目") {
		t.Error("the list tells of another district")
	}
	holds := func(has, hasNot string) {
		t.Helper()
		if page := o.visit(c, "/").body; !strings.Contains(page, has) || strings.Contains(page, hasNot) {
			t.Errorf("has %s: %v, has %s: %v", has, strings.Contains(page, has), hasNot, strings.Contains(page, hasNot))
		}
	}
	if a := o.fetch(c, "GET", "/", nil); a.Header.Get("Location") != "/district" {
		t.Errorf("the first page, before a school was chosen: status %d to %q", a.StatusCode, a.Header.Get("Location"))
	}
	o.submit(c, "/district/turn", url.Values{"school": {"s1"}})
	holds("一つ目", "二つ目")
	if a := o.submit(c, "/district/turn", url.Values{"school": {"s2"}, "alert": {o.of("s2").ID}}); a.Header.Get("Location") != "/alerts/"+o.of("s2").ID {
		t.Errorf("status %d to %s", a.StatusCode, a.Header.Get("Location"))
	}
	holds("二つ目", "一つ目")
	for _, path := range []string{"/quick/weather", "/alerts/new"} { // "the whole school" could be taken for all of them
		if page := o.visit(c, path).body; !strings.Contains(page, "<b>第二小学校の全員</b>") || strings.Contains(page, "全校") {
			t.Errorf("%s does not say by its name which school is told", path)
		}
	}
	if a := o.visit(c, "/alerts/"+o.of("s3").ID); a.StatusCode != http.StatusNotFound {
		t.Errorf("an alert of another district: status %d", a.StatusCode)
	}
	if a := o.submit(c, "/district/turn", url.Values{"school": {"s2"}, "alert": {o.of("s3").ID}}); a.Header.Get("Location") != "/" {
		t.Errorf("an alert of another district: %s", a.Header.Get("Location"))
	}
	for _, other := range []string{"s3", "", "nonsense", "../s1"} {
		if a := o.submit(c, "/district/turn", url.Values{"school": {other}}); a.StatusCode != http.StatusNotFound {
			t.Errorf("to %q: status %d", other, a.StatusCode)
		}
	}
	holds("二つ目", "三つ目")
	for _, path := range []string{"/roster", "/people"} {
		if a := o.visit(c, path); a.StatusCode != http.StatusForbidden {
			t.Errorf("%s: status %d", path, a.StatusCode)
		}
	}
	left := roster.School{ID: "s2", Name: "第二小学校", District: "隣市", Zone: "Asia/Tokyo"}
	o.must(o.server.Roster.PutSchool(t.Context(), left))
	holds("一つ目", "二つ目") // it left the district: back to where they belong
}

// TestSendToTheDistrict: one form, one alert at each school, once; undone at all of them.
func TestSendToTheDistrict(t *testing.T) {
	o := newOffice(t)
	c, who := o.ofDistrict()
	o.must(o.server.Roster.PutSchool(t.Context(), roster.School{ID: "s4", Name: "開校前の小学校", District: "見本市", Zone: "Asia/Tokyo"}))
	form := formOf(o.visit(c, "/district/send").body)
	form["schools"] = []string{"s1", "s2", "s3", "s4"}
	bad := o.submit(c, "/district/preview", url.Values{"schools": {"s3", "s4"}, "body": {"本文だけ"}})
	if bad.StatusCode != 422 || !strings.Contains(bad.body, "本文だけ") || !strings.Contains(bad.body, `id="schools-error"`) || !strings.Contains(bad.body, `id="subject-error"`) {
		t.Errorf("status %d: %s", bad.StatusCode, bad.body)
	}
	for k, v := range map[string]string{"kind": "safety", "subject": "大雪による休校", "body": "明日は休校です", "useful_until": "2026-04-06T18:00"} {
		form.Set(k, v)
	}
	a := o.submit(c, "/district/preview", form)
	if a.StatusCode != 200 || !strings.Contains(a.body, "2校・児童生徒6人") || !strings.Contains(a.body, "2026年4月6日（月）18:00") || !strings.Contains(a.body, "リンクはあなた専用です") {
		t.Fatalf("status %d: %s", a.StatusCode, a.body)
	}
	form = formOf(a.body)
	form["schools"] = []string{"s1", "s2", "s3"} // as if the page had offered the third
	var sent answer
	for range 2 {
		if sent = o.submit(c, "/district/send", form); sent.StatusCode != 200 || strings.Count(sent.body, "受け付けました") != 2 {
			t.Fatalf("status %d: %s", sent.StatusCode, sent.body)
		}
	}
	for school, want := range map[string]string{"s1": "大雪による休校", "s2": "大雪による休校", "s3": ""} {
		alerts, _, err := o.server.Alerts.List(t.Context(), school, "", 10)
		o.must(err)
		if got := o.of(school); got.Subject != want || len(alerts) > 1 || want != "" && (!got.All || got.Sender.ID != who.ID) {
			t.Errorf("%s: %d alerts, %+v", school, len(alerts), got)
		}
		entries, err := o.server.Audit.Day(t.Context(), school, "2026-04-06")
		o.must(err)
		recorded := 0
		for _, e := range entries {
			if e.Kind == "send" && e.Staff == who.ID && e.Role == "district" {
				recorded++
			}
		}
		if recorded != len(alerts) {
			t.Errorf("%s: %d entries for %d alerts", school, recorded, len(alerts))
		}
	}
	undo := url.Values{"sent": {"s1/nonsense", "s3/" + o.of("s1").ID, "s2"}, "subject": {"大雪"}}
	if a := o.submit(c, "/district/undo", undo); a.StatusCode != 409 || strings.Contains(a.body, "取り消しました") {
		t.Errorf("status %d: %s", a.StatusCode, a.body)
	}
	undo["sent"] = []string{"s1/" + o.of("s1").ID, "s2/" + o.of("s2").ID}
	if a := o.submit(c, "/district/undo", undo); a.StatusCode != 200 || strings.Count(a.body, "取り消しました") != 2 {
		t.Errorf("status %d: %s", a.StatusCode, a.body)
	}
	for _, school := range []string{"s1", "s2"} {
		if st := o.of(school).State(o.clock()); st != alert.StateUndone {
			t.Errorf("%s: %s", school, st)
		}
	}
}

// TestDistrictByAPI: a token that somebody of the district makes sees the schools of the
// district and tells them, once each, and reads and undoes their alerts; nobody else's
// does.
func TestDistrictByAPI(t *testing.T) {
	o := newOffice(t)
	c, who := o.ofDistrict()
	page := o.visit(c, "/tokens").body
	if strings.Contains(page, `value="roster"`) || strings.Contains(page, "例 次郎") || strings.Contains(page, "山田 花子") {
		t.Error("the page offers what the district may not, or shows others' tokens")
	}
	token := o.newToken(c, "防災システム", "overview", "send", "end")
	body := func(more string) string {
		return `{"kind":"safety","subject":"地震","body":"無事を知らせてください","useful_until":"2026-04-06T18:00:00+09:00","undo_seconds":60,` + more + `}`
	}
	for name, tt := range map[string]struct {
		token, body string
		want        int
	}{
		"a school of another district": {token, body(`"schools":["s1","s3"]`), 422},
		"no such school":               {token, body(`"schools":["../s1"]`), 422},
		"no school":                    {token, body(`"schools":[]`), 422},
		"both":                         {token, body(`"schools":["s1"],"all":true`), 422},
		"groups":                       {token, body(`"all":true,"groups":["x"]`), 422},
		"nothing said":                 {token, `{"all":true}`, 422},
		"a manager's token":            {o.token, body(`"all":true`), 403},
		"a token to look":              {o.newToken(c, "表示", "overview"), body(`"all":true`), 403},
		"a token to send at schools":   {o.newToken(c, "送信", "send"), body(`"all":true`), 403},
	} {
		if _, a := asks[map[string]any](o, tt.token, "POST", "/district/alerts", asJSON, tt.body, tt.want); o.of("s1").ID != "" {
			t.Fatalf("%s: sent: %s", name, a.body)
		}
	}
	for range 2 { // a program tries again
		a := o.send("POST", apiPath+"/district/alerts", strings.NewReader(body(`"all":true`)), "Authorization", "Bearer "+token, "Content-Type", asJSON, "Idempotency-Key", "one")
		described(t, "POST", "/district/alerts", a)
		if a.StatusCode != 201 || strings.Count(a.body, `"id"`) != 2 || strings.Contains(a.body, `"s3"`) {
			t.Fatalf("status %d: %s", a.StatusCode, a.body)
		}
	}
	for school, want := range map[string]int{"s1": 1, "s2": 1, "s3": 0} {
		alerts, _, err := o.server.Alerts.List(t.Context(), school, "", 10)
		o.must(err)
		if len(alerts) != want || want > 0 && (!alerts[0].All || alerts[0].Sender.ID != who.ID) {
			t.Errorf("%s: %d alerts", school, len(alerts))
		}
	}
	undone, _ := asks[madeAlert](o, token, "POST", "/alerts/"+o.of("s2").ID+"/undo", asJSON, "", 200)
	if undone.State != alert.StateUndone {
		t.Errorf("undone: %+v", undone)
	}
	o.pass(2 * time.Minute)
	got, _ := asks[apiSchools](o, token, "GET", "/district/schools", "", "", 200)
	if len(got.Schools) != 2 || got.Next != "" || len(got.Schools[0].Alerts) != 1 || got.Schools[0].Alerts[0].Subject != "地震" || len(got.Schools[1].Alerts) != 0 {
		t.Errorf("%+v", got)
	}
	asks[map[string]any](o, token, "GET", "/district/schools?cursor=!", "", "", 422)
	asks[map[string]any](o, o.token, "GET", "/district/schools", "", "", 403)
}
