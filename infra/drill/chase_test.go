package drill

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

// missing is the subject of the mail that tells the sender who is missing.
func missing(children int, subject string) string {
	return askSubject(fmt.Sprintf("未回答 %[1]d人：%[2]s / %[1]d not answered: %[2]s", children, subject))
}

// comes waits for one mail more with a subject, of which others came before.
func (d *Drill) comes(subject, to string) Mail {
	d.Helper()
	d.expected[envelope{subject, to}]++
	var came []Mail
	flow := d.flow()
	d.Until("a mail comes: "+subject, func() bool {
		flow()
		came = slices.DeleteFunc(d.with(subject), func(m Mail) bool { return m.To != to })
		return len(came) >= d.expected[envelope{subject, to}]
	})
	return came[len(came)-1]
}

// chase: a round goes to a family's contacts at another operator first, and to the rest
// only if nobody answers; the sender is told who is missing; it ends with the alert.
func chase(d *Drill) {
	const subject = "安否の確認"
	pupils := d.class(40)
	id := d.Send(Alert{Subject: subject, Useful: 5 * time.Hour, Remind: 30 * time.Minute, Times: 2, Every: time.Hour})
	mails := d.Arrive(subject, Addresses(pupils...)...)
	d.Settle(id)
	d.press(mails[pupils[8].Parents[1].Addresses[0]], "無事です") // the father, for the mother too

	d.Advance(29 * time.Minute)
	d.equal("mails before the time", len(d.with(subject)), len(mails))
	d.Advance(time.Minute)
	two, parted := pupils[6].Parents[0].Addresses, pupils[28].Parents // at two operators
	first := Addresses(slices.Delete(slices.Clone(pupils), 8, 9)...)
	first = slices.DeleteFunc(first, func(a string) bool { return a == two[0] || a == parted[0].Addresses[0] })
	again := subject + "（再送・未回答の方へ）"
	reminders := d.Arrive(again, first...)
	text := d.Arrive(missing(39, subject), manager.Mail)[manager.Mail].Text
	if !strings.Contains(text, "・1年1組：未回答 19 / 20人") || !strings.Contains(text, "/alerts/"+id) {
		d.Errorf("the sender is told:\n%s", text)
	}
	d.press(reminders[parted[1].Addresses[0]], "無事です")
	d.press(reminders[pupils[12].parent()], "無事です")
	d.Advance(5 * time.Minute)
	d.comes(again, two[0])
	d.equal("reminders of the first round", len(d.with(again)), len(first)+1)

	d.Advance(55 * time.Minute)
	waiting := slices.Clone(pupils)
	for _, i := range []int{28, 12, 8} {
		waiting = slices.Delete(waiting, i, i+1)
	}
	second := slices.DeleteFunc(Addresses(waiting...), func(a string) bool { return a == two[1] }) // now the other one waits
	d.Arrive(subject+"（再送2回目・未回答の方へ）", second...)
	d.Arrive(missing(37, subject), manager.Mail)
	d.Manager.Open("/alerts/"+id+"/close").Form("/alerts/"+id+"/close").Press("").Says(http.StatusOK, "終了")
	d.AllowErrors("the doctor found something") // in a world without DNS
	d.Advance(3 * time.Hour)                    // and nothing more comes
	d.equal("copies that left", d.Settle(id).left(), int64(len(mails)+len(first)+1+len(second)))
	d.recount(id, d.Status(id))
}

// chaseSettings: what a manager sets holds for what is sent then, by kind.
func chaseSettings(d *Drill) {
	pupils := d.class(12)
	page := d.Manager.Open("/chase").Says(http.StatusOK, "再送の設定")
	page.Form("/chase").Set("every_safety", "5").Press("").Says(http.StatusUnprocessableEntity, "再送の間隔は、10から")
	form := page.Form("/chase").Set("after_safety", "１５").Set("times_safety", "1").Set("after_notice", "20")
	form.Values.Del("tell_missing_safety")
	form.Press("").Says(http.StatusOK, "保存しました")
	page.Form("/chase").Press("").Says(http.StatusConflict, "ほかの人が先に")

	preview := d.Manager.Open("/alerts/new?kind=safety").Form("/alerts/preview").Set("subject", "安否").Set("body", instruction).Set("all", "1").Press("確認")
	preview.Says(http.StatusOK, "15分後、回答がない家庭へ1回").Form("/alerts").Press("送信する")
	d.Advance(10 * time.Second)
	d.Arrive("安否", Addresses(pupils...)...)
	d.Advance(15 * time.Minute)
	d.Advance(5 * time.Minute)
	d.Arrive("安否（再送・未回答の方へ）", Addresses(pupils...)...)
	d.AllowErrors("the doctor found something") // in a world without DNS
	d.Advance(2 * time.Hour)
	d.Manager.Open("/audit").Says(http.StatusOK, "再送: お知らせ: 20分後")
}
