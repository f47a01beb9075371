package smtp

import (
	"context"
	"errors"

	"github.com/todoku/todoku/shared/mail"
)

// batch is the messages of one SendAll and what has become of them.
type batch struct {
	ctx  context.Context
	msgs []*mail.Message
	done func(i int, err error)

	next     int // the first message not begun
	reported int // done has been called for those before
	states   []state
}

type state struct {
	known   bool // the outcome is known
	err     error
	retried bool // it has been begun on a connection that ended before its turn
}

func newBatch(ctx context.Context, msgs []*mail.Message, done func(i int, err error)) *batch {
	return &batch{ctx: ctx, msgs: msgs, done: done, states: make([]state, len(msgs))}
}

func (b *batch) finished() bool { return b.reported == len(b.msgs) }

// settle records the outcome of message i, and of all the rest if it is the
// operator's failure, and reports what is in order.
func (b *batch) settle(i int, err error) {
	if !b.states[i].known {
		b.states[i].known, b.states[i].err = true, err
	}
	var e *mail.SendError
	if errors.As(err, &e) && e.Scope == mail.ScopeOperator {
		b.stop(err)
	}
	for b.reported < len(b.msgs) && b.states[b.reported].known {
		i := b.reported
		b.reported++
		b.done(i, b.states[i].err)
	}
}

// stop gives every message without an outcome the same one.
func (b *batch) stop(err error) {
	b.next = len(b.msgs)
	for i := range b.states {
		if !b.states[i].known {
			b.states[i].known, b.states[i].err = true, err
		}
	}
	for b.reported < len(b.msgs) {
		i := b.reported
		b.reported++
		b.done(i, b.states[i].err)
	}
}

// again puts back a message that the relay cannot have taken, for one more try on
// a new connection; the second time err is its outcome. A nil m is no message.
func (b *batch) again(m *outgoing, err error) {
	switch {
	case m == nil || b.states[m.i].known:
	case b.states[m.i].retried:
		b.settle(m.i, err)
	default:
		b.states[m.i].retried = true
		b.next = min(b.next, m.i)
	}
}

// cause is err, or the context's error if that is why the connection ended.
func (b *batch) cause(err error) error {
	if b.ctx.Err() != nil {
		return b.ctx.Err()
	}
	return err
}
