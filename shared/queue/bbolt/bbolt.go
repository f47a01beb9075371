// Package bbolt is the queue of one machine: package queue's promises kept in a
// bbolt file, which it may share with the table and with other queues.
//
// A message is durable when Send returns. Run hands batches to a handler with the
// types that AWS Lambda uses; what a batch needs of the file, its claim and later
// its removal, is written for all batches of a moment in one transaction. The
// process is the file's only consumer, so after a crash the messages that were
// in flight are handed out again at once, with their receive count kept.
//
// Unlike Amazon SQS it hands out alone a message that was handed out in vain
// before: one that always fails, or kills the process, becomes a dead letter
// without taking the nine behind it along.
//
// Memory is a few hundred bytes a group with messages, the batches in flight (each
// at most one message or queue.MaxMessageBytes of bodies), and some 25 bytes for
// every message sent in the last queue.DedupInterval.
package bbolt

import (
	"cmp"
	"context"
	"errors"
	"hash/maphash"
	"log/slog"
	"math/rand/v2"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/todoku/todoku/shared/journal"
	"github.com/todoku/todoku/shared/queue"
	bolttable "github.com/todoku/todoku/shared/table/bbolt"
)

// Config says how a queue behaves. Its zero value works.
type Config struct {
	// Name tells the queues of one file apart; "queue" if empty.
	Name string
	// VisibilityTimeout is how long a handler may take; 5 minutes if zero. On AWS it is
	// six times the function's timeout.
	VisibilityTimeout time.Duration
	// RetryAfter is how long a message stays hidden that a handler handed back and had
	// not postponed. If zero it is the rest of VisibilityTimeout, as with SQS.
	RetryAfter time.Duration
	// MaxReceives is how often a message is handed out before it becomes a dead
	// letter; 10 if zero.
	MaxReceives int
	// Concurrency is how many handlers run at once; 64 if zero.
	Concurrency int
	// Urgent names groups that go before the others while handlers are scarce, sixteen for
	// one of them. None if nil.
	Urgent func(group string) bool
	// Now is the clock; time.Now if nil. Whoever moves it calls Wake.
	Now func() time.Time
	// Log is told what goes wrong, with ids only; slog.Default() if nil.
	Log *slog.Logger
	// Update runs fn in a read-write transaction that is durable when it returns
	// nil. It may run fn several times and share the transaction with others, to
	// pay for one sync between them: a queue in a table's file is given the
	// table's Update. If nil the queue shares its writes among themselves.
	Update func(fn func(*journal.Tx) error) error
	// Misbehave makes the queue do, from Seed, what a queue may do and handlers
	// must bear: hand out again what was handled, let groups overtake each other,
	// and mix groups in a batch. Tests of handlers set it. If Seed is 0 one is
	// drawn; it is logged either way.
	Misbehave bool
	Seed      uint64
}

func (c Config) withDefaults(db *journal.DB) Config {
	c.Name = cmp.Or(c.Name, "queue")
	c.VisibilityTimeout = cmp.Or(c.VisibilityTimeout, 5*time.Minute)
	c.MaxReceives = cmp.Or(c.MaxReceives, 10)
	c.Concurrency = cmp.Or(c.Concurrency, 64)
	c.Log = cmp.Or(c.Log, slog.Default())
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Update == nil {
		c.Update = bolttable.NewGroup(db).Update
	}
	return c
}

// Queue is a durable queue. Its methods are safe for concurrent use.
type Queue struct {
	db    *journal.DB
	cfg   Config
	log   *slog.Logger
	epoch string // of this process's receipts
	wake  chan struct{}

	running atomic.Bool // Run is
	dead    atomic.Int64
	seen    seen // guarded by the file's read-write transaction

	mu       sync.Mutex
	schedule *schedule
	batches  map[uint64]*batch // in flight, by number
	batchNo  uint64
	handlers int     // running
	finished []*part // whose outcome is not written yet
	rand     *rand.Rand
}

var (
	_ queue.Queue       = (*Queue)(nil)
	_ queue.DeadLetters = (*Queue)(nil)
)

// New opens the queue with cfg's name in db, creating it if need be. There must be
// one Queue of a name at a time: what New finds in flight it takes for the
// remains of a process that died.
func New(db *journal.DB, cfg Config) (*Queue, error) {
	cfg = cfg.withDefaults(db)
	q := &Queue{
		db:       db,
		cfg:      cfg,
		log:      cfg.Log.With("queue", cfg.Name),
		epoch:    strconv.FormatInt(cfg.Now().UnixNano(), 36),
		wake:     make(chan struct{}, 1),
		seen:     seen{seed: maphash.MakeSeed(), records: map[uint64]uint64{}},
		schedule: newSchedule(cfg.Urgent),
		batches:  map[uint64]*batch{},
	}
	if cfg.Misbehave {
		q.misbehave()
	}
	if err := q.load(); err != nil {
		return nil, err
	}
	return q, nil
}

// Wake makes Run look at the clock now. Only whoever moves the clock by hand needs
// it.
func (q *Queue) Wake() {
	select {
	case q.wake <- struct{}{}:
	default: // it is awake already
	}
}

// Send implements queue.Queue.
func (q *Queue) Send(ctx context.Context, msgs ...queue.Message) error {
	if err := queue.Check(msgs...); err != nil {
		return err
	}
	for len(msgs) > 0 {
		if err := ctx.Err(); err != nil {
			return err
		}
		n := chunk(msgs)
		if err := q.send(msgs[:n]); err != nil {
			return err
		}
		msgs = msgs[n:]
	}
	return nil
}

// Postpone implements queue.Queue.
func (q *Queue) Postpone(ctx context.Context, d time.Duration, receipts ...string) error {
	if d < 0 || d > queue.MaxDelay {
		return errors.Join(queue.ErrInvalid, errors.New("delay is not 0 to 12 hours"))
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	until := q.cfg.Now().Add(d)
	var err error
	for _, receipt := range receipts {
		p, e := q.inFlight(receipt)
		if e == nil {
			err = queue.ErrNotInFlight
			continue
		}
		e.until = until
		// A group is not handed out twice because its handler postponed it for longer
		// than the visibility timeout before it returned.
		if until.After(p.group.until) {
			q.schedule.move(p.group, until)
		}
	}
	return err
}
