package browser

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/webauthn"

	"github.com/todoku/todoku/infra/drill"
	"github.com/todoku/todoku/shared/audit"
	"github.com/todoku/todoku/shared/staff"
)

// withAuthenticator gives the tab a telephone's own authenticator, whose owner
// touches it when asked.
func (b *tab) withAuthenticator() webauthn.AuthenticatorID {
	b.Helper()
	call(b, webauthn.Enable, webauthn.EnableParams{})
	added := call(b, webauthn.AddVirtualAuthenticator, webauthn.AddVirtualAuthenticatorParams{Options: &webauthn.VirtualAuthenticatorOptions{
		Protocol: webauthn.AuthenticatorProtocolCtap2, Transport: webauthn.AuthenticatorTransportInternal,
		HasResidentKey: true, HasUserVerification: true, IsUserVerified: true, AutomaticPresenceSimulation: true,
	}})
	return added.AuthenticatorID
}

// atAName starts a machine that people reach by a name: passkeys belong to one. The
// browser takes localhost for as safe as HTTPS.
func atAName(t testing.TB) *office {
	t.Helper()
	addr, name := drill.FreeAddress(t)
	return newOfficeAt(t, addr, name)
}

// addsPasskey has somebody sign in by a link and add the passkey of a device.
func (o *office) addsPasskey(b *tab, who staff.Staff, device string) {
	link, err := o.SignInLink(b.Context(), who)
	o.must(err)
	b.goTo(strings.TrimPrefix(link, o.URL()))
	b.follow("サインイン")
	b.goTo("/me")
	b.write("name", device)
	b.follow("この端末のパスキーを登録する")
	b.says("パスキーを登録しました")
}

// TestPasskey: a manager with a telephone signs in by a link once, adds a passkey,
// signs out, and from then on signs in with one touch.
func TestPasskey(t *testing.T) {
	o := atAName(t)
	b := newPerson(t, o.URL(), phone)
	device := b.withAuthenticator()
	o.addsPasskey(b, o.manager, "わたしのスマートフォン")
	b.says("わたしのスマートフォン")
	if n := len(call(b, webauthn.GetCredentials, webauthn.GetCredentialsParams{AuthenticatorID: device}).Credentials); n != 1 {
		t.Fatalf("the device holds %d passkeys", n)
	}
	for range 2 { // the counter goes on
		b.goTo("/sign-out")
		b.leave(func() { run[bool](b, "document.querySelector('main form').requestSubmit(), true") })
		b.goTo("/roster")
		b.follow("パスキーでサインイン")
		if got := b.path(); got != "/roster" {
			t.Errorf("one touch led to %s", got)
		}
	}

	// What lasts asks for a touch again after a while, and leads on to where one was going.
	o.clock.Advance(20 * time.Minute)
	b.goTo("/people/new")
	b.says("本人の確認")
	b.follow("パスキーで確認する")
	if got := b.path(); got != "/people/new" {
		t.Errorf("the proof led to %s", got)
	}

	// A passkey that was removed no longer signs in, and says no more than that.
	keys, err := o.Staff.Keys(t.Context(), o.manager.ID)
	o.must(err)
	if len(keys) != 1 || keys[0].Used.IsZero() {
		t.Fatalf("kept: %+v", keys)
	}
	b.goTo("/me")
	b.follow("削除")
	b.says("パスキーを削除しました")
	b.goTo("/sign-out")
	b.leave(func() { run[bool](b, "document.querySelector('main form').requestSubmit(), true") })
	b.goTo("/sign-in")
	b.follow("パスキーでサインイン")
	b.says("パスキーを確認できませんでした")
	res, err := http.Get(o.URL() + "/roster")
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	if res.Request.URL.Path != "/sign-in" {
		t.Error("somebody else sees the roster")
	}
	o.recorded(audit.Key, 2)
	o.recorded(audit.SignIn, 3)
}

// recorded checks how many entries of a kind are in the audit log of today.
func (o *office) recorded(kind audit.Kind, want int) {
	o.Helper()
	entries, err := o.Audit.Day(o.Context(), o.manager.School, o.clock.Now().UTC().Format("2006-01-02"))
	o.must(err)
	got := 0
	for _, e := range entries {
		if e.Kind == kind && e.Staff == o.manager.ID {
			got++
		}
	}
	if got != want {
		o.Errorf("%d entries of kind %s, want %d", got, kind, want)
	}
}

// TestPasskeysOnly: two managers with telephones have their school sign in by passkeys
// only. A mailed link is no longer a way in, and a touch is.
func TestPasskeysOnly(t *testing.T) {
	o := atAName(t)
	second, err := o.Staff.PutStaff(t.Context(), staff.Staff{School: o.manager.School, Role: staff.Manager, Name: "例 二子", Mail: "niko@demo.example.jp"})
	o.must(err)
	var b *tab
	for _, m := range []staff.Staff{second, o.manager} {
		b = newPerson(t, o.URL(), phone)
		b.withAuthenticator()
		o.addsPasskey(b, m, "わたしのスマートフォン")
	}
	b.goTo("/people/sign-in")
	run[bool](b, `document.querySelector("input[name=rule][value=passkey]").checked = true`)
	b.follow("保存する")
	b.says("保存しました")
	b.goTo("/sign-out")
	b.leave(func() { run[bool](b, "document.querySelector('main form').requestSubmit(), true") })

	b.goTo("/sign-in")
	b.write("mail", o.manager.Mail)
	b.follow("サインイン用リンクをメールで受け取る")
	b.says("メールを確認してください")
	var told string
	b.sleepUntil("the mail is there", func() bool {
		for _, e := range o.Inbox.List() {
			if e.To == o.manager.Mail && e.Subject == "サインインについて / About signing in" {
				told = e.Text
			}
		}
		return told != ""
	})
	if strings.Contains(told, o.URL()+"/sign-in/") || !strings.Contains(told, "ほかの管理者に電話して") {
		t.Errorf("mailed:\n%s", told)
	}
	b.goTo("/people")
	b.follow("パスキーでサインイン")
	if got := b.path(); got != "/people" {
		t.Errorf("one touch led to %s", got)
	}
	b.goTo("/me")
	b.follow("削除")
	b.says("最後のパスキーは削除できません")
}

// TestPasskeyRefused: a touch that is not the owner's (a bogus signature, or no
// verification of who touched) does not sign in.
func TestPasskeyRefused(t *testing.T) {
	o := atAName(t)
	b := newPerson(t, o.URL(), phone)
	device := b.withAuthenticator()
	o.addsPasskey(b, o.manager, "学校のパソコン")
	b.goTo("/sign-out")
	b.leave(func() { run[bool](b, "document.querySelector('main form').requestSubmit(), true") })

	yes, no := true, false
	call(b, webauthn.SetResponseOverrideBits, webauthn.SetResponseOverrideBitsParams{AuthenticatorID: device, IsBogusSignature: &yes})
	b.goTo("/sign-in")
	b.follow("パスキーでサインイン")
	b.says("パスキーを確認できませんでした")

	call(b, webauthn.SetResponseOverrideBits, webauthn.SetResponseOverrideBitsParams{AuthenticatorID: device, IsBogusSignature: &no})
	call(b, webauthn.SetUserVerified, webauthn.SetUserVerifiedParams{AuthenticatorID: device, IsUserVerified: false})
	b.goTo("/sign-in")
	b.touch("パスキーでサインイン")
	b.says("サインインできませんでした")
	o.recorded(audit.SignIn, 1)
}

// TestRecovery: who has lost the telephone has a link mailed. It works in the browser
// in which it was asked for, and whoever gets hold of the mail elsewhere has nothing.
func TestRecovery(t *testing.T) {
	o := newOffice(t)
	b, thief := newPerson(t, o.URL(), phone), newPerson(t, o.URL(), desktop)
	b.goTo("/sign-in")
	b.write("mail", o.manager.Mail)
	b.follow("サインイン用リンクをメールで受け取る")
	b.says("15分以内に、このブラウザーで")
	var link string
	b.sleepUntil("the mail is there", func() bool {
		for _, e := range o.Inbox.List() {
			if i := strings.Index(e.Text, o.URL()+"/sign-in/"); i >= 0 && e.To == o.manager.Mail {
				link, _, _ = strings.Cut(e.Text[i:], "\n")
			}
		}
		return link != ""
	})
	thief.goTo(link)
	thief.says("依頼したブラウザーでだけ使えます")
	b.goTo(link)
	b.follow("サインイン")
	b.goTo("/roster")
	if got := b.path(); got != "/roster" {
		t.Errorf("signed in, and led to %s", got)
	}
	o.recorded(audit.Link, 1)
	o.recorded(audit.SignIn, 1)
}
