// Package smtp is a mail.Sender that submits to a relay (RFC 6409), as a school
// or its provider runs one: port 587 with STARTTLS or 465 with TLS, and a login.
//
// A message costs one round trip where the relay has PIPELINING: the end of one
// message and the envelope of the next travel together. Each message is a
// transaction of its own with one recipient, so that each reply speaks of one
// copy.
package smtp

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/todoku/todoku/shared/mail"
)

// Relay submits mail over a pool of connections. Any number of goroutines may
// use it; those for whom there is no connection wait.
type Relay struct {
	cfg Config

	mu      sync.Mutex
	inUse   int     // of cfg.Conns; a batch holds one from enter to leave
	waiting []*heir // batches for whom there was none, the first come first
	idle    []*idle // the most recently used last
	closed  bool
}

// heir is a batch that waits for a connection.
type heir struct {
	b *batch
	// ready gives it one, or nil for the right to open one.
	ready chan *conn
	first *outgoing // what has been asked for it on the connection before it is given
}

// idle is a connection that nobody uses and the timer that will end it.
type idle struct {
	c     *conn
	timer *time.Timer
}

var _ mail.BatchSender = (*Relay)(nil)

// New returns a Relay. It connects when there is something to send.
func New(cfg Config) *Relay {
	cfg = cfg.withDefaults()
	return &Relay{cfg: cfg}
}

// Send sends one message; see mail.Sender. SendAll is faster for several.
func (r *Relay) Send(ctx context.Context, m *mail.Message) error {
	var outcome error
	r.SendAll(ctx, []*mail.Message{m}, func(_ int, err error) { outcome = err })
	return outcome
}

// SendAll sends messages in order over one connection at a time; see
// mail.BatchSender. A message that the relay cannot have taken when a connection
// ended is tried once more on a new one; one that it may have taken is not (Maybe).
func (r *Relay) SendAll(ctx context.Context, msgs []*mail.Message, done func(i int, err error)) {
	b := newBatch(ctx, msgs, done)
	if b.finished() {
		return
	}
	c, err := r.enter(b)
	if err != nil {
		b.stop(err)
		return
	}
	if !r.run(b, c) {
		r.leave()
	}
}

// enter waits for b's turn. It returns the context's error, or the connection
// that another batch has left to b, if any.
func (r *Relay) enter(b *batch) (*conn, error) {
	r.mu.Lock()
	if r.inUse < r.cfg.Conns {
		r.inUse++
		r.mu.Unlock()
		return nil, nil
	}
	h := &heir{b: b, ready: make(chan *conn, 1)}
	r.waiting = append(r.waiting, h)
	r.mu.Unlock()
	select {
	case c := <-h.ready:
		return c, nil
	case <-b.ctx.Done():
		if !r.withdraw(h) {
			go r.decline(h)
		}
		return nil, b.ctx.Err()
	}
}

// withdraw reports whether h was still waiting, and ends that.
func (r *Relay) withdraw(h *heir) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	i := slices.Index(r.waiting, h)
	if i >= 0 {
		r.waiting = slices.Delete(r.waiting, i, i+1)
	}
	return i >= 0
}

// decline takes what is given to an heir who has gone away. Its envelope may be
// out on the connection, which is therefore of no use to anybody else.
func (r *Relay) decline(h *heir) {
	if c := <-h.ready; c != nil {
		c.kill()
	}
	r.leave()
}

// leave gives the right to a connection to the first who waits for one.
func (r *Relay) leave() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.waiting) == 0 {
		r.inUse--
		return
	}
	r.waiting[0].ready <- nil
	r.waiting = slices.Delete(r.waiting, 0, 1)
}

// heirFor chooses the batch that has waited longest to have c next, and makes its
// first message ready; nil if nobody waits, or if that message cannot be sent. It
// holds the lock meanwhile, so that the batch cannot go away with its message.
func (r *Relay) heirFor(c *conn) *heir {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.waiting) == 0 {
		return nil
	}
	h := r.waiting[0]
	first, err := c.compose(h.b.msgs[0])
	if err != nil {
		return nil
	}
	h.first = first
	c.begun++
	r.waiting = slices.Delete(r.waiting, 0, 1)
	return h
}

// pass gives c to its heir if it is whole, and reports whether it did, with the
// right to it. Otherwise the heir waits on, as the first.
func (r *Relay) pass(c *conn, err error) bool {
	h := c.heir
	if h == nil {
		return false
	}
	if err == nil {
		h.ready <- c
		return true
	}
	c.heir = nil
	r.mu.Lock()
	defer r.mu.Unlock()
	r.waiting = slices.Insert(r.waiting, 0, h)
	return false
}

// run sends b over c, if it is not nil, and then over as many connections, one
// after the other, as it takes. It reports whether the last one, and the right to
// one, has gone to another batch. Every connection settles or uses up a try of at
// least one message, so it ends.
func (r *Relay) run(b *batch, c *conn) (passed bool) {
	for fresh := false; !b.finished(); {
		var err error
		if c == nil {
			c, err = r.get(b.ctx, fresh)
		}
		if err != nil {
			b.stop(err)
			return false
		}
		err = c.send(b, r.heirFor)
		if err != nil {
			r.cfg.Log.Info("smtp connection ended", "relay", r.cfg, "transactions", c.begun, "error", mail.Words(err.Error()))
		}
		if r.pass(c, err) {
			b.stop(b.ctx.Err()) // nothing is left but after a cancellation
			return true
		}
		r.put(c, err)
		c, fresh = nil, err != nil
	}
	return false
}

var errClosed = errors.New("smtp: the relay was closed by its owner")

// get returns an idle connection or a new one. After a connection has failed the
// idle ones are of no use either: fresh drops them.
func (r *Relay) get(ctx context.Context, fresh bool) (*conn, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if fresh {
		for c := r.pop(); c != nil; c = r.pop() {
			c.kill()
		}
	}
	if c := r.pop(); c != nil {
		return c, nil
	}
	if r.isClosed() {
		return nil, lost(atConnect, errClosed)
	}
	return open(ctx, r.cfg)
}

func (r *Relay) isClosed() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.closed
}

// pop takes the most recently used idle connection; nil if there is none.
func (r *Relay) pop() *conn {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := len(r.idle)
	if n == 0 {
		return nil
	}
	i := r.idle[n-1]
	r.idle = r.idle[:n-1]
	i.timer.Stop()
	return i.c
}

// put ends a connection that is broken or has carried its share, and keeps any
// other for the next batch.
func (r *Relay) put(c *conn, err error) {
	switch {
	case err != nil:
		c.kill()
	case c.worn() || !r.keep(c):
		c.quit()
	}
}

// keep makes the connection idle for a while. It reports false after Close.
func (r *Relay) keep(c *conn) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return false
	}
	i := &idle{c: c}
	i.timer = time.AfterFunc(r.cfg.Idle, func() { r.expire(i) })
	r.idle = append(r.idle, i)
	return true
}

// expire ends an idle connection unless it is in use again.
func (r *Relay) expire(i *idle) {
	if r.remove(i) {
		i.c.quit()
	}
}

func (r *Relay) remove(i *idle) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	k := slices.Index(r.idle, i)
	if k >= 0 {
		r.idle = slices.Delete(r.idle, k, k+1)
	}
	return k >= 0
}

// Check proves by use that the relay can be reached, encrypted and logged in to,
// over a connection of its own; no mail is sent. Its errors are those of Send.
func (r *Relay) Check(ctx context.Context) error {
	if r.isClosed() {
		return lost(atConnect, errClosed)
	}
	c, err := open(ctx, r.cfg)
	if err != nil {
		return err
	}
	defer c.kill()
	stop := context.AfterFunc(ctx, c.kill)
	defer stop()
	if _, err := c.ask(atQuit, "QUIT"); err != nil {
		return operatorError(ctx, err)
	}
	return nil
}

// Close ends the idle connections, and each of the others when its batch is
// done. What is sent afterwards fails with ScopeOperator.
func (r *Relay) Close() error {
	r.mu.Lock()
	r.closed = true
	idle := r.idle
	r.idle = nil
	r.mu.Unlock()
	for _, i := range idle {
		i.timer.Stop()
		i.c.quit()
	}
	return nil
}
