package console

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/todoku/todoku/shared/alert"
	"github.com/todoku/todoku/shared/audit"
	"github.com/todoku/todoku/shared/staff"
	"github.com/todoku/todoku/shared/table"
)

// recorded returns what is in the log of today, oldest first, as "kind what failed".
func (o *office) recorded() []string {
	o.t.Helper()
	entries, err := o.server.Audit.Day(o.t.Context(), o.me.School, o.clock().Format("2006-01-02"))
	o.must(err)
	var out []string
	for _, e := range entries {
		out = append(out, strings.TrimSpace(fmt.Sprintf("%s %s %s", e.Kind, e.What, e.Failed)))
		if e.Staff != o.me.ID || e.Name != o.me.Name || e.Role != string(o.me.Role) {
			o.t.Errorf("%s was done by %s %q", e.Kind, e.Staff, e.Name)
		}
	}
	return out
}

// TestRosterIsRecorded: an import and a turn of the year are told apart by what they do.
func TestRosterIsRecorded(t *testing.T) {
	o := newOffice(t)
	c := o.signIn()
	o.begun(c, turnRoster)
	o.pass(time.Second)
	path, seen := o.turned(c)
	o.submit(c, path+"/confirm", url.Values{"seen": {seen}, "sure": {"1"}})
	o.pass(time.Second)
	o.submit(c, path+"/undo", nil)
	entries, err := o.server.Audit.Day(t.Context(), o.me.School, o.clock().Format("2006-01-02"))
	o.must(err)
	var said []string
	for _, e := range entries {
		if e.Kind == audit.RosterChange {
			said = append(said, e.Said+e.Failed)
		}
	}
	want := []string{"名簿の取り込み / 追加4人 / 変更0人", "年度の更新 / 全2人 / 名簿から外れた人3人", "年度の更新の取り消し"}
	if diff := cmp.Diff(want, said); diff != "" {
		t.Error(diff)
	}
}

// TestAudit does what is to be recorded, by page and by API.
func TestAudit(t *testing.T) {
	o := newOffice(t)
	o.load(smallRoster)
	o.pass(time.Second)
	c := o.signIn()
	step := func() { o.pass(time.Second) }
	step()
	sent := o.alert(func(d *alert.Draft) { d.Undo = alert.UndoWindow }, false)
	step()
	o.submit(c, "/alerts/"+sent.ID+"/undo", nil)
	step()
	second := o.alert(nil, true)
	class := "/alerts/" + second.ID + "/classes/" + o.group("1年1組")
	for range 3 { // a page that loads itself anew
		step()
		o.visit(c, class)
	}
	step()
	o.visit(c, "/alerts/"+second.ID+"/children.csv")
	step()
	o.visit(c, "/roster/export.csv")
	step()
	o.ok(200, nil, "GET", "/alerts/"+second.ID+"/children", "")
	step()
	o.ok(200, nil, "POST", "/alerts/"+second.ID+"/close", "")
	step()
	if a := o.submit(c, "/alerts/"+second.ID+"/undo", nil); a.StatusCode != http.StatusConflict {
		t.Errorf("undoing too late: status %d", a.StatusCode)
	}
	step()
	o.submit(c, "/sign-out", nil)
	want := []string{
		"roster-change", "sign-in", "send " + sent.ID, "undo " + sent.ID, "send " + second.ID, "view " + class,
		"alert-export " + second.ID, "roster-export", "view /alerts/" + second.ID + "/children",
		"close " + second.ID, "undo " + second.ID, "undo " + second.ID + " conflict", "sign-out",
	}
	if got := o.recorded(); !slices.Equal(got, want) {
		t.Errorf("recorded\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if r, err := o.server.Audit.Verify(t.Context(), "s1"); err != nil || len(r.Faults) > 0 {
		t.Errorf("faults %v, %v", r.Faults, err)
	}
}

// TestNothingUnrecorded: if the log cannot be written, nothing is done.
func TestNothingUnrecorded(t *testing.T) {
	o := newOffice(t)
	o.load(smallRoster)
	a := o.alert(nil, true)
	o.server.Audit.Table = refusing{o.table}
	for _, path := range []string{"/alerts/" + a.ID + "/close", "/alerts/" + a.ID + "/children"} {
		method := map[bool]string{true: "POST", false: "GET"}[strings.HasSuffix(path, "close")]
		if res := o.api(method, path, ""); res.StatusCode != http.StatusServiceUnavailable || strings.Contains(res.body, "見本 一郎") {
			t.Errorf("%s: status %d", path, res.StatusCode)
		}
	}
	_, err := o.server.Send(t.Context(), o.me, alert.Draft{School: "s1", Kind: alert.Notice, Subject: "x", Body: "y", All: true, UsefulUntil: o.clock().Add(time.Hour)}, "")
	if err == nil {
		t.Error("an alert was sent unrecorded")
	}
	al, err := o.server.Alerts.Alert(t.Context(), a.ID)
	o.must(err)
	all, _, err := o.server.Alerts.List(t.Context(), "s1", "", 10)
	o.must(err)
	if al.Ending != "" || len(all) != 1 {
		t.Errorf("the alert ended as %q, and there are %d", al.Ending, len(all))
	}
}

// refusing is a table that takes nothing.
type refusing struct{ *switched }

func (r refusing) Write(context.Context, string, ...table.Op) error { return table.ErrBusy }

func TestAuditPage(t *testing.T) {
	o := newOffice(t)
	o.load(smallRoster)
	c := o.signIn()
	a := o.alert(func(d *alert.Draft) { d.Subject = "大雨のお迎え" }, true)
	o.alert(func(d *alert.Draft) { d.Subject = "=cmd|' /C calc'!A0" }, false)
	for _, tt := range []struct {
		name, query string
		status      int
		has, hasNot string
	}{
		{"all", "", 200, "大雨のお迎え", "書き換えられた可能性"},
		{"whole", "", 200, "連続していることを確認", "書き換えられた可能性"},
		{"by words", "q=" + url.QueryEscape("山田 大雨"), 200, "大雨のお迎え", "calc"},
		{"by id", "q=" + a.ID, 200, "大雨のお迎え", "calc"},
		{"by kind", "kind=sign-in", 200, "サインイン", "大雨のお迎え"},
		{"by which way", "kind=sign-in&lang=en", 200, "<p>by a link</p>", "<p>link</p>"},
		{"an earlier day", "from=2026-04-01&to=2026-04-05&lang=ja", 200, "この期間の記録はありません", "大雨"},
		{"the day in Japan", "from=2026-04-06&to=2026-04-06", 200, "大雨のお迎え", "calc2"},
		{"no day", "from=yesterday&to=2026-04-06", 422, "2026-04-06」の形で", "大雨"},
		{"too long", "from=2026-01-01&to=2026-04-06", 422, "31日以内", "大雨"},
		{"backwards", "from=2026-04-06&to=2026-04-01", 422, "始まりの日より前", "大雨"},
		{"hostile", "q=%3Cscript%3E&kind=%00&from=%E2%80%AE", 422, "の形で", "<script>"},
		{"in English", "lang=en", 200, "Sent an alert", "連絡の送信"},
		{"roles in English", "lang=en", 200, "山田 花子 (Manager)", "（"},
	} {
		res := o.visit(c, "/audit?"+tt.query)
		if res.StatusCode != tt.status || !strings.Contains(res.body, tt.has) || strings.Contains(res.body, tt.hasNot) {
			t.Errorf("%s: status %d; has %q: %v; has %q: %v", tt.name, res.StatusCode,
				tt.has, strings.Contains(res.body, tt.has), tt.hasNot, strings.Contains(res.body, tt.hasNot))
		}
	}
	file := o.visit(c, "/audit.csv?from=2026-04-06&to=2026-04-06")
	if file.StatusCode != 200 || !strings.Contains(file.body, "大雨のお迎え") || strings.Contains(file.body, "\r\n=") || strings.Contains(file.body, ",=") {
		t.Errorf("as a file: status %d\n%s", file.StatusCode, file.body)
	}
	if got := o.recorded(); !slices.Contains(got, "audit-export") {
		t.Errorf("the export is not recorded: %v", got)
	}
}

// TestAuditIsForManagers of the very school.
func TestAuditIsForManagers(t *testing.T) {
	o := newOffice(t)
	o.load(smallRoster)
	o.alert(func(d *alert.Draft) { d.Subject = "秘密の件名" }, false)
	other, _ := o.person("s2", staff.Manager)
	teacher, _ := o.person("s1", staff.Teacher, o.group("1年1組"))
	viewer, _ := o.person("s1", staff.Viewer)
	for _, path := range []string{"/audit", "/audit.csv"} {
		if a := o.visit(other, path); a.StatusCode != 200 || strings.Contains(a.body, "秘密の件名") {
			t.Errorf("%s by another school's manager: status %d", path, a.StatusCode)
		}
		for name, c := range map[string]*http.Client{"a teacher": teacher, "a viewer": viewer} {
			if a := o.visit(c, path); a.StatusCode != http.StatusForbidden || strings.Contains(a.body, "秘密の件名") {
				t.Errorf("%s by %s: status %d", path, name, a.StatusCode)
			}
		}
	}
}

func TestAuditPageTellsOfTampering(t *testing.T) {
	o := newOffice(t)
	c := o.signIn()
	entries, err := o.server.Audit.Day(t.Context(), "s1", "2026-04-06")
	o.must(err)
	e := entries[0]
	key := table.Key{Partition: "audit/s1/" + e.Day, Sort: fmt.Sprintf("%d/%010d", e.Strand, e.Seq)}
	o.must(o.table.Write(t.Context(), "", table.Replace{Key: key, Revision: 1, Value: []byte(`{"school":"s1"}`)}))
	if a := o.visit(c, "/audit"); !strings.Contains(a.body, "書き換えられた可能性") {
		t.Error("the page says nothing")
	}
}

func TestAuditNamesAllKinds(t *testing.T) {
	for _, k := range audit.Kinds {
		if auditNames[k].JA == "" || auditNames[k].EN == "" {
			t.Errorf("%s has no name", k)
		}
	}
}
