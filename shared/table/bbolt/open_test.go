package bbolt_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/todoku/todoku/shared/journal"

	"github.com/todoku/todoku/shared/table"
	"github.com/todoku/todoku/shared/table/bbolt"
)

func TestOpenRefuses(t *testing.T) {
	dir := t.TempDir()
	text, damaged, inUse := filepath.Join(dir, "text"), filepath.Join(dir, "damaged"), filepath.Join(dir, "in use")
	page, half := filepath.Join(dir, "a page"), filepath.Join(dir, "half")
	whole := backup(t)
	for path, data := range map[string][]byte{
		text: []byte(strings.Repeat("not a database\n", 1000)), damaged: disordered(whole), page: whole[:5000], half: whole[:len(whole)/2],
	} {
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	db, err := bbolt.Open(inUse)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for path, want := range map[string]string{
		text: "not Todoku's data", damaged: "it is damaged", page: "it is damaged", half: "it is damaged", inUse: "Another Todoku",
	} {
		_, err := bbolt.Open(path)
		wantProblem(t, err, want)
	}
	_, err = bbolt.Open(filepath.Join(dir, "no folder", "todoku.db"))
	if !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("without a folder: %v", err)
	}
	wantFiles(t, dir, "a page", "damaged", "half", "in use", "in use.journal", "in use.journal2", "text")
}

// TestOpenAgain finds what was written before, and leaves no other file behind.
func TestOpenAgain(t *testing.T) {
	path := filepath.Join(t.TempDir(), "todoku.db")
	for n := range 3 {
		db, err := bbolt.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		tbl, err := bbolt.New(db, time.Now)
		if err != nil {
			t.Fatal(err)
		}
		if got := len(halves(t, tbl, "left")); got != n {
			t.Errorf("%d items, want %d", got, n)
		}
		mustWrite(t, tbl, "", pair(n)...)
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
	}
	wantFiles(t, filepath.Dir(path), "todoku.db")
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v; want nobody else to read it", info.Mode(), err)
	}
}

func TestNewerFormat(t *testing.T) {
	now := noon
	db, _ := openAt(t, &now)
	err := db.Update(func(tx *journal.Tx) error { return tx.Bucket([]byte("format")).Put([]byte("table"), []byte("2")) })
	if err != nil {
		t.Fatal(err)
	}
	_, err = bbolt.New(db, time.Now)
	wantProblem(t, err, "another version of Todoku (format 2)")
}

// TestCorruptItem reads items that no version has written.
func TestCorruptItem(t *testing.T) {
	for name, value := range map[string]string{
		"unknown kind": "\x09", "no revision": "\x01", "no expiry": "\x03\x01", "half a field": "\x02\x05ab", "no number": "\x02\x01a",
	} {
		now := noon
		db, tbl := openAt(t, &now)
		key := table.Key{Partition: "p", Sort: "a"}
		err := db.Update(func(tx *journal.Tx) error { return tx.Bucket([]byte("table")).Put([]byte("p\x00a"), []byte(value)) })
		if err != nil {
			t.Fatal(err)
		}
		_, getErr := tbl.Get(t.Context(), key)
		_, queryErr := tbl.Query(t.Context(), table.Query{Partition: "p"})
		writeErr := tbl.Write(t.Context(), "", table.Add{Key: key, Deltas: map[string]int64{"n": 1}})
		for call, err := range map[string]error{"Get": getErr, "Query": queryErr, "Write": writeErr} {
			if err == nil || errors.Is(err, table.ErrNotFound) {
				t.Errorf("%s: %s = %v, want a fault", name, call, err)
			}
		}
	}
}

// TestHealthFindsLeftovers has a probe that a killed process left behind.
func TestHealthFindsLeftovers(t *testing.T) {
	now := noon
	db, tbl := openAt(t, &now)
	mustWrite(t, tbl, "", table.Create{Key: table.Key{Partition: "\x01health", Sort: "probe"}, Value: []byte("left")})
	if err := tbl.CheckHealth(t.Context()); err != nil {
		t.Error(err)
	}
	if n := entries(t, db); n != 0 {
		t.Errorf("%d items are left", n)
	}
	db.Close()
	if err := tbl.CheckHealth(t.Context()); err == nil {
		t.Error("a closed file is healthy")
	}
}
