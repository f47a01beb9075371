package console

import (
	"time"

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

// AskedNow reports whether a confirmed address waits for the answer whether it is still
// read.
func (p *classPage) AskedNow(r enrol.Route) bool {
	return r.Join.Door == enrol.Recheck && r.Join.Open(p.Now)
}

// Doubtful reports whether the office can have a confirmed address asked: nothing was
// heard of it lately, or its operator refuses mail, and it is not being asked.
func (p *classPage) Doubtful(r enrol.Route) bool {
	const lately = 90 * 24 * time.Hour
	return r.Contact.State == roster.Verified && !p.AskedNow(r) && (r.Refused() || r.Troubled() || p.Now.Sub(enrol.LastHeard(r.Contact)) >= lately)
}

var doorWords = map[enrol.Door]lang.Text{
	enrol.Sheet:   lang.T("紙のコード", "slip"),
	enrol.ByMail:  lang.T("空メール", "empty mail"),
	enrol.Office:  lang.T("学校から招待", "invited by the office"),
	enrol.Open:    lang.T("学校から招待（児童未指定）", "invited, without a child"),
	enrol.Self:    lang.T("保護者が追加", "added by the guardian"),
	enrol.Recheck: lang.T("届くかどうかの確認", "asked whether it is read"),
}

// DoorName returns by which way a registration came.
func (p *reachPage) DoorName(d enrol.Door) lang.Text { return doorWords[d] }

// joinStates are where a registration can stand, as the office sees it.
var joinStates = []joinChoice{
	{Value: "waits", Text: lang.T("確認待ち", "waits for the confirmation")},
	{Value: "queued", Text: lang.T("送信待ち", "waits to be sent")},
	{Value: "refused", Text: lang.T("届かず", "refused")},
	{Value: "confirmed", Text: lang.T("確認済み", "confirmed")},
	{Value: "ended", Text: lang.T("期限切れ", "ended")},
}

func joinState(j enrol.Join, now time.Time) string {
	switch {
	case !j.Confirmed.IsZero():
		return "confirmed"
	case !j.Open(now):
		return "ended"
	case j.Mail.State == enrol.Refused:
		return "refused"
	case j.Mail.Sent.IsZero():
		return "queued"
	}
	return "waits"
}

// JoinState says where a registration stands.
func (p *reachPage) JoinState(j enrol.Join) lang.Text {
	state := joinState(j, p.Now)
	for _, c := range joinStates {
		if c.Value == state {
			return c.Text
		}
	}
	return lang.Text{}
}

// wantWords are what can be wrong with reaching a child.
var wantWords = map[enrol.Want]lang.Text{
	enrol.WantAll:        lang.T("すべての児童生徒", "All children"),
	enrol.WantNone:       lang.T("連絡先がない", "No route"),
	enrol.WantOne:        lang.T("連絡先が一つだけ", "One route"),
	enrol.WantOperator:   lang.T("すべて同じメール会社", "All on one operator"),
	enrol.WantUnverified: lang.T("未確認の連絡先がある", "Unconfirmed"),
	enrol.WantRefused:    lang.T("拒否された連絡先がある", "Refused"),
	enrol.WantSilent:     lang.T("1年以上回答がない", "Silent for a year"),
}

// Wants are those that can be chosen, in their order.
func (p *reachPage) Wants() []enrol.Want {
	return []enrol.Want{enrol.WantAll, enrol.WantNone, enrol.WantOne, enrol.WantOperator, enrol.WantUnverified, enrol.WantRefused, enrol.WantSilent}
}

// WantName returns what is wrong.
func (p *reachPage) WantName(w enrol.Want) lang.Text { return wantWords[w] }

// ContactName returns what a contact's state is called.
func (p *reachPage) ContactName(s roster.ContactState) lang.Text { return contactWords[s] }

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
