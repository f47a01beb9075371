package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/todoku/todoku/infra/cdk/plan"
)

// flags make the same bytes of the same source on any machine and in any folder:
// no paths, no version control, no build id. They also make the programs small.
//
// lambda.norpc leaves out what only the go1.x runtime, which is gone, needed
// (https://github.com/aws/aws-lambda-go).
var flags = []string{"-trimpath", "-buildvcs=false", "-ldflags=-s -w -buildid="}

const tags = "lambda.norpc"

// platform is that of the functions in the stack: Go programs for provided.al2023
// on arm64, with nothing linked from the machine that builds them.
var platform = []string{"GOOS=linux", "GOARM64=v8.0", "CGO_ENABLED=0", "GOFLAGS=", "GOEXPERIMENT="}

// target says what to build, and where to. The zero value is what is deployed.
type target struct {
	dir  string // of the programs, <dir>/<function>/bootstrap; "": build
	arch string // as Go names it; "": arm64
	tags string // further build tags, for programs that are not to be deployed
}

func (t target) withDefaults() target {
	t.dir, t.arch = cmp.Or(t.dir, "build"), cmp.Or(t.arch, "arm64")
	return t
}

// run builds all functions of the tree at root, and removes what an earlier build
// left of functions that are gone.
func run(ctx context.Context, root string, t target) error {
	t = t.withDefaults()
	if _, err := os.Stat(filepath.Join(root, "cdk.json")); err != nil {
		return errors.New("run this in the folder of cdk.json")
	}
	out, err := t.absolute(root)
	if err != nil {
		return err
	}
	if err := os.RemoveAll(out); err != nil {
		return err
	}
	for _, f := range plan.Present(root) {
		if err := t.build(ctx, root, f.Name, filepath.Join(out, f.Name, "bootstrap")); err != nil {
			return err
		}
	}
	return nil
}

// absolute returns the folder of the programs; a relative one is in the tree.
func (t target) absolute(root string) (string, error) {
	if filepath.IsAbs(t.dir) {
		return t.dir, nil
	}
	return filepath.Abs(filepath.Join(root, t.dir))
}

// build makes the program of a function in the tree at root; out is absolute.
func (t target) build(ctx context.Context, root, function, out string) error {
	args := append([]string{"build", "-o", out, "-tags=" + strings.Trim(tags+","+t.tags, ",")}, flags...)
	cmd := exec.CommandContext(ctx, "go", append(args, "./functions/"+function+"/lambda")...)
	cmd.Dir = root
	cmd.Env = append(append(os.Environ(), platform...), "GOARCH="+t.arch)
	cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr // standard output is for whoever runs the CDK
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("function %s: %w", function, err)
	}
	return os.Chtimes(out, epoch, epoch)
}

// epoch is the time of all programs, for tools that put it into an archive. A ZIP
// file cannot say an earlier one.
var epoch = time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC)
