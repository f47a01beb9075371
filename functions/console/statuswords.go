package console

import (
	"github.com/todoku/todoku/shared/alert"
	"github.com/todoku/todoku/shared/lang"
)

// What the states are called. The words say what is known, and no more: a mail
// that an operator took was not yet read by anybody.
var childStateNames = map[alert.ChildState]lang.Text{
	alert.Answered:     lang.T("回答あり", "Answered"),
	alert.Reached:      lang.T("メール到着・未回答", "Mail arrived, no answer"),
	alert.Silent:       lang.T("未回答", "No answer"),
	alert.Untold:       lang.T("送っていない（未連絡）", "Not told"),
	alert.RouteRefused: lang.T("メール受け取り拒否", "Mail refused"),
	alert.NoRoute:      lang.T("メール宛先なし", "No mail address"),
}

var childStateHints = map[alert.ChildState]lang.Text{
	alert.Answered:     lang.T("保護者の回答か、電話・目での確認があった", "a guardian answered or was phoned, or staff saw the child"),
	alert.Reached:      lang.T("相手先のサーバーに届いたが、回答はまだ", "the operator took the mail; nobody answered yet"),
	alert.Silent:       lang.T("送信待ちか、届いたかどうかがまだ分からない", "the mail waits to be sent, or it is not known whether it arrived"),
	alert.Untold:       lang.T("メールを1通も送れていない。電話が必要", "not one mail could be sent: phone"),
	alert.RouteRefused: lang.T("すべての宛先で受け取りを拒否された。電話が必要", "refused at every address: phone"),
	alert.NoRoute:      lang.T("名簿に使えるメールアドレスがない。電話が必要", "no usable address in the roster: phone"),
}

var copyStateNames = map[alert.CopyState]lang.Text{
	alert.Queued:    lang.T("送信待ち", "Waiting"),
	alert.Sending:   lang.T("送信中", "Sending"),
	alert.Delayed:   lang.T("相手先の都合で延期", "Put off by operator"),
	alert.Sent:      lang.T("送信済み", "Sent"),
	alert.Delivered: lang.T("相手先に到着", "Arrived"),
	alert.Refused:   lang.T("受け取り拒否", "Refused"),
	alert.Cancelled: lang.T("送らず（未連絡）", "Not told"),
}

var wayNames = map[alert.Way]lang.Text{
	alert.ByLink:  lang.T("メールのリンク", "link in the mail"),
	alert.ByMail:  lang.T("メールの返信", "reply to the mail"),
	alert.ByCard:  lang.T("家庭カード", "family card"),
	alert.ByStaff: lang.T("教職員が確認", "seen by staff"),
	alert.ByPhone: lang.T("電話", "by phone"),
}
