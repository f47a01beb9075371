package webtest

import (
	"io/fs"
	"path"
	"strings"
	"testing"

	"github.com/jba/templatecheck"
	"github.com/todoku/todoku/shared/web"
)

// Templates checks every page against the type of its data: a field or method
// that does not exist, or with other arguments, is found without a page being
// shown. data holds the data of each page by file name; a page without data, and
// data without a page, fail.
func Templates(t *testing.T, pages fs.FS, data map[string]web.Data) {
	t.Helper()
	all, err := web.ParseTemplates(pages)
	if err != nil {
		t.Fatal(err)
	}
	for name := range data {
		if all[name] == nil {
			t.Errorf("there is no page %s", name)
		}
	}
	files, err := fs.Glob(pages, "templates/*.html")
	if err != nil || len(files) == 0 {
		t.Fatalf("there are no pages: %v", err)
	}
	for _, file := range files {
		name := path.Base(file)
		if strings.HasPrefix(name, "_") {
			continue
		}
		t.Run(name, func(t *testing.T) {
			if data[name] == nil {
				t.Fatal("no data is given for this page")
			}
			if err := templatecheck.CheckHTML(all[name].Lookup("layout"), data[name]); err != nil {
				t.Error(err)
			}
		})
	}
}
