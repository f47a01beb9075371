package smtp

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/todoku/todoku/shared/mail"
	"github.com/todoku/todoku/shared/mail/mailtest"
)

// A script is what a relay does on one connection, a line each:
//
//	S: text   say it, with a new line for each |
//	C: text   hear a line that begins with it
//	D: id     hear a message, to its dot, whose Message-ID begins so
//	P: time   pause
//	wait      hear nothing more until the client ends the connection
//
// After the last line the relay closes the connection.
const (
	greet = "S: 220 relay\n"
	hello = greet + "C: EHLO localhost\nS: 250-relay\nS: 250-PIPELINING\nS: 250 ENHANCEDSTATUSCODES\n"
	bare  = greet + "C: EHLO localhost\nS: 250 relay\n"
	yes   = "S: 250 ok\nS: 250 ok\nS: 354 go on\n"
	taken = "S: 250 2.0.0 taken\n"
	quit  = "C: QUIT\nS: 221 bye\n"
)

// asks is the envelope of Letter n, heard at once.
func asks(n int) string {
	return fmt.Sprintf("C: MAIL FROM:<alert@midori.example.jp>\nC: RCPT TO:<%s>\nC: DATA\n", mailtest.Address(n))
}

// stepwise is the envelope of Letter n from a client that waits for each reply.
func stepwise(n int) string {
	return fmt.Sprintf("C: MAIL FROM:<alert@midori.example.jp>\nS: 250 ok\nC: RCPT TO:<%s>\nS: 250 ok\nC: DATA\nS: 354 go on\n", mailtest.Address(n))
}

// body is Letter n to its dot.
func body(n int) string { return fmt.Sprintf("D: <01JZTEST.%06d@\n", n) }

func TestScripts(t *testing.T) {
	tests := []struct {
		name    string
		scripts []string // one for each connection
		want    []string // the outcomes of as many Letters
	}{
		{"three messages on one connection",
			[]string{hello + asks(0) + yes + body(0) + asks(1) + taken + yes + body(1) + asks(2) + taken + yes + body(2) + taken + "wait"},
			[]string{"sent", "sent", "sent"}},
		{"MAIL refused for the sender: others may fare better",
			[]string{hello + asks(0) + "S: 550 5.7.1 not your address\nS: 503 no MAIL\nS: 503 no RCPT\n" + asks(1) + yes + body(1) + taken + "wait"},
			[]string{"temporary 550 5.7.1", "sent"}},
		{"MAIL refused for the rate: nobody would fare better",
			[]string{hello + asks(0) + "S: 450 4.7.1 too much mail\nS: 503 no\nS: 503 no\nwait"},
			[]string{"operator 450 4.7.1", "operator 450 4.7.1", "operator 450 4.7.1"}},
		{"421 to the first MAIL of a connection",
			[]string{hello + asks(0) + "S: 421 4.3.2 shutting down\n"},
			[]string{"operator 421 4.3.2", "operator 421 4.3.2"}},
		{"421 to a later MAIL ends the connection only",
			[]string{
				hello + asks(0) + yes + body(0) + asks(1) + taken + "S: 421 4.7.0 enough on this connection\n",
				hello + asks(1) + yes + body(1) + taken + "wait",
			},
			[]string{"sent", "sent"}},
		{"421 to RCPT",
			[]string{
				hello + asks(0) + "S: 250 ok\nS: 421 4.7.28 deferred\n",
				hello + asks(1) + yes + body(1) + taken + "wait",
			},
			[]string{"temporary 421 4.7.28", "sent"}},
		{"421 to the dot, the next message on its way",
			[]string{
				hello + asks(0) + yes + body(0) + asks(1) + "S: 421 4.3.0 out of space\n",
				hello + asks(1) + yes + body(1) + taken + "wait",
			},
			[]string{"temporary 421 4.3.0", "sent"}},
		{"RCPT refused, then DATA: RSET goes with the next",
			[]string{hello + asks(0) + "S: 250 ok\nS: 550 5.1.1 unknown\nS: 503 no RCPT\n" +
				"C: RSET\n" + asks(1) + "S: 250 reset\n" + yes + body(1) + taken + "wait"},
			[]string{"permanent 550 5.1.1", "sent"}},
		{"RCPT refused, DATA accepted for nobody",
			[]string{hello + asks(0) + "S: 250 ok\nS: 450 4.2.1 greylisted\nS: 354 go on\n" +
				"C: .\n" + asks(1) + "S: 554 no valid recipients\n" + yes + body(1) + taken + "wait"},
			[]string{"temporary 450 4.2.1", "sent"}},
		{"RCPT refused last, DATA accepted for nobody",
			[]string{hello + asks(0) + "S: 250 ok\nS: 550 5.1.1 unknown\nS: 354 go on\nC: .\nS: 554 no valid recipients\nwait"},
			[]string{"permanent 550 5.1.1"}},
		{"DATA refused",
			[]string{hello + asks(0) + "S: 250 ok\nS: 250 ok\nS: 451 4.3.0 later\nC: RSET\n" + asks(1) + "S: 250 ok\n" + yes + body(1) + taken + "wait"},
			[]string{"temporary 451 4.3.0", "sent"}},
		{"RSET refused: a new connection",
			[]string{
				hello + asks(0) + "S: 250 ok\nS: 550 5.1.1 unknown\nS: 503 no\nC: RSET\n" + asks(1) + "S: 500 what\nwait",
				hello + asks(1) + yes + body(1) + taken + "wait",
			},
			[]string{"permanent 550 5.1.1", "sent"}},
		{"the message refused",
			[]string{hello + asks(0) + yes + body(0) + asks(1) + "S: 554 5.6.0 no\n" + yes + body(1) + taken + "wait"},
			[]string{"permanent 554 5.6.0", "sent"}},
		{"the message put off",
			[]string{hello + asks(0) + yes + body(0) + asks(1) + "S: 452 4.2.2 full\n" + yes + body(1) + taken + "wait"},
			[]string{"temporary 452 4.2.2", "sent"}},
		{"the allowance used up, the next message on its way",
			[]string{hello + asks(0) + yes + body(0) + asks(1) + "S: 550 5.4.5 daily limit\nwait"},
			[]string{"operator 550 5.4.5", "operator 550 5.4.5"}},
		{"a session that ends with a refusal after many messages",
			[]string{
				hello + asks(0) + yes + body(0) + asks(1) + taken + "S: 250 ok\nS: 554 too many recipients\n",
				hello + asks(1) + yes + body(1) + taken + "wait",
			},
			[]string{"sent", "sent"}},
		{"a session that ends with a refusal at once",
			[]string{
				hello + asks(0) + "S: 250 ok\nS: 554 go away\n",
				hello + asks(1) + yes + body(1) + taken + "wait",
			},
			[]string{"permanent 554", "sent"}},
		{"lost after the dot: maybe; the next was not taken",
			[]string{
				hello + asks(0) + yes + body(0) + asks(1),
				hello + asks(1) + yes + body(1) + taken + "wait",
			},
			[]string{"maybe", "sent"}},
		{"lost after the last dot",
			[]string{hello + asks(0) + yes + body(0)},
			[]string{"maybe"}},
		{"lost before RCPT is answered, twice: one message only",
			[]string{
				hello + asks(0) + "S: 250 ok\n",
				hello + asks(0) + "S: 250 ok\n",
				hello + asks(1) + yes + body(1) + taken + "wait",
			},
			[]string{"temporary 0", "sent"}},
		{"lost before MAIL is answered, twice: the relay",
			[]string{hello + asks(0), hello + asks(0)},
			[]string{"operator 0", "operator 0"}},
		{"a relay that ends after each message",
			[]string{
				hello + asks(0) + yes + body(0) + asks(1) + taken,
				hello + asks(1) + yes + body(1) + asks(2) + taken,
				hello + asks(2) + yes + body(2) + taken,
			},
			[]string{"sent", "sent", "sent"}},
		{"silence after the dot",
			[]string{
				hello + asks(0) + yes + body(0) + asks(1) + "wait",
				hello + asks(1) + yes + body(1) + taken + "wait",
			},
			[]string{"maybe", "sent"}},
		{"silence after RCPT",
			[]string{
				hello + asks(0) + "S: 250 ok\nwait",
				hello + asks(1) + yes + body(1) + taken + "wait",
			},
			[]string{"temporary 0", "sent"}},
		{"no reply at all but words",
			[]string{
				hello + asks(0) + yes + body(0) + asks(1) + "S: hello?\n",
				hello + asks(1) + yes + body(1) + taken + "wait",
			},
			[]string{"maybe", "sent"}},
		{"a yes where a question was due",
			[]string{
				hello + asks(0) + "S: 250 ok\nS: 250 ok\nS: 250 ok\nwait",
				hello + asks(0) + yes + body(0) + taken + "wait",
			},
			[]string{"sent"}},
		{"codes that disagree within a reply",
			[]string{hello + asks(0) + yes + body(0) + "S: 250-taken\nS: 550 or not\n"},
			[]string{"maybe"}},
		{"a reply of many lines",
			[]string{hello + asks(0) + "S: 250 ok\nS: 550-5.1.1 unknown\nS: 550-5.1.1 here\nS: 550 5.1.1 or there\nS: 503 no\nwait"},
			[]string{"permanent 550 5.1.1"}},
		{"a line far too long",
			[]string{hello + asks(0) + "S: 250 ok\nS: 550 5.1.1 " + strings.Repeat("x", 20000) + "\nS: 503 no\nwait"},
			[]string{"permanent 550 5.1.1"}},
		{"a line without end",
			[]string{hello + asks(0) + yes + body(0) + "S: 250 " + strings.Repeat("x", 100000) + "\n"},
			[]string{"maybe"}},
		{"a reply without end",
			[]string{hello + asks(0) + yes + body(0) + strings.Repeat("S: 250-more\n", maxReplyLines) + "wait"},
			[]string{"maybe"}},
		{"without pipelining",
			[]string{bare + stepwise(0) + body(0) + taken + stepwise(1) + body(1) + taken + "wait"},
			[]string{"sent", "sent"}},
		{"without pipelining, MAIL refused",
			[]string{bare + "C: MAIL\nS: 553 no\n" + stepwise(1) + body(1) + taken + "wait"},
			[]string{"temporary 553", "sent"}},
		{"without pipelining, RCPT refused",
			[]string{bare + "C: MAIL\nS: 250 ok\nC: RCPT\nS: 550 unknown\nC: RSET\nS: 250 ok\n" + stepwise(1) + body(1) + taken + "wait"},
			[]string{"permanent 550", "sent"}},
		{"without pipelining, DATA refused",
			[]string{bare + "C: MAIL\nS: 250 ok\nC: RCPT\nS: 250 ok\nC: DATA\nS: 554 no\nC: RSET\nS: 250 ok\n" + stepwise(1) + body(1) + taken + "wait"},
			[]string{"permanent 554", "sent"}},
		{"without EHLO",
			[]string{greet + "C: EHLO\nS: 502 what\nC: HELO localhost\nS: 250 relay\n" + stepwise(0) + body(0) + taken + "wait"},
			[]string{"sent"}},
		{"421 at the greeting", []string{"S: 421 4.3.2 busy\n"}, []string{"operator 421 4.3.2", "operator 421 4.3.2"}},
		{"554 at the greeting", []string{"S: 554 no service\n"}, []string{"operator 554"}},
		{"nothing at the greeting", []string{"wait"}, []string{"operator 0"}},
		{"closed at the greeting", []string{""}, []string{"operator 0"}},
		{"EHLO and HELO refused", []string{greet + "C: EHLO\nS: 550 no\nC: HELO\nS: 550 no\n"}, []string{"operator 550"}},
		{"nobody there", nil, []string{"operator 0", "operator 0"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			against(t, Config{}, tt.scripts, func(t *testing.T, r *Relay) {
				checkOutcomes(t, r, mailtest.Letters(len(tt.want)), tt.want)
			})
		})
	}
}

func checkOutcomes(t *testing.T, r *Relay, msgs []*mail.Message, want []string) {
	t.Helper()
	var got []string
	for _, err := range mailtest.SendAll(t, t.Context(), r, msgs) {
		got = append(got, describe(err))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("outcomes (-want +got):\n%s", diff)
	}
}

// describe puts an outcome in a few words.
func describe(err error) string {
	var e *mail.SendError
	switch {
	case err == nil:
		return "sent"
	case errors.Is(err, mail.ErrExpired):
		return "expired"
	case errors.As(err, &e) && e.Maybe:
		return "maybe"
	case errors.As(err, &e):
		kind := "temporary"
		if e.Scope == mail.ScopeOperator {
			kind = "operator"
		}
		if e.Permanent {
			kind = "permanent"
		}
		return strings.TrimSpace(fmt.Sprintf("%s %d %s", kind, e.Code, e.Enhanced))
	default:
		return err.Error()
	}
}

// against lets a Relay play against scripts, one for each connection, in a bubble
// whose clock moves by itself. Each script must be played to its end, and there
// must be no connection without one.
func against(t *testing.T, cfg Config, scripts []string, play func(t *testing.T, r *Relay)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		played := 0
		near := mailtest.NewPipeListener()
		relay := mailtest.DelayListener{Listener: near} // for its buffers: a pipe has none
		cfg.Host = "localhost"
		cfg.Dial = func(ctx context.Context, _, _ string) (net.Conn, error) {
			if played == len(scripts) {
				if played > 0 {
					t.Error("a connection more than there are scripts")
				}
				return nil, errors.New("nobody there")
			}
			script := scripts[played]
			played++
			go serve(t, relay, script)
			return near.Dial(ctx, "", "")
		}
		r := New(cfg)
		play(t, r)
		if err := r.Close(); err != nil {
			t.Error(err)
		}
		synctest.Wait()
		if played != len(scripts) {
			t.Errorf("%d connections, want %d", played, len(scripts))
		}
	})
}

func serve(t *testing.T, l net.Listener, script string) {
	conn, err := l.Accept()
	if err != nil {
		t.Error(err)
		return
	}
	defer conn.Close()
	r := bufio.NewReader(conn)
	for line := range strings.Lines(script) {
		if err := act(r, conn, strings.TrimSuffix(line, "\n")); err != nil {
			t.Errorf("at %.60q: %v", line, err)
			return
		}
	}
}

func act(r *bufio.Reader, conn net.Conn, line string) error {
	switch {
	case line == "wait":
		_, _ = io.Copy(io.Discard, r) // to the end, however it comes
		return nil
	case strings.HasPrefix(line, "S: "):
		_, err := fmt.Fprintf(conn, "%s\r\n", strings.ReplaceAll(line[3:], "|", "\r\n"))
		if len(line) > 10_000 && errors.Is(err, io.ErrClosedPipe) {
			return nil // nobody listens to a line without end
		}
		return err
	case strings.HasPrefix(line, "P: "):
		pause, err := time.ParseDuration(line[3:])
		time.Sleep(pause)
		return err
	case strings.HasPrefix(line, "C: "):
		got, err := r.ReadString('\n')
		if err == nil && !strings.HasPrefix(got, line[3:]) {
			err = fmt.Errorf("heard %q", got)
		}
		return err
	default:
		return hearMessage(r, "Message-ID: "+line[3:])
	}
}

func hearMessage(r *bufio.Reader, id string) error {
	found := false
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return err
		}
		found = found || strings.HasPrefix(line, id)
		if line == ".\r\n" {
			break
		}
	}
	if !found {
		return errors.New("another message")
	}
	return nil
}

func TestMessagesPerConn(t *testing.T) {
	scripts := []string{
		hello + asks(0) + yes + body(0) + asks(1) + taken + yes + body(1) + "C: QUIT\n" + taken + "S: 221 bye\n",
		hello + asks(2) + yes + body(2) + taken + "C: QUIT\n",
	}
	against(t, Config{MessagesPerConn: 2}, scripts, func(t *testing.T, r *Relay) {
		checkOutcomes(t, r, mailtest.Letters(3), []string{"sent", "sent", "sent"})
	})
}

// TestReuse sends batch after batch: no RSET, NOOP or EHLO in between, and what
// a refusal left open is closed with the next batch.
func TestReuse(t *testing.T) {
	scripts := []string{hello +
		asks(0) + yes + body(0) + taken +
		asks(0) + "S: 250 ok\nS: 550 no\nS: 503 no\n" +
		"C: RSET\n" + asks(0) + "S: 250 ok\n" + yes + body(0) + taken + "C: QUIT\n"}
	against(t, Config{}, scripts, func(t *testing.T, r *Relay) {
		checkOutcomes(t, r, mailtest.Letters(1), []string{"sent"})
		checkOutcomes(t, r, mailtest.Letters(1), []string{"permanent 550"})
		checkOutcomes(t, r, mailtest.Letters(1), []string{"sent"})
	})
}

func TestIdle(t *testing.T) {
	once := hello + asks(0) + yes + body(0) + taken
	tests := []struct {
		name    string
		wait    time.Duration
		scripts []string
	}{
		{"used again in time", 30*time.Second - 1, []string{once + asks(0) + yes + body(0) + taken + "C: QUIT\n"}},
		{"ended by us", 30*time.Second + 1, []string{once + "C: QUIT\n", once + "C: QUIT\n"}},
		{"ended by the relay", time.Second, []string{once, once + "C: QUIT\n"}},
		{"ended by the relay with a word", time.Second, []string{once + "S: 421 4.4.2 idle\n", once + "C: QUIT\n"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			against(t, Config{}, tt.scripts, func(t *testing.T, r *Relay) {
				checkOutcomes(t, r, mailtest.Letters(1), []string{"sent"})
				time.Sleep(tt.wait)
				synctest.Wait()
				checkOutcomes(t, r, mailtest.Letters(1), []string{"sent"})
			})
		})
	}
}

// TestDeadlineWhileWaiting lets the relay think until the message is stale: it is
// not sent in spite of the leave, and the next goes on another connection.
func TestDeadlineWhileWaiting(t *testing.T) {
	scripts := []string{
		hello + asks(0) + yes + "wait",
		hello + asks(1) + yes + body(1) + taken + "wait",
	}
	var asked int
	start := time.Date(2026, 4, 7, 12, 0, 0, 0, time.UTC)
	cfg := Config{Now: func() time.Time {
		asked++
		return start.Add(time.Duration(asked) * time.Minute)
	}}
	against(t, cfg, scripts, func(t *testing.T, r *Relay) {
		msgs := mailtest.Letters(2)
		msgs[0].Deadline = start.Add(time.Minute)
		checkOutcomes(t, r, msgs, []string{"expired", "sent"})
	})
}

func TestCancelWhileWaiting(t *testing.T) {
	tests := []struct {
		name, script string
		want         []string
	}{
		{"for the greeting", "wait", []string{"context canceled", "context canceled"}},
		{"for EHLO", greet + "wait", []string{"context canceled", "context canceled"}},
		{"for MAIL", hello + asks(0) + "wait", []string{"context canceled", "context canceled"}},
		{"for RCPT", hello + asks(0) + "S: 250 ok\nwait", []string{"context canceled", "context canceled"}},
		{"for the dot", hello + asks(0) + yes + body(0) + "wait", []string{"maybe", "context canceled"}},
		{"for the second dot", hello + asks(0) + yes + body(0) + asks(1) + taken + yes + body(1) + "wait", []string{"sent", "maybe"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			against(t, Config{}, []string{tt.script}, func(t *testing.T, r *Relay) {
				ctx, cancel := context.WithCancel(t.Context())
				time.AfterFunc(time.Second, cancel)
				var got []string
				for _, err := range mailtest.SendAll(t, ctx, r, mailtest.Letters(len(tt.want))) {
					got = append(got, describe(err))
				}
				if diff := cmp.Diff(tt.want, got); diff != "" {
					t.Errorf("outcomes (-want +got):\n%s", diff)
				}
			})
		})
	}
}
