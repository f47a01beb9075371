package drill

import (
	"os"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
	"unsafe"
)

// Clock stands still until it is moved.
type Clock struct {
	nanos  atomic.Int64
	shared *int64 // what other programs see, once Share was called
}

// NewClock returns a Clock that shows t.
func NewClock(t time.Time) *Clock {
	c := &Clock{}
	c.nanos.Store(t.UnixNano())
	return c
}

// Now returns the time that the clock shows.
func (c *Clock) Now() time.Time { return time.Unix(0, c.nanos.Load()) }

// Advance moves the clock. A clock never goes back.
func (c *Clock) Advance(by time.Duration) {
	now := c.nanos.Add(int64(by))
	if c.shared != nil {
		atomic.StoreInt64(c.shared, now)
	}
}

// nanosBytes is the size of the file of a clock.
const nanosBytes = 8

// Share returns the name of a file that shows the time, for programs built with
// the tag drill: nanoseconds since 1970 in this machine's byte order, to be mapped
// into memory. It is to be called before the clock is moved, and once.
func (c *Clock) Share(t testing.TB) (file string) {
	t.Helper()
	file = filepath.Join(t.TempDir(), "clock")
	f, err := os.Create(file)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	if err := f.Truncate(nanosBytes); err != nil {
		t.Fatal(err)
	}
	b, err := syscall.Mmap(int(f.Fd()), 0, nanosBytes, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_SHARED)
	if err != nil {
		t.Fatal(err)
	}
	c.shared = (*int64)(unsafe.Pointer(&b[0])) // for as long as this process lives
	c.Advance(0)
	return file
}
