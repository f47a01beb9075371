package console

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/todoku/todoku/shared/alert"
	"github.com/todoku/todoku/shared/desk"
	"github.com/todoku/todoku/shared/roster"
	"github.com/todoku/todoku/shared/staff"
)

// The board says how an alert does beside earlier ones of its kind, whose figures are
// kept when they end.
func TestBoardComparesWithEarlierAlerts(t *testing.T) {
	o := newOffice(t)
	o.loadDemo()
	old := o.alert(nil, true)
	o.answerHalf(old)
	o.pass(time.Hour)
	_, err := o.server.Close(t.Context(), o.me.School, old.ID)
	o.must(err)
	o.runJob(old.ID, alert.Cancel)
	past, _, err := o.server.Alerts.Summaries(t.Context(), o.me.School, "", 10)
	o.must(err)
	if len(past) != 1 || past[0].Children != 301 || past[0].Answered < 100 || past[0].Open != time.Hour || len(past[0].Lanes) < 5 {
		t.Fatalf("kept: %+v", past)
	}
	notice := o.alert(func(d *alert.Draft) { d.Kind = alert.Notice }, true)
	a := o.alert(nil, true)
	o.answerHalf(a)
	o.pass(30 * time.Minute)
	c := o.signIn()
	if page := o.visit(c, "/alerts/"+a.ID); !strings.Contains(page.body, "これまで1回の中央値") || !strings.Contains(page.body, `class="past"`) {
		t.Error("the earlier alert is not compared with")
	}
	if page := o.visit(c, "/alerts/"+notice.ID); strings.Contains(page.body, "中央値") {
		t.Error("a notice is compared with a safety check")
	}
}

// answerHalf answers for every other child that has a guardian.
func (o *office) answerHalf(a alert.Alert) {
	o.t.Helper()
	i := 0
	o.must(o.server.eachChild(o.t.Context(), a.ID, func(lines []alert.ChildLine) error {
		for _, l := range lines {
			if i++; i%2 == 0 || len(l.Child.Guardians) == 0 {
				continue
			}
			by := l.Child.Guardians[0]
			err := o.server.Alerts.Answer(o.t.Context(), a, alert.AnswerRequest{
				Ref: l.Ref, Guardian: by, By: l.Family.Guardians[by].ID, Way: alert.ByLink, Choices: map[string]string{l.ID: "safe"},
			})
			if err != nil {
				return err
			}
		}
		return nil
	}))
}

// A teacher's own classes stand first, with the way to their children; the classes in
// which help is needed stand at the top.
func TestBoardForATeacher(t *testing.T) {
	o := newOffice(t)
	o.load(clubRoster)
	a := o.alert(nil, true)
	o.answer(a, "見本 二葉", "help")
	m, err := o.server.Staff.PutStaff(t.Context(), staff.Staff{School: "s1", Name: "例 教諭", Mail: "t@school.example", Role: staff.Teacher, Groups: []string{o.group("2年2組")}})
	o.must(err)
	o.me = m
	page := o.visit(o.signIn(), "/alerts/"+a.ID)
	own, rest, found := strings.Cut(page.body, `class="pane-classes"`)
	if _, own, _ = strings.Cut(own, `id="own-title"`); !found || !strings.Contains(own, "2年2組") || strings.Contains(own, "1年1組") || !strings.Contains(rest, "1年1組") {
		t.Errorf("the own class does not stand first: %.300s", own)
	}
	if !strings.Contains(page.body, "2年1組 1人") {
		t.Error("the class in which help is needed is not named")
	}
}

// A district sees the open alerts of its schools side by side, and opens their boards
// and call desks; another district's it does not see.
func TestDistrict(t *testing.T) {
	o := newOffice(t)
	o.load(clubRoster)
	for id, district := range map[string]string{"s1": "d1", "s2": "d1", "s3": "d1", "s4": "d2"} {
		o.must(o.server.Roster.PutSchool(t.Context(), roster.School{ID: id, Name: "学校" + id, Mail: "a@b.example", Zone: "Asia/Tokyo", District: district}))
	}
	a := o.alert(nil, true)
	o.answer(a, "見本 二葉", "help")
	far := o.alert(func(d *alert.Draft) { d.School, d.Subject = "s4", "よその連絡" }, true)
	m, err := o.server.Staff.PutStaff(t.Context(), staff.Staff{School: "s2", Name: "例 主事", Mail: "d@school.example", Role: staff.District, District: "d1"})
	o.must(err)
	o.me = m
	c := o.signIn()
	page := o.visit(c, "/district")
	for _, want := range []string{"学校s1", "助けが必要：1人", "受付中の連絡がない学校", "学校s3", `href="/alerts/` + a.ID} {
		if !strings.Contains(page.body, want) {
			t.Errorf("the district's page lacks %s", want)
		}
	}
	if strings.Contains(page.body, "学校s4") || strings.Contains(page.body, "よその連絡") {
		t.Error("another district's school is shown")
	}
	for path, want := range map[string]int{
		"/alerts/" + a.ID: http.StatusOK, "/alerts/" + a.ID + "/desk": http.StatusOK, "/alerts/" + a.ID + "/help": http.StatusOK,
		"/alerts/" + far.ID: http.StatusNotFound, "/alerts/" + far.ID + "/desk": http.StatusNotFound,
	} {
		if got := o.visit(c, path); got.StatusCode != want {
			t.Errorf("%s: status %d, want %d", path, got.StatusCode, want)
		}
	}
	if got := o.submit(c, "/alerts/"+a.ID+"/desk/next", nil); got.StatusCode != http.StatusSeeOther {
		t.Errorf("phoning for a school: status %d", got.StatusCode)
	}
}

// TestOneWordForOneState: what stands for several states at the desk and in a report is not
// called like one of them.
func TestOneWordForOneState(t *testing.T) {
	for state, name := range childStateNames {
		if both := needNames[desk.NoMail]; name.JA == both.JA || name.EN == both.EN {
			t.Errorf("%s is called like all to whom no mail gets through: %s", state, name.JA)
		}
	}
}
