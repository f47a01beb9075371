package bbolt_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	bolt "go.etcd.io/bbolt"

	"github.com/todoku/todoku/shared/problem"
	"github.com/todoku/todoku/shared/table"
	"github.com/todoku/todoku/shared/table/bbolt"
)

// pair is a write of both halves of pair n, of which the right one expires.
func pair(n int) []table.Op {
	return []table.Op{
		table.Create{Key: table.Key{Partition: "left", Sort: fmt.Sprint(n)}, Value: []byte(strings.Repeat("l", 900))},
		table.Create{Key: table.Key{Partition: "right", Sort: fmt.Sprint(n)}, Value: []byte(strings.Repeat("r", 900)), Expires: noon.Add(time.Hour)},
	}
}

// halves returns the sort keys of a partition.
func halves(t *testing.T, tbl *bbolt.Table, partition string) []string {
	t.Helper()
	var all []string
	q := table.Query{Partition: partition}
	for {
		page, err := tbl.Query(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		for _, it := range page.Items {
			all = append(all, it.Sort)
		}
		if page.Next == "" {
			return all
		}
		q.After = page.Next
	}
}

// TestBackupWhileWriting restores a backup that was made while pairs were written:
// it holds each pair or nothing of it, and all that were there before.
func TestBackupWhileWriting(t *testing.T) {
	const before = 500
	now := noon
	_, tbl := openAt(t, &now)
	for n := range before {
		mustWrite(t, tbl, "", pair(n)...)
	}
	var writer sync.WaitGroup
	stop := make(chan struct{})
	out := &slowStart{begun: make(chan struct{}), goOn: make(chan struct{})}
	writer.Go(func() {
		<-out.begun
		for n := before; ; n++ {
			if err := tbl.Write(t.Context(), "", pair(n)...); err != nil {
				t.Error(err)
				return
			}
			switch {
			case n == before+200:
				close(out.goOn) // the rest of the file is copied after these
			case n > before+200:
				select {
				case <-stop:
					return
				default:
				}
			}
		}
	})
	err := tbl.Backup(t.Context(), out)
	close(stop)
	writer.Wait()
	if err != nil {
		t.Fatal(err)
	}
	dst := restore(t, out.Bytes())
	copied := open(t, dst, func() time.Time { return noon })
	left, right := halves(t, copied, "left"), halves(t, copied, "right")
	if diff := cmp.Diff(left, right); diff != "" {
		t.Errorf("halves of pairs (-left +right):\n%s", diff)
	}
	if len(left) != before {
		t.Errorf("%d pairs, want the %d that were written when the backup began", len(left), before)
	}
	mustWrite(t, copied, "", pair(10*before)...)
	if err := copied.CheckHealth(t.Context()); err != nil {
		t.Error(err)
	}
}

// slowStart stops behind its first write until told to go on.
type slowStart struct {
	bytes.Buffer
	once        sync.Once
	begun, goOn chan struct{}
}

func (s *slowStart) Write(p []byte) (int, error) {
	s.once.Do(func() { close(s.begun); <-s.goOn })
	return s.Buffer.Write(p)
}

// restore puts a backup in place in an empty folder, where nothing else may remain.
func restore(t *testing.T, backup []byte) (path string) {
	t.Helper()
	src, dst := filepath.Join(t.TempDir(), "backup"), filepath.Join(t.TempDir(), "todoku.db")
	if err := os.WriteFile(src, backup, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := bbolt.Restore(src, dst); err != nil {
		t.Fatal(err)
	}
	wantFiles(t, filepath.Dir(dst), "todoku.db")
	return dst
}

func wantFiles(t *testing.T, dir string, want ...string) {
	t.Helper()
	var got []string
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		got = append(got, e.Name())
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
}

func backup(t *testing.T) []byte {
	t.Helper()
	now := noon
	_, tbl := openAt(t, &now)
	for n := range 20 {
		mustWrite(t, tbl, "", pair(n)...)
	}
	var out bytes.Buffer
	if err := tbl.Backup(t.Context(), &out); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// TestRestoreRefuses tries what is not a whole backup. Nothing may be put in place.
func TestRestoreRefuses(t *testing.T) {
	whole := backup(t)
	flipped := func(at int) []byte {
		b := bytes.Clone(whole)
		b[at] ^= 4
		return b
	}
	for _, test := range []struct {
		name string
		data []byte
		want string // of the sentence
	}{
		{"cut by a byte", whole[:len(whole)-1], "cut off"},
		{"cut before the seal", whole[:len(whole)-56], "cut off"},
		{"cut in a page", whole[:len(whole)/2], "cut off"},
		{"cut in the first page", whole[:1000], "cut off"},
		{"cut in the page's header", whole[:10], "cannot be read as a backup"},
		{"empty", nil, "cannot be read as a backup"},
		{"text", []byte(strings.Repeat("not a database\n", 1000)), "cannot be read as a backup"},
		{"a bit of the first page", flipped(40), "damaged"},
		{"a bit of a page", flipped(len(whole) / 2), "damaged"},
		{"a bit of the length", flipped(len(whole) - 33), "damaged"},
		{"a bit of the sum", flipped(len(whole) - 1), "damaged"},
		{"a part left out", append(bytes.Clone(whole[:8192]), whole[12288:]...), "damaged"},
		{"something behind", append(bytes.Clone(whole), 'x'), "cut off"},
		{"sealed, but no database", resealed(t, []byte(strings.Repeat("x", 16384))), "not Todoku's data"},
		{"sealed, but another program's", resealed(t, otherDatabase(t)), "cannot be read as a backup"},
		{"sealed, but half a database", resealed(t, whole[:8192]), "damaged"},
		{"sealed, but wild pages", resealed(t, wild(whole)), "damaged"},
		{"sealed, but out of order", resealed(t, disordered(whole)), "damaged"},
	} {
		t.Run(test.name, func(t *testing.T) {
			src, dst := filepath.Join(t.TempDir(), "backup"), filepath.Join(t.TempDir(), "todoku.db")
			if err := os.WriteFile(src, test.data, 0o600); err != nil {
				t.Fatal(err)
			}
			wantProblem(t, bbolt.Restore(src, dst), test.want)
			wantFiles(t, filepath.Dir(dst))
		})
	}
}

// resealed seals data as Backup would if it were in the file.
func resealed(t *testing.T, data []byte) []byte {
	t.Helper()
	return append(bytes.Clone(data), bbolt.Seal(data)...)
}

func otherDatabase(t *testing.T) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "other.db")
	db, err := bolt.Open(path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// disordered renames a partition in place, so that its keys are where they may not
// be.
func disordered(backup []byte) []byte {
	return bytes.ReplaceAll(backup[:len(backup)/4096*4096], []byte("right\x00"), []byte("aight\x00"))
}

// wild writes into every page but the first two what no page holds.
func wild(backup []byte) []byte {
	b := bytes.Clone(backup[:len(backup)/4096*4096])
	for i := 8192; i < len(b); i++ {
		b[i] = b[i] ^ 0x5a
	}
	return b
}

func wantProblem(t *testing.T, err error, sentence string) {
	t.Helper()
	var p *problem.Error
	if !errors.As(err, &p) {
		t.Fatalf("error %v, want a problem with %q", err, sentence)
	}
	if !strings.Contains(p.Text.EN, sentence) || p.Text.JA == "" {
		t.Errorf("problem %q, want one with %q", p.Text, sentence)
	}
}

func TestRestoreOverwritesNothing(t *testing.T) {
	src, dst := filepath.Join(t.TempDir(), "backup"), filepath.Join(t.TempDir(), "todoku.db")
	for path, data := range map[string][]byte{src: backup(t), dst: []byte("precious")} {
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	wantProblem(t, bbolt.Restore(src, dst), "not overwritten")
	if got, _ := os.ReadFile(dst); string(got) != "precious" {
		t.Errorf("the file that was there is now %q", got)
	}
	if err := bbolt.Restore(filepath.Join(t.TempDir(), "missing"), dst+"2"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a file that is not there: %v", err)
	}
}

// failingWriter fails behind n bytes.
type failingWriter struct{ n int }

var errWriter = errors.New("the stick was pulled out")

func (w *failingWriter) Write(p []byte) (int, error) {
	w.n -= len(p)
	if w.n < 0 {
		return 0, errWriter
	}
	return len(p), nil
}

func TestBackupFails(t *testing.T) {
	now := noon
	_, tbl := openAt(t, &now)
	var whole bytes.Buffer
	if err := tbl.Backup(t.Context(), &whole); err != nil {
		t.Fatal(err)
	}
	for _, room := range []int{0, 4096, 9000, whole.Len() - 1} {
		if err := tbl.Backup(t.Context(), &failingWriter{room}); !errors.Is(err, errWriter) {
			t.Errorf("with room for %d bytes of %d: %v", room, whole.Len(), err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := tbl.Backup(ctx, &bytes.Buffer{}); !errors.Is(err, context.Canceled) {
		t.Errorf("with a cancelled context: %v", err)
	}
	mustWrite(t, tbl, "", pair(1)...) // nothing was left locked
}
