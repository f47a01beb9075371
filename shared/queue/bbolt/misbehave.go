package bbolt

import (
	"math/rand/v2"

	"github.com/todoku/todoku/shared/queue"
)

// misbehave draws from the seed and logs it, so that a failure can be repeated.
func (q *Queue) misbehave() {
	seed := q.cfg.Seed
	for seed == 0 {
		seed = rand.Uint64()
	}
	q.rand = rand.New(rand.NewPCG(seed, seed))
	q.log.Info("queue: misbehaving on purpose", "seed", seed)
}

// mixedOrders orders up to n batches of one to four groups each, from anywhere in
// the line, some of them smaller than they could be; some groups stay behind
// although they could go. It never returns nothing if there is something.
func (q *Queue) mixedOrders(n int) []order {
	var orders []order
	for len(orders) < n && len(q.schedule.ready) > 0 {
		if len(orders) > 0 && q.rand.IntN(4) == 0 {
			break
		}
		orders = append(orders, q.mixedOrder())
	}
	return orders
}

func (q *Queue) mixedOrder() order {
	var o order
	for range 1 + q.rand.IntN(4) {
		if len(q.schedule.ready) == 0 {
			break
		}
		o.groups = append(o.groups, q.schedule.take(q.rand.IntN(len(q.schedule.ready))))
	}
	o.limit = 1 + q.rand.IntN(queue.MaxBatch/len(o.groups))
	return o
}

// handOutAgain lets some of the messages that were handled for the first time be
// handled once more: a message and those after it, so that the group's order
// holds. It never uses up a receive that a dead letter would need.
func (q *Queue) handOutAgain(p *part) {
	if q.rand.IntN(8) > 0 || p.failures() > 0 || q.cfg.MaxReceives < 3 {
		return
	}
	for i := q.rand.IntN(len(p.entries)); i < len(p.entries); i++ {
		if e := &p.entries[i]; e.Receives == 1 {
			e.failed, e.until = true, q.cfg.Now()
		}
	}
}
