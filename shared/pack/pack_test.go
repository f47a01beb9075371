package pack_test

import (
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/todoku/todoku/shared/pack"
)

var (
	ints  = []int{0, 1, -1, 63, 64, -64, -65, 1 << 20, math.MaxInt, math.MinInt}
	texts = []string{"", "a", "山田 太郎", "01k41zq2a0aaaaaaaaaaaaaaa1", "01K41ZQ2A0AAAAAAAAAAAAAAA1", "7zzzzzzzzzzzzzzzzzzzzzzzzz", "\x00\xff", strings.Repeat("x", 300)}
	times = []time.Time{{}, time.Unix(0, 0).UTC(), time.Date(2026, 9, 1, 8, 0, 0, 123456789, time.UTC)}
)

func record() []byte {
	w := pack.NewWriter(8)
	w.Byte(7)
	for _, n := range ints {
		w.Int(n)
	}
	w.Count(len(texts))
	for _, s := range texts {
		w.Text(s)
	}
	for _, t := range times {
		w.Time(t)
	}
	return w.Bytes()
}

// readAll reads what record wrote, and reports what differs.
func readAll(r *pack.Reader) (wrong string) {
	if r.Byte() != 7 {
		wrong += " byte"
	}
	for _, n := range ints {
		if r.Int() != n {
			wrong += " int"
		}
	}
	if r.Count() != len(texts) {
		wrong += " count"
	}
	for _, s := range texts {
		if r.Text() != s {
			wrong += " text"
		}
	}
	for _, t := range times {
		if !r.Time().Equal(t) {
			wrong += " time"
		}
	}
	return wrong
}

func TestRoundTrip(t *testing.T) {
	r := pack.NewReader(record())
	if wrong := readAll(r); wrong != "" || r.Close() != nil {
		t.Errorf("read back otherwise:%s, %v", wrong, r.Close())
	}
}

// TestCutOff reads the record cut off at every byte, and with one byte too many.
func TestCutOff(t *testing.T) {
	whole := record()
	for n := range whole {
		r := pack.NewReader(whole[:n])
		readAll(r)
		if err := r.Close(); !errors.Is(err, pack.ErrDamaged) {
			t.Fatalf("cut off after %d of %d bytes: %v", n, len(whole), err)
		}
	}
	r := pack.NewReader(append(whole, 0))
	readAll(r)
	if err := r.Close(); !errors.Is(err, pack.ErrDamaged) {
		t.Errorf("with a byte too many: %v", err)
	}
}

// FuzzReader reads anything as anything: it ends, and asks for no more than there is.
func FuzzReader(f *testing.F) {
	f.Add(record(), []byte{0, 1, 2, 3, 4})
	f.Fuzz(func(t *testing.T, record, kinds []byte) {
		r := pack.NewReader(record)
		for _, k := range kinds {
			switch k % 5 {
			case 0:
				r.Byte()
			case 1:
				r.Int()
			case 2:
				if n := r.Count(); n < 0 || n > len(record) {
					t.Fatalf("a count of %d in %d bytes", n, len(record))
				}
			case 3:
				if s := r.Text(); len(s) > len(record)+26 {
					t.Fatalf("a text of %d bytes in %d", len(s), len(record))
				}
			case 4:
				r.Time()
			}
		}
		_ = r.Close()
	})
}
