package bbolt

import (
	"errors"
	"fmt"
	"io/fs"
	"math/bits"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/todoku/todoku/shared/journal"
	boltErrors "go.etcd.io/bbolt/errors"

	"github.com/todoku/todoku/shared/problem"
)

// The options of the file.
const (
	// lockWait is long enough for a predecessor that is just ending.
	lockWait = time.Second
	// mapped is how much of the address space the file is given in advance, and at
	// least twice its size: 16 GiB, of 128 TiB, or 1 where addresses have 32 bits. It costs no
	// memory and no disk. A file that outgrows it must be mapped anew, for which all reads must
	// end, that of a Backup too; and commits no longer run beside them.
	mapped = 1 << (30 + 4*(bits.UintSize/64))
	// grow is by how much the file grows at a time: each time costs a wait for the
	// disk, but a hole in a file takes no room.
	grow = 16 << 20
)

// Open opens the file at path and makes it if there is none; its folder must
// exist. One process at a time can have it open. The caller closes it. Errors that
// a person can do something about are of type *problem.Error.
//
// The list of free pages is kept in memory and not written with each commit: in a
// file of which 400,000 items were deleted that would be 630 KiB a commit instead
// of 160 (and see BenchmarkOptions). It is found again when the file is opened, which takes about
// 25 ms for 100,000 items (BenchmarkOpen).
func Open(path string) (*journal.DB, error) {
	size, err := ensureFile(path)
	if err != nil {
		return nil, fault(fmt.Errorf("bbolt: make the file: %w", err))
	}
	db, err := guarded(func() (*journal.DB, error) {
		if err := checkLength(path); err != nil {
			return nil, err
		}
		return journal.Open(path, &bolt.Options{
			Timeout:         lockWait,
			FreelistType:    bolt.FreelistMapType,
			NoFreelistSync:  true,
			NoStatistics:    true, // they cost each read a lock
			InitialMmapSize: int(max(mapped, 2*size)),
		})
	})
	if err != nil {
		return nil, err
	}
	db.File().AllocSize = grow
	return db, nil
}

// checkLength refuses a file that ends before its last page: to read there is no error of
// Go but a fault, and bbolt meets it in a goroutine of its own when it looks for free pages.
// What is opened read-only looks at the first two pages only.
func checkLength(path string) error {
	db, err := bolt.Open(path, 0o600, &bolt.Options{ReadOnly: true, Timeout: lockWait})
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	return db.View(func(tx *bolt.Tx) error {
		info, err := os.Stat(path) // only now: whoever had the file open may have made it longer
		if err == nil && info.Size() < tx.Size() {
			err = noDatabase.Because(fmt.Errorf("bbolt: %d bytes of %d", info.Size(), tx.Size()))
		}
		return err
	})
}

// guarded opens a file that exists and says for people what is wrong with it.
func guarded[DB any](open func() (*DB, error)) (db *DB, err error) {
	defer func() { // bbolt panics if it cannot find the free pages of a damaged file
		if p := recover(); p != nil {
			db, err = nil, noDatabase.Because(fmt.Errorf("bbolt: %v", p))
		}
	}()
	db, err = open()
	switch {
	case err == nil:
		return db, nil
	case errors.Is(err, boltErrors.ErrTimeout):
		return nil, inUse.Because(err)
	case isNoDatabase(err):
		return nil, noDatabase.Because(err)
	}
	return nil, fault(err)
}

func isNoDatabase(err error) bool {
	kinds := []error{boltErrors.ErrInvalid, boltErrors.ErrVersionMismatch, boltErrors.ErrChecksum}
	isKind := func(kind error) bool { return errors.Is(err, kind) }
	return slices.ContainsFunc(kinds, isKind) || strings.Contains(err.Error(), "file size too small") // which has no kind
}

// ensureFile makes an empty database at path if there is no file, and returns the
// size of the file. It never leaves half a database there, which bolt.Open alone
// would do if the disk is full.
func ensureFile(path string) (size int64, err error) {
	info, err := os.Stat(path)
	if err == nil {
		return info.Size(), nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return 0, err
	}
	err = placeNew(path, func(f *os.File) error {
		db, err := bolt.Open(f.Name(), 0o600, nil)
		if err != nil {
			return err
		}
		return db.Close()
	})
	if errors.Is(err, fs.ErrExist) {
		return 0, nil // another process was faster; the lock decides
	}
	return 0, err
}

// placeNew lets fill write a temporary file and then puts it at path, durably and
// as a whole. It fails with an error matching fs.ErrExist if there is a file.
func placeNew(path string, fill func(*os.File) error) error {
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*.new")
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(f.Name()) }()
	err = fill(f)
	if err == nil {
		err = f.Sync()
	}
	err = errors.Join(err, f.Close())
	if err != nil {
		return err
	}
	return Place(f.Name(), path)
}

// Place puts a file that nobody has open in place, durably. It fails with an error matching
// fs.ErrExist if there is one.
func Place(from, to string) error {
	if err := renameNew(from, to); err != nil {
		return err
	}
	return journal.SyncDir(filepath.Dir(to))
}

// renameNew renames without overwriting. Where the file system knows links, that
// holds even against another process at the same moment.
func renameNew(from, to string) error {
	err := os.Link(from, to)
	if err == nil || errors.Is(err, fs.ErrExist) {
		return err
	}
	if _, err := os.Lstat(to); err == nil {
		return &fs.PathError{Op: "rename", Path: to, Err: fs.ErrExist}
	}
	return os.Rename(from, to)
}

var (
	inUse = problem.New(problem.Conflict,
		"別の届く（Todoku）が同じデータを使用しています。先にそちらを終了するか、別のデータフォルダーを指定してください。",
		"Another Todoku is using this data. Stop that one first, or choose another data folder.")
	noDatabase = problem.New(problem.Invalid,
		"このファイルは届く（Todoku）のデータではないか、壊れています。別の場所へ移し、バックアップから復元してください。",
		"This file is not Todoku's data, or it is damaged. Move it away and restore a backup.")
)
