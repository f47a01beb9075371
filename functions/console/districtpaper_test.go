package console

import (
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/todoku/todoku/shared/alert"
	"github.com/todoku/todoku/shared/staff"
)

var (
	onScreen = regexp.MustCompile(`(?s)<li id="f-[^"]*"[^>]*value="(\d+)">.*?<span class="(tag [a-z_]+)">([^<]*)</span>.*?<p data-names>(.*?)</p>`)
	onPaper  = regexp.MustCompile(`(?s)<th scope="row" class="n">(\d+)</th><td>(.*?)<br><span class="(tag [a-z_]+)">([^<]*)</span>`)
)

// rowsOf returns number, need, and names of each row of a desk and of its paper copy.
func rowsOf(list, paper string) (screen, print [][]string) {
	for _, m := range onScreen.FindAllStringSubmatch(list, -1) {
		screen = append(screen, []string{m[1], m[2], m[3], m[4]})
	}
	for _, m := range onPaper.FindAllStringSubmatch(paper, -1) {
		print = append(print, []string{m[1], m[3], m[4], m[2]})
	}
	return screen, print
}

// answerAt answers for the children of a school with a name, as their guardian would.
func (o *office) answerAt(a alert.Alert, names ...string) {
	o.t.Helper()
	for _, name := range names {
		o.answer(a, name, "safe")
	}
}

// TestDistrictPaper: the district's list is on paper what it is on the screen, a row a
// household, and what is keyed in of a row counts at each of its schools, once.
func TestDistrictPaper(t *testing.T) {
	o := newOffice(t)
	c, _ := o.ofDistrict()
	first, second := o.checkAt("s1", "地震の安否確認", alert.Safety), o.checkAt("s2", "地震の安否確認", alert.Safety)
	list := o.visit(c, districtDesk).body
	made := o.submit(c, districtDesk+"/paper", url.Values{})
	self := made.Header.Get("Location")
	if made.StatusCode != http.StatusSeeOther || self != districtPapers+"/1" {
		t.Fatalf("status %d to %s", made.StatusCode, self)
	}
	paper := o.visit(c, self).body
	screen, print := rowsOf(list, paper)
	if len(screen) != 2 || !slices.EqualFunc(screen, print, slices.Equal[[]string]) {
		t.Errorf("the screen has\n%q\nand the paper\n%q", screen, print)
	}
	for _, want := range []string{"地区の電話連絡", "地震の安否確認", "2家庭", "第一小学校", "第二小学校", "□無事です", "□出ない", "090-0000-0001"} {
		if !strings.Contains(paper, want) {
			t.Errorf("the paper lacks %s", want)
		}
	}
	if n := strings.Count(paper, "□無事です"); n != 2 {
		t.Errorf("the answers that both schools ask for stand %d times", n)
	}

	row := "row_1"
	if !strings.Contains(print[0][3], "見本 一郎") {
		row = "row_2"
	}
	form := formOf(o.visit(c, self+"/enter").body)
	form.Set(row, "answered safe")
	if got := o.submit(c, self+"/enter", form); got.Header.Get("Location") != self+"/enter?saved=1&from=1" {
		t.Fatalf("status %d: %s", got.StatusCode, got.body)
	}
	if again := o.submit(c, self+"/enter", form); again.StatusCode != http.StatusSeeOther {
		t.Errorf("sent again: status %d", again.StatusCode)
	}
	form.Set(row, "no_reply")
	changed := o.submit(c, self+"/enter", form)
	if key := formOf(changed.body).Get("key"); changed.StatusCode != http.StatusConflict || key == form.Get("key") || !strings.Contains(changed.body, `value="no_reply" selected`) {
		t.Errorf("changed and sent again: status %d, key %s: %s", changed.StatusCode, key, changed.body)
	}
	for _, a := range []alert.Alert{first, second} {
		sum, err := o.server.Alerts.Sum(t.Context(), a.ID)
		o.must(err)
		calls, err := o.server.desk().Calls(t.Context(), a.ID)
		o.must(err)
		if sum.Answered != 2 || calls.Total != 1 {
			t.Errorf("%s: %d answered, %d calls", a.School, sum.Answered, calls.Total)
		}
		log, err := o.server.Audit.Day(t.Context(), a.School, o.clock().UTC().Format("2006-01-02"))
		o.must(err)
		keyed := 0
		for _, e := range log {
			if e.Name == "指導主事 例" && e.Kind == "call" {
				keyed++
			}
		}
		if keyed < 2 {
			t.Errorf("the log of %s has %d entries of the paper", a.School, keyed)
		}
	}
	if after := o.visit(c, self).body; strings.Count(after, "回答あり・電話不要") != 2 || !strings.Contains(o.visit(c, districtDesk).body, "電話が必要：1家庭") {
		t.Error("what was keyed in is not on the paper's page or the list")
	}
}

// TestDistrictPaperOvertaken: of a row one school has an answer when the form is made, so
// nothing is entered there; the other gets one in the meantime, and is asked about.
func TestDistrictPaperOvertaken(t *testing.T) {
	o := newOffice(t)
	c, _ := o.ofDistrict()
	first, second := o.checkAt("s1", "一つ目", alert.Safety), o.checkAt("s2", "二つ目", alert.Safety)
	self := o.submit(c, districtDesk+"/paper", url.Values{}).Header.Get("Location")
	row := "row_1"
	if _, print := rowsOf("", o.visit(c, self).body); !strings.Contains(print[0][3], "見本 一郎") {
		row = "row_2"
	}
	o.answerAt(second, "見本 一郎", "見本 二葉")
	page := o.visit(c, self+"/enter").body
	if strings.Count(page, "回答あり・電話不要") != 1 || strings.Contains(page, "newest_"+row[4:]+"_"+second.ID) {
		t.Error("the family that has answered is not marked, or is asked for")
	}
	form := formOf(page)
	o.pass(time.Minute)
	o.answer(first, "見本 一郎", "help")
	form.Set(row, "answered safe")
	form.Set("note_"+row[4:], "祖父母の家")
	got := o.submit(c, self+"/enter", form)
	if got.StatusCode != http.StatusConflict || !strings.Contains(got.body, "番：入力している間に、別の回答が届きました") || !strings.Contains(got.body, "祖父母の家") {
		t.Fatalf("status %d: %s", got.StatusCode, got.body)
	}
	if sum, err := o.server.Alerts.Sum(t.Context(), first.ID); err != nil || sum.Help != 1 {
		t.Errorf("help is not needed any more: %+v, %v", sum, err)
	}
	form = formOf(got.body)
	form.Set(row, "answered safe")
	if again := o.submit(c, self+"/enter", form); again.StatusCode != http.StatusSeeOther {
		t.Errorf("decided: status %d: %s", again.StatusCode, again.body)
	}
	for a, want := range map[string]int64{first.ID: 1, second.ID: 0} {
		if calls, err := o.server.desk().Calls(t.Context(), a); err != nil || calls.Total != want {
			t.Errorf("%d calls, want %d: %v", calls.Total, want, err)
		}
	}
	if sum, err := o.server.Alerts.Sum(t.Context(), first.ID); err != nil || sum.Help != 0 || sum.Answered != 2 {
		t.Errorf("what was heard on the phone is not recorded: %+v, %v", sum, err)
	}
}

// TestDistrictPaperOfOtherAnswers: where two schools ask for different answers, the paper
// has each school's, and only what both offer is entered for both at once.
func TestDistrictPaperOfOtherAnswers(t *testing.T) {
	o := newOffice(t)
	c, _ := o.ofDistrict()
	o.checkAt("s1", "一つ目", alert.Safety)
	m, _ := o.hireAt("s2", staff.Manager)
	a := o.alert(func(d *alert.Draft) {
		d.School, d.Sender = "s2", alert.Sender{ID: m.ID, Name: m.Name}
		d.Choices = []alert.Choice{{ID: "c1", JA: "迎えに行けます"}, {ID: "c2", JA: "行けません", Help: true}}
	}, false)
	o.runJob(a.ID, alert.FanOut)
	self := o.submit(c, districtDesk+"/paper", url.Values{}).Header.Get("Location")
	if paper := o.visit(c, self).body; !strings.Contains(paper, `第一小学校：<span class="whole">□無事です`) || !strings.Contains(paper, `第二小学校：<span class="whole">□迎えに行けます`) {
		t.Error("the paper does not say which school asks what")
	}
	page := o.visit(c, self+"/enter").body
	if strings.Contains(page, `value="answered`) || !strings.Contains(page, "学校によって選べる回答が違います") || !strings.Contains(page, `href="`+districtDesk+"/families/") {
		t.Error("the form offers what not all schools ask for, or does not lead to the family")
	}
	form := formOf(page)
	form.Set("row_1", "no_reply")
	if got := o.submit(c, self+"/enter", form); got.StatusCode != http.StatusSeeOther {
		t.Fatalf("status %d: %s", got.StatusCode, got.body)
	}
	if calls, err := o.server.desk().Calls(t.Context(), a.ID); err != nil || calls.Total != 1 {
		t.Errorf("%d calls: %v", calls.Total, err)
	}
	form.Set("row_1", "answered c1") // as if the form had offered it
	form.Set("key", "another")
	if got := o.submit(c, self+"/enter", form); got.StatusCode != http.StatusUnprocessableEntity || !strings.Contains(got.body, "表示されている回答から選んでください") {
		t.Errorf("status %d", got.StatusCode)
	}
}

// TestDistrictPaperOfNobodyElse: a copy is its district's, and tells of a school that has
// left the district nothing.
func TestDistrictPaperOfNobodyElse(t *testing.T) {
	o := newOffice(t)
	c, _ := o.ofDistrict()
	o.checkAt("s1", "一つ目", alert.Safety)
	o.checkAt("s2", "二つ目", alert.Safety)
	self := o.submit(c, districtDesk+"/paper", url.Values{}).Header.Get("Location")
	as := func(m staff.Staff) *http.Client {
		m, err := o.server.Staff.PutStaff(t.Context(), m)
		o.must(err)
		mine := o.me
		defer func() { o.me = mine }()
		o.me = m
		return o.signIn()
	}
	colleague := as(staff.Staff{School: "s2", District: "見本市", Name: "課長 例", Role: staff.District})
	stranger := as(staff.Staff{School: "s3", District: "隣市", Name: "よその課長", Role: staff.District})
	manager := as(staff.Staff{School: "s1", Name: "校長 例", Role: staff.Manager})
	for _, path := range []string{self, self + "/enter"} {
		for name, who := range map[string]struct {
			c    *http.Client
			want int
		}{"a colleague": {colleague, 200}, "another district": {stranger, 404}, "a school's manager": {manager, 403}} {
			if got := o.visit(who.c, path); got.StatusCode != who.want {
				t.Errorf("%s by %s: status %d", path, name, got.StatusCode)
			}
		}
	}
	if got := o.submit(stranger, self+"/enter", url.Values{"row_1": {"no_reply"}, "key": {"k"}}); got.StatusCode != http.StatusNotFound {
		t.Errorf("keyed in by another district: status %d", got.StatusCode)
	}
	if got := o.visit(c, districtPapers+"/x"); got.StatusCode != http.StatusNotFound {
		t.Errorf("status %d", got.StatusCode)
	}
	form := formOf(o.visit(c, self+"/enter").body)
	left, err := o.server.Roster.School(t.Context(), "s2")
	o.must(err)
	left.District = "隣市"
	o.must(o.server.Roster.PutSchool(t.Context(), left))
	if paper := o.visit(c, self).body; strings.Contains(paper, "第二小学校") || !strings.Contains(paper, "第一小学校") {
		t.Error("the copy tells of a school that has left the district, or of none")
	}
	form.Set("row_1", "no_reply")
	if got := o.submit(c, self+"/enter", form); got.StatusCode != http.StatusSeeOther {
		t.Errorf("status %d", got.StatusCode)
	}
	if calls, err := o.server.desk().Calls(t.Context(), o.of("s2").ID); err != nil || calls.Total != 0 {
		t.Errorf("%d calls at a school that has left: %v", calls.Total, err)
	}
}
