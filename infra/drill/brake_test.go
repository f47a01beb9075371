package drill

import (
	"hash/fnv"
	"net/http"
	"slices"
	"time"
)

const brakeSubject = "お知らせの送信を止めました / Notices are stopped"

// brake: an eighth of a large list is stale, at all operators. Before the mail service
// stops the account, notices are stopped, and safety checks go to those alone who have
// proven to be there, until somebody has corrected the list.
func brake(d *Drill) {
	d.AllowErrors("the brake is on: notices are stopped")
	pupils := d.class(280)
	all := Addresses(pupils...)
	d.Operator.Decide(func(to string) Verdict {
		if stale(to) {
			return Refuse
		}
		return Take
	})
	first := d.Send(Alert{Subject: "安否の確認"})
	d.ArriveLater(10*time.Minute, askSubject(brakeSubject), manager.Mail)
	d.Advance(time.Minute)
	_, good := split(all, stale)
	reached := slices.DeleteFunc(good, func(address string) bool { // by then; what a slow lane had not sent yet waits
		return !slices.ContainsFunc(d.with("安否の確認"), func(m Mail) bool { return m.To == address })
	})
	mails := d.Arrive("安否の確認", reached...)
	s := d.Status(first)
	if known := s.left() + s.Copies["refused"]; known < leastMails {
		d.Errorf("the brake is on after %d mails, want %d at least", known, leastMails)
	}
	d.equal("copies that are reached, refused or wait", s.left()+s.Copies["refused"]+s.Copies["queued"]+s.Copies["sending"]+s.Copies["delayed"], int64(len(all)))
	proven := slices.IndexFunc(pupils, func(p Pupil) bool { a := Addresses(p); return len(a) == 1 && mails[a[0]].To != "" })
	d.NewBrowser().Open(mails[pupils[proven].parent()].Link()).Form("/a/").Press("無事です").Says(http.StatusOK, "回答を受け付けました")
	d.Manager.Open("/mail").Says(http.StatusOK, "お知らせの送信を止めています")
	d.Call(Request{Method: "POST", Path: "/alerts/" + first + "/close"}, http.StatusOK, nil)
	d.drain() // who answered is noted when an alert is over

	notice := d.Send(Alert{Kind: "notice", Subject: "明日の時間割"})
	check := d.Send(Alert{Subject: "もう一度の確認"})
	d.Arrive("もう一度の確認", pupils[proven].parent())
	d.Until("both wait", func() bool { return d.Status(notice).FanOutDone && d.Status(check).FanOutDone })
	d.equal("mails of a notice while the brake is on", len(d.with("明日の時間割")), 0)
	d.Manager.Open("/alerts/"+notice).Says(http.StatusOK, "お知らせと訓練は送らずに待っています")
	d.compose("お知らせ").Set("kind", "notice").Set("all", "1").Press("確認").Says(http.StatusOK, "お知らせと訓練は送らずに待っています")

	d.Operator.Decide(nil)
	d.Manager.Open("/mail").Form("/mail/brake").Press("").Says(http.StatusOK, "手動で再開しました")
	d.ArriveLater(20*time.Minute, "明日の時間割", all...)
	waited := slices.DeleteFunc(all, func(a string) bool { return a == pupils[proven].parent() })
	d.follow("もう一度の確認", 1, waited)
	d.Settle(notice)
	d.Settle(check)
}

// leastMails is how many mails the brake wants to know the fate of (docs/decisions/0042).
const leastMails = 200

// stale chooses an eighth of the addresses.
func stale(address string) bool {
	h := fnv.New32a()
	_, _ = h.Write([]byte(address)) // never fails
	return h.Sum32()%8 == 0
}
