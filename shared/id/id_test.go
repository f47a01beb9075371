package id

import (
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/oklog/ulid/v2"
)

var noon = time.Date(2026, 4, 6, 12, 0, 0, 123e6, time.UTC)

func source() *Source {
	return NewSource(func() time.Time { return noon }, rand.NewChaCha8([32]byte{1}))
}

func TestNew(t *testing.T) {
	s := source()
	last := ""
	for range 10_000 {
		id := s.New()
		if id <= last || len(id) != Len {
			t.Fatalf("%q came after %q", id, last)
		}
		if !Time(id).Equal(noon) {
			t.Fatalf("%q says it was made at %v", id, Time(id))
		}
		last = id
	}
}

func TestNewAtOnce(t *testing.T) {
	s := source()
	var mu sync.Mutex
	var wg sync.WaitGroup
	seen := map[string]bool{}
	for range 8 {
		wg.Go(func() {
			for range 1000 {
				id := s.New()
				mu.Lock()
				seen[id] = true
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if len(seen) != 8000 {
		t.Errorf("%d different identifiers of 8000", len(seen))
	}
}

func TestBytes(t *testing.T) {
	made := source().New()
	tests := map[string]bool{
		made:                         true,
		"00000000000000000000000000": true,
		"7zzzzzzzzzzzzzzzzzzzzzzzzz": true,
		"8zzzzzzzzzzzzzzzzzzzzzzzzz": false, // beyond 128 bits
		"":                           false,
		made[1:]:                     false,
		made + "0":                   false,
		"01HZZZZZZZZZZZZZZZZZZZZZZZ": false, // upper case would be a second spelling
		"01hzzzzzzzzzzzzzzzzzzzzzzi": false, // I, L, O and U are no digits
		"01hzzzzzzzzzzzzzzzzzzz/../": false,
	}
	for id, want := range tests {
		b, ok := Bytes(id)
		if ok != want {
			t.Errorf("Bytes(%q) is %v, want %v", id, ok, want)
		}
		if ok && FromBytes(b) != id {
			t.Errorf("FromBytes(Bytes(%q)) = %q", id, FromBytes(b))
		}
		if !ok && !Time(id).IsZero() {
			t.Errorf("Time(%q) = %v, want zero", id, Time(id))
		}
	}
}

// TestBytesAgree compares Bytes and FromBytes with the library that makes the
// identifiers.
func TestBytesAgree(t *testing.T) {
	rng := rand.NewChaCha8([32]byte{2})
	for range 1000 {
		var want ulid.ULID
		_, _ = rng.Read(want[:])
		text := strings.ToLower(want.String())
		if got := FromBytes(want); got != text {
			t.Fatalf("FromBytes(%x) = %s, want %s", want[:], got, text)
		}
		if got, ok := Bytes(text); !ok || got != want {
			t.Fatalf("Bytes(%s) = %x, %v, want %x", text, got, ok, want[:])
		}
	}
}
