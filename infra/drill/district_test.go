package drill

import (
	"net/http"
	"regexp"
	"strings"
	"time"

	"github.com/todoku/todoku/infra/found"
	"github.com/todoku/todoku/shared/roster"
	"github.com/todoku/todoku/shared/staff"
)

var apiToken = regexp.MustCompile(`todoku_[A-Za-z0-9_-]{43}`)

// invited has the operator make a link, and signs its person in.
func (d *Drill) invited(r found.Request) *Browser {
	d.Helper()
	link, err := d.Invite(r)
	if err != nil {
		d.Fatal(err)
	}
	b := d.NewBrowser()
	b.Open(link).Form("/sign-in/").Press("").Says(http.StatusOK, "連絡")
	return b
}

// secondSchool has another school of the district join, whose manager makes an API token
// for the class list and no more, and loads it.
func (d *Drill) secondSchool(list []byte) *Browser {
	d.Helper()
	b := d.invited(found.Request{
		School: roster.School{Name: "見本市立ドリル中学校", Mail: "anzen@drill-jhs.example.jp", Phone: "03-0000-0009", Zone: "Asia/Tokyo", District: "見本市"},
		Person: staff.Staff{Name: "教頭 中学", Mail: "kyoto@drill-jhs.example.jp"},
	})
	form := b.Open("/tokens").Form("/tokens").Set("name", "校務支援システム")
	form.Values["may"] = []string{"roster"}
	token := apiToken.FindString(form.Press("").Says(http.StatusOK, "今だけ表示").Text())
	for path, want := range map[string]int{"/roster?dry_run=1": 200, "/roster": 200, "/alerts": 403} {
		if code, body, err := call(d.URL, token, Request{Method: "POST", Path: path, Type: map[string]string{"/alerts": "application/json"}[path], Body: list}); err != nil || code != want {
			d.Fatalf("%s by a token for the roster: status %d: %s, %v", path, code, body, err)
		}
	}
	page := b.Open("/tokens").Says(http.StatusOK, "校務支援システム")
	if strings.Contains(page.Text(), token) {
		d.Error("the token is shown again")
	}
	page.Form("/tokens/").Press("").Says(http.StatusOK, "取り消しました")
	if code, _, err := call(d.URL, token, Request{Method: "GET", Path: "/groups"}); err != nil || code != http.StatusUnauthorized {
		d.Errorf("a revoked token: status %d, %v", code, err)
	}
	return b
}

// district: somebody of the district sees its schools, turns from one to the other, and
// tells both.
func district(d *Drill) {
	all := Pupils(24)
	d.Import(Sheet(all[:10]), "")
	other := d.secondSchool(Sheet(all[10:20]))
	office := d.invited(found.Request{
		School: roster.School{Name: school.Name}, Person: staff.Staff{Role: staff.District, Name: "指導主事 見本", Mail: "shido@city.example.jp"},
	})
	for _, b := range []*Browser{d.Manager, other} {
		b.Open("/district").Says(http.StatusForbidden, "")
	}
	mine := d.Send(Alert{Subject: "小学校だけの連絡"})
	d.Arrive("小学校だけの連絡", Addresses(all[:10]...)...)
	d.Settle(mine)

	page := office.Open("/district").Says(http.StatusOK, "ドリル小学校").Says(http.StatusOK, "ドリル中学校").Says(http.StatusOK, "小学校だけの連絡")
	page.Form("/district/turn").Press("この学校を開く").Says(http.StatusOK, "連絡")
	office.Open("/alerts/"+mine).Says(http.StatusOK, "小学校だけの連絡")
	office.Open("/roster").Says(http.StatusForbidden, "")

	form := office.Open("/district/send").Form("/district/preview").Set("kind", "notice").Set("subject", "大雪による休校").Set("body", "明日は休校です。")
	asked := form.Press("内容を確認する").Says(http.StatusOK, "2校・児童生徒20人")
	sent := asked.Form("/district/send").Press("2校へ送信する").Says(http.StatusOK, "受け付けました")
	d.Advance(11 * time.Second)
	d.Arrive("大雪による休校", append(Addresses(all[:10]...), Addresses(all[10:20]...)...)...)
	other.Open("/").Says(http.StatusOK, "大雪による休校")
	d.Manager.Open("/").Says(http.StatusOK, "大雪による休校")
	office.Open("/district").Says(http.StatusOK, "大雪による休校")
	sent.Says(http.StatusOK, "すべての学校で取り消す").Form("/district/undo").Press("").Says(http.StatusConflict, "取り消せませんでした")

	form = office.Open("/tokens").Form("/tokens").Set("name", "防災システム")
	form.Values["may"] = []string{"overview"}
	token := apiToken.FindString(form.Press("").Says(http.StatusOK, "今だけ表示").Text())
	for path, want := range map[string]int{"/district/schools": http.StatusOK, "/roster": http.StatusForbidden} {
		if code, body, err := call(d.URL, token, Request{Method: "GET", Path: path}); err != nil || code != want || want == http.StatusOK && strings.Count(string(body), "大雪による休校") != 2 {
			d.Errorf("%s by the district's token: status %d: %s, %v", path, code, body, err)
		}
	}

	// What the district did stands in each school's own log, and in no other's.
	other.Open("/audit").Says(http.StatusOK, "指導主事 見本").Says(http.StatusOK, "大雪による休校")
	if strings.Contains(other.Open("/").Text()+other.Open("/audit").Text(), "小学校だけの連絡") {
		d.Error("one school learns of the other's alert")
	}
	d.Manager.Open("/audit").Says(http.StatusOK, "大雪による休校")
}
