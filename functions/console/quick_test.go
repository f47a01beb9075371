package console

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/todoku/todoku/shared/alert"
	"github.com/todoku/todoku/shared/staff"
)

// TestQuickAudience: a teacher's own classes are chosen, and the whole school for
// those who may send to it.
func TestQuickAudience(t *testing.T) {
	o := newOffice(t)
	o.load(smallRoster)
	mine, other := o.group("1年1組"), o.group("2年1組")
	teacher, _ := o.person("s1", staff.Teacher, mine)
	a := o.visit(teacher, "/quick/weather")
	for _, want := range []string{"1年1組（1人）", `value="` + mine + `" data-name="1年1組" data-children="1" checked`, "data-hold"} {
		if !strings.Contains(a.body, want) {
			t.Errorf("a teacher's page does not hold %q", want)
		}
	}
	for _, secret := range []string{other, `name="all"`} {
		if strings.Contains(a.body, secret) {
			t.Errorf("a teacher's page offers %q", secret)
		}
	}
	if a := o.visit(o.signIn(), "/quick/weather"); !strings.Contains(a.body, "全校（2クラス・3人）") || !strings.Contains(a.body, `name="all" value="1" data-children="3" checked`) {
		t.Error("a manager's page does not choose the whole school")
	}
	viewer, _ := o.person("s1", staff.Viewer)
	if a := o.visit(viewer, "/quick/weather"); a.StatusCode != http.StatusForbidden {
		t.Errorf("a viewer: status %d", a.StatusCode)
	}
	if a := o.visit(viewer, "/"); strings.Contains(a.body, "/quick/") || strings.Contains(a.body, "/alerts/new") {
		t.Error("a viewer is offered to send")
	}
	if a := o.visit(teacher, "/quick/nonsense"); a.StatusCode != http.StatusNotFound {
		t.Errorf("no such template: status %d", a.StatusCode)
	}
}

// TestShippedTemplates: each is sent as it is, in two requests.
func TestShippedTemplates(t *testing.T) {
	o := newOffice(t)
	o.load(smallRoster)
	c := o.signIn()
	for _, one := range alert.ShippedTemplates() {
		form := formOf(o.visit(c, "/quick/"+one.ID).body)
		form.Set("all", "1")
		form.Set("subject", one.Subject)
		form.Set("body", one.Body)
		if a := o.submit(c, "/alerts/preview", form); a.StatusCode != http.StatusOK || !strings.Contains(a.body, "全校・3人") {
			t.Errorf("%s: the preview has status %d", one.ID, a.StatusCode)
		}
		a := o.submit(c, "/alerts", form)
		if a.StatusCode != http.StatusSeeOther {
			t.Fatalf("%s: status %d", one.ID, a.StatusCode)
		}
		id := strings.TrimSuffix(strings.TrimPrefix(a.Header.Get("Location"), "/alerts/"), "?sent=1")
		sent, err := o.server.Alerts.Alert(t.Context(), id)
		o.must(err)
		if sent.Kind != one.Kind || sent.Subject != one.Subject || sent.Body != one.Body || !sent.All {
			t.Errorf("%s was sent as %+v", one.ID, sent)
		}
	}
}

// formOf returns the hidden fields of a page.
func formOf(page string) url.Values { return hiddenFields(page) }

// TestButtons: a manager adds a button, changes it, moves it and removes it.
func TestButtons(t *testing.T) {
	o := newOffice(t)
	o.load(smallRoster)
	c := o.signIn()
	form := func(path string) url.Values {
		v := formOf(o.visit(c, path).body)
		v.Set("name", "熱中症")
		v.Set("kind", "notice")
		v.Set("subject", "暑さのための下校")
		v.Set("body", "本日は早く下校します。\nお迎えをお願いします。")
		v.Set("place", "1")
		return v
	}
	names := func() (all []string) {
		list, err := o.server.Alerts.Templates(t.Context(), "s1")
		o.must(err)
		for _, one := range list.List {
			all = append(all, one.Name.JA)
		}
		return all
	}
	if a := o.submit(c, "/templates", form("/templates/new")); a.StatusCode != http.StatusSeeOther {
		t.Fatalf("added: status %d: %.400s", a.StatusCode, a.body)
	}
	if got := strings.Join(names(), " "); got != "熱中症 大雨・台風 下校・お迎え 不審者 安否確認" {
		t.Errorf("the buttons are %s", got)
	}
	if a := o.visit(c, "/"); !strings.Contains(a.body, "熱中症") {
		t.Error("the first page lacks the new button")
	}
	v := form("/templates/home")
	v.Set("name", "下校")
	v.Set("place", "9")
	stale := form("/templates/home")
	if a := o.submit(c, "/templates/home", v); a.StatusCode != http.StatusSeeOther {
		t.Fatalf("changed: status %d", a.StatusCode)
	}
	if got := strings.Join(names(), " "); got != "熱中症 大雨・台風 不審者 安否確認 下校" {
		t.Errorf("the buttons are %s", got)
	}
	if a := o.submit(c, "/templates/home", stale); a.StatusCode != http.StatusConflict || !strings.Contains(a.body, "暑さのための下校") || !strings.Contains(a.body, "ほかの人が先に") {
		t.Errorf("changed by two: status %d", a.StatusCode)
	}
	if a := o.submit(c, "/templates/weather/remove", nil); a.StatusCode != http.StatusSeeOther || strings.Contains(strings.Join(names(), " "), "大雨") {
		t.Errorf("removed: status %d, %v", a.StatusCode, names())
	}
	other, _ := o.hire("s2", staff.Manager)
	if list, err := o.server.Alerts.Templates(t.Context(), other.School); err != nil || list.Revision != 0 {
		t.Errorf("another school has %+v: %v", list, err)
	}
}

// TestButtonFields: what is wrong is said at its field, and nothing is lost.
func TestButtonFields(t *testing.T) {
	o := newOffice(t)
	c := o.signIn()
	for field, tt := range map[string]struct{ value, want string }{
		"name":    {strings.Repeat("あ", alert.MaxTemplateName+1), "ボタンの名前は20文字まで"},
		"name_en": {strings.Repeat("a", alert.MaxTemplateName+1), "ボタンの英語の名前は20文字まで"},
		"kind":    {"party", "種類（お知らせ"},
		"subject": {"", "件名を入力"},
		"body":    {"a\x00b", "使えない文字"},
	} {
		v := url.Values{"name": {"名"}, "kind": {"notice"}, "subject": {"件"}, "body": {"この本文は残る"}, "place": {"1"}, "revision": {"0"}}
		v.Set(field, tt.value)
		a := o.submit(c, "/templates/home", v)
		if a.StatusCode != http.StatusUnprocessableEntity || !strings.Contains(a.body, tt.want) || !strings.Contains(a.body, `href="#`+field+`"`) || !strings.Contains(a.body, `id="`+field+`"`) {
			t.Errorf("%s: status %d", field, a.StatusCode)
		}
		if field != "body" && !strings.Contains(a.body, "この本文は残る") {
			t.Errorf("%s: the text is lost", field)
		}
	}
	for range alert.MaxTemplates - 4 {
		v := formOf(o.visit(c, "/templates/new").body)
		for name, value := range map[string]string{"name": "名", "kind": "drill", "subject": "件", "body": "本"} {
			v.Set(name, value)
		}
		if a := o.submit(c, "/templates", v); a.StatusCode != http.StatusSeeOther {
			t.Fatalf("status %d", a.StatusCode)
		}
	}
	v := formOf(o.visit(c, "/templates/new").body)
	for name, value := range map[string]string{"name": "多すぎる", "kind": "drill", "subject": "件", "body": "本"} {
		v.Set(name, value)
	}
	if a := o.submit(c, "/templates", v); a.StatusCode != http.StatusConflict || !strings.Contains(a.body, "ボタンは8個まで") || !strings.Contains(a.body, "多すぎる") {
		t.Errorf("one too many: status %d", a.StatusCode)
	}
}
