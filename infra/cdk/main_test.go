package main

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/jsii-runtime-go"
	"github.com/google/go-cmp/cmp"

	"github.com/todoku/todoku/shared/problem"
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
	if _, err := exec.LookPath(program); err != nil {
		missing(t, program+" is missing: "+what)
	}
}

func missing(t *testing.T, why string) {
	t.Helper()
	if os.Getenv("STRICT") == "1" {
		t.Fatal(why)
	}
	t.Skip(why)
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// root is the source tree that the tests are part of.
const root = "../.."

// least is the least that an operator says.
func least() map[string]any {
	return map[string]any{"name": "見本小学校", "phone": "03-0000-0000", "mailDomains": "school.example.jp"}
}

// tree makes a source tree of one function, tick.
func tree(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	program := filepath.Join(dir, "functions/tick/lambda")
	must(t, os.MkdirAll(program, 0o755))
	must(t, os.CopyFS(program, os.DirFS("build/testdata")))
	return dir
}

func TestComposeRefuses(t *testing.T) {
	need(t, "node", "the CDK runs in it; install Node.js 20 or later")
	tests := []struct {
		name string
		over map[string]any
		want string // part of what is said
	}{
		{"no name", map[string]any{"name": ""}, "Setting name: give the name of the school or district"},
		{"misspelled", map[string]any{"alarmmail": "a@example.jp"}, "There is no setting alarmmail. Write alarmMail."},
		{"not built", nil, "the program of tick is not built"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			context := least()
			for k, v := range tt.over {
				context[k] = v
			}
			app := awscdk.NewApp(&awscdk.AppProps{Context: &context, Outdir: jsii.String(t.TempDir())})
			err := compose(app, tree(t))
			if err == nil {
				t.Fatal("no error")
			}
			var said strings.Builder
			say(&said, err)
			if !strings.Contains(said.String(), tt.want) {
				t.Errorf("said %q, want %q in it", said.String(), tt.want)
			}
		})
	}
}

func TestSay(t *testing.T) {
	tests := []struct {
		name string
		err  error
		want string
	}{
		{"problems", problem.List{problem.New(problem.Invalid, "一", "one"), problem.New(problem.Invalid, "二", "two")}, "一\none\n二\ntwo\n"},
		{"fault", errors.New("broken"), "broken\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var said strings.Builder
			say(&said, tt.err)
			if d := cmp.Diff(tt.want, said.String()); d != "" {
				t.Errorf("-want +got:\n%s", d)
			}
		})
	}
}

// TestCommandLine runs the CDK's own command, in a copy of this source tree, as an
// operator does who keeps the settings in cdk.context.json: cdk.json alone must
// build and synthesise, and who does the same in another folder must find no
// difference.
func TestCommandLine(t *testing.T) {
	if testing.Short() && os.Getenv("STRICT") != "1" {
		t.Skip("-short: it builds everything twice")
	}
	need(t, "node", "the CDK runs in it; install Node.js 20 or later")
	cdk := cli(t)
	one, other := copyTree(t), copyTree(t)
	command(t, one, cdk, "synth", "--quiet")
	command(t, other, cdk, "diff", "--fail", "--template", filepath.Join(one, "cdk.out", "Todoku.template.json"))
}

// copyTree copies this source tree and says the least that an operator says.
func copyTree(t *testing.T) string {
	t.Helper()
	dir := tree(t)
	for _, name := range []string{"functions", "shared", "infra"} {
		copyGo(t, name, dir)
	}
	for _, name := range []string{"go.mod", "go.sum", "cdk.json"} {
		text, err := os.ReadFile(filepath.Join(root, name))
		must(t, err)
		must(t, os.WriteFile(filepath.Join(dir, name), text, 0o644))
	}
	said, err := json.Marshal(least())
	must(t, err)
	must(t, os.WriteFile(filepath.Join(dir, "cdk.context.json"), said, 0o644))
	return dir
}

// copyGo copies what a folder of this tree needs to be built, over what is in dir.
func copyGo(t *testing.T, name, dir string) {
	t.Helper()
	must(t, filepath.WalkDir(filepath.Join(root, name), func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		to := filepath.Join(dir, rel)
		return errors.Join(os.MkdirAll(filepath.Dir(to), 0o755), os.WriteFile(to, text, 0o644))
	}))
}

// command runs the CDK and fails the test if it fails.
func command(t *testing.T, dir, cdk string, args ...string) {
	t.Helper()
	const patience = 10 * time.Minute // a cold compile of the CDK takes a minute or two, and more on a busy machine
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, cdk, args...)
	cmd.Dir = dir
	// Nothing here may ask AWS, whatever is set up on this machine.
	cmd.Env = append(os.Environ(), "AWS_EC2_METADATA_DISABLED=true", "AWS_CONFIG_FILE=/dev/null", "AWS_SHARED_CREDENTIALS_FILE=/dev/null")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("cdk %s: %v\n%s", args[0], err, out)
	}
}

// cli returns the CDK's command in the version of package-lock.json, and installs
// it into .tools if it is not there.
func cli(t *testing.T) string {
	t.Helper()
	dir, err := filepath.Abs(filepath.Join(root, ".tools", "cdk"))
	must(t, err)
	cdk := filepath.Join(dir, "node_modules", ".bin", "cdk")
	lock, err := os.ReadFile("package-lock.json")
	must(t, err)
	if have, err := os.ReadFile(filepath.Join(dir, "package-lock.json")); err == nil && string(have) == string(lock) {
		if _, err := os.Stat(cdk); err == nil {
			return cdk
		}
	}
	need(t, "npm", "it installs the CDK's command")
	must(t, os.MkdirAll(dir, 0o755))
	pkg, err := os.ReadFile("package.json")
	must(t, err)
	must(t, os.WriteFile(filepath.Join(dir, "package.json"), pkg, 0o644))
	must(t, os.WriteFile(filepath.Join(dir, "package-lock.json"), lock, 0o644))
	install := exec.CommandContext(t.Context(), "npm", "ci", "--no-audit", "--no-fund")
	install.Dir = dir
	if out, err := install.CombinedOutput(); err != nil {
		missing(t, "the CDK's command cannot be installed: "+err.Error()+"\n"+string(out))
	}
	return cdk
}
