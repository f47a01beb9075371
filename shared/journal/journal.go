// Package journal keeps a bbolt file behind a journal. bbolt writes every page that a
// transaction has touched, some 20 KB for a change of a few hundred bytes; here a
// change is appended to the journal, which is synced, and the pages of thousands of
// changes are written at once. It is the write-ahead log of databases (Mohan et al.
// 1992, "ARIES"; SQLite's WAL mode), of logical redo records only: what is not
// committed to the file never reaches it.
//
// One bbolt transaction is open all the time and holds what the journal holds; reads
// look into it. A checkpoint commits it and begins the journal anew. After a crash,
// and after an error that leaves the transaction in doubt, the journal is applied to
// what the file holds: recovery is the one way back.
package journal

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	bolt "go.etcd.io/bbolt"
)

// MaxChanges is after how many changes a checkpoint is due. Nodes of bbolt are split
// when they are committed, so an insert takes longer the more were inserted before:
// at this size about 10 microseconds on average, and a checkpoint some 50 ms; with half of
// it an alert takes an eighth longer, because as many pages are written for fewer changes.
const MaxChanges = 16384

// MaxBytes is how long the journal may become before a checkpoint is due. On a full disk
// so much room has to be made before the file can take what the journal holds.
const MaxBytes = 8 << 20

// DB is a bbolt file and its journal, which lies beside it: path + Suffix. Any number
// of goroutines may use it. Close it when no call is running any more.
type DB struct {
	// NoSync leaves out waiting for the disk, in tests: what a crash of the machine
	// loses then is not bounded. Set it before the first Update.
	NoSync bool
	// Full is asked, in tests, what the disk says to a change: an error is a full disk. Set
	// it before the first Update.
	Full func() error
	// faulty, in tests, is asked what the disk says to a sync.
	faulty func() error

	file *bolt.DB

	commits atomic.Int64
	disk    disk

	writing sync.Mutex // one writer, checkpoint or close at a time
	log     *log       // of the writer
	changes int        // since the last checkpoint

	mu     sync.RWMutex // of what follows: readers share it
	tx     *bolt.Tx     // what the file holds, and what the journal holds
	broken error        // recovery failed: nothing works any more
}

// ErrClosed says that the DB was closed.
var ErrClosed = errors.New("journal: closed")

var errGone = errors.New("journal: records that were written cannot be read")

// Open opens the bbolt file at path, which must exist, with its journal, and applies
// what the journal holds. One process at a time can have it open.
func Open(path string, o *bolt.Options) (*DB, error) {
	file, err := bolt.Open(path, 0o600, o)
	if err != nil {
		return nil, err
	}
	db, err := start(file, path+Suffix)
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return db, nil
}

// start applies an old journal and begins a new one. Each journal has an id that the
// file knows, so that the journal of another file, or one that is applied already, is
// recognised.
func start(file *bolt.DB, path string) (*DB, error) {
	if err := applyOld(file, path); err != nil {
		return nil, err
	}
	id := newID()
	if err := file.Update(func(tx *bolt.Tx) error { return writeMark(tx, mark{id: id}) }); err != nil {
		return nil, err
	}
	l, err := createLog(path, id)
	if err != nil {
		return nil, err
	}
	db := &DB{file: file, log: l}
	db.disk.init(l.seq)
	if err := db.begin(); err != nil {
		return nil, errors.Join(err, l.close())
	}
	return db, nil
}

// applyOld commits what an earlier journal holds and the file does not.
func applyOld(file *bolt.DB, path string) error {
	l, err := openLog(path)
	if l == nil || err != nil {
		return err
	}
	defer func() { _ = l.close() }()
	return file.Update(func(tx *bolt.Tx) error {
		m, err := readMark(tx)
		if err != nil || m.id != l.id {
			return err
		}
		_, err = l.replay(tx, m.seq)
		return err
	})
}

// begin opens the transaction, which is as the file is.
func (db *DB) begin() error {
	tx, err := db.file.Begin(true)
	if err != nil {
		return err
	}
	db.tx, db.changes = tx, 0
	return warm(tx)
}

// warm opens all buckets once. bbolt keeps them in maps that reads then share.
func warm(tx *bolt.Tx) error {
	return tx.ForEach(func(_ []byte, b *bolt.Bucket) error { return warmIn(b) })
}

func warmIn(b *bolt.Bucket) error {
	var children [][]byte
	// A bucket of buckets holds nothing else, and a bucket of items no bucket: the
	// first key tells which it is.
	c := b.Cursor()
	for k, v := c.First(); k != nil && v == nil; k, v = c.Next() {
		children = append(children, k)
	}
	for _, k := range children {
		if child := b.Bucket(k); child != nil {
			if err := warmIn(child); err != nil {
				return err
			}
		}
	}
	return nil
}

// View calls fn with what is there at one moment. fn must not keep anything of tx. A
// change is seen as soon as it is in the journal, a moment before the disk has it.
func (db *DB) View(fn func(tx *Tx) error) error {
	db.mu.RLock()
	defer db.mu.RUnlock()
	if db.broken != nil {
		return db.broken
	}
	return fn(&Tx{tx: db.tx})
}

// Update calls fn, and returns nil when what it wrote is on the disk. If fn fails or
// panics, nothing of it remains; that costs as much as the journal is long, so what is
// to be expected should be found out before anything is written. After an error of the
// disk in the very last step, what fn wrote can be there all the same.
func (db *DB) Update(fn func(tx *Tx) error) error {
	wait, err := db.Start(fn)
	if err != nil {
		return err
	}
	return wait()
}

// Start is the first half of Update: what fn wrote is in the journal, and everybody sees it.
// wait is the other half and must be called: it returns nil when the disk has what fn wrote
// and what fn read. Until then others can write, and one wait for the disk serves all who
// have written when it begins.
func (db *DB) Start(fn func(tx *Tx) error) (wait func() error, err error) {
	db.writing.Lock()
	defer db.writing.Unlock()
	if db.changes >= MaxChanges || db.log.size >= MaxBytes || db.disk.failing() {
		if err := db.checkpoint(); err != nil {
			return nil, err
		}
	}
	end, err := db.apply(fn)
	if err != nil {
		return nil, err
	}
	if end > 0 {
		db.log.size = end
		db.log.seq++
		db.commits.Add(1)
		db.disk.wrote(db.log.seq)
	}
	seq := db.log.seq
	return func() error { return db.disk.wait(seq, db.sync) }, nil
}

// Commits returns how many Updates have changed something since the DB was opened.
func (db *DB) Commits() int { return int(db.commits.Load()) }

func (db *DB) sync() error {
	if db.NoSync {
		return nil
	}
	if db.faulty != nil {
		if err := db.faulty(); err != nil {
			return err
		}
	}
	return db.log.f.Sync()
}

// apply runs fn and writes its changes behind the journal, of which they become part
// when size and seq are moved. end is where they end; 0: there are none.
func (db *DB) apply(fn func(tx *Tx) error) (end int64, err error) {
	db.mu.Lock()
	defer db.mu.Unlock()
	if db.broken != nil {
		return 0, db.broken
	}
	tx := &Tx{tx: db.tx, record: db.log.begin()}
	whole := false
	defer func() {
		if !whole && tx.changed() { // an error, a panic, or the end of a goroutine
			err = db.goBack(err)
		}
	}()
	if err = fn(tx); err != nil || !tx.changed() {
		return 0, err
	}
	if db.Full != nil {
		if err = db.Full(); err != nil {
			return 0, err
		}
	}
	if end, err = db.log.write(tx.record); err != nil {
		return 0, err
	}
	db.changes += tx.record.changes
	whole = true
	return end, nil
}

// goBack goes back to what the journal holds, because of an error, which it returns,
// or with a panic if that is nil. db.mu is held.
func (db *DB) goBack(because error) error {
	_ = db.tx.Rollback() // it may be over already
	written := db.log.seq
	err := db.begin()
	if err == nil {
		var m mark
		if m, err = readMark(db.tx); err == nil {
			db.changes, err = db.log.replay(db.tx, m.seq)
		}
	}
	if err == nil && db.log.seq < written {
		err = errGone
	}
	db.disk.wrote(db.log.seq) // a record that could not be written may be there
	if err != nil {
		db.broken = fmt.Errorf("journal: the way back failed: start again: %w", err)
		return errors.Join(because, db.broken)
	}
	return because
}

// checkpoint commits what the journal holds, and begins it anew. If it fails, all is
// as it was before.
func (db *DB) checkpoint() error {
	db.mu.Lock()
	defer db.mu.Unlock()
	if db.broken != nil {
		return db.broken
	}
	err := writeMark(db.tx, mark{id: db.log.id, seq: db.log.seq})
	if err == nil {
		db.file.NoSync = db.NoSync
		err = db.tx.Commit()
	}
	if err != nil {
		return db.goBack(err)
	}
	if err := db.begin(); err != nil {
		db.broken = err
		return err
	}
	db.log.restart()
	db.disk.holds(db.log.seq)
	return nil
}

// Snapshot calls fn with the file as it is now, while writers go on. Backups use it.
func (db *DB) Snapshot(fn func(*bolt.Tx) error) error {
	tx, err := db.snapshot()
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }()
	return fn(tx)
}

func (db *DB) snapshot() (*bolt.Tx, error) {
	db.writing.Lock()
	defer db.writing.Unlock()
	if err := db.checkpoint(); err != nil {
		return nil, err
	}
	return db.file.Begin(false)
}

// Close commits what the journal holds, and takes the journal away. Without it, or
// if it fails, the next Open does that.
func (db *DB) Close() error {
	db.writing.Lock()
	defer db.writing.Unlock()
	if errors.Is(db.broken, ErrClosed) {
		return nil
	}
	err := db.checkpoint()
	db.mu.Lock()
	defer db.mu.Unlock()
	_ = db.tx.Rollback()
	db.broken = ErrClosed
	if err == nil {
		err = db.log.remove()
	} else {
		err = errors.Join(err, db.log.close())
	}
	return errors.Join(err, db.file.Close())
}

// Path returns where the file is.
func (db *DB) Path() string { return db.file.Path() }

// File returns the bbolt file: what it holds is behind, by what the journal holds.
func (db *DB) File() *bolt.DB { return db.file }
