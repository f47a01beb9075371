package machine

import (
	"errors"
	"net"
	"net/http"
	"os"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// single is a listener of one connection.
type single struct {
	net.Listener // has no address
	conns        chan net.Conn
	once         sync.Once
}

func (l *single) Accept() (net.Conn, error) {
	c, ok := <-l.conns
	if !ok {
		return nil, net.ErrClosed
	}
	return c, nil
}

func (l *single) Close() error {
	l.once.Do(func() { close(l.conns) })
	return nil
}

func (l *single) Addr() net.Addr { return &net.UnixAddr{} }

// TestInTime has somebody ask for an answer that is slow to take it, and then takes no more:
// the answer ends a stall later.
func TestInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		here, there := net.Pipe()
		l := &single{conns: make(chan net.Conn, 1)}
		l.conns <- there
		cut := make(chan error, 1)
		srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			for {
				if _, err := (inTime{w}).Write(make([]byte, 32<<10)); err != nil {
					cut <- err
					return
				}
			}
		})}
		go func() { _ = srv.Serve(l) }()
		defer func() { _, _ = here.Close(), srv.Close() }()
		if _, err := here.Write([]byte("GET / HTTP/1.1\r\nHost: x\r\n\r\n")); err != nil {
			t.Fatal(err)
		}
		const pause = stall / 6
		for range 30 { // it takes longer than a stall, but goes on
			time.Sleep(pause)
			if _, err := here.Read(make([]byte, 64<<10)); err != nil {
				t.Fatal(err)
			}
		}
		select {
		case err := <-cut:
			if !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("cut off by %v, want a deadline", err)
			}
		case <-time.After(stall + time.Second):
			t.Error("it still goes on")
		}
	})
}
