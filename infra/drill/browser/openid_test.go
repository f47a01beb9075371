package browser

import (
	"context"
	"testing"

	"github.com/todoku/todoku/functions/console"
	"github.com/todoku/todoku/infra/drill/issuer"
	"github.com/todoku/todoku/infra/local/machine"
	"github.com/todoku/todoku/shared/audit"
)

// TestOpenID: a manager with a telephone signs in with the school's own accounts, at
// another site and back; whoever has no address on record here does not.
func TestOpenID(t *testing.T) {
	var i *issuer.Issuer
	o := newOfficeWith(t, func(c *machine.Config) {
		i = issuer.Start(t, c.Now)
		c.OpenID = &console.OpenID{Issuer: i.URL, Client: issuer.Client, Secret: func(context.Context) (string, error) { return issuer.Secret, nil }}
	})
	b := newPerson(t, o.URL(), phone)
	signIn := func() {
		b.goTo("/roster")
		b.follow("組織のアカウントでサインイン")
		b.says("続ける")
		b.leave(func() { run[bool](b, `(document.querySelector("form").submit(), true)`) })
	}
	i.Account("subject-9", "somebody@else.example")
	signIn()
	b.says("教職員として登録されていません")
	i.Account("subject-1", o.manager.Mail)
	signIn()
	if got := b.path(); got != "/roster" {
		t.Errorf("signed in, and led to %s", got)
	}
	o.recorded(audit.SignIn, 1)
}
