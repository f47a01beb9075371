package journal

import (
	"bytes"

	bolt "go.etcd.io/bbolt"
	boltErrors "go.etcd.io/bbolt/errors"
)

// Tx is what is there at one moment. In Update it can be changed. Slices that it
// returns are good until the end of the function that was given it, and must not be
// changed; values that it is given must be the caller's own, and not be changed afterwards.
type Tx struct {
	in     map[string]*shelf
	record *record  // nil: for reading only
	undo   []func() // what takes the changes back, the last of them last
}

func (tx *Tx) changed() bool { return len(tx.undo) > 0 }

// back takes all changes back.
func (tx *Tx) back() {
	for i := len(tx.undo) - 1; i >= 0; i-- {
		tx.undo[i]()
	}
}

// Bucket returns a bucket, or nil if there is none.
func (tx *Tx) Bucket(name []byte) *Bucket { return tx.bucket(tx.in[string(name)]) }

// CreateBucketIfNotExists returns a bucket and makes it if there is none.
func (tx *Tx) CreateBucketIfNotExists(name []byte) (*Bucket, error) {
	return tx.create(tx.in, nil, name)
}

func (tx *Tx) bucket(s *shelf) *Bucket {
	if s == nil {
		return nil
	}
	return &Bucket{s: s, tx: tx}
}

func (tx *Tx) create(in map[string]*shelf, path, name []byte) (*Bucket, error) {
	if s := in[string(name)]; s != nil {
		return tx.bucket(s), nil
	}
	switch {
	case tx.record == nil:
		return nil, boltErrors.ErrTxNotWritable
	case len(name) == 0 || bytes.IndexByte(name, 0) >= 0:
		return nil, boltErrors.ErrBucketNameRequired
	}
	s := newShelf(join(path, name), nil)
	in[string(name)] = s
	tx.undo = append(tx.undo, func() { delete(in, string(name)) })
	tx.record.create(s.path)
	return tx.bucket(s), nil
}

// Bucket is a bucket of a Tx.
type Bucket struct {
	s  *shelf
	tx *Tx
	at *bolt.Cursor // of Get: it keeps its way through the pages from one call to the next
}

// Get returns the value of a key, nil if it is not there.
func (b *Bucket) Get(key []byte) []byte {
	v, _ := b.find(key)
	return v
}

func (b *Bucket) find(key []byte) (v []byte, there bool) {
	if b.at == nil && b.s.file != nil {
		b.at = b.s.file.Cursor()
	}
	return b.s.get(key, b.at)
}

// Cursor walks over the keys. The bucket must not be changed meanwhile.
func (b *Bucket) Cursor() *Cursor { return b.s.cursor() }

// ForEach calls fn for each key. fn must not change the bucket.
func (b *Bucket) ForEach(fn func(k, v []byte) error) error {
	c := b.Cursor()
	for k, v := c.First(); k != nil; k, v = c.Next() {
		if err := fn(k, v); err != nil {
			return err
		}
	}
	return nil
}

// Bucket returns a bucket in b, or nil if there is none.
func (b *Bucket) Bucket(name []byte) *Bucket { return b.tx.bucket(b.s.in[string(name)]) }

// CreateBucketIfNotExists returns a bucket in b and makes it if there is none. A bucket
// of buckets holds nothing else.
func (b *Bucket) CreateBucketIfNotExists(name []byte) (*Bucket, error) {
	if k, _ := b.Cursor().First(); k != nil && len(b.s.in) == 0 {
		return nil, boltErrors.ErrIncompatibleValue
	}
	return b.tx.create(b.s.in, b.s.path, name)
}

// Fill sets how full a page is left when it is split (bolt.Bucket.FillPercent).
func (b *Bucket) Fill(percent float64) {
	if b.tx.record != nil { // readers share the bucket
		b.s.fresh.fill = percent
	}
}

// Put sets the value of a key.
func (b *Bucket) Put(key, value []byte) error {
	if err := b.takes(key); err != nil {
		return err
	}
	if value == nil {
		value = []byte{} // nil is what was deleted
	}
	b.set(entry{key, value})
	b.tx.record.put(b.s.path, key, value)
	return nil
}

// takes returns the error with which bbolt would refuse a key, which would come too late:
// the change is to be in the journal by then.
func (b *Bucket) takes(key []byte) error {
	switch {
	case b.tx.record == nil:
		return boltErrors.ErrTxNotWritable
	case len(key) == 0:
		return boltErrors.ErrKeyRequired
	case len(key) > bolt.MaxKeySize:
		return boltErrors.ErrKeyTooLarge
	case len(b.s.in) > 0:
		return boltErrors.ErrIncompatibleValue
	}
	return nil
}

// Delete removes a key; that it is not there is no error, and no change.
func (b *Bucket) Delete(key []byte) error {
	if err := b.takes(key); err != nil {
		return err
	}
	if _, there := b.find(key); !there {
		return nil
	}
	b.set(entry{key: key})
	b.tx.record.delete(b.s.path, key)
	return nil
}

// set keeps a copy of the key, which may be what a cursor has returned.
func (b *Bucket) set(e entry) {
	e.key = bytes.Clone(e.key)
	b.tx.undo = append(b.tx.undo, b.s.fresh.set(e))
}

// Sequence returns the bucket's number.
func (b *Bucket) Sequence() uint64 { return b.s.number() }

// SetSequence sets the bucket's number.
func (b *Bucket) SetSequence(n uint64) error {
	if b.tx.record == nil {
		return boltErrors.ErrTxNotWritable
	}
	b.tx.undo = append(b.tx.undo, b.s.fresh.setNumber(n))
	b.tx.record.sequence(b.s.path, n)
	return nil
}

// NextSequence counts the bucket's number up.
func (b *Bucket) NextSequence() (uint64, error) {
	n := b.Sequence() + 1
	return n, b.SetSequence(n)
}
