package drill

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/todoku/todoku/"

// rule says what some packages must not import. Names are import paths, those of
// this module without its name; a * stands for one element, and what is below a
// name is meant with it.
type rule struct {
	packages []string
	except   []string
	deny     map[string]string // what, and why not
	deep     bool              // nor through other packages of this module
}

var (
	domain = []string{
		"shared/access", "shared/address", "shared/alert", "shared/audience", "shared/audit", "shared/budget", "shared/desk", "shared/docket", "shared/enrol", "shared/id", "shared/judge", "shared/lane", "shared/lang",
		"shared/letter", "shared/link", "shared/mailhost", "shared/memo", "shared/pack", "shared/problem", "shared/qr", "shared/roster", "shared/sendrate", "shared/silence", "shared/staff",
	}
	ports    = []string{"shared/table", "shared/queue", "shared/mail"}
	adapters = []string{
		"shared/table/bbolt", "shared/table/dynamo", "shared/queue/bbolt", "shared/queue/sqs",
		"shared/mail/inbox", "shared/mail/smtp", "shared/mail/ses", "shared/settings",
		"shared/journal", // what two of them keep their file behind
	}
	suites = []string{"shared/mailhost/dnstest", "shared/table/tabletest", "shared/table/bbolt/bbolttest", "shared/queue/queuetest", "shared/mail/mailtest", "shared/web/webtest"}
)

const (
	sdk   = "github.com/aws/aws-sdk-go-v2"
	bbolt = "go.etcd.io/bbolt"
)

var rules = []rule{
	{
		packages: domain, except: suites, deep: true,
		deny: map[string]string{
			"net/http":            "the same rules hold for pages, API and mail: none of them belongs into the domain",
			"net/smtp":            "an alert does not care how its mail leaves",
			"github.com/emersion": "an alert does not care how its mail leaves",
			sdk:                   "the domain runs on one machine without AWS",
			bbolt:                 "the domain runs on AWS without a file",
			"html/template":       "what a page looks like is the functions' affair",
			"shared/web":          "what a page looks like is the functions' affair",
			"functions":           "functions are made of the domain, not the other way round",
			"infra":               "where the domain runs is none of its business",
			"testing":             "test support must not be part of the program",
		},
	},
	{
		packages: ports, except: slices.Concat(adapters, suites),
		deny: map[string]string{
			"shared/alert":    "a port knows nothing of what goes through it",
			"shared/roster":   "a port knows nothing of what goes through it",
			"shared/audience": "a port knows nothing of what goes through it",
			"net/http":        "a port is a promise, not a protocol",
			sdk:               "a port that knows one of its adapters is not one",
			bbolt:             "a port that knows one of its adapters is not one",
		},
	},
	{
		packages: []string{"shared"},
		deny: map[string]string{
			"functions": "dependencies point one way: functions to shared",
			"infra":     "dependencies point one way: infra to shared",
		},
	},
	{
		packages: []string{"functions", "infra"}, except: []string{"functions/*/lambda"},
		deny: map[string]string{"functions/wire": "one machine is put together elsewhere; this is for the Lambda programs"},
	},
	{
		packages: []string{"functions"}, deep: true,
		deny: map[string]string{"infra": "a function is deployed alone: what starts it must not come along"},
	},
	{
		packages: []string{"shared", "functions"},
		except:   slices.Concat(adapters, suites, []string{"functions/wire"}),
		deny: map[string]string{
			"shared/table/bbolt":  "which store it is is decided where the program is put together",
			"shared/table/dynamo": "which store it is is decided where the program is put together",
			"shared/queue/bbolt":  "which queue it is is decided where the program is put together",
			"shared/queue/sqs":    "which queue it is is decided where the program is put together",
			"shared/mail/smtp":    "which operator it is is decided where the program is put together",
			"shared/mail/ses":     "which operator it is is decided where the program is put together",
			"shared/mail/inbox":   "which operator it is is decided where the program is put together",
			"shared/settings":     "where settings come from is decided where the program is put together",
			bbolt:                 "only the adapters of bbolt know the file",
		},
	},
	{
		packages: []string{"shared", "functions"},
		except:   []string{"shared/table/dynamo", "shared/queue/sqs", "shared/mail/ses", "shared/settings", "functions/*/lambda"},
		deny:     map[string]string{sdk: "what is not an adapter runs on one machine, too, and has no AWS there"},
	},
	{
		packages: []string{"shared", "functions", "infra/local", "infra/command"}, except: suites,
		deny: map[string]string{
			"testing":                      "test support must not be part of the program",
			"shared/table/tabletest":       "test support must not be part of the program",
			"shared/table/bbolt/bbolttest": "test support must not be part of the program",
			"shared/queue/queuetest":       "test support must not be part of the program",
			"shared/mailhost/dnstest":      "test support must not be part of the program",
			"shared/mail/mailtest":         "test support must not be part of the program",
			"shared/web/webtest":           "test support must not be part of the program",
			"infra/drill":                  "test support must not be part of the program",
			"github.com/google/go-cmp":     "go-cmp panics where it is in doubt; it is for tests",
		},
	},
	{
		packages: []string{"infra/local"}, deep: true,
		deny: map[string]string{
			sdk:                              "a school's own machine carries nothing of AWS with it",
			"github.com/aws/jsii-runtime-go": "the stack is no part of the program",
		},
	},
}

// matches reports whether a package is pattern, or below it.
func matches(pattern, pkg string) bool {
	elements := strings.Split(strings.TrimPrefix(pkg, module), "/")
	n := strings.Count(pattern, "/") + 1
	if len(elements) < n {
		return false
	}
	ok, err := path.Match(pattern, strings.Join(elements[:n], "/"))
	return ok && err == nil
}

func anyMatches(patterns []string, pkg string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool { return matches(p, pkg) })
}

func (r rule) of(pkg string) bool { return anyMatches(r.packages, pkg) && !anyMatches(r.except, pkg) }

// imports are what each package of this module imports, tests left out.
type imports map[string][]string

func readImports(t *testing.T) imports {
	t.Helper()
	cmd := exec.Command("go", "list", "-json=ImportPath,Imports", module+"...")
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	all := imports{}
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p struct {
			ImportPath string
			Imports    []string
		}
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all[p.ImportPath] = p.Imports
	}
}

// breaches returns how a package breaks a rule: the way to what it must not
// import, and why it must not.
func (all imports) breaches(r rule, pkg string) []string {
	var found []string
	seen := map[string]bool{pkg: true}
	for ways := [][]string{{pkg}}; len(ways) > 0; ways = ways[1:] {
		for _, next := range all[ways[0][len(ways[0])-1]] {
			way := append(slices.Clone(ways[0]), next)
			for pattern, why := range r.deny {
				if matches(pattern, next) {
					found = append(found, strings.ReplaceAll(strings.Join(way, " -> "), module, "")+": "+why)
				}
			}
			if r.deep && !seen[next] && strings.HasPrefix(next, module) {
				seen[next] = true
				ways = append(ways, way)
			}
		}
	}
	return found
}

func TestDependencies(t *testing.T) {
	all := readImports(t)
	for _, r := range rules {
		held := 0
		for pkg := range all {
			if !r.of(pkg) {
				continue
			}
			held++
			for _, breach := range all.breaches(r, pkg) {
				t.Error(breach)
			}
		}
		if held == 0 {
			t.Errorf("no package is in %v: the rule has lost its object", r.packages)
		}
	}
}

// TestReasons: each module that is required by name has its line in the decision.
func TestReasons(t *testing.T) {
	reasons, err := os.ReadFile("../../docs/decisions/0005-dependencies.md")
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("go", "mod", "edit", "-json", "../../go.mod").Output()
	if err != nil {
		t.Fatalf("go mod edit: %v", err)
	}
	var mod struct {
		Require []struct {
			Path     string
			Indirect bool
		}
	}
	if err := json.Unmarshal(out, &mod); err != nil || len(mod.Require) == 0 {
		t.Fatalf("%d modules, %v", len(mod.Require), err)
	}
	version := regexp.MustCompile(`/v\d+$`)
	for _, m := range mod.Require {
		if name := path.Base(version.ReplaceAllString(m.Path, "")); !m.Indirect && !strings.Contains(string(reasons), name) {
			t.Errorf("docs/decisions/0005-dependencies.md does not say what %s (%s) is for", name, m.Path)
		}
	}
}

// TestBreaches proves that rules can be broken.
func TestBreaches(t *testing.T) {
	all := imports{
		module + "shared/alert": {"context", module + "shared/table"},
		module + "shared/table": {"net/http", module + "infra/local"},
	}
	for _, c := range []struct {
		name string
		rule rule
		want int
	}{
		{"through another package", rule{packages: domain, deny: map[string]string{"net/http": "why"}, deep: true}, 1},
		{"not through another package", rule{packages: domain, deny: map[string]string{"net/http": "why"}}, 0},
		{"a name above", rule{packages: domain, deny: map[string]string{"infra": "why"}, deep: true}, 1},
		{"a star", rule{packages: domain, deny: map[string]string{"infra/*": "why"}, deep: true}, 1},
		{"half a name", rule{packages: domain, deny: map[string]string{"net/htt": "why"}, deep: true}, 0},
	} {
		if got := all.breaches(c.rule, module+"shared/alert"); len(got) != c.want {
			t.Errorf("%s: %q", c.name, got)
		}
	}
}
