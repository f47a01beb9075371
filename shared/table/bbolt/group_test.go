package bbolt_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/todoku/todoku/shared/journal"

	"github.com/todoku/todoku/shared/table"
	"github.com/todoku/todoku/shared/table/bbolt"
)

var bucket = []byte("test")

func openGroup(t *testing.T) (*journal.DB, *bbolt.Group) {
	t.Helper()
	db, err := bbolt.Open(filepath.Join(t.TempDir(), "group.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	err = db.Update(func(tx *journal.Tx) error {
		_, err := tx.CreateBucketIfNotExists(bucket)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return db, bbolt.NewGroup(db)
}

func put(key string) func(*journal.Tx) error {
	return func(tx *journal.Tx) error { return tx.Bucket(bucket).Put([]byte(key), []byte("v")) }
}

func keys(t *testing.T, db *journal.DB) map[string]bool {
	t.Helper()
	got := map[string]bool{}
	err := db.View(func(tx *journal.Tx) error {
		return tx.Bucket(bucket).ForEach(func(k, _ []byte) error {
			got[string(k)] = true
			return nil
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// lineUp holds a first commit open until calls have lined up behind it, so that
// they are in one commit for certain.
func lineUp(t *testing.T, db *journal.DB, g *bbolt.Group, calls ...func()) (commits int) {
	t.Helper()
	var all sync.WaitGroup
	begun, goOn := make(chan bool), make(chan bool)
	all.Go(func() {
		var once sync.Once
		g.Update(func(*journal.Tx) error {
			once.Do(func() { close(begun); <-goOn })
			return nil
		})
	})
	<-begun
	for i, call := range calls {
		all.Go(call)
		for bbolt.Waiting(g) <= i {
			runtime.Gosched()
		}
	}
	before := db.Commits()
	close(goOn)
	all.Wait()
	return db.Commits() - before
}

func TestGroupSharesCommits(t *testing.T) {
	db, g := openGroup(t)
	var calls []func()
	for i := range 20 {
		calls = append(calls, func() {
			if err := g.Update(put(fmt.Sprint(i))); err != nil {
				t.Error(err)
			}
		})
	}
	if got := lineUp(t, db, g, calls...); got != 1 {
		t.Errorf("%d commits for 20 writers in line, want 1", got)
	}
	if got := keys(t, db); len(got) != len(calls) {
		t.Errorf("%d keys", len(got))
	}
}

// TestGroupLeavesOutFailures puts writers that write and then fail between others.
func TestGroupLeavesOutFailures(t *testing.T) {
	db, g := openGroup(t)
	failure := errors.New("failure")
	update := func(key string, end func() error, want error) func() {
		return func() {
			defer func() {
				if p := recover(); (p != nil) != (want == errPanics) {
					t.Errorf("%s: panic %v", key, p)
				}
			}()
			err := g.Update(func(tx *journal.Tx) error {
				if err := put(key)(tx); err != nil {
					return err
				}
				return end()
			})
			if err != want {
				t.Errorf("%s: %v, want %v", key, err, want)
			}
		}
	}
	good := func() error { return nil }
	bad := func() error { return failure }
	lineUp(t, db, g,
		update("bad 1", bad, failure), update("good 1", good, nil), update("bad 2", bad, failure),
		update("panics", func() error { panic("at the disco") }, errPanics), update("good 2", good, nil), update("bad 3", bad, failure))
	if got := fmt.Sprint(keys(t, db)); got != "map[good 1:true good 2:true]" {
		t.Errorf("keys: %s", got)
	}
	if err := g.Update(put("after")); err != nil {
		t.Error(err)
	}
}

var errPanics = errors.New("panics")

func TestGroupOfClosedFile(t *testing.T) {
	db, g := openGroup(t)
	db.Close()
	for range 2 {
		if err := g.Update(put("a")); err == nil {
			t.Error("a write to a closed file succeeded")
		}
	}
}

// TestGroupCrowd has many writers count in one value: no run may be lost or kept
// twice, though some fail on the way.
func TestGroupCrowd(t *testing.T) {
	const writers, each = 20, 20
	db, g := openGroup(t)
	key, failure := []byte("sum"), errors.New("failure")
	var all sync.WaitGroup
	for w := range writers {
		all.Go(func() {
			for i := range each {
				err := g.Update(func(tx *journal.Tx) error {
					b := tx.Bucket(bucket)
					if err := b.Put(key, append(bytes.Clone(b.Get(key)), 'x')); err != nil || (w+i)%7 != 0 {
						return err
					}
					return failure
				})
				if ((w+i)%7 == 0) != (err == failure) {
					t.Errorf("writer %d, %d: %v", w, i, err)
				}
			}
		})
	}
	all.Wait()
	want := 0
	for i := range writers * each {
		if (i/each+i%each)%7 != 0 {
			want++
		}
	}
	db.View(func(tx *journal.Tx) error {
		if got := len(tx.Bucket(bucket).Get(key)); got != want {
			t.Errorf("counted %d, want %d", got, want)
		}
		return nil
	})
}

// TestCancelledInLine cancels a write that is in line for a commit.
func TestCancelledInLine(t *testing.T) {
	now := noon
	db, tbl := openAt(t, &now)
	ctx, cancel := context.WithCancel(t.Context())
	create := func(sort string) table.Create { return table.Create{Key: table.Key{Partition: "p", Sort: sort}} }
	write := func(ctx context.Context, sort string, want error) func() {
		return func() {
			if err := tbl.Write(ctx, "", create(sort)); !errors.Is(err, want) {
				t.Errorf("Write of %q = %v, want %v", sort, err, want)
			}
		}
	}
	cancels := func() {
		err := tbl.Update(func(*journal.Tx) error { cancel(); return nil })
		if err != nil {
			t.Error(err)
		}
	}
	lineUp(t, db, bbolt.GroupOf(tbl), write(ctx, "before", nil), cancels, write(ctx, "cancelled", context.Canceled), write(t.Context(), "other", nil))
	if diff := cmp.Diff([]string{"before", "other"}, halves(t, tbl, "p")); diff != "" {
		t.Errorf("items (-want +got):\n%s", diff)
	}
}
