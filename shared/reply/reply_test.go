package reply_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/todoku/todoku/shared/alert"
	"github.com/todoku/todoku/shared/reply"
)

func TestChoices(t *testing.T) {
	own := []alert.Choice{{ID: "c1", JA: "迎えに行けます", EN: "I come"}, {ID: "c2", JA: "行けません"}, {ID: "c3", JA: "12"}}
	tests := []struct {
		name    string
		choices []alert.Choice
		text    string
		want    string
	}{
		{"a notice, empty", alert.DefaultChoices(alert.Notice), "", "read"},
		{"a notice, read", alert.DefaultChoices(alert.Notice), "了解しました。", "read"},
		{"a notice, a question", alert.DefaultChoices(alert.Notice), "何時ですか", ""},
		{"only help is offered", []alert.Choice{{ID: "help", JA: "助けて", Help: true}}, "", ""},
		{"one's own words", own, "行けません", "c2"},
		{"its English", own, "i come", "c1"},
		{"by number", own, "２", "c2"},
		{"words that are a number", own, "12", "c3"},
		{"ok means nothing there", own, "ok", ""},
		{"nothing is offered", nil, "1", ""},
		{"a drill", alert.DefaultChoices(alert.Drill), "ぶじ", "safe"},
		{"the wrong words behind a number", alert.DefaultChoices(alert.Safety), "1 助けて", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c, wrote, ok := reply.Question{Subject: "件名", Choices: tt.choices}.Read("Re: 件名", tt.text)
			if c.ID != tt.want || ok != (tt.want != "") {
				t.Errorf("%q (%t) of %q, want %q", c.ID, ok, wrote, tt.want)
			}
		})
	}
}

// FuzzRead: reading ends, and what answers is short.
func FuzzRead(f *testing.F) {
	for _, s := range []string{"無事です\n\n> 引用", "１", "On Mon wrote:\n> a\nok", "差出人: a\n件名: b\n", "-- \nx"} {
		f.Add("Re: 件名", s)
	}
	f.Add("Re: 件名", "無事"+strings.Repeat("`", 3000))
	q := reply.Question{Subject: "件名", Choices: alert.DefaultChoices(alert.Safety), Names: []string{"見本 花子"}}
	f.Fuzz(func(t *testing.T, subject, text string) {
		_, wrote, ok := q.Read(subject, text)
		if utf8.ValidString(text) && utf8.ValidString(subject) && !utf8.ValidString(wrote) {
			t.Error("text that was valid is not any more")
		}
		if ok && len([]rune(strings.Join(strings.Fields(wrote), ""))) > 2000 {
			t.Errorf("%d characters answer", len(wrote))
		}
	})
}
