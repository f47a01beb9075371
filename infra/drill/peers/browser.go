package peers

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// axeVersion is pinned: another version finds other things.
const axeVersion = "4.14.1"

// AxeCore returns the script of axe-core (https://www.npmjs.com/package/axe-core),
// which looks for what keeps people from using a page.
func AxeCore(t testing.TB) (script string) {
	t.Helper()
	dir, err := install(t.Context(), "axe-core", axeVersion)
	if err != nil {
		absent(t, "axe-core", err)
	}
	b, err := os.ReadFile(filepath.Join(dir, "node_modules", "axe-core", "axe.min.js"))
	if err != nil {
		absent(t, "axe-core", err)
	}
	return string(b)
}

// Chromium returns the path of a browser with which pages are tried out.
func Chromium(t testing.TB) (path string) {
	t.Helper()
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "google-chrome-stable"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	absent(t, "Chromium", errors.New("no chromium or google-chrome on this machine; apt-get install chromium fonts-noto-cjk"))
	return ""
}
