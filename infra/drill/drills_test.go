package drill

import (
	"net/http"
	"strings"
	"time"
)

const (
	plannedSubject = "安否確認の訓練の予定：2026-04-20 / A drill is planned: 2026-04-20"
	overSubject    = "訓練が終わりました：【訓練】安否の訓練 / The drill is over: 【訓練】安否の訓練"
)

// drills: a drill is planned, held, ends by itself, is reported beside the last one, and
// can never become real.
func drills(d *Drill) {
	d.AllowErrors("the doctor found something") // in a world without DNS
	pupils := d.class(12)
	form := d.Manager.Open("/drills").Says(http.StatusOK, "まだありません").Form("/drills")
	form.Set("day_1", "13/1").Press("").Says(http.StatusUnprocessableEntity, "月と日を")
	form.Set("day_1", "４月２０日").Press("").Says(http.StatusOK, "保存しました").Says(http.StatusOK, "2026-04-20")
	d.Advance(time.Hour)
	d.comes(askSubject(plannedSubject), manager.Mail)
	d.Advance(2 * time.Hour) // told once

	var ids []string
	for i := range 2 {
		id := d.Send(Alert{Kind: "drill", Subject: "安否の訓練", Useful: time.Hour})
		ids = append(ids, id)
		mails := map[string]Mail{}
		for _, to := range Addresses(pupils...) {
			mails[to] = d.comes("【訓練】安否の訓練", to)
		}
		d.Settle(id)
		for _, p := range pupils[2 : 5+3*i] {
			if to := p.Parents[0].Addresses; len(to) > 0 {
				d.press(mails[to[0]], "無事です")
			}
		}
		d.Manager.Open("/").Says(http.StatusOK, "終わっていない訓練")
		d.Advance(time.Hour)
		d.comes(askSubject(overSubject), manager.Mail)
		d.Settle(id)
	}
	if home := d.Manager.Open("/"); strings.Contains(home.Text(), "終わっていない訓練") {
		d.Error("a drill that is over is said not to be")
	}
	report := d.Manager.Open("/alerts/"+ids[1]+"/report").Says(http.StatusOK, "訓練").Says(http.StatusOK, "前回の訓練との比較")
	report.Says(http.StatusOK, "25%") // three of twelve, last time
	// Pupils 0, 1 and those after the seventh were not heard of either time; 5 to 7 were now.
	report.Says(http.StatusOK, "回答がなかった家庭").Says(http.StatusOK, pupils[0].Name).Says(http.StatusOK, "前回も回答なし")
	if strings.Contains(report.Text(), pupils[6].Name) {
		d.Errorf("%s answered, and is listed among those who did not", pupils[6].Name)
	}
	d.Manager.Open("/drills").Says(http.StatusOK, "報告を見る")

	// Never real: neither by its text, nor in its place, nor by a button.
	again := d.Manager.Open("/alerts/new?from=" + ids[1]).Form("/alerts/preview")
	again.Set("kind", "safety").Press("確認").Says(http.StatusConflict, "たがいに置き換えられません")
	real := Alert{Kind: "safety", Subject: "本物", Supersedes: ids[1]}
	d.Call(Request{Method: "POST", Path: "/alerts", Body: real.body(d.Clock.Now())}, http.StatusConflict, nil)
	d.Manager.Open("/templates/safety").Form("/templates/safety").Set("kind", "drill").Press("").Says(http.StatusConflict, "たがいに置き換えられません")

	d.Advance(13*24*time.Hour + 21*time.Hour) // the morning of the day
	d.comes(askSubject(plannedSubject), manager.Mail)
}
