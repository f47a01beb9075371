package journal

import (
	"bytes"
	"hash/maphash"

	"github.com/tidwall/btree"
	bolt "go.etcd.io/bbolt"
)

// layer is what is to become of a bucket: what the journal holds and the file does not.
type layer struct {
	entries *btree.BTreeG[entry]
	// hints has the hashes of the keys in entries, and of some that were taken back. Most
	// keys that are asked for are not there, and a look at hints costs a tenth of one at
	// entries.
	hints    map[uint64]struct{}
	numbered bool // the bucket's number is to be
	number   uint64
	fill     float64 // bolt.Bucket.FillPercent; 0: bbolt's own
}

// entry is what is to become of a key.
type entry struct {
	key   []byte
	value []byte // nil: it is to be deleted
}

func newLayer() *layer {
	less := func(a, b entry) bool { return bytes.Compare(a.key, b.key) < 0 }
	return &layer{entries: btree.NewBTreeGOptions(less, btree.Options{NoLocks: true}), hints: map[uint64]struct{}{}}
}

var seed = maphash.MakeSeed()

// get returns what is to become of a key, whose hash is given.
func (l *layer) get(key []byte, hash uint64) (entry, bool) {
	if _, ok := l.hints[hash]; !ok {
		return entry{}, false
	}
	return l.entries.Get(entry{key: key})
}

// set sets what is to become of a key, and returns how to go back.
func (l *layer) set(e entry) (undo func()) {
	l.hints[maphash.Bytes(seed, e.key)] = struct{}{}
	old, there := l.entries.Set(e)
	return func() {
		if there {
			l.entries.Set(old)
		} else {
			l.entries.Delete(e)
		}
	}
}

func (l *layer) setNumber(n uint64) (undo func()) {
	numbered, number := l.numbered, l.number
	l.numbered, l.number = true, n
	return func() { l.numbered, l.number = numbered, number }
}

// merge makes of b what it is to become, in the order of the keys: bbolt splits its
// nodes when they are committed, and so inserts behind what it has inserted before.
func (l *layer) merge(b *bolt.Bucket) (err error) {
	if l.fill > 0 {
		b.FillPercent = l.fill
	}
	if l.numbered {
		if err := b.SetSequence(l.number); err != nil {
			return err
		}
	}
	l.entries.Scan(func(e entry) bool {
		if e.value == nil {
			err = b.Delete(e.key)
		} else {
			err = b.Put(e.key, e.value)
		}
		return err == nil
	})
	return err
}

// shelf is a bucket: as the file has it, and the layers over that.
type shelf struct {
	path   []byte            // its name in the journal
	in     map[string]*shelf // the buckets in it
	file   *bolt.Bucket      // nil: the file does not have it yet
	frozen *layer            // what a checkpoint commits; nil: there is none
	fresh  *layer            // what was changed since
}

// newShelf returns the shelf of a bucket, which is b in the file, and those in it.
func newShelf(path []byte, b *bolt.Bucket) *shelf {
	s := &shelf{path: path, fresh: newLayer(), in: map[string]*shelf{}, file: b}
	if b != nil {
		s.in = shelves(path, b)
	}
	return s
}

// holder holds buckets: a bolt.Tx or a bolt.Bucket.
type holder interface {
	Bucket(name []byte) *bolt.Bucket
	Cursor() *bolt.Cursor
}

// shelves returns those of the buckets in h. A bucket of buckets holds nothing else, and
// a bucket of items no bucket: the first key tells which it is.
func shelves(path []byte, h holder) map[string]*shelf {
	in := map[string]*shelf{}
	c := h.Cursor()
	for k, v := c.First(); k != nil && v == nil; k, v = c.Next() {
		in[string(k)] = newShelf(join(path, k), h.Bucket(k))
	}
	return in
}

// join names a bucket within others.
func join(in, name []byte) []byte {
	if in == nil {
		return bytes.Clone(name)
	}
	return append(append(bytes.Clone(in), 0), name...)
}

// part is what is to become of one bucket.
type part struct {
	path  []byte
	layer *layer
}

// freeze makes what was changed what a checkpoint commits, which it adds to parts: a
// bucket before those in it.
func freeze(in map[string]*shelf, parts []part) []part {
	for _, s := range in {
		s.frozen, s.fresh = s.fresh, newLayer()
		s.fresh.fill = s.frozen.fill
		parts = freeze(s.in, append(parts, part{s.path, s.frozen}))
	}
	return parts
}

// merge makes of the buckets what they are to become.
func merge(tx *bolt.Tx, parts []part) error {
	for _, p := range parts {
		b, err := open(tx, p.path, true)
		if err == nil {
			err = p.layer.merge(b)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// settle opens the buckets as the file has them now; done: with what was frozen.
func settle(in map[string]*shelf, h holder, done bool) {
	for name, s := range in {
		s.file = h.Bucket([]byte(name))
		if done {
			s.frozen = nil
		}
		if s.file != nil {
			settle(s.in, s.file, done)
		}
	}
}

// get returns the value of a key; at is a cursor of the file's bucket.
func (s *shelf) get(key []byte, at *bolt.Cursor) (v []byte, there bool) {
	hash := maphash.Bytes(seed, key)
	if e, ok := s.fresh.get(key, hash); ok {
		return e.value, e.value != nil
	}
	if s.frozen != nil {
		if e, ok := s.frozen.get(key, hash); ok {
			return e.value, e.value != nil
		}
	}
	if at == nil {
		return nil, false
	}
	if k, v := at.Seek(key); bytes.Equal(k, key) {
		return v, true
	}
	return nil, false
}

func (s *shelf) number() uint64 {
	switch {
	case s.fresh.numbered:
		return s.fresh.number
	case s.frozen != nil && s.frozen.numbered:
		return s.frozen.number
	case s.file != nil:
		return s.file.Sequence()
	}
	return 0
}
