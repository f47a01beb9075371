package drill

import (
	"net/http"
	"strings"
	"time"
)

const checking = "緊急連絡は届いていますか / Do our messages still reach you?"

// recheck is the year after: an address by which an alert was answered is left alone,
// one of which nothing was heard is asked whether it is still read, reminded twice,
// and then left in peace for a year. Who answers by a POST is asked no more.
func recheck(d *Drill) {
	pupils := d.class(3)
	slips := d.slips()
	answers, asked, silent := "answers@gmail.com", "asked@docomo.ne.jp", "silent@icloud.com"
	for _, address := range []string{answers, asked, silent} {
		d.confirmed(slips[0].code, address)
	}
	all := append(Addresses(pupils...), answers, asked, silent)

	d.Advance(200 * 24 * time.Hour)
	id := d.Send(Alert{Subject: "半年後", Useful: time.Hour})
	mails := d.Arrive("半年後", all...)
	d.press(mails[answers], "無事")
	d.Settle(id)
	d.Advance(2 * time.Hour) // at its end it is noted who answered

	d.Advance(170 * 24 * time.Hour)
	d.Advance(8 * 24 * time.Hour) // the tick looks at every family once a week
	d.Advance(time.Minute)
	letters := d.Arrive(askSubject(checking), asked, silent)
	confirm := joinLink.FindString(letters[asked].Text)
	page := d.NewBrowser().Open(confirm).Says(http.StatusOK, "このアドレスをいまも見ているときは")
	if strings.Contains(page.Text(), pupils[0].Name) {
		d.Error("the page shows a child: an operator may have given the address to somebody else")
	}
	page.Form("/register/confirm/").Press("届いています").Says(http.StatusOK, "これからもこのアドレスに届きます")

	for n := range 2 { // the reminders
		d.expected[envelope{askSubject(checking), silent}]++
		d.Advance(8 * 24 * time.Hour)
		d.Advance(time.Minute)
		d.Until("a reminder", func() bool { return len(d.with(askSubject(checking))) == 3+n })
	}
	for range 4 {
		d.Advance(30 * 24 * time.Hour) // and nothing more
		d.Advance(time.Minute)
	}
	d.signInAgain()
	d.Token = d.newToken("see", "send") // the first has ended
	d.told("everybody is told, heard of or not", all)
	office, _ := d.classOf(slips[0].child)
	office.Says(http.StatusOK, "1年以上回答なし")
}

// confirmed registers an address by a slip's code, to the end.
func (d *Drill) confirmed(code, address string) {
	d.Helper()
	d.NewBrowser().Open("/register/"+code).Form("/register").Set("address", address).Press("確認メールを受け取る")
	mail := d.asked(askSubject(registered), address)
	d.NewBrowser().Open(joinLink.FindString(mail.Text)).Form("/register/confirm/").Press("登録する").Says(http.StatusOK, "登録が終わりました")
}
