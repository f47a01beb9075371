package machine

import (
	"errors"
	"net/http"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/todoku/todoku/shared/mail/mailtest"
)

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
