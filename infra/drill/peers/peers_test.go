package peers

import (
	"errors"
	"fmt"
	"net/http"
	"os/exec"
	"runtime"
	"strings"
	"testing"
)

// witness is a test that records how it was ended.
type witness struct {
	testing.TB
	skipped, failed string
}

func (w *witness) Skipf(format string, args ...any) {
	w.skipped = fmt.Sprintf(format, args...)
	runtime.Goexit()
}

func (w *witness) Fatalf(format string, args ...any) {
	w.failed = fmt.Sprintf(format, args...)
	runtime.Goexit()
}

// ended runs do to its end, which may be that of its goroutine.
func (w *witness) ended(do func(testing.TB)) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		do(w)
	}()
	<-done
}

func TestAbsent(t *testing.T) {
	for strict, want := range map[string][2]string{
		"":  {"thing cannot be had here: no thing", ""},
		"1": {"", "thing is needed with STRICT=1: no thing"},
	} {
		t.Setenv("STRICT", strict)
		w := &witness{TB: t}
		w.ended(func(t testing.TB) { absent(t, "thing", errors.New("no thing")) })
		if got := [2]string{w.skipped, w.failed}; got != want {
			t.Errorf("STRICT=%q: %q, want %q", strict, got, want)
		}
	}
}

// TestProgramThatEnds starts one that never answers.
func TestProgramThatEnds(t *testing.T) {
	t.Setenv("STRICT", "")
	w := &witness{TB: t}
	w.ended(func(t testing.TB) {
		start(t, "go", func(int) *exec.Cmd { return exec.Command("go", "version") })
	})
	if !strings.Contains(w.skipped, "it ended before it answered") {
		t.Errorf("skipped: %q", w.skipped)
	}
}

func TestProgramThatIsNotThere(t *testing.T) {
	t.Setenv("STRICT", "1")
	w := &witness{TB: t}
	w.ended(func(t testing.TB) {
		start(t, "nothing", func(int) *exec.Cmd { return exec.Command("/nonexistent/program") })
	})
	if !strings.Contains(w.failed, "nothing is needed") {
		t.Errorf("failed: %q", w.failed)
	}
}

// TestEndsWithTheTest starts a server in a test of its own, after which nobody
// answers at its address.
func TestEndsWithTheTest(t *testing.T) {
	var endpoint string
	t.Run("server", func(t *testing.T) {
		endpoint = Dynoxide(t)
		if !answers(t.Context(), endpoint) {
			t.Error("no answer while the test runs")
		}
	})
	if endpoint == "" {
		return // the subtest has said what is missing
	}
	if resp, err := http.Get(endpoint); err == nil { //nolint:noctx // it fails at once
		resp.Body.Close()
		t.Error("an answer after the test has ended")
	}
}
