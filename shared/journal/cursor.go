package journal

import (
	"bytes"

	"github.com/tidwall/btree"
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
	walker
	deletes bool // a nil value says that the key is deleted; in the file it is a bucket's

	key, value []byte // where it is; a nil key: at its end
}

// walker is what bolt.Cursor does.
type walker interface {
	First() (key, value []byte)
	Last() (key, value []byte)
	Next() (key, value []byte)
	Prev() (key, value []byte)
	Seek(key []byte) (k, value []byte)
}

func (s *shelf) cursor() *Cursor {
	c := &Cursor{}
	for _, l := range []*layer{s.fresh, s.frozen} {
		if l != nil && l.entries.Len() > 0 {
			c.sources = append(c.sources, source{walker: &layerWalker{l.entries.Iter()}, deletes: true})
		}
	}
	if s.file != nil {
		c.sources = append(c.sources, source{walker: s.file.Cursor()})
	}
	return c
}

// First goes to the first key; nil: there is none.
func (c *Cursor) First() (key, value []byte) {
	for i := range c.sources {
		c.sources[i].to(walker.First)
	}
	return c.settle(forward)
}

// Last goes to the last key; nil: there is none.
func (c *Cursor) Last() (key, value []byte) {
	for i := range c.sources {
		c.sources[i].to(walker.Last)
	}
	return c.settle(backward)
}

// Seek goes to a key or, if it is not there, to the next; nil: there is none.
func (c *Cursor) Seek(key []byte) (k, value []byte) {
	for i := range c.sources {
		c.sources[i].seek(key)
	}
	return c.settle(forward)
}

// Next goes to the next key; nil: there is none.
func (c *Cursor) Next() (key, value []byte) {
	if c.key == nil {
		return nil, nil
	}
	if c.back {
		for i := range c.sources {
			c.sources[i].seek(c.key)
		}
	}
	c.step(c.key, forward)
	return c.settle(forward)
}

// Prev goes to the key before; nil: there is none.
func (c *Cursor) Prev() (key, value []byte) {
	if c.key == nil {
		return nil, nil
	}
	if c.back {
		c.step(c.key, backward)
	} else {
		for i := range c.sources {
			c.sources[i].before(c.key)
		}
	}
	return c.settle(backward)
}

// way is a way to walk.
type way struct {
	step  move
	order int // of the key that comes first, compared with another
}

type move func(walker) (key, value []byte)

var (
	forward  = way{walker.Next, -1}
	backward = way{walker.Prev, +1}
)

// step takes a step with the sources that are at a key.
func (c *Cursor) step(key []byte, w way) {
	for i := range c.sources {
		if s := &c.sources[i]; bytes.Equal(s.key, key) {
			s.to(w.step)
		}
	}
}

// settle goes to the first key that a source is at, and over those that are deleted.
func (c *Cursor) settle(w way) (key, value []byte) {
	c.back = w.order > 0
	for {
		at := c.first(w)
		switch {
		case at == nil:
			c.key = nil
			return nil, nil
		case !at.deletes || at.value != nil:
			c.key = at.key
			return at.key, at.value
		}
		c.step(at.key, w)
	}
}

// first returns the source whose key comes first, the newest of those that have it;
// nil: all are at their end.
func (c *Cursor) first(w way) *source {
	var at *source
	for i := range c.sources {
		s := &c.sources[i]
		if s.key != nil && (at == nil || bytes.Compare(s.key, at.key) == w.order) {
			at = s
		}
	}
	return at
}

func (s *source) to(m move) { s.key, s.value = m(s.walker) }

func (s *source) seek(key []byte) { s.key, s.value = s.Seek(key) }

// before goes to the last key before one.
func (s *source) before(key []byte) {
	if s.seek(key); s.key == nil {
		s.to(walker.Last)
	} else {
		s.to(walker.Prev)
	}
}

// layerWalker walks over a layer.
type layerWalker struct{ it btree.IterG[entry] }

func (w *layerWalker) First() (key, value []byte) { return w.at(w.it.First()) }
func (w *layerWalker) Last() (key, value []byte)  { return w.at(w.it.Last()) }
func (w *layerWalker) Next() (key, value []byte)  { return w.at(w.it.Next()) }
func (w *layerWalker) Prev() (key, value []byte)  { return w.at(w.it.Prev()) }

func (w *layerWalker) Seek(key []byte) (k, value []byte) { return w.at(w.it.Seek(entry{key: key})) }

func (w *layerWalker) at(there bool) (key, value []byte) {
	if !there {
		return nil, nil
	}
	e := w.it.Item()
	return e.key, e.value
}
