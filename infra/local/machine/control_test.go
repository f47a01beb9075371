package machine

import (
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/todoku/todoku/shared/mail/mailtest"
)

// TestUnasked: that a command is given by the wrong user is not taken for nothing running.
func TestUnasked(t *testing.T) {
	dial := func(why error) error {
		return &url.Error{Op: "Get", URL: "http://todoku", Err: &net.OpError{Op: "dial", Net: "unix", Err: &os.SyscallError{Syscall: "connect", Err: why}}}
	}
	for _, tt := range []struct {
		name string
		err  error
		want error
	}{
		{"no socket", dial(syscall.ENOENT), errNotRunning},
		{"nobody at the socket", dial(syscall.ECONNREFUSED), errNotRunning},
		{"somebody else's folder", dial(syscall.EACCES), syscall.EACCES},
		{"cut off", io.ErrUnexpectedEOF, io.ErrUnexpectedEOF},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if err := unasked(tt.err); !errors.Is(err, tt.want) || errors.Is(tt.want, syscall.EACCES) != strings.Contains(err.Error(), "the user who runs Todoku") {
				t.Errorf("%v", err)
			}
		})
	}
}

// TestInTime has somebody ask for an answer that is slow to take it, and then takes no more:
// the answer ends a stall later.
func TestInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := mailtest.NewPipeListener()
		cut := make(chan error, 1)
		srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			for {
				if _, err := (inTime{w, t.Context()}).Write(make([]byte, 32<<10)); err != nil {
					cut <- err
					return
				}
			}
		})}
		go func() { _ = srv.Serve(l) }()
		here, err := l.Dial(t.Context(), "", "")
		if err != nil {
			t.Fatal(err)
		}
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
