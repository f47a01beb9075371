package drill

import "net/http"

// note: staff add to an alert's page. Guardians who open their link see it, and no mail
// leaves.
func note(d *Drill) {
	pupils := d.class(12)
	id := d.Send(Alert{Subject: "校庭に避難しました"})
	mails := d.Arrive("校庭に避難しました", Addresses(pupils...)...)
	d.Settle(id)
	link := mails[pupils[2].parent()].Link()
	d.Manager.Open("/alerts/"+id).Says(http.StatusOK, "ページだけ更新する")
	form := d.Manager.Open("/alerts/" + id + "/note").Form("/alerts/" + id + "/note")
	form.Set("note", "").Press("").Says(http.StatusUnprocessableEntity, "追記を入力してください")
	form.Set("note", "体育館に移りました。北門からお越しください。").Press("").Says(http.StatusOK, "メールは送っていません")
	d.Quiet()
	page := d.NewBrowser().Open(link).Says(http.StatusOK, "体育館に移りました")
	page.Form("/a/").Press("無事です").Says(http.StatusOK, "回答を受け付けました")
	d.Manager.Open("/audit").Says(http.StatusOK, "連絡のページの更新")
	d.Call(Request{Method: "POST", Path: "/alerts/" + id + "/close"}, http.StatusOK, nil)
	form.Set("note", "もう一つ").Press("").Says(http.StatusConflict, "回答受付中ではない")
	d.Settle(id)
}
