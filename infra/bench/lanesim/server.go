package lanesim

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/textproto"
	"strings"
	"sync"
	"time"
)

// Server is a receiver as a real SMTP server on loopback: the same limits, said in the
// words and numbers of its profile. Its time passes faster than the wall's.
type Server struct {
	speed    float64
	began    time.Time
	listener net.Listener
	talks    sync.WaitGroup

	mu         sync.Mutex
	receiver   *Receiver
	recipients map[string]*Recipient
	conns      map[net.Conn]bool
	closed     bool
}

// Serve starts a server on a free port of 127.0.0.1, for which a second of the wall is so
// many of the profile's. Who is nobodyX@... is an unknown user.
func Serve(ctx context.Context, p Profile, f Fault, seed uint64, speed float64) (*Server, error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s := &Server{
		speed: speed, began: time.Now(), listener: l, receiver: NewReceiver(New(seed), 0, p, f),
		recipients: map[string]*Recipient{}, conns: map[net.Conn]bool{},
	}
	s.talks.Go(s.accept)
	return s, nil
}

// Addr returns where it listens.
func (s *Server) Addr() string { return s.listener.Addr().String() }

// Close ends all connections and waits for them.
func (s *Server) Close() error {
	err := s.listener.Close()
	s.mu.Lock()
	s.closed = true
	for c := range s.conns {
		_ = c.Close()
	}
	s.mu.Unlock()
	s.talks.Wait()
	return err
}

func (s *Server) accept() {
	for {
		conn, err := s.listener.Accept()
		if err != nil {
			return
		}
		s.talks.Go(func() {
			if s.keep(conn) {
				s.talk(conn)
			}
			s.drop(conn)
		})
	}
}

func (s *Server) keep(conn net.Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.conns[conn] = true
	return !s.closed
}

func (s *Server) drop(conn net.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, conn)
	_ = conn.Close()
}

// ask asks the receiver at its own time.
func (s *Server) ask(f func(*Receiver)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.receiver.sim.Now = time.Duration(s.speed * float64(time.Since(s.began)))
	f(s.receiver)
}

func (s *Server) sleep(d time.Duration) { time.Sleep(time.Duration(float64(d) / s.speed)) }

// What is said, as operators say it.
const (
	crowdedWords = "4.7.0 Too many concurrent SMTP connections; please try again later"
	rateWords    = "4.7.0 Too many messages, slow down"
	blockedWords = "4.7.0 Messages temporarily deferred due to unusual volume"
	greyWords    = "4.2.0 Greylisted, please try again in %d seconds"
	unknownWords = "5.1.1 User unknown"
)

// talk takes or refuses a connection.
func (s *Server) talk(conn net.Conn) {
	var reply Reply
	no, words := "", crowdedWords
	s.ask(func(r *Receiver) {
		no = r.ReplyExcessConnection
		if r.blocked() {
			no, words = r.ReplyBlocked, blockedWords
		}
		reply = r.Connect()
	})
	t := &conversation{Server: s, conn: conn, in: bufio.NewReader(conn)}
	switch reply {
	case NoAnswer:
		_, _ = io.Copy(io.Discard, conn)
	case NoRoom:
		_ = t.refuse(no, words)
	default:
		t.mails()
		s.ask((*Receiver).Close)
	}
}

// conversation is one connection that was taken.
type conversation struct {
	*Server
	conn    net.Conn
	in      *bufio.Reader
	to      *Recipient
	refused string // after DATA; "": it is not
	taken   int
}

// errShut ends a connection.
var errShut = errors.New("lanesim: the server closes the connection")

func (t *conversation) say(format string, args ...any) error {
	_, err := fmt.Fprintf(t.conn, format+"\r\n", args...)
	return err
}

// refuse says no in the way that the profile names: with a code, by a reset, or, where it
// lets a few through, as a limit.
func (t *conversation) refuse(how, words string) error {
	switch how {
	case "rst":
		if tcp, ok := t.conn.(*net.TCPConn); ok {
			_ = tcp.SetLinger(0)
		}
		return errShut
	case "trickle":
		how = "450"
	}
	return t.say("%.3s %s", how, words)
}

// mails greets and takes commands until the connection ends.
func (t *conversation) mails() {
	err := t.say("220 %s ESMTP", t.receiver.Name)
	for err == nil {
		var line []byte
		if line, err = t.in.ReadSlice('\n'); err == nil {
			verb, rest, _ := strings.Cut(strings.TrimSpace(string(line)), " ")
			err = t.command(strings.ToUpper(verb), rest)
		}
	}
}

func (t *conversation) command(verb, rest string) error {
	t.sleep(seconds(t.receiver.RoundTrip))
	switch verb {
	case "EHLO", "HELO":
		return t.say("250-%s\r\n250-PIPELINING\r\n250 8BITMIME", t.receiver.Name)
	case "MAIL", "RSET":
		t.to, t.refused = nil, ""
		return t.say("250 2.0.0 Ok")
	case "NOOP":
		return t.say("250 2.0.0 Ok")
	case "RCPT":
		return t.rcpt(rest)
	case "DATA":
		return t.data()
	case "QUIT":
		_ = t.say("221 2.0.0 Bye")
		return errShut
	}
	return t.say("502 5.5.1 Not known here")
}

// rcpt has the receiver decide about the message.
func (t *conversation) rcpt(rest string) error {
	_, rest, _ = strings.Cut(rest, "<")
	mailbox, _, ok := strings.Cut(rest, ">")
	if !ok {
		return t.say("501 5.1.3 No mailbox")
	}
	var reply Reply
	var wait time.Duration
	var shut bool
	how, words, to := "", rateWords, (*Recipient)(nil)
	t.ask(func(r *Receiver) {
		how, to = r.ReplyExcessRate, t.recipient(mailbox)
		if r.blocked() {
			how, words = r.ReplyBlocked, blockedWords
		}
		reply, wait, shut = r.Mail(to)
	})
	t.sleep(wait)
	var err error
	switch {
	case reply == TooMuch:
		err = t.refuse(how, words)
	case reply == Grey:
		err = t.say("450 "+greyWords, int(t.receiver.Greylist))
	case reply == Unknown && t.receiver.ReplyUnknown != "554data":
		err = t.say("%.3s %s", t.receiver.ReplyUnknown, unknownWords)
	default:
		if t.to = to; reply == Unknown {
			t.refused = "554 " + unknownWords
		}
		err = t.say("250 2.1.5 Ok")
	}
	if shut && err == nil {
		err = errShut
	}
	return err
}

// recipient is called with mu held.
func (s *Server) recipient(mailbox string) *Recipient {
	r := s.recipients[mailbox]
	if r == nil {
		r = &Recipient{ID: len(s.recipients), Unknown: strings.HasPrefix(mailbox, "nobody")}
		s.recipients[mailbox] = r
	}
	return r
}

// data takes the mail, and closes the connection that has taken its number of mails.
func (t *conversation) data() error {
	if t.to == nil {
		return t.say("503 5.5.1 No recipient")
	}
	if err := t.say("354 Go on"); err != nil {
		return err
	}
	if _, err := io.Copy(io.Discard, textproto.NewReader(t.in).DotReader()); err != nil {
		return err
	}
	var took time.Duration
	t.ask(func(r *Receiver) { took = r.processing() })
	t.sleep(took)
	answer := "250 2.0.0 Taken"
	if t.refused != "" {
		answer = t.refused
	}
	err := t.say("%s", answer)
	t.to, t.refused = nil, ""
	if t.taken++; err == nil && float64(t.taken) >= min(t.receiver.MessagesPerConnection, t.receiver.RecipientsPerSession) {
		err = errShut
	}
	return err
}
