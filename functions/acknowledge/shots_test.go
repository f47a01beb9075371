//go:build shots

package acknowledge

import (
	"flag"
	"net/url"
	"testing"

	"github.com/todoku/todoku/shared/alert"
	"github.com/todoku/todoku/shared/web/webtest/shot"
)

var shots = flag.String("shots", "shots", "folder for the pictures")

// TestShots takes pictures of the pages:
//
//	go test -tags shots -run TestShots ./functions/acknowledge -shots /tmp/shots
func TestShots(t *testing.T) {
	s := newSchool(t)
	siblings, only := s.siblings(), s.only()
	text := func(d *alert.Draft) {
		d.Subject = "震度5強の地震による安否確認"
		d.Body = "全員、校庭に避難しています。\nお子さんの状況を回答してください。\n\n電話は大変混み合います。お迎えは、次の連絡をお待ちください。"
	}
	open := s.alert(text, siblings, only)
	drill := s.alert(func(d *alert.Draft) { text(d); d.Kind = alert.Drill }, only)
	closed := s.alert(text, only)
	_, err := s.alerts.Close(t.Context(), closed.ID)
	s.must(err)
	s.do("POST", "/a/"+s.link(drill, only, "aya-mail"), url.Values{"alert": {drill.ID}, childField(s.id["yotsuba"]): {"safe"}})
	nothing := s.do("POST", "/a/"+s.link(open, siblings, "taro-mail"), url.Values{"alert": {open.ID}})
	english := s.do("GET", "/a/"+s.link(open, only, "aya-mail")+"?lang=en", nil)
	shot.Take(t, s.handler, *shots, nil, []shot.Page{
		{Name: "answer", Path: "/a/" + s.link(open, only, "aya-mail")},
		{Name: "answer-english", Path: "/shot/english", HTML: english.body},
		{Name: "answer-siblings", Path: "/a/" + s.link(open, siblings, "hana-mail")},
		{Name: "answer-nothing", Path: "/shot/nothing", HTML: nothing.body},
		{Name: "answer-done", Path: "/a/" + s.link(drill, only, "aya-mail")},
		{Name: "answer-closed", Path: "/a/" + s.link(closed, only, "aya-mail")},
		{Name: "answer-unknown", Path: "/a/nonsense"},
	})
}
