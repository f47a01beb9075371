package drill

import (
	"context"
	"fmt"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/todoku/todoku/infra/local/machine"
	"github.com/todoku/todoku/shared/audit"
	"github.com/todoku/todoku/shared/table"
)

// auditTrail: what the manager did stands in the audit log, on the next day, too,
// when the clock has sealed it.
func auditTrail(d *Drill) {
	pupils := d.class(4)
	id := d.Send(Alert{Subject: "一通目の連絡"})
	d.Arrive("一通目の連絡", Addresses(pupils...)...)
	d.Settle(id)
	d.Manager.Open("/alerts/"+id+"/help").Says(http.StatusOK, "")
	d.Manager.Open("/alerts/"+id+"/close").Form("/alerts/"+id+"/close").Press("").Says(http.StatusOK, "")
	seen := func() {
		p := d.Manager.Open("/audit?from=2026-04-06&to=2026-04-06").Says(http.StatusOK, "連続していることを確認しました")
		for _, want := range []string{"サインイン", "名簿の変更", "連絡の送信", "一通目の連絡", "個人情報の一覧の閲覧", "連絡の終了", manager.Name} {
			p.Says(http.StatusOK, want)
		}
	}
	seen()
	d.Settle(id)
	d.Advance(11 * time.Hour) // within the session's idle time
	d.Manager.Open("/").Says(http.StatusOK, "")
	d.Advance(8 * time.Hour)
	if err := d.Tick(); err != nil {
		d.Error(err)
	}
	seen()
}

// TestVerifyAudit runs the operator's command on a folder.
func TestVerifyAudit(t *testing.T) {
	program := build(t)
	data := filepath.Join(t.TempDir(), "data")
	m, err := machine.New(machine.Config{Addr: "127.0.0.1:0", Data: data})
	if err != nil {
		t.Fatal(err)
	}
	_, err = load(t.Context(), m, 0)
	if err != nil {
		t.Fatal(err)
	}
	schools, err := m.Roster.Schools(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var entries [3]audit.Entry
	for i := range entries {
		entries[i], err = m.Audit.Add(t.Context(), audit.Entry{School: schools[0].ID, Kind: audit.Send, Staff: "somebody", Via: "session"})
		if err != nil {
			t.Fatal(err)
		}
	}
	verify := func(language, want string, fails bool) {
		t.Helper()
		if err := m.Close(); err != nil {
			t.Fatal(err)
		}
		out, err := exec.Command(program, "verify-audit", "-data", data, "-lang", language).CombinedOutput()
		if !strings.Contains(string(out), want) || (err != nil) != fails {
			t.Errorf("%v, printed\n%s\nwant %q", err, out, want)
		}
		if m, err = machine.New(machine.Config{Addr: "127.0.0.1:0", Data: data}); err != nil {
			t.Fatal(err)
		}
	}
	verify("en", ": 3 entries, 0 days sealed", false)
	verify("ja", "：記録3件、封印0日分", false)
	if err := tamper(t.Context(), m.Table, entries[1]); err != nil {
		t.Fatal(err)
	}
	verify("en", "what was between is gone", true)
	verify("ja", "間の記録がありません", true)
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
}

// tamper removes an entry, as somebody with the database could.
func tamper(ctx context.Context, t table.Table, e audit.Entry) error {
	key := table.Key{Partition: "audit/" + e.School + "/" + e.Day, Sort: fmt.Sprintf("%d/%010d", e.Strand, e.Seq)}
	return t.Write(ctx, "", table.Delete{Key: key, Revision: 1})
}
