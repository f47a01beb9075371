package console

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/todoku/todoku/shared/alert"
	"github.com/todoku/todoku/shared/staff"
)

var choiceField = regexp.MustCompile(`name="(choice_[^"]+)"`)

// checkAt has a school of the district ask for its children, and makes the records.
func (o *office) checkAt(school, subject string, kind alert.Kind) alert.Alert {
	o.t.Helper()
	m, _ := o.hireAt(school, staff.Manager)
	a := o.alert(func(d *alert.Draft) {
		d.School, d.Subject, d.Kind, d.Sender = school, subject, kind, alert.Sender{ID: m.ID, Name: m.Name}
	}, false)
	o.runJob(a.ID, alert.FanOut)
	return a
}

// TestDistrictDesk: siblings at two schools are one row for who may see both; one claim
// and one call are for both; schools of another district are not there.
func TestDistrictDesk(t *testing.T) {
	o := newOffice(t)
	c, _ := o.ofDistrict()
	first, second := o.checkAt("s1", "一つ目", alert.Safety), o.checkAt("s2", "二つ目", alert.Safety)
	far := o.checkAt("s3", "よその連絡", alert.Safety)
	o.checkAt("s1", "避難訓練", alert.Drill)
	list := o.visit(c, districtDesk).body
	for _, want := range []string{"電話が必要：2家庭", "複数の学校にまたがる家庭：2", "第一小学校", "第二小学校"} {
		if !strings.Contains(list, want) {
			t.Errorf("the list lacks %s", want)
		}
	}
	if strings.Contains(list, far.ID) || strings.Contains(list, "よその小学校") || strings.Contains(list, "訓練") {
		t.Error("the list has what does not belong there")
	}
	if one := o.visit(c, districtDesk+"?group=s2").body; !strings.Contains(one, "第二小学校") || strings.Contains(one, "またがる") {
		t.Error("one school's families are not those of one school")
	}
	next := o.submit(c, districtDesk+"/next", nil).Header.Get("Location")
	if !strings.Contains(next, first.ID) || !strings.Contains(next, second.ID) {
		t.Fatalf("taken: %s", next)
	}
	if again := o.submit(c, districtDesk+"/next", nil).Header.Get("Location"); again != next {
		t.Errorf("who has a family in hand gets %s", again)
	}
	page := o.visit(c, next)
	if page.StatusCode != http.StatusOK || !strings.Contains(page.body, "あなたが対応中です") {
		t.Fatalf("status %d: %s", page.StatusCode, page.body)
	}
	form := formOf(page.body)
	form.Set("outcome", "answered")
	for _, m := range choiceField.FindAllStringSubmatch(page.body, -1) {
		form.Set(m[1], "safe")
	}
	form.Set("note", "祖父母の家")
	form.Set("as", o.me.ID)
	if got := o.submit(c, next+"/calls", form); got.StatusCode != http.StatusConflict {
		t.Errorf("what another entered: status %d", got.StatusCode)
	}
	form.Del("as")
	if got := o.submit(c, next+"/calls", form); got.Header.Get("Location") != districtDesk+"?done=1" {
		t.Fatalf("status %d: %s", got.StatusCode, got.body)
	}
	if again := o.submit(c, next+"/calls", form); again.StatusCode != http.StatusSeeOther {
		t.Errorf("sent again: status %d", again.StatusCode)
	}
	form.Set("id", "of-another-caller")
	for field := range form {
		if strings.HasPrefix(field, "newest_") {
			form.Set(field, "0")
		}
	}
	if late := o.submit(c, next+"/calls", form); late.StatusCode != http.StatusConflict || !strings.Contains(late.body, ">それでも記録する</button>") || strings.Contains(late.body, "電話は不要です。</b>") {
		t.Errorf("a call that was overtaken: status %d: %s", late.StatusCode, late.body)
	}
	if list := o.visit(c, districtDesk+"?done=1").body; !strings.Contains(list, "電話が必要：1家庭") || !strings.Contains(list, "記録しました") {
		t.Error("the family is still there")
	}
	for _, a := range []alert.Alert{first, second} {
		sum, err := o.server.Alerts.Sum(t.Context(), a.ID)
		o.must(err)
		calls, err := o.server.desk().Calls(t.Context(), a.ID)
		o.must(err)
		if sum.Answered == 0 || calls.Total != 1 {
			t.Errorf("%s: %d answered, %d calls", a.Subject, sum.Answered, calls.Total)
		}
		log, err := o.server.Audit.Day(t.Context(), a.School, o.clock().UTC().Format("2006-01-02"))
		o.must(err)
		said := 0
		for _, e := range log {
			if e.Name == "指導主事 例" && (e.Kind == "call" || e.Kind == "view") {
				said++
			}
		}
		if said < 3 {
			t.Errorf("the log of %s has %d entries", a.School, said)
		}
	}
}

// A family that one school has in hand is taken by nobody of the district, and one that a
// caller gives back or walks away from is there again.
func TestDistrictDeskHolds(t *testing.T) {
	o := newOffice(t)
	c, _ := o.ofDistrict()
	first := o.checkAt("s1", "一つ目", alert.Safety)
	o.checkAt("s2", "二つ目", alert.Safety)
	next := o.submit(c, districtDesk+"/next", nil).Header.Get("Location")
	manager, _ := o.hireAt("s2", staff.Manager)
	mine := o.me
	o.me = manager
	mc := o.signIn()
	o.me = mine
	if list := o.visit(mc, "/alerts/"+o.of("s2").ID+"/desk").body; !strings.Contains(list, "指導主事 例さんが対応中") || strings.Contains(list, "第一小学校") {
		t.Error("a school does not see who has its family in hand, or sees too much")
	}
	ref := strings.Split(next[strings.LastIndex(next, "/")+1:], memberSign)[0]
	ids := strings.Split(ref, memberPart)
	if got := o.submit(c, next+"/release", nil); got.StatusCode != http.StatusSeeOther {
		t.Fatalf("status %d", got.StatusCode)
	}
	o.me = o.managerOf("s1")
	sc := o.signIn()
	o.me = mine
	if ids[0] != first.ID {
		ids = strings.Split(strings.Split(next[strings.LastIndex(next, "/")+1:], memberSign)[1], memberPart)
	}
	if got := o.submit(sc, "/alerts/"+ids[0]+"/families/"+ids[1]+"/"+ids[2]+"/claim", nil); got.StatusCode != http.StatusSeeOther {
		t.Fatalf("status %d", got.StatusCode)
	}
	if got := o.submit(c, next+"/claim", nil); got.StatusCode != http.StatusConflict || !strings.Contains(got.body, "対応中です") {
		t.Errorf("a family that is in hand was taken: status %d", got.StatusCode)
	}
	other := o.submit(c, districtDesk+"/next", nil).Header.Get("Location")
	if other == next || !strings.HasPrefix(other, districtDesk+"/families/") {
		t.Errorf("next is %s", other)
	}
	bad := o.submit(c, other+"/calls", url.Values{"id": {"x"}, "outcome": {"call_back"}, "call_at": {""}, "note": {"メモ"}})
	if bad.StatusCode != http.StatusUnprocessableEntity || !strings.Contains(bad.body, "メモ") {
		t.Errorf("status %d", bad.StatusCode)
	}
	if got := o.submit(c, other+"/hand-over", url.Values{"to": {manager.ID}}); got.StatusCode != http.StatusUnprocessableEntity {
		t.Errorf("handed to somebody of one school: status %d", got.StatusCode)
	}
	colleague, err := o.server.Staff.PutStaff(t.Context(), staff.Staff{School: "s2", District: "見本市", Name: "課長 例", Role: staff.District})
	o.must(err)
	if got := o.submit(c, other+"/hand-over", url.Values{"to": {colleague.ID}, "note_to": {"中国語で"}}); got.StatusCode != http.StatusSeeOther {
		t.Fatalf("status %d: %s", got.StatusCode, got.body)
	}
	if list := o.visit(c, districtDesk).body; !strings.Contains(list, "課長 例さんが対応中") {
		t.Error("the family was not handed over")
	}
	o.pass(11 * time.Minute)
	if list := o.visit(c, districtDesk).body; strings.Contains(list, "対応中です") || !strings.Contains(list, "電話が必要：2家庭") {
		t.Error("families do not come back by themselves")
	}
	for _, path := range []string{districtDesk, other, districtDesk + "/version?alert=" + first.ID} {
		if got := o.visit(mc, path); got.StatusCode != http.StatusForbidden {
			t.Errorf("%s by somebody of one school: status %d", path, got.StatusCode)
		}
	}
}

func (o *office) managerOf(school string) staff.Staff {
	m, _ := o.hireAt(school, staff.Manager)
	return m
}

// TestDistrictDeskOfNobodyElse: of alerts of another district's schools nothing is said.
func TestDistrictDeskOfNobodyElse(t *testing.T) {
	o := newOffice(t)
	c, _ := o.ofDistrict()
	far := o.checkAt("s3", "よその連絡", alert.Safety)
	var ref alert.Ref
	o.must(o.server.eachChild(t.Context(), far.ID, func(lines []alert.ChildLine) error { ref = lines[0].Ref; return nil }))
	name := far.ID + memberPart + ref.Class + memberPart + ref.Family
	for _, path := range []string{districtDesk + "/families/" + name, districtDesk + "/families/x", districtDesk + "/families/a.b.c", districtDesk + "/families/" + name + memberSign + "x", districtDesk + "/version?alert=" + far.ID} {
		if got := o.visit(c, path); got.StatusCode != http.StatusNotFound {
			t.Errorf("%s: status %d", path, got.StatusCode)
		}
	}
	if got := o.submit(c, districtDesk+"/families/"+name+"/claim", nil); got.StatusCode != http.StatusNotFound {
		t.Errorf("claimed: status %d", got.StatusCode)
	}
	if list := o.visit(c, districtDesk).body; !strings.Contains(list, "電話が必要な家庭は、いまありません") {
		t.Error("the empty list does not say so")
	}
}

// TestDistrictOwnFault: what is not the person's to mend is in the log, whether it has a
// page of its own or stands on one that goes on with the rest.
func TestDistrictOwnFault(t *testing.T) {
	o := newOffice(t)
	c, _ := o.ofDistrict()
	a := o.checkAt("s1", "一つ目", alert.Safety)
	o.checkAt("s2", "二つ目", alert.Safety)
	next := o.submit(c, districtDesk+"/next", nil).Header.Get("Location")
	call := formOf(o.visit(c, next).body)
	call.Set("outcome", "no_reply")
	paper := o.submit(c, districtDesk+"/paper", url.Values{}).Header.Get("Location") + "/enter"
	row := formOf(o.visit(c, paper).body)
	row.Set("row_1", "no_reply")
	waiting := o.alert(func(d *alert.Draft) { d.School, d.Undo = "s1", time.Minute }, false)
	tests := map[string]struct {
		worn, path string
		form       url.Values
		status     int
	}{
		"a claim":           {"desk/", next + "/claim", nil, http.StatusInternalServerError},
		"a call":            {"desk/", next + "/calls", call, http.StatusInternalServerError},
		"a row of a paper":  {"desk/", paper, row, http.StatusInternalServerError},
		"an alert to undo":  {"alert/", "/district/undo", url.Values{"sent": {"s1/" + waiting.ID}}, http.StatusConflict},
		"a refused undoing": {"", "/district/undo", url.Values{"sent": {"s1/" + a.ID}}, http.StatusConflict},
	}
	for name, tt := range tests {
		o.log.reset()
		o.table.worn = tt.worn
		got := o.submit(c, tt.path, tt.form)
		o.table.worn = ""
		logged := strings.Contains(o.log.String(), "level=ERROR") && strings.Contains(o.log.String(), errWorn.Error())
		if got.StatusCode != tt.status || logged != (tt.worn != "") {
			t.Errorf("%s: status %d, logged %q", name, got.StatusCode, o.log)
		}
	}
}
