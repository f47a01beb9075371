// Package gate hands out the places of lanes: it keeps what each lane knows
// (package pace) in the table, for all who send.
//
// One process that owns the store (Alone) has the states in memory, and Flush writes
// those that changed, once a second: no batch waits for it. Where many processes
// send, a state is read before a batch and written at its revision when the first
// copy of the batch leaves, and again only if a copy did not leave after all; events
// write it once for each lane of a batch. So contention stays low: a lane has few slots, a
// slot one batch at a time, and a write takes milliseconds of a batch's seconds. Who
// loses a few times in a row goes on without.
//
// Several alerts can wait in one lane; whose turn it is, and that no more batches are under
// way than the lane has slots, is kept with the lane's state (order). While one alert is
// alone in its lane that costs no write; else a batch writes the state thrice.
//
// It fails open. What cannot be read or written keeps no copy from leaving: slots of each
// alert and the account's rate still hold, and a verdict that was not noted gives its place
// back after a time (pace.Forget).
package gate

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/todoku/todoku/shared/lane"
	"github.com/todoku/todoku/shared/lane/pace"
	"github.com/todoku/todoku/shared/table"
)

// Gate is what those who send ask for places. Its exported fields are set before use;
// Log may be nil. A nil Gate lets everything through.
type Gate struct {
	Table  table.Table
	Lanes  *lane.Lanes
	Events bool // verdicts come as events (SES), not with the reply
	Alone  bool // no other process uses the table
	Now    func() time.Time
	Dice   func() float64 // random in [0, 1)
	Log    *slog.Logger

	mu    sync.Mutex
	kept  map[string]*Lane // if Alone: what is in memory
	relay pace.State       // if Alone: of the relay itself
	looks looks
	vain  time.Time     // since when Listen sees verdicts stay away; zero: it does not
	freed chan struct{} // closed when a batch has ended; nil: nobody waits
	queue int           // how many wait in Ask for their turn
}

// Lane is what is kept of a lane.
type Lane struct {
	Name  string
	State pace.State
	Hold  *Hold // nil: nobody holds it

	// Took is how long its operator usually takes to reply to a copy, where replies are the
	// verdicts, as this process has seen it; with events State.Took says it.
	Took time.Duration

	order    order
	revision int64
	changed  bool // in memory, since it was written
}

// Hold stops a lane by decision, not by the law: nothing leaves until it is over.
type Hold struct {
	Since time.Time `json:"since"`
	Until time.Time `json:"until,omitzero"` // zero: until Release
	Why   string    `json:"why"`            // for the log and the page; no address in it
}

func (h *Hold) over(now time.Time) bool { return h == nil || !h.Until.IsZero() && !now.Before(h.Until) }

// stored is the form in the table.
type stored struct {
	Pace []byte `json:"p"`
	Hold *Hold  `json:"h,omitempty"`
	// Order is not kept where one process has it in memory: its batches end with it.
	Order []byte `json:"o,omitempty"`
}

const part = "lane"

func key(name string) table.Key { return table.Key{Partition: part, Sort: name} }

// A change that others got in the way of is tried again, so often, and after a random time
// that is twice as long with each: many who begin at once would lose against each other.
const (
	tries = 8
	apart = 4 * time.Millisecond // at most, after the first try: about a write
)

// stepAside waits until a change is tried again that was tried n times before.
func (g *Gate) stepAside(ctx context.Context, n int) {
	select {
	case <-time.After(time.Duration(g.Dice() * float64(apart<<n))):
	case <-ctx.Done():
	}
}

// limits returns what the lanes file says of a lane.
func (g *Gate) limits(name string) pace.Limits {
	l := g.Lanes.Named(name)
	return pace.Limits{Slots: l.Slots, Events: g.Events, Listed: l.Listed()}
}

// change has f change a lane, and keeps the result if f says so. f may be called
// several times, each time with the lane as it is.
func (g *Gate) change(ctx context.Context, name string, f func(*Lane) bool) error {
	if g.Alone {
		return g.changeKept(ctx, name, f)
	}
	for n := range tries {
		l, err := g.read(ctx, name)
		if err != nil {
			return err
		}
		if !f(l) {
			return nil
		}
		err = g.write(ctx, l)
		if _, conflict := table.Conflict(err); !conflict {
			return err
		}
		g.stepAside(ctx, n)
	}
	return table.ErrBusy
}

func (g *Gate) changeKept(ctx context.Context, name string, f func(*Lane) bool) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	l, err := g.keep(ctx, name)
	if err == nil && f(l) {
		l.changed = true
	}
	return err
}

// keep returns the lane that is in memory, and puts it there if need be. What was out
// when the last process ended is nobody's.
func (g *Gate) keep(ctx context.Context, name string) (*Lane, error) {
	if l := g.kept[name]; l != nil {
		return l, nil
	}
	l, err := g.read(ctx, name)
	if err != nil {
		return nil, err
	}
	l.State.Out, l.State.Old, l.State.Stuck, l.State.Probing = 0, 0, 0, false
	l.order = order{}
	if g.kept == nil {
		g.kept = map[string]*Lane{}
	}
	g.kept[name] = l
	return l, nil
}

func (g *Gate) read(ctx context.Context, name string) (*Lane, error) {
	item, err := g.Table.Get(ctx, key(name))
	if errors.Is(err, table.ErrNotFound) {
		return &Lane{Name: name}, nil
	}
	if err != nil {
		return nil, err
	}
	return g.decode(item), nil
}

// decode begins anew with what cannot be read: that costs a few refusals, and no copy.
func (g *Gate) decode(item table.Item) *Lane {
	l := &Lane{Name: item.Sort, revision: item.Revision}
	var s stored
	err := json.Unmarshal(item.Value, &s)
	if err == nil {
		l.Hold = s.Hold
		l.State, err = pace.Decode(s.Pace)
	}
	if err == nil {
		l.order, err = decodeOrder(s.Order)
	}
	if err != nil && g.Log != nil {
		g.Log.Warn("a lane's memory cannot be read, it begins anew", "lane", item.Sort, "err", err)
	}
	return l
}

func (l *Lane) op() (table.Op, error) {
	value, err := json.Marshal(stored{Pace: l.State.Append(nil), Hold: l.Hold, Order: l.order.encode()})
	if l.revision == 0 {
		return table.Create{Key: key(l.Name), Value: value}, err
	}
	return table.Replace{Key: key(l.Name), Revision: l.revision, Value: value}, err
}

func (g *Gate) write(ctx context.Context, l *Lane) error {
	op, err := l.op()
	if err != nil {
		return err
	}
	return g.Table.Write(ctx, "", op)
}

// Flush writes the lanes that have changed in memory. It does nothing unless Alone.
func (g *Gate) Flush(ctx context.Context) error {
	if g == nil || !g.Alone {
		return nil
	}
	for some := range slices.Chunk(g.changed(), table.MaxOps) {
		ops := make([]table.Op, 0, len(some))
		for i := range some {
			op, err := some[i].op()
			if err != nil {
				return err
			}
			ops = append(ops, op)
		}
		err := g.Table.Write(ctx, "", ops...)
		g.written(some, err == nil)
		if err != nil {
			g.catchUp(ctx, some)
			return err
		}
	}
	return nil
}

// changed returns copies of the lanes that have changed, and takes them for written.
func (g *Gate) changed() []Lane {
	g.mu.Lock()
	defer g.mu.Unlock()
	var ls []Lane
	for _, l := range g.kept {
		if l.changed {
			l.changed = false
			c := *l
			c.order = order{}
			ls = append(ls, c)
		}
	}
	return ls
}

func (g *Gate) written(ls []Lane, ok bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for i := range ls {
		if l := g.kept[ls[i].Name]; ok {
			l.revision++
		} else {
			l.changed = true
		}
	}
}

// catchUp takes the revisions of lanes from the table: what was not written for all that
// is known may be there, and a wrong revision would keep it from ever being written.
func (g *Gate) catchUp(ctx context.Context, ls []Lane) {
	for i := range ls {
		there, err := g.read(ctx, ls[i].Name)
		if err != nil {
			continue // the next Flush fails, and comes here again
		}
		g.mu.Lock()
		g.kept[there.Name].revision = there.revision
		g.mu.Unlock()
	}
}

// Hold stops a lane, whatever the law says of it, until Release or until h.Until.
func (g *Gate) Hold(ctx context.Context, name string, h Hold) error {
	return g.change(ctx, name, func(l *Lane) bool { l.Hold = &h; return true })
}

// Release ends a hold. The lane reopens with one probe, as after a pause.
func (g *Gate) Release(ctx context.Context, name string) error {
	return g.change(ctx, name, func(l *Lane) bool {
		if l.Hold == nil {
			return false
		}
		l.Hold = nil
		l.State.Suspend(g.Now().UTC())
		return true
	})
}

// Known returns all lanes of which anything is known, by name.
func (g *Gate) Known(ctx context.Context) ([]Lane, error) {
	if g == nil {
		return nil, nil
	}
	byName := map[string]Lane{}
	for after := ""; ; {
		page, err := g.Table.Query(ctx, table.Query{Partition: part, After: after})
		if err != nil {
			return nil, err
		}
		for _, item := range page.Items {
			byName[item.Sort] = *g.decode(item)
		}
		if after = page.Next; after == "" {
			break
		}
	}
	g.mu.Lock()
	for name, l := range g.kept {
		byName[name] = *l
	}
	g.mu.Unlock()
	ls := make([]Lane, 0, len(byName))
	for _, l := range byName {
		ls = append(ls, l)
	}
	slices.SortFunc(ls, func(a, b Lane) int { return strings.Compare(a.Name, b.Name) })
	return ls, nil
}

// looks remembers for a moment when any lane was last heard.
type looks struct {
	at    time.Time
	heard time.Time
}

// lookEvery is how often a process looks at all lanes, and then only while one is
// silent.
const lookEvery = 5 * time.Second

// alive reports whether verdicts arrive of any lane.
func (g *Gate) alive(ctx context.Context, now time.Time) bool {
	g.mu.Lock()
	seen := g.looks
	g.mu.Unlock()
	if now.Sub(seen.at) >= lookEvery {
		seen = looks{at: now}
		ls, _ := g.Known(ctx) // what cannot be read does not prove that anything lives
		for i := range ls {
			if ls[i].State.Last.After(seen.heard) {
				seen.heard = ls[i].State.Last
			}
		}
		g.mu.Lock()
		g.looks = seen
		g.mu.Unlock()
	}
	return now.Sub(seen.heard) <= pace.Silence
}
