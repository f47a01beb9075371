package console

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/todoku/todoku/shared/doctor"
)

// TestSystem: a manager sees what is wrong with the fix, and asks for a new look.
func TestSystem(t *testing.T) {
	o := newOffice(t)
	c := o.signIn()
	if a := o.visit(c, "/system"); a.StatusCode != http.StatusOK || !strings.Contains(a.body, "まだ点検していません。") {
		t.Fatalf("%d %s", a.StatusCode, a.body)
	}
	if a := o.submit(c, "/system/doctor", url.Values{}); a.StatusCode != http.StatusSeeOther {
		t.Fatalf("%d %s", a.StatusCode, a.body)
	}
	if a := o.visit(c, "/system"); !strings.Contains(a.body, "点検しています。") || strings.Contains(a.body, "今すぐ点検する") {
		t.Fatalf("%d %s", a.StatusCode, a.body)
	}
	o.examine()
	a := o.visit(c, "/system?lang=en")
	for _, want := range []string{"There is no backup yet.", "Mend it soon", "backup-none", "school.example.jp TXT &#34;v=spf1 ip4:192.0.2.25 ~all&#34;", "todoku backup FILE", "12:00", "Check now"} {
		if !strings.Contains(a.body, want) {
			t.Errorf("%q is not on the page: %s", want, a.body)
		}
	}
}

// examine is what a tick does, on a machine without a backup.
func (o *office) examine() {
	o.t.Helper()
	d := &doctor.Daily{Records: *o.server.Doctor, Log: o.server.Log, Setup: o.broken}
	o.must(d.Run(o.t.Context()))
}
