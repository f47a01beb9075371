package journal_test

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"
	bolt "go.etcd.io/bbolt"

	"github.com/todoku/todoku/shared/journal"
)

// What is written while the disk is busy shares the next sync, and is seen at once.
func TestSharedSync(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db, path := begin(t)
		var syncs atomic.Int32
		busy := make(chan struct{})
		db.SetFaulty(func() error { syncs.Add(1); <-busy; return nil })
		want := map[string]string{}
		var work sync.WaitGroup
		for i := range 20 {
			key := fmt.Sprint(i)
			want[key] = "v"
			work.Go(func() {
				if err := db.Update(put(key, "v")); err != nil {
					t.Error(err)
				}
			})
			synctest.Wait() // the first syncs, the others wait
		}
		if d := cmp.Diff(want, all(t, db)); d != "" {
			t.Errorf("before the disk has it (-want +got):\n%s", d)
		}
		close(busy)
		work.Wait()
		if got := syncs.Load(); got != 2 {
			t.Errorf("%d syncs, want 2", got)
		}
		if d := cmp.Diff(want, all(t, crashed(t, path, nil))); d != "" {
			t.Errorf("after a crash (-want +got):\n%s", d)
		}
	})
}

// Who changes nothing has read what another has written: it waits for that, too.
func TestReadAheadWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db, _ := begin(t)
		busy := make(chan struct{})
		db.SetFaulty(func() error { <-busy; return nil })
		wait, err := db.Start(put("a", "1"))
		must(t, err)
		var done atomic.Bool
		go func() {
			err := db.Update(func(tx *journal.Tx) error {
				if got := string(tx.Bucket(name).Get([]byte("a"))); got != "1" {
					t.Errorf("it reads %q", got)
				}
				return nil
			})
			if err != nil {
				t.Error(err)
			}
			done.Store(true)
		}()
		synctest.Wait()
		if done.Load() {
			t.Error("it is through before the disk has what it read")
		}
		close(busy)
		must(t, wait())
		synctest.Wait()
		if !done.Load() {
			t.Error("it waits for ever")
		}
	})
}

// After a failed sync nothing is good until the file has it all: a sync that succeeds
// afterwards proves nothing of what was written before.
func TestFailedSync(t *testing.T) {
	db, path := begin(t)
	must(t, db.Update(put("a", "1")))
	disk := errWanted
	db.SetFaulty(func() error { return disk })
	first, err := db.Start(put("b", "2"))
	must(t, err)
	second, err := db.Start(put("c", "3"))
	must(t, err)
	if err := first(); !errors.Is(err, errWanted) {
		t.Errorf("the first: error %v", err)
	}
	disk = nil
	if err := second(); !errors.Is(err, errWanted) {
		t.Errorf("the second, whose sync would have worked: error %v", err)
	}
	must(t, db.Update(put("d", "4")))
	want := map[string]string{"a": "1", "b": "2", "c": "3", "d": "4"}
	if d := cmp.Diff(want, all(t, db)); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
	// The checkpoint has put it into the file: what the journal held is not needed.
	if d := cmp.Diff(want, all(t, crashed(t, path, nil))); d != "" {
		t.Errorf("after a crash (-want +got):\n%s", d)
	}
	must(t, first())
}

// A checkpoint waits for the sync that runs. If that fails, what was written is in doubt
// until the checkpoint has put it into the file.
func TestFailedSyncBesideCheckpoint(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db, path := begin(t)
		busy, said := make(chan struct{}), errWanted
		db.SetFaulty(func() error { <-busy; return said })
		first, err := db.Start(put("a", "1"))
		must(t, err)
		told, done := make(chan error, 1), make(chan error, 1)
		go func() { told <- first() }()
		synctest.Wait() // it syncs
		go func() { done <- db.Snapshot(func(*bolt.Tx) error { return nil }) }()
		synctest.Wait()
		select {
		case err := <-done:
			t.Errorf("the checkpoint does not wait: error %v", err)
		default:
		}
		close(busy)
		if err := <-told; !errors.Is(err, errWanted) {
			t.Errorf("whose sync has failed: error %v", err)
		}
		must(t, <-done)
		must(t, first())
		said = nil
		must(t, db.Update(put("b", "2")))
		if d := cmp.Diff(map[string]string{"a": "1", "b": "2"}, all(t, crashed(t, path, nil))); d != "" {
			t.Errorf("after a crash (-want +got):\n%s", d)
		}
	})
}

// A disk that fails for good refuses each change, and what it had stays readable.
func TestFailingDisk(t *testing.T) {
	db, _ := begin(t)
	must(t, db.Update(put("a", "1")))
	var fails atomic.Bool
	fails.Store(true)
	db.SetFaulty(func() error {
		if fails.Load() {
			return errWanted
		}
		return nil
	})
	for i := range 5 {
		if err := db.Update(put("b", fmt.Sprint(i))); !errors.Is(err, errWanted) {
			t.Errorf("change %d: error %v", i, err)
		}
		if got := all(t, db)["a"]; got != "1" {
			t.Errorf("a is %q", got)
		}
	}
	fails.Store(false)
	must(t, db.Update(put("b", "last")))
	if d := cmp.Diff(map[string]string{"a": "1", "b": "last"}, all(t, db)); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
}

// Many at once, with a disk that fails now and then: who was told that it is on the disk
// finds it after a crash. For -race.
func TestCrowdOnAFailingDisk(t *testing.T) {
	db, path := begin(t)
	var n atomic.Int32
	db.SetFaulty(func() error {
		if n.Add(1)%7 == 0 {
			return errWanted
		}
		return nil
	})
	var mu sync.Mutex
	kept := map[string]bool{}
	var work sync.WaitGroup
	for w := range 8 {
		work.Go(func() {
			for i := range 100 {
				key := fmt.Sprintf("%d-%d", w, i)
				switch err := db.Update(put(key, "v")); {
				case err == nil:
					mu.Lock()
					kept[key] = true
					mu.Unlock()
				case !errors.Is(err, errWanted):
					t.Error(err)
				}
			}
		})
	}
	work.Wait()
	got := all(t, crashed(t, path, nil))
	for key := range kept {
		if got[key] != "v" {
			t.Errorf("%s is lost", key)
		}
	}
	t.Logf("%d of 800 kept", len(kept))
}
