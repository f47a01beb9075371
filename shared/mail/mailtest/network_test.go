package mailtest_test

import (
	"bufio"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/todoku/todoku/shared/mail/mailtest"
)

// TestDelayListener asks one thing at a time, then several at once: the first
// pays the distance each time, the second once.
func TestDelayListener(t *testing.T) {
	tests := []struct {
		name   string
		asks   []string // each is written at once
		answer int      // lines to wait for after each ask
		want   time.Duration
	}{
		{"one by one", []string{"a\n", "b\n", "c\n"}, 1, 60 * time.Millisecond},
		{"together", []string{"a\nb\nc\n"}, 3, 20 * time.Millisecond},
		{"much", []string{strings.Repeat("x", 1<<20) + "\n"}, 1, 20 * time.Millisecond},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				near := mailtest.NewPipeListener()
				go echo(mailtest.DelayListener{Listener: near, Delay: 10 * time.Millisecond})
				conn, err := near.Dial(t.Context(), "", "")
				if err != nil {
					t.Fatal(err)
				}
				start, r := time.Now(), bufio.NewReader(conn)
				for _, ask := range tt.asks {
					askFor(t, conn, r, ask, tt.answer)
				}
				if got := time.Since(start); got != tt.want {
					t.Errorf("took %v, want %v", got, tt.want)
				}
				conn.Close()
				near.Close()
				time.Sleep(time.Second) // in the bubble: the end, too, is 10 ms away
			})
		})
	}
}

func askFor(t *testing.T, conn net.Conn, r *bufio.Reader, ask string, lines int) {
	t.Helper()
	go func() {
		if _, err := conn.Write([]byte(ask)); err != nil {
			t.Error(err)
		}
	}()
	for range lines {
		if _, err := r.ReadString('\n'); err != nil {
			t.Fatal(err)
		}
	}
}

// echo answers each line with an empty one.
func echo(l net.Listener) {
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			defer conn.Close()
			for r := bufio.NewReader(conn); ; {
				if _, err := r.ReadString('\n'); err != nil {
					return
				}
				if _, err := conn.Write([]byte("\n")); err != nil {
					return
				}
			}
		}()
	}
}
