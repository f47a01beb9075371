package bbolt_test

import (
	"bufio"
	"errors"
	"fmt"
	"log"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/todoku/todoku/shared/journal"

	"github.com/todoku/todoku/shared/problem"
	"github.com/todoku/todoku/shared/table"
	"github.com/todoku/todoku/shared/table/bbolt"
)

// Some tests need a process that they can kill or starve: it is the test program
// itself, told by these variables what to do and where.
const (
	childVariable = "BBOLT_TEST_CHILD"
	dirVariable   = "BBOLT_TEST_DIR"
)

func TestMain(m *testing.M) {
	log.SetFlags(log.Lshortfile)
	switch os.Getenv(childVariable) {
	case "":
		os.Exit(m.Run())
	case "write":
		writeUntilKilled(os.Getenv(dirVariable))
	case "fill mount":
		fillMount(os.Getenv(dirVariable))
	case "fill limit":
		fillLimit(os.Getenv(dirVariable))
	}
}

func child(t *testing.T, what, dir string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), childVariable+"="+what, dirVariable+"="+dir)
	return cmd
}

const (
	crashWriters = 8
	crashItems   = 6 // of each write, in partitions of their own
)

// TestKill kills a process in the middle of writing, again and again, and looks
// what the file holds: what was reported as written is there, nothing is there in
// part, and the counter agrees.
func TestKill(t *testing.T) {
	const kills = 12
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 0))
	dir := t.TempDir()
	reported := map[string]bool{}
	for n := range kills {
		cmd := child(t, "write", dir)
		cmd.Env = append(cmd.Env, "BBOLT_TEST_RUN="+strconv.Itoa(n))
		cmd.Stderr = os.Stderr
		readThenKill(t, cmd, 1+rnd.IntN(300), reported)
		verifyWhole(t, filepath.Join(dir, "todoku.db"), reported)
	}
	t.Logf("%d writes reported in %d runs", len(reported), kills)
}

// readThenKill reads so many reports, kills, and reads what is left of them.
func readThenKill(t *testing.T, cmd *exec.Cmd, reports int, reported map[string]bool) {
	t.Helper()
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	for n := 1; lines.Scan(); n++ {
		id, whole := strings.CutSuffix(lines.Text(), ".")
		if whole { // the last line can be cut
			reported[id] = true
		}
		if n == reports {
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := cmd.Wait(); cmd.ProcessState.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
		t.Fatalf("the writing process ended by itself: %v", err)
	}
}

// writeUntilKilled reports each write on a line, when it has returned.
func writeUntilKilled(dir string) {
	tbl := mustOpen(filepath.Join(dir, "todoku.db"))
	var all sync.WaitGroup
	for w := range crashWriters {
		all.Go(func() {
			for n := 0; ; n++ {
				id := fmt.Sprintf("%s-%d-%d", os.Getenv("BBOLT_TEST_RUN"), w, n)
				if err := tbl.Write(background, "", crashWrite(id)...); err != nil {
					log.Fatal(err)
				}
				fmt.Printf("%s.\n", id)
			}
		})
	}
	all.Wait()
}

func crashWrite(id string) []table.Op {
	ops := []table.Op{table.Add{Key: table.Key{Partition: "counter", Sort: "writes"}, Deltas: map[string]int64{"n": 1}}}
	for i := range crashItems {
		k := table.Key{Partition: fmt.Sprintf("part-%d", i), Sort: id}
		ops = append(ops, table.Create{Key: k, Value: []byte(strings.Repeat(id, 40)), Expires: noon.AddDate(100, 0, i)})
	}
	return ops
}

func verifyWhole(t *testing.T, path string, reported map[string]bool) {
	t.Helper()
	db, err := bbolt.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	tbl, err := bbolt.New(db, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	parts := map[string]int{}
	for i := range crashItems {
		for _, id := range halves(t, tbl, fmt.Sprintf("part-%d", i)) {
			parts[id]++
		}
	}
	for id, n := range parts {
		if n != crashItems {
			t.Errorf("write %s: %d items of %d", id, n, crashItems)
		}
	}
	for id := range reported {
		if parts[id] == 0 {
			t.Errorf("write %s was reported and is lost", id)
		}
	}
	counter, err := tbl.Get(t.Context(), table.Key{Partition: "counter", Sort: "writes"})
	if err != nil || counter.Counts["n"] != int64(len(parts)) {
		t.Errorf("the counter says %v, %v; there are %d writes", counter.Counts, err, len(parts))
	}
	if err := checkPages(db); err != nil {
		t.Error(err)
	}
}

func checkPages(db *journal.DB) error {
	return db.Snapshot(func(tx *bolt.Tx) (err error) {
		for e := range tx.Check() {
			err = errors.Join(err, e)
		}
		return err
	})
}

// TestFullDisk fills a file system of a few MiB that the process sees alone.
func TestFullDisk(t *testing.T) {
	cmd := child(t, "fill mount", t.TempDir())
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS}
	if os.Getuid() != 0 {
		cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}}
	}
	out, err := cmd.CombinedOutput()
	switch {
	case errors.Is(err, syscall.EPERM) || cmd.ProcessState != nil && cmd.ProcessState.ExitCode() == exitNoMount:
		const why = "this machine lets nobody mount a file system: %v %s"
		if os.Getenv("STRICT") == "1" {
			t.Fatalf(why, err, out)
		}
		t.Skipf(why, err, out)
	case err != nil:
		t.Fatalf("%v\n%s", err, out)
	}
	t.Logf("%s", out)
}

// TestFileLimit lets the file reach the largest size that the system allows it.
func TestFileLimit(t *testing.T) {
	out, err := child(t, "fill limit", t.TempDir()).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	t.Logf("%s", out)
}

const exitNoMount = 3

// fillMount runs alone in a mount namespace, which ends with it.
func fillMount(dir string) {
	err := syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, "")
	if err == nil {
		err = syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=32m")
	}
	if err != nil {
		log.Print(err)
		os.Exit(exitNoMount)
	}
	path, ballast := filepath.Join(dir, "todoku.db"), filepath.Join(dir, "ballast")
	fillFile(ballast)
	_, err = bbolt.Open(path)
	demand(isFull(err), "open on a full disk: %v", err)
	files, _ := os.ReadDir(dir)
	demand(len(files) == 1, "open on a full disk left files: %v", files)
	check(os.Truncate(ballast, 12<<20))
	fillTable(path, func() { check(os.Remove(ballast)) })
}

// fillFile writes until there is no room.
func fillFile(path string) {
	f, err := os.Create(path)
	check(err)
	block := make([]byte, 4096)
	for err == nil {
		_, err = f.Write(block)
	}
	demand(errors.Is(err, syscall.ENOSPC), "ballast: %v", err)
	check(f.Close())
}

func fillLimit(dir string) {
	signal.Ignore(syscall.SIGXFSZ)
	limit := func(bytes uint64) {
		var old syscall.Rlimit
		check(syscall.Getrlimit(syscall.RLIMIT_FSIZE, &old))
		check(syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: bytes, Max: old.Max}))
	}
	limit(20 << 20)
	fillTable(filepath.Join(dir, "todoku.db"), func() { limit(100 << 20) })
}

// fillTable writes until the store refuses, looks that it still has exactly what
// it accepted, makes room, and writes on.
func fillTable(path string, makeRoom func()) {
	tbl := mustOpen(path)
	n := 0
	var err error
	for err == nil && n < 10_000 {
		if err = tbl.Write(background, token(n), bigWrite(n)...); err == nil {
			n++
		}
	}
	demand(isFull(err), "write %d: %v", n, err)
	for range 3 {
		err = tbl.Write(background, token(n), bigWrite(n)...)
		demand(isFull(err), "write %d again: %v", n, err)
		wantWrites(tbl, n)
	}
	makeRoom()
	check(tbl.Write(background, token(n), bigWrite(n)...))
	check(tbl.CheckHealth(background))
	wantWrites(tbl, n+1)
	check(tableDB.Close())
	wantWrites(mustOpen(path), n+1)
	check(checkPages(tableDB))
	fmt.Printf("%d writes until it was full; the error: %v\n", n, err)
}

func token(n int) string { return fmt.Sprintf("token-%d", n) }

func bigWrite(n int) []table.Op {
	var ops []table.Op
	for i := range 3 {
		k := table.Key{Partition: fmt.Sprintf("part-%d", i), Sort: fmt.Sprintf("%05d", n)}
		ops = append(ops, table.Create{Key: k, Value: []byte(strings.Repeat("x", 20<<10))})
	}
	return append(ops, table.Add{Key: table.Key{Partition: "counter", Sort: "writes"}, Deltas: map[string]int64{"n": 1}})
}

func wantWrites(tbl *bbolt.Table, n int) {
	for i := range 3 {
		page, err := tbl.Query(background, table.Query{Partition: fmt.Sprintf("part-%d", i), Reverse: true, Limit: 1})
		check(err)
		got := page.Items[0]
		demand(got.Sort == fmt.Sprintf("%05d", n-1) && len(got.Value) == 20<<10, "after %d writes the last is %s, %d bytes", n, got.Sort, len(got.Value))
	}
	counter, err := tbl.Get(background, table.Key{Partition: "counter", Sort: "writes"})
	check(err)
	demand(counter.Counts["n"] == int64(n), "the counter says %d after %d writes", counter.Counts["n"], n)
}

func isFull(err error) bool {
	var p *problem.Error
	return errors.As(err, &p) && strings.Contains(p.Text.EN, "The disk is full") && !errors.Is(err, table.ErrBusy)
}
