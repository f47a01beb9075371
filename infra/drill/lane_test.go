package drill

import (
	"slices"
	"strings"

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
