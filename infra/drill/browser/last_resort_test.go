package browser

import (
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/todoku/todoku/shared/web"
)

// TestLastResort looks at the page that is left when not even an error page can be
// rendered: it names the school and its telephone.
func TestLastResort(t *testing.T) {
	t.Parallel()
	broken := fstest.MapFS{"templates/_broken.html": {Data: []byte(`{{define "summary"}}{{.Nothing}}{{end}}`)}}
	site, err := web.New(web.Config{
		Pages: broken, Log: slog.New(slog.NewTextHandler(io.Discard, nil)), School: web.School{Name: "見本小学校", Phone: "03-0000-0000"},
	})
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/", site.Handle(func(*http.Request) (web.Response, error) { return nil, errors.New("the store is away") }))
	server := httptest.NewServer(site.Root(mux))
	t.Cleanup(server.Close)
	b := newPerson(t, server.URL, phone)
	b.visit(t, stop{name: "the last resort", path: "/", status: http.StatusInternalServerError})
	b.says("問題が発生しました")
	b.says("03-0000-0000")
	for _, f := range b.faults(axeScript(t)) {
		if !strings.Contains(f, "status of 500") { // which is what this is about
			t.Error(f)
		}
	}
}
