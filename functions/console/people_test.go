package console

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"golang.org/x/text/encoding/japanese"

	"github.com/todoku/todoku/shared/roster"
	"github.com/todoku/todoku/shared/staff"
	"github.com/todoku/todoku/shared/web/webtest"
)

// read returns what a sheet of staff means at the office's school.
func (o *office) read(text string) []personRow {
	o.t.Helper()
	sheet, err := roster.ReadSheet(strings.NewReader(text), 0)
	o.must(err)
	groups, err := o.server.Roster.Groups(o.t.Context(), o.me.School)
	o.must(err)
	have, err := o.server.Staff.OfSchool(o.t.Context(), o.me.School)
	o.must(err)
	rows, err := readPeople(sheet, o.me.School, have, groups)
	o.must(err)
	return rows
}

func TestReadPeople(t *testing.T) {
	o := newOffice(t)
	o.load(smallRoster)
	one, two := o.group("1年1組"), o.group("2年1組")
	rows := o.read("教職員名,E-mail,職名,学年・組\n" +
		"例 一子,ICHIKO@school.example,教諭,１年１組\n" +
		"山田 花子,hanako@school.example,,\n" +
		"例 二郎,二郎＜jiro＠school．example＞,校長,1年1組、2年1組\n" +
		"例 三郎,,事務,2年\n" +
		",x@school.example,,\n" +
		"例 四郎,nonsense,社長,9年9組\n" +
		"例 五郎,jiro@school.example,,\n")
	want := []struct {
		mail   string
		role   staff.Role
		groups []string
		wrong  int
		same   bool
	}{
		{"ICHIKO@school.example", staff.Teacher, []string{one}, 0, false},
		{"hanako@school.example", staff.Manager, nil, 0, true},
		{"jiro@school.example", staff.Manager, []string{one, two}, 0, false},
		{"", staff.Viewer, []string{two}, 0, false},
		{"x@school.example", staff.Teacher, nil, 1, false},
		{"nonsense", "", nil, 3, false},
		{"jiro@school.example", staff.Teacher, nil, 1, false},
	}
	if len(rows) != len(want) {
		t.Fatalf("%d rows", len(rows))
	}
	for i, w := range want {
		r := rows[i]
		if !strings.EqualFold(r.Staff.Mail, w.mail) || r.Staff.Role != w.role || len(r.Staff.Groups) != len(w.groups) || len(r.Wrong) != w.wrong || r.Same != w.same {
			t.Errorf("row %d: %+v", r.Number, r)
		}
	}
}

func FuzzReadPeople(f *testing.F) {
	for _, s := range []string{"氏名,役割\n山田,校長\n", "name\temail\nA\ta@b.example\n", "姓,名\n", "\"", "氏名,氏名,メール,メール\n,,a,b\n"} {
		f.Add(s)
	}
	have := []staff.Staff{{ID: "a", School: "s", Name: "山田", Role: staff.Manager}, {ID: "b", School: "s", Name: "district", Mail: "d@b.example", Role: staff.District}}
	f.Fuzz(func(t *testing.T, text string) {
		sheet, err := roster.ReadSheet(strings.NewReader(text), 0)
		if err != nil {
			return
		}
		rows, err := readPeople(sheet, "s", have, []roster.Group{{ID: "g", Name: "1年1組", Kind: roster.Class}})
		if err != nil {
			return
		}
		for _, r := range rows {
			if len(r.Wrong) == 0 && (r.Staff.School != "s" || r.Staff.Name == "" || r.Staff.Role == staff.District || r.Staff.Role == "" || r.Staff.ID == "b") {
				t.Errorf("%+v", r)
			}
		}
	})
}

func TestImportPeople(t *testing.T) {
	o := newOffice(t)
	o.load(smallRoster)
	c := o.signIn()
	file, err := japanese.ShiftJIS.NewEncoder().String("氏名,メールアドレス,役割,担任\r\n髙嶺 新,arata@school.example,教諭,1年1組\r\n誤 役,b@school.example,社長,\r\n")
	o.must(err)
	body, kind := formBody("教職員.csv", []byte(file))
	r, err := http.NewRequestWithContext(t.Context(), "POST", site+"/people/import/preview", body)
	o.must(err)
	r.Header.Set("Content-Type", kind)
	res, err := c.Do(r)
	o.must(err)
	defer func() { _ = res.Body.Close() }()
	a := answer{res, readAll(t, res)}
	if a.StatusCode != 200 || !strings.Contains(a.body, "髙嶺 新,arata@school.example") || !strings.Contains(a.body, "社長") {
		t.Fatalf("status %d: %s", a.StatusCode, a.body)
	}
	a = o.submit(c, "/people/import", url.Values{"mail": {"1"}, "text": {"氏名,メールアドレス,役割,担任\n髙嶺 新,arata@school.example,教諭,1年1組\n誤 役,b@school.example,社長,\n"}})
	if !strings.Contains(a.body, "新規1人") || strings.Contains(a.body, "髙嶺") || !strings.Contains(a.body, "誤 役,b@school.example") {
		t.Errorf("status %d: %s", a.StatusCode, a.body)
	}
	found, err := o.server.Staff.ByMail(t.Context(), "arata@school.example")
	o.must(err)
	if len(found) != 1 || found[0].Role != staff.Teacher || len(found[0].Groups) != 1 {
		t.Errorf("%v", found)
	}
	for _, bad := range []string{"", "a,b\n1,2\n", "%PDF-1.4"} {
		if a := o.submit(c, "/people/import/preview", url.Values{"text": {bad}}); a.StatusCode != http.StatusUnprocessableEntity || !strings.Contains(a.body, `id="text-error"`) {
			t.Errorf("%q: status %d", bad, a.StatusCode)
		}
	}
}

// TestPeopleTwice: rows that may be one person make no two.
func TestPeopleTwice(t *testing.T) {
	const h = "氏名,メールアドレス,担任\n"
	for _, tt := range []struct{ name, rows, wrong string }{
		{"one name, no address", "高嶺 新,,1年1組\n高嶺　新,,1年2組\n", "2行目と同じ氏名です"},
		{"one name, one address", "高嶺 新,arata@school.example,1年1組\n高嶺 新,,1年2組\n", "2行目と同じ氏名です"},
		{"one name, two addresses", "高嶺 新,arata@school.example,\n高嶺 新,shin@school.example,\n", ""},
		{"one address", "高嶺 新,arata@school.example,\n高峰 新,ARATA@school.example,\n", "2行目と同じアドレスです"},
		{"two names", "高嶺 新,,\n高嶺 古,,\n", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			sheet, err := roster.ReadSheet(strings.NewReader(h+tt.rows), 0)
			if err != nil {
				t.Fatal(err)
			}
			rows, err := readPeople(sheet, "s1", nil, []roster.Group{roster.NewClass(1, "1"), roster.NewClass(1, "2")})
			if err != nil || len(rows) != 2 || len(rows[0].Wrong) > 0 {
				t.Fatalf("%+v, %v", rows, err)
			}
			var said string
			for _, w := range rows[1].Wrong {
				said += w.JA
			}
			if (said == "") != (tt.wrong == "") || !strings.Contains(said, tt.wrong) {
				t.Errorf("the second row is wrong in %q, want %q", said, tt.wrong)
			}
		})
	}
}

func TestPeopleOfOthers(t *testing.T) {
	o := newOffice(t)
	c := o.signIn()
	other, _ := o.hire("s2", staff.Teacher)
	district, _ := o.hire("s1", staff.District)
	for _, path := range []string{"", "/mail", "/code", "/disable", "/enable"} {
		if a := o.submit(c, "/people/"+other.ID+path, url.Values{"name": {"x"}, "role": {"teacher"}}); a.StatusCode != http.StatusNotFound {
			t.Errorf("%s of another school: status %d", path, a.StatusCode)
		}
		if a := o.submit(c, "/people/"+district.ID+path, url.Values{"name": {"x"}, "role": {"teacher"}}); a.StatusCode != http.StatusForbidden {
			t.Errorf("%s of the district: status %d", path, a.StatusCode)
		}
	}
	if a := o.submit(c, "/people", url.Values{"name": {"x"}, "role": {"district"}, "way": {"code"}}); a.StatusCode != http.StatusUnprocessableEntity {
		t.Errorf("a district role: status %d", a.StatusCode)
	}
	teacher, _ := o.person("s1", staff.Teacher)
	for _, path := range []string{"/people", "/people/new", "/people/import", "/people/hand-over", "/people/" + o.me.ID} {
		if a := o.visit(teacher, path); a.StatusCode != http.StatusForbidden {
			t.Errorf("%s by a teacher: status %d", path, a.StatusCode)
		}
	}
}

// TestBadPeople: every mistake gets a sentence, and nothing typed is lost.
func TestBadPeople(t *testing.T) {
	o := newOffice(t)
	c := o.signIn()
	for name, tt := range map[string]struct {
		form  url.Values
		field string
	}{
		"no name":      {url.Values{"name": {" "}, "role": {"teacher"}, "mail": {"kept@school.example"}, "way": {"mail"}}, "name"},
		"no mail":      {url.Values{"name": {"kept@school.example"}, "role": {"teacher"}, "way": {"mail"}}, "mail"},
		"bad mail":     {url.Values{"name": {"kept@school.example"}, "role": {"teacher"}, "mail": {"a@b@c"}, "way": {"code"}}, "mail"},
		"no role":      {url.Values{"name": {"kept@school.example"}, "way": {"code"}}, "role"},
		"taken":        {url.Values{"name": {"kept@school.example"}, "role": {"teacher"}, "mail": {"HANAKO@school.example"}, "way": {"mail"}}, "mail"},
		"endless name": {url.Values{"name": {strings.Repeat("あ", 101)}, "role": {"teacher"}, "mail": {"kept@school.example"}, "way": {"mail"}}, "name"},
	} {
		a := o.submit(c, "/people", tt.form)
		if a.StatusCode != http.StatusUnprocessableEntity || !strings.Contains(a.body, `href="#`+tt.field+`"`) || !strings.Contains(a.body, "kept@school.example") {
			t.Errorf("%s: status %d: %s", name, a.StatusCode, a.body)
		}
	}
	other, err := o.server.Staff.PutStaff(t.Context(), staff.Staff{School: "s1", Name: "見本 次郎", Mail: "jiro@school.example", Role: staff.Teacher})
	o.must(err)
	for mail, want := range map[string]int{"Jiro@school.example": 303, "HANAKO@school.example": 422, "": 303} {
		form := url.Values{"name": {other.Name}, "role": {"teacher"}, "mail": {mail}}
		if a := o.submit(c, "/people/"+other.ID, form); a.StatusCode != want {
			t.Errorf("saved with %q: status %d: %s", mail, a.StatusCode, a.body)
		}
	}
	for _, code := range []string{"", "0000-0000-0000-0000", strings.Repeat("x", 5000), "\u202e"} {
		if a := o.submit(webtest.Client(o.handler), "/sign-in/code", url.Values{"code": {code}}); a.StatusCode != http.StatusUnprocessableEntity || !strings.Contains(a.body, `id="code-error"`) {
			t.Errorf("code %.20q: status %d", code, a.StatusCode)
		}
	}
}

func TestHandOver(t *testing.T) {
	o := newOffice(t)
	o.load(smallRoster)
	one, two := o.group("1年1組"), o.group("2年1組")
	c := o.signIn()
	hire := func(name string, groups ...string) staff.Staff {
		m, err := o.server.Staff.PutStaff(t.Context(), staff.Staff{School: "s1", Name: name, Role: staff.Teacher, Groups: groups})
		o.must(err)
		return m
	}
	leaves, stays := hire("転出 一郎", one), hire("残留 二郎", two, "01jr0000000000000000000000")
	hire("同名 さん")
	hire("同名 さん")
	both := hire("兼任 三郎", one)
	for lang, want := range map[string]string{"ja": `value="兼任 三郎、転出 一郎"`, "en": `value="兼任 三郎, 転出 一郎"`} {
		if a := o.visit(c, "/people/hand-over?lang="+lang); !strings.Contains(a.body, want) {
			t.Errorf("%s: no %s", lang, want)
		}
	}
	o.visit(c, "/people/hand-over?lang=ja")
	both.Groups = nil
	o.must(o.server.Staff.Change(t.Context(), "s1", both))
	form := func(first, second string) url.Values {
		return url.Values{"leaves": {leaves.ID}, "class_" + one: {first}, "class_" + two: {second}}
	}
	for _, bad := range []string{"だれも いない", "転出 一郎", "同名 さん"} {
		if a := o.submit(c, "/people/hand-over/preview", form(bad, "")); a.StatusCode != http.StatusUnprocessableEntity || !strings.Contains(a.body, "class_"+one+"-error") || !strings.Contains(a.body, `value="`+bad+`"`) {
			t.Errorf("%s: status %d", bad, a.StatusCode)
		}
	}
	a := o.submit(c, "/people/hand-over/preview", form("残留　二郎、山田花子", ""))
	for _, want := range []string{"1年1組 を受け持つ", "2年1組 を外れる", "停止", "担任がいないクラス：2年1組"} {
		if !strings.Contains(a.body, want) {
			t.Errorf("the preview does not say %q: %s", want, a.body)
		}
	}
	if a := o.submit(c, "/people/hand-over", form("残留　二郎、山田花子", "")); a.StatusCode != http.StatusSeeOther {
		t.Fatalf("status %d: %s", a.StatusCode, a.body)
	}
	stays, err := o.server.Staff.Staff(t.Context(), stays.ID)
	o.must(err)
	leaves, err = o.server.Staff.Staff(t.Context(), leaves.ID)
	o.must(err)
	if !leaves.Disabled || len(leaves.Groups) != 0 || len(stays.Groups) != 2 || stays.Groups[0] != one || stays.Disabled {
		t.Errorf("%+v %+v", leaves, stays)
	}
}
