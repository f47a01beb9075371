// Package journal keeps a bbolt file behind a journal. bbolt writes every page that a
// transaction has touched, some 20 KB for a change of a few hundred bytes; here a
// change is appended to the journal, which is synced, and the pages of thousands of
// changes are written at once. It is the write-ahead log of databases (Mohan et al.
// 1992, "ARIES"; SQLite's WAL mode), of logical redo records only: what is not
// committed to the file never reaches it.
//
// What the journal holds and the file does not lies in memory, in layers over the file,
// as in a log-structured merge tree (O'Neil et al. 1996): reads look into the layers and
// then into the file. A checkpoint freezes what was changed, commits it to the file while
// writers go on in a fresh layer and a second journal, and then takes the frozen layer
// away. After a crash the journals are applied to the file.
package journal

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	bolt "go.etcd.io/bbolt"
)

// MaxChanges is after how many changes a checkpoint is due. Two times as many can lie in
// memory: those of a checkpoint that runs, and those that came since.
const MaxChanges = 32768

// MaxBytes is how long a journal may become before a checkpoint is due. On a full disk
// so much room, or twice, has to be made before the file can take what the journals hold.
const MaxBytes = 8 << 20

// DB is a bbolt file and its two journals, which lie beside it (Paths). Any number
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
	// committing, in tests, is asked what the disk says to a commit of the file, committed
	// what it says in the very last step, and every is what MaxChanges is.
	committing, committed func() error
	every                 int

	file *bolt.DB
	id   [idSize]byte // of the journals

	commits atomic.Int64
	disk    disk

	writing sync.Mutex // one writer, checkpoint or close at a time
	log     *log       // of what is fresh
	other   *log       // of what is frozen, or of nothing
	changes int        // that are fresh
	frozen  *frozen    // nil: the file has all that is not fresh

	mapped int // to what size of the file a commit may run beside readers; of the commit

	mu     sync.RWMutex // of what follows: readers share it
	tx     *bolt.Tx     // what the file holds
	in     map[string]*shelf
	broken error // nothing works any more
}

// ErrClosed says that the DB was closed.
var ErrClosed = errors.New("journal: closed")

// ErrDoubt says that the disk failed in the very last step of an Update: what it wrote is
// there for all who read, and a crash may take it away.
var ErrDoubt = errors.New("journal: written, but perhaps not for good")

// Open opens the bbolt file at path, which must exist, with its journals, and applies
// what they hold. One process at a time can have it open. Checkpoints run beside readers and
// writers as long as the file is smaller than o.InitialMmapSize.
func Open(path string, o *bolt.Options) (*DB, error) {
	file, err := bolt.Open(path, 0o600, o)
	if err != nil {
		return nil, err
	}
	db := &DB{file: file, every: MaxChanges}
	if o != nil {
		db.mapped = o.InitialMmapSize
	}
	if err := db.start(path); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return db, nil
}

// start applies old journals and begins new ones. They have an id that the file knows,
// so that the journals of another file, or such as are applied already, are recognised.
func (db *DB) start(path string) error {
	if err := db.file.Update(func(tx *bolt.Tx) error { return applyOld(tx, path) }); err != nil {
		return err
	}
	db.id = newID()
	if err := db.file.Update(func(tx *bolt.Tx) error { return writeMark(tx, mark{id: db.id}) }); err != nil {
		return err
	}
	var err error
	paths := Paths(path)
	if db.log, err = createLog(paths[0], db.id); err != nil {
		return err
	}
	if db.other, err = createLog(paths[1], db.id); err == nil {
		db.tx, err = db.file.Begin(false)
	}
	if err != nil {
		return errors.Join(err, db.log.close(), db.other.close())
	}
	db.disk.init(0)
	db.in = shelves(nil, db.tx)
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
	return fn(&Tx{in: db.in})
}

// Update calls fn, and returns nil when what it wrote is on the disk. If fn fails or
// panics, nothing of it remains; but for an error that matches ErrDoubt.
func (db *DB) Update(fn func(tx *Tx) error) error {
	wait, err := db.Start(fn)
	if err != nil {
		return err
	}
	return wait()
}

// Start is the first half of Update: what fn wrote is in the journal, and everybody sees it.
// wait is the other half and must be called: it returns nil when the disk has what fn wrote
// and what fn read, and otherwise an error that matches ErrDoubt. Until then others can write, and one wait for the disk serves all who
// have written when it begins.
func (db *DB) Start(fn func(tx *Tx) error) (wait func() error, err error) {
	db.writing.Lock()
	defer db.writing.Unlock()
	if err := db.makeRoom(); err != nil {
		return nil, err
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
	seq, sync := db.log.seq, db.syncing(db.log)
	return func() error {
		if err := db.disk.wait(seq, sync); err != nil {
			return fmt.Errorf("%w: %w", ErrDoubt, err)
		}
		return nil
	}, nil
}

// Commits returns how many Updates have changed something since the DB was opened.
func (db *DB) Commits() int { return int(db.commits.Load()) }

// syncing returns what makes l durable.
func (db *DB) syncing(l *log) func() error {
	return func() error {
		if db.NoSync {
			return nil
		}
		if db.faulty != nil {
			if err := db.faulty(); err != nil {
				return err
			}
		}
		return l.f.Sync()
	}
}

// apply runs fn and writes its changes behind the journal, of which they become part
// when size and seq are moved. end is where they end; 0: there are none.
func (db *DB) apply(fn func(tx *Tx) error) (end int64, err error) {
	db.mu.Lock()
	defer db.mu.Unlock()
	if db.broken != nil {
		return 0, db.broken
	}
	tx := &Tx{in: db.in, record: db.log.begin()}
	whole := false
	defer func() {
		if !whole { // an error, a panic, or the end of a goroutine
			tx.back()
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

// Path returns where the file is.
func (db *DB) Path() string { return db.file.Path() }

// File returns the bbolt file: what it holds is behind, by what the journals hold.
func (db *DB) File() *bolt.DB { return db.file }
