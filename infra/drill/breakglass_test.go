package drill

import (
	"net/http"
	"strings"
	"time"
)

const glassMail = "【要確認】全校への緊急送信 / Break-glass alert"

// breakTheGlass has a teacher send to the whole school, and returns the page on which
// it waits. The manager is mailed at once.
func (d *Drill) breakTheGlass(teacher *Browser, subject string) *Page {
	d.Helper()
	teacher.Open("/").Says(http.StatusOK, "緊急：全校へ送る")
	page := teacher.Open("/break-glass").Form("/break-glass").Set("subject", subject).Set("body", "校庭に避難しています。").
		Press("").Says(http.StatusOK, "まだ送っていません").Says(http.StatusOK, subject)
	d.expected[envelope{glassMail, manager.Mail}]++
	mails := 0
	d.Until("the manager is told", func() bool {
		mails = len(d.with(glassMail))
		return mails == d.expected[envelope{glassMail, manager.Mail}]
	})
	text := d.with(glassMail)[mails-1].Text
	if !strings.Contains(text, page.URL.Path) || !strings.Contains(text, "例 一子") {
		d.Errorf("the manager is told:\n%s", text)
	}
	return page
}

// breakGlass: a teacher tells the whole school with a second person, alone, and not
// at all.
func breakGlass(d *Drill) {
	pupils := d.class(40)
	teacher := d.hireByCode("例 一子", "teacher", d.classID("1年1組"))
	second := d.hireByCode("例 二郎", "teacher", d.classID("1年2組"))
	viewer := d.hireByCode("電話 係", "viewer")

	// A second person lets it go at once.
	page := d.breakTheGlass(teacher, "地震です")
	path := page.URL.Path
	own := teacher.Do(http.MethodPost, path+"/approve", nil)
	own.Says(http.StatusConflict, "自分では確認できません")
	viewer.Do(http.MethodPost, path+"/approve", nil).Says(http.StatusForbidden, "")
	viewer.Open(path).Says(http.StatusForbidden, "")
	second.Open("/").Says(http.StatusOK, "緊急送信が確認を待っています")
	second.Open(path).Says(http.StatusOK, "校庭に避難しています").Form(path+"/approve").Press("").Says(http.StatusOK, "地震です")
	d.Arrive("地震です", Addresses(pupils...)...)
	d.Settle(strings.TrimPrefix(path, "/break-glass/"))

	// Alone, after the countdown and not before.
	page = d.breakTheGlass(teacher, "一人です")
	d.Advance(2*time.Minute - time.Second)
	if n := len(d.with("一人です")); n != 0 {
		d.Errorf("%d mails left before the countdown ended", n)
	}
	d.Advance(time.Second)
	d.Arrive("一人です", Addresses(pupils...)...)
	second.Do(http.MethodPost, page.URL.Path+"/approve", nil).Says(http.StatusConflict, "送信が始まったか")
	d.Settle(strings.TrimPrefix(page.URL.Path, "/break-glass/"))

	// Undone by the teacher, and by the manager.
	for _, b := range []*Browser{teacher, d.Manager} {
		page = d.breakTheGlass(teacher, "まちがいです")
		b.Open(page.URL.Path).Form("/alerts/").Press("取り消す").Says(http.StatusOK, "誰にも送っていません")
		d.Advance(3 * time.Minute)
	}

	// Stricter: nothing leaves without a second person, and it does not wait for ever.
	settings := func(choice string) {
		d.Manager.Open("/break-glass/settings").Form("/break-glass/settings").Set("choice", choice).Press("").Says(http.StatusOK, "保存しました")
	}
	settings("second")
	page = d.breakTheGlass(teacher, "確認待ちです")
	d.Advance(14 * time.Minute)
	page.Open(page.URL.Path).Says(http.StatusOK, "ほかの教職員の確認を待っています")
	d.Advance(time.Minute)
	page.Open(page.URL.Path).Says(http.StatusOK, "誰にも送っていません")
	page = d.breakTheGlass(teacher, "二人です")
	second.Open(page.URL.Path).Form(page.URL.Path + "/approve").Press("")
	d.Arrive("二人です", Addresses(pupils...)...)
	d.Settle(strings.TrimPrefix(page.URL.Path, "/break-glass/"))

	settings("off")
	teacher.Open("/break-glass").Says(http.StatusForbidden, "管理者に電話してください")
	log := d.Manager.Open("/audit?kind=break-glass")
	log.Says(http.StatusOK, "地震です").Says(http.StatusOK, "確認: 例 一子 / 地震です").Says(http.StatusOK, "一人です")
}
