package letter_test

import (
	"strings"
	"testing"
	"time"

	"github.com/todoku/todoku/shared/alert"
	"github.com/todoku/todoku/shared/lang"
	"github.com/todoku/todoku/shared/letter"
	"github.com/todoku/todoku/shared/mail"
	"github.com/todoku/todoku/shared/roster"
)

var (
	now    = time.Date(2026, 4, 6, 0, 0, 0, 0, time.UTC)
	school = roster.School{Name: "ひばり小学校", Mail: "renraku@hibari.example", Phone: "03-0000-0000", Zone: "Asia/Tokyo"}
)

// TestReplyTo: staff may have any address that intake takes, and none of them keeps an alert
// from leaving.
func TestReplyTo(t *testing.T) {
	for stored, want := range map[string]string{
		"sato@example.jp":         "sato@example.jp",
		"tanaka..ab@docomo.ne.jp": `"tanaka..ab"@docomo.ne.jp`,
		"t@日本語.jp":                `t@xn--wgv71a119e.jp`,
		"none":                    "",
		"":                        "",
	} {
		a := alert.Alert{Subject: "x", Body: "y", UsefulUntil: now.Add(time.Hour), Sender: alert.Sender{Name: "先生", Mail: stored}}
		m := letter.NewWriter(a, school, 0, false).Letter(alert.CopyRef{}, lang.JA, "a@gmail.com", "http://todoku.test/a/x", now)
		if m.ReplyTo.Address != want {
			t.Errorf("%q: replies go to %q, want %q", stored, m.ReplyTo.Address, want)
		}
		m.ID, m.Tags = "id", nil
		if _, err := m.Bytes(); err != nil {
			t.Errorf("%q: %v", stored, err)
		}
	}
}

// TestAsks: who is only to read is not asked how the child is.
func TestAsks(t *testing.T) {
	for kind, want := range map[alert.Kind]string{
		alert.Notice: "お読みになったら、次のリンクを開いてボタンを押してください。", alert.Safety: "お子さんの状況を回答してください。", alert.Drill: "お子さんの状況を回答してください。",
	} {
		a := alert.Alert{Kind: kind, Choices: alert.DefaultChoices(kind), Subject: "x", Body: "y", UsefulUntil: now.Add(time.Hour)}
		m := letter.NewWriter(a, school, 0, false).Letter(alert.CopyRef{}, lang.JA, "a@gmail.com", "http://todoku.test/a/x", now)
		for _, part := range []string{m.Text, m.HTML} {
			if !strings.Contains(part, want) || strings.Contains(part, "状況") != (kind != alert.Notice) {
				t.Errorf("%s: does not ask %q:\n%s", kind, want, part)
			}
		}
	}
}

// TestLanguageFirst: what is said in both languages says the reader's first, and an
// unknown language is taken for Japanese.
func TestLanguageFirst(t *testing.T) {
	a := alert.Alert{Kind: alert.Drill, Subject: "避難訓練", Body: "校庭に出ました。", UsefulUntil: now.Add(time.Hour)}
	copies := func(l lang.Lang) *mail.Message {
		return letter.NewWriter(a, school, 1, false).Letter(alert.CopyRef{}, l, "a@gmail.com", "http://todoku.test/a/x", now)
	}
	to := func(l lang.Lang) letter.To {
		return letter.To{School: school, Lang: l, ID: "id", Mailbox: "a@gmail.com", Now: now}
	}
	ask := func(l lang.Lang) *mail.Message {
		return letter.Ask(to(l), letter.Invited, "http://todoku.test/x")
	}
	check := func(l lang.Lang) *mail.Message {
		return letter.Ask(to(l), letter.Checking, "http://todoku.test/x")
	}
	for name, tt := range map[string]struct {
		write  func(lang.Lang) *mail.Message
		ja, en []string // in the order in which a Japanese reader finds them, and an English one
	}{
		"a copy":        {copies, []string{"避難訓練", "校庭に出ました", "次のリンク", "Please open", "有効期限", "Useful until", "これは訓練", "This is a drill"}, []string{"避難訓練", "校庭に出ました", "Please open", "次のリンク", "Useful until", "有効期限", "This is a drill", "これは訓練"}},
		"an invitation": {ask, []string{"学校から", "The school sends", "心当たり", "If you did not"}, []string{"The school sends", "学校から", "If you did not", "心当たり"}},
		"is it read":    {check, []string{"しばらく回答", "We have not heard"}, []string{"We have not heard", "しばらく回答"}},
		"a test":        {func(l lang.Lang) *mail.Message { return letter.Test(to(l)) }, []string{"このメールが", "If you can read"}, []string{"If you can read", "このメールが"}},
		"to the own page": {func(l lang.Lang) *mail.Message {
			return letter.OwnPage(to(l), "http://x")
		}, []string{"次のリンクから", "Open the link"}, []string{"Open the link", "次のリンクから"}},
	} {
		t.Run(name, func(t *testing.T) {
			for l, want := range map[lang.Lang][]string{lang.JA: tt.ja, "": tt.ja, "fr": tt.ja, lang.EN: tt.en} {
				m := tt.write(l)
				for _, text := range []string{m.Text, m.HTML} {
					inOrder(t, l, text, want)
				}
			}
		})
	}
	if s := ask(lang.EN).Subject; s != "【ひばり小学校】Please register for emergency messages / 緊急連絡の登録をお願いします" {
		t.Errorf("the subject in English: %s", s)
	}
	if s := copies(lang.EN).Subject; !strings.Contains(s, "Reminder") {
		t.Errorf("a reminder to an English reader: %s", s)
	}
	if m := check(lang.EN); strings.Contains(m.Text, "ignore it") || strings.Contains(m.HTML, "ignore it") {
		t.Error("somebody who is registered is told to ignore the mail")
	}
}

func inOrder(t *testing.T, l lang.Lang, text string, want []string) {
	t.Helper()
	at := 0
	for _, w := range want {
		i := strings.Index(text[at:], w)
		if i < 0 {
			t.Errorf("%q: %q is not there, or not in its place:\n%s", l, w, text)
			return
		}
		at += i
	}
}
