package console

import (
	"context"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/todoku/todoku/functions/console/imports"
	"github.com/todoku/todoku/shared/roster"
	"github.com/todoku/todoku/shared/table"
)

const (
	turnRoster = "学年,組,番号,氏名,ふりがな,保護者1氏名,保護者1メール\n" +
		"1,1,1,見本 一郎,みほん いちろう,見本 花子,hanako@example.jp\n" +
		"2,1,1,見本 二葉,みほん ふたば,見本 花子,hanako@example.jp\n" +
		"2,1,2,例 四季,れい しき,例 陽子,yoko@example.jp\n" +
		"1,1,2,転出 太郎,てんしゅつ たろう,転出 親,gone@example.jp\n"
	turnList = "学年,組,氏名\n2,1,見本 一郎\n1,1,新入 花\n"
)

var seenField = regexp.MustCompile(`name="seen" value="([^"]*)"`)

// turnUpload sends a list for the turn of the year and returns the path of its import.
func (o *office) turnUpload(c *http.Client, csv string) (string, answer) {
	o.t.Helper()
	body, kind := formBody("新年度.csv", []byte(csv))
	a := o.sendForm(c, "/roster/imports?for=turn", body, kind)
	return a.Header.Get("Location"), a
}

// turned sends turnList for the turn of the year and looks at what it would do. It returns
// the path of its import, and what the page says was seen.
func (o *office) turned(c *http.Client) (path, seen string) {
	o.t.Helper()
	path, _ = o.turnUpload(c, turnList)
	return path, o.seen(o.visit(c, path))
}

// seen returns what a preview says was seen, or fails the test.
func (o *office) seen(preview answer) string {
	o.t.Helper()
	m := seenField.FindStringSubmatch(preview.body)
	if m == nil {
		o.t.Fatalf("no preview: status %d: %.500s", preview.StatusCode, preview.body)
	}
	return m[1]
}

func TestTurnOfTheYear(t *testing.T) {
	o := newOffice(t)
	o.load(turnRoster)
	c := o.signIn()
	o.holds(o.visit(c, "/roster"), `href="/roster/turn"`)
	o.holds(o.visit(c, "/roster/turn"), "1年1組 2人", `action="/roster/imports?for=turn"`)
	path, _ := o.turnUpload(c, turnList)
	preview := o.visit(c, path)
	o.holds(preview, "学年が一つ上がるリスト", "卒業学年でないのに", "転出 太郎", "1年1組 1人", "新しい人 1人", `name="sure"`)
	if strings.Contains(preview.body, "例 四季") {
		t.Error("who graduates is listed by name")
	}
	seen := o.seen(preview)

	for name, form := range map[string]url.Values{
		"without the tick":        {"seen": {seen}},
		"of another preview":      {"seen": {"x"}, "sure": {"1"}},
		"without having seen any": {"sure": {"1"}},
		"to be kept for years":    {"seen": {seen}, "sure": {"1"}, "keep": {"9999"}},
	} {
		if a := o.submit(c, path+"/confirm", form); a.StatusCode == http.StatusSeeOther || o.children() != 4 {
			t.Errorf("%s: status %d", name, a.StatusCode)
		}
	}
	if a := o.submit(c, path+"/confirm", url.Values{"seen": {seen}, "sure": {"1"}, "keep": {"14"}}); a.StatusCode != http.StatusSeeOther {
		t.Fatalf("status %d: %.300s", a.StatusCode, a.body)
	}
	o.holds(o.visit(c, path), "名簿が新しい年度になりました", "更新を取り消して")
	if n := o.children(); n != 2 {
		t.Errorf("%d children after the turn", n)
	}
	o.holds(o.visit(c, "/roster/turn"), "まで取り消せます", path)
	for range 2 { // a double click
		if a := o.submit(c, path+"/undo", nil); a.StatusCode != http.StatusSeeOther {
			t.Fatalf("undo: status %d", a.StatusCode)
		}
	}
	o.holds(o.visit(c, path), "更新を取り消しました", "4家庭を")
	if n := o.children(); n != 4 {
		t.Errorf("%d children after the undoing", n)
	}
}

func TestTurnWithErrors(t *testing.T) {
	o := newOffice(t)
	o.load(turnRoster)
	c := o.signIn()
	path, _ := o.turnUpload(c, turnList+"99,1,誤 記\n")
	a := o.visit(c, path)
	o.holds(a, "まだ実行できません", `<td class="n">4</td>`, `href="/roster/turn"`)
	if strings.Contains(a.body, `name="seen"`) || strings.Contains(a.body, "rejected.csv") { // rows alone are no list of the school
		t.Error("it can be confirmed")
	}
	if a := o.submit(c, path+"/confirm", url.Values{"sure": {"1"}}); a.StatusCode != http.StatusUnprocessableEntity || o.children() != 4 {
		t.Errorf("status %d", a.StatusCode)
	}
	_, refused := o.turnUpload(c, "%PDF-1.7\n\x00")
	if refused.StatusCode != http.StatusUnprocessableEntity || !strings.Contains(refused.body, "年度を更新する") {
		t.Errorf("a PDF: status %d", refused.StatusCode)
	}
}

// TestTurnSeesTheRosterAnew: a child who came in while somebody looked does not leave
// unseen.
func TestTurnSeesTheRosterAnew(t *testing.T) {
	o := newOffice(t)
	o.load(turnRoster)
	c := o.signIn()
	path, seen := o.turned(c)
	o.load("学年,組,氏名\n1,1,途中 転入\n")
	a := o.submit(c, path+"/confirm", url.Values{"seen": {seen}, "sure": {"1"}})
	if a.StatusCode != http.StatusConflict || !strings.Contains(a.body, "途中 転入") || o.children() != 5 {
		t.Errorf("status %d", a.StatusCode)
	}
	if !strings.Contains(a.body, "この操作は受け付けられませんでした") || strings.Contains(a.body, "まだ送信されていません") {
		t.Error("the heading does not fit where nothing was being sent")
	}
}

func TestTurnTooLateToUndo(t *testing.T) {
	o := newOffice(t)
	o.load(turnRoster)
	c := o.signIn()
	path, seen := o.turned(c)
	o.submit(c, path+"/confirm", url.Values{"seen": {seen}, "sure": {"1"}, "keep": {"14"}})
	o.pass(14 * 24 * time.Hour)
	c = o.signIn()
	o.holds(o.visit(c, path), "もう取り消せません")
	if a := o.submit(c, path+"/undo", nil); a.StatusCode != http.StatusGone || o.children() != 2 {
		t.Errorf("status %d", a.StatusCode)
	}
}

func TestTurnByQueue(t *testing.T) {
	o := newOffice(t)
	o.load(turnRoster)
	c := o.signIn()
	k, importer := o.withQueue()
	path, seen := o.turned(c)
	o.submit(c, path+"/confirm", url.Values{"seen": {seen}, "sure": {"1"}})
	if failed := o.handle(t.Context(), importer, k.messages...); failed > 0 || o.children() != 2 {
		t.Fatalf("%d failed, %d children", failed, o.children())
	}
	k.messages = nil
	o.submit(c, path+"/undo", nil)
	o.handleCut(k, importer)
	for range 2 { // the queue hands it out twice
		if failed := o.handle(t.Context(), importer, k.messages...); failed > 0 || o.children() != 4 {
			t.Fatalf("%d failed, %d children", failed, o.children())
		}
	}
	o.holds(o.visit(c, path), "4家庭を") // of both parts
}

// cutOff confirms a turn whose work is cut off after its first write, and lets enough time
// pass that it counts as stopped. It returns the turn's path.
func (o *office) cutOff(c *http.Client, k *handed, importer *imports.Handler) string {
	o.t.Helper()
	path, seen := o.turned(c)
	o.submit(c, path+"/confirm", url.Values{"seen": {seen}, "sure": {"1"}})
	o.handleCut(k, importer)
	k.messages = nil
	o.pass(imports.Stalls)
	return path
}

// handleCut has the messages handled until the first family was written.
func (o *office) handleCut(k *handed, importer *imports.Handler) {
	o.t.Helper()
	ctx, cancel := context.WithCancel(o.t.Context())
	cut := &cutting{Table: importer.Table, stop: cancel}
	worker := imports.NewWorker(&roster.Store{Table: cut, IDs: o.server.Roster.IDs, Now: o.clock}, nil, o.clock, o.server.Log)
	if failed := o.handle(ctx, &imports.Handler{Worker: worker, Jobs: k}, k.messages...); failed != 1 {
		o.t.Fatalf("%d messages handed back, want 1", failed)
	}
}

// cutting is a table at which work is cut off after its first family was written.
type cutting struct {
	table.Table
	stop context.CancelFunc
	mu   sync.Mutex
	done bool
}

func (c *cutting) Write(ctx context.Context, token string, ops ...table.Op) error {
	if !slices.ContainsFunc(ops, func(op table.Op) bool { return strings.Contains(op.OpKey().Partition, "/turn/") }) {
		return c.Table.Write(ctx, token, ops...)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.done {
		return ctx.Err()
	}
	c.done = true
	defer c.stop()
	return c.Table.Write(ctx, token, ops...)
}

// pieces returns how many pieces of an import's file are kept.
func (o *office) pieces(path string) int {
	o.t.Helper()
	page, err := o.server.Roster.Table.Query(o.t.Context(), table.Query{Partition: "import/" + strings.TrimPrefix(path, "/roster/imports/")})
	o.must(err)
	return len(page.Items)
}

// TestTurnCutOff: half a turn can be finished, or undone, as long as a whole one could be
// undone; the pages say that it is there, and no other begins meanwhile.
func TestTurnCutOff(t *testing.T) {
	for name, tt := range map[string]struct {
		do       string
		children int
		says     string
		counts   imports.Counts // of both halves
	}{
		"and finished": {"/confirm", 2, "名簿が新しい年度になりました", imports.Counts{Added: 1, Changed: 1, Left: 3}},
		"and undone":   {"/undo", 4, "更新を取り消しました", imports.Counts{Added: 1, Changed: 1, Left: 3, Back: 1}},
	} {
		t.Run(name, func(t *testing.T) {
			o := newOffice(t)
			o.load(turnRoster)
			k, importer := o.withQueue()
			path := o.cutOff(o.signIn(), k, importer)
			o.pass(2 * imports.Life)
			c := o.signIn()
			o.holds(o.visit(c, "/roster"), "まだ終わっていません", path)
			o.holds(o.visit(c, "/roster/turn"), "まだ終わっていません", path)
			o.holds(o.visit(c, path), "続きから取り込む", path+"/undo")
			other, seen := o.turned(c)
			a := o.submit(c, other+"/confirm", url.Values{"seen": {seen}, "sure": {"1"}})
			if a.StatusCode != http.StatusConflict || !strings.Contains(a.body, "続きを実行するか、取り消して") {
				t.Errorf("another turn: status %d", a.StatusCode)
			}
			if a := o.submit(c, path+tt.do, nil); a.StatusCode != http.StatusSeeOther {
				t.Fatalf("status %d: %.300s", a.StatusCode, a.body)
			}
			if failed := o.handle(t.Context(), importer, k.messages...); failed > 0 || o.children() != tt.children {
				t.Fatalf("%d failed, %d children", failed, o.children())
			}
			o.holds(o.visit(c, path), tt.says)
			in, err := importer.Get(t.Context(), o.me.School, strings.TrimPrefix(path, "/roster/imports/"))
			o.must(err)
			if diff := cmp.Diff(tt.counts, in.Counts); diff != "" {
				t.Errorf("counts (-want +got):\n%s", diff)
			}
			if n := o.pieces(path); n > 0 {
				t.Errorf("%d pieces of the list are kept", n)
			}
			if a := o.visit(c, "/roster/turn"); strings.Contains(a.body, "まだ終わっていません") {
				t.Error("it still counts as open")
			}
		})
	}
}

// TestTurnCutOffTooLong: when the time is over the turn can neither go on nor be undone,
// and keeps no other from beginning.
func TestTurnCutOffTooLong(t *testing.T) {
	o := newOffice(t)
	o.load(turnRoster)
	k, importer := o.withQueue()
	path := o.cutOff(o.signIn(), k, importer)
	o.pass(turnKeep * day)
	c := o.signIn()
	o.holds(o.visit(c, path), "もう一度ファイルを選んで")
	if a := o.submit(c, path+"/undo", nil); a.StatusCode != http.StatusGone {
		t.Errorf("status %d", a.StatusCode)
	}
	if n := o.pieces(path); n > 0 {
		t.Errorf("%d pieces of the list are kept", n)
	}
	if a := o.visit(c, "/roster/turn"); strings.Contains(a.body, "まだ終わっていません") {
		t.Error("it counts as open")
	}
}
