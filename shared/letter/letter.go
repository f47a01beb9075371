// Package letter writes the mails that guardians get: the instruction first, in
// the first two lines, because a carrier may strip the rest; then the link; then
// who sent it and how to reach the school.
package letter

import (
	"html"
	"net/mail"
	"strconv"
	"strings"
	"time"

	"github.com/todoku/todoku/shared/address"
	"github.com/todoku/todoku/shared/alert"
	"github.com/todoku/todoku/shared/lang"
	tmail "github.com/todoku/todoku/shared/mail"
	"github.com/todoku/todoku/shared/roster"
)

// Writer writes the mails of one alert. What all of them share is written once, for each
// language of the readers: theirs comes first in what surrounds the alert's own words.
type Writer struct {
	alert  alert.Alert
	school roster.School
	round  int
	parts  map[lang.Lang]parts
	// replies says that a reply answers, too.
	replies bool
}

// parts are what the mails in a language share.
type parts struct {
	text, html [2]string // before and after the link
	subject    string
}

// NewWriter returns a Writer for an alert of a school; round is that of the
// copies (Copy.Round): after the first they are marked as a reminder. With replies,
// they say that a reply answers, too.
func NewWriter(a alert.Alert, s roster.School, round int, replies bool) *Writer {
	w := &Writer{alert: a, school: s, round: round, replies: replies, parts: map[lang.Lang]parts{}}
	for _, l := range []lang.Lang{lang.JA, lang.EN} {
		w.parts[l] = parts{text: w.textParts(l), html: w.htmlParts(l), subject: w.title(l)}
	}
	return w
}

func (w *Writer) title(l lang.Lang) string {
	title := w.alert.Title()
	if w.round == 0 {
		return title
	}
	ja, en := "再送・未回答の方へ", "Reminder: please answer"
	if w.round > 1 {
		ja, en = "再送"+strconv.Itoa(w.round)+"回目・未回答の方へ", "Reminder "+strconv.Itoa(w.round)+": please answer"
	}
	if l == lang.EN {
		return title + "（" + en + " / " + ja + "）"
	}
	return title + "（" + ja + "）"
}

// lead is the instruction. The subject stands first, so that it survives in the
// preview of a telephone; a drill is marked in the text, too.
func (w *Writer) lead(l lang.Lang) string { return w.title(l) + "\n" + w.alert.Body }

var (
	askAnswer = lang.T("次のリンクを開いて、お子さんの状況を回答してください。", "Please open this link and answer for your child:")
	askSeen   = lang.T("お読みになったら、次のリンクを開いてボタンを押してください。", "When you have read this, please open this link and press the button:")
	until     = lang.T("この連絡の有効期限", "Useful until")
	isDrill   = lang.T("これは訓練です。", "This is a drill.")
	isYours   = lang.T("リンクはあなた専用です。転送しないでください。", "The link is yours alone: please do not forward it.")
	phoneWord = lang.T("電話", "Phone")
	press     = lang.T("回答する", "Answer")
)

// ask is what a guardian is asked to do: with one answer to choose there is nothing to say
// of the child.
func (w *Writer) ask() lang.Text {
	if len(w.alert.Choices) == 1 {
		return askSeen
	}
	return askAnswer
}

func (w *Writer) footer(l lang.Lang) string {
	const or = " / "
	loc := w.school.Location()
	var b strings.Builder
	b.WriteString(until.First(l, or) + ": " + w.alert.UsefulUntil.In(loc).Format("2006-01-02 15:04") + "\n")
	if w.alert.Kind == alert.Drill {
		b.WriteString(isDrill.First(l, or) + "\n")
	}
	b.WriteString(isYours.First(l, or) + "\n\n")
	b.WriteString(w.school.Name)
	if w.alert.Sender.Name != "" {
		b.WriteString("（" + w.alert.Sender.Name + "）")
	}
	b.WriteString("\n" + phoneWord.First(l, or) + ": " + w.school.Phone + "\n")
	return b.String()
}

// askReply says how to answer without opening the link.
func (w *Writer) askReply(l lang.Lang) string {
	if !w.replies {
		return ""
	}
	var ja, en []string
	for i, c := range w.alert.Choices {
		t := c.Text()
		ja = append(ja, strconv.Itoa(i+1)+"＝"+t.JA)
		en = append(en, strconv.Itoa(i+1)+" = "+t.EN)
	}
	by := ""
	if w.alert.Sender.Name != "" {
		by = "（" + w.alert.Sender.Name + "）"
	}
	return lang.Text{
		JA: "リンクを開けないときは、番号だけを書いて、このメールに返信してください（" + strings.Join(ja, "、") + "）。それ以外の返信は、教職員" + by + "が読みます。",
		EN: "Or reply to this mail with the number alone (" + strings.Join(en, ", ") + "). Other replies are read by staff.",
	}.First(l, "\n") + "\n\n"
}

func (w *Writer) textParts(l lang.Lang) [2]string {
	return [2]string{w.lead(l) + "\n\n" + w.ask().First(l, "\n") + "\n", "\n\n" + w.askReply(l) + w.footer(l)}
}

func htmlHead(l lang.Lang) string {
	if l != lang.EN {
		l = lang.JA
	}
	return `<!DOCTYPE html><html lang="` + string(l) + `"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"></head>` +
		`<body style="font-family:sans-serif;font-size:16px;line-height:1.7;color:#1a1a1c;max-width:40em;margin:0 auto;padding:16px">`
}

func (w *Writer) htmlParts(l lang.Lang) [2]string {
	before := htmlHead(lang.JA) + `<p style="font-size:18px;font-weight:bold;margin:0">` + html.EscapeString(w.title(l)) + `</p><p style="margin:0 0 24px">` + lines(w.alert.Body) + `</p><p>` + lines(w.ask().First(l, "\n")) + `</p>`
	after := `<p>` + lines(w.askReply(l)) + `</p><p style="font-size:14px;color:#4d4d4d">` + lines(w.footer(l)) + `</p></body></html>`
	return [2]string{before, after}
}

func lines(s string) string {
	return strings.ReplaceAll(html.EscapeString(strings.TrimRight(s, "\n")), "\n", "<br>")
}

// Letter returns the mail of one copy to a reader of a language, with the address of its
// answer page. The mail's tags name the copy, so that a mail operator's events find it.
func (w *Writer) Letter(copy alert.CopyRef, l lang.Lang, mailbox, link string, now time.Time) *tmail.Message {
	m := w.sample(copy.ID(), l, mailbox, link, now)
	m.Tags = copy.Tags()
	return m
}

// Sample returns a mail that looks like a copy but is none: events about it
// concern nobody.
func (w *Writer) Sample(id, mailbox, link string, now time.Time) *tmail.Message {
	return w.sample(id, lang.JA, mailbox, link, now)
}

func (w *Writer) sample(id string, l lang.Lang, mailbox, link string, now time.Time) *tmail.Message {
	if l != lang.EN {
		l = lang.JA
	}
	p := w.parts[l]
	escaped := html.EscapeString(link)
	button := `<p><a href="` + escaped + `" style="display:inline-block;background:#0017c1;color:#fff;padding:12px 24px;border-radius:8px;text-decoration:none;font-weight:bold">` + press.First(l, " / ") + `</a></p>` +
		`<p style="font-size:14px;word-break:break-all"><a href="` + escaped + `">` + escaped + `</a></p>`
	m := &tmail.Message{
		ID:          id,
		From:        mail.Address{Name: w.school.Name, Address: w.school.Mail},
		To:          mail.Address{Address: mailbox},
		Subject:     p.subject,
		Text:        p.text[0] + link + p.text[1],
		HTML:        p.html[0] + button + p.html[1],
		Unsubscribe: "mailto:" + w.school.Mail + "?subject=unsubscribe%20" + id,
		Date:        now,
		Deadline:    w.alert.UsefulUntil,
	}
	if to, err := address.Parse(w.alert.Sender.Mail); err == nil { // an alert waits for nobody's address
		m.ReplyTo = mail.Address{Name: w.alert.Sender.Name, Address: to.Mailbox()}
	}
	return m
}
