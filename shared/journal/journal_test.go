package journal_test

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
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
	db, err := journal.Open(path, nil)
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

// crashed copies the file and its journal as a crash of the process leaves them, and
// opens the copy.
func crashed(t *testing.T, path string, harm func(log string)) *journal.DB {
	t.Helper()
	to := filepath.Join(t.TempDir(), "file.db")
	for _, suffix := range []string{"", journal.Suffix} {
		b, err := os.ReadFile(path + suffix)
		must(t, err)
		must(t, os.WriteFile(to+suffix, b, 0o600))
	}
	if harm != nil {
		harm(to + journal.Suffix)
	}
	return open(t, to)
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
	log, err := os.ReadFile(path + journal.Suffix)
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
	foreign, err := os.ReadFile(path + journal.Suffix)
	must(t, err)
	db, path := begin(t)
	must(t, db.Update(put("a", "mine")))
	must(t, db.Close())
	for what, log := range map[string][]byte{"another's": foreign, "none": []byte("not a journal"), "empty": {}} {
		must(t, os.WriteFile(path+journal.Suffix, log, 0o600))
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

// TestModel does random things, with crashes in between, and compares with a map.
func TestModel(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	db, path := begin(t)
	db.NoSync = true
	model := map[string]string{}
	sequence := uint64(0)
	for round := range 30 {
		for range 1 + r.IntN(1500) {
			next := maps.Clone(model)
			fails := r.IntN(500) == 0
			err := db.Update(func(tx *journal.Tx) error {
				n, err := change(tx, r, next)
				if fails {
					return errWanted
				}
				sequence = n
				return err
			})
			if fails != errors.Is(err, errWanted) {
				t.Fatal(err)
			}
			if !fails {
				model = next
			}
		}
		switch r.IntN(3) {
		case 0:
			db = crashed(t, path, nil)
			path = db.Path()
		case 1:
			must(t, db.Close())
			db = open(t, path)
		}
		db.NoSync = true
		if d := cmp.Diff(model, all(t, db)); d != "" {
			t.Fatalf("round %d (-want +got):\n%s", round, d)
		}
		must(t, db.View(func(tx *journal.Tx) error {
			if got := tx.Bucket(name).Sequence(); got != sequence {
				t.Errorf("round %d: the number is %d, want %d", round, got, sequence)
			}
			return nil
		}))
		must(t, db.Snapshot(whole))
	}
}

func change(tx *journal.Tx, r *rand.Rand, model map[string]string) (uint64, error) {
	b := tx.Bucket(name)
	for range 1 + r.IntN(5) {
		key := fmt.Sprintf("%05d", r.IntN(3000))
		if r.IntN(3) == 0 {
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
	if _, err := os.Stat(path + journal.Suffix); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the journal: %v", err)
	}
}

// FuzzJournal opens files with any journal: it must not crash, nor lose what the file
// holds by itself.
func FuzzJournal(f *testing.F) {
	dir := f.TempDir()
	path := filepath.Join(dir, "file.db")
	db, err := journal.Open(path, nil)
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
	if err := db.Update(put("b", "2")); err != nil {
		f.Fatal(err)
	}
	file, err1 := os.ReadFile(path)
	log, err2 := os.ReadFile(path + journal.Suffix)
	if err := errors.Join(err1, err2); err != nil {
		f.Fatal(err)
	}
	f.Add(log)
	f.Add(log[:len(log)-2])
	f.Fuzz(func(t *testing.T, log []byte) {
		path := filepath.Join(t.TempDir(), "file.db")
		must(t, os.WriteFile(path, file, 0o600))
		must(t, os.WriteFile(path+journal.Suffix, log, 0o600))
		db, err := journal.Open(path, &bolt.Options{NoSync: true})
		if err != nil {
			return // a journal whose sums hold and whose changes do not is refused
		}
		defer db.Close()
		all(t, db)
	})
}
