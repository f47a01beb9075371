package web_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
	"github.com/todoku/todoku/shared/problem"
	"github.com/todoku/todoku/shared/table"
	"github.com/todoku/todoku/shared/web"
	"github.com/todoku/todoku/shared/web/webtest"
)

const testPage = `{{define "title"}}{{.T "題" "Title"}}{{end}}{{define "main"}}<h1>{{.T "題" "Title"}}</h1>
<form id="f" method="post">{{template "wrong" (.Wrong "a")}}<input id="a" name="a" value="{{.A}}"></form>{{end}}`

const brokenPage = `{{define "title"}}x{{end}}{{define "main"}}<p>half a page {{index .List 3}}</p>{{end}}`

type testData struct {
	web.Base
	A    string
	List []string
}

// newSite returns a site with one route for each behaviour, and its log.
func newSite(t *testing.T) (http.Handler, *bytes.Buffer) {
	t.Helper()
	var log bytes.Buffer
	site, err := web.New(web.Config{
		Pages:  fstest.MapFS{"templates/page.html": {Data: []byte(testPage)}, "templates/broken.html": {Data: []byte(brokenPage)}},
		Log:    slog.New(slog.NewTextHandler(&log, nil)),
		School: web.School{Name: "ひばり小学校", Phone: "03-0000-0000"},
	})
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("GET /page", site.Handle(func(*http.Request) (web.Response, error) {
		return web.Page{Template: "page.html", Data: &testData{}}, nil
	}))
	mux.Handle("POST /page", site.Handle(postPage))
	mux.Handle("GET /fails/{how}", site.Handle(fail))
	mux.Handle("GET /api/v1/fails/{how}", site.Handle(fail))
	mux.Handle("GET /cut", site.Handle(func(*http.Request) (web.Response, error) {
		return web.Download{Name: "一覧.csv", Type: "text/csv", Write: func(w io.Writer) error {
			_, _ = io.WriteString(w, "first line\n")
			return errors.New("disk on fire")
		}}, nil
	}))
	return site.Root(mux), &log
}

func postPage(r *http.Request) (web.Response, error) {
	form, err := web.ReadForm(r)
	if err != nil {
		return nil, err
	}
	d := &testData{A: form.Get("a")}
	d.Problems = form.Wrong
	if how := form.Get("how"); how != "" {
		d.Problems = problem.List{problem.New(problem.Kind(how), "日本語の文", "English sentence").In("a")}
	}
	d.Resubmit = web.Resubmit{Form: "f", Action: "/page"}
	page := web.Page{Template: "page.html", Data: d}
	if form.Get("asks") != "" {
		page.Status = http.StatusOK
	}
	return page, nil
}

func fail(r *http.Request) (web.Response, error) {
	switch r.PathValue("how") {
	case "plain":
		return nil, errors.New("secret detail")
	case "busy":
		return nil, fmt.Errorf("write: %w", table.ErrBusy)
	case "panic":
		panic("out of cheese")
	case "template":
		return web.Page{Template: "broken.html", Data: &testData{}}, nil
	case "list":
		return nil, problem.List{
			problem.New(problem.Invalid, "件名を入力", "Enter a subject").In("subject"),
			problem.New(problem.Invalid, "本文を入力", "Enter a text").In("body"),
		}
	}
	return nil, problem.New(problem.Kind(r.PathValue("how")), "日本語の文", "English sentence")
}

func TestSite(t *testing.T) {
	h, _ := newSite(t)
	webtest.Files(t, func() *http.Client { return webtest.Client(h) }, "http://todoku.test", "testdata/*.txt", nil)
}

func TestStatusOfEveryKind(t *testing.T) {
	h, _ := newSite(t)
	tests := map[string]int{
		"invalid": 422, "unauthorized": 401, "forbidden": 403, "not-found": 404, "conflict": 409,
		"gone": 410, "too-large": 413, "too-many": 429, "busy": 503, "internal": 500, "plain": 500,
		"panic": 500, "template": 500, "list": 422, "unheard-of": 500,
	}
	for how, want := range tests {
		for _, path := range []string{"/fails/", "/api/v1/fails/"} {
			t.Run(path+how, func(t *testing.T) {
				w := httptest.NewRecorder()
				h.ServeHTTP(w, httptest.NewRequest("GET", path+how, nil))
				if w.Code != want {
					t.Errorf("status %d, want %d", w.Code, want)
				}
				if strings.Contains(w.Body.String(), "secret") || strings.Contains(w.Body.String(), "half a page") {
					t.Errorf("the answer shows what it must not:\n%s", w.Body)
				}
			})
		}
	}
}

func TestLogOfFailures(t *testing.T) {
	tests := []struct{ path, level, route string }{
		{"/fails/plain", "ERROR", `"GET /fails/{how}"`},
		{"/fails/busy", "WARN", `"GET /fails/{how}"`},
		{"/fails/invalid", "INFO", `"GET /fails/{how}"`},
		{"/fails/panic", "ERROR", "out of cheese"},
		{"/secret-token", "INFO", `route=""`},
	}
	for _, tt := range tests {
		t.Run(tt.path, func(t *testing.T) {
			h, log := newSite(t)
			h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", tt.path+"?name=hanako", nil))
			line := log.String()
			if strings.Count(line, "\n") != 1 || !strings.Contains(line, "level="+tt.level) || !strings.Contains(line, tt.route) {
				t.Errorf("want one line of level %s with %s, have %q", tt.level, tt.route, line)
			}
			if strings.Contains(line, "hanako") || strings.Contains(line, "secret-token") {
				t.Errorf("the log holds an address: %q", line)
			}
		})
	}
}

func TestProblemDocument(t *testing.T) {
	h, _ := newSite(t)
	w := httptest.NewRecorder()
	r := httptest.NewRequest("GET", "/api/v1/fails/list", nil)
	r.Header.Set("Accept-Language", "en")
	h.ServeHTTP(w, r)
	want := `{"type":"about:blank","title":"Check what you entered","status":422,"detail":"Enter a subject",` +
		`"errors":[{"field":"subject","detail":"Enter a subject"},{"field":"body","detail":"Enter a text"}]}` + "\n"
	if diff := cmp.Diff(want, w.Body.String()); diff != "" {
		t.Error(diff)
	}
	if got := w.Header().Get("Content-Type"); got != "application/problem+json" {
		t.Errorf("Content-Type %q", got)
	}
}

func TestBodyTooLarge(t *testing.T) {
	h, _ := newSite(t)
	for name, size := range map[string]int{"at the limit": web.MaxForm - len("a="), "one more": web.MaxForm - len("a=") + 1} {
		t.Run(name, func(t *testing.T) {
			r := httptest.NewRequest("POST", "/page", strings.NewReader("a="+strings.Repeat("x", size)))
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			want := map[string]int{"at the limit": 200, "one more": 413}[name]
			if w.Code != want {
				t.Errorf("status %d, want %d", w.Code, want)
			}
		})
	}
}

// A download that fails half way must not look whole.
func TestDownloadCutOff(t *testing.T) {
	h, log := newSite(t)
	server := httptest.NewServer(h)
	defer server.Close()
	res, err := http.Get(server.URL + "/cut")
	if err != nil {
		return // cut before the head arrived: as good
	}
	defer func() { _ = res.Body.Close() }()
	if body, err := io.ReadAll(res.Body); err == nil {
		t.Errorf("read a whole file: %q", body)
	}
	if !strings.Contains(log.String(), "disk on fire") {
		t.Errorf("the log does not say why: %q", log)
	}
}

func TestParseRefusesIncompletePages(t *testing.T) {
	for name, text := range map[string]string{
		"no title": `{{define "main"}}x{{end}}`,
		"no main":  `{{define "title"}}x{{end}}`,
		"syntax":   `{{define "title"}}`,
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := web.ParseTemplates(fstest.MapFS{"templates/p.html": {Data: []byte(text)}}); err == nil {
				t.Error("it is accepted")
			}
		})
	}
}
