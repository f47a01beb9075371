package journal

// SetFaulty has ask be asked what the disk says to each sync.
func (db *DB) SetFaulty(ask func() error) { db.faulty = ask }
