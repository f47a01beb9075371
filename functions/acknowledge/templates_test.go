package acknowledge

import (
	"testing"

	"github.com/todoku/todoku/shared/web"
	"github.com/todoku/todoku/shared/web/webtest"
)

func TestTemplates(t *testing.T) {
	webtest.Templates(t, templates, map[string]web.Data{
		"answer.html":  &alertPage{},
		"read.html":    &alertPage{},
		"ended.html":   &alertPage{},
		"unknown.html": &unknownPage{},
	})
}
