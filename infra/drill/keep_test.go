package drill

import (
	"net/http"
	"time"

	"github.com/todoku/todoku/shared/keep"
)

// keptFor does what leaves something behind, holds all of it to its rule, and lets years
// pass.
func keptFor(d *Drill) {
	pupils := d.class(3)
	d.slips()
	all := Addresses(pupils...)
	id := d.Send(Alert{Subject: "下校のお知らせ"})
	mails := d.Arrive("下校のお知らせ", all...)
	d.NewBrowser().Open(mails[all[0]].Link()).Form("/a/").Press("無事です")
	d.Settle(id)
	d.Call(Request{Method: http.MethodPost, Path: "/alerts/" + id + "/close"}, http.StatusOK, nil)
	d.Advance(time.Minute)
	if holding(d.items(), "下校のお知らせ") == nil {
		d.Error("the alert is not kept at all")
	}

	d.Clock.Advance(keep.LeastAlerts) // who compares two years finds it
	if holding(d.items(), "下校のお知らせ") == nil {
		d.Error("the alert has ended before its time")
	}
	d.Clock.Advance(keep.Alerts - keep.LeastAlerts)
	for _, it := range d.items() {
		if r, _ := keep.Of(it.Partition); it.Counts == nil && r.Most > 0 {
			d.Errorf("%q is there after %v", it.Key, keep.Alerts)
		}
	}
	if left := holding(d.items(), "下校のお知らせ"); left != nil {
		d.Errorf("of the alert there is still %q", left)
	}
}
