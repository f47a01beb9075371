package bbolt_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/aws/aws-lambda-go/events"
	"github.com/google/go-cmp/cmp"
	"github.com/todoku/todoku/shared/queue"
	"github.com/todoku/todoku/shared/queue/bbolt"

	"github.com/todoku/todoku/shared/journal"
)

// childFile names, in the environment, the file of a process that is to be killed.
const childFile = "TODOKU_TEST_QUEUE_FILE"

func TestMain(m *testing.M) {
	if path := os.Getenv(childFile); path != "" {
		childMain(path, os.Getenv("TODOKU_TEST_QUEUE_ROUND"))
		return
	}
	os.Exit(m.Run())
}

var childConfig = bbolt.Config{MaxReceives: 3, Log: slog.New(slog.DiscardHandler)}

// childMain sends and handles messages, saying so in lines, until it is killed: by
// itself when it handles "poison", else by its parent.
func childMain(path, round string) {
	db, err := journal.Open(path, nil)
	if err != nil {
		panic(err)
	}
	q, err := bbolt.New(db, childConfig)
	if err != nil {
		panic(err)
	}
	if round != "" {
		go childSend(q, round)
	}
	_ = q.Run(context.Background(), childHandle)
}

func childSend(q *bbolt.Queue, round string) {
	for i := range 100_000 {
		m := queue.Message{Group: fmt.Sprintf("g%d", i%3), ID: fmt.Sprintf("%s-%06d", round, i), Body: "x"}
		if err := q.Send(context.Background(), m); err != nil {
			panic(err)
		}
		fmt.Println("sent", m.Group, m.ID)
	}
}

func childHandle(_ context.Context, e events.SQSEvent) (events.SQSEventResponse, error) {
	for _, r := range e.Records {
		if r.Attributes[queue.AttrID] == "poison" {
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {} // the signal may take a moment
		}
		fmt.Println("handled", r.Attributes[queue.AttrGroup], r.Attributes[queue.AttrID])
	}
	return events.SQSEventResponse{}, nil
}

// child runs childMain on the file and calls line for each line it prints, until it
// dies or line returns false, which kills it.
func child(t *testing.T, path, round string, line func(verb, group, id string) bool) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^$")
	cmd.Env = append(os.Environ(), childFile+"="+path, "TODOKU_TEST_QUEUE_ROUND="+round)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	readLines(t, out, cmd.Process, line)
	if err := cmd.Wait(); err == nil || cmd.ProcessState.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
		t.Fatalf("the child was not killed: %v", err)
	}
}

// readLines goes on reading after the kill: what was said before it counts.
func readLines(t *testing.T, out io.Reader, p *os.Process, line func(verb, group, id string) bool) {
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		f := strings.Fields(lines.Text())
		if len(f) != 3 {
			t.Errorf("the child says %q", lines.Text())
			continue
		}
		if !line(f[0], f[1], f[2]) {
			_ = p.Kill()
		}
	}
}

// A message that kills the process becomes a dead letter, and takes none of its
// batch along.
func TestPoisonKillsTheProcess(t *testing.T) {
	path := filepath.Join(t.TempDir(), "queue.db")
	var want []string
	withQueue(t, path, func(q *bbolt.Queue) {
		for i := range 12 {
			m := queue.Message{Group: "g", ID: fmt.Sprintf("m%02d", i), Body: "x"}
			if i == 5 {
				m.ID = "poison"
			} else {
				want = append(want, m.ID)
			}
			if err := q.Send(t.Context(), m); err != nil {
				t.Fatal(err)
			}
		}
	})
	var handled []string
	crashes := -1 // the last child is killed from outside
	for len(handled) < len(want) {
		child(t, path, "", func(_, _, id string) bool {
			if !slices.Contains(handled, id) {
				handled = append(handled, id)
			}
			return len(handled) < len(want)
		})
		crashes++
	}
	if diff := cmp.Diff(want, handled); diff != "" {
		t.Errorf("handled (-want +got):\n%s", diff)
	}
	if crashes != childConfig.MaxReceives {
		t.Errorf("the message killed the process %d times, want %d", crashes, childConfig.MaxReceives)
	}
	withQueue(t, path, func(q *bbolt.Queue) { checkPoison(t, q) })
}

func checkPoison(t *testing.T, q *bbolt.Queue) {
	letters, err := q.ListDead(t.Context(), "", 10)
	if err != nil || len(letters) != 1 {
		t.Fatalf("dead letters: %v, %v", letters, err)
	}
	l := letters[0]
	if l.Message.ID != "poison" || l.Receives != 3 || l.Reason != "the process ended while it was being handled" {
		t.Errorf("dead letter %+v", l)
	}
}

// Whatever Send accepted is handled, in order, however often the process is killed.
func TestKilledAtAnyMoment(t *testing.T) {
	const seed = 20180706
	rnd := rand.New(rand.NewPCG(seed, seed))
	path := filepath.Join(t.TempDir(), "queue.db")
	said := map[string]*tally{"sent": newTally(), "handled": newTally()}
	for round := range 8 {
		lines := 1 + rnd.IntN(300)
		child(t, path, fmt.Sprintf("%03d", round), func(verb, group, id string) bool {
			said[verb].add(group, id)
			lines--
			return lines > 0
		})
	}
	withQueue(t, path, func(q *bbolt.Queue) { drainInto(t, q, said["handled"]) })
	t.Logf("%d messages sent, %d handled", len(said["sent"].has), len(said["handled"].has))
	for id := range said["sent"].has {
		if !said["handled"].has[id] {
			t.Errorf("%s was lost", id)
		}
	}
	for group, ids := range said["handled"].order {
		if !slices.IsSorted(ids) {
			t.Errorf("%s was handled out of order: %v", group, ids)
		}
	}
}

// tally holds ids of each group in the order in which they came first.
type tally struct {
	order map[string][]string
	has   map[string]bool
}

func newTally() *tally { return &tally{map[string][]string{}, map[string]bool{}} }

func (y *tally) add(group, id string) {
	if !y.has[id] {
		y.has[id] = true
		y.order[group] = append(y.order[group], id)
	}
}

// drainInto handles all that is left.
func drainInto(t *testing.T, q *bbolt.Queue, handled *tally) {
	s, err := q.Stats()
	if err != nil || s.Visible == 0 || s.InFlight > 0 || s.Hidden > 0 {
		t.Fatalf("after the last kill: %+v, %v; want messages, all visible", s, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var mu sync.Mutex
	err = q.Run(ctx, func(_ context.Context, e events.SQSEvent) (events.SQSEventResponse, error) {
		mu.Lock()
		defer mu.Unlock()
		for _, r := range e.Records {
			handled.add(r.Attributes[queue.AttrGroup], r.Attributes[queue.AttrID])
		}
		if s.Visible -= len(e.Records); s.Visible == 0 {
			cancel()
		}
		return events.SQSEventResponse{}, nil
	})
	if err != nil {
		t.Error(err)
	}
}

// withQueue opens the file, as a process would, for the time of f.
func withQueue(t *testing.T, path string, f func(*bbolt.Queue)) {
	t.Helper()
	db, err := journal.Open(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	f(open(t, db, childConfig))
}
