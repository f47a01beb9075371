package machine

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/todoku/todoku/shared/mail/mailtest"
	"github.com/todoku/todoku/shared/queue"
	boltqueue "github.com/todoku/todoku/shared/queue/bbolt"
	"github.com/todoku/todoku/shared/table"
)

// TestStop stops while a request is under way that does not end by itself: the stop is none
// the less a good one.
func TestStop(t *testing.T) {
	tests := []struct {
		name, asks string
		handler    func(running context.Context) http.HandlerFunc
		within     time.Duration
	}{
		{"a form that never comes to its end", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhalf", func(context.Context) http.HandlerFunc {
			return func(_ http.ResponseWriter, r *http.Request) { _, _ = io.ReadAll(r.Body) }
		}, grace},
		{"a backup that nobody takes", "GET / HTTP/1.1\r\nHost: x\r\n\r\n", func(running context.Context) http.HandlerFunc {
			return func(w http.ResponseWriter, _ *http.Request) {
				out := inTime{w, running}
				defer context.AfterFunc(running, out.end)()
				for err := error(nil); err == nil; {
					_, err = out.Write(make([]byte, 32<<10))
				}
			}
		}, time.Second},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var log bytes.Buffer
				m := &Machine{cfg: Config{Log: slog.New(slog.NewTextHandler(&log, nil))}}
				running, stop := context.WithCancel(t.Context())
				l := mailtest.NewPipeListener()
				ended := make(chan error, 1)
				go func() { ended <- m.serve(running, &http.Server{Handler: tt.handler(running)}, l) }()
				here, err := l.Dial(t.Context(), "", "")
				if err != nil {
					t.Fatal(err)
				}
				if _, err := here.Write([]byte(tt.asks)); err != nil {
					t.Fatal(err)
				}
				synctest.Wait()
				began := time.Now()
				stop()
				if err := <-ended; err != nil {
					t.Errorf("it ends with %v", err)
				}
				if took := time.Since(began); took > tt.within {
					t.Errorf("it took %s", took)
				}
				if cut := strings.Contains(log.String(), "cut off"); cut != (tt.within == grace) {
					t.Errorf("the log says: %s", &log)
				}
			})
		})
	}
}

// TestHandedBack: what a handler could not handle, and did not postpone, comes again soon,
// although a handler may take an hour.
func TestHandedBack(t *testing.T) {
	for _, tt := range []struct {
		name  string
		queue func(*Machine) *boltqueue.Queue
		after time.Duration
	}{
		{"a job", func(m *Machine) *boltqueue.Queue { return m.Jobs }, time.Minute},
		{"a memo", func(m *Machine) *boltqueue.Queue { return m.Copies }, 3 * time.Minute},
		{"a guardian's mail", func(m *Machine) *boltqueue.Queue { return m.Mails }, time.Minute},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m, err := New(Config{Data: t.TempDir(), Addr: "127.0.0.1:0", Log: slog.New(slog.DiscardHandler)})
				if err != nil {
					t.Fatal(err)
				}
				defer func() { _ = m.Close() }()
				if err := tt.queue(m).Send(t.Context(), queue.Message{Group: "g", ID: "m", Body: "x"}); err != nil {
					t.Fatal(err)
				}
				var at []time.Time
				running, stop := context.WithCancel(t.Context())
				err = tt.queue(m).Run(running, func(context.Context, events.SQSEvent) (events.SQSEventResponse, error) {
					if at = append(at, time.Now()); len(at) == 2 {
						stop()
					}
					return events.SQSEventResponse{}, table.ErrBusy
				})
				if err != nil {
					t.Fatal(err)
				}
				if waited := at[1].Sub(at[0]); waited != tt.after {
					t.Errorf("it came again after %v, want %v", waited, tt.after)
				}
			})
		})
	}
}
