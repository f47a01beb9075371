package drill

import (
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/todoku/todoku/infra/drill/authenticator"
	"github.com/todoku/todoku/infra/found"
	"github.com/todoku/todoku/shared/roster"
	"github.com/todoku/todoku/shared/staff"
)

func TestPasskeysOnly(t *testing.T) { passkeysOnly(Start(t, OneMachineAtAName)) }

const barredSubject = "サインインについて / About signing in"

var signInPage = regexp.MustCompile(`https?://\S+/sign-in`)

// passkeysOnly: a school signs in by passkeys only. A mailed link no longer opens anything;
// who has lost the telephone on the evening of the typhoon is let in by another manager, and
// where there is none by the operator.
func passkeysOnly(d *Drill) {
	pupils := d.class(40)
	const address = "ichiko@drill-es.example.jp"
	teacher := d.hire("例 一子", address, "teacher", d.classID("1年1組"))
	deputy := d.hireByCode("副校長 例", "manager")
	rule := func(choice string) *Page {
		return d.Manager.Open("/people/sign-in").Form("/people/sign-in").Set("rule", choice).Set("tell", "").Press("")
	}

	// Not before two managers could let the others in.
	phone, desk := authenticator.New(), authenticator.New()
	d.Manager.addKey(phone, "携帯")
	rule("passkey").Says(http.StatusConflict, "管理者が二人以上必要です")
	deputy.addKey(desk, "職員室")
	d.Manager.Open("/people/sign-in").Says(http.StatusOK, "例 一子")
	rule("passkey").Says(http.StatusOK, "保存しました")

	// Who is signed in stays so, and is told; a mail no longer opens anything.
	teacher.Open("/").Says(http.StatusOK, "サインインしているうちに登録してください")
	b := d.NewBrowser()
	ask := func() { b.Open("/sign-in").Form("/sign-in/mail").Set("mail", address).Press("") }
	ask()
	mail := d.Arrive(barredSubject, address)[address]
	if !strings.Contains(mail.Text, "ほかの管理者に電話して") || signInLink.MatchString(mail.Text) {
		d.Errorf("mailed:\n%s", mail.Text)
	}

	// By telephone: a manager lets her in once. She sends, and has a passkey from then on.
	path := d.personPath("例 一子")
	d.Manager.Open(path).Form(path+"/mail").Press("メールで一度だけ").Says(http.StatusOK, "7日以内に一度だけ")
	d.expected[envelope{staffInvited, address}]++
	d.Until("the invitation is there", func() bool { return len(d.with(staffInvited)) == 2 })
	b.Open(signInPage.FindString(d.with(staffInvited)[1].Text))
	d.Advance(time.Minute)
	ask()
	d.expected[envelope{signInSubject, address}]++
	d.Until("the link is there", func() bool { return len(d.with(signInSubject)) == 2 })
	links := d.with(signInSubject)
	b.Open(signInLink.FindString(links[len(links)-1].Text)).Form("/sign-in/").Press("").Says(http.StatusOK, "連絡")
	page := d.breakTheGlass(b, "台風が来ます")
	deputy.Open(page.URL.Path).Form(page.URL.Path + "/approve").Press("")
	d.Arrive("台風が来ます", Addresses(pupils...)...)
	d.Settle(strings.TrimPrefix(page.URL.Path, "/break-glass/"))
	hers := authenticator.New()
	b.addKey(hers, "新しい携帯")
	touch(d.NewBrowser(), hers, d.URL).Says(http.StatusOK, "連絡")

	// The managers' own: the last passkey stays, and the operator's link always opens.
	for _, li := range deputy.Open("/me").Find("li", "") {
		for n := range li.Descendants() {
			if a := attr(n, "action"); strings.HasSuffix(a, "/remove") {
				deputy.fill(a, nil).Says(http.StatusConflict, "最後のパスキーは削除できません")
			}
		}
	}
	link, err := d.Invite(found.Request{School: roster.School{Name: school.Name}, Person: staff.Staff{Mail: manager.Mail}})
	if err != nil {
		d.Fatal(err)
	}
	lost := d.NewBrowser()
	lost.Open(link).Form("/sign-in/").Press("").Says(http.StatusOK, "連絡")
	lost.addKey(authenticator.New(), "三台目")
	lost.Open("/people/sign-in").Form("/people/sign-in").Set("rule", "").Press("").Says(http.StatusOK, "保存しました")
	lost.Open("/audit?kind=settings").Says(http.StatusOK, "サインインの方法: パスキーだけ").Says(http.StatusOK, "サインインの方法: パスキー、またはメールのリンク")
	lost.Open("/audit?kind=people").Says(http.StatusOK, "招待メール: 例 一子")
}
