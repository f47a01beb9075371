package inbound

import (
	"bytes"
	"encoding/base64"
	"mime/quotedprintable"
	"strings"
	"testing"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/japanese"

	"github.com/todoku/todoku/shared/alert"
	"github.com/todoku/todoku/shared/mail/incoming"
	"github.com/todoku/todoku/shared/reply"
)

// asked is the mail that the forms reply to, as programs quote it.
const asked = "【ひばり小】安否の確認\nお子さんは無事ですか。\n\n次のリンクを開いて、お子さんの状況を回答してください。\nhttps://todoku.example/a/xyz\n\n1＝無事です、2＝助けが必要です"

var marked = "> " + strings.ReplaceAll(asked, "\n", "\n> ")

// plainIn returns the end of a mail of plain text in a charset.
func plainIn(charset string, e encoding.Encoding, text string) string {
	raw, err := e.NewEncoder().String(text)
	if err != nil {
		panic(err)
	}
	return "Content-Type: text/plain; charset=" + charset + "\nContent-Transfer-Encoding: base64\n\n" + base64.StdEncoding.EncodeToString([]byte(raw))
}

func utf8Text(text string) string {
	return "Content-Type: text/plain; charset=UTF-8\nContent-Transfer-Encoding: 8bit\n\n" + text
}

func htmlText(html string) string {
	return "Content-Type: text/html; charset=UTF-8\nContent-Transfer-Encoding: 8bit\n\n" + html
}

func quoted(text string) string {
	var b bytes.Buffer
	w := quotedprintable.NewWriter(&b)
	_, _ = w.Write([]byte(text))
	_ = w.Close()
	return "Content-Type: text/plain; charset=UTF-8\nContent-Transfer-Encoding: quoted-printable\n\n" + b.String()
}

func alternative(text, html string) string {
	return "MIME-Version: 1.0\nContent-Type: multipart/alternative; boundary=B\n\n--B\n" + utf8Text(text) + "\n--B\n" + htmlText(html) + "\n--B--\n"
}

const (
	re        = "Subject: Re: 【ひばり小】安否の確認\n"
	gmailJA   = "2026年4月6日(月) 8:31 ひばり小学校 <renraku@hibari.example>:\n\n"
	gmailEN   = "On Mon, Apr 6, 2026 at 8:31 AM ひばり小学校 <renraku@hibari.example>\nwrote:\n\n"
	iphone    = "\n\niPhoneから送信\n\n2026/04/06 8:31、ひばり小学校 <renraku@hibari.example>のメール:\n\n"
	unclear   = "" // shown to staff
	automatic = "-"
)

// TestForms has what telephones and programs in Japan send when somebody replies.
func TestForms(t *testing.T) {
	tests := []struct{ name, mail, want string }{
		{"iPhone, above the quotation", re + utf8Text("無事です"+iphone+marked), "safe"},
		{"iPhone, HTML beside it", re + alternative("無事です。"+iphone+marked, "<p>無事です。</p>"), "safe"},
		{"iPhone, in English", re + quoted("Safe\n\nSent from my iPhone\n\n> On Apr 6, 2026, at 8:31, ひばり小学校 <renraku@hibari.example> wrote:\n> \n"+marked), "safe"},
		{"Gmail in Japanese", re + utf8Text("無事\n\n"+gmailJA+marked), "safe"},
		{"Gmail in English, the line broken", re + quoted("2\n\n"+gmailEN+marked), "help"},
		{"Gmail, HTML alone", re + htmlText(`<div dir="ltr">無事です</div><br><div class="gmail_quote"><div class="gmail_attr">2026年4月6日(月) 8:31 ひばり小学校 &lt;<a href="mailto:renraku@hibari.example">renraku@hibari.example</a>&gt;:<br></div><blockquote>`+strings.ReplaceAll(asked, "\n", "<br>")+`</blockquote></div>`), "safe"},
		{"docomo, Shift_JIS", re + plainIn("Shift_JIS", japanese.ShiftJIS, "無事です\n\n-----Original Message-----\n"+strings.ReplaceAll(asked, "＝", "=")), "safe"},
		{"docomo, a full-width number in ISO-2022-JP", re + plainIn("ISO-2022-JP", japanese.ISO2022JP, "１\n"), "safe"},
		{"docomo, quoted below a rule in Japanese", re + plainIn("ISO-2022-JP", japanese.ISO2022JP, "２\n\n-----元のメッセージ-----\n差出人: ひばり小学校\n件名: 安否の確認\n"), "help"},
		{"au, EUC-JP", re + plainIn("EUC-JP", japanese.EUCJP, "大丈夫です。"), "safe"},
		{"softbank, a mark for the number", re + utf8Text("②\n"), "help"},
		{"Yahoo!", re + utf8Text("ＯＫ\n\n----- Original Message -----\nFrom: \"ひばり小学校\" <renraku@hibari.example>\nTo: hanako@yahoo.co.jp\nDate: 2026/04/06 月 08:31\n"+asked), "safe"},
		{"Outlook, the header without marks", re + utf8Text("無事です\r\n\r\n________________________________\r\n差出人: ひばり小学校 <renraku@hibari.example>\r\n送信日時: 2026年4月6日 8:31\r\n宛先: hanako@outlook.jp\r\n件名: 安否の確認\r\n\r\n"+asked), "safe"},
		{"Outlook, HTML alone", re + htmlText(`<html><head><style>p{margin:0}</style></head><body><p>ok</p><p>Get <a href="https://aka.ms/o0ukef">Outlook for iOS</a></p><hr><p><b>From:</b> ひばり小学校<br><b>Sent:</b> Monday, April 6, 2026<br><b>To:</b> x<br></p><p>無事ですか</p></body></html>`), "safe"},
		{"Android, its line underneath", re + utf8Text("無事です\n\nAndroidから送信\n"), "safe"},
		{"Thunderbird, below the quotation", re + utf8Text("On 2026/04/06 8:31, ひばり小学校 wrote:\n"+marked+"\n\n無事です\n"), "safe"},
		{"a signature of one's own", re + utf8Text("無事です\n\n-- \n見本 花子\n090-0000-0000\n"), "safe"},
		{"one's name underneath", re + utf8Text("無事です\n\n見本 花子\n"), "safe"},
		{"one's surname underneath, beside it", re + utf8Text("無事です。\n見本より\n"), "safe"},
		{"small letters and a full stop", re + utf8Text("Ok.\n"), "safe"},
		{"the number and its words", re + utf8Text("1 無事です\n"), "safe"},
		{"the number, politely", re + utf8Text("１番です。\n"), "safe"},
		{"the answer in the subject", "Subject: =?UTF-8?B?" + base64.StdEncoding.EncodeToString([]byte("無事です")) + "?=\n" + utf8Text(""), "safe"},
		{"a pictograph behind it", re + utf8Text("無事です😊\n"), "safe"},

		{"help, in words", re + utf8Text("助けて！\n"), "help"},
		{"docomo, HTML alone in ISO-2022-JP", re + strings.Replace(plainIn("ISO-2022-JP", japanese.ISO2022JP, "<html><body bgcolor=\"#ffffff\"><div>助けが必要です</div><br><div>-----元のメッセージ-----<br>差出人: ひばり小学校</div></body></html>"), "text/plain", "text/html", 1), "help"},
		{"half-width kana", re + plainIn("Shift_JIS", japanese.ShiftJIS, "ｵｯｹｰ"), "safe"},
		{"au, quoted with wide marks", re + plainIn("ISO-2022-JP", japanese.ISO2022JP, "無事です\n\n＞【ひばり小】安否の確認\n＞お子さんは無事ですか。\n"), "safe"},
		{"below the quotation, with a signature", re + utf8Text(gmailJA+marked+"\n\n1\n\n--\n見本 花子\n"), "safe"},
		{"flowed, base64", re + "Content-Type: text/plain; charset=UTF-8; format=flowed; delsp=yes\nContent-Transfer-Encoding: base64\n\n" + base64.StdEncoding.EncodeToString([]byte("安全です \n\n"+iphone+marked)), "safe"},

		{"nothing", re + utf8Text(""), unclear},
		{"safe? asked back", re + utf8Text("無事？"), unclear},
		{"all right? asked back", re + utf8Text("大丈夫ですか"), unclear},
		{"a question with a pictograph", re + utf8Text("ok❓"), unclear},
		{"a cross for not", re + utf8Text("無事×"), unclear},
		{"a crossed pictograph", re + utf8Text("❌ 無事です"), unclear},
		{"it was read, no more", re + utf8Text("了解しました。"), unclear},
		{"a pictograph alone", re + utf8Text("👌"), unclear},
		{"two children, two answers", re + utf8Text("一郎 1\n二葉 2"), unclear},
		{"nothing but the quotation", re + utf8Text("\n"+iphone+marked), unclear},
		{"not safe", re + utf8Text("無事ではないです"), unclear},
		{"safe, and a question", re + utf8Text("無事です。お迎えは何時ですか？"), unclear},
		{"both numbers", re + utf8Text("1、2"), unclear},
		{"a number that is not offered", re + utf8Text("3"), unclear},
		{"a time", re + utf8Text("10時に行きます"), unclear},
		{"somebody else's name underneath", re + utf8Text("無事です\n田中"), unclear},
		{"the whole mail, unmarked, and nothing else", re + utf8Text(asked), unclear},
		{"a picture alone", re + "Content-Type: image/jpeg\nContent-Disposition: attachment\nContent-Transfer-Encoding: base64\n\n/9j/4AAQ", unclear},
		{"a vacation, by its words alone", "Subject: 自動返信: 【ひばり小】安否の確認\n" + utf8Text("ただいま不在にしております。"), unclear},

		{"a vacation by RFC 3834", "Auto-Submitted: auto-replied\n" + re + utf8Text("ok"), automatic},
		{"an old responder", "Precedence: auto_reply\n" + re + utf8Text("ok"), automatic},
		{"Exchange's responder", "X-Auto-Response-Suppress: All\nAuto-Submitted: auto-generated\n" + re + utf8Text("1"), automatic},
		{"Yahoo!'s responder", "X-Autoreply: yes\n" + re + utf8Text("無事です"), automatic},
		{"a report of delivery", "Content-Type: multipart/report; report-type=delivery-status; boundary=B\nAuto-Submitted: auto-replied\n\n--B\n\nok\n--B--\n", automatic},
	}
	q := reply.Question{Subject: "安否の確認", Choices: alert.DefaultChoices(alert.Safety), Names: []string{"見本 花子", "見本 一郎"}}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			raw := "From: hanako@docomo.ne.jp\nMessage-ID: <1@docomo.ne.jp>\n" + tt.mail
			m, err := incoming.Read([]byte(strings.ReplaceAll(strings.ReplaceAll(raw, "\r\n", "\n"), "\n", "\r\n")), incoming.Envelope{From: "hanako@docomo.ne.jp"})
			if err != nil {
				t.Fatal(err)
			}
			if tt.want == automatic {
				if m.Automatic == "" {
					t.Error("not seen to be automatic")
				}
				return
			}
			c, wrote, ok := q.Read(m.Subject, m.Text)
			if m.Automatic != "" || ok != (tt.want != unclear) || c.ID != tt.want {
				t.Errorf("choice %q (%t) of %q, want %q; automatic %q", c.ID, ok, wrote, tt.want, m.Automatic)
			}
		})
	}
}
