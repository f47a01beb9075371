package health

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/todoku/todoku/shared/table"
	"github.com/todoku/todoku/shared/table/bbolt/bbolttest"
)

// away is a table that can be away.
type away struct {
	table.Table
	err error
}

func (a *away) Get(ctx context.Context, k table.Key) (table.Item, error) {
	if a.err != nil {
		return table.Item{}, a.err
	}
	return a.Table.Get(ctx, k)
}

// crowd is several processes that answer for one system.
type crowd struct {
	*testing.T
	table *away
	looks atomic.Int64 // at the one part
	part  atomic.Pointer[error]
}

func newCrowd(t *testing.T) *crowd {
	return &crowd{T: t, table: &away{Table: bbolttest.Open(t, time.Now)}}
}

// process starts one more.
func (c *crowd) process() *Handler {
	return New(time.Now, slog.New(slog.DiscardHandler), map[string]func(context.Context) error{
		"mail": func(context.Context) error {
			c.looks.Add(1)
			time.Sleep(time.Second)
			if err := c.part.Load(); err != nil {
				return *err
			}
			return nil
		},
	}).Shared(c.table)
}

// ask asks as many new processes at once, and returns what all of them say.
func (c *crowd) ask(processes int) string {
	c.Helper()
	said := make([]string, processes)
	var all sync.WaitGroup
	for i := range processes {
		all.Go(func() { said[i] = c.process().look(c.Context()).Status })
	}
	all.Wait()
	for _, s := range said {
		if s != said[0] {
			c.Errorf("they say %q", said)
			break
		}
	}
	return said[0]
}

// TestShared asks many processes: they look once in commonMemory, and say the same.
func TestShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCrowd(t)
		for range 3 {
			if got := c.ask(20); got != "ok" {
				t.Errorf("they say %s", got)
			}
		}
		if n := c.looks.Load(); n != 1 {
			t.Errorf("%d looks for 60 who asked", n)
		}
		err := errors.New("throttled")
		c.part.Store(&err)
		time.Sleep(commonMemory)
		if got := c.ask(20); got != failing || c.looks.Load() != 2 {
			t.Errorf("%v later: %s after %d looks", commonMemory, got, c.looks.Load())
		}
		c.table.err = errors.New("no table") // each looks for itself
		if got := c.ask(3); got != failing || c.looks.Load() != 5 {
			t.Errorf("without a table: %s after %d looks", got, c.looks.Load())
		}
	})
}

// TestSharedDies has a process end while it looks: the next to ask looks after patience.
func TestSharedDies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCrowd(t)
		h := c.process()
		if err := h.note(t.Context(), 0, common{At: time.Now()}); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		if got := h.look(t.Context()).Status; got != "ok" || time.Since(began) > patience+2*time.Second {
			t.Errorf("%s after %v", got, time.Since(began))
		}
		if got := c.ask(3); got != "ok" || c.looks.Load() != 1 {
			t.Errorf("%s after %d looks", got, c.looks.Load())
		}
	})
}
