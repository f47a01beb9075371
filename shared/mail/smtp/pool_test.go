package smtp

import (
	"context"
	"errors"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/todoku/todoku/shared/mail/mailtest"
)

// TestConns holds that no more connections are open than allowed: the second
// batch waits for the first one's, or until its context ends.
func TestConns(t *testing.T) {
	script := hello + asks(0) + yes + body(0) + "P: 1s\n" + taken + asks(1) + yes + body(1) + taken + "wait"
	against(t, Config{Conns: 1}, []string{script}, func(t *testing.T, r *Relay) {
		outcome := make(chan error)
		go func() { outcome <- r.Send(t.Context(), mailtest.Letter(0)) }()
		time.Sleep(500 * time.Millisecond)
		go func() { outcome <- r.Send(t.Context(), mailtest.Letter(1)) }()
		for range 2 {
			if err := <-outcome; err != nil {
				t.Error(err)
			}
		}
	})
}

// TestWaiting has two batches and one connection: the second's envelope travels
// with the last message of the first, and whatever then happens to either, the
// other has its own outcome.
func TestWaiting(t *testing.T) {
	both := hello + asks(0) + "P: 100ms\n" + yes + body(0) + asks(1) // the dot of one, the envelope of the other
	tests := []struct {
		name    string
		scripts []string
		give    bool // the second batch gives up after half a second, the relay thinking for one
		want    []string
	}{
		{"both taken", []string{both + taken + yes + body(1) + taken + "C: QUIT\n"}, false, []string{"sent", "sent"}},
		{"the first refused", []string{both + "S: 554 5.6.0 no\n" + yes + body(1) + taken + "C: QUIT\n"}, false,
			[]string{"permanent 554 5.6.0", "sent"}},
		{"the second refused", []string{both + taken + "S: 250 ok\nS: 550 5.1.1 no\nS: 503 no\nC: QUIT\n"}, false,
			[]string{"sent", "permanent 550 5.1.1"}},
		{"lost before the first is known", []string{both, hello + asks(1) + yes + body(1) + taken + "C: QUIT\n"}, false,
			[]string{"maybe", "sent"}},
		{"lost before the second is known", []string{both + taken, hello + asks(1) + yes + body(1) + taken + "C: QUIT\n"}, false,
			[]string{"sent", "sent"}},
		{"the operator's failure speaks for its own batch", []string{both + "S: 550 5.4.5 limit\nwait", hello + asks(1) + yes + body(1) + taken + "C: QUIT\n"}, false,
			[]string{"operator 550 5.4.5", "sent"}},
		{"the second gives up meanwhile", []string{both + "P: 1s\n" + taken + "wait"}, true, []string{"sent", "context deadline exceeded"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			against(t, Config{Conns: 1}, tt.scripts, func(t *testing.T, r *Relay) {
				patience := time.Hour
				if tt.give {
					patience = time.Second / 2
				}
				ctx, cancel := context.WithTimeout(t.Context(), patience)
				defer cancel()
				got := sendTwo(t.Context(), ctx, r)
				if diff := cmp.Diff(tt.want, got); diff != "" {
					t.Errorf("outcomes (-want +got):\n%s", diff)
				}
			})
		})
	}
}

// sendTwo sends Letter 0 and, a moment later, Letter 1.
func sendTwo(first, second context.Context, r *Relay) []string {
	got := make([]string, 2)
	var wg sync.WaitGroup
	wg.Go(func() { got[0] = describe(r.Send(first, mailtest.Letter(0))) })
	time.Sleep(50 * time.Millisecond)
	wg.Go(func() { got[1] = describe(r.Send(second, mailtest.Letter(1))) })
	wg.Wait()
	return got
}

// TestGivingUpLeavesNoGap holds that a batch that goes away while it is given the
// only connection does not keep it from the next.
func TestGivingUpLeavesNoGap(t *testing.T) {
	scripts := []string{
		hello + asks(0) + "P: 100ms\n" + yes + body(0) + asks(1) + "P: 1s\n" + taken + "wait",
		hello + asks(2) + yes + body(2) + taken + "C: QUIT\n",
	}
	against(t, Config{Conns: 1}, scripts, func(t *testing.T, r *Relay) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second/2)
		defer cancel()
		got := append(sendTwo(t.Context(), ctx, r), describe(r.Send(t.Context(), mailtest.Letter(2))))
		want := []string{"sent", "context deadline exceeded", "sent"}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("outcomes (-want +got):\n%s", diff)
		}
	})
}

// TestWornIsNotPassedOn holds that a connection that has carried its share ends
// although somebody waits for one.
func TestWornIsNotPassedOn(t *testing.T) {
	scripts := []string{
		hello + asks(0) + "P: 100ms\n" + yes + body(0) + "C: QUIT\n" + taken + "S: 221 bye\n",
		hello + asks(1) + yes + body(1) + "C: QUIT\n" + taken + "S: 221 bye\n",
	}
	against(t, Config{Conns: 1, MessagesPerConn: 1}, scripts, func(t *testing.T, r *Relay) {
		got := sendTwo(t.Context(), t.Context(), r)
		if diff := cmp.Diff([]string{"sent", "sent"}, got); diff != "" {
			t.Errorf("outcomes (-want +got):\n%s", diff)
		}
	})
}

// TestAllIdleEnded has a relay that ended both idle connections: after the first
// has failed the second is not tried, because a message is tried twice at most.
func TestAllIdleEnded(t *testing.T) {
	once := func(n int) string { return hello + asks(n) + "P: 100ms\n" + yes + body(n) + taken }
	scripts := []string{once(0), once(1), hello + asks(2) + yes + body(2) + taken + "C: QUIT\n"}
	against(t, Config{}, scripts, func(t *testing.T, r *Relay) {
		got := sendTwo(t.Context(), t.Context(), r)
		time.Sleep(time.Second)
		got = append(got, describe(r.Send(t.Context(), mailtest.Letter(2))))
		if diff := cmp.Diff([]string{"sent", "sent", "sent"}, got); diff != "" {
			t.Errorf("outcomes (-want +got):\n%s", diff)
		}
	})
}

// brokenConn fails one of its writes after part of it has left.
type brokenConn struct {
	net.Conn
	good int     // writes before
	part float64 // of the one that fails
}

var errBroken = errors.New("broken pipe")

func (c *brokenConn) Write(b []byte) (int, error) {
	c.good--
	if c.good >= 0 {
		return c.Conn.Write(b)
	}
	n, _ := c.Conn.Write(b[:int(c.part*float64(len(b)))])
	return n, errBroken
}

// TestBrokenWrite breaks the connection within the message and after its dot:
// only then may the relay have taken it.
func TestBrokenWrite(t *testing.T) {
	tests := []struct {
		name string
		part float64
		want string
	}{
		{"nothing left", 0, "sent"},
		{"part of the message left", 0.5, "sent"},
		{"everything left", 1, "maybe"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s, port := start(t, serving{})
			broken := false
			r := New(Config{Host: "127.0.0.1", Port: port, Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
				conn, err := new(net.Dialer).DialContext(ctx, network, address)
				if err != nil || broken {
					return conn, err
				}
				broken = true
				return &brokenConn{conn, 2, tt.part}, nil // after EHLO and the envelope
			}})
			defer r.Close()
			if got := describe(r.Send(t.Context(), mailtest.Letter(0))); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
			if n := len(s.arrived()); tt.want == "sent" && n != 1 {
				t.Errorf("%d messages have arrived, want 1", n)
			}
		})
	}
}
