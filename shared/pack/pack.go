// Package pack writes and reads records in few bytes and little time: those of
// which there is one for each family or copy, where encoding/json took a fifth of
// the processor's time that an alert takes (decision 0014).
//
// A record is a row of numbers and texts without names. Whoever defines one begins
// it with a byte that says which version it is, and never changes what a version
// means.
package pack

import (
	"encoding/binary"
	"errors"
	"math"
	"time"

	"github.com/todoku/todoku/shared/id"
)

// Writer appends to a record. The zero value is an empty one.
type Writer struct{ b []byte }

// NewWriter returns a Writer with room for so many bytes.
func NewWriter(size int) *Writer { return &Writer{make([]byte, 0, size)} }

// Bytes returns the record.
func (w *Writer) Bytes() []byte { return w.b }

// Byte writes a byte.
func (w *Writer) Byte(v byte) { w.b = append(w.b, v) }

// Bool writes a yes or a no.
func (w *Writer) Bool(yes bool) {
	if yes {
		w.Byte(1)
		return
	}
	w.Byte(0)
}

// Int writes a number: one byte if it is from -64 to 63.
func (w *Writer) Int(n int) { w.b = binary.AppendVarint(w.b, int64(n)) }

// Count writes how many of something follow.
func (w *Writer) Count(n int) { w.b = binary.AppendUvarint(w.b, uint64(n)) }

// A text is its length plus one, and its bytes; an identifier of package id, which
// is most of what there is, is a one and its 16 bytes.
const (
	emptyText = 0
	idText    = 1
)

// Text writes a text of any bytes.
func (w *Writer) Text(s string) {
	if s == "" {
		w.Byte(emptyText)
		return
	}
	if b, ok := id.Bytes(s); ok {
		w.b = append(append(w.b, idText), b[:]...)
		return
	}
	w.Count(len(s) + 1)
	w.b = append(w.b, s...)
}

// Texts writes a Count and as many texts.
func (w *Writer) Texts(list []string) {
	w.Count(len(list))
	for _, s := range list {
		w.Text(s)
	}
}

// noTime stands for the zero time.
const noTime = math.MinInt64

// Time writes a moment between the years 1678 and 2262, to the nanosecond; its
// zone is not kept.
func (w *Writer) Time(t time.Time) {
	n := int64(noTime)
	if !t.IsZero() {
		n = t.UnixNano()
	}
	w.b = binary.BigEndian.AppendUint64(w.b, uint64(n))
}

// ErrDamaged says that a record is not what its version says that it is.
var ErrDamaged = errors.New("pack: the record is damaged")

// Reader reads what a Writer wrote, in the same order. After a fault it reads
// zeros; Close tells of it.
type Reader struct {
	rest    string
	damaged bool
}

// NewReader returns a Reader of a record, which it does not change or keep.
func NewReader(record []byte) *Reader { return &Reader{rest: string(record)} }

// Close fails with ErrDamaged unless everything was there, and nothing is left.
func (r *Reader) Close() error {
	if r.damaged || r.rest != "" {
		return ErrDamaged
	}
	return nil
}

func (r *Reader) fail() {
	r.rest, r.damaged = "", true
}

// take returns the next n bytes.
func (r *Reader) take(n uint64) string {
	if n > uint64(len(r.rest)) {
		r.fail()
		return ""
	}
	s := r.rest[:n]
	r.rest = r.rest[n:]
	return s
}

// Byte reads a byte.
func (r *Reader) Byte() byte {
	if s := r.take(1); s != "" {
		return s[0]
	}
	return 0
}

// Bool reads a yes or a no.
func (r *Reader) Bool() bool { return r.Byte() != 0 }

func (r *Reader) uvarint() uint64 {
	var n uint64
	for shift := 0; shift < 64; shift += 7 {
		b := r.Byte()
		n |= uint64(b&0x7f) << shift
		if b < 0x80 {
			return n
		}
	}
	r.fail()
	return 0
}

// Int reads a number.
func (r *Reader) Int() int {
	n := r.uvarint()
	return int(int64(n>>1) ^ -int64(n&1))
}

// Count reads how many of something follow. It is never more than there are bytes
// left, so that a damaged record cannot ask for much memory.
func (r *Reader) Count() int {
	n := r.uvarint()
	if n > uint64(len(r.rest)) {
		r.fail()
		return 0
	}
	return int(n)
}

// Text reads a text.
func (r *Reader) Text() string {
	switch n := r.uvarint(); n {
	case emptyText:
		return ""
	case idText:
		s := r.take(16)
		if s == "" {
			return ""
		}
		return id.FromBytes([16]byte([]byte(s)))
	default:
		return r.take(n - 1)
	}
}

// Texts reads a list of texts; none is nil.
func (r *Reader) Texts() []string { return List(r, (*Reader).Text) }

// Time reads a moment, in UTC.
func (r *Reader) Time() time.Time {
	s := r.take(8)
	if s == "" {
		return time.Time{}
	}
	n := int64(binary.BigEndian.Uint64([]byte(s)))
	if n == noTime {
		return time.Time{}
	}
	return time.Unix(0, n).UTC()
}

// List reads a Count and as many elements; none is nil.
func List[T any](r *Reader, read func(*Reader) T) []T {
	n := r.Count()
	if n == 0 {
		return nil
	}
	list := make([]T, n)
	for i := range list {
		list[i] = read(r)
	}
	return list
}
