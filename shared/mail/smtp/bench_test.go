package smtp

import (
	"context"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	gosmtp "github.com/emersion/go-smtp"

	"github.com/todoku/todoku/shared/mail/mailtest"
)

// drain is a sink that keeps nothing, to leave the machine to the sender.
type drain struct{}

func (drain) NewSession(*gosmtp.Conn) (gosmtp.Session, error) { return drain{}, nil }
func (drain) Mail(string, *gosmtp.MailOptions) error          { return nil }
func (drain) Rcpt(string, *gosmtp.RcptOptions) error          { return nil }
func (drain) Reset()                                          {}
func (drain) Logout() error                                   { return nil }
func (drain) Data(r io.Reader) error {
	_, err := io.Copy(io.Discard, r)
	return err
}

// BenchmarkSendAll sends batches of ten, as a queue hands them out, to a sink in
// the same process, so half of the work is the sink's.
func BenchmarkSendAll(b *testing.B) {
	for _, far := range []time.Duration{0, 20 * time.Millisecond} {
		for _, conns := range []int{1, 20} {
			for _, batches := range []int{conns, 2 * conns} {
				name := fmt.Sprintf("away=%v/conns=%d/batches=%d", far, conns, batches)
				b.Run(name, func(b *testing.B) { benchmarkSendAll(b, far/2, conns, batches) })
			}
		}
	}
}

func benchmarkSendAll(b *testing.B, delay time.Duration, conns, batches int) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	if delay > 0 {
		l = mailtest.DelayListener{Listener: l, Delay: delay}
	}
	server := newServer(drain{})
	go func() { _ = server.Serve(l) }()
	defer server.Close()
	r := New(Config{Host: "127.0.0.1", Port: port, Conns: conns, MessagesPerConn: 1000})
	defer r.Close()

	msgs := mailtest.Letters(10)
	var left, sent, failed atomic.Int64
	left.Store(int64(b.N))
	b.ResetTimer()
	var wg sync.WaitGroup
	for range batches {
		wg.Go(func() {
			for left.Add(-int64(len(msgs))) > -int64(len(msgs)) {
				r.SendAll(context.Background(), msgs, func(_ int, err error) {
					if err != nil {
						failed.Add(1)
					}
					sent.Add(1)
				})
			}
		})
	}
	wg.Wait()
	b.ReportMetric(float64(sent.Load())/b.Elapsed().Seconds(), "messages/s")
	if failed.Load() > 0 {
		b.Fatalf("%d messages failed", failed.Load())
	}
}
