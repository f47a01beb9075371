package drill

import (
	"bufio"
	"bytes"
	"io"
	"maps"
	"net"
	"net/textproto"
	"strings"
	"sync"
	"testing"

	"github.com/emersion/go-smtp"

	"github.com/todoku/todoku/shared/id"
)

// sink is a mail relay that takes everything and counts how often each copy came.
type sink struct {
	URL string // smtp://...

	mu     sync.Mutex
	copies map[string]map[string]int // alert -> copy -> how often
}

func newSink(t testing.TB) *sink {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &sink{URL: "smtp://" + l.Addr().String(), copies: map[string]map[string]int{}}
	server := smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) { return taker{s}, nil }))
	server.Domain = "sink.example"
	server.ErrorLog = quiet{}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(l) }()
	t.Cleanup(func() {
		_ = server.Close()
		<-ended
	})
	return s
}

// quiet drops what a server says of connections that are cut off: that is the test.
type quiet struct{}

func (quiet) Printf(string, ...any) {}
func (quiet) Println(...any)        {}

// taker is one connection to a sink.
type taker struct{ *sink }

func (taker) Reset()                               {}
func (taker) Logout() error                        { return nil }
func (taker) Mail(string, *smtp.MailOptions) error { return nil }
func (taker) Rcpt(string, *smtp.RcptOptions) error { return nil }

// Data counts a mail once it is whole: before the client hears of it, so that a
// client that is killed in between is in the wrong about it.
func (t taker) Data(r io.Reader) error {
	raw, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	head, err := textproto.NewReader(bufio.NewReader(bytes.NewReader(raw))).ReadMIMEHeader()
	if err != nil {
		return &smtp.SMTPError{Code: 554, EnhancedCode: smtp.EnhancedCode{5, 6, 0}, Message: err.Error()}
	}
	t.take(strings.Trim(head.Get("Message-Id"), "<>"))
	return nil
}

// take counts a copy. Its Message-ID begins with the alert's id.
func (s *sink) take(messageID string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	alert := messageID[:min(id.Len, len(messageID))]
	if s.copies[alert] == nil {
		s.copies[alert] = map[string]int{}
	}
	s.copies[alert][messageID]++
}

// arrived returns how many different copies of an alert have come.
func (s *sink) arrived(alert string) int { return len(s.of(alert)) }

// of returns how often each copy of an alert has come.
func (s *sink) of(alert string) map[string]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.copies[alert])
}
