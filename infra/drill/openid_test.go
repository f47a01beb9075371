package drill

import (
	"net/http"
	"strings"
	"time"
)

const (
	openIDButton = "/sign-in/openid"
	openIDFailed = "組織のアカウントでサインインできませんでした"
)

// withOpenID goes to the provider by the sign-in page that asking for a page leads to, and
// agrees there.
func (b *Browser) withOpenID(page string) *Page {
	b.Helper()
	p := b.Open(page).Says(http.StatusOK, "組織のアカウントでサインイン")
	for _, a := range p.Find("a", "") {
		if attr(a, "href") == openIDButton {
			return b.Open(openIDButton).Form("/authorize").Press("続ける")
		}
	}
	b.Fatalf("the provider is not offered on %s", p.URL.Path)
	return nil
}

// openID has staff sign in with the accounts of their organisation: who has the address on
// record and nobody else, in the browser that asked, and only by an answer that is whole.
func openID(d *Drill) {
	d.OpenID.Account("subject-1", manager.Mail)
	b := d.NewBrowser()
	if p := b.withOpenID("/people").Says(http.StatusOK, manager.Name); p.URL.Path != "/people" {
		d.Errorf("signed in, and led to %s", p.URL.Path)
	}
	d.refuseOpenID()

	// A person of the school who has never been here, and a successor with the address.
	d.class(40)
	teacher := d.hire("例 一子", "ichiko@drill-es.example.jp", "teacher", d.classID("1年1組"))
	teacher.Open("/").Says(http.StatusOK, "連絡")
	d.OpenID.Account("subject-2", "Ichiko@Drill-ES.example.jp")
	d.NewBrowser().withOpenID("/me").Says(http.StatusOK, "例 一子")
	d.OpenID.Account("subject-3", "ichiko@drill-es.example.jp")
	d.NewBrowser().withOpenID("/").Says(http.StatusUnauthorized, openIDFailed)

	// Who was disabled is out, whatever the provider says.
	d.OpenID.Account("subject-2", "ichiko@drill-es.example.jp")
	path := d.personPath("例 一子")
	d.Manager.Open(path).Form(path+"/disable").Press("").Says(http.StatusOK, "")
	d.NewBrowser().withOpenID("/").Says(http.StatusForbidden, "教職員として登録されていません")

	d.OpenID.Away()
	d.Advance(time.Hour) // for so long its addresses are believed
	d.NewBrowser().Open(openIDButton).Says(http.StatusServiceUnavailable, "メールのサインイン用リンク")
	d.Manager.Open("/audit").Says(http.StatusOK, "サインイン")
}

// refuseOpenID gives answers that are wrong, each to a browser of its own.
func (d *Drill) refuseOpenID() {
	d.Helper()
	for name, lie := range map[string]map[string]any{
		"another nonce":     {"nonce": "x"},
		"for another site":  {"aud": "other"},
		"another issuer":    {"iss": "https://evil.example"},
		"expired":           {"exp": d.Clock.Now().Unix() - 1},
		"not verified":      {"email_verified": false},
		"of nobody's claim": {"email": nil},
	} {
		d.OpenID.Lie(lie)
		if p := d.NewBrowser().withOpenID("/"); p.Status != http.StatusUnauthorized || !strings.Contains(p.Text(), openIDFailed) {
			d.Errorf("%s: status %d: %s", name, p.Status, p.Text())
		}
	}
	d.OpenID.Lie(nil)
	d.OpenID.Forge()
	d.NewBrowser().withOpenID("/").Says(http.StatusUnauthorized, openIDFailed)
	d.OpenID.Account("subject-9", "stranger@drill-es.example.jp")
	d.NewBrowser().withOpenID("/").Says(http.StatusForbidden, "教職員として登録されていません")

	// What another browser was given signs nobody in.
	d.OpenID.Account("subject-1", manager.Mail)
	thief, owner := d.NewBrowser(), d.NewBrowser()
	thief.Open(openIDButton).Form("/authorize")
	stay := owner.client.CheckRedirect
	owner.client.CheckRedirect = func(req *http.Request, _ []*http.Request) error {
		if strings.HasSuffix(req.URL.Path, "/callback") {
			return http.ErrUseLastResponse
		}
		return nil
	}
	answer := owner.Open(openIDButton).Form("/authorize").Press("続ける").Header.Get("Location")
	owner.client.CheckRedirect = stay
	thief.Open(answer).Says(http.StatusUnauthorized, openIDFailed)
	owner.Open(answer).Says(http.StatusOK, "連絡")
	owner.Open(answer).Says(http.StatusUnauthorized, openIDFailed)
}
