//go:build shots

package console

import (
	"net/url"
	"testing"

	"github.com/todoku/todoku/shared/web/webtest/shot"
)

// TestChaseShots takes pictures of the pages about reminders and drills.
func TestChaseShots(t *testing.T) {
	o := newOffice(t)
	o.loadDemo()
	c := o.signIn()
	u, err := url.Parse(site)
	o.must(err)
	session := c.Jar.Cookies(u)[0]
	shot.Take(t, o.handler, *shots, map[string]string{session.Name: session.Value}, []shot.Page{
		{Name: "chase", Path: chasePath},
		{Name: "chase-english", Path: "/shot/chase-en", HTML: o.visit(c, chasePath+"?lang=en").body},
		{Name: "chase-errors", Path: "/shot/chase-errors", HTML: o.submit(c, chasePath+"?lang=ja", url.Values{"every_safety": {"5"}}).body},
	})
}
