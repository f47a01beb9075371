package stack_test

import (
	"encoding/json"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/jsii-runtime-go"
	"github.com/google/go-cmp/cmp"

	"github.com/todoku/todoku/infra/cdk/plan"
	"github.com/todoku/todoku/infra/cdk/settings"
	"github.com/todoku/todoku/infra/cdk/stack"
)

// TestMain gives the CDK a folder for its files that is gone afterwards. It does
// not close jsii, whose Close races with its own goroutine under -race: the Node.js
// process ends with this one.
func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "todoku-cdk-")
	if err != nil {
		panic(err)
	}
	if err := os.Setenv("TMPDIR", dir); err != nil {
		panic(err)
	}
	code := m.Run()
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

// need skips the test where a program is missing, and fails it if STRICT is set.
func need(t *testing.T, program, what string) {
	t.Helper()
	if _, err := exec.LookPath(program); err == nil {
		return
	}
	if os.Getenv("STRICT") == "1" {
		t.Fatalf("%s is missing: %s", program, what)
	}
	t.Skipf("%s is missing: %s", program, what)
}

// least is the least that an operator says, whole is everything.
var least, whole = map[string]any{
	"name": "見本小学校", "phone": "03-0000-0000", "mailDomains": "school.example.jp",
}, map[string]any{
	"stack": "Todoku-Drill", "name": "見本市教育委員会", "phone": "03-0000-0000",
	"mailDomains": "minami.ed.example.jp,kita.example.com",
	"hostedZone":  "ed.example.jp", "hostedZoneId": "Z0123456789ABC",
	"webDomain": "anzen.ed.example.jp", "inboundDomain": "in.minami.ed.example.jp",
	"alarmMail": "johoka@ed.example.jp", "sendQuota": 100000.0, "maxDeliverySeconds": 1800.0,
	"openidIssuer": "https://id.ed.example.jp/", "openidClient": "todoku", "openidSecretArn": "arn:aws:secretsmanager:ap-northeast-1:123456789012:secret:openid-AbCdEf",
	"table": "Restored-1", "proofMailboxes": "proof@docomo.ne.jp,proof@gmail.com",
}

// app returns an app as cdk.json makes it, with the stack of the operator's
// context. Every function has a program, if only in name.
func app(t *testing.T, operator map[string]any, out string) (awscdk.App, awscdk.Stack) {
	t.Helper()
	s, err := settings.Read(settings.Source{Context: func(key string) any { return operator[key] }, ReadFile: os.ReadFile})
	must(t, err)
	programs := t.TempDir()
	for _, f := range plan.Functions {
		file := filepath.Join(programs, f.Name, "bootstrap")
		must(t, os.MkdirAll(filepath.Dir(file), 0o755))
		must(t, os.WriteFile(file, []byte(f.Name), 0o755))
	}
	context := flags(t)
	a := awscdk.NewApp(&awscdk.AppProps{
		Outdir: jsii.String(out), Context: &context, AnalyticsReporting: jsii.Bool(false), TreeMetadata: jsii.Bool(false),
	})
	return a, stack.New(a, stack.Props{Settings: s, Functions: plan.Functions, Programs: programs})
}

// flags are the switches of the CDK that cdk.json sets.
func flags(t *testing.T) map[string]any {
	t.Helper()
	text, err := os.ReadFile("../../../cdk.json")
	must(t, err)
	var file struct{ Context map[string]any }
	must(t, json.Unmarshal(text, &file))
	return file.Context
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// template is a synthesised template.
type template struct {
	file      string
	resources map[string]resource
	outputs   map[string]any
}

type resource struct {
	Type           string
	Properties     map[string]any
	DependsOn      any
	DeletionPolicy string
}

// synth makes the template of an operator's context in a new folder.
func synth(t *testing.T, operator map[string]any) template {
	t.Helper()
	need(t, "node", "the CDK runs in it; install Node.js 20 or later")
	out, err := os.MkdirTemp("", "todoku-synth-")
	must(t, err)
	a, made := app(t, operator, out)
	a.Synth(nil)
	return load(t, filepath.Join(out, *made.StackName()+".template.json"))
}

func load(t *testing.T, file string) template {
	t.Helper()
	text, err := os.ReadFile(file)
	must(t, err)
	var parsed struct {
		Resources map[string]resource
		Outputs   map[string]any
	}
	must(t, json.Unmarshal(text, &parsed))
	return template{file, parsed.Resources, parsed.Outputs}
}

var shared = struct {
	sync.Mutex
	templates map[string]template
}{templates: map[string]template{}}

// made returns the template of the least or the whole context, made once for all
// tests.
func made(t *testing.T, which string) template {
	t.Helper()
	shared.Lock()
	defer shared.Unlock()
	if have, ok := shared.templates[which]; ok {
		return have
	}
	tmpl := synth(t, map[string]map[string]any{"least": least, "whole": whole}[which])
	shared.templates[which] = tmpl
	return tmpl
}

// of returns the resources of a type by logical id.
func (tmpl template) of(kind string) map[string]resource {
	found := maps.Clone(tmpl.resources)
	maps.DeleteFunc(found, func(_ string, r resource) bool { return r.Type != kind })
	return found
}

// one returns the resource of a type whose logical id is name with the CDK's hash,
// or, if name is "", the only one of its type.
func (tmpl template) one(t *testing.T, kind, name string) resource {
	t.Helper()
	const hash = 8
	var ids []string
	for id := range tmpl.of(kind) {
		if name == "" || id == name || len(id) == len(name)+hash && strings.HasPrefix(id, name) {
			ids = append(ids, id)
		}
	}
	if len(ids) != 1 {
		t.Fatalf("%d resources %s %q", len(ids), kind, name)
	}
	return tmpl.resources[ids[0]]
}

// within reports, as a difference, what of want is not in got: maps may have more
// keys, everything else must be equal.
func within(want, got any) string {
	return cmp.Diff(want, only(want, got))
}

// only returns got with the keys of want alone.
func only(want, got any) any {
	w, ok1 := want.(map[string]any)
	g, ok2 := got.(map[string]any)
	if !ok1 || !ok2 {
		return got
	}
	kept := map[string]any{}
	for k := range w {
		if v, ok := g[k]; ok {
			kept[k] = only(w[k], v)
		}
	}
	return kept
}
