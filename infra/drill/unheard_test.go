package drill

import (
	"net/http"
	"strings"
	"time"
)

const unheardSubject = "メールが届いたかどうかの知らせが来ていません / No news of arrivals comes in"

// unheard: the mail operator takes mails and says no more of them. Every copy leaves all
// the same; where verdicts come as events the page says that none does, and the managers
// are told once. When events come again it is over.
func unheard(d *Drill) {
	pupils := d.class(60)
	d.Operator.Decide(func(string) Verdict { return Unsaid })
	id := d.Send(Alert{Subject: "安否の確認"})
	flow := d.flow()
	d.Until("some copies are out", func() bool { flow(); return d.Status(id).Copies["sent"] >= 5 })
	told := func() int { return len(d.with(askSubject(unheardSubject))) }
	for range 10 {
		d.Advance(40 * time.Second)
	}
	d.ArriveLater(20*time.Minute, "安否の確認", Addresses(pupils...)...)
	d.Settle(id)
	says := strings.Contains(d.Manager.Open("/alerts/"+id).Says(http.StatusOK, "メールの送信状況").Text(), "届いたかどうかの知らせが来ていません")
	if says != d.Events || (told() == 1) != d.Events {
		d.Errorf("verdicts come as events: %v; that none comes is on the page: %v; memos: %d", d.Events, says, told())
	}
	if d.Events {
		d.Arrive(askSubject(unheardSubject), manager.Mail)
	}
	d.Operator.Decide(nil)
	second := d.Send(Alert{Subject: "続報"})
	d.ArriveLater(20*time.Minute, "続報", Addresses(pupils...)...)
	d.Advance(time.Minute)
	if text := d.Manager.Open("/alerts/" + second).Text(); strings.Contains(text, "知らせが来ていません") {
		d.Errorf("events come again, and the page says that none does")
	}
	d.Settle(second)
}
