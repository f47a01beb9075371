package enrol

import (
	"strings"

	"github.com/todoku/todoku/shared/lang"
)

// Why says in words why a mail did not arrive, as far as the operator's reply
// tells; it is empty for a mail of which nothing bad is known. Japanese carriers
// say "unknown user" of people whose own filter refused the mail, too.
func Why(l Letter) lang.Text {
	if l.State != Refused {
		if l.Code == 0 && l.Status == "" {
			return lang.Text{}
		}
		return lang.T("相手のメール会社が混み合っていて、まだ受け取っていません。数分後から、自動で送り直します。",
			"The mail operator is busy and has not taken the mail yet. It is sent again by itself, from some minutes on.")
	}
	switch class := l.Status; {
	case class == "5.1.1", class == "5.1.10", class == "" && l.Code == 550:
		return lang.T("このアドレスは見つからないと返されました。綴りが違うか、受信設定（指定受信・なりすまし規制）で拒否されています。",
			"The operator says that there is no such address. It is misspelt, or your mail filter refuses mail from the school.")
	case strings.HasPrefix(class, "5.2.2"), strings.HasPrefix(class, "4.2.2"):
		return lang.T("メールボックスがいっぱいです。古いメールを消してから、もう一度送ってください。",
			"The mailbox is full. Delete old mails, then send it again.")
	case strings.HasPrefix(class, "5.7"):
		return lang.T("メール会社が、学校からのメールを拒否しました。受信設定で学校のドメインを許可してください。",
			"The mail operator refused mail from the school. Allow the school's domain in your mail settings.")
	case strings.HasPrefix(class, "5.4"), strings.HasPrefix(class, "4.4"):
		return lang.T("このアドレスの「@」の後ろには、メールが届きません。綴りを確かめてください。",
			"Mail does not reach the part after the @ sign. Check its spelling.")
	}
	return lang.T("メール会社が受け取りを拒否しました。アドレスと受信設定を確かめてください。",
		"The mail operator refused the mail. Check the address and your mail settings.")
}
