package console

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/todoku/todoku/shared/alert"
	"github.com/todoku/todoku/shared/staff"
)

// Teachers phone for their own classes, siblings in others included, and viewers for
// the whole school; of other classes a teacher sees nothing.
func TestWhoMayPhone(t *testing.T) {
	o := newOffice(t)
	o.load(clubRoster)
	a := o.alert(nil, true)
	paths := map[string]string{}
	o.must(o.server.eachChild(t.Context(), a.ID, func(lines []alert.ChildLine) error {
		for _, l := range lines {
			paths[l.Name] = familyPath(l.Ref)
		}
		return nil
	}))
	manager := o.me
	as := func(role staff.Role, groups ...string) *http.Client {
		m, err := o.server.Staff.PutStaff(t.Context(), staff.Staff{School: "s1", Name: "例 " + string(role), Role: role, Groups: groups})
		o.must(err)
		o.me = m
		defer func() { o.me = manager }()
		return o.signIn()
	}
	teacher, viewer := as(staff.Teacher, o.group("2年1組")), as(staff.Viewer)
	for name, tt := range map[string]struct {
		who   *http.Client
		child string
		want  int
	}{
		"own class":           {teacher, "例 四季", http.StatusSeeOther},
		"a sibling's class":   {teacher, "見本 一郎", http.StatusSeeOther},
		"another class":       {teacher, "=HYPERLINK(\"http://x\")", http.StatusNotFound},
		"a viewer, any class": {viewer, "=HYPERLINK(\"http://x\")", http.StatusSeeOther},
	} {
		if got := o.submit(tt.who, paths[tt.child]+"/claim", url.Values{}); got.StatusCode != tt.want {
			t.Errorf("%s: status %d, want %d", name, got.StatusCode, tt.want)
		}
	}
	list := o.visit(teacher, "/alerts/"+a.ID+"/desk").body
	if !strings.Contains(list, "電話が必要：2家庭") || strings.Contains(list, "HYPERLINK") {
		t.Error("a teacher's desk is not that of the own class")
	}
}

// Siblings in several classes are one row, and phoned once.
func TestSiblingsAreOneFamilyOnTheDesk(t *testing.T) {
	o := newOffice(t)
	o.load(smallRoster)
	a := o.alert(nil, true)
	list := o.visit(o.signIn(), "/alerts/"+a.ID+"/desk").body
	if n := strings.Count(list, "<b>見本 一郎</b>"); n != 1 || !strings.Contains(list, "見本 一郎</b> ／ 2年1組 1 <b>見本 二葉") {
		t.Errorf("the siblings stand in %d rows", n)
	}
}

// A form that is sent again counts once; one that was changed is refused, and can then be
// sent with an id of its own.
func TestCallSentAgain(t *testing.T) {
	o := newOffice(t)
	o.load(smallRoster)
	a := o.alert(nil, true)
	rows, _, _, err := o.server.deskRows(t.Context(), o.me, a, deskView{Of: 1, Part: 1})
	o.must(err)
	c, path := o.signIn(), familyPath(rows[0].Ref)
	form := url.Values{"id": {"entry-1"}, "newest": {"0"}, "outcome": {"no_reply"}, "note": {"留守"}}
	for range 2 {
		if got := o.submit(c, path+"/calls", form); got.StatusCode != http.StatusSeeOther {
			t.Fatalf("status %d: %s", got.StatusCode, got.body)
		}
	}
	form.Set("outcome", "answered")
	for _, child := range rows[0].Children {
		form.Set("choice_"+child.ID, "help")
	}
	got := o.submit(c, path+"/calls", form)
	id := formOf(got.body).Get("id")
	if got.StatusCode != http.StatusConflict || id == "" || id == "entry-1" || !strings.Contains(got.body, "留守</textarea>") || !strings.Contains(got.body, `value="answered" checked`) {
		t.Fatalf("status %d, id %q: %s", got.StatusCode, id, got.body)
	}
	if log := o.recorded(); !slices.ContainsFunc(log, func(line string) bool { return strings.Contains(line, "conflict") }) {
		t.Errorf("the log does not say that the call was refused: %q", log)
	}
	form.Set("id", id)
	if got := o.submit(c, path+"/calls", form); got.StatusCode != http.StatusSeeOther {
		t.Errorf("with the new id: status %d: %s", got.StatusCode, got.body)
	}
	if sum, err := o.server.Alerts.Sum(t.Context(), a.ID); err != nil || sum.Help != int64(len(rows[0].Children)) {
		t.Errorf("%+v, %v", sum, err)
	}
}

// The report tells what happened, and the files hold every call.
func TestReportAndCalls(t *testing.T) {
	o := newOffice(t)
	o.load(smallRoster)
	a := o.alert(nil, true)
	c := o.signIn()
	o.pass(4 * time.Minute)
	o.answer(a, "見本 一郎", "safe")
	o.answer(a, "見本 二葉", "safe")
	var ref alert.Ref
	o.must(o.server.eachChild(t.Context(), a.ID, func(lines []alert.ChildLine) error {
		for _, l := range lines {
			if l.Name == "例 四季" {
				ref = l.Ref
			}
		}
		return nil
	}))
	o.pass(20 * time.Minute)
	form := url.Values{"id": {"entry-1"}, "newest": {"0"}, "outcome": {"message"}, "phone": {"090-0000-0004"}, "note": {"祖母に伝言"}}
	if got := o.submit(c, familyPath(ref)+"/calls", form); got.StatusCode != http.StatusSeeOther {
		t.Fatalf("the call was not taken: status %d", got.StatusCode)
	}
	_, err := o.server.Close(t.Context(), o.me.School, a.ID)
	o.must(err)
	report := o.visit(c, "/alerts/"+a.ID+"/report").body
	for _, want := range []string{"最初の回答", "5分以内", "電話連絡を開始", "伝言を残した", "終了", `class="curve"`} {
		if !strings.Contains(report, want) {
			t.Errorf("the report lacks %s", want)
		}
	}
	if english := o.visit(c, "/alerts/"+a.ID+"/report?lang=en").body; !strings.Contains(english, "Phoning began") || !strings.Contains(english, "Sent by "+o.me.Name+", Mon") {
		t.Error("the report is not in English")
	}
	calls := o.visit(c, "/alerts/"+a.ID+"/calls.csv?lang=ja").body
	if want := "2026-04-06 12:24:00,2年1組,例 四季,090-0000-0004,伝言を残した,,,山田 花子,祖母に伝言\r\n"; !strings.Contains(calls, want) {
		t.Errorf("the calls lack %q:\n%s", want, calls)
	}
	if all := o.visit(c, "/alerts/"+a.ID+"/children.csv?lang=ja").body; !strings.Contains(all, ",1,2026-04-06 12:24:00,伝言を残した,山田 花子,祖母に伝言") {
		t.Errorf("the list of children lacks the call:\n%s", all)
	}
	o.runJob(a.ID, alert.Cancel)
	if usage := o.visit(c, "/usage?lang=ja").body; !strings.Contains(usage, "終わった連絡 1件") {
		t.Error("the analysis does not know the alert")
	}
}

// TestDeskPages: a list leads on from page to page, in the view that was chosen.
func TestDeskPages(t *testing.T) {
	for _, tt := range []struct {
		view          deskView
		total         int
		back, forward string
	}{
		{deskView{Of: 1}, rowsPerPage, "", ""},
		{deskView{Of: 1}, rowsPerPage + 1, "", "/desk?from=15"},
		{deskView{Group: "g", Part: 2, Of: 3, From: 30}, 100, "/desk?from=15&group=g&of=3&part=2", "/desk?from=45&group=g&of=3&part=2"},
		{deskView{Of: 1, From: 15}, 2 * rowsPerPage, "/desk", ""},
		{deskView{Of: 1, From: 3}, 10, "/desk", ""},
	} {
		if back, forward := tt.view.pages("/desk", tt.total); back != tt.back || forward != tt.forward {
			t.Errorf("%+v of %d: back to %q, on to %q", tt.view, tt.total, back, forward)
		}
	}
	if to := (deskView{Of: 1}).Done("/desk"); to != "/desk?done=1" {
		t.Errorf("done leads to %s", to)
	}
	if to := (deskView{Of: 1, From: 15}).Done("/desk"); to != "/desk?from=15&done=1" {
		t.Errorf("done leads to %s", to)
	}
}

// Families whose mail never left are told apart from those who did not answer: on the board,
// at the desk and in the report.
func TestNotTold(t *testing.T) {
	o := newOffice(t)
	o.load(smallRoster)
	a := o.alert(nil, true)
	o.pass(7 * time.Hour)
	o.runJob(a.ID, alert.Cancel)
	c, page := o.signIn(), "/alerts/"+a.ID
	board := o.visit(c, page+"?lang=ja").body
	for _, want := range []string{`伝わっていません。 <a href="` + page + `/desk">`, `送っていない（未連絡） <span class="hint">メールを1通も送れていない。電話が必要</span></th><td class="n">2<`} {
		if !strings.Contains(board, want) {
			t.Errorf("the board lacks %s", want)
		}
	}
	if list := o.visit(c, page+"/desk").body; !strings.Contains(list, `<span class="tag refused">送っていない（未連絡）</span>`) || strings.Contains(list, "未回答") {
		t.Error("the desk takes families that were not told for families that do not answer")
	}
	report := o.visit(c, page+"/report").body
	for _, want := range []string{
		"<small>送っていない（未連絡）</small><b>2</b>", "送れなかった2通を取りやめ（未連絡）", `<th scope="col" class="n">送らず</th><th scope="col" class="n">拒否</th>`,
		"回答がなかった家庭（送っていない家庭を含む）", "<td>送っていない（未連絡）</td>",
	} {
		if !strings.Contains(report, want) {
			t.Errorf("the report lacks %s", want)
		}
	}
}

// What waits while its lane is held has not been told, and the report says when it was held.
func TestHeldLaneIsSaid(t *testing.T) {
	o := newOffice(t)
	o.loadDemo()
	o.lostMail()
	a := o.alert(nil, true)
	c, page := o.signIn(), "/alerts/"+a.ID
	if list := o.visit(c, page+"/desk").body; !strings.Contains(list, `送っていない（未連絡）</span>`) {
		t.Error("the desk does not say who waits for a lane that is held")
	}
	if board := o.visit(c, page+"?sent=1").body; !strings.Contains(board, "送信を止めています") || strings.Contains(board, "連絡を受け付けました") {
		t.Error("the board says at once that the alert goes out and that sending is held")
	}
	if report := o.visit(c, page+"/report").body; !strings.Contains(report, "あての送信を停止") {
		t.Error("the report does not say that sending was held")
	}
}

// What told nobody stands first among the columns of mails, and what no mail is in has none.
func TestBadMailsStandFirst(t *testing.T) {
	o := newOffice(t)
	o.load(smallRoster)
	a := o.alert(nil, true)
	o.must(o.server.eachChild(t.Context(), a.ID, func(lines []alert.ChildLine) error {
		for _, l := range lines {
			if l.Name != "見本 一郎" {
				continue
			}
			return o.server.Alerts.Update(t.Context(), alert.Change{Ref: l.Ref, Apply: func(f *alert.Family) bool {
				f.Copies[0].Refuse(alert.Failure{Code: 550}, o.clock())
				return true
			}})
		}
		return nil
	}))
	board := o.visit(o.signIn(), "/alerts/"+a.ID+"?lang=ja").body
	var heads []string
	for _, part := range strings.Split(board[strings.Index(board, `<table class="stack">`):], "</th>")[:5] {
		heads = append(heads, part[strings.LastIndexByte(part, '>')+1:])
	}
	if want := []string{"配送先", "回答", "受け取り拒否", "送信待ち", "合計"}; !slices.Equal(heads, want) {
		t.Errorf("the columns are %q", heads)
	}
	if !strings.Contains(board, `data-name="受け取り拒否"><b>1</b>`) {
		t.Error("the refused mail does not stand out")
	}
}
