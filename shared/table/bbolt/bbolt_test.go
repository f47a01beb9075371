package bbolt_test

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/todoku/todoku/shared/table"
	"github.com/todoku/todoku/shared/table/bbolt"
	"github.com/todoku/todoku/shared/table/tabletest"
)

func TestConformance(t *testing.T) {
	tabletest.Run(t, func(t *testing.T, now func() time.Time) table.Table {
		return open(t, filepath.Join(t.TempDir(), "todoku.db"), now)
	})
}

func open(t testing.TB, path string, now func() time.Time) *bbolt.Table {
	t.Helper()
	db, err := bbolt.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	tbl, err := bbolt.New(db, now)
	if err != nil {
		t.Fatal(err)
	}
	return tbl
}
