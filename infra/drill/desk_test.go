package drill

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/todoku/todoku/infra/found"
	"github.com/todoku/todoku/shared/roster"
	"github.com/todoku/todoku/shared/staff"
)

// version asks whether a call desk has news.
func (d *Drill) version(id string) string {
	d.Helper()
	return d.Manager.Open("/alerts/"+id+"/desk/version").Says(http.StatusOK, "version").Body
}

// desk opens the call desk and fails unless so many families are to be phoned.
func (d *Drill) desk(id string, families int) *Page {
	d.Helper()
	return d.Manager.Open("/alerts/"+id+"/desk").Says(http.StatusOK, fmt.Sprintf("電話が必要：%d家庭", families))
}

// families counts the families of pupils: siblings are one.
func families(pupils []Pupil) int {
	seen := map[string]bool{}
	for _, p := range pupils {
		seen[p.Parents[0].Phone] = true
	}
	return len(seen)
}

// callDesk: who has not answered is phoned, family by family; an answer that comes by
// mail takes the family off; what is heard on the phone counts, once.
func callDesk(d *Drill) {
	pupils := d.class(12)
	n := families(pupils)
	id := d.Send(Alert{Subject: "大雪の安否確認"})
	mails := d.Arrive("大雪の安否確認", Addresses(pupils...)...)
	d.Settle(id)
	d.Advance(31 * time.Minute)
	d.desk(id, n)

	before := d.version(id)
	d.press(mails[pupils[9].parent()], "無事です")
	if d.version(id) == before {
		d.Error("the desk did not notice an answer")
	}
	d.desk(id, n-1)

	page := d.desk(id, n-1).Form("/alerts/" + id + "/desk/next").Press("")
	page.Says(http.StatusOK, "あなたが対応中です")
	d.desk(id, n-1).Says(http.StatusOK, "対応中：1")
	call := page.Form(page.URL.Path + "/calls")
	call.Press("").Says(http.StatusUnprocessableEntity, "電話の結果を選んでください")
	call.Set("outcome", "call_back").Set("call_at", "").Set("note", "夜なら出られる").Press("").Says(http.StatusUnprocessableEntity, "かけ直す日時を")
	call.Set("call_at", d.Clock.Now().Add(time.Hour).In(begin.Location()).Format("2006-01-02T15:04")).Press("").Says(http.StatusOK, "電話の結果を記録しました")
	call.Press("").Says(http.StatusOK, "電話の結果を記録しました") // once more: it counts once
	d.desk(id, n-1).Says(http.StatusOK, "対応中：0")
	again := page.Open(page.URL.Path).Says(http.StatusOK, "夜なら出られる")
	if got := strings.Count(again.Text(), "電話：かけ直す約束"); got != 1 {
		d.Errorf("an entry that was sent twice stands %d times", got)
	}

	d.callTogether(id, n-1)
}

// callTogether: an entry that a guardian's answer has overtaken is asked about, and
// what was written on paper is keyed in by row number.
func (d *Drill) callTogether(id string, left int) {
	d.Helper()
	page := d.desk(id, left).Form("/alerts/" + id + "/desk/next").Press("")
	call := page.Form(page.URL.Path + "/calls")
	call.Set("outcome", "answered")
	for _, child := range page.children() {
		call.Set("choice_"+child, "safe")
	}
	call.Press("").Says(http.StatusOK, "電話の結果を記録しました")
	page.Open(page.URL.Path).Says(http.StatusOK, "電話は不要です")
	// The same from a device that had no connection, where something else was heard.
	stale := call.Set("id", "kept-on-a-device").Press("")
	stale.Says(http.StatusConflict, "別の回答が届きました")
	stale.Form(page.URL.Path+"/calls").Press("").Says(http.StatusOK, "電話の結果を記録しました")

	paper := d.desk(id, left-1).Form("/alerts/"+id+"/desk/paper").Press("").Says(http.StatusOK, "紙1号")
	d.equal("rows of the paper copy", strings.Count(paper.Body, `<th scope="row"`), left-1)
	keyIn := paper.Open(paper.URL.Path + "/enter").Form(paper.URL.Path + "/enter")
	keyIn.Set("row_1", "answered safe").Set("row_2", "no_reply").Set("note_2", "留守")
	keyIn.Set("row_3", "call_back").Set("at_3", "").Press("").Says(http.StatusUnprocessableEntity, "かけ直す日時を")
	keyIn.Set("row_1", "").Set("row_2", "").Set("at_3", d.Clock.Now().Add(time.Hour).In(begin.Location()).Format("2006-01-02T15:04")).Press("").Says(http.StatusOK, "1件を記録しました")
	d.desk(id, left-2).Says(http.StatusOK, "留守")
	if s := d.Status(id); s.Children["answered"] < 3 {
		d.Errorf("answered: %d", s.Children["answered"])
	}
	d.recount(id, d.Status(id))
	d.Manager.Open("/audit").Says(http.StatusOK, "電話連絡")
}

// children returns the ids of the children for whom the form of a call asks.
func (p *Page) children() (ids []string) {
	seen := url.Values{}
	for _, n := range p.Find("input", "") {
		if child, ok := strings.CutPrefix(attr(n, "name"), "choice_"); ok && !seen.Has(child) {
			seen.Set(child, "")
			ids = append(ids, child)
		}
	}
	return ids
}

// bothSchools has the same families at two schools, each with an open alert that somebody
// of their district sent.
func (d *Drill) bothSchools(pupils []Pupil) (other, office *Browser) {
	d.Helper()
	other = d.secondSchool(Sheet(pupils))
	office = d.invited(found.Request{
		School: roster.School{Name: school.Name}, Person: staff.Staff{Role: staff.District, Name: "指導主事 見本", Mail: "shido@city.example.jp"},
	})
	form := office.Open("/district/send").Form("/district/preview").Set("kind", "safety").Set("subject", "地震の安否確認").Set("body", "回答してください。")
	form.Press("内容を確認する").Form("/district/send").Press("2校へ送信する").Says(http.StatusOK, "受け付けました")
	d.Advance(11 * time.Second)
	d.Arrive("地震の安否確認", Addresses(pupils...)...)
	for _, to := range Addresses(pupils...) {
		d.comes("地震の安否確認", to) // of the other school
	}
	d.Settle(strings.TrimPrefix(d.Manager.newest("地震の安否確認"), "/alerts/"))
	return other, office
}

// districtDesk: somebody of the district has one row for siblings at two schools, and one
// call answers at both; a school sees that its family is in hand, and of the other school
// no more than that.
func districtDesk(d *Drill) {
	pupils := d.class(6)
	n := families(pupils)
	other, office := d.bothSchools(pupils)
	mine, theirs := d.Manager.newest("地震の安否確認"), other.newest("地震の安否確認")
	list := office.Open("/district/desk").Says(http.StatusOK, fmt.Sprintf("電話が必要：%d家庭", n)).Says(http.StatusOK, fmt.Sprintf("複数の学校にまたがる家庭：%d", n))
	page := list.Form("/district/desk/next").Press("").Says(http.StatusOK, "あなたが対応中です")
	for who, desk := range map[*Browser]string{d.Manager: mine, other: theirs} {
		at := who.Open(desk+"/desk").Says(http.StatusOK, fmt.Sprintf("電話が必要：%d家庭", n)).Says(http.StatusOK, "指導主事 見本さんが対応中")
		if strings.Contains(at.Text(), "またがる") {
			d.Error("a school's desk tells of others' families")
		}
		who.Open("/district/desk").Says(http.StatusForbidden, "")
	}
	call := page.Form(page.URL.Path+"/calls").Set("outcome", "answered")
	for _, child := range page.children() {
		call.Set("choice_"+child, "safe")
	}
	for range 2 { // once more, as a device does that has not heard that it was recorded
		call.Press("").Says(http.StatusOK, "電話の結果を記録しました")
	}
	office.Open("/district/desk").Says(http.StatusOK, fmt.Sprintf("電話が必要：%d家庭", n-1)).Says(http.StatusOK, "対応中：0")
	d.Manager.Open(mine+"/desk").Says(http.StatusOK, fmt.Sprintf("電話が必要：%d家庭", n-1))
	other.Open(theirs+"/desk").Says(http.StatusOK, fmt.Sprintf("電話が必要：%d家庭", n-1))
	for _, id := range []string{mine, theirs} {
		office.Open(id+"/report").Says(http.StatusOK, "電話の件数 1").Says(http.StatusOK, "状況を聞いた")
	}
	d.Manager.Open("/audit").Says(http.StatusOK, "指導主事 見本").Says(http.StatusOK, "電話連絡")
	other.Open("/audit").Says(http.StatusOK, "指導主事 見本").Says(http.StatusOK, "電話連絡")

	d.districtPaper(office, n-1)
	for who, desk := range map[*Browser]string{d.Manager: mine, other: theirs} {
		who.Open(desk+"/desk").Says(http.StatusOK, fmt.Sprintf("電話が必要：%d家庭", n-2)).Says(http.StatusOK, "留守")
	}
	id := strings.TrimPrefix(mine, "/alerts/")
	d.recount(id, d.Status(id))
}

// districtPaper: the district's list is on paper what it is on the screen, and what was
// written on it is keyed in by row number, for all schools of a row.
func (d *Drill) districtPaper(office *Browser, left int) {
	d.Helper()
	list := office.Open("/district/desk").Says(http.StatusOK, fmt.Sprintf("電話が必要：%d家庭", left))
	paper := list.Form("/district/desk/paper").Press("").Says(http.StatusOK, "紙1号").Says(http.StatusOK, fmt.Sprintf("%d家庭", left))
	d.equal("rows of the paper copy", strings.Count(paper.Body, `<th scope="row"`), left)
	at := 0
	for _, names := range list.Find("p", "") {
		if _, is := lookup(names, "data-names"); is {
			next := strings.Index(paper.Text()[at:], text(names))
			if next < 0 {
				d.Errorf("the paper does not have %s where the screen has it", text(names))
				continue
			}
			at += next
		}
	}
	keyIn := paper.Open(paper.URL.Path + "/enter").Form(paper.URL.Path + "/enter")
	keyIn.Set("row_1", "answered safe").Set("row_2", "no_reply").Set("note_2", "留守")
	keyIn.Set("row_3", "call_back").Set("at_3", "").Press("").Says(http.StatusUnprocessableEntity, "3番：かけ直す日時を")
	keyIn.Set("row_3", "message").Press("").Says(http.StatusOK, "3件を記録しました") // what was recorded counts once
	paper.Open(paper.URL.Path).Says(http.StatusOK, "回答あり・電話不要")
	d.Manager.Open(paper.URL.Path).Says(http.StatusForbidden, "")
}

// siblingsAtTwoSchools: both schools of a district have an alert open, and the same
// families: what one has in hand the other leaves alone, and sees what came of it.
func siblingsAtTwoSchools(d *Drill) {
	other, _ := d.bothSchools(d.class(4))
	mine, theirs := d.Manager.newest("地震の安否確認"), other.newest("地震の安否確認")
	next := func(b *Browser, desk string) *Page {
		return b.Open(desk + "/desk").Form(desk + "/desk/next").Press("")
	}
	page := next(d.Manager, mine).Says(http.StatusOK, "あなたが対応中です")
	other.Open(theirs+"/desk").Says(http.StatusOK, school.Name+"の"+manager.Name+"さんが対応中")
	name := strings.Fields(page.Find("h1", "")[0].FirstChild.Data)
	if their := next(other, theirs).Says(http.StatusOK, "あなたが対応中です"); strings.Contains(their.Text(), name[len(name)-1]) {
		d.Errorf("both schools have the family of %v in hand", name)
	}
	page.Form(page.URL.Path+"/calls").Set("outcome", "no_reply").Press("").Says(http.StatusOK, "電話の結果を記録しました")
	other.Open(theirs+"/desk").Says(http.StatusOK, school.Name+"から電話").Says(http.StatusOK, "出なかった")
	d.Manager.Open(mine+"/desk").Says(http.StatusOK, "中学校の教頭 中学さんが対応中")
}

// newest returns the path of the alert with a subject.
func (b *Browser) newest(subject string) string {
	b.Helper()
	for _, a := range b.Open("/").Find("a", "") {
		if strings.Contains(text(a), subject) {
			return attr(a, "href")
		}
	}
	b.Fatalf("no alert %s", subject)
	return ""
}
