package drill

import (
	"net/http"
	"strings"
	"time"
)

const silentSubject = "メールが届いていない可能性があります / Mail is probably not arriving"

// silentLane: an operator takes an alert's mails and nobody answers them, while
// half of all others do. The managers are told, with what to do, once; the families
// are the first to be phoned.
func silentLane(d *Drill) {
	pupils := d.class(105)
	id := d.Send(Alert{Subject: "津波の安否確認"})
	mails := d.Arrive("津波の安否確認", Addresses(pupils...)...)
	d.Settle(id)
	d.Advance(time.Minute)

	lost := 0
	for i, p := range pupils {
		if len(p.Parents[0].Addresses) == 0 || i%10 == 1 { // nobody to answer; the sibling did
			continue
		}
		switch to := p.parent(); {
		case strings.HasSuffix(to, "@docomo.ne.jp"):
			lost++
		case i%4 != 3:
			form := d.NewBrowser().Open(mails[to].Link()).Form("/a/")
			form.Press(everybodySafe(form)).Says(http.StatusOK, "回答を受け付けました")
		}
	}
	if lost < 10 {
		d.Fatalf("only %d families are at the silent operator", lost)
	}
	for range 6 {
		d.Advance(2 * time.Minute)
	}
	memo := d.Arrive(askSubject(silentSubject), manager.Mail)[manager.Mail]
	if !strings.Contains(memo.Text, "ドコモ：回答 0%") || !strings.Contains(memo.Text, "/alerts/"+id) {
		d.Errorf("the managers are told:\n%s", memo.Text)
	}
	d.Manager.Open("/alerts/"+id).Says(http.StatusOK, "メールが届いていない可能性があります").Says(http.StatusOK, "ドコモ：回答 0%")
	d.Manager.Open("/alerts/"+id+"/desk").Says(http.StatusOK, "メール不着の疑い")
}

// everybodySafe is what the button says that answers for all children of a page.
func everybodySafe(f *Form) string {
	if strings.Contains(f.Page.Text(), "全員") {
		return "全員"
	}
	return "無事です"
}
