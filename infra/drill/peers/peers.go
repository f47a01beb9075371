// Package peers starts servers that speak AWS's protocols, for tests: programs of
// others, so that an adapter is not held to its own author's idea of AWS.
//
// Each server runs on a free port of the loopback interface with a directory of
// its own, and ends with the test. One that cannot be had here skips the test by
// name, with the reason; with STRICT=1 in the environment it fails the test.
package peers

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"testing"
	"time"
)

// The versions are pinned: another version is another set of deviations.
const (
	dynoxideVersion = "1.2.1"
	fauxqsVersion   = "1.9.2"
)

// Dynoxide starts a DynamoDB in memory (https://www.npmjs.com/package/dynoxide)
// and returns its address.
func Dynoxide(t testing.TB) (endpoint string) {
	t.Helper()
	name := "@dynoxide/" + platform()
	dir, err := install(t.Context(), name, dynoxideVersion)
	if err != nil {
		absent(t, "dynoxide", err)
	}
	return start(t, "dynoxide", func(port int) *exec.Cmd {
		return exec.Command(filepath.Join(dir, "node_modules", name, "dynoxide"), "serve", "--port", strconv.Itoa(port))
	})
}

// Fauxqs starts an SQS and SNS in memory (https://www.npmjs.com/package/fauxqs)
// and returns its address.
func Fauxqs(t testing.TB) (endpoint string) {
	t.Helper()
	dir, err := install(t.Context(), "fauxqs", fauxqsVersion)
	if err != nil {
		absent(t, "fauxqs", err)
	}
	return start(t, "fauxqs", func(port int) *exec.Cmd {
		cmd := exec.Command("node", filepath.Join(dir, "node_modules", ".bin", "fauxqs"))
		cmd.Env = append(os.Environ(), "FAUXQS_HOST=127.0.0.1", "FAUXQS_PORT="+strconv.Itoa(port), "FAUXQS_LOGGER=false")
		return cmd
	})
}

// Moto starts a moto server (https://pypi.org/project/moto), which is not
// installed here but must be there, and returns its address.
func Moto(t testing.TB) (endpoint string) {
	t.Helper()
	path, err := exec.LookPath("moto_server")
	if err != nil {
		absent(t, "moto", errors.New("no moto_server on this machine; install it with pip install 'moto[server]'"))
	}
	return start(t, "moto", func(port int) *exec.Cmd {
		return exec.Command(path, "-H", "127.0.0.1", "-p", strconv.Itoa(port))
	})
}

// absent ends the test because of what this machine lacks.
func absent(t testing.TB, name string, reason error) {
	t.Helper()
	if os.Getenv("STRICT") == "1" {
		t.Fatalf("%s is needed with STRICT=1: %v", name, reason)
	}
	t.Skipf("%s cannot be had here: %v", name, reason)
}

// platform names this one as npm does.
func platform() string {
	arch := runtime.GOARCH
	if arch == "amd64" {
		arch = "x64"
	}
	return runtime.GOOS + "-" + arch
}

const (
	tries       = 3               // of ports: another program may take one before the server does
	startLimit  = 3 * time.Minute // nothing takes so long on a machine that works
	answerLimit = 5 * time.Second
	pollPause   = 20 * time.Millisecond
)

// start runs the program on a free port and waits until it answers.
func start(t testing.TB, name string, command func(port int) *exec.Cmd) (endpoint string) {
	t.Helper()
	var err error
	for range tries {
		var port int
		if port, err = freePort(); err != nil {
			break
		}
		endpoint = fmt.Sprintf("http://127.0.0.1:%d", port)
		if err = run(t, endpoint, command(port)); err == nil {
			return endpoint
		}
	}
	absent(t, name, err)
	return ""
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	return l.Addr().(*net.TCPAddr).Port, l.Close()
}

// run starts cmd, to be ended when the test does, and waits for an answer.
func run(t testing.TB, endpoint string, cmd *exec.Cmd) error {
	cmd.Dir = t.TempDir()
	together(cmd)
	if err := cmd.Start(); err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	err := await(t.Context(), endpoint, ended)
	if err != nil {
		_ = cmd.Process.Kill() // it may have ended already
		return err
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-ended //nolint:errcheck // that it was killed is no news
	})
	return nil
}

// await returns nil when the address answers, however it does.
func await(ctx context.Context, endpoint string, ended <-chan error) error {
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	for !answers(ctx, endpoint) {
		select {
		case err := <-ended:
			return fmt.Errorf("it ended before it answered: %w", err)
		case <-ctx.Done():
			return fmt.Errorf("no answer within %v", startLimit)
		case <-time.After(pollPause):
		}
	}
	return nil
}

func answers(ctx context.Context, endpoint string) bool {
	ctx, cancel := context.WithTimeout(ctx, answerLimit)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, endpoint, nil)
	if err != nil {
		return false
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return false
	}
	return resp.Body.Close() == nil
}
