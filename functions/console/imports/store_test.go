package imports

import (
	"bytes"
	"crypto/rand"
	"testing"
	"time"

	"github.com/todoku/todoku/shared/id"
	"github.com/todoku/todoku/shared/table/bbolt/bbolttest"
)

func TestKeepIsTheFile(t *testing.T) {
	s := Store{Table: bbolttest.Open(t, time.Now), IDs: id.NewSource(time.Now, rand.Reader), Now: time.Now}
	repeated := make([]byte, 3*pieceBytes+17)
	for i := range repeated {
		repeated[i] = byte(i * i >> 7)
	}
	for name, file := range map[string][]byte{"empty": {}, "small": []byte("a"), "several pieces": incompressible(3 * pieceBytes), "repeated": repeated} {
		kept, err := s.Keep(t.Context(), "s1", "x.csv", file, false)
		if err != nil {
			t.Fatal(err)
		}
		in, err := s.Get(t.Context(), "s1", kept.ID)
		if err != nil {
			t.Fatal(err)
		}
		got, err := s.File(t.Context(), in)
		if err != nil || !bytes.Equal(got, file) {
			t.Errorf("%s: %d bytes came back of %d, %v", name, len(got), len(file), err)
		}
	}
}

// TestNewestOfMany: half a turn is found however many files were sent since.
func TestNewestOfMany(t *testing.T) {
	s := Store{Table: bbolttest.Open(t, time.Now), IDs: id.NewSource(time.Now, rand.Reader), Now: time.Now}
	turn, err := s.Keep(t.Context(), "s1", "x.csv", nil, true)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 * fewImports {
		if _, err := s.Keep(t.Context(), "s1", "y.csv", nil, false); err != nil {
			t.Fatal(err)
		}
	}
	in, ok, err := s.Newest(t.Context(), "s1", func(in Import) bool { return in.Turn })
	if err != nil || !ok || in.ID != turn.ID {
		t.Errorf("%+v, %v, %v", in, ok, err)
	}
}

// incompressible returns n bytes that do not get smaller.
func incompressible(n int) []byte {
	b := make([]byte, n)
	x := uint32(1)
	for i := range b {
		x ^= x << 13
		x ^= x >> 17
		x ^= x << 5
		b[i] = byte(x)
	}
	return b
}
