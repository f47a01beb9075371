// Package bbolttest opens the store of one machine for tests.
package bbolttest

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/todoku/todoku/shared/journal"
	"github.com/todoku/todoku/shared/table/bbolt"
)

// Open returns an empty table whose clock is now. It closes when the test ends.
func Open(t testing.TB, now func() time.Time) *bbolt.Table {
	t.Helper()
	_, tab := OpenFile(t, now)
	return tab
}

// OpenFile is Open for a test that keeps more than the table in the file, as queues do.
// The disk is not waited for: nothing of this outlives the test.
func OpenFile(t testing.TB, now func() time.Time) (*journal.DB, *bbolt.Table) {
	t.Helper()
	db, err := bbolt.Open(filepath.Join(t.TempDir(), "todoku.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() }) // what it leaves goes with the folder
	db.NoSync = true
	tab, err := bbolt.New(db, now)
	if err != nil {
		t.Fatal(err)
	}
	return db, tab
}
