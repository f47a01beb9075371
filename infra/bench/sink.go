package bench

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/todoku/todoku/shared/mail/mailtest"
)

// oneWay is how far away the far sink is, in each direction: a round trip to it
// takes twice as long.
const oneWay = 10 * time.Millisecond

// sink is a mail relay that takes everything, and counts. It is written by hand
// because the machine is to be the limit and not the sink: to a pipelining client
// it needs one read and one write a message, and it parses nothing but commands.
type sink struct {
	mu      sync.Mutex
	seen    map[string]bool // Message-IDs since the last begin
	count   tally
	want    int
	reached chan struct{} // one token when distinct gets to want
}

// tally is what the sink has taken in one count.
type tally struct {
	count              int // the first is 1
	messages, distinct int
}

// Sink serves as the sink until in ends. It writes its near and its far address
// as a line to out. For each line with a number in it that it reads it starts
// counting anew; from then on it writes "COUNT MESSAGES DISTINCT" when that many
// messages with different Message-IDs have come, and meanwhile ten times a second.
func Sink(in io.Reader, out io.Writer) error {
	s := &sink{seen: map[string]bool{}, reached: make(chan struct{}, 1)}
	near, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	defer func() { _ = near.Close() }()
	far, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	defer func() { _ = far.Close() }()
	if _, err := fmt.Fprintf(out, "%s %s\n", near.Addr(), far.Addr()); err != nil {
		return err
	}
	go s.listen(near)
	go s.listen(mailtest.DelayListener{Listener: far, Delay: oneWay})
	g, ctx := errgroup.WithContext(context.Background())
	ctx, stop := context.WithCancel(ctx)
	g.Go(func() error { defer stop(); return s.obey(in) })
	g.Go(func() error { defer stop(); return s.tell(ctx, out) })
	return g.Wait()
}

// obey starts counting for each number that it reads.
func (s *sink) obey(in io.Reader) error {
	lines := bufio.NewScanner(in)
	for lines.Scan() {
		want, err := strconv.Atoi(lines.Text())
		if err != nil {
			return err
		}
		s.begin(want)
	}
	return lines.Err()
}

func (s *sink) begin(want int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seen, s.count, s.want = make(map[string]bool, want), tally{count: s.count.count + 1}, want
	select {
	case <-s.reached: // of the count before
	default:
	}
}

// tell writes the tally.
func (s *sink) tell(ctx context.Context, out io.Writer) error {
	t := time.NewTicker(100 * time.Millisecond)
	defer t.Stop()
	for last := (tally{}); ; {
		select {
		case <-ctx.Done():
			return nil
		case <-s.reached:
		case <-t.C:
		}
		now := s.tally()
		if now == last {
			continue
		}
		last = now
		if _, err := fmt.Fprintln(out, now.count, now.messages, now.distinct); err != nil {
			return err
		}
	}
}

func (s *sink) tally() tally {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.count
}

func (s *sink) took(messageID string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.count.messages++
	if s.seen[messageID] {
		return
	}
	s.seen[messageID] = true
	s.count.distinct++
	if s.count.distinct == s.want {
		s.reached <- struct{}{}
	}
}

func (s *sink) listen(l net.Listener) {
	for {
		nc, err := l.Accept()
		if err != nil {
			return
		}
		go s.serve(nc)
	}
}

// session is one connection to the sink.
type session struct {
	r *bufio.Reader
	w *bufio.Writer
}

// serve speaks SMTP as far as a sender that does nothing wrong needs it.
func (s *sink) serve(nc net.Conn) {
	defer func() { _ = nc.Close() }()
	c := &session{r: bufio.NewReaderSize(nc, 64<<10), w: bufio.NewWriter(nc)}
	c.say("220 sink.example ESMTP")
	for {
		line, err := c.line()
		if err != nil {
			return
		}
		switch verb, _, _ := strings.Cut(strings.ToUpper(string(line)), " "); verb {
		case "EHLO":
			c.say("250-sink.example\r\n250-PIPELINING\r\n250-8BITMIME\r\n250 SIZE 10485760")
		case "DATA":
			c.say("354 go on")
			id, err := c.message()
			if err != nil {
				return
			}
			s.took(id)
			c.say("250 2.0.0 taken")
		case "QUIT":
			c.say("221 2.0.0 bye")
			_ = c.w.Flush()
			return
		default:
			c.say("250 2.0.0 ok")
		}
	}
}

func (c *session) say(reply string) { _, _ = c.w.WriteString(reply + "\r\n") }

// line reads a line without its end. Replies are held back while there are more
// commands to read already (RFC 2920, 3.2).
func (c *session) line() ([]byte, error) {
	if c.r.Buffered() == 0 {
		if err := c.w.Flush(); err != nil {
			return nil, err
		}
	}
	line, err := c.r.ReadSlice('\n')
	return bytes.TrimRight(line, "\r\n"), err
}

var errNoID = errors.New("a message without a Message-ID")

// message reads a message up to its dot, and returns its Message-ID.
func (c *session) message() (id string, err error) {
	const field = "Message-ID: "
	for {
		line, err := c.line()
		switch {
		case err != nil:
			return "", err
		case id == "" && bytes.HasPrefix(line, []byte(field)):
			id = string(line[len(field):])
		case string(line) == "." && id == "":
			return "", errNoID
		case string(line) == ".":
			return id, nil
		}
	}
}
