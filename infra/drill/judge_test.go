package drill

import (
	"net/http"
	"slices"
	"strings"
	"time"
)

const (
	untoldSubject = "届かなかった連絡先があります / Mail did not arrive at some addresses"
	heldSubject   = "ドコモが学校のメールを拒否しています / docomo refuses the school's mail"
)

// loneRefusal: one address of a list is unknown. Its teacher is told, in one mail, sees
// what to do, and the next alert is not sent there.
func loneRefusal(d *Drill) {
	pupils := d.class(12)
	wrong := pupils[1].Parents[0].Addresses[0]
	others := slices.DeleteFunc(Addresses(pupils...), func(a string) bool { return a == wrong })
	d.Operator.Decide(justOne(wrong, Refuse))
	id := d.Send(Alert{Subject: "安否の確認"})
	d.Arrive("安否の確認", others...)
	d.equal("refused", d.Settle(id).Copies["refused"], int64(1))
	d.Advance(16 * time.Minute)
	told := d.Arrive(askSubject(untoldSubject), manager.Mail)[manager.Mail] // no class has a teacher yet
	if !strings.Contains(told.Text, "件") || !strings.Contains(told.Text, "/mail") {
		d.Errorf("the memo says:\n%s", told.Text)
	}
	d.Manager.Open("/reach").Says(http.StatusOK, "拒否された連絡先がある")

	d.Operator.Decide(nil)
	second := d.Send(Alert{Subject: "もう一度の確認"})
	d.Arrive("もう一度の確認", others...)
	d.Settle(second)
}

// policyEvent: one operator refuses every mail of the school, as it does when the
// school's own DMARC is broken. No contact is closed, and the managers are told once.
func policyEvent(d *Drill) {
	pupils := d.class(105)
	d.Operator.Decide(docomo(Refuse))
	id := d.Send(Alert{Subject: "安否の確認"})
	docomoOf, others := split(Addresses(pupils...), isDocomo)
	d.Arrive("安否の確認", others...)
	d.Until("the docomo copies are refused or held", func() bool {
		return int(d.Status(id).Copies["refused"]) >= 10
	})
	d.Advance(time.Minute)
	told := d.Arrive(askSubject(heldSubject), manager.Mail)[manager.Mail]
	if !strings.Contains(told.Text, "User unknown") || !strings.Contains(told.Text, "/mail") {
		d.Errorf("the memo says:\n%s", told.Text)
	}
	page := d.Manager.Open("/mail").Says(http.StatusOK, "ドコモあての送信を止めています").Says(http.StatusOK, "回答がない家庭には、電話で伝えてください")
	d.Manager.Open("/alerts/"+id).Says(http.StatusOK, "送信を止めています")
	second := d.Send(Alert{Subject: "続報"})
	d.Arrive("続報", others...)
	page.Form("/mail/test").Press("")
	d.Quiet()
	d.Advance(time.Minute)
	d.Manager.Open("/mail").Says(http.StatusOK, "テストは受け取られませんでした")

	d.Operator.Decide(nil)
	page.Form("/mail/test").Press("")
	d.Until("the test has passed", func() bool { return d.test() != "" })
	d.Advance(time.Minute)
	d.Manager.Open("/mail").Says(http.StatusOK, "受け取られ、送信を再開しました")
	for range 3 {
		d.Advance(time.Minute)
	}
	d.follow("続報", len(others), docomoOf)
	d.Settle(second)
	d.Settle(id)
	for _, m := range d.with("安否の確認") { // what the operator had not refused before it was held
		if isDocomo(m.To) {
			d.expected[m.envelope()] = 1
		}
	}
	d.Manager.Open("/reach").Says(http.StatusOK, "拒否された連絡先がある 0")

}

// justOne is an operator that takes everything but one address's.
func justOne(address string, v Verdict) func(string) Verdict {
	return func(to string) Verdict {
		if to == address {
			return v
		}
		return Take
	}
}

// test returns to whom a test mail went, and expects it.
func (d *Drill) test() string {
	subject := askSubject("【テスト】緊急連絡の受信テスト / [Test] Emergency messages reach you")
	for _, m := range d.with(subject) {
		d.expected[m.envelope()] = 1
		return m.To
	}
	return ""
}

// follow waits for mails with a subject that so many others have got already.
func (d *Drill) follow(subject string, others int, to []string) {
	d.Helper()
	all := others + len(to)
	for _, address := range to {
		d.expected[envelope{subject, address}]++
	}
	for range 10 {
		if len(d.with(subject)) >= all {
			return
		}
		d.Advance(20 * time.Second)
	}
	d.Fatalf("%d of %d mails have come: %s", len(d.with(subject)), all, subject)
}
