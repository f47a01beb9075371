package drill

import (
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"time"

	"golang.org/x/net/html"
)

var (
	joinLink = regexp.MustCompile(`https?://\S+/register/confirm/[A-Za-z0-9_-]+`)
	slipLink = regexp.MustCompile(`https?://\S+/register`)
)

// askSubject is the subject of a mail that asks for a confirmation.
func askSubject(words string) string { return "【" + school.Name + "】" + words }

const (
	registered = "連絡先の確認をお願いします / Please confirm your address"
	invited    = "緊急連絡の登録をお願いします / Please register for emergency messages"
)

// classPage opens the office's page of the first class.
func (d *Drill) classPage() (page *Page, class string) {
	d.Helper()
	for _, a := range d.Manager.Open("/reach").Says(http.StatusOK, "登録状況").Find("a", "") {
		if path, ok := strings.CutPrefix(attr(a, "href"), "/reach/"); ok && path != "" {
			return d.Manager.Open("/reach/" + path), path
		}
	}
	d.Fatal("there is no class")
	return nil, ""
}

// slipText is what a child takes home.
type slipText struct{ child, code string }

// slips prints the slips of the first class.
func (d *Drill) slips() []slipText {
	d.Helper()
	page, class := d.classPage()
	page = page.Form("/reach/"+class+"/slips").Press("登録の紙を印刷する").Says(http.StatusOK, "登録コード")
	var slips []slipText
	for _, li := range page.Find("li", "slip") {
		s := slipText{}
		for n := range li.Descendants() {
			if n.Type == html.ElementNode && n.Data == "b" && s.child == "" {
				s.child = text(n)
			}
			if n.Type == html.ElementNode && hasClass(n, "code") {
				s.code = text(n)
			}
		}
		if !slipLink.MatchString(text(li)) {
			d.Fatalf("the slip names no address: %s", text(li))
		}
		slips = append(slips, s)
	}
	return slips
}

// registerBySlip goes from the printed slip to an alert at the new address.
func registerBySlip(d *Drill) {
	pupils := d.class(2)
	slip := d.slips()[0]
	guardian := d.NewBrowser()
	page := guardian.Open("/register/"+slip.code).Says(http.StatusOK, "緊急連絡の登録")
	wait := page.Form("/register").Set("address", "新しい親＜new-parent＠gmail．com＞").Set("name", "新しい 親").Press("確認メールを受け取る").Says(http.StatusOK, "確認メールを開いてください")
	if strings.Contains(page.Text()+wait.Text(), slip.child) {
		d.Error("the child is shown before the address is proven")
	}
	mail := d.Arrive(askSubject(registered), "new-parent@gmail.com")["new-parent@gmail.com"]

	// Nothing is told to an address that has not confirmed.
	before := d.Send(Alert{Subject: "確認の前"})
	d.Arrive("確認の前", Addresses(pupils...)...)
	d.Settle(before)

	confirm := d.NewBrowser().Open(joinLink.FindString(mail.Text)).Says(http.StatusOK, slip.child)
	guardian.Open(wait.URL.Path).Says(http.StatusOK, "確認メールを開いてください") // opening changed nothing
	confirm.Form("/register/confirm/").Press("登録する").Says(http.StatusOK, "登録が終わりました")
	guardian.Open(wait.URL.Path).Says(http.StatusOK, "登録が終わりました")

	after := d.Send(Alert{Subject: "確認の後"})
	d.Arrive("確認の後", append(Addresses(pupils...), "new-parent@gmail.com")...)
	d.Settle(after)
	office, _ := d.classPage()
	office.Says(http.StatusOK, "new-parent@gmail.com 確認済み")

	// Who leaves again leaves nothing behind.
	own := d.own("new-parent@gmail.com")
	for _, link := range own.Find("a", "") {
		if to := attr(link, "href"); strings.Contains(to, "?leave=") {
			own = own.Open(to)
			break
		}
	}
	own.form("leave").Press("削除する").Says(http.StatusOK, "アドレスを削除しました")
	d.Advance(8 * 24 * time.Hour) // the alerts are over
	d.Advance(time.Minute)
	if left := holding(d.items(), "new-parent@gmail.com"); left != nil {
		d.Errorf("the deleted address is still in %q", left)
	}
}

// registerByOffice pastes addresses for a class, and follows one of them to its
// confirmation and another to its reminders.
func registerByOffice(d *Drill) {
	pupils := d.class(2)
	_, class := d.classPage()
	page := d.Manager.Open("/reach/"+class+"/invite").Form("/reach/"+class+"/invite").
		Set("rows", pupils[0].Name+"\toffice-1@docomo.ne.jp\noffice-2@gmail.com\nだれも nobody@gmail.com\n").Press("招待する")
	page.Says(http.StatusOK, "招待しました").Says(http.StatusOK, "見つかりません")
	if got := page.Form("/reach/").Values.Get("rows"); !strings.Contains(got, "nobody@gmail.com") || strings.Contains(got, "office-1") {
		d.Errorf("what was not taken is %q", got)
	}
	// The office vouches for the address with a child: it is told at once.
	told := d.Send(Alert{Subject: "招待の後"})
	d.Advance(0) // the tick feeds the lanes
	mails := d.Arrive(askSubject(invited), "office-1@docomo.ne.jp", "office-2@gmail.com")
	d.Arrive("招待の後", append(Addresses(pupils...), "office-1@docomo.ne.jp")...)
	d.Settle(told)

	d.NewBrowser().Open(joinLink.FindString(mails["office-1@docomo.ne.jp"].Text)).
		Says(http.StatusOK, pupils[0].Name).Form("/register/confirm/").Press("登録する").Says(http.StatusOK, "登録が終わりました")
	open := joinLink.FindString(mails["office-2@gmail.com"].Text)
	form := d.NewBrowser().Open(open).Says(http.StatusOK, "登録コード").Form("/register/confirm/")
	form.Set("code", "00000-00000").Press("登録する").Says(http.StatusUnprocessableEntity, "使えません")

	slip := d.slips()[0] // before the manager's session ends
	d.Advance(3 * 24 * time.Hour)
	reminder := d.remindedOf("office-2@gmail.com")
	d.NewBrowser().Open(joinLink.FindString(reminder.Text)).Form("/register/confirm/").Set("code", slip.code).
		Press("登録する").Says(http.StatusOK, slip.child)
	d.Advance(30 * 24 * time.Hour) // nobody is asked again
	later := d.Send(Alert{Subject: "一か月後"})
	d.Arrive("一か月後", append(Addresses(pupils...), "office-1@docomo.ne.jp", "office-2@gmail.com")...)
	d.Settle(later)
}

// remindedOf waits for the second mail to an address that has no child yet.
func (d *Drill) remindedOf(address string) Mail {
	d.Helper()
	subject := askSubject(invited)
	d.expected[envelope{subject, address}]++
	var mails []Mail
	d.Until(fmt.Sprintf("%d mails", 3), func() bool { mails = d.with(subject); return len(mails) == 3 })
	return mails[2]
}
