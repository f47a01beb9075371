package bench

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"
)

// bar shows on a terminal how far the work is; elsewhere it writes a line when
// something new begins.
type bar struct {
	w        io.Writer
	terminal bool

	mu    sync.Mutex
	label string
	total int
	drawn time.Time
}

func newBar(f *os.File) *bar {
	info, err := f.Stat()
	return &bar{w: f, terminal: err == nil && info.Mode()&os.ModeCharDevice != 0}
}

// begin starts a piece of work of total parts.
func (b *bar) begin(total int, format string, args ...any) {
	b.mu.Lock()
	b.label, b.total, b.drawn = fmt.Sprintf(format, args...), total, time.Time{}
	b.mu.Unlock()
	if !b.terminal {
		_, _ = fmt.Fprintln(b.w, b.label)
	}
	b.set(0)
}

// set says how many parts are done.
func (b *bar) set(done int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	const often = 50 * time.Millisecond
	if !b.terminal || done < b.total && time.Since(b.drawn) < often {
		return
	}
	b.drawn = time.Now()
	const width = 30
	full := min(width*done/max(b.total, 1), width)
	_, _ = fmt.Fprintf(b.w, "\r\x1b[K[%s%s] %d/%d %s", strings.Repeat("#", full), strings.Repeat(".", width-full), done, b.total, b.label)
}

// clear removes the bar before something else is printed.
func (b *bar) clear() {
	if b.terminal {
		_, _ = fmt.Fprint(b.w, "\r\x1b[K")
	}
}
