package browser

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// TestChecksSee shows the checks pages with one fault each: a check that finds
// nothing there would find nothing anywhere.
func TestChecksSee(t *testing.T) {
	t.Parallel()
	axe := axeScript(t)
	tests := []struct {
		name, html string
		find       string
	}{
		{"no fault", `<p>a</p>`, ""},
		{"inline script", `<script>document.title = "a"</script>`, "Content Security Policy"},
		{"another host", `<img alt="" src="http://localhost:1/a.png">`, "it asked another host: localhost:1"},
		{"too heavy", `<p hidden>` + strings.Repeat("a ", maxPage/2) + `</p>`, "came over the line"},
		{"error of a script", `<script src="/bad.js"></script>`, "exception"},
		{"too wide", `<p style="width: 30rem">a</p>`, "pixels wide"},
		{"text out of the screen", `<p style="position: absolute; right: 0; left: -3rem">a</p>`, "text outside"},
		{"text cut off", `<p style="overflow: hidden; height: 1rem; line-height: 3">a</p>`, "text is cut off"},
		{"only large text cut off", `<p style="overflow: hidden; height: 24px">a</p>`, "text is cut off"},
		{"small target", `<ul><li><a href="/">a</a></li></ul>`, "a target of"},
		{"link in a sentence", `<p>so <a href="/" style="color: #0000c0">a</a> it</p>`, ""},
		{"low contrast", `<p style="color: #ccc">some words</p>`, "color-contrast"},
		{"no name", `<button style="width: 44px; height: 44px"></button>`, "button-name"},
	}
	bodies := map[string]string{}
	server := httptest.NewServer(faulty(bodies))
	defer server.Close()
	for i, test := range tests {
		bodies[fmt.Sprint("/", i)] = test.html
	}
	b := newPerson(t, server.URL, phone)
	for i, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			b.TB = t
			b.goTo(fmt.Sprint("/", i))
			found := b.faults(axe)
			if test.find == "" && len(found) > 0 {
				t.Errorf("found %q", found)
			}
			if !strings.Contains(strings.Join(found, "\n"), test.find) {
				t.Errorf("found %q, not %q", found, test.find)
			}
		})
	}
}

// faulty serves pages that are in order but for what is in their bodies.
func faulty(bodies map[string]string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/bad.js" {
			w.Header().Set("Content-Type", "text/javascript")
			_, _ = fmt.Fprint(w, "throw new Error('a')")
			return
		}
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Header().Set("Content-Security-Policy", "default-src 'self'; img-src * data:; style-src 'unsafe-inline'")
		_, _ = fmt.Fprintf(w, `<!DOCTYPE html><html lang="en"><head><title>a</title><link rel="icon" href="data:,">
<meta name="viewport" content="width=device-width, initial-scale=1"><style>p { margin: 0 }</style></head>
<body><main><h1>a</h1>%s</main></body></html>`, bodies[r.URL.Path])
	})
}
