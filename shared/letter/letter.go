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

	"github.com/todoku/todoku/shared/alert"
	tmail "github.com/todoku/todoku/shared/mail"
	"github.com/todoku/todoku/shared/roster"
)

// Writer writes the mails of one alert. What all of them share is written once.
type Writer struct {
	alert      alert.Alert
	school     roster.School
	text, html [2]string // before and after the link
	subject    string
	round      int
	replies    bool
}

// NewWriter returns a Writer for an alert of a school; round is that of the
// copies (Copy.Round): after the first they are marked as a reminder. With replies,
// they say that a reply answers, too.
func NewWriter(a alert.Alert, s roster.School, round int, replies bool) *Writer {
	w := &Writer{alert: a, school: s, round: round, replies: replies}
	w.subject = w.title()
	w.text = w.textParts()
	w.html = w.htmlParts()
	return w
}

func (w *Writer) title() string {
	title := w.alert.Title()
	switch {
	case w.round == 1:
		return title + "（再送・未回答の方へ）"
	case w.round > 1:
		return title + "（再送" + strconv.Itoa(w.round) + "回目・未回答の方へ）"
	}
	return title
}

// lead is the instruction. The subject stands first, so that it survives in the
// preview of a telephone; a drill is marked in the text, too.
func (w *Writer) lead() string { return w.title() + "\n" + w.alert.Body }

const askAnswer = "次のリンクを開いて、お子さんの状況を回答してください。\nPlease open this link and answer for your child:"

func (w *Writer) footer() string {
	loc := w.school.Location()
	var b strings.Builder
	b.WriteString("この連絡の有効期限 / Useful until: " + w.alert.UsefulUntil.In(loc).Format("2006-01-02 15:04") + "\n")
	if w.alert.Kind == alert.Drill {
		b.WriteString("これは訓練です。/ This is a drill.\n")
	}
	b.WriteString("リンクはあなた専用です。転送しないでください。/ The link is yours alone: please do not forward it.\n\n")
	b.WriteString(w.school.Name)
	if w.alert.Sender.Name != "" {
		b.WriteString("（" + w.alert.Sender.Name + "）")
	}
	b.WriteString("\n電話 / Phone: " + w.school.Phone + "\n")
	return b.String()
}

// askReply says how to answer without opening the link.
func (w *Writer) askReply() string {
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
	return "リンクを開けないときは、番号だけを書いて、このメールに返信してください（" + strings.Join(ja, "、") + "）。それ以外の返信は、教職員" + by + "が読みます。\n" +
		"Or reply to this mail with the number alone (" + strings.Join(en, ", ") + "). Other replies are read by staff.\n\n"
}

func (w *Writer) textParts() [2]string {
	return [2]string{w.lead() + "\n\n" + askAnswer + "\n", "\n\n" + w.askReply() + w.footer()}
}

const htmlHead = `<!DOCTYPE html><html lang="ja"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"></head>` +
	`<body style="font-family:sans-serif;font-size:16px;line-height:1.7;color:#1a1a1c;max-width:40em;margin:0 auto;padding:16px">`

func (w *Writer) htmlParts() [2]string {
	before := htmlHead + `<p style="font-size:18px;font-weight:bold;margin:0">` + html.EscapeString(w.title()) + `</p><p style="margin:0 0 24px">` + lines(w.alert.Body) + `</p><p>` + lines(askAnswer) + `</p>`
	after := `<p>` + lines(w.askReply()) + `</p><p style="font-size:14px;color:#4d4d4d">` + lines(w.footer()) + `</p></body></html>`
	return [2]string{before, after}
}

func lines(s string) string {
	return strings.ReplaceAll(html.EscapeString(strings.TrimRight(s, "\n")), "\n", "<br>")
}

// Letter returns the mail of one copy, with the address of its answer page. The
// mail's tags name the copy, so that a mail operator's events find it.
func (w *Writer) Letter(copy alert.CopyRef, mailbox, link string, now time.Time) *tmail.Message {
	m := w.Sample(copy.ID(), mailbox, link, now)
	m.Tags = copy.Tags()
	return m
}

// Sample returns a mail that looks like a copy but is none: events about it
// concern nobody.
func (w *Writer) Sample(id, mailbox, link string, now time.Time) *tmail.Message {
	escaped := html.EscapeString(link)
	button := `<p><a href="` + escaped + `" style="display:inline-block;background:#0017c1;color:#fff;padding:12px 24px;border-radius:8px;text-decoration:none;font-weight:bold">回答する / Answer</a></p>` +
		`<p style="font-size:14px;word-break:break-all"><a href="` + escaped + `">` + escaped + `</a></p>`
	m := &tmail.Message{
		ID:          id,
		From:        mail.Address{Name: w.school.Name, Address: w.school.Mail},
		To:          mail.Address{Address: mailbox},
		Subject:     w.subject,
		Text:        w.text[0] + link + w.text[1],
		HTML:        w.html[0] + button + w.html[1],
		Unsubscribe: "mailto:" + w.school.Mail + "?subject=unsubscribe%20" + id,
		Date:        now,
		Deadline:    w.alert.UsefulUntil,
	}
	if w.alert.Sender.Mail != "" {
		m.ReplyTo = mail.Address{Name: w.alert.Sender.Name, Address: w.alert.Sender.Mail}
	}
	return m
}
