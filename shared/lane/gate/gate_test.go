package gate

import (
	"cmp"
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/todoku/todoku/shared/lane"
	"github.com/todoku/todoku/shared/lane/pace"
	"github.com/todoku/todoku/shared/table"
	"github.com/todoku/todoku/shared/table/bbolt/bbolttest"
)

// world is a lane on AWS in virtual time: its slots ask the gate, and events come back,
// or do not.
type world struct {
	t     testing.TB
	now   time.Time
	gate  *Gate
	lane  string
	slots []time.Time // when each may ask again
	due   []time.Time // when events come, in this order
	lost  bool        // all events
	left  int
	gone  time.Time     // when a copy last left,
	still time.Duration // and for how long none did at most
}

func newWorld(t testing.TB, name string, wrap func(table.Table) table.Table) *world {
	t.Helper()
	w := &world{t: t, now: time.Date(2026, 9, 1, 8, 0, 0, 0, time.UTC), lane: name}
	clock := func() time.Time { return w.now }
	tab := bbolttest.Open(t, clock)
	lanes, err := lane.Load(nil)
	if err != nil {
		t.Fatal(err)
	}
	w.gate = &Gate{Table: wrap(tab), Lanes: lanes, Events: true, Now: clock, Dice: func() float64 { return 0.5 }}
	w.slots = make([]time.Time, lanes.Named(name).Slots)
	return w
}

// send sends so many copies and returns how long that took.
func (w *world) send(copies int) time.Duration {
	start := w.now
	w.gone, w.still = w.now, 0
	for i := range w.slots {
		w.slots[i] = w.now
	}
	for w.left = copies; w.left > 0; {
		w.events()
		for i := range w.slots {
			if w.left > 0 && !w.slots[i].After(w.now) {
				w.slots[i] = w.now.Add(w.batch())
			}
		}
		w.now = w.now.Add(100 * time.Millisecond)
		if w.now.Sub(start) > 24*time.Hour {
			w.t.Fatalf("%d copies have not left after a day", w.left)
		}
	}
	return w.now.Sub(start)
}

// batch has one slot send, and returns how long that and its wait take. A copy takes
// a tenth of a second.
func (w *world) batch() time.Duration {
	ctx := w.t.Context()
	p, _ := w.gate.Ask(ctx, Who{Place: lane.Place{Lane: w.lane}}, min(10, w.left))
	if p.N == 0 {
		return p.Wait
	}
	_ = p.Begin(ctx)
	w.still, w.gone = max(w.still, w.now.Sub(w.gone)), w.now
	for range p.N {
		p.Left()
		w.left--
		if !w.lost {
			w.due = append(w.due, w.now.Add(3*time.Second))
		}
	}
	wait, _ := p.End(ctx, false)
	return max(time.Duration(p.N)*100*time.Millisecond, wait)
}

func (w *world) events() {
	n := 0
	for n < len(w.due) && !w.due[n].After(w.now) {
		n++
	}
	verdicts := make([]pace.Verdict, n)
	for i := range verdicts {
		verdicts[i].Took = time.Second
	}
	w.due = w.due[n:]
	_ = w.gate.Report(w.t.Context(), w.lane, verdicts...)
}

func as(tab table.Table) table.Table { return tab }

// copiesOf is how many copies a test sends: GATE_COPIES, or so many.
func copiesOf(t *testing.T, otherwise int) int {
	t.Helper()
	s := os.Getenv("GATE_COPIES")
	if s == "" {
		return otherwise
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 1 {
		t.Fatalf("GATE_COPIES=%q is no number of copies", s)
	}
	return n
}

// TestAllEventsLost: copies leave within twice the time of the cautious rate.
func TestAllEventsLost(t *testing.T) {
	for _, name := range []string{"google", "docomo", "example.jp"} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, name, as)
			w.lost = true
			copies := copiesOf(t, 1000)
			took := w.send(copies)
			allowed := time.Duration(float64(copies) / (float64(len(w.slots)) / 2) * float64(time.Second))
			t.Logf("%d copies in %v; the cautious rate allows %v", copies, took, allowed)
			if took > 2*allowed {
				t.Errorf("took %v, more than twice %v", took, allowed)
			}
		})
	}
}

// TestEventsStayAway: a lane that has been heard before falls back, too, and says so.
func TestEventsStayAway(t *testing.T) {
	w := newWorld(t, "docomo", as)
	w.send(200)
	w.now = w.now.Add(time.Hour)
	w.lost, w.due = true, nil
	took := w.send(500)
	ls, err := w.gate.Known(t.Context())
	if err != nil || len(ls) != 1 || !w.gate.Outlook(ls[0], 1, false).Silent {
		t.Errorf("it is not said that no events come: %+v, %v", ls, err)
	}
	if took > 500*time.Second {
		t.Errorf("took %v, more than twice the cautious rate's time", took)
	}
	if most := pace.Silence + 2*time.Second; w.still > most {
		t.Errorf("no copy left for %v, where %v is the most that a lane waits for events", w.still, most)
	}
	w.lost = false
	w.send(20)
	w.now = w.now.Add(5 * time.Second)
	w.events()
	if ls, _ = w.gate.Known(t.Context()); w.gate.Outlook(ls[0], 1, false).Silent {
		t.Error("events come again, and it is still said that none does")
	}
}

// throttled refuses some of the calls.
type throttled struct {
	table.Table
	dice *rand.Rand
}

func (t *throttled) refuse() bool { return t.dice.Float64() < 0.1 }

func (t *throttled) Get(ctx context.Context, k table.Key) (table.Item, error) {
	if t.refuse() {
		return table.Item{}, table.ErrBusy
	}
	return t.Table.Get(ctx, k)
}

func (t *throttled) Write(ctx context.Context, token string, ops ...table.Op) error {
	if t.refuse() {
		return table.ErrBusy
	}
	return t.Table.Write(ctx, token, ops...)
}

// TestThrottledStore: with a tenth of the calls refused an alert takes at most half as
// long again.
func TestThrottledStore(t *testing.T) {
	copies := copiesOf(t, 2000)
	calm := newWorld(t, "google", as).send(copies)
	took := newWorld(t, "google", func(tab table.Table) table.Table {
		return &throttled{Table: tab, dice: rand.New(rand.NewPCG(1, 1))}
	}).send(copies)
	t.Logf("%d copies in %v, with a store that answers always in %v", copies, took, calm)
	if took > calm*3/2 {
		t.Errorf("took %v, more than 1.5 times %v", took, calm)
	}
}

// faulty is a table of which reads or writes fail; a write that fails was done.
type faulty struct {
	table.Table
	read, write error
}

func (f *faulty) Get(ctx context.Context, k table.Key) (table.Item, error) {
	if f.read != nil {
		return table.Item{}, f.read
	}
	return f.Table.Get(ctx, k)
}

func (f *faulty) Write(ctx context.Context, token string, ops ...table.Op) error {
	return cmp.Or(f.Table.Write(ctx, token, ops...), f.write)
}

// TestAloneUnread: a lane that cannot be read keeps no copy from leaving.
func TestAloneUnread(t *testing.T) {
	f := &faulty{read: errors.New("a damaged page")}
	w := newWorld(t, "google", func(tab table.Table) table.Table { f.Table = tab; return f })
	w.gate.Alone, w.gate.Events = true, false
	p, err := w.gate.Ask(t.Context(), Who{Place: lane.Place{Lane: "google"}}, 10)
	if err == nil || p.N != 10 {
		t.Errorf("%d places, %v", p.N, err)
	}
	p.Heard(pace.Accepted, time.Second)
	if _, err := p.End(t.Context(), false); err != nil {
		t.Error(err)
	}
}

// TestFlushInDoubt: lanes are written again after a write that failed and was done.
func TestFlushInDoubt(t *testing.T) {
	f := &faulty{}
	w := newWorld(t, "google", func(tab table.Table) table.Table { f.Table = tab; return f })
	w.gate.Alone, w.gate.Events = true, false
	for _, f.write = range []error{nil, errors.New("the disk is in doubt"), nil} {
		p, err := w.gate.Ask(t.Context(), Who{Place: lane.Place{Lane: "google"}}, 1)
		if err != nil || p.N != 1 {
			t.Fatal(p.N, err)
		}
		p.Heard(pace.Accepted, time.Second)
		_, _ = p.End(t.Context(), false)
		if err := w.gate.Flush(t.Context()); (err == nil) != (f.write == nil) {
			t.Errorf("writing says %v, where the disk says %v", err, f.write)
		}
	}
}

// TestOneReadOneWrite: what a batch costs.
func TestOneReadOneWrite(t *testing.T) {
	c := &counting{}
	w := newWorld(t, "google", func(tab table.Table) table.Table { c.Table = tab; return c })
	w.send(200)
	w.now = w.now.Add(time.Minute)
	w.events()
	c.reads, c.writes = 0, 0
	p, err := w.gate.Ask(t.Context(), Who{Place: lane.Place{Lane: "google"}}, 10)
	if err == nil {
		err = p.Begin(t.Context())
	}
	for range p.N {
		p.Left()
	}
	_, ended := p.End(t.Context(), false)
	if err != nil || ended != nil || p.N != 10 || c.reads != 1 || c.writes != 1 {
		t.Errorf("%d copies for %d reads and %d writes; %v, %v", p.N, c.reads, c.writes, err, ended)
	}
}

// BenchmarkBatch is a batch of ten copies and its ten events: what the gate adds to it,
// with the store's own time (bbolt, not synced).
func BenchmarkBatch(b *testing.B) {
	c := &counting{}
	w := newWorld(b, "google", func(tab table.Table) table.Table { c.Table = tab; return c })
	w.send(2000)
	w.now = w.now.Add(time.Minute)
	w.events()
	c.reads, c.writes = 0, 0
	b.ReportAllocs()
	for b.Loop() {
		w.left = 10
		w.batch()
		w.now = w.now.Add(10 * time.Second)
		w.events()
	}
	b.ReportMetric(float64(c.reads)/float64(b.N), "reads/op")
	b.ReportMetric(float64(c.writes)/float64(b.N), "writes/op")
}

type counting struct {
	table.Table
	reads, writes int
}

func (c *counting) Get(ctx context.Context, k table.Key) (table.Item, error) {
	c.reads++
	return c.Table.Get(ctx, k)
}

func (c *counting) Write(ctx context.Context, token string, ops ...table.Op) error {
	c.writes++
	return c.Table.Write(ctx, token, ops...)
}

// TestProbeThatIsNotUsed: the probe of a paused lane whose copies turn out to be cancelled
// gives its place to the next alert's at once.
func TestProbeThatIsNotUsed(t *testing.T) {
	for _, alone := range []bool{true, false} {
		w := newWorld(t, "docomo", as)
		w.gate.Alone, w.gate.Events = alone, !alone
		ask := func() *Permit {
			p, err := w.gate.Ask(t.Context(), Who{Place: lane.Place{Lane: "docomo"}}, 10)
			if err != nil {
				t.Fatal(err)
			}
			return p
		}
		first := ask()
		_ = first.Begin(t.Context())
		first.Heard(pace.TooFast, time.Second)
		_, _ = first.End(t.Context(), false)
		if p := ask(); p.N != 0 {
			t.Fatalf("alone %v: %d places of a lane that has paused", alone, p.N)
		}
		w.now = w.now.Add(pace.LongPause)
		probe := ask()
		if probe.N != 1 {
			t.Fatalf("alone %v: %d places for the probe", alone, probe.N)
		}
		if wait, _ := probe.End(t.Context(), false); wait > probing {
			t.Errorf("alone %v: the slot waits %v", alone, wait)
		}
		if next := ask(); next.N != 1 {
			t.Errorf("alone %v: %d places for the next", alone, next.N)
		}
	}
}

// TestPauseIsKept: a batch that gets its places by a silence which ends before its first copy
// leaves begins a pause. Who asks after that is the probe, and does not wait for a second pause.
func TestPauseIsKept(t *testing.T) {
	w := newWorld(t, "docomo", as)
	ago := func(d time.Duration) time.Time { return w.now.Add(-d) }
	lost := pace.State{
		Window: 2, Took: time.Second, Out: 1, Probing: true, Stopped: ago(time.Hour), Since: ago(time.Hour), Vain: 4,
		Until: ago(2 * time.Minute), Sent: ago(time.Minute), Heard: ago(time.Minute), Turned: ago(time.Minute),
	}
	err := w.gate.change(t.Context(), "docomo", func(l *Lane) bool { l.State = lost; return true })
	if err != nil {
		t.Fatal(err)
	}
	who := Who{Place: lane.Place{Lane: "docomo"}}
	p, err := w.gate.Ask(t.Context(), who, 10)
	if err != nil || p.N == 0 {
		t.Fatalf("%d places of a lane of which nothing is heard; %v", p.N, err)
	}
	err = errors.Join(w.gate.Report(t.Context(), "docomo", pace.Verdict{Kind: pace.TooFast, Took: time.Minute}), p.Begin(t.Context()))
	if err != nil || p.N != 0 {
		t.Fatalf("%d places of a lane that has paused; %v", p.N, err)
	}
	wait, _ := p.End(t.Context(), false)
	for range 2 { // a slot is never told to wait for the whole of a long pause
		w.now = w.now.Add(wait)
		if p, err = w.gate.Ask(t.Context(), who, 10); err != nil {
			t.Fatal(err)
		}
		wait = p.Wait
	}
	if p.N != 1 {
		t.Errorf("%d places when the pause is over, to wait %v more", p.N, wait)
	}
}

// TestListen: that no event comes is said once, while many copies are out; it is over
// when one comes. One copy without a verdict is nobody's alarm.
func TestListen(t *testing.T) {
	w := newWorld(t, "docomo", as)
	listen := func(lasts, begun bool) {
		t.Helper()
		u, b, err := w.gate.Listen(t.Context())
		if err != nil || u.Lasts() != lasts || b != begun {
			t.Fatalf("%+v, begun %v, %v; want one that lasts: %v, begun: %v", u, b, err, lasts, begun)
		}
	}
	w.send(200)
	listen(false, false)
	w.now = w.now.Add(time.Minute)
	w.events()
	w.lost = true
	w.send(1)
	w.now = w.now.Add(time.Minute)
	listen(false, false)
	w.send(100)
	listen(false, false) // a lane that has just begun to send after a while looks like this
	w.now = w.now.Add(time.Minute)
	w.send(1)
	listen(true, true)
	listen(true, false)
	w.lost = false
	w.send(20)
	w.now = w.now.Add(5 * time.Second)
	w.events()
	listen(false, false)
	if u, err := w.gate.Unheard(t.Context()); err != nil || u.Lasts() {
		t.Errorf("%+v, %v", u, err)
	}
	alone := &Gate{Alone: true, Now: w.gate.Now}
	if u, b, err := alone.Listen(t.Context()); err != nil || b || u.Lasts() {
		t.Errorf("where replies are seen nothing is waited for: %+v, %v", u, err)
	}
}
