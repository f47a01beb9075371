package drill

import (
	"net/http"
	"strings"
)

// atTheGate: staff tick off the children whom they see, on the class's list; a tap counts
// once, and is taken back.
func atTheGate(d *Drill) {
	pupils := d.class(6)
	id := d.Send(Alert{Subject: "地震の安否確認"})
	d.Arrive("地震の安否確認", Addresses(pupils...)...)
	d.Settle(id)
	classes := d.Manager.Open("/alerts/"+id).Says(http.StatusOK, "門・教室で確認").Open("/alerts/" + id + "/gate")
	var list string
	for _, a := range classes.Find("a", "") {
		if strings.HasPrefix(attr(a, "href"), "/alerts/"+id+"/gate/") {
			list = attr(a, "href")
		}
	}
	page := d.Manager.Open(list).Says(http.StatusOK, "0 / 6").Says(http.StatusOK, "あと6人")
	for i := range pupils {
		tap := page.Form(list + "?choice=safe")
		tap.Press("無事です")
		page = tap.Press("無事です") // sent again over a bad connection
		if s := d.Status(id); s.Children["answered"] != int64(i+1) {
			d.Fatalf("after %d taps %d are answered for", i+1, s.Children["answered"])
		}
	}
	page.Says(http.StatusOK, "全員確認できました").Says(http.StatusOK, manager.Name)
	if page = page.Form(list + "/back").Press("取り消す"); d.Status(id).Children["answered"] != 5 {
		d.Error("a tap was not taken back")
	}
	page.Says(http.StatusOK, "あと1人")
	d.desk(id, 1)
	d.Manager.Open("/audit").Says(http.StatusOK, "門・教室での確認")
	d.recount(id, d.Status(id))
}
