//go:build shots

package mailhelp

import (
	"flag"
	"testing"

	"github.com/todoku/todoku/shared/web/webtest/shot"
)

var shots = flag.String("shots", "shots", "folder for the pictures")

// TestShots takes pictures of the pages:
//
//	go test -tags shots -run TestShots ./functions/registration/mailhelp -shots /tmp/shots
func TestShots(t *testing.T) {
	h := newHandler(t, hibari)
	_, english := get(t, h, Path+"/docomo?lang=en")
	pages := []shot.Page{{Name: "list", Path: Path}, {Name: "docomo-english", Path: "/shot/en", HTML: english}}
	for _, o := range operators {
		pages = append(pages, shot.Page{Name: o.Slug, Path: Path + "/" + o.Slug})
	}
	shot.Take(t, h, *shots, nil, pages)
}
