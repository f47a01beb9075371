// Package id makes identifiers: ULIDs in lower case, 26 letters and digits that
// sort by the time of their making (https://github.com/ulid/spec).
package id

import (
	"encoding/binary"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/oklog/ulid/v2"
)

// Len is the length of an identifier in bytes.
const Len = ulid.EncodedSize

// Source makes identifiers from a clock and a source of randomness. It is safe
// for concurrent use.
type Source struct {
	now     func() time.Time
	mu      sync.Mutex
	entropy *ulid.MonotonicEntropy
}

// NewSource returns a Source; random must not fail.
func NewSource(now func() time.Time, random io.Reader) *Source {
	return &Source{now: now, entropy: ulid.Monotonic(random, 0)}
}

// New returns a new identifier, greater than all that this Source made before in
// the same millisecond.
func (s *Source) New() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.ToLower(ulid.MustNew(ulid.Timestamp(s.now()), s.entropy).String())
}

// digits are those of the identifiers: Crockford's base 32 in lower case.
const digits = "0123456789abcdefghjkmnpqrstvwxyz"

// values says what each digit stands for; 255: not a digit.
var values = func() (v [256]byte) {
	for i := range v {
		v[i] = 255
	}
	for i := range len(digits) {
		v[digits[i]] = byte(i)
	}
	return v
}()

// Bytes returns the 16 bytes of an identifier, and false if it is none. It is
// called several times for each copy of an alert, so it makes no garbage.
func Bytes(id string) (b [16]byte, ok bool) {
	if len(id) != Len || id[0] > '7' { // beyond it are more than 128 bits
		return b, false
	}
	var bits uint32 // those not put into b yet; the first digit has three
	n, at, wrong := 0, 0, byte(0)
	for i := range Len {
		v := values[id[i]]
		wrong |= v
		bits, n = bits<<5|uint32(v), n+5
		if i == 0 {
			n = 3
		}
		if n >= 8 {
			n -= 8
			b[at] = byte(bits >> n)
			at++
		}
	}
	if wrong > 31 {
		return [16]byte{}, false
	}
	return b, true
}

// FromBytes is the inverse of Bytes.
func FromBytes(b [16]byte) string {
	var id [Len]byte
	hi, lo := binary.BigEndian.Uint64(b[:8]), binary.BigEndian.Uint64(b[8:])
	for i := Len - 1; i >= 0; i-- {
		id[i] = digits[lo&31]
		lo, hi = lo>>5|hi<<59, hi>>5
	}
	return string(id[:])
}

// Time returns when an identifier was made, to the millisecond; zero if it is none.
func Time(id string) time.Time {
	b, ok := Bytes(id)
	if !ok {
		return time.Time{}
	}
	return ulid.Time(ulid.ULID(b).Time()).UTC()
}
