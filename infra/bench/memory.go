package bench

import (
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
)

// memory is how much of it a process had at most, in bytes; 0 where the system
// does not say.
type memory struct {
	// anonymous is what the process itself needed: the greatest of samples.
	anonymous int64
	// resident is with what of the database file was mapped at the time, which the
	// system takes back whenever it needs the room (VmHWM).
	resident int64
}

// watch samples a process's memory until the returned function is first called.
func watch(pid int) (stop func() memory) {
	const every = 20 * time.Millisecond
	var peak memory
	done := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		t := time.NewTicker(every)
		defer t.Stop()
		for {
			now := readMemory(pid)
			peak.anonymous = max(peak.anonymous, now.anonymous)
			peak.resident = max(peak.resident, now.resident)
			select {
			case <-done:
				return
			case <-t.C:
			}
		}
	})
	return sync.OnceValue(func() memory {
		close(done)
		wg.Wait()
		return peak
	})
}

// readMemory reads what Linux says of a process.
func readMemory(pid int) memory {
	status, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/status")
	if err != nil {
		return memory{}
	}
	return memory{anonymous: statusBytes(string(status), "RssAnon"), resident: statusBytes(string(status), "VmHWM")}
}

// statusBytes returns a field of /proc/PID/status that is given in kB (proc(5)).
func statusBytes(status, field string) int64 {
	for line := range strings.Lines(status) {
		value, ok := strings.CutPrefix(line, field+":")
		if !ok {
			continue
		}
		kB, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 64)
		if err != nil {
			return 0
		}
		return kB << 10
	}
	return 0
}
