package journal

import (
	"bytes"

	bolt "go.etcd.io/bbolt"
)

// Tx is what is there at one moment. In Update it can be changed. Slices that it
// returns are good until the end of the function that was given it; slices that it is
// given must not be changed afterwards.
type Tx struct {
	tx     *bolt.Tx
	record *record // nil: for reading only
}

func (tx *Tx) changed() bool { return tx.record != nil && tx.record.changes > 0 }

// Bucket returns a bucket, or nil if there is none.
func (tx *Tx) Bucket(name []byte) *Bucket { return tx.bucket(tx.tx.Bucket(name), nil, name) }

// CreateBucketIfNotExists returns a bucket and makes it if there is none.
func (tx *Tx) CreateBucketIfNotExists(name []byte) (*Bucket, error) {
	if b := tx.Bucket(name); b != nil {
		return b, nil
	}
	b, err := tx.tx.CreateBucket(name)
	if err != nil {
		return nil, err
	}
	tx.record.create(path(nil, name))
	return tx.bucket(b, nil, name), nil
}

// ForEach calls fn for each bucket.
func (tx *Tx) ForEach(fn func(name []byte, b *Bucket) error) error {
	return tx.tx.ForEach(func(name []byte, b *bolt.Bucket) error { return fn(name, tx.bucket(b, nil, name)) })
}

func (tx *Tx) bucket(b *bolt.Bucket, in, name []byte) *Bucket {
	if b == nil {
		return nil
	}
	out := &Bucket{b: b, tx: tx}
	if tx.record != nil {
		out.path = path(in, name)
	}
	return out
}

// path names a bucket within others.
func path(in, name []byte) []byte {
	if in == nil {
		return name
	}
	return append(append(bytes.Clone(in), 0), name...)
}

// Bucket is a bucket of a Tx.
type Bucket struct {
	b    *bolt.Bucket
	tx   *Tx
	path []byte
	at   *bolt.Cursor // of Get: it keeps its way through the pages from one call to the next
}

// Get returns the value of a key, nil if it is not there.
func (b *Bucket) Get(key []byte) []byte {
	v, _ := b.find(key)
	return v
}

func (b *Bucket) find(key []byte) (v []byte, there bool) {
	if b.at == nil {
		b.at = b.b.Cursor()
	}
	if k, v := b.at.Seek(key); bytes.Equal(k, key) {
		return v, true
	}
	return nil, false
}

// Cursor walks over the keys. The bucket must not be changed meanwhile.
func (b *Bucket) Cursor() *bolt.Cursor { return b.b.Cursor() }

// ForEach calls fn for each key; the value of a bucket is nil.
func (b *Bucket) ForEach(fn func(k, v []byte) error) error { return b.b.ForEach(fn) }

// Bucket returns a bucket in b, or nil if there is none.
func (b *Bucket) Bucket(name []byte) *Bucket { return b.tx.bucket(b.b.Bucket(name), b.path, name) }

// CreateBucketIfNotExists returns a bucket in b and makes it if there is none. A bucket
// of buckets must hold nothing else.
func (b *Bucket) CreateBucketIfNotExists(name []byte) (*Bucket, error) {
	if c := b.Bucket(name); c != nil {
		return c, nil
	}
	c, err := b.b.CreateBucket(name)
	if err != nil {
		return nil, err
	}
	b.tx.record.create(path(b.path, name))
	return b.tx.bucket(c, b.path, name), nil
}

// Fill sets how full a page is left when it is split (bolt.Bucket.FillPercent).
func (b *Bucket) Fill(percent float64) {
	if b.tx.record != nil { // readers share the bucket
		b.b.FillPercent = percent
	}
}

// Put sets the value of a key.
func (b *Bucket) Put(key, value []byte) error {
	if err := b.b.Put(key, value); err != nil {
		return err
	}
	b.tx.record.put(b.path, key, value)
	return nil
}

// Delete removes a key; that it is not there is no error, and no change.
func (b *Bucket) Delete(key []byte) error {
	if _, there := b.find(key); !there {
		return nil
	}
	if err := b.b.Delete(key); err != nil {
		return err
	}
	b.tx.record.delete(b.path, key)
	return nil
}

// Sequence returns the bucket's number.
func (b *Bucket) Sequence() uint64 { return b.b.Sequence() }

// SetSequence sets the bucket's number.
func (b *Bucket) SetSequence(n uint64) error {
	if err := b.b.SetSequence(n); err != nil {
		return err
	}
	b.tx.record.sequence(b.path, n)
	return nil
}

// NextSequence counts the bucket's number up.
func (b *Bucket) NextSequence() (uint64, error) {
	n := b.b.Sequence() + 1
	return n, b.SetSequence(n)
}
