package gate

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/todoku/todoku/shared/lane"
	"github.com/todoku/todoku/shared/lane/pace"
	"github.com/todoku/todoku/shared/table"
	"github.com/todoku/todoku/shared/table/bbolt/bbolttest"
)

// queueing is a lane in which several alerts wait, as their slots' groups in a queue: each
// group has one batch of ten under way at a time, and a batch takes a second.
type queueing struct {
	*testing.T
	gate *Gate

	mu   sync.Mutex
	now  int // batches under way
	most int
	left []string       // the alerts of the copies that have left, in their order; "-" is before that of the last
	told sync.WaitGroup // of the copies whose event is out
}

// slow is a table as far away as one on AWS.
type slow struct{ table.Table }

const away = 3 * time.Millisecond

func (s slow) Get(ctx context.Context, k table.Key) (table.Item, error) {
	time.Sleep(away)
	return s.Table.Get(ctx, k)
}

func (s slow) Write(ctx context.Context, token string, ops ...table.Op) error {
	time.Sleep(away)
	return s.Table.Write(ctx, token, ops...)
}

// inOrder runs a test in a bubble, on one machine and behind events.
func inOrder(t *testing.T, test func(q *queueing)) {
	t.Helper()
	for name, events := range map[string]bool{"replies": false, "events": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var tab table.Table = bbolttest.Open(t, time.Now)
				if events {
					tab = slow{tab}
				}
				lanes, err := lane.Load(nil)
				if err != nil {
					t.Fatal(err)
				}
				g := &Gate{Table: tab, Lanes: lanes, Alone: !events, Events: events, Now: time.Now, Dice: rand.Float64}
				q := &queueing{T: t, gate: g}
				test(q)
				if slots := lanes.Named("docomo").Slots; q.most > slots {
					t.Errorf("%d batches at once, more than the %d slots", q.most, slots)
				}
			})
		})
	}
}

// alert has so many batches of an alert leave, dealt to the lane's slots. It returns when
// all have.
func (q *queueing) alert(name string, urgent, last bool, batches int) {
	slots := q.gate.Lanes.Named("docomo").Slots
	var groups sync.WaitGroup
	for slot := range slots {
		p := lane.Place{Lane: "docomo", Slot: slot, Alert: name, Urgent: urgent}
		if last {
			p.Slot += lane.MaxSlots
		}
		n := batches / slots
		if slot < batches%slots {
			n++
		}
		groups.Go(func() {
			for range n {
				q.batch(p)
			}
		})
	}
	groups.Wait()
}

func (q *queueing) batch(place lane.Place) {
	vain := 1
	for copies := 10; copies > 0; vain++ {
		p, err := q.gate.Ask(q.Context(), Who{place, vain}, copies)
		if err == nil && p.N > 0 {
			err = p.Begin(q.Context())
		}
		if err != nil {
			q.Error(err)
			return
		}
		copies -= p.N
		if p.N > 0 {
			q.send(p, place)
			continue
		}
		_, _ = p.End(q.Context(), false)
		time.Sleep(p.Wait)
	}
}

func (q *queueing) send(p *Permit, place lane.Place) {
	name := place.Alert
	if place.Last() {
		name = "-" + name
	}
	q.mu.Lock()
	q.now++
	q.most = max(q.most, q.now)
	q.left = append(q.left, slices.Repeat([]string{name}, p.N)...)
	q.mu.Unlock()
	for range p.N {
		time.Sleep(time.Second / 10)
		if q.gate.Events {
			p.Left()
			q.told.Go(func() {
				time.Sleep(3 * time.Second)
				_ = q.gate.Report(q.Context(), place.Lane, pace.Verdict{Took: time.Second / 20})
			})
		} else {
			p.Heard(pace.Accepted, time.Second/10)
		}
	}
	q.mu.Lock()
	q.now--
	q.mu.Unlock()
	if _, err := p.End(q.Context(), false); err != nil && !errors.Is(err, table.ErrBusy) {
		q.Error(err)
	}
}

// of counts the copies of an alert among the first n that left.
func (q *queueing) of(name string, n int) (count int) {
	for _, l := range q.left[:min(n, len(q.left))] {
		if l == name {
			count++
		}
	}
	return count
}

// done is after how many copies the last of an alert had left.
func (q *queueing) done(name string) (n int) {
	for i, l := range q.left {
		if l == name {
			n = i + 1
		}
	}
	return n
}

// both has two alerts leave, of which the second comes later.
func (q *queueing) both(later time.Duration, first, second func()) time.Duration {
	began := time.Now()
	var alerts sync.WaitGroup
	alerts.Go(first)
	time.Sleep(later)
	alerts.Go(second)
	alerts.Wait()
	took := time.Since(began)
	q.told.Wait()
	q.Logf("%d copies in %v: a done after %d, b after %d; at most %d at once", len(q.left), took, q.done("a"), q.done("b"), q.most)
	return took
}

// TestSafetyFirst: a safety check overtakes a notice.
func TestSafetyFirst(t *testing.T) {
	inOrder(t, func(q *queueing) {
		q.both(5*time.Second, func() { q.alert("a", false, false, 100) }, func() { q.alert("b", true, false, 10) })
		if n := q.done("b"); n > 450 {
			q.Errorf("the safety check's 100 copies were done after %d of 1,100", n)
		}
	})
}

// TestSafetyStarvesNobody: nor does a notice wait for the end of a huge safety check.
func TestSafetyStarvesNobody(t *testing.T) {
	inOrder(t, func(q *queueing) {
		q.both(5*time.Second, func() { q.alert("a", true, false, 200) }, func() { q.alert("b", false, false, 4) })
		if n := q.done("b"); n > 1200 {
			q.Errorf("the notice's 40 copies were done after %d of 2,040", n)
		}
	})
}

// TestHugeAndSmall: a huge alert does not starve a small one.
func TestHugeAndSmall(t *testing.T) {
	inOrder(t, func(q *queueing) {
		q.both(20*time.Second, func() { q.alert("a", false, false, 200) }, func() { q.alert("b", false, false, 12) })
		if n := q.done("b"); n > 1300 {
			q.Errorf("the small alert's 120 copies were done after %d of 2,120", n)
		}
	})
}

// TestTwoAlike: two alerts at once go on alike, and the lane loses little by it.
func TestTwoAlike(t *testing.T) {
	inOrder(t, func(q *queueing) {
		took := q.both(0, func() { q.alert("a", false, false, 60) }, func() { q.alert("b", false, false, 60) })
		for _, n := range []int{400, 800, 1100} {
			if a, b := q.of("a", n), q.of("b", n); a-b > 80 || b-a > 80 {
				q.Errorf("of the first %d copies %d are of one and %d of the other", n, a, b)
			}
		}
		if took > 85*time.Second { // one alert takes 31 s, and behind events, with a window that grows from 2, 51 s
			q.Errorf("120 batches over four slots took %v, of which each takes a second", took)
		}
	})
}

// TestLast: those never heard of leave when the others of their alert have left, and
// another alert's do not wait for these.
func TestLast(t *testing.T) {
	inOrder(t, func(q *queueing) {
		q.both(0, func() { q.alert("a", false, true, 8) }, func() { time.Sleep(soon / 2); q.alert("a", false, false, 40) })
		if n := q.of("-a", 400); n > 0 {
			q.Errorf("%d of the last 80 copies were among the first 400", n)
		}
		q.left = nil
		q.both(0, func() { q.alert("c", false, true, 12) }, func() { q.alert("d", false, false, 60) })
		if n := q.done("-c"); n > 600 {
			q.Errorf("an alert to contacts never heard of was done after %d of 720 copies", n)
		}
	})
}

// TestOrderIsStored: what is stored with a lane's state is small.
func TestOrderIsStored(t *testing.T) {
	now := time.Date(2026, 9, 1, 8, 0, 0, 0, time.UTC)
	var o order
	for slot := range 10 {
		for _, name := range []string{"k7gq2k9z", "a1b2c3d4"} {
			p := lane.Place{Lane: "google", Slot: slot, Alert: name, Urgent: name[0] == 'k'}
			if _, ok := o.ask(p, 10, false, now, bySQS, 1); ok {
				o.grant(p, 10, now.Add(lease))
			}
		}
	}
	b := o.encode()
	if len(b) > 300 {
		t.Errorf("%d bytes for two alerts of ten slots each", len(b))
	}
	got, err := decodeOrder(b)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(o, got, cmp.AllowUnexported(order{}, party{}, mark{}), cmpopts.IgnoreFields(order{}, "news")); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if _, err := decodeOrder(b[:len(b)-1]); err == nil {
		t.Error("what was cut off was read")
	}
}
