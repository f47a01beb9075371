package console

import (
	"net/url"
	"regexp"
	"strings"
	"testing"
)

var columnField = regexp.MustCompile(`name="header" value="([^"]*)"`)

// choices returns the form about the columns of an import, as a page has it, with the
// fields chosen in their order.
func (o *office) choices(page string, fields ...string) url.Values {
	o.t.Helper()
	form := url.Values{"field": fields}
	for _, m := range columnField.FindAllStringSubmatch(page, -1) {
		form.Add("header", m[1])
	}
	if len(form["header"]) != len(fields) {
		o.t.Fatalf("the page asks about %q, there are answers %q", form["header"], fields)
	}
	return form
}

// TestNameColumnsWithOneHeader: two columns with one header are chosen each by itself, and
// remembered so.
func TestNameColumnsWithOneHeader(t *testing.T) {
	const twice = "組,氏名,氏名,メール\n1年1組,見本 花子,見本 一郎,hanako@example.jp\n"
	o := newOffice(t)
	c := o.signIn()
	path := o.upload(c, "twice.csv", []byte(twice))
	o.submit(c, path+"/columns", o.choices(o.visit(c, path).body, "", "guardian:1", "name", ""))
	page := o.visit(c, path)
	o.holds(page, "1人を取り込む")
	if n := strings.Count(page.body, " selected>"); n != 2 {
		t.Errorf("%d choices are shown as they were made, want 2", n)
	}
	o.submit(c, path+"/confirm", nil)
	o.holds(o.visit(c, "/roster/export.csv"), ",見本 一郎,,,見本 花子,")
	o.holds(o.visit(c, o.upload(c, "twice.csv", []byte(twice))), "名簿はすでにこのとおりです")
}

// TestNameColumnsWithoutHeader: a column is offered by its place if it has values, and
// one behind the last header, too.
func TestNameColumnsWithoutHeader(t *testing.T) {
	o := newOffice(t)
	c := o.signIn()
	path := o.upload(c, "merged.csv", []byte("組,氏名,,メール,\n1年1組,見本 一郎,,m1@example.jp,m2@example.jp\n"))
	page := o.visit(c, path)
	o.holds(page, "取り込める行がありません", "見出しを付けるか", "5列目（見出しなし）", "m2@example.jp")
	o.submit(c, path+"/columns", o.choices(page.body, "", "", "", "mail:1"))
	o.holds(o.visit(c, path), "1人を取り込む", "メールアドレス2件")
	o.submit(c, path+"/confirm", nil)
	o.holds(o.visit(c, "/roster/export.csv"), "m1@example.jp; m2@example.jp")

	path = o.upload(c, "merged.csv", []byte("組,氏名,メール,,電話\n1年1組,見本 一郎,m1@example.jp,m3@example.jp,\n"))
	o.holds(o.visit(c, path+"?lang=en"), "Column 4 has no header and is not used", "Column 4 (no header)")
}

// TestImportOfDatesForClasses: what Excel makes of a class is no class, and who changes it
// is named.
func TestImportOfDatesForClasses(t *testing.T) {
	o := newOffice(t)
	o.load("組,氏名,メール\n1-1,見本 一郎,m1@example.jp\n")
	c := o.signIn()
	o.holds(o.visit(c, o.upload(c, "a.csv", []byte("組,氏名,メール\n1月2日,見本 一郎,m1@example.jp\n"))), "組「1月2日」が日付になっています", "取り込める行がありません")
	o.holds(o.visit(c, o.upload(c, "a.csv", []byte("組,氏名,メール\n1-2,見本 一郎,m1@example.jp\n"))), "組が変わる児童生徒が1人います（見本 一郎 1年1組→1年2組）")
}

// TestImportOfBrokenFormulas: the row is shown with what is wrong, and is in the file to be
// corrected.
func TestImportOfBrokenFormulas(t *testing.T) {
	o := newOffice(t)
	c := o.signIn()
	path := o.upload(c, "a.csv", []byte("組,氏名,メール,電話\n1-1,#N/A,m1@example.jp,\n1-1,見本 一郎,m2@example.jp,自宅 03-1111-2222\n"))
	o.holds(o.visit(c, path), "エラーの1行を除いて取り込む", "「#N/A」は数式のエラーです", "添えられた言葉は、名簿に残りません（1件：自宅）")
	o.holds(o.visit(c, path+"/rejected.csv"), "数式のエラー", "m1@example.jp")
}

// TestImportOfEmergencyCards: the headers of the cards that schools keep are understood.
func TestImportOfEmergencyCards(t *testing.T) {
	o := newOffice(t)
	c := o.signIn()
	path := o.upload(c, "a.csv", []byte("学年,組,氏名（全角）,メール（母）,第1連絡先,第1連絡先続柄,第2連絡先,第2連絡先続柄\n"+
		"1,1,見本 一郎,m1@example.jp,090-1234-5678,母,03-1111-2222（勤務先）,父\n"))
	page := o.visit(c, path)
	o.holds(page, "1人を取り込む", "メールアドレス1件")
	if strings.Contains(page.body, "は使いません") {
		t.Error("a column is not used")
	}
}
