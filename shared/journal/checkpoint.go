package journal

import (
	"errors"
	"fmt"

	bolt "go.etcd.io/bbolt"
	boltErrors "go.etcd.io/bbolt/errors"
)

// frozen is what a checkpoint commits.
type frozen struct {
	parts []part
	seq   uint64     // of its last record
	done  chan error // of the commit that runs beside writers; nil: none does
}

// makeRoom begins a checkpoint if one is due, which then runs beside writers: up to the
// next, which waits for it.
func (db *DB) makeRoom() error {
	if db.disk.failing() {
		return db.checkpoint()
	}
	if db.changes < db.every && db.log.size < MaxBytes {
		return nil
	}
	if err := db.finish(); err != nil {
		return err
	}
	if err := db.disk.wait(db.log.seq, db.syncing(db.log)); err != nil {
		return db.checkpoint()
	}
	if err := db.freeze(); err != nil {
		return err
	}
	f := db.frozen
	f.done = make(chan error, 1)
	go func() { f.done <- db.commit(f) }()
	return nil
}

// checkpoint commits all that the journals hold, while writers wait. What is not on the
// disk goes there first: if the file cannot take it, what comes after it in the other
// journal counts only with it. If that fails, writers go on only after a checkpoint.
func (db *DB) checkpoint() error {
	_ = db.disk.wait(db.log.seq, db.syncing(db.log))
	if err := db.finish(); err != nil {
		return err
	}
	if err := db.freeze(); err != nil {
		return err
	}
	if err := db.finish(); err != nil {
		return err
	}
	db.disk.holds(db.log.seq)
	return nil
}

// freeze makes what is fresh what a checkpoint commits; nothing else may be frozen.
func (db *DB) freeze() error {
	db.mu.Lock()
	defer db.mu.Unlock()
	if db.broken != nil {
		return db.broken
	}
	db.frozen = &frozen{parts: freeze(db.in, nil), seq: db.log.seq}
	db.changes = 0
	db.other.restart(db.log.seq)
	db.log, db.other = db.other, db.log
	return nil
}

// finish sees to it that nothing is frozen: it waits for the commit that runs, or begins
// one if there is none or it has failed.
func (db *DB) finish() error {
	f := db.frozen
	if f == nil {
		return nil
	}
	var err error
	done := f.done != nil
	if done {
		err, f.done = <-f.done, nil
	}
	if err := db.state(); err != nil {
		return err
	}
	if !done || err != nil {
		err = db.commit(f)
	}
	if err == nil {
		db.frozen = nil
	}
	return err
}

// state returns why nothing works any more; nil: it works.
func (db *DB) state() error {
	db.mu.RLock()
	defer db.mu.RUnlock()
	return db.broken
}

// commit puts what is frozen into the file. If it fails, all is as it was before, but for
// one case: the disk fails when the file shows the change already. What it holds for good
// then nobody knows, and to write on could destroy both states; the journals have
// everything, so nothing works any more until the next Open. One commit runs at a time.
//
// Readers have a transaction of the file open, and as long as it is, bbolt cannot map a
// file anew that has outgrown its mapping. So a commit that would need that fails and is
// repeated while readers wait; and so are all after it, since how large the new mapping is
// bbolt does not say.
func (db *DB) commit(f *frozen) error {
	into := func(tx *bolt.Tx) error {
		if err := merge(tx, f.parts); err != nil {
			return err
		}
		if db.committing != nil {
			if err := db.committing(); err != nil {
				return err
			}
		}
		return writeMark(tx, mark{id: db.id, seq: f.seq})
	}
	db.file.NoSync, db.file.MaxSize = db.NoSync, max(db.mapped-1, 0)
	if db.mapped > 0 {
		err := db.update(into)
		if !errors.Is(err, boltErrors.ErrMaxSizeReached) {
			db.mu.Lock()
			defer db.mu.Unlock()
			return db.look(db.leave(), err)
		}
		db.mapped, db.file.MaxSize = 0, 0
	}
	db.mu.Lock()
	defer db.mu.Unlock()
	before := db.leave()
	return db.look(before, db.update(into))
}

func (db *DB) update(into func(*bolt.Tx) error) error {
	err := db.file.Update(into)
	if err == nil && db.committed != nil {
		err = db.committed()
	}
	return err
}

// leave ends the readers' transaction, and returns which state of the file that was.
func (db *DB) leave() (state int) {
	if db.tx == nil {
		return 0
	}
	state = db.tx.ID()
	_ = db.tx.Rollback()
	db.tx = nil
	return state
}

// look makes readers see the file as it is after a commit, of which it returns the error.
func (db *DB) look(before int, err error) error {
	tx, failed := db.file.Begin(false)
	if failed != nil {
		db.broken = errors.Join(err, failed)
		return db.broken
	}
	db.tx = tx
	if err != nil && tx.ID() != before {
		db.broken = fmt.Errorf("journal: the file is in doubt: start again: %w", err)
		return db.broken
	}
	settle(db.in, tx, err == nil)
	return err
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

// Close commits what the journals hold, and takes them away. Without it, or
// if it fails, the next Open does that.
func (db *DB) Close() error {
	db.writing.Lock()
	defer db.writing.Unlock()
	if errors.Is(db.state(), ErrClosed) {
		return nil
	}
	err := db.checkpoint()
	db.mu.Lock()
	defer db.mu.Unlock()
	db.leave()
	db.broken = ErrClosed
	for _, l := range []*log{db.log, db.other} {
		if err == nil {
			err = l.remove()
		} else {
			err = errors.Join(err, l.close())
		}
	}
	return errors.Join(err, db.file.Close())
}
