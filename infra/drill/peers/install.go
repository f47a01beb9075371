package peers

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// toolsDir holds installed programs at the root of the repository; git ignores it.
const toolsDir = ".tools"

const installLimit = 3 * time.Minute

// install returns the directory in which npm has installed a package, and installs
// it there if it is not. Several test programs may do so at once: each installs
// beside, and the first to rename its directory wins.
func install(ctx context.Context, name, version string) (dir string, err error) {
	root, err := repositoryRoot()
	if err != nil {
		return "", err
	}
	tools := filepath.Join(root, toolsDir)
	dir = filepath.Join(tools, strings.NewReplacer("@", "", "/", "-").Replace(name)+"@"+version)
	if isInstalled(dir, name) {
		return dir, nil
	}
	if err := os.MkdirAll(tools, 0o755); err != nil {
		return "", err
	}
	fresh, err := os.MkdirTemp(tools, "installing-")
	if err != nil {
		return "", err
	}
	defer func() { _ = os.RemoveAll(fresh) }()
	if err := npm(ctx, fresh, name+"@"+version); err != nil {
		return "", err
	}
	if err := os.Rename(fresh, dir); err != nil && !isInstalled(dir, name) {
		return "", err
	}
	return dir, nil
}

func isInstalled(dir, name string) bool {
	_, err := os.Stat(filepath.Join(dir, "node_modules", name, "package.json"))
	return err == nil
}

// npm installs a package without running what it would like to run.
func npm(ctx context.Context, dir, what string) error {
	ctx, cancel := context.WithTimeout(ctx, installLimit)
	defer cancel()
	cmd := exec.CommandContext(ctx, "npm", "install", "--prefix", dir, "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error", what)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("npm install %s: %w: %.300s", what, err, out)
	}
	return nil
}

// repositoryRoot is where go.mod is, above the test's directory.
func repositoryRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", errors.New("no go.mod above the test's directory")
		}
		dir = parent
	}
}
