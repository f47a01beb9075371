package journal

import "sync"

// disk knows how much of the journals the disk has. One sync runs at a time; those who
// write while it does share the next.
type disk struct {
	mu      sync.Mutex
	moved   sync.Cond // a sync has ended, or a checkpoint
	written uint64    // the number of the last record that was written
	has     uint64    // and of the last that is on the disk, or in the file
	syncing bool
	// failure is what a sync said. What was written and not synced then is in doubt, and
	// another sync may succeed without it: the kernel reports an error of a page once.
	// So nothing is good any more until a checkpoint has put everything into the file.
	failure error
}

func (d *disk) init(seq uint64) {
	d.moved.L = &d.mu
	d.written, d.has = seq, seq
}

// wrote says that there is another record.
func (d *disk) wrote(seq uint64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.written = seq
}

// holds says that the file has all records up to seq: a checkpoint.
func (d *disk) holds(seq uint64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.written, d.has, d.failure = seq, max(seq, d.has), nil
	d.moved.Broadcast()
}

// failing reports whether a sync has failed since the last checkpoint.
func (d *disk) failing() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.failure != nil
}

// wait returns nil when the disk has the record seq. Who waits first calls sync, for all.
func (d *disk) wait(seq uint64, sync func() error) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	for d.has < seq {
		switch {
		case d.failure != nil:
			return d.failure
		case d.syncing:
			d.moved.Wait()
		default:
			d.sync(sync)
		}
	}
	return nil
}

// sync calls sync, without the lock.
func (d *disk) sync(sync func() error) {
	d.syncing = true
	written := d.written
	d.mu.Unlock()
	err := sync()
	d.mu.Lock()
	d.syncing = false
	d.moved.Broadcast()
	if err != nil {
		d.failure = err
		return
	}
	d.has = written
}
