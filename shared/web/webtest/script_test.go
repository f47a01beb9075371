package webtest

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// echo answers with what it was sent.
func echo(w http.ResponseWriter, r *http.Request) {
	if c, err := r.Cookie("seen"); err == nil {
		w.Header().Set("Seen", c.Value)
	}
	http.SetCookie(w, &http.Cookie{Name: "seen", Value: "yes"})
	_ = r.ParseForm()
	w.Header().Set("X-Form", strings.ToUpper(r.PostForm.Get("a")))
	w.WriteHeader(http.StatusTeapot)
	_, _ = w.Write([]byte("path=" + r.URL.Path + " a=" + r.PostForm.Get("a")))
}

// faults runs a script against echo and returns what did not hold.
func faults(t *testing.T, text string) []string {
	t.Helper()
	steps, err := parse(text)
	if err != nil {
		t.Fatal(err)
	}
	run := runner{client: Client(http.HandlerFunc(echo)), base: "http://todoku.test", vars: map[string]string{}}
	var all []string
	for _, s := range steps {
		all = append(all, run.step(s)...)
	}
	return all
}

func TestScriptHolds(t *testing.T) {
	got := faults(t, `# all kinds of check
POST /x
form a=one\ntwo\x41
code == 418
code != 200
body contains one
body !contains three
body ~ ^path=/x
body !~ ^nothing
header X-Form contains ONE
header Seen ==
capture p body ~ path=(\S+)

GET ${p}/y
header Seen == yes
body contains path=/x/y
body ~ ^path=${p}/y
`)
	if len(got) > 0 {
		t.Errorf("faults: %q", got)
	}
}

func TestScriptFails(t *testing.T) {
	for _, check := range []string{
		"code == 200", "code != 418", "body contains three", "body !contains path",
		"body ~ ^x", "body !~ path", "header Seen == yes", "capture x body ~ nothing(.)", "capture x body ~ path",
	} {
		t.Run(check, func(t *testing.T) {
			if got := faults(t, "GET /x\n"+check); len(got) != 1 || !strings.HasPrefix(got[0], "2: GET /x: ") {
				t.Errorf("faults: %q", got)
			}
		})
	}
}

func TestParseRefuses(t *testing.T) {
	tests := map[string]string{
		"no request":     "code == 200",
		"no check":       "GET /x",
		"unknown word":   "GET /x\nnonsense",
		"bad regexp":     "GET /x\nbody ~ (",
		"bad capture":    "GET /x\ncapture x body == y",
		"bad escape":     `POST /x` + "\n" + `form a=\q` + "\ncode == 200",
		"bad hex":        `POST /x` + "\n" + `form a=\xzz` + "\ncode == 200",
		"open backslash": `POST /x` + "\n" + `form a=\` + "\ncode == 200",
		"form":           "POST /x\nform a\ncode == 200",
		"header":         "POST /x\nheader a\ncode == 200",
	}
	for name, text := range tests {
		t.Run(name, func(t *testing.T) {
			if _, err := parse(text); err == nil {
				t.Error("parse accepts it")
			}
		})
	}
}

func TestUnescape(t *testing.T) {
	got, err := unescape(`a\n\r\t\0\\\xff`)
	if diff := cmp.Diff("a\n\r\t\x00\\\xff", got); diff != "" || err != nil {
		t.Error(diff, err)
	}
}
