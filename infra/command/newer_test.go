package command

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/todoku/todoku/infra/local/machine"
	"github.com/todoku/todoku/shared/format"
)

// TestNewer starts on a folder that a version to come has written to.
func TestNewer(t *testing.T) {
	data := t.TempDir()
	m, err := machine.New(machine.Config{Addr: "127.0.0.1:0", Data: data})
	if err != nil {
		t.Fatal(err)
	}
	_, err = m.FoundDemo(t.Context())
	mark, revision, readErr := format.Read(t.Context(), m.Table)
	if want := (format.Mark{Is: format.Now, To: format.Now}); mark != want {
		t.Errorf("a new folder is marked %+v, want %+v", mark, want)
	}
	put := format.Put(t.Context(), m.Table, format.Mark{Is: format.Now, To: format.Now + 1}, revision)
	if err := errors.Join(err, readErr, put, m.Close()); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{"run", "-data", data, "-addr", "127.0.0.1:0", "-demo"}, {"migrate", "-data", data},
		{"export", "-data", data, filepath.Join(t.TempDir(), "f")},
	} {
		out, err := run(t, args...)
		if err == nil || !strings.Contains(err.Error(), "written by a newer Todoku") {
			t.Errorf("%v: %v\n%s", args, err, out)
		}
	}
}
