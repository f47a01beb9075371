package console

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/todoku/todoku/shared/alert"
	"github.com/todoku/todoku/shared/staff"
)

var hiddenField = regexp.MustCompile(`<input type="hidden" name="([a-z]+)" value="([^"]*)">`)

// tapOn returns where the form of a child on a list leads, and what it posts.
func tapOn(t *testing.T, page, child, button string) (string, url.Values) {
	t.Helper()
	for _, row := range strings.Split(page, "<li id=")[1:] {
		form := row[strings.Index(row, "<form")+1:]
		if !strings.Contains(row, "<b>"+child+"</b>") || !strings.Contains(form, button) {
			continue
		}
		v := url.Values{}
		for _, m := range hiddenField.FindAllStringSubmatch(form, -1) {
			v.Set(m[1], m[2])
		}
		_, action, _ := strings.Cut(form, `action="`)
		action, _, _ = strings.Cut(action, `"`)
		return strings.ReplaceAll(action, "&amp;", "&"), v
	}
	t.Fatalf("no form %q for %s", button, child)
	return "", nil
}

// A tap records that a child is there, an entry that comes twice counts once, and a tap on
// the wrong row is taken back; all of it stands in the audit log.
func TestGate(t *testing.T) {
	o := newOffice(t)
	o.load(clubRoster)
	a := o.alert(nil, true)
	list := "/alerts/" + a.ID + "/gate/" + o.group("1年1組")
	c := o.signIn()
	to, tap := tapOn(t, o.visit(c, list).body, "見本 一郎", "無事です")
	for range 2 {
		o.pass(time.Second)
		if got := o.submit(c, to, tap); got.StatusCode != http.StatusSeeOther {
			t.Fatalf("status %d", got.StatusCode)
		}
	}
	page := o.visit(c, list).body
	if !strings.Contains(page, "取り消す") || !strings.Contains(page, o.me.Name) {
		t.Errorf("the tap is not on the list: %s", page)
	}
	to, back := tapOn(t, page, "見本 一郎", "取り消す")
	for range 2 {
		if got := o.submit(c, to, back); got.StatusCode != http.StatusSeeOther {
			t.Fatalf("taking back: status %d", got.StatusCode)
		}
	}
	if page := o.visit(c, list).body; strings.Contains(page, "取り消す") {
		t.Error("what was taken back is still there")
	}

	// A tap of before a guardian's answer: the same is no contradiction, a call for help is.
	to, tap = tapOn(t, o.visit(c, list).body, "見本 一郎", "無事です")
	o.pass(time.Second)
	o.answer(a, "見本 一郎", "safe")
	if got := o.submit(c, to, tap); got.StatusCode != http.StatusSeeOther {
		t.Errorf("the same: status %d", got.StatusCode)
	}
	o.pass(time.Second)
	o.answer(a, "見本 一郎", "help")
	if got := o.submit(c, to, tap); got.StatusCode != http.StatusConflict || !strings.Contains(got.body, "助けが必要です") {
		t.Errorf("a call for help: status %d", got.StatusCode)
	}
	to, tap = tapOn(t, o.visit(c, list).body, "見本 一郎", "無事です")
	if got := o.submit(c, to, tap); got.StatusCode != http.StatusSeeOther {
		t.Errorf("after looking: status %d", got.StatusCode)
	}
	if log := o.visit(c, "/audit").body; strings.Count(log, "門・教室での確認") < 5 {
		t.Error("the audit log does not tell of it")
	}
}

// What was entered on one person's page is not recorded as another's, who has signed in
// since on the same computer; their own page is theirs.
func TestEntryOfAnother(t *testing.T) {
	o := newOffice(t)
	o.load(clubRoster)
	a := o.alert(nil, true)
	first := o.signIn()
	second, _ := o.person("s1", staff.Manager)
	list := "/alerts/" + a.ID + "/gate/" + o.group("1年1組")
	var family string
	o.must(o.server.eachChild(t.Context(), a.ID, func(lines []alert.ChildLine) error {
		family = familyPath(lines[0].Ref)
		return nil
	}))
	tap := func(c *http.Client, button string) func() (string, url.Values) {
		return func() (string, url.Values) { return tapOn(t, o.visit(c, list).body, "見本 一郎", button) }
	}
	call := func(c *http.Client) func() (string, url.Values) {
		return func() (string, url.Values) {
			v := url.Values{"outcome": {"no_reply"}, "note": {"留守番電話"}}
			for _, m := range hiddenField.FindAllStringSubmatch(o.visit(c, family).body, -1) {
				v.Set(m[1], m[2])
			}
			return family + "/calls", v
		}
	}
	for _, tt := range []struct {
		name         string
		theirs, mine func() (string, url.Values)
	}{
		{"a tap", tap(first, "無事です"), tap(second, "無事です")},
		{"a tap taken back", tap(first, "取り消す"), tap(second, "取り消す")},
		{"a call", call(first), call(second)},
	} {
		to, form := tt.theirs()
		if got := o.submit(second, to, form); got.StatusCode != http.StatusConflict || !strings.Contains(got.body, "まだ記録していません") {
			t.Errorf("%s of another: status %d: %s", tt.name, got.StatusCode, got.body)
		}
		to, form = tt.mine() // which is not there if the other's was recorded
		if got := o.submit(second, to, form); got.StatusCode != http.StatusSeeOther {
			t.Errorf("%s of one's own: status %d: %s", tt.name, got.StatusCode, got.body)
		}
	}
	calls, err := o.server.desk().Calls(t.Context(), a.ID)
	o.must(err)
	if calls.Total != 1 {
		t.Errorf("%d calls", calls.Total)
	}
}

// Who may tick off whom: teachers their own classes, viewers all; no child of another
// class through one's own class's list.
func TestWhoMayTickOff(t *testing.T) {
	o := newOffice(t)
	o.load(clubRoster)
	a := o.alert(nil, true)
	mine, other := o.group("2年1組"), o.group("1年1組")
	at := func(class string) string { return "/alerts/" + a.ID + "/gate/" + class }
	teacher, _ := o.person("s1", staff.Teacher, mine)
	viewer, _ := o.person("s1", staff.Viewer)
	to, tap := tapOn(t, o.visit(o.signIn(), at(other)).body, "見本 一郎", "無事です")
	tap.Del("as") // each of them says so for themselves
	for name, tt := range map[string]struct {
		who  *http.Client
		to   string
		want int
	}{
		"another class":             {teacher, to, http.StatusForbidden},
		"a sibling's through one's": {teacher, strings.Replace(to, other, mine, 1), http.StatusNotFound},
		"a viewer":                  {viewer, to, http.StatusSeeOther},
	} {
		if got := o.submit(tt.who, tt.to, tap); got.StatusCode != tt.want {
			t.Errorf("%s: status %d, want %d", name, got.StatusCode, tt.want)
		}
	}
	if got := o.visit(teacher, at(other)); got.StatusCode != http.StatusForbidden {
		t.Errorf("a teacher sees another class's list: status %d", got.StatusCode)
	}
	classes := o.visit(teacher, "/alerts/"+a.ID+"/gate").body
	if !strings.Contains(classes, at(mine)) || strings.Contains(classes, at(other)) {
		t.Error("a teacher is not offered the own class alone")
	}
}

// Of what is its answers a tap records the first that asks for no help, unless another is
// chosen.
func TestGateChoice(t *testing.T) {
	o := newOffice(t)
	o.load(clubRoster)
	a := o.alert(func(d *alert.Draft) {
		d.Choices = []alert.Choice{{ID: "hurt", JA: "けがをした", Help: true}, {ID: "fetched", JA: "引き渡し済み"}}
	}, true)
	list := "/alerts/" + a.ID + "/gate/" + o.group("1年1組")
	c := o.signIn()
	for query, want := range map[string]string{"": "fetched", "?choice=hurt": "hurt", "?choice=nonsense": "fetched"} {
		if to, _ := tapOn(t, o.visit(c, list+query).body, "見本 一郎", "<button"); !strings.HasSuffix(to, "?choice="+want) {
			t.Errorf("%q: a tap goes to %q", query, to)
		}
	}
}
