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
	"sync"
	"time"

	"github.com/todoku/todoku/shared/mail"
)

// Relay submits mail over a pool of connections. Any number of goroutines may
// use it; those for whom there is no connection wait.
type Relay struct {
	cfg   Config
	slots chan struct{} // one for each connection in use

	mu     sync.Mutex
	idle   []*idle // the most recently used last
	closed bool
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
	return &Relay{cfg: cfg, slots: make(chan struct{}, cfg.Conns)}
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
	select {
	case r.slots <- struct{}{}:
		defer func() { <-r.slots }()
		r.run(b)
	case <-ctx.Done():
		b.stop(ctx.Err())
	}
}

// run sends b over as many connections, one after the other, as it takes. Every
// connection settles or uses up a try of at least one message, so it ends.
func (r *Relay) run(b *batch) {
	fresh := false
	for !b.finished() {
		c, err := r.get(b.ctx, fresh)
		if err != nil {
			b.stop(err)
			return
		}
		err = c.send(b)
		if err != nil {
			r.cfg.Log.Info("smtp connection ended", "relay", r.cfg, "transactions", c.begun, "error", clean(err.Error()))
		}
		r.put(c, err)
		fresh = err != nil
	}
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
	for k, other := range r.idle {
		if other == i {
			r.idle = append(r.idle[:k], r.idle[k+1:]...)
			return true
		}
	}
	return false
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
