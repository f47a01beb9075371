package drill

import (
	"net/http"
	"slices"
	"time"

	"github.com/todoku/todoku/shared/alert"
)

// follow: half have answered. A second alert is for the others alone, and the page of
// the first can be updated without a mail, both from the preview.
func follow(d *Drill) {
	pupils := d.class(12)
	first := d.Send(Alert{Subject: "安否の確認"})
	mails := d.Arrive("安否の確認", Addresses(pupils...)...)
	d.Settle(first)
	answered := pupils[2].parent()
	d.NewBrowser().Open(mails[answered].Link()).Form("/a/").Press("無事です").Says(http.StatusOK, "回答を受け付けました")

	preview := d.compose("まだの方へ").Set("all", "1").Press("確認").Says(http.StatusOK, "全員に送らない方法")
	preview.Form("/alerts").Press("ページだけ更新").Says(http.StatusOK, "メールは1通も送りません").Says(http.StatusOK, "まだの方へ")
	preview = preview.Form("/alerts").Press("まだ回答がない家庭だけ").Says(http.StatusOK, "にまだ回答がない家庭だけに送ります")
	preview.Form("/alerts").Press("未回答の家庭だけ").Says(http.StatusOK, "取り消せます").Says(http.StatusOK, "（未回答の家庭）")
	told := slices.DeleteFunc(Addresses(pupils...), func(a string) bool { return slices.Contains(Addresses(pupils[2]), a) })
	d.Advance(alert.UndoWindow + time.Second)
	d.Arrive("まだの方へ", told...)

	d.Manager.Open("/alerts/"+first).Says(http.StatusOK, "まだ回答がない家庭だけに、もう一通送る")
	d.Call(Request{Method: "POST", Path: "/alerts/" + first + "/close"}, http.StatusOK, nil)
	late := Alert{Subject: "おそい", Follows: first}
	d.Call(Request{Method: "POST", Path: "/alerts", Body: late.body(d.Clock.Now())}, http.StatusConflict, nil)
	d.Settle(first)
}
