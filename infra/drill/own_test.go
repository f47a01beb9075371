package drill

import (
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"
)

var ownLink = regexp.MustCompile(`https?://\S+/register/own/[A-Za-z0-9_-]+`)

const (
	ownSubject  = "連絡先の変更用リンク / Your link to change your contacts"
	testSubject = "【テスト】緊急連絡の受信テスト / [Test] Emergency messages reach you"
	lostSubject = "連絡先がなくなりました / A child has lost its last route"
)

// own asks for the link to the own page of an address, and opens it.
func (d *Drill) own(address string) *Page {
	d.Helper()
	return d.ownBy(askSubject(ownSubject), address)
}

// ownBy is own where the mail has another subject.
func (d *Drill) ownBy(subject, address string) *Page {
	d.Helper()
	before := len(d.with(subject))
	d.expected[envelope{subject, address}]++
	d.NewBrowser().Open("/register/own").Form("/register/own").Set("address", address).Press("リンクを受け取る").
		Says(http.StatusOK, "そのアドレスが登録されていれば")
	var mails []Mail
	d.Until("the link comes", func() bool { mails = d.with(subject); return len(mails) > before })
	return d.NewBrowser().Open(ownLink.FindString(mails[before].Text)).Says(http.StatusOK, "自分のページ")
}

// form returns the form of the own page that does something for a contact.
func (p *Page) form(do string) *Form {
	p.Helper()
	for _, n := range p.Find("form", "") {
		f := &Form{Page: p, node: n, Values: map[string][]string{}}
		if f.collect(); f.Values.Get("do") == do {
			return f
		}
	}
	p.Fatalf("%s has no form to %s:\n%s", p.URL.Path, do, p.Text())
	return nil
}

// ownPage changes all that can be changed on a guardian's own page, and sees by
// alerts what comes of it.
func ownPage(d *Drill) {
	pupils := d.class(2)
	all := Addresses(pupils...)
	mine := pupils[0].Parents[0].Addresses[0]
	d.NewBrowser().Open("/register/own").Form("/register/own").Set("address", "stranger@gmail.com").Press("リンクを受け取る").
		Says(http.StatusOK, "そのアドレスが登録されていれば") // and nothing is sent

	page := d.own(mine).Says(http.StatusOK, pupils[0].Name).Says(http.StatusOK, mine)
	page.form("test").Press("テストメールを送る").Says(http.StatusOK, "テストメールを送りました")
	d.Arrive(askSubject(testSubject), mine)
	page.form("lang").Set("in", "en").Press("変更する").Says(http.StatusOK, "言葉を変更しました")

	wait := page.form("add").Set("address", "Second＠gmail．com").Press("確認メールを送る").Says(http.StatusOK, "確認メールを開いてください")
	d.told("before the second is confirmed", all)
	d.NewBrowser().Open(joinLink.FindString(d.asked(askSubject("Please confirm your address / 連絡先の確認をお願いします"), "Second@gmail.com").Text)).Form("/register/confirm/").Press("登録する")
	wait.Open(wait.URL.Path).Says(http.StatusOK, "登録が終わりました")
	all = append(all, "Second@gmail.com")
	d.told("after the second is confirmed", all)
	for _, m := range d.with("after the second is confirmed") {
		english := m.To == mine || m.To == "Second@gmail.com"
		if strings.Contains(m.Text, "Useful until / この連絡の有効期限") != english {
			d.Errorf("the mail to %s is not in its reader's language first:\n%s", m.To, m.Text)
		}
	}

	page.form("pause").Set("until", "2026-12-31").Press("一時停止する").Says(http.StatusUnprocessableEntity, "180日以内")
	page.form("pause").Set("until", "2026-04-09").Press("一時停止する").Says(http.StatusOK, "まで停止中")
	d.told("paused", slices.DeleteFunc(slices.Clone(all), func(a string) bool { return a == mine }))
	d.Advance(3 * 24 * time.Hour)
	d.told("the pause is over", all)

	page.Open(page.URL.Path).Says(http.StatusGone, "期限が切れました")
	page = d.ownBy(askSubject("Your link to change your contacts / 連絡先の変更用リンク"), "Second@gmail.com") // in the language that was chosen
	page.Says(http.StatusOK, mine).form("pause").Press("一時停止する").Says(http.StatusOK, "すぐに再開する").
		form("pause").Press("すぐに再開する").Says(http.StatusOK, "一時停止を変更しました")
	d.told("resumed at once", all)
}

// asked waits for the newest mail with a subject to an address.
func (d *Drill) asked(subject, address string) (found Mail) {
	d.Helper()
	d.expected[envelope{subject, address}]++
	d.Until("a mail comes: "+subject, func() bool {
		for _, m := range d.with(subject) {
			if m.To == address {
				found = m
			}
		}
		return found.To != ""
	})
	return found
}

// told sends a safety check, and sees who is told.
func (d *Drill) told(subject string, addresses []string) {
	d.Helper()
	id := d.Send(Alert{Subject: subject})
	d.Arrive(subject, addresses...)
	d.Settle(id)
}

// noNotices ends notices by the button of a mail program, then removes the address
// on the own page: only that ends safety checks, and the school is told of it.
func noNotices(d *Drill) {
	pupils := d.class(2)
	all := Addresses(pupils...)
	mine := pupils[0].Parents[0].Addresses[0]
	others := slices.DeleteFunc(slices.Clone(all), func(a string) bool { return a == mine })
	first := d.Send(Alert{Kind: "notice", Subject: "遠足のお知らせ"})
	mail := d.Arrive("遠足のお知らせ", all...)[mine]
	d.Settle(first)
	d.equal("List-Unsubscribe-Post", mail.Headers["List-Unsubscribe-Post"], "List-Unsubscribe=One-Click")
	leave := strings.Trim(mail.Headers["List-Unsubscribe"], "<>")

	d.NewBrowser().Open(leave).Says(http.StatusOK, "お知らせの受信をやめますか") // a scanner does so, too
	second := d.Send(Alert{Kind: "notice", Subject: "遠足の持ち物"})
	d.Arrive("遠足の持ち物", all...)
	d.Settle(second)

	program := d.NewBrowser().send(http.MethodPost, leave, strings.NewReader("List-Unsubscribe=One-Click"),
		map[string]string{"Content-Type": "application/x-www-form-urlencoded"})
	if program.Says(http.StatusOK, "お知らせの受信をやめました").URL.String() != leave {
		d.Errorf("the mail program is led on to %s", program.URL) // RFC 8058, section 3.1
	}
	third := d.Send(Alert{Kind: "notice", Subject: "遠足の写真"})
	d.Arrive("遠足の写真", others...)
	d.Settle(third)
	d.told("notices ended, safety checks come", all)

	page := d.own(mine).Says(http.StatusOK, "お知らせなし（安否確認は届きます）")
	for _, a := range page.Find("a", "") {
		if to := attr(a, "href"); strings.Contains(to, "?leave=") {
			page = page.Open(to).Says(http.StatusOK, "緊急連絡も安否確認も、このアドレスには届かなくなります")
			break
		}
	}
	d.told("asked, not removed", all)
	page.form("leave").Press("削除する").Says(http.StatusOK, "アドレスを削除しました")
	d.Advance(time.Minute) // the tick looks whether they are still without a route
	lost := d.Arrive(askSubject(lostSubject), school.Mail)[school.Mail]
	if strings.Contains(lost.Text, pupils[0].Name) || strings.Contains(lost.Text, mine) {
		d.Errorf("the mail to the school names somebody:\n%s", lost.Text)
	}
	d.told("removed", others)
	d.Advance(8 * 24 * time.Hour) // the alerts are over
	d.Advance(time.Minute)
	if left := holding(d.items(), mine); left != nil {
		d.Errorf("the deleted address is still in %q", left)
	}
}
