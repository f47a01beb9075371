package bench

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// bench is everything that measuring needs.
type bench struct {
	Options
	dir     string
	program string
	lanes   string // file
	sink    *remote
	schools map[int]*school
	bar     *bar
}

// small is the size that the accept latency is compared with.
const small = 100

// prepare starts the sink and makes the rosters.
func prepare(ctx context.Context, o Options) (*bench, error) {
	b := &bench{Options: o, dir: o.Keep, schools: map[int]*school{}, bar: newBar(os.Stderr)}
	var err error
	if b.dir == "" {
		b.dir, err = os.MkdirTemp("", "todoku-bench-")
	} else {
		err = os.MkdirAll(b.dir, 0o750)
	}
	if err == nil {
		err = b.liftLanes()
	}
	if err != nil {
		return nil, err
	}
	if b.program, err = os.Executable(); err != nil {
		return nil, errors.Join(err, b.close())
	}
	if b.sink, err = launchSink(ctx); err != nil {
		return nil, errors.Join(err, b.close())
	}
	for _, n := range append([]int{small}, o.Sizes...) {
		b.bar.begin(n, "making a roster")
		if b.schools[n], err = makeSchool(ctx, b.dir, n, b.bar.set); err != nil {
			return nil, errors.Join(err, b.close())
		}
	}
	return b, nil
}

// close ends the sink and removes what is not to be kept.
func (b *bench) close() error {
	b.bar.clear()
	var errs []error
	if b.sink != nil {
		errs = append(errs, b.sink.close())
	}
	if b.Keep == "" {
		errs = append(errs, os.RemoveAll(b.dir))
	}
	return errors.Join(errs...)
}

// liftLanes writes the lanes file for the far sink: so many slots that no lane
// holds up the program before the connections do. As shipped, Gmail's five slots,
// with two copies in five, would: 20 ms away that is at most 625 copies a second,
// on purpose.
func (b *bench) liftLanes() error {
	const lanes = `{"default": {"slots": 10}, "lanes": [
		{"name": "google", "slots": 40}, {"name": "docomo", "slots": 20}, {"name": "apple", "slots": 20},
		{"name": "au", "slots": 10}, {"name": "softbank", "slots": 10}, {"name": "yahoo-jp", "slots": 10},
		{"name": "microsoft", "slots": 10}, {"name": "rakuten", "slots": 10}]}`
	b.lanes = filepath.Join(b.dir, "lanes.json")
	return os.WriteFile(b.lanes, []byte(lanes), 0o600)
}

// place is where the sink is.
type place struct {
	name   string
	relay  string
	lanes  string // file; "": as shipped
	conns  int
	rounds func(n int) int
}

func (b *bench) places() []place {
	relay := func(addr string, conns int) string {
		return fmt.Sprintf("smtp://%s?starttls=off&conns=%d", addr, conns)
	}
	places := []place{{"near", relay(b.sink.near, b.Conns), "", b.Conns, func(int) int { return b.Rounds }}}
	if b.Far {
		// A hundred thousand at that distance take a minute and more.
		once := func(n int) int {
			if n > 10_000 {
				return 1
			}
			return b.Rounds
		}
		places = append(places, place{"20 ms away", relay(b.sink.far, b.FarConns), b.lanes, b.FarConns, once})
	}
	return places
}

// sending is what one sending of everything came to.
type sending struct {
	rate          float64       // messages a second
	cpu           time.Duration // of the program for one copy, its start and the looks at its status included
	memory        memory
	before, after int64         // bytes of the file
	api, page     time.Duration // of reading the status
	apiReads      int64         // items of the table
	pageReads     int64
}

// sendBare measures the bare loop.
func (b *bench) sendBare(ctx context.Context, p place, n int) (rate float64, err error) {
	loop, err := newBare(n)
	if err != nil {
		return 0, err
	}
	b.bar.begin(n, "bare loop, %s", p.name)
	if err := b.sink.expect(n); err != nil {
		return 0, err
	}
	start := time.Now()
	arrived := make(chan error, 1)
	go func() {
		_, err := b.sink.wait(n, b.bar.set)
		arrived <- err
	}()
	if err := loop.send(ctx, p.relay); err != nil {
		return 0, err // what failed will never arrive
	}
	err = <-arrived
	return float64(n) / time.Since(start).Seconds(), err
}

// sendSystem measures the program.
func (b *bench) sendSystem(ctx context.Context, p place, n int) (r sending, err error) {
	s, err := startSystem(ctx, b.program, b.schools[n], p)
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(s.data)) }()
	id, r, err := b.sendAll(ctx, s, p, n)
	err = errors.Join(err, s.stop())
	if err != nil {
		return r, err
	}
	r.cpu = (s.cmd.ProcessState.UserTime() + s.cmd.ProcessState.SystemTime()) / time.Duration(n)
	r.apiReads, r.pageReads, err = countReads(ctx, s.data, id)
	return r, err
}

// sendAll has the program send to everybody, and looks at it afterwards.
func (b *bench) sendAll(ctx context.Context, s *system, p place, n int) (id string, r sending, err error) {
	if r.before, err = s.fileSize(); err != nil {
		return "", r, err
	}
	b.bar.begin(n, "Todoku, %s", p.name)
	if err := b.sink.expect(n); err != nil {
		return "", r, err
	}
	start := time.Now()
	if id, _, err = s.post(0); err != nil {
		return id, r, err
	}
	t, err := b.sink.wait(n, b.bar.set)
	if err != nil {
		return id, r, err
	}
	r.rate = float64(n) / time.Since(start).Seconds()
	if t.messages != n {
		return id, r, fmt.Errorf("%d messages came more than once", t.messages-n)
	}
	if err := s.settled(ctx, id, n); err != nil {
		return id, r, err
	}
	if r.after, err = s.fileSize(); err != nil {
		return id, r, err
	}
	r.memory = s.memory()
	r.api, r.page, err = s.readStatus(id)
	return id, r, err
}

// settled waits until the program has recorded every copy as sent, soon after the
// last has arrived.
func (s *system) settled(ctx context.Context, id string, n int) error {
	for until := time.Now().Add(patience); ; {
		copies, err := s.copies(id)
		if err != nil || copies["total"] == n && copies["sent"] == n {
			return err
		}
		if time.Now().After(until) {
			return fmt.Errorf("%d messages came, but the program says %v", n, copies)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// readStatus returns the median times of reading the status by the API and as a page.
func (s *system) readStatus(id string) (api, page time.Duration, err error) {
	const times = 15
	measure := func(path string) (time.Duration, error) {
		var took []time.Duration
		for range times {
			start := time.Now()
			if _, err := s.call(http.MethodGet, path, nil); err != nil {
				return 0, err
			}
			took = append(took, time.Since(start))
		}
		return median(took), nil
	}
	if api, err = measure("/api/v1/alerts/" + id); err != nil {
		return 0, 0, err
	}
	page, err = measure("/alerts/" + id)
	return api, page, err
}

func median[T time.Duration | float64 | int64](values []T) T {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[len(sorted)/2]
}

// accept measures how long POST /alerts takes for each size, taking turns. Each
// alert is taken back before anything of it leaves.
func (b *bench) accept(ctx context.Context, sizes []int) (medians []time.Duration, err error) {
	const times = 25
	systems := make([]*system, len(sizes))
	defer func() {
		for _, s := range systems {
			if s != nil {
				err = errors.Join(err, s.stop(), os.RemoveAll(s.data))
			}
		}
	}()
	for i, n := range sizes {
		if systems[i], err = startSystem(ctx, b.program, b.schools[n], b.places()[0]); err != nil {
			return nil, err
		}
	}
	b.bar.begin(times, "accept")
	took := make([][]time.Duration, len(sizes))
	for done := range times {
		for i, s := range systems {
			id, d, err := s.post(10 * time.Minute)
			if err != nil {
				return nil, err
			}
			took[i] = append(took[i], d)
			if err := s.undo(id); err != nil {
				return nil, err
			}
		}
		b.bar.set(done + 1)
	}
	for _, t := range took {
		medians = append(medians, median(t))
	}
	return medians, nil
}
