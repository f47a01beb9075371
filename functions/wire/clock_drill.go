//go:build drill

package wire

import (
	"encoding/binary"
	"os"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"
)

// In a program built for a drill, the clock is eight bytes of a file that the
// drill has mapped as well and moves: nanoseconds since 1970 in this machine's
// byte order. Without TODOKU_DRILL_CLOCK it is the real one. No program that is
// deployed holds this file.
var now = drillClock(os.Getenv("TODOKU_DRILL_CLOCK"))

func drillClock(file string) func() time.Time {
	if file == "" {
		return time.Now
	}
	f, err := os.Open(file)
	if err != nil {
		panic(err)
	}
	defer func() { _ = f.Close() }()
	b, err := syscall.Mmap(int(f.Fd()), 0, binary.Size(int64(0)), syscall.PROT_READ, syscall.MAP_SHARED)
	if err != nil {
		panic(err)
	}
	nanos := (*int64)(unsafe.Pointer(&b[0]))
	return func() time.Time { return time.Unix(0, atomic.LoadInt64(nanos)) }
}
