// Package dnstest is a real DNS server on loopback, for tests: with the records of
// a zone, and with the ways in which DNS fails.
package dnstest

import (
	"context"
	"net"
	"strings"
	"sync"
	"testing"

	"github.com/miekg/dns"
)

// Server answers from records, and counts the questions.
type Server struct {
	Addr string // of UDP, host:port

	mu      sync.Mutex
	records map[string][]dns.RR
	fails   map[string]int
	asked   map[string]int
}

// Silent has a name never answered, see Fail.
const Silent = -1

// Start starts a server with records in the form of a zone file, such as
// "example.jp. MX 10 mx.example.jp."; a name without any does not exist.
func Start(t testing.TB, records ...string) *Server {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &Server{Addr: conn.LocalAddr().String(), fails: map[string]int{}, asked: map[string]int{}}
	s.Set(t, records...)
	server := &dns.Server{PacketConn: conn, Handler: dns.HandlerFunc(s.serve)}
	ready, done := make(chan struct{}), make(chan struct{})
	server.NotifyStartedFunc = func() { close(ready) }
	go func() {
		defer close(done)
		_ = server.ActivateAndServe() // it ends with Shutdown
	}()
	<-ready
	t.Cleanup(func() {
		_ = server.Shutdown() // the test is over either way
		<-done
	})
	return s
}

// Set puts other records in the place of those that are there.
func (s *Server) Set(t testing.TB, records ...string) {
	t.Helper()
	all := map[string][]dns.RR{}
	for _, text := range records {
		rr, err := dns.NewRR(text)
		if err != nil {
			t.Fatal(err)
		}
		name := strings.ToLower(rr.Header().Name)
		all[name] = append(all[name], rr)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.records = all
}

// Fail has a name (with its dot) answered by a code such as dns.RcodeServerFailure,
// or by nothing (Silent), whatever is asked of it.
func (s *Server) Fail(name string, rcode int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fails[name] = rcode
}

// Asked returns how many questions there were about a name (with its dot).
func (s *Server) Asked(name string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked[name]
}

func (s *Server) serve(w dns.ResponseWriter, r *dns.Msg) {
	if m := s.answer(r); m != nil {
		_ = w.WriteMsg(m) // who asked has gone, or asks again
	}
}

func (s *Server) answer(r *dns.Msg) *dns.Msg {
	q := r.Question[0]
	name := strings.ToLower(q.Name)
	m := new(dns.Msg)
	m.SetReply(r)
	m.RecursionAvailable = true
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked[name]++
	if code, ok := s.fails[name]; ok {
		if code == Silent {
			return nil
		}
		m.Rcode = code
		return m
	}
	if len(s.records[name]) == 0 {
		m.Rcode = dns.RcodeNameError
	}
	for _, rr := range s.records[name] {
		if rr.Header().Rrtype == q.Qtype {
			m.Answer = append(m.Answer, rr)
		}
	}
	return m
}

// Resolver returns a resolver that asks this server.
func (s *Server) Resolver() *net.Resolver {
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "udp", s.Addr)
	}}
}
