package console

import (
	"html"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/todoku/todoku/shared/alert"
)

var keyPattern = regexp.MustCompile(`name="key" value="([^"]*)"`)

func readAll(t testing.TB, res *http.Response) string {
	t.Helper()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// goodForm is an alert that can be sent as it is.
func goodForm(o *office) url.Values {
	return url.Values{
		"kind": {"safety"}, "subject": {"避難について"}, "body": {"避難所で待機しています。\nお迎えをお願いします。"},
		"answers": {"standard"}, "all": {"1"}, "useful_until": {"2026-04-06T18:00"}, "remind_after": {"30"},
		"key": {"key-1"},
	}
}

// Everything that can be typed into a field: refused with a sentence at the field
// and in the summary, in both languages, and shown again as it was typed.
func TestComposeFields(t *testing.T) {
	o := newOffice(t)
	o.load(smallRoster)
	c := o.signIn()
	tests := []struct {
		name   string
		change func(url.Values)
		field  string // with the problem
		ja, en string
	}{
		{"kind empty", set("kind", ""), "kind", "種類（お知らせ・安否確認・訓練）を選んで", "Choose a kind"},
		{"kind unknown", set("kind", "party"), "kind", "種類（お知らせ・安否確認・訓練）を選んで", "Choose a kind"},
		{"subject empty", set("subject", ""), "subject", "件名を入力してください", "Enter the subject"},
		{"subject blank", set("subject", " 　 "), "subject", "件名を入力してください", "Enter the subject"},
		{"subject too long", set("subject", strings.Repeat("あ", alert.MaxSubject+1)), "subject", "件名は100文字まで", "Shorten the subject"},
		{"subject NUL", set("subject", "a\x00b"), "subject", "使えない文字", "cannot be used"},
		{"subject not UTF-8", set("subject", "caf\xe9"), "subject", "使えない文字", "cannot be used"},
		{"subject right-to-left", set("subject", "abc\u202edef"), "subject", "件名に使えない制御文字", "control characters"},
		{"subject escape", set("subject", "a\x1b[31mb"), "subject", "件名に使えない制御文字", "control characters"},
		{"body empty", set("body", "\r\n"), "body", "本文を入力してください", "Enter the text"},
		{"body too long", set("body", strings.Repeat("あ", alert.MaxBody+1)), "body", "本文は4000文字まで", "Shorten the text"},
		{"body NUL", set("body", "a\x00b"), "body", "使えない文字", "cannot be used"},
		{"body isolate", set("body", "a\u2066b"), "body", "本文に使えない制御文字", "control characters"},
		{"nobody", set("all", ""), "groups", "グループを一つ以上", "at least one group"},
		{"group vanished", func(v url.Values) { v.Del("all"); v.Set("groups", "01jr0000000000000000000000") }, "groups", "名簿が変わった可能性", "no longer exist"},
		{"group hostile", func(v url.Values) { v.Del("all"); v.Set("groups", "\"><script>") }, "groups", "名簿が変わった可能性", "no longer exist"},
		{"answers unknown", set("answers", "both"), "answers", "回答の選択肢（標準・自分で決める）", "Choose which answers"},
		{"own answers empty", set("answers", "own"), "choices", "一つ以上入力", "at least one answer"},
		{"own answer too long", own("choice_1", strings.Repeat("あ", alert.MaxChoiceText+1)), "choices", "40文字まで", "Shorten the answer"},
		{"own answer NUL", own("choice_2", "a\x00"), "choice_2", "使えない文字", "cannot be used"},
		{"own answers twice", func(v url.Values) { own("choice_1", "はい")(v); v.Set("choice_4", " はい ") }, "choices", "同じ選択肢が二つ", "the same"},
		{"until empty", set("useful_until", ""), "useful_until", "いつまで有効か（有効期限）を入力", "Say until when"},
		{"until not a time", set("useful_until", "ゆうがた"), "useful_until", "年月日と時刻で入力", "as a date and time"},
		{"until no such day", set("useful_until", "2026-02-30T10:00"), "useful_until", "年月日と時刻で入力", "as a date and time"},
		{"until past", set("useful_until", "2026-04-06T11:59"), "useful_until", "有効期限が過ぎています", "a time to come"},
		{"until far", set("useful_until", "2026-05-06T12:00"), "useful_until", "7日以内", "within 7 days"},
		{"until year 10000", set("useful_until", "10000-01-01T00:00"), "useful_until", "年月日と時刻で入力", "as a date and time"},
		{"remind not a number", set("remind_after", "soon"), "remind_after", "分の数で入力", "in minutes"},
		{"remind negative", set("remind_after", "-5"), "remind_after", "分の数で入力", "in minutes"},
		{"remind huge", set("remind_after", "99999999999999999999"), "remind_after", "分の数で入力", "in minutes"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			form := goodForm(o)
			tt.change(form)
			for lang, sentence := range map[string]string{"ja": tt.ja, "en": tt.en} {
				got := o.submit(c, "/alerts/preview?lang="+lang, form)
				if got.StatusCode != http.StatusUnprocessableEntity {
					t.Fatalf("status %d", got.StatusCode)
				}
				if !strings.Contains(got.body, `<a href="#`+tt.field+`">`) || !strings.Contains(got.body, `id="`+tt.field+`"`) {
					t.Errorf("the summary does not lead to the field %s", tt.field)
				}
				if strings.Count(got.body, sentence) < 2 {
					t.Errorf("%q does not stand in the summary and at the field", sentence)
				}
				kept(t, form, got.body)
			}
		})
	}
}

func set(field, value string) func(url.Values) {
	return func(v url.Values) { v.Set(field, value) }
}

func own(field, value string) func(url.Values) {
	return func(v url.Values) { v.Set("answers", "own"); v.Set(field, value) }
}

// kept checks that a page holds what was typed; bytes that are no text stand as
// U+FFFD.
func kept(t *testing.T, form url.Values, page string) {
	t.Helper()
	for _, field := range []string{"subject", "body", "useful_until", "remind_after", "choice_1", "choice_2", "key"} {
		if v := strings.ReplaceAll(strings.ToValidUTF8(form.Get(field), "\uFFFD"), "\x00", "\uFFFD"); !strings.Contains(page, template(v)) {
			t.Errorf("the page lost the %s %.50q", field, v)
		}
	}
}

// template writes a value as html/template does.
func template(s string) string { return strings.ReplaceAll(html.EscapeString(s), "+", "&#43;") }

// A form that is right in every field, at its limits and with every character
// that people use, comes to the preview.
func TestComposeAccepts(t *testing.T) {
	o := newOffice(t)
	o.load(smallRoster)
	c := o.signIn()
	tests := []struct {
		name   string
		change func(url.Values)
		want   string
	}{
		{"as it is", func(url.Values) {}, "避難所で待機"},
		{"longest subject", set("subject", strings.Repeat("あ", alert.MaxSubject)), strings.Repeat("あ", alert.MaxSubject)},
		{"longest body", set("body", strings.Repeat("あ", alert.MaxBody)), strings.Repeat("あ", alert.MaxBody)},
		{"CR LF in the subject", set("subject", "休校\r\nBcc: x@example.com"), "休校 Bcc: x@example.com"},
		{"HTML is text", set("body", `<script>alert(1)</script>`), "&lt;script&gt;alert(1)&lt;/script&gt;"},
		{"emoji", set("subject", "🌋 噴火"), "🌋 噴火"},
		{"a grade", func(v url.Values) { v.Del("all"); v.Set("groups", o.group("2年")) }, "2年1組"},
		{"time with seconds", set("useful_until", "2026-04-06T18:00:30"), "18:00"},
		{"own answers", own("choice_1", "迎えに行きます"), "迎えに行きます"},
		{"no reminder", set("remind_after", ""), "しない"},
		{"a reminder after the end", func(v url.Values) { v.Set("useful_until", "2026-04-06T12:04"); v.Set("remind_after", "30") }, "30分後には有効期限が過ぎています"},
		{"one reminder before the end", func(v url.Values) { v.Set("useful_until", "2026-04-06T12:50"); v.Set("remind_after", "30") }, "30分後、回答がない家庭へ1回"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			form := goodForm(o)
			tt.change(form)
			got := o.submit(c, "/alerts/preview", form)
			if got.StatusCode != http.StatusOK || !strings.Contains(got.body, tt.want) {
				t.Errorf("status %d, without %.40q", got.StatusCode, tt.want)
			}
			if strings.Contains(got.body, "<script>") {
				t.Error("what was typed became a part of the page")
			}
		})
	}
}

// What the preview carries on hidden, and the form that comes back, are the form
// that was typed.
func TestPreviewLosesNothing(t *testing.T) {
	o := newOffice(t)
	o.load(smallRoster)
	c := o.signIn()
	form := goodForm(o)
	form.Del("all")
	form["groups"] = []string{o.group("1年1組"), o.group("2年")}
	form.Set("answers", "own")
	form.Set("choice_1", `"はい" & <いいえ>`)
	form.Set("choice_3", "たすけて")
	form.Set("help_3", "1")
	preview := o.submit(c, "/alerts/preview", form)
	carried := hiddenFields(preview.body)
	for name, values := range form {
		if strings.Join(carried[name], "|") != strings.ReplaceAll(strings.Join(values, "|"), "\r\n", "\n") {
			t.Errorf("the preview carries %s=%q, typed %q", name, carried[name], values)
		}
	}
	back := o.submit(c, "/alerts/new", carried)
	if back.StatusCode != http.StatusOK {
		t.Fatalf("back: status %d", back.StatusCode)
	}
	kept(t, form, back.body)
	for _, want := range []string{`value="` + form["groups"][0] + `" data-children="1" checked`, `value="` + form["groups"][1] + `" data-grade checked`, `name="help_3" value="1" checked`, `value="own" checked`} {
		if !strings.Contains(back.body, want) {
			t.Errorf("the form that comes back does not hold %s", want)
		}
	}
}

var hiddenPattern = regexp.MustCompile(`<input type="hidden" name="([^"]*)" value="([^"]*)">`)

func hiddenFields(page string) url.Values {
	v := url.Values{}
	for _, m := range hiddenPattern.FindAllStringSubmatch(page, -1) {
		v.Add(m[1], html.UnescapeString(m[2]))
	}
	return v
}

func TestComposeTooLarge(t *testing.T) {
	o := newOffice(t)
	form := goodForm(o)
	form.Set("body", strings.Repeat("x", 10<<20))
	got := o.submit(o.signIn(), "/alerts/preview", form)
	if got.StatusCode != http.StatusRequestEntityTooLarge || !strings.Contains(got.body, "大きすぎます") {
		t.Errorf("status %d: %.300s", got.StatusCode, got.body)
	}
}
