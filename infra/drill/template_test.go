package drill

import (
	"net/http"
	"time"
)

// ownTemplate: a manager changes the words of a button, and sends them with it: two
// pages from the first to what is sent, and one that asks where there are no scripts.
func ownTemplate(d *Drill) {
	pupils := d.class(3)
	d.Manager.Open("/templates/weather").Form("/templates/weather").
		Set("name", "大雪").Set("name_en", "Snow").Set("subject", "大雪のため休校します").Set("body", "今日は休校です。\n自宅で過ごしてください。").
		Set("kind", "notice").Set("place", "1").
		Press("保存する").Says(http.StatusOK, "ボタンを変更しました").Says(http.StatusOK, "大雪のため休校します")

	d.Manager.Open("/").Says(http.StatusOK, "大雪")
	page := d.Manager.Open("/quick/weather").Says(http.StatusOK, "全校（")
	asked := page.Form("/alerts/preview").Press("確認してから送る").Says(http.StatusOK, "を送信する（全校・3人）")
	sent := asked.Form("/alerts").Press("を送信する").Says(http.StatusOK, "まだ1通も送っていません")
	sent.Form(sent.URL.Path+"/undo").Press("").Says(http.StatusOK, "誰にも送っていません")
	d.Advance(time.Minute) // and nobody gets a mail

	again := d.Manager.Open("/quick/weather").Form("/alerts/preview").Press("確認してから送る").Form("/alerts").Press("を送信する")
	d.Advance(11 * time.Second)
	d.Arrive("大雪のため休校します", Addresses(pupils...)...)
	d.Settle(again.URL.Path[len("/alerts/"):])
	d.Manager.Open("/audit").Says(http.StatusOK, "大雪")
}
