package drill

import (
	"errors"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/todoku/todoku/infra/drill/cloud"
	"github.com/todoku/todoku/infra/drill/runtimeapi"
)

const (
	coldStarts = 7 // of each function, of which the median counts
	// mostColdStart is how much more processor time a function may take to come up than
	// one that does nothing, which takes 3 ms: on a slow processor, so many times what that
	// takes there.
	mostColdStart  = 60 * time.Millisecond
	timesColdStart = 20
)

// coldStart measures the processor time that each built function takes from the start
// of its process until it has looked at its first event, beside an empty function.
// Time on the clock would be that of whatever else the machine does.
func coldStart(t *testing.T, cfg cloud.Config) {
	empty := filepath.Join(t.TempDir(), "bootstrap")
	cmd := exec.Command("go", "build", "-o", empty, "-trimpath", "-ldflags=-s -w", "-tags=lambda.norpc", "./testdata/empty")
	cmd.Env = append(cmd.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %v\n%s", cmd, err, out)
	}
	d := deploy(t, cfg, 0)
	least, memory := d.medianStart(runtimeapi.Config{Name: "empty", Program: empty})
	t.Logf("%-12s %8v           %3d MB", "empty", least.Round(100*time.Microsecond), memory>>20)
	for name := range d.Functions {
		took, memory := d.medianStart(d.Cloud.Function(name))
		t.Logf("%-12s %8v, %v more, %3d MB", name, took.Round(100*time.Microsecond), (took - least).Round(100*time.Microsecond), memory>>20)
		if most := max(mostColdStart, timesColdStart*least); took-least > most {
			t.Errorf("%s takes %v longer to come up than an empty function, at most %v", name, took-least, most)
		}
	}
}

// medianStart starts a function several times and returns what it usually takes to
// answer its first event, and the most memory in bytes. The event is none that a handler could take, so that
// the answer comes from in front of the handler.
func (d *deployment) medianStart(cfg runtimeapi.Config) (usual time.Duration, memory int64) {
	d.Helper()
	cfg.Log = nil // it complains of the event
	var took []time.Duration
	for range coldStarts {
		f := runtimeapi.New(cfg)
		_, err := f.Invoke(d.Context(), "not an event")
		f.Close()
		took, memory = append(took, f.Stats().CPU), max(memory, f.Stats().Memory)
		var refused *runtimeapi.HandlerError
		if err != nil && !errors.As(err, &refused) {
			d.Fatalf("%s: %v", cfg.Name, err)
		}
	}
	slices.Sort(took)
	return took[len(took)/2], memory
}
