package drill

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

// split divides addresses by whether f holds.
func split(addresses []string, f func(string) bool) (yes, no []string) {
	for _, a := range addresses {
		if f(a) {
			yes = append(yes, a)
		} else {
			no = append(no, a)
		}
	}
	return yes, no
}

func isDocomo(to string) bool { return strings.HasSuffix(to, "@docomo.ne.jp") }

// docomo returns what an operator does that gives docomo's contacts a verdict of
// their own.
func docomo(v Verdict) func(string) Verdict {
	return func(to string) Verdict {
		if isDocomo(to) {
			return v
		}
		return Take
	}
}

func expire(d *Drill) {
	pupils := d.class(40)
	d.Operator.Decide(docomo(PutOff))
	id := d.Send(Alert{Subject: "正午の連絡", Useful: time.Hour})
	held, others := split(Addresses(pupils...), isDocomo)
	mails := d.Arrive("正午の連絡", others...)
	d.Until("docomo's copies are put off", func() bool { return d.Status(id).Copies["delayed"] > 0 })

	d.Advance(time.Hour)
	s := d.Settle(id)
	d.equal("state", s.State, "expired")
	d.equal("cancelled", s.Copies["cancelled"], int64(len(held)))
	d.equal("copies that left", s.left(), int64(len(others)))
	d.recount(id, s)
	d.Manager.Open("/alerts/"+id).Says(http.StatusOK, fmt.Sprintf("%d通は、期限までに", len(held)))
	d.NewBrowser().Open(mails[others[0]].Link()).Says(http.StatusGone, "この連絡の期限は過ぎました")

	// When docomo takes mail again, hours later, nothing may leave any more.
	d.Operator.Decide(nil)
	d.Advance(8 * time.Hour)
	d.equal("copies that left after all", d.Settle(id).left(), int64(len(others)))
}

// givenUp: an operator puts mail off for so long that the mail service gives up, half an hour before
// the alert ends. The copies go back to their lane, and arrive once the operator takes mail. What is
// given up until the end is called not told. A relay's taking is all that one machine hears, so
// there nothing goes back.
func givenUp(d *Drill) {
	pupils := d.class(40)
	late, others := split(Addresses(pupils...), isDocomo)
	d.Operator.Decide(docomo(Unkept))
	id := d.Send(Alert{Subject: "本日は休校です", Useful: 59 * time.Minute})
	if !d.Events {
		d.Arrive("本日は休校です", append(others, late...)...)
		d.equal("copies that went back", d.Settle(id).Returned, int64(0))
		return
	}
	d.Arrive("本日は休校です", others...)
	for range 10 {
		d.Advance(time.Minute)
	}
	d.Operator.Decide(nil)
	for range 36 { // the longest set with which SES gives up in time has half an hour
		d.Advance(time.Minute)
	}
	d.follow("本日は休校です", len(others), late)
	s := d.Settle(id)
	d.equal("copies that arrived", s.Copies["delivered"], int64(len(late)+len(others)))
	d.recount(id, s)
	if s.Returned == 0 {
		d.Error("no copy went back")
	}
	d.Manager.Open("/alerts/"+id).Says(http.StatusOK, "もう一度送信待ちに戻しました")

	d.Operator.Decide(docomo(Unkept))
	// What SES gives up after half an hour leaves once more with less than five minutes to go.
	second := d.Send(Alert{Subject: "続報", Useful: 35 * time.Minute})
	d.Arrive("続報", others...)
	for range 42 {
		d.Advance(time.Minute)
	}
	s = d.Settle(second)
	if s.Returned == 0 || s.GaveUp == 0 || s.GaveUp+s.Copies["cancelled"] != int64(len(late)) {
		d.Errorf("of %d copies %d went back, %d were given up and %d cancelled", len(late), s.Returned, s.GaveUp, s.Copies["cancelled"])
	}
	d.recount(second, s)
	d.Manager.Open("/alerts/"+second).Says(http.StatusOK, fmt.Sprintf("%d通は、期限までに相手先が受け取りませんでした", s.GaveUp))
	d.Operator.Decide(nil)
	d.Advance(8 * time.Hour)
	d.equal("copies that arrived after all", d.Settle(second).Copies["delivered"], int64(len(others)))
}

func refuse(d *Drill) {
	pupils := d.class(40)
	d.Operator.Decide(docomo(Refuse))
	id := d.Send(Alert{Subject: "安否の確認"})
	refused, others := split(Addresses(pupils...), isDocomo)
	d.Arrive("安否の確認", others...)
	s := d.Settle(id)
	d.equal("refused", s.Copies["refused"], int64(len(refused)))
	alone := slices.DeleteFunc(slices.Clone(pupils), func(p Pupil) bool {
		a := Addresses(p)
		return len(a) == 0 || slices.ContainsFunc(a, func(a string) bool { return !isDocomo(a) })
	})
	d.equal("children who can only be phoned", s.Children["refused"], int64(len(alone)))
	d.recount(id, s)
}

func away(d *Drill) {
	pupils := d.class(40)
	d.Operator.Decide(func(string) Verdict { return Away })
	id := d.Send(Alert{Subject: "安否の確認"})
	d.Until("fan-out is done", func() bool { return d.Status(id).FanOutDone })
	for range 3 {
		d.Advance(time.Minute)
	}
	d.equal("mails while the operator is away", len(d.mails()), 0)
	d.Operator.Decide(nil)
	d.Advance(2 * time.Minute)
	d.Arrive("安否の確認", Addresses(pupils...)...)
	d.recount(id, d.Settle(id))
}

func supersede(d *Drill) {
	pupils := d.class(12)
	first := d.Send(Alert{Subject: "校庭に迎えに来てください"})
	old := d.Arrive("校庭に迎えに来てください", Addresses(pupils...)...)
	second := d.Send(Alert{Subject: "校庭は危険です", Supersedes: first})
	d.Arrive("校庭は危険です", Addresses(pupils...)...)
	d.equal("state of the first", d.Settle(first).State, "superseded")

	page := d.NewBrowser().Open(old[pupils[2].parent()].Link())
	page.Says(http.StatusOK, "校庭は危険です").Says(http.StatusOK, "新しい連絡")
	page.Form("/a/").Press("無事です").Says(http.StatusOK, "回答を受け付けました")
	d.equal("answers to the first", d.Status(first).Children["answered"], int64(0))
	d.equal("answers to the second", d.Status(second).Children["answered"], int64(1))
	d.Manager.Open("/alerts/"+first).Says(http.StatusOK, "新しいほうを開く")
}

func closeAlert(d *Drill) {
	pupils := d.class(40)
	d.Operator.Decide(docomo(PutOff))
	id := d.Send(Alert{Subject: "安否の確認"})
	held, others := split(Addresses(pupils...), isDocomo)
	mails := d.Arrive("安否の確認", others...)
	form := d.NewBrowser().Open(mails[others[0]].Link()).Form("/a/")

	d.Manager.Open("/alerts/"+id+"/close").Form("/alerts/"+id+"/close").Press("").Says(http.StatusOK, "終了")
	form.Press("無事です").Says(http.StatusGone, "学校がこの連絡を終了しました")
	s := d.Settle(id)
	d.equal("state", s.State, "closed")
	d.equal("cancelled", s.Copies["cancelled"], int64(len(held)))
	d.equal("answered", s.Children["answered"], int64(0))
	d.Operator.Decide(nil)
	d.Advance(time.Hour)
	d.Call(Request{Method: "POST", Path: "/alerts/" + id + "/close"}, http.StatusOK, nil) // twice is no error
}

// sendByPages sends an alert to the whole school as staff do, and returns the
// page with the button to take it back.
func (d *Drill) sendByPages(subject string) *Page {
	d.Helper()
	preview := d.compose(subject).Set("all", "1").Press("確認").Says(http.StatusOK, "保護者に届くメール")
	return preview.Form("/alerts").Press("送信する").Says(http.StatusOK, "取り消せます")
}

func undo(d *Drill) {
	d.class(12)
	page := d.sendByPages("まちがえました")
	d.Advance(9 * time.Second)
	page.Form("/alerts/").Press("取り消す").Says(http.StatusOK, "誰にも送っていません")
	d.Advance(time.Minute)
	d.Until("nothing is left to do", func() bool {
		now, later, err := d.Waiting()
		return err == nil && now+later == 0
	})
	d.equal("mails", len(d.mails()), 0)
}

func undoLate(d *Drill) {
	pupils := d.class(12)
	page := d.sendByPages("もう送りました")
	d.Advance(10 * time.Second)
	page.Form("/alerts/").Press("取り消す").Says(http.StatusConflict, "取り消せません")
	d.Arrive("もう送りました", Addresses(pupils...)...)
}
