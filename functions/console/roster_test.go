package console

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"golang.org/x/text/encoding/japanese"

	"github.com/todoku/todoku/functions/console/imports"
	"github.com/todoku/todoku/shared/roster"
	"github.com/todoku/todoku/shared/staff"
	"github.com/todoku/todoku/shared/table"
)

// upload sends a file and returns the path of its import, or fails the test.
func (o *office) upload(c *http.Client, name string, file []byte) string {
	o.t.Helper()
	a := o.choose(c, name, file)
	if a.StatusCode != http.StatusSeeOther {
		o.t.Fatalf("status %d: %.500s", a.StatusCode, a.body)
	}
	return a.Header.Get("Location")
}

// begun has the import of a sheet begun, and returns its path.
func (o *office) begun(c *http.Client, sheet string) string {
	o.t.Helper()
	path := o.upload(c, "a.csv", []byte(sheet))
	o.submit(c, path+"/confirm", nil)
	return path
}

// imported fails the test unless an import is done, and the roster has so many children.
func (o *office) imported(c *http.Client, path string, children int) {
	o.t.Helper()
	o.holds(o.visit(c, path), "を取り込みました")
	if n := o.children(); n != children {
		o.t.Errorf("%d children, want %d", n, children)
	}
}

// choose sends a file as the form of the roster page does.
func (o *office) choose(c *http.Client, name string, file []byte) answer {
	o.t.Helper()
	body, kind := formBody(name, file)
	return o.sendForm(c, "/roster/imports", body, kind)
}

func (o *office) sendForm(c *http.Client, path string, body io.Reader, kind string) answer {
	o.t.Helper()
	r, err := http.NewRequestWithContext(o.t.Context(), "POST", site+path, body)
	o.must(err)
	r.Header.Set("Content-Type", kind)
	res, err := c.Do(r)
	o.must(err)
	defer func() { _ = res.Body.Close() }()
	return answer{res, readAll(o.t, res)}
}

// holds fails the test if a page lacks one of the texts.
func (o *office) holds(a answer, texts ...string) {
	o.t.Helper()
	if a.StatusCode != 200 {
		o.t.Errorf("status %d", a.StatusCode)
	}
	for _, text := range texts {
		if !strings.Contains(a.body, text) {
			o.t.Errorf("the page does not hold %q", text)
		}
	}
}

func TestImport(t *testing.T) {
	o := newOffice(t)
	c := o.signIn()
	o.holds(o.visit(c, "/roster"), "名簿がまだありません", `name="file"`)
	faulty := smallRoster + "2,1,3,誤 五月,ご さつき,誤 母,090-0000-0005,satsuki＠,,\n"
	path := o.upload(c, "名簿 <b>.csv", []byte(faulty))
	o.holds(o.visit(c, path), "名簿 &lt;b&gt;.csv", "まだ何も変わっていません", "エラーの1行を除いて取り込む", `<td class="n">5</td>`)
	if n := o.children(); n != 0 {
		t.Fatalf("%d children before the confirmation", n)
	}
	for range 2 { // a double click
		if a := o.submit(c, path+"/confirm", nil); a.StatusCode != http.StatusSeeOther || a.Header.Get("Location") != path {
			t.Fatalf("confirming: status %d", a.StatusCode)
		}
	}
	if n := o.children(); n != 3 {
		t.Errorf("%d children after the confirmation, want 3", n)
	}
	o.holds(o.visit(c, path), "を取り込みました", path+"/rejected.csv", "電話連絡の一覧にも載りません", `href="/reach"`)
	o.holds(o.visit(c, "/roster"), "1年1組", "2年1組", "前回の取り込み", path)

	rejected := o.visit(c, path+"/rejected.csv")
	o.holds(rejected, "エラー", "誤 五月")
	again := o.upload(c, "errors.csv", []byte(strings.ReplaceAll(rejected.body, "satsuki＠", "satsuki@example.jp")))
	o.holds(o.visit(c, again), "1人を取り込む")
	o.submit(c, again+"/confirm", nil)
	if n := o.children(); n != 4 {
		t.Errorf("%d children after the correction, want 4", n)
	}
	if strings.Contains(o.log.String(), "五月") || strings.Contains(o.log.String(), "satsuki") {
		t.Error("a name or an address is in the log")
	}
}

func TestImportTwiceChangesNothing(t *testing.T) {
	o := newOffice(t)
	o.load(smallRoster)
	c := o.signIn()
	sjis, err := japanese.ShiftJIS.NewEncoder().Bytes([]byte(smallRoster))
	o.must(err)
	o.holds(o.visit(c, o.upload(c, "sjis.csv", sjis)), "名簿はすでにこのとおりです")
}

func TestImportWhatIsNoRoster(t *testing.T) {
	o := newOffice(t)
	c := o.signIn()
	tests := []struct {
		name   string
		file   []byte
		status int
		ja, en string
	}{
		{"a PDF", []byte("%PDF-1.7\n"), 422, "PDF", "a PDF"},
		{"a workbook", []byte("PK\x03\x04[Content_Types].xml"), 422, "名前を付けて保存", "Save As"},
		{"nothing", nil, 422, "空です", "is empty"},
		{"hostile", []byte("\x00\u202e<script>"), 422, "文字を読み取れません", "cannot be read"},
		{"too large", bytes.Repeat([]byte("a,b\n"), 21<<18), 413, "20 MB", "20 MB"},
		{"far too large", bytes.Repeat([]byte("a,b\n"), 30<<18), 413, "20 MB", "20 MB"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for language, says := range map[string]string{"ja": tt.ja, "en": tt.en} {
				body, kind := formBody("x.csv", tt.file)
				o.visit(c, "/roster?lang="+language)
				a := o.sendForm(c, "/roster/imports", body, kind)
				if a.StatusCode != tt.status || !strings.Contains(a.body, says) || !strings.Contains(a.body, `id="file-error"`) || strings.Contains(a.body, "<script>") {
					t.Errorf("in %s: status %d, want %d and %q at the field", language, a.StatusCode, tt.status, says)
				}
			}
		})
	}
	for name, form := range map[string][2]string{
		"no file":         {"------xyz--\r\n", "multipart/form-data; boundary=----xyz"},
		"an empty choice": {"------xyz\r\nContent-Disposition: form-data; name=\"file\"; filename=\"\"\r\n\r\n\r\n------xyz--\r\n", "multipart/form-data; boundary=----xyz"},
		"cut off":         {"------xyz\r\nContent-Disp", "multipart/form-data; boundary=----xyz"},
		"no form":         {"a,b\n", "text/csv"},
	} {
		if a := o.sendForm(c, "/roster/imports", strings.NewReader(form[0]), form[1]); a.StatusCode != 422 || !strings.Contains(a.body, `id="file-error"`) {
			t.Errorf("%s: status %d", name, a.StatusCode)
		}
	}
}

const oddHeaders = "どこ,だれ,れんらくさき\n1年1組,見本 一郎,hanako@example.jp\n1年2組,見本 二葉,hanako@example.jp\n"

func TestNameColumns(t *testing.T) {
	o := newOffice(t)
	c := o.signIn()
	path := o.upload(c, "odd.csv", []byte(oddHeaders))
	page := o.visit(c, path)
	o.holds(page, "列の内容を選んでください", "だれ", "見本 一郎", `<option value="mail:1">`)
	form := url.Values{"header": {"どこ", "だれ", "れんらくさき"}, "field": {"class", "name", "mail:1"}}
	if a := o.submit(c, path+"/columns", form); a.StatusCode != http.StatusSeeOther {
		t.Fatalf("naming the columns: status %d", a.StatusCode)
	}
	o.holds(o.visit(c, path), "2人を取り込む", `<option value="name" selected>`)
	o.holds(o.visit(c, o.upload(c, "odd.csv", []byte(oddHeaders))), "列の内容を選んでください") // not confirmed, not remembered
	o.submit(c, path+"/confirm", nil)
	if n := o.children(); n != 2 {
		t.Errorf("%d children, want 2", n)
	}
	o.holds(o.visit(c, o.upload(c, "odd.csv", []byte(oddHeaders))), "名簿はすでにこのとおりです") // remembered
}

func TestNameColumnsRefuses(t *testing.T) {
	o := newOffice(t)
	c := o.signIn()
	path := o.upload(c, "odd.csv", []byte(oddHeaders))
	tests := map[string]url.Values{
		"a field that is none": {"header": {"どこ"}, "field": {"password"}},
		"no field":             {"header": {"どこ"}},
		"no header":            {"field": {"name"}},
		"guardian 99":          {"header": {"どこ"}, "field": {"mail:99"}},
		"not UTF-8":            {"header": {"\xff"}, "field": {"name"}},
		"NUL":                  {"header": {"a\x00"}, "field": {"name"}},
	}
	for name, form := range tests {
		if a := o.submit(c, path+"/columns", form); a.StatusCode != 422 {
			t.Errorf("%s: status %d", name, a.StatusCode)
		}
	}
	if a := o.submit(c, path+"/columns", url.Values{"field": {strings.Repeat("x", 1<<20)}}); a.StatusCode != 413 {
		t.Errorf("1 MB: status %d", a.StatusCode)
	}
	o.holds(o.visit(c, path), "列の内容を選んでください")
}

func TestCancelImport(t *testing.T) {
	o := newOffice(t)
	c := o.signIn()
	path := o.upload(c, "a.csv", []byte(smallRoster))
	for range 2 {
		if a := o.submit(c, path+"/cancel", nil); a.StatusCode != http.StatusSeeOther || a.Header.Get("Location") != "/roster" {
			t.Errorf("cancelling: status %d to %q", a.StatusCode, a.Header.Get("Location"))
		}
	}
	for _, method := range []string{"GET " + path, "POST " + path + "/confirm", "GET " + path + "/rejected.csv", "POST " + path + "/columns"} {
		verb, at, _ := strings.Cut(method, " ")
		if a := o.fetch(c, verb, at, url.Values{}); a.StatusCode != 404 || !strings.Contains(a.body, "取り込みは見つかりません") {
			t.Errorf("%s afterwards: status %d", method, a.StatusCode)
		}
	}
	page, err := o.table.Query(t.Context(), table.Query{Partition: "import/" + strings.TrimPrefix(path, "/roster/imports/")})
	if err != nil || len(page.Items) > 0 {
		t.Errorf("%d pieces of the file are left, %v", len(page.Items), err)
	}
}

func TestImportEnds(t *testing.T) {
	o := newOffice(t)
	c := o.signIn()
	path := o.upload(c, "a.csv", []byte(smallRoster+",,,誤 五月,,,,,,\n"))
	done := o.upload(c, "b.csv", []byte(smallRoster+",,,誤 六月,,,,,,\n"))
	o.submit(c, done+"/confirm", nil)
	o.pass(imports.Life)
	c = o.signIn()
	if a := o.visit(c, path); a.StatusCode != 404 {
		t.Errorf("an import that was not confirmed, after a day: status %d", a.StatusCode)
	}
	o.holds(o.visit(c, done), "を取り込みました", "24時間たったので消えました")
	if a := o.visit(c, done+"/rejected.csv"); a.StatusCode != 404 {
		t.Errorf("its faulty rows, after a day: status %d", a.StatusCode)
	}
}

func TestImportsOfAnotherSchool(t *testing.T) {
	o := newOffice(t)
	path := o.upload(o.signIn(), "a.csv", []byte(smallRoster))
	o.me, _ = o.hire("s2", staff.Manager)
	c := o.signIn()
	for _, request := range []string{"GET ", "POST /confirm", "POST /columns", "GET /rejected.csv"} {
		method, rest, _ := strings.Cut(request, " ")
		if a := o.fetch(c, method, path+rest, url.Values{}); a.StatusCode != 404 {
			t.Errorf("%s: status %d", request, a.StatusCode)
		}
	}
}

// TestImportRuns stops the work before it begins, as the death of the process
// would, and goes on with it later.
func TestImportRuns(t *testing.T) {
	o := newOffice(t)
	c := o.signIn()
	var works []func(context.Context)
	o.server.Background = func(work func(context.Context)) { works = append(works, work) }
	path := o.begun(c, smallRoster)
	o.submit(c, path+"/confirm", nil)
	if len(works) != 1 {
		t.Fatalf("two clicks began it %d times", len(works))
	}
	o.holds(o.visit(c, path), "取り込んでいます", `http-equiv="refresh"`, `data-live="`+path+`"`)
	if a := o.submit(c, path+"/cancel", nil); a.Header.Get("Location") != path {
		t.Errorf("cancelled while it runs: to %q", a.Header.Get("Location"))
	}
	o.pass(imports.Stalls)
	o.holds(o.visit(c, path), "取り込みが止まりました", "続きから取り込む")
	o.submit(c, path+"/confirm", nil)
	if len(works) != 2 {
		t.Fatalf("going on began it %d times in all, want 2", len(works))
	}
	for _, work := range works { // the first was only slow
		work(t.Context())
	}
	o.imported(c, path, 3)
}

func TestImportFails(t *testing.T) {
	o := newOffice(t)
	c := o.signIn()
	path := o.upload(c, "a.csv", []byte(smallRoster))
	o.server.Background = func(work func(context.Context)) {
		o.table.busyQuery = true
		work(context.Background())
		o.table.busyQuery = false
	}
	o.submit(c, path+"/confirm", nil)
	o.holds(o.visit(c, path), "取り込みが止まりました", "混み合っています")
	o.server.Background = func(work func(context.Context)) { work(context.Background()) }
	o.submit(c, path+"/confirm", nil)
	o.imported(c, path, 3)
}

func TestLargeImport(t *testing.T) {
	o := newOffice(t)
	c := o.signIn()
	var b strings.Builder
	b.WriteString("学年,組,番号,氏名,保護者氏名,電話,メール\n")
	for i := range 2000 {
		fmt.Fprintf(&b, "%d,%d,%d,見本 %d,親 %d,090-0000-%04d,todoku-%d@example.jp\n", i/400+1, i/40%10+1, i%40+1, i, i, i, i)
	}
	path := o.upload(c, "large.csv", []byte(b.String()))
	o.holds(o.visit(c, path), "2000人を取り込む")
	o.submit(c, path+"/confirm", nil)
	o.holds(o.visit(c, path), "を取り込みました", "2,000")
}

func TestRosterDownloads(t *testing.T) {
	o := newOffice(t)
	o.load(smallRoster)
	c := o.signIn()
	tests := []struct{ path, mediaType, name string }{
		{"/roster/export.csv", "text/csv; charset=utf-8", "todoku-roster.csv"},
		{"/roster/export.csv?encoding=shift_jis", "text/csv; charset=Shift_JIS", "todoku-roster.csv"},
		{"/roster/sample.csv", "text/csv; charset=utf-8", "todoku-sample.csv"},
	}
	for _, tt := range tests {
		a := o.visit(c, tt.path)
		o.holds(a)
		if got := a.Header.Get("Content-Type"); got != tt.mediaType {
			t.Errorf("%s has type %q", tt.path, got)
		}
		if got := a.Header.Get("Content-Disposition"); !strings.Contains(got, tt.name) {
			t.Errorf("%s: %q", tt.path, got)
		}
		if _, err := roster.ReadSheet(strings.NewReader(a.body), 0); err != nil {
			t.Errorf("%s: %v", tt.path, err)
		}
	}
	if a := o.visit(c, "/roster/export.csv?encoding=x"); a.StatusCode != 422 {
		t.Errorf("an encoding that is none: status %d", a.StatusCode)
	}
}

func TestRosterPagesNeedSignIn(t *testing.T) {
	o := newOffice(t)
	const at = "/roster/imports/01arz3ndektsv4rrffq69g5fav"
	for _, path := range []string{"/roster", at, at + "/rejected.csv", "/roster/export.csv", "/roster/sample.csv"} {
		if a := o.send("GET", path, http.NoBody); a.StatusCode != http.StatusSeeOther || !strings.HasPrefix(a.Header.Get("Location"), "/sign-in") {
			t.Errorf("GET %s: status %d", path, a.StatusCode)
		}
	}
	for _, path := range []string{"/roster/imports", at + "/columns", at + "/confirm", at + "/cancel"} {
		if a := o.send("POST", path, http.NoBody); a.StatusCode != http.StatusUnauthorized {
			t.Errorf("POST %s: status %d", path, a.StatusCode)
		}
	}
}

func TestRosterPagesAreEnglishToo(t *testing.T) {
	o := newOffice(t)
	c := o.signIn()
	path := o.upload(c, "a.csv", []byte(smallRoster+",,,誤 五月,,,,,,\n"))
	o.holds(o.visit(c, path+"?lang=en"), "Check what will be imported", "Import all but the rows with errors (1)", "What to correct")
	o.holds(o.visit(c, "/roster"), "There is no roster yet")
	o.submit(c, path+"/confirm", nil)
	o.holds(o.visit(c, path), "Result of the import", "Download the rows with errors")
	o.holds(o.visit(c, o.upload(c, "odd.csv", []byte(oddHeaders))), "Choose what the columns hold", "Guardian 1: mail")
}
