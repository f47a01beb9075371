package browser

import (
	"strings"
	"testing"

	"github.com/todoku/todoku/shared/lang"
	"github.com/todoku/todoku/shared/roster"
)

// TestOwnPage uses every form of a guardian's own page on a telephone of 360 pixels,
// and looks at each page that comes of it: see check.
func TestOwnPage(t *testing.T) {
	t.Parallel()
	axe := axeScript(t)
	o := newOffice(t)
	for i, l := range []lang.Lang{lang.JA, lang.EN} {
		t.Run(string(l), func(t *testing.T) {
			t.Parallel()
			p := &owner{tab: newPerson(t, o.URL(), phone), t: t, o: o, l: l, axe: axe}
			p.speak(string(l))
			p.opens(o.address(i))
			p.changes()
			p.adds(string(l) + "-second@gmail.com")
			p.leaves()
		})
	}
}

// address returns the i-th address that is the only one of its guardian.
func (o *office) address(i int) string {
	o.Helper()
	families, _, err := o.Roster.Families(o.Context(), o.manager.School, "")
	o.must(err)
	for _, f := range families {
		for _, g := range f.Guardians {
			if len(g.Contacts) != 1 || g.Contacts[0].State != roster.Unverified && g.Contacts[0].State != roster.Verified {
				continue
			}
			if i--; i < 0 {
				return g.Contacts[0].Address
			}
		}
	}
	o.Fatal("the demo school has too few addresses")
	return ""
}

// owner is a guardian at the own page.
type owner struct {
	*tab
	t    *testing.T
	o    *office
	l    lang.Lang
	axe  string
	page string
}

// does presses what says the words and is led to a page that says others.
func (p *owner) does(press, says lang.Text) {
	p.Helper()
	p.follow(press.In(p.l))
	p.sees(says)
}

func (p *owner) sees(says lang.Text) {
	p.Helper()
	p.says(says.In(p.l))
	p.check(p.t, says.EN, p.axe)
}

func (p *owner) opens(address string) {
	p.Helper()
	p.goTo("/register/own")
	p.does(lang.T("リンクを受け取る", "Send me the link"), lang.T("メールアドレスを入力してください", "nter")) // nothing entered
	p.write("address", address)
	p.does(lang.T("リンクを受け取る", "Send me the link"), lang.T("リンクのメールを送りました", "a mail with the link is on its way"))
	p.page = p.o.mailed(address)
	p.goTo(p.page)
	p.says(address)
}

var more = lang.T("変更・停止・解除", "Change, pause, remove")

func (p *owner) changes() {
	p.Helper()
	p.does(lang.T("テストメールを送る", "Send me a test"), lang.T("テストメールを送りました", "A test mail was sent"))
	p.touch(more.In(p.l))
	p.check(p.t, "all that can be changed", p.axe)
	p.does(lang.T("一時停止する", "Pause"), lang.T("まで停止中", "paused until"))
	p.touch(more.In(p.l))
	p.does(lang.T("すぐに再開する", "Resume now"), lang.T("一時停止を変更しました", "The pause was changed"))
	p.touch(more.In(p.l))
	p.does(lang.T("お知らせは受け取らない", "No notices, only safety checks"), lang.T("お知らせなし", "no notices, safety checks come"))
	p.touch(more.In(p.l))
	p.does(lang.T("お知らせも受け取る", "Get notices again"), lang.T("お知らせの設定を変更しました", "The setting for notices was changed"))
	run[bool](p.tab, `(s => { s.value = "en"; return true; })(document.getElementById("in"))`)
	p.leave(func() {
		p.press(p.at("the button beside the language", `document.getElementById("in").form.querySelector("button")`))
	})
	p.sees(lang.T("言葉を変更しました", "The language was changed"))
	if got := run[string](p.tab, `document.getElementById("in").value`); got != "en" {
		p.Errorf("the language is %q", got)
	}
}

func (p *owner) adds(address string) {
	p.Helper()
	send, came := lang.T("確認メールを送る", "Send the mail"), lang.T("確認メールを開いてください", "Please open the mail")
	p.write("address", "half@")
	p.leave(func() { // past what the browser itself says of the field
		run[bool](p.tab, `(f => { f.noValidate = true; f.requestSubmit(); return true; })(document.getElementById("address").form)`)
	})
	p.sees(lang.T("「@」の後ろが空です", "after"))
	if got := run[string](p.tab, `document.getElementById("address").value`); !strings.HasPrefix(got, "half@") {
		p.Errorf("the field has lost what was typed: %q", got)
	}
	run[bool](p.tab, `(e => { e.value = ""; return true; })(document.getElementById("address"))`)
	p.write("address", address)
	p.does(send, came)
	mail := p.newTab()
	mail.goTo(p.o.mailed(address))
	mail.follow(lang.T("登録する", "Register").In(p.l))
	p.goTo(p.page)
	p.sees(lang.Text{JA: address, EN: address})
}

func (p *owner) leaves() {
	p.Helper()
	p.touch(more.In(p.l))
	p.does(lang.T("このアドレスを削除する", "Remove this address"), lang.T("このアドレスには届かなくなります", "will come to this address"))
	p.does(lang.T("やめる", "Keep it"), lang.T("自分のページ", "Your page"))
	remove, sure := lang.T("このアドレスを削除する", "Remove this address"), lang.T("削除する", "Remove it")
	p.touch(more.In(p.l))
	p.follow(remove.In(p.l))
	p.does(sure, lang.T("アドレスを削除しました", "The address was removed"))
	p.touch(more.In(p.l))
	p.does(remove, lang.T("これが最後のアドレスです", "This is your last address"))
	p.does(sure, lang.T("もう連絡しません", "Nothing will be sent to it any more"))
}
