package drill

import (
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"time"
)

// afterwards: the report tells what happened and when, with the figures that the
// records give; the files hold the calls; the next alert is compared with this one.
func afterwards(d *Drill) {
	pupils := d.class(40)
	var docomos atomic.Int32
	d.Operator.Decide(func(to string) Verdict {
		if isDocomo(to) && docomos.Add(1) == 1 {
			return PutOff
		}
		return Take
	})
	id := d.Send(Alert{Subject: "大雨の安否確認"})
	d.Until("docomo has put a mail off", func() bool { return docomos.Load() > 0 })
	d.Until("the paused lane has reopened", func() bool {
		d.Advance(5 * time.Second)
		return len(d.with("大雨の安否確認")) == len(Addresses(pupils...))
	})
	mails := d.Arrive("大雨の安否確認", Addresses(pupils...)...)
	for _, p := range pupils[:28] {
		if addresses := Addresses(p); len(addresses) > 0 {
			d.press(mails[addresses[0]], "無事です")
		}
	}
	d.Advance(7 * time.Minute)
	s := d.Status(id)
	report := d.Manager.Open("/alerts/"+id+"/report").Says(http.StatusOK, fmt.Sprintf("%d / %d", s.Children["answered"], s.Children["total"]))
	for _, want := range []string{"送信開始", "最初の回答", "50%の回答に到達", "ドコモが受け取りを延期"} {
		report.Says(http.StatusOK, want)
	}
	if strings.Contains(report.Text(), "90%の回答に到達") {
		d.Error("the report says that nine tenths have answered")
	}

	page := d.Manager.Open("/alerts/" + id + "/desk").Form("/alerts/" + id + "/desk/next").Press("")
	page.Form(page.URL.Path+"/calls").Set("outcome", "no_reply").Set("note", "夜にもう一度").Press("").Says(http.StatusOK, "電話の結果を記録しました")
	d.Manager.Open("/alerts/"+id+"/close").Form("/alerts/"+id+"/close").Press("").Says(http.StatusOK, "終了")
	d.Settle(id)
	d.Manager.Open("/alerts/"+id+"/report").Says(http.StatusOK, "電話連絡を開始").Says(http.StatusOK, "出なかった").Says(http.StatusOK, "終了")
	d.Manager.Open("/alerts/"+id+"/calls.csv").Says(http.StatusOK, "夜にもう一度")
	d.Manager.Open("/alerts/"+id+"/children.csv").Says(http.StatusOK, "夜にもう一度")
	d.recount(id, d.Status(id))

	next := d.Send(Alert{Subject: "もう一度の安否確認"})
	again := d.Arrive("もう一度の安否確認", Addresses(pupils...)...)
	d.press(again[pupils[0].parent()], "無事です")
	d.Advance(2 * time.Minute)
	d.Manager.Open("/alerts/"+next).Says(http.StatusOK, "これまで1回の中央値")
}
