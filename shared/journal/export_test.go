package journal

// SetFaulty has ask be asked what the disk says to each sync.
func (db *DB) SetFaulty(ask func() error) { db.faulty = ask }

// SetCommitted has ask be asked what the disk says in the very last step of each commit.
func (db *DB) SetCommitted(ask func() error) { db.committed = ask }

// SetCommitting has ask be asked what the disk says to each commit of the file, and has one be due after that
// many changes.
func (db *DB) SetCommitting(every int, ask func() error) { db.every, db.committing = every, ask }
