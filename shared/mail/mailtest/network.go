package mailtest

import (
	"bytes"
	"context"
	"net"
	"sync"
	"time"
)

// DelayListener makes a server far away: what its connections carry arrives
// Delay later, in each direction, in order and at any rate. A round trip thus
// costs 2*Delay. Opening a connection does not: as with any listener the client
// is connected before the server knows.
type DelayListener struct {
	net.Listener
	Delay time.Duration // one way
}

// Accept waits for the next connection and returns it with the delay on it.
func (l DelayListener) Accept() (net.Conn, error) {
	far, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	near, inner := net.Pipe()
	go carry(inner, far, l.Delay)
	go carry(far, inner, l.Delay)
	return &addressed{near, far}, nil
}

// addressed is a connection under the addresses of another.
type addressed struct {
	net.Conn
	as net.Conn
}

func (c *addressed) LocalAddr() net.Addr  { return c.as.LocalAddr() }
func (c *addressed) RemoteAddr() net.Addr { return c.as.RemoteAddr() }

// carry copies from src to dst with a delay until either ends, then closes dst
// after the delay and src at once.
func carry(dst, src net.Conn, delay time.Duration) {
	type piece struct {
		due  time.Time
		data []byte
	}
	// More pieces than a mail connection ever has in flight.
	line := make(chan piece, 512)
	go func() {
		defer close(line)
		for buf := make([]byte, 32<<10); ; {
			n, err := src.Read(buf)
			if n > 0 || err != nil {
				line <- piece{time.Now().Add(delay), bytes.Clone(buf[:n])}
			}
			if err != nil {
				return
			}
		}
	}()
	for p := range line {
		time.Sleep(time.Until(p.due))
		if _, err := dst.Write(p.data); err != nil {
			break
		}
	}
	dst.Close()
	src.Close()
	for range line { // let the reader go
	}
}

// PipeListener is a network in memory, for testing/synctest: a goroutine that
// waits on it is durably blocked, so the clock of a bubble moves on.
type PipeListener struct {
	conns chan net.Conn
	done  chan struct{}
	close func()
}

// NewPipeListener returns an open listener.
func NewPipeListener() *PipeListener {
	done := make(chan struct{})
	return &PipeListener{
		conns: make(chan net.Conn),
		done:  done,
		close: sync.OnceFunc(func() { close(done) }),
	}
}

// Dial connects to the listener; network and address are not looked at.
func (l *PipeListener) Dial(ctx context.Context, _, _ string) (net.Conn, error) {
	client, server := net.Pipe()
	select {
	case l.conns <- server:
		return client, nil
	case <-l.done:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Accept waits for a Dial.
func (l *PipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

// Close ends Accept and Dial; connections stay.
func (l *PipeListener) Close() error {
	l.close()
	return nil
}

// Addr is the name of the network.
func (l *PipeListener) Addr() net.Addr { return pipeAddr{} }

type pipeAddr struct{}

func (pipeAddr) Network() string { return "pipe" }
func (pipeAddr) String() string  { return "pipe" }
