package bbolt

import (
	"context"
	"errors"
	"time"

	"github.com/todoku/todoku/shared/journal"
	"github.com/todoku/todoku/shared/queue"
)

const (
	// lookAgain is how often the clock is looked at while something waits for it:
	// a wall clock can be set, and a machine can sleep.
	lookAgain = time.Second
	// afterFault is the pause after the file could not be written.
	afterFault = time.Second
)

// order asks for a batch of up to limit messages of each of the groups.
type order struct {
	groups []*group
	limit  int
}

// round is one turn of the pump: outcomes to write and batches to claim, in one
// transaction.
type round struct {
	finished []*part
	orders   []order
	batches  []*batch // the orders as filled, index by index
}

func (r *round) empty() bool { return len(r.finished) == 0 && len(r.orders) == 0 }

// Run hands messages to the handler until ctx ends, then waits for the handlers
// that are running and writes their outcomes. It returns nil then, and an error
// only if that last write fails, in which case what they handled will be handed
// out again. A Queue runs once at a time.
func (q *Queue) Run(ctx context.Context, handler queue.Handler) error {
	if !q.running.CompareAndSwap(false, true) {
		return errors.New("queue: already running")
	}
	defer q.running.Store(false)
	for {
		// It is looked at once a round: what ends later is noticed by the next.
		ended := ctx.Err() != nil
		r, handlers := q.plan(!ended)
		if r.empty() && handlers == 0 && ended {
			return nil
		}
		if r.empty() {
			q.sleep(ctx, ended)
			continue
		}
		err := q.write(r)
		if written(err) {
			for _, b := range q.apply(r) {
				go q.handle(ctx, handler, b)
			}
		} else {
			q.undo(r)
		}
		if err == nil {
			continue
		}
		if ended && handlers == 0 {
			return err
		}
		q.log.Error("queue: cannot write; will try again", "err", err)
		time.Sleep(afterFault)
	}
}

// sleep waits for something to do. If the end is known already, handlers are all
// that is left to wait for.
func (q *Queue) sleep(ctx context.Context, ended bool) {
	done := ctx.Done()
	if ended {
		done = nil
	}
	var alarm <-chan time.Time
	if d, ok := q.untilDue(); ok {
		t := time.NewTimer(d)
		defer t.Stop()
		alarm = t.C
	}
	select {
	case <-q.wake:
	case <-alarm:
	case <-done:
	}
}

func (q *Queue) untilDue() (time.Duration, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	next, ok := q.schedule.next()
	return min(next.Sub(q.cfg.Now()), lookAgain), ok
}

// plan decides the next round, and says how many handlers are running.
func (q *Queue) plan(claiming bool) (*round, int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	r := &round{finished: q.finished}
	q.finished = nil
	q.release()
	if claiming {
		r.orders = q.orders(q.cfg.Concurrency - q.handlers)
		r.orders = q.retake(r, q.cfg.Concurrency-q.handlers)
	}
	return r, q.handlers
}

// release puts groups whose time has come into the ready line. One that is in
// flight is taken from its handler: what that says later counts for nothing.
func (q *Queue) release() {
	now := q.cfg.Now()
	for g := q.schedule.due(now); g != nil; g = q.schedule.due(now) {
		if g.part != nil {
			q.log.Error("queue: visibility timeout ended before the handler did",
				"group", g.name, "messages", len(g.part.entries))
			g.part = nil
		}
		q.schedule.rest(g)
	}
}

// orders takes groups from the ready line for up to n batches. One group a batch
// keeps groups from waiting for each other.
func (q *Queue) orders(n int) []order {
	if q.rand != nil {
		return q.mixedOrders(n)
	}
	var orders []order
	for len(orders) < n && len(q.schedule.ready) > 0 {
		orders = append(orders, order{[]*group{q.schedule.take(q.schedule.first())}, queue.MaxBatch})
	}
	return orders
}

// retake goes on with groups that have just finished a batch, as long as there
// are fewer than n orders: they come after the groups that were in the line.
func (q *Queue) retake(r *round, n int) []order {
	orders := r.orders
	for _, p := range r.finished {
		if len(orders) >= n {
			break
		}
		if p.failures() == 0 && p.group.messages > len(p.entries) {
			p.retake = true
			orders = append(orders, order{[]*group{p.group}, queue.MaxBatch})
		}
	}
	return orders
}

// write puts a round into the file.
func (q *Queue) write(r *round) error {
	now := q.cfg.Now()
	return q.cfg.Update(func(tx *journal.Tx) error {
		b := openBuckets(tx, q.cfg.Name)
		for _, p := range r.finished {
			if err := b.complete(p, p.hiddenUntil(p.group.until).UnixMilli()); err != nil {
				return err
			}
		}
		r.batches = nil
		for _, o := range r.orders {
			filled, err := b.fill(o, q.cfg.MaxReceives, now.UnixMilli())
			if err != nil {
				return err
			}
			r.batches = append(r.batches, filled)
		}
		return nil
	})
}

func (b buckets) fill(o order, maxReceives int, now int64) (*batch, error) {
	filled := &batch{}
	for _, g := range o.groups {
		p, err := b.claim(g, o.limit, maxReceives, now)
		if err != nil {
			return nil, err
		}
		filled.parts = append(filled.parts, p)
	}
	return filled, nil
}

// undo gives back what a round that could not be written had taken.
func (q *Queue) undo(r *round) {
	q.mu.Lock()
	defer q.mu.Unlock()
	held := map[*group]bool{}
	for _, p := range r.finished {
		p.retake = false
		held[p.group] = true
	}
	q.finished = append(r.finished, q.finished...)
	for _, o := range r.orders {
		for _, g := range o.groups {
			if !held[g] {
				q.schedule.rest(g)
			}
		}
	}
}

// apply makes memory follow the file after a round was written, and returns the
// batches to be handled.
func (q *Queue) apply(r *round) []*batch {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, p := range r.finished {
		q.applyOutcome(p)
	}
	var batches []*batch
	for _, b := range r.batches {
		if q.applyClaim(b) {
			batches = append(batches, b)
		}
	}
	return batches
}

func (q *Queue) applyOutcome(p *part) {
	g := p.group
	failures := p.failures()
	g.messages -= len(p.entries) - failures
	g.part = nil
	switch {
	case failures > 0:
		g.hidden = failures
		q.schedule.wait(g, p.hiddenUntil(g.until))
	case !p.retake:
		q.schedule.rest(g)
	}
}

// applyClaim reports whether there is something in the batch to handle.
func (q *Queue) applyClaim(b *batch) bool {
	parts := b.parts
	b.parts = nil
	deadline := q.cfg.Now().Add(q.cfg.VisibilityTimeout)
	for _, p := range parts {
		q.applyDeaths(p)
		if len(p.entries) == 0 {
			q.schedule.rest(p.group)
			continue
		}
		p.group.part, p.group.hidden = p, 0
		q.schedule.wait(p.group, deadline)
		b.parts = append(b.parts, p)
	}
	if len(b.parts) == 0 {
		return false
	}
	q.batchNo++
	b.number = q.batchNo
	q.batches[b.number] = b
	q.handlers++
	return true
}

func (q *Queue) applyDeaths(p *part) {
	p.group.messages -= len(p.died)
	q.dead.Add(int64(len(p.died)))
	for _, e := range p.died {
		q.log.Error("queue: dead letter", "group", p.group.name, "id", e.ID, "receives", e.Receives)
	}
	p.died = nil
}
