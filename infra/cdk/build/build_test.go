package main

import (
	"archive/zip"
	"bytes"
	"debug/elf"
	"os"
	"path/filepath"
	"testing"

	"github.com/todoku/todoku/infra/cdk/plan"
)

// root is the source tree that the tests are part of.
const root = "../../.."

// maxZip is the most that a program may have as a ZIP file: what Lambda loads
// before a cold start.
const maxZip = 10 << 20

// tree makes a source tree with one function, tick, whose program is testdata.
func tree(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for from, to := range map[string]string{
		root + "/go.mod":   "go.mod",
		root + "/go.sum":   "go.sum",
		"testdata/main.go": "functions/tick/lambda/main.go",
	} {
		text, err := os.ReadFile(from)
		must(t, err)
		write(t, filepath.Join(dir, to), text)
	}
	write(t, filepath.Join(dir, "cdk.json"), []byte("{}"))
	return dir
}

func write(t *testing.T, file string, text []byte) {
	t.Helper()
	must(t, os.MkdirAll(filepath.Dir(file), 0o755))
	must(t, os.WriteFile(file, text, 0o644))
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestSameBytes builds the same source in two folders.
func TestSameBytes(t *testing.T) {
	var programs [2][]byte
	for i := range programs {
		dir := tree(t)
		must(t, run(t.Context(), dir, target{}))
		var err error
		programs[i], err = os.ReadFile(filepath.Join(dir, "build/tick/bootstrap"))
		must(t, err)
		if bytes.Contains(programs[i], []byte(dir)) {
			t.Errorf("the program holds the path of the folder that it was built in")
		}
	}
	if !bytes.Equal(programs[0], programs[1]) {
		t.Error("two folders with the same source give different programs")
	}
}

func TestRunRemovesWhatIsGone(t *testing.T) {
	dir := tree(t)
	old := filepath.Join(dir, "build/gone/bootstrap")
	write(t, old, nil)
	must(t, run(t.Context(), dir, target{}))
	if _, err := os.Stat(old); !os.IsNotExist(err) {
		t.Errorf("the program of a function that is gone is still there (%v)", err)
	}
}

func TestRunSaysWhere(t *testing.T) {
	if err := run(t.Context(), t.TempDir(), target{}); err == nil {
		t.Error("built something in an empty folder")
	}
}

// TestFunctions builds the functions of this source tree.
func TestFunctions(t *testing.T) {
	for _, f := range plan.Present(root) {
		t.Run(f.Name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "bootstrap")
			must(t, target{}.withDefaults().build(t.Context(), root, f.Name, file))
			checkPlatform(t, file)
			if n := zipped(t, file); n > maxZip {
				t.Errorf("%d bytes zipped, more than %d", n, maxZip)
			} else {
				t.Logf("%.1f MB zipped", float64(n)/(1<<20))
			}
		})
	}
}

// checkPlatform checks that a program runs on Lambda's arm64 without any library.
func checkPlatform(t *testing.T, file string) {
	t.Helper()
	e, err := elf.Open(file)
	must(t, err)
	defer e.Close()
	if e.Machine != elf.EM_AARCH64 {
		t.Errorf("built for %s, want arm64", e.Machine)
	}
	if libraries, _ := e.ImportedLibraries(); len(libraries) > 0 {
		t.Errorf("needs libraries: %v", libraries)
	}
}

func zipped(t *testing.T, file string) int {
	t.Helper()
	program, err := os.ReadFile(file)
	must(t, err)
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	w, err := z.Create("bootstrap")
	must(t, err)
	_, err = w.Write(program)
	must(t, err)
	must(t, z.Close())
	return b.Len()
}
