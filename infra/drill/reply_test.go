package drill

import (
	"net/http"
	"net/mail"
	"strings"
	"time"

	"github.com/todoku/todoku/shared/mail/incoming"
)

// answerBy sends a guardian's reply to a mail, as a telephone does.
func (d *Drill) answerBy(m Mail, from, id, text string, header ...string) {
	d.Helper()
	to := parse(d, m, "Reply-To").Address
	raw := append([]string{
		"From: <" + from + ">", "Subject: Re: " + m.Headers["Subject"], "Message-ID: <" + id + "@phone.example>",
		"MIME-Version: 1.0", "Content-Type: text/plain; charset=UTF-8",
	}, header...)
	body := strings.Join(raw, "\r\n") + "\r\n\r\n" + strings.ReplaceAll(text, "\n", "\r\n")
	sender := (&mail.Address{Address: from}).String()
	if err := d.Post([]byte(body), incoming.Envelope{From: strings.Trim(sender, "<>"), To: []string{to}}); err != nil {
		d.Fatal(err)
	}
	d.Quiet()
}

const repliesSubject = "保護者からの返信があります：安否の確認 / Guardians have replied: 安否の確認"

// replyAnswers: a reply of one word answers, once, for all children of who wrote it;
// what is not clear is for staff; what is automatic, or from somebody else, is nothing.
func replyAnswers(d *Drill) {
	pupils := d.class(40)
	id := d.Send(Alert{Subject: "安否の確認", Useful: time.Hour})
	mails := d.Arrive("安否の確認", Addresses(pupils...)...)
	d.Settle(id)
	of := func(i int) (Mail, string) { return mails[pupils[i].parent()], pupils[i].parent() }
	quote := "\n\niPhoneから送信\n\n2026/04/06 8:31、学校 <anzen@drill-es.example.jp>のメール:\n\n> 安否の確認\n> 1＝無事です"

	m, from := of(0) // with the sibling, pupil 1
	if !strings.Contains(m.Text, "1＝無事です、2＝助けが必要です") || !strings.HasSuffix(parse(d, m, "Reply-To").Address, "@"+InboundDomain) {
		d.Errorf("the mail does not say how to reply:\n%s", m.Text)
	}
	for range 2 {
		d.answerBy(m, from, "one", "無事です"+quote)
	}
	d.equal("answered", d.Status(id).Children["answered"], int64(2))
	d.Advance(time.Second)
	written := d.Clock.Now()
	d.Advance(time.Second)
	d.press(m, "助けが必要です") // both, by the link
	d.answerBy(m, from, "one", "無事です"+quote)
	d.equal("help, though the older mail came again", d.Status(id).Children["help"], int64(2))

	m, from = of(2) // a local part that needs quotes
	d.answerBy(m, from, "two", "２"+quote)
	d.equal("help", d.Status(id).Children["help"], int64(3))

	m, from = of(9)
	d.answerBy(m, from, "vacation", "無事です", "Auto-Submitted: auto-replied")
	d.answerBy(m, "stranger@gmail.com", "stranger", "無事です")
	passed := "From: <" + from + ">\r\nContent-Type: text/plain; charset=UTF-8\r\n\r\n" + m.Link() + "\r\n"
	if err := d.Post([]byte(passed), incoming.Envelope{From: "stranger@gmail.com", To: []string{door}}); err != nil {
		d.Error(err) // where the mails of proofs are passed on, a link of a guardian answers nothing
	}
	d.answerBy(m, from, "unclear", "無事ですが、迎えに行けません"+quote)
	memo := d.Arrive(askSubject(repliesSubject), manager.Mail)[manager.Mail]
	if strings.Contains(memo.Text, "迎えに行けません") || !strings.Contains(memo.Text, "/alerts/"+id+"/replies") {
		d.Errorf("staff are told:\n%s", memo.Text)
	}
	d.equal("answered", d.Status(id).Children["answered"], int64(3))
	d.Manager.Open("/alerts/"+id).Says(http.StatusOK, "自動では回答にならない返信があります：1通")
	page := d.Manager.Open("/alerts/"+id+"/replies").Says(http.StatusOK, "無事ですが、迎えに行けません").Says(http.StatusOK, pupils[9].Name)
	m, from = of(0)
	d.answerBy(m, from, "on its way for long", "無事です", "Date: "+written.Format(time.RFC1123Z))
	d.equal("help, though an older mail came late", d.Status(id).Children["help"], int64(3))
	d.Manager.Open("/alerts/"+id+"/replies").Says(http.StatusOK, "最新の回答より前の返信").Says(http.StatusOK, pupils[0].Name)
	if strings.Contains(page.Text(), "iPhone") {
		d.Errorf("the quotation stands there, too:\n%s", page.Text())
	}

	d.AllowErrors("the doctor found something") // in a world without DNS
	d.Advance(time.Hour)
	m, from = of(12)
	d.answerBy(m, from, "late", "無事です")
	d.comes(askSubject(repliesSubject), manager.Mail)
	d.Manager.Open("/alerts/"+id+"/replies").Says(http.StatusOK, "期限後の返信").Says(http.StatusOK, pupils[12].Name)
	d.recount(id, d.Settle(id))
}
