// Package id makes identifiers: ULIDs in lower case, 26 letters and digits that
// sort by the time of their making (https://github.com/ulid/spec).
package id

import (
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

// Bytes returns the 16 bytes of an identifier, and false if it is none.
func Bytes(id string) ([16]byte, bool) {
	u, err := ulid.ParseStrict(strings.ToUpper(id))
	return u, err == nil && id == strings.ToLower(u.String())
}

// FromBytes is the inverse of Bytes.
func FromBytes(b [16]byte) string { return strings.ToLower(ulid.ULID(b).String()) }

// Time returns when an identifier was made, to the millisecond; zero if it is none.
func Time(id string) time.Time {
	b, ok := Bytes(id)
	if !ok {
		return time.Time{}
	}
	return ulid.Time(ulid.ULID(b).Time()).UTC()
}
