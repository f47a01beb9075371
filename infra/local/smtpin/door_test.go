package smtpin

import (
	"bufio"
	"context"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/todoku/todoku/shared/mail/incoming"
	"github.com/todoku/todoku/shared/mail/mailtest"
)

// street is a network in memory whose connections come from the next address.
type street struct {
	*mailtest.PipeListener
	from chan string
}

func (s street) Accept() (net.Conn, error) {
	c, err := s.PipeListener.Accept()
	if err != nil {
		return nil, err
	}
	return from{c, net.ParseIP(<-s.from)}, nil
}

type from struct {
	net.Conn
	ip net.IP
}

func (f from) RemoteAddr() net.Addr { return &net.TCPAddr{IP: f.ip, Port: 1} }

// line is a connection as its client sees it.
type line struct {
	net.Conn
	in *bufio.Reader
}

// call opens a connection from an address, and returns how it is greeted.
func (s street) call(t *testing.T, from string) (line, string) {
	t.Helper()
	c, err := s.Dial(t.Context(), "", "")
	if err != nil {
		t.Fatal(err)
	}
	s.from <- from
	l := line{c, bufio.NewReader(c)}
	return l, l.hear()
}

// hear returns the next reply.
func (l line) hear() string {
	for {
		reply, err := l.in.ReadString('\n')
		if err != nil || reply[3] == ' ' {
			return reply
		}
	}
}

func (l line) say(words string) string {
	_, _ = io.WriteString(l, words)
	return l.hear()
}

// onStreet runs a test in a bubble, with a server that ends after it.
func onStreet(t *testing.T, test func(t *testing.T, s street, taken *int)) {
	synctest.Test(t, func(t *testing.T) {
		s := street{mailtest.NewPipeListener(), make(chan string)}
		ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
		taken, ended := 0, make(chan error, 1)
		go func() {
			ended <- Serve(ctx, s, Config{
				Domain: domain, Known: func(string) bool { return true }, Log: slog.New(slog.DiscardHandler),
				Take: func(context.Context, []byte, incoming.Envelope) error { taken++; return nil },
			})
		}()
		test(t, s, &taken)
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

// TestOnePeer holds as many connections as it can: others come in, and so does a relay of
// our own as often as it likes.
func TestOnePeer(t *testing.T) {
	for _, tt := range []struct {
		name, from, neighbour, other string
		calls                        int
		last                         string // what the peer, or its neighbour, is told then
	}{
		{"IPv4", "192.0.2.1", "192.0.2.1", "192.0.2.2", maxPerPeer, "421"},
		{"a household", "2001:db8::1", "2001:db8::2:0:0:1", "2001:db8:0:1::1", maxPerPeer, "421"},
		{"a relay of our own", "192.168.1.5", "192.168.1.5", "192.0.2.1", maxPerPeer + 5, "220"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			onStreet(t, func(t *testing.T, s street, _ *int) {
				held := make([]line, tt.calls)
				for i := range held {
					var greeting string
					if held[i], greeting = s.call(t, tt.from); !strings.HasPrefix(greeting, "220") {
						t.Fatalf("connection %d is told %q", i+1, greeting)
					}
				}
				if _, got := s.call(t, tt.neighbour); !strings.HasPrefix(got, tt.last) {
					t.Errorf("one more is told %q", got)
				}
				if _, got := s.call(t, tt.other); !strings.HasPrefix(got, "220") {
					t.Errorf("somebody else is told %q", got)
				}
				held[0].say("QUIT\r\n")
				synctest.Wait()
				if _, got := s.call(t, tt.from); !strings.HasPrefix(got, "220") {
					t.Errorf("after one has left, the peer is told %q", got)
				}
			})
		})
	}
}

// TestAge talks on and on: the connection ends, and no mail is refused for good by that.
func TestAge(t *testing.T) {
	const mail = "MAIL FROM:<a@docomo.ne.jp>\r\n"
	const to = "RCPT TO:<x@" + domain + ">\r\n"
	for _, tt := range []struct {
		name   string
		before []string
		again  string // said every ten seconds
		within time.Duration
	}{
		{"idle", nil, "", patience},
		{"drips", nil, "x", patience},
		{"talks on", nil, "NOOP\r\n", maxAge},
		{"a mail that never ends", []string{mail, to, "DATA\r\n"}, "x\r\n", patience},
		{"a chunk that never ends", []string{mail, to}, "BDAT 9999\r\nx\r\n", patience},
	} {
		t.Run(tt.name, func(t *testing.T) {
			onStreet(t, func(t *testing.T, s street, taken *int) {
				began := time.Now()
				c, _ := s.call(t, "192.0.2.1")
				for _, words := range append([]string{"EHLO x\r\n"}, tt.before...) {
					c.say(words)
				}
				var talk sync.WaitGroup
				defer talk.Wait()
				talk.Go(func() {
					for err := error(nil); err == nil && time.Since(began) < time.Hour; time.Sleep(10 * time.Second) {
						_, err = io.WriteString(c, tt.again)
					}
					_ = c.Close()
				})
				heard, _ := io.ReadAll(c.in)
				replies := strings.Split(strings.TrimSpace(string(heard)), "\r\n")
				if last := replies[len(replies)-1]; !strings.HasPrefix(last, "421") || strings.Contains(string(heard), "554") {
					t.Errorf("it is told %.300q", heard)
				}
				if took := time.Since(began); took > tt.within || *taken > 0 {
					t.Errorf("it took %v, and %d mails", took, *taken)
				}
			})
		})
	}
}

// TestHearsNothing: who asks and asks and never listens holds its place no longer, either.
func TestHearsNothing(t *testing.T) {
	onStreet(t, func(t *testing.T, s street, _ *int) {
		began := time.Now()
		c, _ := s.call(t, "192.0.2.1")
		for err := error(nil); err == nil && time.Since(began) < time.Hour; time.Sleep(time.Second) {
			_, err = io.WriteString(c, strings.Repeat("NOOP\r\n", 1000))
		}
		_ = c.Close()
		if took := time.Since(began); took > maxAge+2*farewell {
			t.Errorf("it took %v", took)
		}
	})
}
