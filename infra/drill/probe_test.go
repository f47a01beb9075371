package drill

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// connects are the files that may open a connection, and to whom. No address that a
// stranger enters is among them: of a mail's domain DNS is asked and nothing more, so
// that no record in DNS leads this program to a machine of the inside.
var connects = map[string]string{
	"shared/mail/smtp/config.go":       "the operator's own relay, by its flag",
	"infra/local/machine/control.go":   "a socket in the data folder",
	"functions/wire/resolver_drill.go": "the DNS of drills; not in what is deployed",
	"functions/console/openid.go":      "the issuer that the operator named",
	"shared/proof/http.go":             "the own pages, and the dead man's switch that the operator named",
	"shared/doctor/":                   "the own pages and the operator's own relay",
	"infra/command/doctor.go":          "the DNS server of the flag",
	"shared/mailhost/dnstest/":         "test support",
	"shared/web/webtest/":              "test support",
}

// dials are what opens a connection.
var dials = map[string][]string{
	"net":  {"Dial", "DialTimeout", "DialTCP", "DialUDP", "DialUnix", "DialIP", "Dialer"},
	"tls":  {"Dial", "DialWithDialer", "Dialer"},
	"http": {"Get", "Post", "PostForm", "Head", "Client", "DefaultClient", "Transport", "DefaultTransport"},
	"smtp": {"Dial", "SendMail"},
}

// TestWhoMayConnect looks through the program for whatever opens a connection.
func TestWhoMayConnect(t *testing.T) {
	seen := map[string]bool{}
	walkSource(t, ".go", func(name, text string) {
		if strings.HasSuffix(name, "_test.go") {
			return
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, text, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(f, func(n ast.Node) bool {
			sel, ok := n.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			pkg, ok := sel.X.(*ast.Ident)
			if ok && pkg.Obj == nil && slices.Contains(dials[pkg.Name], sel.Sel.Name) {
				if who := mayConnect(name); who == "" {
					t.Errorf("%s uses %s.%s: to whom does it connect, and who says so?", name, pkg.Name, sel.Sel.Name)
				} else {
					seen[who] = true
				}
			}
			return true
		})
	}, "functions", "shared", "infra/local", "infra/command")
	for who := range connects {
		if !seen[who] && !strings.Contains(who, "webtest") {
			t.Errorf("%s no longer connects to anybody", who)
		}
	}
}

func mayConnect(name string) string {
	for who := range connects {
		if strings.HasPrefix(name, who) {
			return who
		}
	}
	return ""
}

// runsInPage is what a policy without unsafe-inline and unsafe-eval forbids.
var runsInPage = regexp.MustCompile(`(?i)<script(?:\s+[^>]*)?>[^<\s]|<style|\sstyle\s*=|\son[a-z]+\s*=\s*["']|javascript:|<iframe|<object|<embed|srcdoc=`)

// scriptWithoutFile finds scripts that are not from a file.
var scriptWithoutFile = regexp.MustCompile(`(?i)<script(?:\s+(?:defer|async))*\s*>`)

// evals is what a policy without unsafe-eval forbids in scripts.
var evals = regexp.MustCompile(`\beval\(|new Function\(|setTimeout\(\s*["'\x60]|innerHTML|outerHTML|document\.write|insertAdjacentHTML`)

// TestNothingRunsInPages looks through every template and script.
func TestNothingRunsInPages(t *testing.T) {
	n := 0
	walkSource(t, ".html", func(name, text string) {
		n++
		for _, found := range append(runsInPage.FindAllString(text, -1), scriptWithoutFile.FindAllString(text, -1)...) {
			t.Errorf("%s holds %q", name, found)
		}
	}, "functions", "shared", "infra/local", "infra/command")
	walkSource(t, ".js", func(name, text string) {
		n++
		for _, found := range evals.FindAllString(text, -1) {
			t.Errorf("%s holds %q", name, found)
		}
	}, "shared/web/static")
	if n < 20 {
		t.Errorf("%d files were looked at", n)
	}
	for _, bad := range []string{"<script>x", `<p onclick="x">`, `<p style="x">`, `<a href="javascript:x">`} {
		if !runsInPage.MatchString(bad) {
			t.Errorf("%s is not found", bad)
		}
	}
}

// walkSource gives every file of the source with an ending to look.
func walkSource(t *testing.T, ending string, look func(name, text string), folders ...string) {
	t.Helper()
	const root = "../.."
	for _, folder := range folders {
		err := filepath.WalkDir(filepath.Join(root, folder), func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(path, ending) {
				return err
			}
			text, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			name, err := filepath.Rel(root, path)
			look(filepath.ToSlash(name), string(text))
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}
