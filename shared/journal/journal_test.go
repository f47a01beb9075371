package journal_test

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	bolt "go.etcd.io/bbolt"

	"github.com/todoku/todoku/shared/journal"
)

var name = []byte("things")

// begin returns a DB with an empty bucket, and where it is.
func begin(t *testing.T) (*journal.DB, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file.db")
	db := open(t, path)
	must(t, db.Update(func(tx *journal.Tx) error { _, err := tx.CreateBucketIfNotExists(name); return err }))
	return db, path
}

func open(t *testing.T, path string) *journal.DB {
	t.Helper()
	db, err := journal.Open(path, &bolt.Options{InitialMmapSize: 64 << 20})
	must(t, err)
	t.Cleanup(func() { _ = db.Close() })
	return db
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func put(key, value string) func(*journal.Tx) error {
	return func(tx *journal.Tx) error { return tx.Bucket(name).Put([]byte(key), []byte(value)) }
}

// all reads everything.
func all(t *testing.T, db *journal.DB) map[string]string {
	t.Helper()
	got := map[string]string{}
	must(t, db.View(func(tx *journal.Tx) error {
		return tx.Bucket(name).ForEach(func(k, v []byte) error { got[string(k)] = string(v); return nil })
	}))
	return got
}

// crashed copies the file and its journals as a crash of the process leaves them, and
// opens the copy.
func crashed(t *testing.T, path string, harm func(log string)) *journal.DB {
	t.Helper()
	to := filepath.Join(t.TempDir(), "file.db")
	logs := journal.Paths(to)
	copyFile(t, path, to)
	for i, log := range journal.Paths(path) {
		copyFile(t, log, logs[i])
	}
	if harm != nil {
		harm(logs[0])
	}
	return open(t, to)
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	b, err := os.ReadFile(from)
	must(t, err)
	must(t, os.WriteFile(to, b, 0o600))
}

func TestCrash(t *testing.T) {
	db, path := begin(t)
	want := map[string]string{}
	for i := range 100 {
		key := fmt.Sprint(i)
		must(t, db.Update(put(key, "v"+key)))
		want[key] = "v" + key
	}
	if d := cmp.Diff(want, all(t, crashed(t, path, nil))); d != "" {
		t.Errorf("after a crash (-want +got):\n%s", d)
	}
	again := crashed(t, path, nil)
	must(t, again.Update(put("0", "newer")))
	want["0"] = "newer"
	if d := cmp.Diff(want, all(t, crashed(t, again.Path(), nil))); d != "" {
		t.Errorf("after two (-want +got):\n%s", d)
	}
}

// A record that did not reach the disk as a whole never was.
func TestTornRecord(t *testing.T) {
	db, path := begin(t)
	must(t, db.Update(put("a", "1")))
	must(t, db.Update(func(tx *journal.Tx) error { return errors.Join(put("a", "2")(tx), put("b", "2")(tx)) }))
	log, err := os.ReadFile(journal.Paths(path)[0])
	must(t, err)
	tests := map[string]func([]byte) []byte{
		"cut off in its body": func(b []byte) []byte { return b[:len(b)-1] },
		"cut off in its head": func(b []byte) []byte { return b[:len(b)-30] },
		"a bit is wrong":      func(b []byte) []byte { b[len(b)-3] ^= 4; return b },
		"zeros instead":       func(b []byte) []byte { clear(b[len(b)-20:]); return b },
	}
	for what, harm := range tests {
		t.Run(what, func(t *testing.T) {
			got := all(t, crashed(t, path, func(file string) { must(t, os.WriteFile(file, harm(append([]byte(nil), log...)), 0o600)) }))
			if d := cmp.Diff(map[string]string{"a": "1"}, got); d != "" {
				t.Errorf("-want +got:\n%s", d)
			}
		})
	}
}

// The journal of another file is not applied, and neither is one that is none.
func TestForeignJournal(t *testing.T) {
	other, path := begin(t)
	must(t, other.Update(put("a", "of another")))
	foreign, err := os.ReadFile(journal.Paths(path)[0])
	must(t, err)
	db, path := begin(t)
	must(t, db.Update(put("a", "mine")))
	must(t, db.Close())
	for what, log := range map[string][]byte{"another's": foreign, "none": []byte("not a journal"), "empty": {}} {
		must(t, os.WriteFile(journal.Paths(path)[0], log, 0o600))
		db := open(t, path)
		if d := cmp.Diff(map[string]string{"a": "mine"}, all(t, db)); d != "" {
			t.Errorf("%s (-want +got):\n%s", what, d)
		}
		must(t, db.Close())
	}
}

var errWanted = errors.New("wanted")

// What fails or panics leaves nothing, and what was there before stays.
func TestFailure(t *testing.T) {
	db, path := begin(t)
	must(t, db.Update(put("a", "1")))
	err := db.Update(func(tx *journal.Tx) error {
		must(t, put("a", "2")(tx))
		return errWanted
	})
	if err != errWanted {
		t.Errorf("error %v", err)
	}
	func() {
		defer func() {
			if recover() == nil {
				t.Error("no panic")
			}
		}()
		_ = db.Update(func(tx *journal.Tx) error {
			must(t, put("b", "2")(tx))
			panic("wanted")
		})
	}()
	must(t, db.Update(put("c", "3")))
	want := map[string]string{"a": "1", "c": "3"}
	if d := cmp.Diff(want, all(t, db)); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
	if d := cmp.Diff(want, all(t, crashed(t, path, nil))); d != "" {
		t.Errorf("after a crash (-want +got):\n%s", d)
	}
}

// TestModel does random things, with crashes and commits that fail in between, and
// compares with a map. Commits run beside it, and often.
func TestModel(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	db, path := begin(t)
	var refused, commits atomic.Int32
	harass := func() {
		db.NoSync = true
		db.SetCommitting(1+r.IntN(200), func() error {
			if commits.Add(1)%5 == 0 {
				refused.Add(1)
				return errWanted
			}
			return nil
		})
	}
	harass()
	model := map[string]string{}
	sequence := uint64(0)
	for round := range 60 {
		for range 1 + r.IntN(700) {
			next := maps.Clone(model)
			fails := r.IntN(50) == 0
			n := uint64(0)
			err := db.Update(func(tx *journal.Tx) (err error) {
				if n, err = change(tx, r, next); err == nil && fails {
					return errWanted
				}
				return err
			})
			switch {
			case err == nil:
				model, sequence = next, n
			case !errors.Is(err, errWanted):
				t.Fatal(err)
			}
		}
		switch r.IntN(4) {
		case 0:
			for err := errWanted; err != nil; {
				err = db.Snapshot(whole)
			}
			db.SetCommitting(1<<20, nil) // no commit runs while the files are copied
			must(t, db.Update(func(tx *journal.Tx) (err error) { sequence, err = change(tx, r, model); return err }))
			db = crashed(t, path, nil)
			path = db.Path()
			harass()
		case 1:
			if err := db.Close(); err != nil && !errors.Is(err, errWanted) {
				t.Fatal(err)
			}
			db = open(t, path)
			harass()
		}
		if d := cmp.Diff(model, all(t, db)); d != "" {
			t.Fatalf("round %d (-want +got):\n%s", round, d)
		}
		must(t, db.View(func(tx *journal.Tx) error {
			if got := tx.Bucket(name).Sequence(); got != sequence {
				t.Errorf("round %d: the number is %d, want %d", round, got, sequence)
			}
			walk(t, tx.Bucket(name), r, model)
			return nil
		}))
		if r.IntN(4) == 0 {
			if err := db.Snapshot(whole); err != nil && !errors.Is(err, errWanted) {
				t.Fatal(err)
			}
		}
	}
	if n := refused.Load(); n == 0 {
		t.Error("no commit has failed")
	} else {
		t.Logf("%d of %d commits failed", n, commits.Load())
	}
}

func change(tx *journal.Tx, r *rand.Rand, model map[string]string) (uint64, error) {
	b := tx.Bucket(name)
	for range 1 + r.IntN(5) {
		key := fmt.Sprintf("%04d", r.IntN(1000))
		if r.IntN(2) == 0 {
			delete(model, key)
			if err := b.Delete([]byte(key)); err != nil {
				return 0, err
			}
			continue
		}
		value := fmt.Sprint(r.Uint64())
		model[key] = value
		if err := b.Put([]byte(key), []byte(value)); err != nil {
			return 0, err
		}
	}
	return b.NextSequence()
}

// walk walks at random over the keys.
func walk(t *testing.T, b *journal.Bucket, r *rand.Rand, model map[string]string) {
	t.Helper()
	keys := slices.Sorted(maps.Keys(model))
	c := b.Cursor()
	at := 0 // where c is to be
	if k, _ := c.First(); k == nil || len(keys) == 0 {
		if k != nil || len(keys) > 0 {
			t.Errorf("the first is %q, want one of %d", k, len(keys))
		}
		return
	}
	for range 300 {
		var k, v []byte
		var did string
		switch n := r.IntN(20); {
		case n == 0:
			did, at = "First", 0
			k, v = c.First()
		case n == 1:
			did, at = "Last", len(keys)-1
			k, v = c.Last()
		case n < 5:
			did = fmt.Sprintf("%04d", r.IntN(1000))
			at, _ = slices.BinarySearch(keys, did)
			k, v = c.Seek([]byte(did))
		case n < 10:
			did, at = "Prev", at-1
			k, v = c.Prev()
		default:
			did, at = "Next", at+1
			k, v = c.Next()
		}
		want := ""
		if at >= 0 && at < len(keys) {
			want = keys[at]
		}
		if string(k) != want || string(v) != model[want] {
			t.Fatalf("%s: at %q with %q, want %q with %q", did, k, v, want, model[want])
		}
		if want == "" { // from nowhere there is no way
			if k, _ := c.Next(); k != nil {
				t.Fatalf("from nowhere to %q", k)
			}
			at = 0
			c.First()
		}
	}
	for range 100 {
		key := fmt.Sprintf("%04d", r.IntN(1000))
		if got := string(b.Get([]byte(key))); got != model[key] {
			t.Fatalf("%s is %q, want %q", key, got, model[key])
		}
	}
}

// whole has bbolt check its pages.
func whole(tx *bolt.Tx) (err error) {
	for e := range tx.Check() {
		err = errors.Join(err, e)
	}
	return err
}

// Readers and writers at once: each reader sees whole Updates only. For -race.
func TestReaders(t *testing.T) {
	db, _ := begin(t)
	db.NoSync = true
	var work sync.WaitGroup
	stop := make(chan struct{})
	for range 4 {
		work.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				err := db.View(func(tx *journal.Tx) error {
					b := tx.Bucket(name)
					b.Fill(0.7)
					if x, y := string(b.Get([]byte("x"))), string(b.Get([]byte("y"))); x != y {
						return fmt.Errorf("x is %q and y %q", x, y)
					}
					c := b.Cursor()
					for k, _ := c.Last(); k != nil; k, _ = c.Prev() {
						_ = k
					}
					return nil
				})
				if err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	for i := range 3 * journal.MaxChanges / 3 {
		v := fmt.Sprint(i)
		must(t, db.Update(func(tx *journal.Tx) error {
			return errors.Join(put("x", v)(tx), put("y", v)(tx), put(fmt.Sprint("k", i%50), v)(tx))
		}))
	}
	close(stop)
	work.Wait()
}

// TestDelete removes keys that are there, with a value or without, and others, which is no change.
func TestDelete(t *testing.T) {
	db, _ := begin(t)
	remove := func(key string) func(*journal.Tx) error {
		return func(tx *journal.Tx) error { return tx.Bucket(name).Delete([]byte(key)) }
	}
	must(t, db.Update(put("a", "1")))
	must(t, db.Update(func(tx *journal.Tx) error { return tx.Bucket(name).Put([]byte("b"), nil) }))
	for _, c := range []struct {
		key     string
		changes int
	}{{"a", 1}, {"a", 0}, {"b", 1}, {"b", 0}, {"c", 0}} {
		before := db.Commits()
		must(t, db.Update(remove(c.key)))
		if n := db.Commits() - before; n != c.changes {
			t.Errorf("to delete %s is %d changes, want %d", c.key, n, c.changes)
		}
	}
	if left := all(t, db); len(left) != 0 {
		t.Errorf("left: %v", left)
	}
}

func TestClosed(t *testing.T) {
	db, path := begin(t)
	must(t, db.Update(put("a", "1")))
	must(t, db.Close())
	must(t, db.Close())
	if err := db.Update(put("a", "2")); !errors.Is(err, journal.ErrClosed) {
		t.Errorf("Update: %v", err)
	}
	if err := db.View(func(*journal.Tx) error { return nil }); !errors.Is(err, journal.ErrClosed) {
		t.Errorf("View: %v", err)
	}
	for _, log := range journal.Paths(path) {
		if _, err := os.Stat(log); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s: %v", log, err)
		}
	}
}

// FuzzJournal opens files with any journals: it must not crash, nor lose what the file
// holds by itself.
func FuzzJournal(f *testing.F) {
	dir := f.TempDir()
	path := filepath.Join(dir, "file.db")
	db, err := journal.Open(path, &bolt.Options{InitialMmapSize: 1 << 20})
	if err != nil {
		f.Fatal(err)
	}
	if err := db.Update(func(tx *journal.Tx) error {
		_, err := tx.CreateBucketIfNotExists(name)
		return errors.Join(err, put("a", "1")(tx))
	}); err != nil {
		f.Fatal(err)
	}
	if err := db.Snapshot(func(*bolt.Tx) error { return nil }); err != nil {
		f.Fatal(err)
	}
	hold := make(chan struct{})
	db.SetCommitting(1, func() error { <-hold; return nil })
	for _, key := range []string{"b", "c"} { // the first is frozen when the second comes
		if err := db.Update(put(key, "2")); err != nil {
			f.Fatal(err)
		}
	}
	paths := journal.Paths(path)
	file, err1 := os.ReadFile(path)
	log, err2 := os.ReadFile(paths[0])
	second, err3 := os.ReadFile(paths[1])
	close(hold)
	if err := errors.Join(err1, err2, err3); err != nil {
		f.Fatal(err)
	}
	f.Add(log, second)
	f.Add(second, log)
	f.Add(log[:len(log)-2], second)
	f.Add(log, second[:len(second)-2])
	f.Fuzz(func(t *testing.T, log, second []byte) {
		path := filepath.Join(t.TempDir(), "file.db")
		must(t, os.WriteFile(path, file, 0o600))
		for i, b := range [][]byte{log, second} {
			must(t, os.WriteFile(journal.Paths(path)[i], b, 0o600))
		}
		db, err := journal.Open(path, &bolt.Options{NoSync: true})
		if err != nil {
			return // a journal whose sums hold and whose changes do not is refused
		}
		defer db.Close()
		if all(t, db)["a"] == "" {
			t.Error("what the file holds by itself is lost")
		}
	})
}
