package journal

import (
	"bytes"

	"github.com/tidwall/btree"
	bolt "go.etcd.io/bbolt"
)

// Cursor walks over the keys of a bucket, as bolt.Cursor does. The bucket must not be
// changed meanwhile.
type Cursor struct {
	sources []source // the newest first
	key     []byte   // where it is; nil: nowhere
	back    bool     // the sources are at or before key, not at or behind
}

// source is one of what a bucket is made of.
type source struct {
	layer btree.IterG[entry]
	file  *bolt.Cursor // nil: layer is walked over

	key, value []byte // where it is; a nil key: at its end
}

func (s *shelf) cursor() *Cursor {
	c := &Cursor{}
	for _, l := range []*layer{s.fresh, s.frozen} {
		if l != nil && l.entries.Len() > 0 {
			c.sources = append(c.sources, source{layer: l.entries.Iter()})
		}
	}
	if s.file != nil {
		c.sources = append(c.sources, source{file: s.file.Cursor()})
	}
	return c
}

// First goes to the first key; nil: there is none.
func (c *Cursor) First() (key, value []byte) {
	for i := range c.sources {
		c.sources[i].first()
	}
	return c.forward()
}

// Last goes to the last key; nil: there is none.
func (c *Cursor) Last() (key, value []byte) {
	for i := range c.sources {
		c.sources[i].last()
	}
	return c.backward()
}

// Seek goes to a key or, if it is not there, to the next; nil: there is none.
func (c *Cursor) Seek(key []byte) (k, value []byte) {
	for i := range c.sources {
		c.sources[i].seek(key)
	}
	return c.forward()
}

// Next goes to the next key; nil: there is none.
func (c *Cursor) Next() (key, value []byte) {
	if c.key == nil {
		return nil, nil
	}
	for i := range c.sources {
		s := &c.sources[i]
		if c.back {
			s.seek(c.key)
		}
		if bytes.Equal(s.key, c.key) {
			s.next()
		}
	}
	return c.forward()
}

// Prev goes to the key before; nil: there is none.
func (c *Cursor) Prev() (key, value []byte) {
	if c.key == nil {
		return nil, nil
	}
	for i := range c.sources {
		s := &c.sources[i]
		switch {
		case !c.back:
			s.before(c.key)
		case bytes.Equal(s.key, c.key):
			s.prev()
		}
	}
	return c.backward()
}

// forward goes to the least key that a source is at, and over those that are deleted.
func (c *Cursor) forward() (key, value []byte) {
	c.back = false
	for {
		at := c.choose(-1)
		if at == nil || at.there() {
			return c.stand(at)
		}
		gone := at.key
		for i := range c.sources {
			if s := &c.sources[i]; bytes.Equal(s.key, gone) {
				s.next()
			}
		}
	}
}

// backward goes to the greatest key that a source is at, and over those that are deleted.
func (c *Cursor) backward() (key, value []byte) {
	c.back = true
	for {
		at := c.choose(+1)
		if at == nil || at.there() {
			return c.stand(at)
		}
		gone := at.key
		for i := range c.sources {
			if s := &c.sources[i]; bytes.Equal(s.key, gone) {
				s.prev()
			}
		}
	}
}

// choose returns the source whose key is the least (-1) or the greatest (+1), the newest
// of those that have it; nil: all are at their end.
func (c *Cursor) choose(order int) *source {
	var at *source
	for i := range c.sources {
		s := &c.sources[i]
		if s.key != nil && (at == nil || bytes.Compare(s.key, at.key) == order) {
			at = s
		}
	}
	return at
}

func (c *Cursor) stand(at *source) (key, value []byte) {
	if at == nil {
		c.key = nil
		return nil, nil
	}
	c.key = at.key
	return at.key, at.value
}

// there reports whether the key that s is at is there. (A bucket in the file has no value.)
func (s *source) there() bool { return s.value != nil || s.file != nil }

func (s *source) first() {
	if s.file != nil {
		s.key, s.value = s.file.First()
		return
	}
	s.stand(s.layer.First())
}

func (s *source) last() {
	if s.file != nil {
		s.key, s.value = s.file.Last()
		return
	}
	s.stand(s.layer.Last())
}

func (s *source) seek(key []byte) {
	if s.file != nil {
		s.key, s.value = s.file.Seek(key)
		return
	}
	s.stand(s.layer.Seek(entry{key: key}))
}

func (s *source) next() {
	if s.file != nil {
		s.key, s.value = s.file.Next()
		return
	}
	s.stand(s.layer.Next())
}

func (s *source) prev() {
	if s.file != nil {
		s.key, s.value = s.file.Prev()
		return
	}
	s.stand(s.layer.Prev())
}

// before goes to the last key before one.
func (s *source) before(key []byte) {
	if s.seek(key); s.key == nil {
		s.last()
	} else {
		s.prev()
	}
}

func (s *source) stand(there bool) {
	s.key, s.value = nil, nil
	if there {
		e := s.layer.Item()
		s.key, s.value = e.key, e.value
	}
}
