package drill

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/todoku/todoku/infra/drill/authenticator"
	"github.com/todoku/todoku/infra/drill/cloud"
)

// awsPasskey registers two passkeys on the built functions and signs in with them. (On one
// machine that is driven in a browser: see infra/drill/browser.)
func awsPasskey(t *testing.T, cfg cloud.Config) {
	cfg.Host = "localhost" // a passkey belongs to a name
	d := Start(t, OnAWS(cfg))
	phone, desk := authenticator.New(), authenticator.New()
	for name, p := range map[string]*authenticator.Passkey{"携帯": phone, "職員室": desk} {
		d.Manager.addKey(p, name)
	}
	for _, p := range []*authenticator.Passkey{phone, desk} {
		b := d.NewBrowser()
		touch(b, p, d.URL).Says(http.StatusOK, "連絡")
		b.Open("/me").Says(http.StatusOK, "携帯").Says(http.StatusOK, manager.Name)
	}
	stranger := authenticator.New()
	stranger.Handle = phone.Handle
	touch(d.NewBrowser(), stranger, d.URL).Says(http.StatusUnauthorized, "パスキーを確認できませんでした")
	touch(d.NewBrowser(), phone, "https://evil.example").Says(http.StatusUnauthorized, "パスキーを確認できませんでした")

	// A lost telephone: the passkey is removed, and all other devices are signed out.
	lost := d.NewBrowser()
	touch(lost, phone, d.URL)
	var remove string
	for _, li := range d.Manager.Open("/me").Find("li", "") {
		for n := range li.Descendants() {
			if a := attr(n, "action"); strings.HasSuffix(a, "/remove") && strings.Contains(text(li), "携帯") {
				remove = a
			}
		}
	}
	d.Manager.fill(remove, nil).Says(http.StatusOK, "パスキーを削除しました").Form("/me/sessions/end").Press("").Says(http.StatusOK, "ほかの端末をすべてサインアウトしました")
	if p := lost.Open("/me"); p.URL.Path != "/sign-in" {
		d.Errorf("the lost telephone is at %s", p.URL.Path)
	}
	touch(lost, phone, d.URL).Says(http.StatusUnauthorized, "パスキーを確認できませんでした")
}

// addKey registers a passkey.
func (b *Browser) addKey(p *authenticator.Passkey, name string) {
	b.Helper()
	asked := b.Do(http.MethodPost, "/me/keys/begin", nil).Says(http.StatusOK, "")
	b.fill("/me/keys", url.Values{"answer": {p.Create(b.base, asked.Body).JSON()}, "name": {name}}).Says(http.StatusOK, "パスキーを登録しました")
}

// touch signs in with a passkey, which believes that it is at origin.
func touch(b *Browser, p *authenticator.Passkey, origin string) *Page {
	b.Helper()
	asked := b.Do(http.MethodPost, "/sign-in/passkey/begin", nil).Says(http.StatusOK, "")
	return b.fill("/sign-in/passkey", url.Values{"answer": {p.Get(origin, asked.Body).JSON()}})
}

// fill posts fields without looking for a form.
func (b *Browser) fill(path string, fields url.Values) *Page {
	b.Helper()
	return b.send(http.MethodPost, path, strings.NewReader(fields.Encode()), map[string]string{"Content-Type": "application/x-www-form-urlencoded"})
}
