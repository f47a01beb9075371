package console

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/todoku/todoku/functions/console/imports"
)

const (
	seenRoster = "学年,組,氏名,保護者,メール\n1,1,見本 一郎,見本 花子,hanako@example.jp\n1,1,例 四季,例 陽子,yoko@example.jp\n"
	seenLater  = "学年,組,氏名,保護者,メール\n1,1,見本 一郎,見本 花子,hanako@example.jp a2@docomo.ne.jp\n"
)

// addresses returns those of the whole roster, as an export has them.
func (o *office) addresses(c *http.Client) string { return o.visit(c, "/roster/export.csv").body }

// TestImportSeesTheRosterAnew: an address that came in while somebody looked at a file
// of before is not taken out unseen.
func TestImportSeesTheRosterAnew(t *testing.T) {
	o := newOffice(t)
	o.load(seenRoster)
	c := o.signIn()
	path := o.upload(c, "old.csv", []byte(seenRoster))
	preview := o.visit(c, path)
	o.holds(preview, "名簿はすでにこのとおりです")
	seen := url.Values{"seen": {seenField.FindStringSubmatch(preview.body)[1]}}
	o.load(seenLater)
	a := o.submit(c, path+"/confirm", seen)
	if a.StatusCode != http.StatusConflict {
		t.Fatalf("status %d", a.StatusCode)
	}
	for _, says := range []string{"名簿が変わった", "アドレス a2@docomo.ne.jp はこのファイルにないので", "この操作は受け付けられませんでした"} {
		if !strings.Contains(a.body, says) {
			t.Errorf("the new preview does not say %q", says)
		}
	}
	if !strings.Contains(o.addresses(c), "a2@docomo.ne.jp") {
		t.Fatal("the address is gone")
	}
	again := url.Values{"seen": {seenField.FindStringSubmatch(a.body)[1]}}
	if a := o.submit(c, path+"/confirm", again); a.StatusCode != http.StatusSeeOther {
		t.Fatalf("what is seen now: status %d", a.StatusCode)
	}
	if strings.Contains(o.addresses(c), "a2@docomo.ne.jp") {
		t.Error("what was confirmed is not written")
	}
}

// TestImportConfirmsWhatWasSeen: without a preview nothing is confirmed, and what is
// confirmed goes on, however the roster changes.
func TestImportConfirmsWhatWasSeen(t *testing.T) {
	o := newOffice(t)
	o.load(seenRoster)
	c := o.signIn()
	k, importer := o.withQueue()
	path := o.upload(c, "a.csv", []byte(seenLater))
	for name, form := range map[string]url.Values{"nothing": {}, "another": {"seen": {"x"}}} {
		if a := o.submit(c, path+"/confirm", form); a.StatusCode != http.StatusConflict || len(k.messages) > 0 {
			t.Errorf("%s: status %d, %d messages", name, a.StatusCode, len(k.messages))
		}
	}
	o.submit(c, path+"/confirm", nil)
	o.pass(imports.Stalls)
	o.load("学年,組,氏名,メール\n1,1,途中 転入,new@example.jp\n")
	if a := o.submit(c, path+"/confirm", url.Values{}); a.StatusCode != http.StatusSeeOther || len(k.messages) != 2 {
		t.Fatalf("going on: status %d, %d messages", a.StatusCode, len(k.messages))
	}
	if failed := o.handle(t.Context(), importer, k.messages...); failed > 0 {
		t.Fatalf("%d imports failed", failed)
	}
	o.holds(o.visit(c, path), "を取り込みました")
	if !strings.Contains(o.addresses(c), "a2@docomo.ne.jp") {
		t.Error("it is not written")
	}
}

// TestImportThatCannotBe: what is confirmed of a file whose columns are not known is nothing.
func TestImportThatCannotBe(t *testing.T) {
	o := newOffice(t)
	c := o.signIn()
	path := o.upload(c, "odd.csv", []byte(oddHeaders))
	a := o.submit(c, path+"/confirm", url.Values{"seen": {"x"}})
	if a.StatusCode == http.StatusSeeOther || !strings.Contains(a.body, "列の内容を選んでください") {
		t.Errorf("status %d", a.StatusCode)
	}
}
