package letter

import (
	"html"
	"net/mail"
	"strings"
	"time"

	"github.com/todoku/todoku/shared/lang"
	tmail "github.com/todoku/todoku/shared/mail"
	"github.com/todoku/todoku/shared/roster"
)

// To says to whom a mail goes that is not part of an alert.
type To struct {
	School  roster.School // whose mail it is
	Lang    lang.Lang     // of the reader, which comes first
	ID      string        // of the mail
	Mailbox string        // as RFC 5321 writes it
	Tags    map[string]string
	Now     time.Time
}

// Asking says in which words a mail asks for the confirmation of an address.
type Asking int

// The ways to ask.
const (
	Registered Asking = iota // to who registered
	Invited                  // to whom the office invites
	Reminded                 // to whom did not answer the first mail
	NeedsCode                // to whom the office invites without a child: the slip's code is needed
	Checking                 // to who has long not answered an alert: does the address still work?
)

// asking holds the words of each way to ask: subject and first lines.
var asking = map[Asking][2]lang.Text{
	Registered: {
		lang.T("連絡先の確認をお願いします", "Please confirm your address"),
		lang.T("緊急連絡の連絡先として、このメールアドレスが入力されました。\n次のリンクを開き、「登録する」を押すと、登録が終わります。",
			"This address was entered for emergency messages. Open the link and press “Register” to finish."),
	},
	Invited: {
		lang.T("緊急連絡の登録をお願いします", "Please register for emergency messages"),
		lang.T("学校から、緊急連絡をこのメールアドレスに送ります。\n届いたことを確かめるため、次のリンクを開き、「登録する」を押してください。",
			"The school sends emergency messages to this address. Open the link and press “Register” to tell us that they arrive."),
	},
	Reminded: {
		lang.T("（再）緊急連絡の登録をお願いします", "Reminder: please register for emergency messages"),
		lang.T("先日お送りした確認が、まだ済んでいません。\n次のリンクを開き、「登録する」を押してください。",
			"Your address is not confirmed yet. Open the link and press “Register”."),
	},
	NeedsCode: {
		lang.T("緊急連絡の登録をお願いします", "Please register for emergency messages"),
		lang.T("学校からの緊急連絡の登録のご案内です。\n学校が配った紙の登録コードを用意して、次のリンクを開いてください。",
			"The school invites you to register for emergency messages. Have the code on the school's sheet at hand and open the link."),
	},
	Checking: {
		lang.T("緊急連絡は届いていますか", "Do our messages still reach you?"),
		lang.T("しばらく回答がないため、このメールアドレスに届くかどうかを確かめています。\n次のリンクを開き、「届いています」を押してください。",
			"We have not heard from you for a while. Open the link and press “It arrives”, so that we know that messages reach you."),
	},
}

// Ask returns a mail that asks for the confirmation of an address, in both languages.
func Ask(to To, how Asking, link string) *tmail.Message {
	words := asking[how]
	if how == Checking { // the address is registered: there is nothing to ignore
		return known(plain(to, words[0], words[1], link, lang.T("届いていることを知らせる", "Tell the school that it arrives")))
	}
	return plain(to, words[0], words[1], link, lang.T("登録の手続きを開く", "Open the registration"))
}

// OwnPage returns the mail with the link to a guardian's own page.
func OwnPage(to To, link string) *tmail.Message {
	return plain(to, lang.T("連絡先の変更用リンク", "Your link to change your contacts"),
		lang.T("次のリンクから、連絡先の確認・変更・一時停止・解除ができます。\nリンクは1時間使えます。", "Open the link to see, change, pause or remove your contacts. It works for an hour."),
		link, lang.T("自分のページを開く", "Open my page"))
}

// Test returns the mail that a guardian sends to himself or herself.
func Test(to To) *tmail.Message {
	return plain(to, lang.T("【テスト】緊急連絡の受信テスト", "[Test] Emergency messages reach you"),
		lang.T("このメールが届いていれば、緊急連絡も届きます。何もする必要はありません。", "If you can read this, emergency messages reach you, too. There is nothing to do."),
		"", lang.Text{})
}

// LostRoute tells the school that children of classes cannot be reached any more. It
// names no child: the page behind the link, for staff, does.
func LostRoute(to To, classes []string, children int, link string) *tmail.Message {
	in := lang.Names(classes)
	return ToStaff(to, lang.T("連絡先がなくなりました", "A child has lost its last route"),
		lang.T("%[1]sの児童生徒%[3]d人について、最後の連絡先が削除されました。緊急連絡が届きません。\n登録状況のページで確認し、保護者に連絡してください。",
			"The last address was removed. Alerts do not reach the family any more (%[2]s; children: %[3]d). See the registration page and call them.", in.JA, in.EN, children),
		link, lang.T("登録状況を開く", "Open the page"))
}

// ToStaff tells somebody of the school's own what they should know, Japanese first. What
// is personal is behind the link.
func ToStaff(to To, subject, body lang.Text, link string, press lang.Text) *tmail.Message {
	to.Lang = lang.JA
	return known(plain(to, subject, body, link, press))
}

// known takes out of a mail what is said to those who may not expect it.
func known(m *tmail.Message) *tmail.Message {
	for _, l := range []lang.Lang{lang.JA, lang.EN} {
		text := ignore.First(l, "\n") + "\n\n"
		m.Text = strings.Replace(m.Text, text, "", 1)
		m.HTML = strings.Replace(m.HTML, lines(text)+"<br><br>", "", 1)
	}
	return m
}

var ignore = lang.T("心当たりがないときは、このメールを無視してください。リンクを開かなければ、何も登録されません。",
	"If you did not expect this mail, ignore it: nothing is registered.")

func plain(to To, subject, body lang.Text, link string, press lang.Text) *tmail.Message {
	s, l := to.School, to.Lang
	lead := "【" + s.Name + "】" + body.First(l, "\n")
	foot := s.Name + "\n" + phoneWord.First(l, " / ") + ": " + s.Phone + "\n"
	text, button := lead+"\n\n", ""
	if link != "" {
		text += link + "\n\n"
		foot = ignore.First(l, "\n") + "\n\n" + foot
		e := html.EscapeString(link)
		button = `<p><a href="` + e + `" style="display:inline-block;background:#0017c1;color:#fff;padding:12px 24px;border-radius:8px;text-decoration:none;font-weight:bold">` +
			html.EscapeString(press.First(l, " / ")) + `</a></p><p style="font-size:14px;word-break:break-all"><a href="` + e + `">` + e + `</a></p>`
	}
	var h strings.Builder
	h.WriteString(htmlHead(l) + `<p>` + lines(lead) + `</p>` + button + `<p style="font-size:14px;color:#4d4d4d">` + lines(foot) + `</p></body></html>`)
	return &tmail.Message{
		ID: to.ID, From: mail.Address{Name: s.Name, Address: s.Mail}, To: mail.Address{Address: to.Mailbox},
		Subject: "【" + s.Name + "】" + subject.First(l, " / "), Text: text + foot, HTML: h.String(), Tags: to.Tags, Date: to.Now,
	}
}
