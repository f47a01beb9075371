package journal_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"
	bolt "go.etcd.io/bbolt"

	"github.com/todoku/todoku/shared/journal"
)

// While a checkpoint commits, writers go on, readers see everything, and a crash loses
// nothing. The next checkpoint waits for it.
func TestWritersBesideCommit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db, path := begin(t)
		must(t, db.Update(put("old", "1")))
		must(t, db.Update(put("gone", "1")))
		must(t, db.Snapshot(func(*bolt.Tx) error { return nil }))
		disk := make(chan struct{})
		db.SetCommitting(3, func() error { <-disk; return nil })
		for _, key := range []string{"a", "b", "c", "d"} { // d is the first beside the commit
			must(t, db.Update(put(key, "2")))
		}
		must(t, db.Update(func(tx *journal.Tx) error {
			return errors.Join(tx.Bucket(name).Delete([]byte("gone")), put("b", "3")(tx))
		}))
		want := map[string]string{"old": "1", "a": "2", "b": "3", "c": "2", "d": "2"}
		synctest.Wait()
		if d := cmp.Diff(want, all(t, db)); d != "" {
			t.Errorf("beside the commit (-want +got):\n%s", d)
		}
		if d := cmp.Diff(want, all(t, crashed(t, path, nil))); d != "" {
			t.Errorf("after a crash (-want +got):\n%s", d)
		}
		done := make(chan error, 1)
		go func() { done <- db.Update(put("e", "2")) }() // before it a checkpoint is due
		synctest.Wait()
		select {
		case err := <-done:
			t.Errorf("it does not wait for the commit that runs: error %v", err)
		default:
		}
		close(disk)
		must(t, <-done)
		want["e"] = "2"
		if d := cmp.Diff(want, all(t, db)); d != "" {
			t.Errorf("after the commit (-want +got):\n%s", d)
		}
		synctest.Wait()
		if d := cmp.Diff(want, all(t, crashed(t, path, nil))); d != "" {
			t.Errorf("after the commit and a crash (-want +got):\n%s", d)
		}
	})
}

// A file that cannot be committed, as on a full disk, takes nothing away. Writers go on
// until the next checkpoint is due; then they are refused until there is room.
func TestFailingCommit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db, path := begin(t)
		must(t, db.Snapshot(func(*bolt.Tx) error { return nil }))
		full := errWanted
		db.SetCommitting(3, func() error { return full })
		want := map[string]string{}
		for i := range 6 {
			synctest.Wait()
			must(t, db.Update(put(fmt.Sprint(i), "v")))
			want[fmt.Sprint(i)] = "v"
		}
		for range 3 {
			if err := db.Update(put("refused", "v")); !errors.Is(err, errWanted) {
				t.Errorf("without room: error %v", err)
			}
		}
		if err := db.Snapshot(func(*bolt.Tx) error { return nil }); !errors.Is(err, errWanted) {
			t.Errorf("a backup without room: error %v", err)
		}
		if d := cmp.Diff(want, all(t, db)); d != "" {
			t.Errorf("without room (-want +got):\n%s", d)
		}
		if d := cmp.Diff(want, all(t, crashed(t, path, nil))); d != "" {
			t.Errorf("without room and after a crash (-want +got):\n%s", d)
		}
		full = nil
		must(t, db.Update(put("again", "v")))
		want["again"] = "v"
		must(t, db.Snapshot(whole))
		if d := cmp.Diff(want, all(t, db)); d != "" {
			t.Errorf("with room (-want +got):\n%s", d)
		}
	})
}

// A file that outgrows its mapping is mapped anew, for which readers wait.
func TestOutgrown(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file.db")
	db, err := journal.Open(path, &bolt.Options{InitialMmapSize: 1 << 20})
	must(t, err)
	defer db.Close()
	db.NoSync = true
	db.SetCommitting(20, nil)
	must(t, db.Update(func(tx *journal.Tx) error { _, err := tx.CreateBucketIfNotExists(name); return err }))
	want := map[string]string{}
	for i := range 200 {
		key, value := fmt.Sprint(i), strings.Repeat(fmt.Sprint(i%10), 20_000)
		must(t, db.Update(put(key, value)))
		want[key] = value
	}
	if d := cmp.Diff(want, all(t, db)); d != "" {
		t.Error("what was written is not what is read")
	}
	must(t, db.Snapshot(whole))
}

// What bbolt would refuse is refused before it is in the journal.
func TestRefused(t *testing.T) {
	db, path := begin(t)
	sub := []byte("sub")
	for what, fn := range map[string]func(*journal.Tx) error{
		"no key":     put("", "1"),
		"a long key": put(strings.Repeat("k", bolt.MaxKeySize+1), "1"),
		"a nameless": func(tx *journal.Tx) error { _, err := tx.CreateBucketIfNotExists(nil); return err },
		"a NUL":      func(tx *journal.Tx) error { _, err := tx.CreateBucketIfNotExists([]byte("a\x00b")); return err },
		"among items": func(tx *journal.Tx) error {
			must(t, put("a", "1")(tx))
			_, err := tx.Bucket(name).CreateBucketIfNotExists(sub)
			return err
		},
		"among buckets": func(tx *journal.Tx) error {
			_, err := tx.Bucket(name).CreateBucketIfNotExists(sub)
			must(t, err)
			return put("a", "1")(tx)
		},
		"no sub-bucket to delete": func(tx *journal.Tx) error {
			_, err := tx.Bucket(name).CreateBucketIfNotExists(sub)
			must(t, err)
			return tx.Bucket(name).Delete(sub)
		},
		"in a View, put": func(*journal.Tx) error { return db.View(put("a", "1")) },
	} {
		if what == "in a View, put" {
			if err := fn(nil); err == nil {
				t.Errorf("%s is taken", what)
			}
			continue
		}
		if err := db.Update(fn); err == nil {
			t.Errorf("%s is taken", what)
		}
	}
	must(t, db.Snapshot(whole))
	if got := all(t, crashed(t, path, nil)); len(got) != 0 {
		t.Errorf("left: %v", got)
	}
}

// A key may be changed after it was given, as a cursor's is when the file is written.
func TestKeysAreCopied(t *testing.T) {
	db, _ := begin(t)
	key := []byte("a")
	must(t, db.Update(func(tx *journal.Tx) error {
		for _, key[0] = range []byte("abc") {
			if err := tx.Bucket(name).Put(key, []byte{'v'}); err != nil {
				return err
			}
		}
		return nil
	}))
	must(t, db.Update(func(tx *journal.Tx) error {
		key[0] = 'b'
		defer func() { key[0] = 'c' }()
		return tx.Bucket(name).Delete(key)
	}))
	if d := cmp.Diff(map[string]string{"a": "v", "c": "v"}, all(t, db)); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
}

// If the disk fails when the file shows a commit already, nobody knows what it holds for
// good: nothing works any more, and the next Open finds everything in the journals.
func TestCommitInDoubt(t *testing.T) {
	for what, size := range map[string]int{"beside readers": 64 << 20, "alone": 0} {
		t.Run(what, func(t *testing.T) {
			_, path := begin(t)
			copied := filepath.Join(t.TempDir(), "file.db")
			copyFile(t, path, copied)
			db, err := journal.Open(copied, &bolt.Options{InitialMmapSize: size})
			must(t, err)
			must(t, db.Update(func(tx *journal.Tx) error { _, err := tx.CreateBucketIfNotExists(name); return err }))
			db.SetCommitted(func() error { return errWanted })
			must(t, db.Update(put("a", "1")))
			if err := db.Snapshot(func(*bolt.Tx) error { return nil }); !errors.Is(err, errWanted) {
				t.Errorf("the commit: error %v", err)
			}
			if err := db.Update(put("b", "2")); !errors.Is(err, errWanted) {
				t.Errorf("a change afterwards: error %v", err)
			}
			if err := db.View(func(*journal.Tx) error { return nil }); !errors.Is(err, errWanted) {
				t.Errorf("a read afterwards: error %v", err)
			}
			if err := db.Close(); !errors.Is(err, errWanted) {
				t.Errorf("Close: error %v", err)
			}
			if d := cmp.Diff(map[string]string{"a": "1"}, all(t, open(t, copied))); d != "" {
				t.Errorf("after Open (-want +got):\n%s", d)
			}
		})
	}
}

// A journal that cannot be made, or read, is an error, and leaves the file to be opened later.
func TestUnusableJournal(t *testing.T) {
	for i := range 2 {
		db, path := begin(t)
		must(t, db.Update(put("a", "1")))
		must(t, db.Close())
		inTheWay := journal.Paths(path)[i]
		must(t, os.Mkdir(inTheWay, 0o700))
		if _, err := journal.Open(path, nil); err == nil {
			t.Errorf("journal %d: no error", i)
		}
		must(t, os.Remove(inTheWay))
		if d := cmp.Diff(map[string]string{"a": "1"}, all(t, open(t, path))); d != "" {
			t.Errorf("journal %d, afterwards (-want +got):\n%s", i, d)
		}
	}
}

// What many writers have written at once can be large.
func TestLargeRecord(t *testing.T) {
	db, path := begin(t)
	must(t, db.Update(func(tx *journal.Tx) error {
		return errors.Join(tx.Bucket(name).Put([]byte("large"), make([]byte, 70<<20)), put("a", "1")(tx))
	}))
	must(t, db.Update(put("b", "2")))
	got := all(t, crashed(t, path, nil))
	if len(got["large"]) != 70<<20 || got["a"] != "1" || got["b"] != "2" {
		t.Errorf("after a crash: %d bytes, a is %q, b is %q", len(got["large"]), got["a"], got["b"])
	}
}
