// Package webtest runs text scripts against a site: against a handler in tests,
// against a deployed address after a deploy. A script is a list of requests and
// of what must hold for their answers, apart by empty lines:
//
//	# An empty subject is refused, and the text is kept.
//	POST /alerts/preview
//	header Accept-Language: en
//	form subject=
//	form body=Please collect\nyour children
//	code == 422
//	body contains Enter the subject.
//	body !contains {{
//	header Retry-After ==
//	capture key body ~ name="key" value="([^"]*)"
//
// The first line is method and path. "header NAME: VALUE", "form NAME=VALUE" (in
// which \n, \r, \t, \\, \0 and \xHH stand for bytes) and "body TEXT" make the
// request. A check is code, body or header NAME; then ==, !=, contains,
// !contains, ~ or !~ (a regular expression); then the value. capture keeps the
// first group of a match, for later lines to use as ${NAME}. Cookies are kept from
// one request to the next; redirects are not followed.
package webtest

import (
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// Client returns a client that has h answer, keeps cookies and follows no
// redirect.
func Client(h http.Handler) *http.Client { return NewClient(handlerTransport{h}) }

// NewClient returns a client for scripts over a transport; nil is the network.
func NewClient(t http.RoundTripper) *http.Client {
	jar, err := cookiejar.New(nil)
	if err != nil {
		panic(err) // it has no way to fail without options
	}
	return &http.Client{
		Transport:     t,
		Jar:           jar,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// handlerTransport answers requests by calling a handler.
type handlerTransport struct{ h http.Handler }

func (t handlerTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body == nil {
		r.Body = http.NoBody
	}
	r.RequestURI = r.URL.RequestURI()
	w := httptest.NewRecorder()
	t.h.ServeHTTP(w, r)
	res := w.Result()
	res.Request = r
	return res, nil
}

// Files runs the scripts that match pattern, each as a test of its own with
// cookies of its own. base is the address of the site, without a slash at the
// end; vars are there for the scripts as ${NAME}.
func Files(t *testing.T, client func() *http.Client, base, pattern string, vars map[string]string) {
	t.Helper()
	files, err := filepath.Glob(pattern)
	if err != nil || len(files) == 0 {
		t.Fatalf("no scripts match %s: %v", pattern, err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			Script(t, client(), base, file, string(text), vars)
		})
	}
}

// Script runs one script. name stands before the line numbers of failures.
func Script(t *testing.T, c *http.Client, base, name, text string, vars map[string]string) {
	t.Helper()
	steps, err := parse(text)
	if err != nil {
		t.Fatalf("%s:%v", name, err)
	}
	run := runner{client: c, base: base, vars: map[string]string{}}
	maps.Copy(run.vars, vars)
	for _, s := range steps {
		faults := run.step(s)
		for _, f := range faults {
			t.Errorf("%s:%s", name, f)
		}
	}
}

// runner is one run of a script.
type runner struct {
	client *http.Client
	base   string
	vars   map[string]string
}

// answer is what the checks of a step look at.
type answer struct {
	code   int
	header http.Header
	body   string
}

// step sends a request and returns what did not hold.
func (run *runner) step(s step) []string {
	got, err := run.send(s)
	if err != nil {
		return []string{fmt.Sprintf("%d: %s %s: %v", s.line, s.method, s.path, err)}
	}
	var faults []string
	for _, c := range s.checks {
		if fault := run.fill(c).try(got, run.vars); fault != "" {
			faults = append(faults, fmt.Sprintf("%d: %s %s: %s", c.line, s.method, run.expand(s.path), fault))
		}
	}
	return faults
}

func (run *runner) send(s step) (answer, error) {
	body, form := run.expand(s.body), url.Values{}
	for _, f := range s.form {
		form.Add(run.expand(f[0]), run.expand(f[1]))
	}
	if len(form) > 0 {
		body = form.Encode()
	}
	r, err := http.NewRequest(s.method, run.base+run.expand(s.path), strings.NewReader(body))
	if err != nil {
		return answer{}, err
	}
	if len(form) > 0 {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for _, h := range s.header {
		r.Header.Set(h[0], run.expand(h[1]))
	}
	res, err := run.client.Do(r)
	if err != nil {
		return answer{}, err
	}
	defer func() { _ = res.Body.Close() }()
	read, err := io.ReadAll(res.Body)
	return answer{code: res.StatusCode, header: res.Header, body: string(read)}, err
}

// fill puts captured values into a check; in a regular expression they stand for
// themselves.
func (run *runner) fill(c check) check {
	if c.re == nil {
		c.value = run.expand(c.value)
		return c
	}
	for k, v := range run.vars {
		c.value = strings.ReplaceAll(c.value, "${"+k+"}", regexp.QuoteMeta(v))
	}
	c.re = regexp.MustCompile(c.value) // it compiled without the values, and they are quoted
	return c
}

// expand puts captured values in place of ${NAME}. One that was never captured
// stays as it is, and shows in the failure.
func (run *runner) expand(s string) string {
	for k, v := range run.vars {
		s = strings.ReplaceAll(s, "${"+k+"}", v)
	}
	return s
}
