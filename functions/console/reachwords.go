package console

import (
	"github.com/todoku/todoku/shared/enrol"
	"github.com/todoku/todoku/shared/lang"
	"github.com/todoku/todoku/shared/roster"
)

var (
	labelPage = lang.T("登録ページのQRコード", "QR code of the registration page")
	labelMail = lang.T("空メール登録のQRコード", "QR code for registering by an empty mail")
)

// contactWords are what the states of a contact are called.
var contactWords = map[roster.ContactState]lang.Text{
	roster.Invited:    lang.T("招待中", "invited"),
	roster.Unverified: lang.T("未確認", "unverified"),
	roster.Verified:   lang.T("確認済み", "verified"),
	roster.Refused:    lang.T("拒否", "refused"),
	roster.Closed:     lang.T("停止", "closed"),
}

// ContactName returns what a contact's state is called.
func (p *classPage) ContactName(s roster.ContactState) lang.Text { return contactWords[s] }

var doorWords = map[enrol.Door]lang.Text{
	enrol.Sheet:   lang.T("紙のコード", "slip"),
	enrol.ByMail:  lang.T("空メール", "empty mail"),
	enrol.Office:  lang.T("学校から招待", "invited by the office"),
	enrol.Open:    lang.T("学校から招待（児童未指定）", "invited, without a child"),
	enrol.Self:    lang.T("保護者が追加", "added by the guardian"),
	enrol.Recheck: lang.T("年度の再確認", "yearly check"),
}

// DoorName returns by which way a registration came.
func (p *reachPage) DoorName(d enrol.Door) lang.Text { return doorWords[d] }

// JoinState says where a registration stands.
func (p *reachPage) JoinState(j enrol.Join) lang.Text {
	switch {
	case !j.Confirmed.IsZero():
		return lang.T("確認済み", "confirmed")
	case !j.Open(p.Now):
		return lang.T("期限切れ", "ended")
	case j.Mail.State == enrol.Refused:
		return lang.T("届かず", "refused")
	case j.Mail.Sent.IsZero():
		return lang.T("送信待ち", "waits to be sent")
	}
	return lang.T("確認待ち", "waits for the confirmation")
}

// Why says why a registration's mail did not arrive.
func (p *reachPage) Why(j enrol.Join) lang.Text { return enrol.Why(j.Mail) }

var outcomeWords = map[enrol.Outcome]lang.Text{
	enrol.DidInvite: lang.T("招待しました", "invited"),
	enrol.Already:   lang.T("送っていません", "nothing sent"),
	enrol.Doubtful:  lang.T("要確認", "please check"),
	enrol.Failed:    lang.T("エラー", "error"),
}

// OutcomeName returns what an outcome is called.
func (p *invitePage) OutcomeName(o enrol.Outcome) lang.Text { return outcomeWords[o] }

// Had returns how many rows had an outcome.
func (p *invitePage) Had(o enrol.Outcome) int { return p.Counts[o] }
