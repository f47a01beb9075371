//go:build shots

package console

import (
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/todoku/todoku/shared/roster"
	"github.com/todoku/todoku/shared/web/webtest/shot"
)

// TestReachShots takes pictures of the pages of registration and of the turn of the
// year, with the demo school:
//
//	go test -tags shots -run TestReachShots ./functions/console -shots /tmp/shots
func TestReachShots(t *testing.T) {
	o := newOffice(t)
	o.atAName()
	o.loadDemo()
	c := o.signIn()
	class := o.group("1年1組")
	children, _, err := o.server.Enrol.Pupils(t.Context(), o.me.School, class)
	o.must(err)
	invited := o.submit(c, reachPath+"/"+class+"/invite", url.Values{"rows": {children[0].Name + " new-1@docomo.ne.jp\n" + children[1].Name + " info@example.jp\n" + children[2].Name + " x@gmial.com\nopen@gmail.com\n"}})
	for range 40 {
		o.must(o.server.Enrol.Keep(t.Context()))
		o.pass(24 * time.Hour)
	}
	c = o.signIn()
	remove := o.visit(c, reachPath+"/"+class+regexp.MustCompile(`\?remove=[0-9a-z]+`).FindString(o.visit(c, reachPath+"/"+class).body))
	var list strings.Builder
	list.WriteString("学年,組,学籍番号,氏名,ふりがな\n")
	all, _, err := o.server.Roster.Families(t.Context(), o.me.School, "")
	o.must(err)
	groups, err := o.server.Roster.Groups(t.Context(), o.me.School)
	o.must(err)
	grades := roster.Grades(groups)
	n := 0
	for _, f := range all {
		for _, ch := range f.Children {
			grade := grades[ch.Class]
			if grade == 3 {
				continue
			}
			if n++; n%60 == 0 {
				continue
			}
			list.WriteString(fmt.Sprintf("%d,%d,%s,%s,%s\n", grade+1, n%2+1, ch.Number, ch.Name, ch.Kana))
		}
	}
	list.WriteString("1,1,,新入 一郎,\n1,2,,新入 花子,\n")
	path, _ := o.turnUpload(c, list.String())
	faulty, _ := o.turnUpload(c, list.String()+"99,1,,誤 記,\n")
	preview := o.visit(c, path)
	unsure := o.submit(c, path+"/confirm", url.Values{"seen": {o.seen(preview)}})
	bad := o.visit(c, faulty)
	filter := o.visit(c, reachPath+"?show=unverified&days=7")
	reach := o.visit(c, reachPath)
	reachEN := o.visit(c, reachPath+"?lang=en&show=operator")
	list2 := o.visit(c, reachPath+"/invited?lang=ja")
	start := o.visit(c, turnPath)
	o.submit(c, path+"/confirm", url.Values{"seen": {o.seen(preview)}, "sure": {"1"}})
	u, err := url.Parse(site)
	o.must(err)
	session := c.Jar.Cookies(u)[0]
	shot.Take(t, o.handler, *shots, map[string]string{session.Name: session.Value}, []shot.Page{
		{Name: "reach", Path: "/shot/reach", HTML: reach.body},
		{Name: "reach-filter", Path: "/shot/reach-filter", HTML: filter.body},
		{Name: "reach-filter-english", Path: "/shot/reach-en", HTML: reachEN.body},
		{Name: "reach-invite", Path: "/shot/invite", HTML: invited.body},
		{Name: "reach-invited", Path: "/shot/invited", HTML: list2.body},
		{Name: "turn", Path: "/shot/turn", HTML: start.body},
		{Name: "turn-preview", Path: "/shot/turn-preview", HTML: preview.body},
		{Name: "turn-preview-unsure", Path: "/shot/turn-unsure", HTML: unsure.body},
		{Name: "turn-preview-faulty", Path: "/shot/turn-faulty", HTML: bad.body},
		{Name: "turn-preview-english", Path: "/shot/turn-preview-en", HTML: o.visit(c, faulty+"?lang=en").body},
		{Name: "turn-result", Path: path},
		{Name: "reach-class", Path: reachPath + "/" + class},
		{Name: "reach-class-remove", Path: "/shot/reach-class-remove", HTML: remove.body},
	})
}
