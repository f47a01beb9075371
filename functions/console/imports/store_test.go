package imports

import (
	"bytes"
	"crypto/rand"
	"errors"
	"testing"
	"time"

	"github.com/todoku/todoku/shared/id"
	"github.com/todoku/todoku/shared/table"
	"github.com/todoku/todoku/shared/table/bbolt/bbolttest"
	"github.com/todoku/todoku/shared/table/tabletest"
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

// TestTurnsAtOnce: of two turns, or a turn and the undoing of another, that are begun at the
// same moment one begins.
func TestTurnsAtOnce(t *testing.T) {
	for _, tt := range []struct {
		name string
		done bool // the first was done, and is being undone
		ends bool // before the second begins
	}{
		{"two turns", false, false},
		{"a turn and an undoing", true, false},
		{"one after the other", false, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			at := &tabletest.Before{Table: bbolttest.Open(t, time.Now)}
			w := &Worker{Store: Store{Table: at, IDs: id.NewSource(time.Now, rand.Reader), Now: time.Now}}
			turn := func() string {
				in, err := w.Keep(t.Context(), "s1", "x.csv", nil, true)
				if err == nil {
					_, err = w.Change(t.Context(), "s1", in.ID, func(in *Import) bool { in.Until = time.Now().Add(time.Hour); return true })
				}
				if err != nil {
					t.Fatal(err)
				}
				return in.ID
			}
			end := func(id string) {
				if _, err := w.Change(t.Context(), "s1", id, func(in *Import) bool { in.State = Done; return true }); err != nil {
					t.Fatal(err)
				}
			}
			one, two := turn(), turn()
			begin := w.Begin
			if tt.done {
				begin = w.BeginUndo
				if _, _, err := w.Begin(t.Context(), "s1", one); err != nil {
					t.Fatal(err)
				}
				end(one)
			}
			at.Do = func() {
				if _, begun, err := begin(t.Context(), "s1", one); !begun || err != nil {
					t.Errorf("the first: %v, %v", begun, err)
				}
				if tt.ends {
					end(one)
				}
			}
			if _, begun, err := w.Begin(t.Context(), "s1", two); begun != tt.ends || errors.Is(err, ErrOpen) == tt.ends {
				t.Errorf("the second: %v, %v", begun, err)
			}
		})
	}
}

// TestOvertaken: who is always overtaken is busy at last.
func TestOvertaken(t *testing.T) {
	s := Store{Table: bbolttest.Open(t, time.Now), IDs: id.NewSource(time.Now, rand.Reader), Now: time.Now}
	in, err := s.Keep(t.Context(), "s1", "x.csv", nil, false)
	if err != nil {
		t.Fatal(err)
	}
	s.Table = &tabletest.Overtaken{Table: s.Table}
	if _, err := s.Change(t.Context(), "s1", in.ID, func(*Import) bool { return true }); !errors.Is(err, table.ErrBusy) {
		t.Error(err)
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
