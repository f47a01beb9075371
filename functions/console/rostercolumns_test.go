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
