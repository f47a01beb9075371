package drill

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/google/go-cmp/cmp"
)

// laneByMX: a list is imported in which one domain has its mail at Google, and one
// takes no mail. The first goes by Google's lane; of the second the preview warns.
func laneByMX(d *Drill) {
	d.DNS.Set(d,
		"shigakuin.example.org. MX 1 aspmx.l.google.com.",
		"nomail.example.org. MX 0 .",
	)
	mails := []string{"drill-1@shigakuin.example.org", "drill-2@nomail.example.org", "drill-3@docomo.ne.jp", "drill-4@unknown.example.net"}
	pupils := Pupils(len(mails))
	for i, m := range mails {
		parent := Parent{Name: "見本 " + string(rune('Ａ'+i)), Relation: "母", Phone: "090-1000-0000"}
		parent.have(m)
		pupils[i].Parents = []Parent{parent}
	}
	list := Sheet(pupils)
	preview := d.Import(list, "?dry_run=1")
	warned := slices.ContainsFunc(preview.Warnings, func(n RowNote) bool {
		return n.Row == 3 && strings.Contains(n.Message, "メールを受け取らないドメイン")
	})
	if !warned || len(preview.Warnings) != 1 || len(preview.Errors) > 0 {
		d.Errorf("the preview warns of %v and refuses %v", preview.Warnings, preview.Errors)
	}
	d.Import(list, "")
	id := d.Send(Alert{Subject: "レーンの確認"})
	d.Arrive("レーンの確認", mails...)
	got := map[string]bool{}
	for _, l := range d.Status(id).Lanes {
		got[l["lane"].(string)] = true
	}
	want := map[string]bool{"google": true, "example.org": true, "docomo": true, "example.net": true}
	if diff := cmp.Diff(want, got); diff != "" {
		d.Errorf("lanes (-want +got):\n%s", diff)
	}
}

// laneReopens: an operator puts off everything for a quarter of an hour. The others' guardians
// are told at once, the status page says what is to be expected, and when the operator takes mail
// again the rest arrives within minutes, each once.
func laneReopens(d *Drill) {
	pupils := d.class(60)
	d.Operator.Decide(docomo(PutOff))
	id := d.Send(Alert{Subject: "本日は休校です"})
	held, others := split(Addresses(pupils...), isDocomo)
	flow := d.flow()
	d.Until("the others are told", func() bool { flow(); return len(d.with("本日は休校です")) == len(others) })
	for range 3 {
		d.Advance(5 * time.Minute)
	}
	d.equal("copies that left", d.Status(id).left(), int64(len(others)))
	d.Manager.Open("/alerts/"+id).Says(http.StatusOK, fmt.Sprintf("分前から%d通が送信待ちです", len(held)))

	d.Operator.Decide(nil)
	d.ArriveLater(20*time.Minute, "本日は休校です", Addresses(pupils...)...)
	d.equal("copies that left after all", d.Settle(id).left(), int64(len(held)+len(others)))
}
