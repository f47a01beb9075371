package command

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/todoku/todoku/infra/local/machine"
)

// TestExportImport moves a demo school into another folder, where it is the same.
func TestExportImport(t *testing.T) {
	data, other := t.TempDir(), filepath.Join(t.TempDir(), "new")
	m, err := machine.New(machine.Config{Addr: "127.0.0.1:0", Data: data})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.FoundDemo(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	file, again := filepath.Join(t.TempDir(), "all"), filepath.Join(t.TempDir(), "again")
	var sums []string
	for _, args := range [][]string{
		{"export", "-data", data, file}, {"import", "-data", other, file}, {"export", "-data", other, again},
	} {
		out, err := run(t, args...)
		if err != nil || !strings.Contains(out, "items, digest ") {
			t.Fatalf("%v: %v\n%s", args, err, out)
		}
		sums = append(sums, out)
	}
	if sums[0] != sums[1] || sums[1] != sums[2] {
		t.Errorf("the sums differ:\n%s", strings.Join(sums, ""))
	}
	if left, err := os.ReadDir(other); err != nil || len(left) != 1 {
		t.Errorf("the folder holds %v, %v", left, err)
	}
	stale := t.TempDir() // a database was moved away after the program was killed
	if err := os.WriteFile(filepath.Join(stale, machine.FileName+".journal2"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"import", "-data", stale, file}, {"import", "-data", data, file}, {"export", "-data", data, file}, {"export", "-data", data}} {
		if out, err := run(t, args...); err == nil {
			t.Errorf("%v is not refused: %s", args, out)
		}
	}
	if left, err := os.ReadDir(stale); err != nil || len(left) != 1 {
		t.Errorf("beside a journal: %v, %v", left, err)
	}
}
