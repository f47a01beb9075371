package drill

import (
	"net/http"
	"strings"
	"time"
)

// forecast: before anything was sent nothing is known of the operators, and that is
// said. After one that puts mail off, the next preview names it and the others in one
// line, and the status page says what waits, since when, and how long it will take.
func forecast(d *Drill) {
	pupils := d.class(40)
	preview := func() *Page {
		return d.compose("見込み").Set("all", "1").Press("確認").Says(http.StatusOK, "届くまでの見込み")
	}
	preview().Says(http.StatusOK, "まだ送った記録がないため、時間は分かりません")
	d.Operator.Decide(docomo(PutOff))
	id := d.Send(Alert{Subject: "安否の確認"})
	_, others := split(Addresses(pupils...), isDocomo)
	flow := d.flow()
	d.Until("the others are told", func() bool { flow(); return len(d.with("安否の確認")) == len(others) })
	for range 3 {
		d.Advance(5 * time.Minute)
	}
	said := preview().Text()
	status := d.Manager.Open("/alerts/"+id).Says(http.StatusOK, "分前から")
	// Behind SES the lane pauses by events, of which there are none where SES itself refuses.
	paused := strings.Contains(status.Text(), "1通ずつ試しています")
	if strings.Contains(said, "まだ送った記録がない") || paused != strings.Contains(said, "ドコモ：今日2回目の連絡") {
		d.Errorf("the lane has paused: %v; the forecast: %s", paused, said)
	}
	d.Operator.Decide(nil)
	d.ArriveLater(20*time.Minute, "安否の確認", Addresses(pupils...)...)
	d.Settle(id)
}
