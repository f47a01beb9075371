package smtp

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"

	"github.com/todoku/todoku/shared/mail"
)

// outgoing is a message ready to be sent: nothing about it can fail any more.
type outgoing struct {
	i    int // in its batch
	m    *mail.Message
	raw  []byte    // as RFC 5322
	asks [3]string // MAIL, RCPT, DATA
}

// ending is what a connection must say before the next envelope, because of the
// transaction before.
type ending struct {
	kind endingKind
	m    *outgoing // of withMessage
}

type endingKind int

const (
	nothing     endingKind = iota
	withReset              // MAIL was accepted, then RCPT or DATA refused
	withDot                // DATA was accepted for nobody: only a dot ends that
	withMessage            // DATA was accepted: the message and its dot
)

// say puts the ending before what is said next. It returns its length.
func (e ending) say(c *conn) int {
	switch e.kind {
	case withReset:
		c.say("RSET\r\n")
	case withDot:
		c.say(".\r\n")
	case withMessage:
		c.out = append(appendStuffed(c.out, e.m.raw), ".\r\n"...)
	}
	return len(c.out)
}

// appendStuffed doubles the dots that begin lines (RFC 5321, 4.5.2).
func appendStuffed(b, raw []byte) []byte {
	if bytes.HasPrefix(raw, []byte(".")) {
		b = append(b, '.')
	}
	for {
		i := bytes.Index(raw, []byte("\n."))
		if i < 0 {
			return append(b, raw...)
		}
		b = append(append(b, raw[:i+2]...), '.')
		raw = raw[i+2:]
	}
}

// errAbandoned ends a connection from our side, because that is the only way out
// of a transaction whose message must no longer be sent.
var errAbandoned = errors.New("smtp: transaction abandoned")

// send sends b's messages until none is left or the connection has carried its
// share (nil), or the connection has ended (an error). Messages that the relay
// cannot have taken are then put back into b.
//
// On a pipelining relay each turn of the loop is one write and one round trip:
// the message accepted before, its dot, and the envelope of the next one (RFC
// 2920, 3.1 allows exactly this group).
//
// After b's last message the round trip would carry no envelope. If another batch
// waits for a connection (heirs), its first one goes instead; c.heir then says who
// must be given c.
func (c *conn) send(b *batch, heirs func(*conn) *heir) error {
	stop := context.AfterFunc(b.ctx, c.kill)
	err := c.turns(b, heirs)
	if !stop() && err == nil {
		err = b.ctx.Err()
	}
	return err
}

func (c *conn) turns(b *batch, heirs func(*conn) *heir) error {
	if err := c.inherit(b); err != nil {
		return err
	}
	for c.heir == nil {
		next := c.take(b)
		if next == nil && c.end.kind <= withReset {
			return nil // an RSET can wait for the next batch
		}
		if next == nil && c.end.kind == withMessage && c.pipelining && !c.worn() {
			c.heir = heirs(c)
		}
		if err := c.turn(b, next); err != nil {
			return err
		}
	}
	return nil
}

// inherit takes over b's first message, whose envelope the batch before has sent.
func (c *conn) inherit(b *batch) error {
	if c.heir == nil {
		return nil
	}
	first := c.heir.first
	c.heir = nil
	b.next = first.i + 1
	e, at, err := c.envelope(first)
	return c.judge(b, first, e, at, err)
}

// take returns b's next message that can be sent, after settling those that
// cannot; nil if there is none for this connection.
func (c *conn) take(b *batch) *outgoing {
	for b.next < len(b.msgs) && !c.worn() && b.ctx.Err() == nil {
		i := b.next
		b.next++
		if b.states[i].known {
			continue
		}
		m, err := c.compose(b.msgs[i])
		if err == nil {
			m.i = i
			c.begun++
			return m
		}
		b.settle(i, err)
	}
	return nil
}

// worn reports whether the connection has carried its share of messages.
func (c *conn) worn() bool { return c.begun >= c.cfg.MessagesPerConn }

// compose makes a message ready, or returns why it is not to be sent.
func (c *conn) compose(m *mail.Message) (*outgoing, error) {
	if m.Expired(c.cfg.Now()) {
		return nil, mail.Unsendable(mail.ErrExpired)
	}
	o := c.spare
	if o == nil {
		o = new(outgoing)
	}
	raw, err := m.AppendTo(o.raw[:0])
	if err != nil {
		return nil, mail.Unsendable(err)
	}
	c.spare = nil
	*o = outgoing{m: m, raw: raw}
	return o, c.address(o)
}

// address writes the envelope, with the parameters that the relay understands.
// What it announced that it would refuse is not tried; the status codes are
// those that it would have given.
func (c *conn) address(o *outgoing) error {
	from := "MAIL FROM:<" + o.m.From.Address + ">"
	if _, ok := c.extensions["SIZE"]; ok {
		from += " SIZE=" + strconv.Itoa(len(o.raw))
	}
	if c.maxSize > 0 && len(o.raw) > c.maxSize {
		return &mail.SendError{Permanent: true, Enhanced: "5.3.4",
			Text: fmt.Sprintf("the message has %d octets, the relay takes %d", len(o.raw), c.maxSize)}
	}
	if !isASCII(o.m.From.Address) || !isASCII(o.m.To.Address) || !isASCII(o.m.ReplyTo.Address) {
		if _, ok := c.extensions["SMTPUTF8"]; !ok {
			return &mail.SendError{Permanent: true, Enhanced: "5.6.7",
				Text: "the relay does not take an address that is not ASCII"}
		}
		from += " BODY=8BITMIME SMTPUTF8" // RFC 6531, 3.4
	}
	o.asks = [3]string{from + "\r\n", "RCPT TO:<" + o.m.To.Address + ">\r\n", "DATA\r\n"}
	return nil
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}

// turn ends the transaction before and begins that of next, if there is one.
func (c *conn) turn(b *batch, next *outgoing) error {
	end := c.end
	c.end = ending{}
	err := c.write(b, end, next)
	if err == nil {
		err = c.hearEnd(b, end)
	}
	if err != nil {
		b.again(next, lost(atMail, b.cause(err)))
		return err
	}
	if next == nil {
		return nil
	}
	e, at, err := c.envelope(next)
	return c.judge(b, next, e, at, err)
}

// write says and writes the ending and, to a pipelining relay, the envelope of
// next or of the heir.
func (c *conn) write(b *batch, end ending, next *outgoing) error {
	ended := end.say(c)
	if c.heir != nil {
		next = c.heir.first
	}
	switch {
	case next != nil && c.pipelining:
		for _, ask := range next.asks {
			c.say(ask)
		}
	case next == nil && c.worn() && c.pipelining:
		c.say("QUIT\r\n")
		c.quitting = true
	}
	n, err := c.flush()
	if err == nil {
		return nil
	}
	if end.kind == withMessage && n >= ended {
		b.settle(end.m.i, lost(atDot, b.cause(err)))
	} else {
		b.again(end.m, lost(atData, b.cause(err))) // without its dot nobody took it
	}
	return err
}

// hearEnd hears the reply to the ending and settles its message.
func (c *conn) hearEnd(b *batch, end ending) error {
	if end.kind == nothing {
		return nil
	}
	at := atReset
	if end.kind == withMessage {
		at = atDot
	}
	r, err := c.hear(at)
	if end.kind == withMessage {
		return c.settle(b, end.m, r, err)
	}
	if err == nil && end.kind == withReset && !r.good() {
		err = errGarbage // the transaction is still open
	}
	return err
}

// settle gives the message its outcome from the reply to its dot.
func (c *conn) settle(b *batch, m *outgoing, r reply, err error) error {
	c.spare = m
	switch {
	case r.good():
		b.settle(m.i, nil)
	case r.refused():
		no := refusal(atDot, r)
		b.settle(m.i, no)
		if no.Scope == mail.ScopeOperator && err == nil {
			err = errAbandoned // the next envelope, already out, must go no further
		}
	default:
		if err == nil {
			err = errGarbage
		}
		b.settle(m.i, lost(atDot, b.cause(err)))
	}
	return err
}

// envelope is the replies to MAIL, RCPT and DATA; those not heard are zero.
type envelope [3]reply

// envelope hears the replies; it also says the commands, one by one as long as
// they are accepted, to a relay without pipelining. at is where err happened.
func (c *conn) envelope(next *outgoing) (e envelope, at stage, err error) {
	for i, at := range [...]stage{atMail, atRcpt, atData} {
		if !c.pipelining {
			c.say(next.asks[i])
		}
		e[i], err = c.hear(at)
		if err == nil && !e[i].refused() && (at == atData) != (e[i].code == 354) {
			err = errGarbage
		}
		if err != nil || !c.pipelining && e[i].refused() {
			return e, at, err
		}
	}
	return e, atData, nil
}

// refusal returns what the first refusing reply says; nil if none did.
func (e envelope) refusal() *mail.SendError {
	for i, at := range [...]stage{atMail, atRcpt, atData} {
		if e[i].refused() {
			return refusal(at, e[i])
		}
	}
	return nil
}

// ending is how to leave a transaction that was refused.
func (e envelope) ending() ending {
	switch {
	case e[2].code == 354:
		return ending{kind: withDot}
	case e[0].good():
		return ending{kind: withReset}
	default:
		return ending{}
	}
}

// judge decides what becomes of a message after its envelope.
//
// If the connection ended, even with a refusal, and it had carried messages
// before, that may be the relay's limit for a session (docomo: 554 to the 101st
// recipient, then the end) or an idle connection that it closed: the message is
// tried on a new one. On a new connection a refusal counts.
func (c *conn) judge(b *batch, m *outgoing, e envelope, at stage, err error) error {
	no := e.refusal()
	timeout := errors.Is(err, os.ErrDeadlineExceeded)
	switch {
	case err != nil && b.ctx.Err() != nil:
		b.settle(m.i, b.ctx.Err())
	case err != nil && no != nil && (c.begun == 1 || timeout):
		b.settle(m.i, no)
	case timeout:
		b.settle(m.i, lost(at, err))
	case err != nil:
		b.again(m, lost(at, err))
	case no != nil:
		b.settle(m.i, no)
		c.end = e.ending()
	default:
		return c.proceed(b, m)
	}
	return err
}

// proceed has the relay's leave to send the message. Waiting for it may have
// taken minutes, so it asks again whether the message is still wanted.
func (c *conn) proceed(b *batch, m *outgoing) error {
	switch {
	case b.ctx.Err() != nil:
		b.settle(m.i, b.ctx.Err())
	case m.m.Expired(c.cfg.Now()):
		b.settle(m.i, mail.Unsendable(mail.ErrExpired))
	default:
		c.end = ending{kind: withMessage, m: m}
		return nil
	}
	return errAbandoned
}
