package judge

import "github.com/todoku/todoku/shared/lang"

// words are a class in a sentence, and what to do about it.
type words struct{ says, do lang.Text }

var allWords = map[Class]words{
	Unknown: {
		lang.T("「そのようなアドレスはない」と返されました。", "The operator says that there is no such address."),
		lang.T("綴りを確かめてください。携帯会社は、受信設定で拒否しているときも同じ返事をします。",
			"Check the spelling. Carriers say the same of people whose own filter refuses the mail."),
	},
	Filtered: {
		lang.T("本人の受信設定（迷惑メール対策）で拒否されました。", "The guardian's own mail filter refuses mail from the school."),
		lang.T("学校のドメインの受信を許可してもらってください。", "Ask the guardian to allow the school's domain."),
	},
	Full: {
		lang.T("メールボックスがいっぱいです。", "The mailbox is full."),
		lang.T("古いメールを消してもらってください。", "Ask the guardian to delete old mails."),
	},
	Policy: {
		lang.T("メール会社が、学校からのメールを拒否しています（送信元の認証またはブロックリスト）。",
			"The operator refuses mail from the school: its authentication (SPF, DKIM, DMARC) or a blocklist."),
		lang.T("アドレスの問題ではありません。送信ドメインの設定を確かめてください。", "The address is not at fault. Check the settings of the sending domain."),
	},
	Content: {
		lang.T("メール会社が、本文または添付の内容を理由に拒否しました。", "The operator refuses what is in the mail."),
		lang.T("アドレスの問題ではありません。本文の短縮URLや記号の多用を避けてください。", "The address is not at fault. Avoid shortened links and many signs in the text."),
	},
	Size: {
		lang.T("メールが大きすぎると返されました。", "The mail is too large for the operator."),
		lang.T("アドレスの問題ではありません。本文を短くしてください。", "The address is not at fault. Shorten the text."),
	},
	Temporary: {
		lang.T("相手のメール会社が、時間内に受け取りませんでした。", "The operator did not take the mail in time."),
		lang.T("アドレスの問題とは限りません。次の連絡は送られます。", "The address may work. The next alert is sent to it."),
	},
	Listed: {
		lang.T("送信停止リストに載っているため、送られませんでした。", "It was not sent: the address is on the sender's suppression list."),
		lang.T("本人が使っていると分かれば、リストから外します。", "It is taken off the list once its guardian is known to use it."),
	},
	Complaint: {
		lang.T("迷惑メールとして報告されました。", "A mail was reported as spam."),
		lang.T("お知らせの送信を止めました。安否確認のときは、電話で連絡してください。",
			"Notices are no longer sent to it. Please phone about safety checks."),
	},
	Unclear: {
		lang.T("メール会社が受け取りを拒否しました。", "The operator refused the mail."),
		lang.T("アドレスと受信設定を確かめてもらってください。", "Ask the guardian to check address and mail settings."),
	},
}

// Says returns the class in a sentence.
func (c Class) Says() lang.Text { return c.words().says }

// Do returns what to do about it.
func (c Class) Do() lang.Text { return c.words().do }

// words is that of Unclear for what an older or newer version wrote.
func (c Class) words() words {
	if w, ok := allWords[c]; ok {
		return w
	}
	return allWords[Unclear]
}
