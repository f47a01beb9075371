package smtp

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/md5"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"io"
	"log"
	"math/big"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/emersion/go-sasl"
	gosmtp "github.com/emersion/go-smtp"

	"github.com/todoku/todoku/shared/mail"
	"github.com/todoku/todoku/shared/mail/mailtest"
)

// sink is a real SMTP server that keeps what it accepts and fails as it is told.
type sink struct {
	mechanisms []string // offered; empty: no login is asked

	mu    sync.Mutex
	kept  []mail.Received
	fails map[string]mailtest.Failure
}

const user, password = "school", "p@ss:wörd"

func (s *sink) NewSession(*gosmtp.Conn) (gosmtp.Session, error) {
	return &session{sink: s, known: len(s.mechanisms) == 0}, nil
}

func (s *sink) arrived() []mail.Received {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]mail.Received(nil), s.kept...)
}

func (s *sink) fail(address string, f mailtest.Failure) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fails[address] = f
}

// session is one connection to a sink.
type session struct {
	sink  *sink
	known bool // who it is
}

func (s *session) AuthMechanisms() []string { return s.sink.mechanisms }

func (s *session) Auth(mechanism string) (sasl.Server, error) {
	switch mechanism {
	case sasl.Plain:
		return sasl.NewPlainServer(func(_, u, p string) error { return s.login(u == user && p == password) }), nil
	case sasl.Login:
		return &loginServer{s: s}, nil
	default:
		return &cramServer{s: s}, nil
	}
}

func (s *session) login(ok bool) error {
	s.known = ok
	if !ok {
		return gosmtp.ErrAuthFailed
	}
	return nil
}

// loginServer asks in words that no client should look at.
type loginServer struct {
	s       *session
	answers []string
}

func (l *loginServer) Next(answer []byte) ([]byte, bool, error) {
	if answer != nil {
		l.answers = append(l.answers, string(answer))
	}
	switch len(l.answers) {
	case 0:
		return []byte("User Name\x00"), false, nil
	case 1:
		return []byte("Kennwort?"), false, nil
	default:
		return nil, true, l.s.login(l.answers[0] == user && l.answers[1] == password)
	}
}

type cramServer struct{ s *session }

func (c *cramServer) Next(answer []byte) ([]byte, bool, error) {
	const challenge = "<1896.697170952@relay.example.jp>"
	if answer == nil {
		return []byte(challenge), false, nil
	}
	mac := hmac.New(md5.New, []byte(password))
	mac.Write([]byte(challenge))
	return nil, true, c.s.login(string(answer) == user+" "+hex.EncodeToString(mac.Sum(nil)))
}

func (s *session) Mail(string, *gosmtp.MailOptions) error {
	if !s.known {
		return &gosmtp.SMTPError{Code: 530, EnhancedCode: gosmtp.EnhancedCode{5, 7, 0}, Message: "log in first"}
	}
	return nil
}

func (s *session) Rcpt(to string, _ *gosmtp.RcptOptions) error {
	s.sink.mu.Lock()
	defer s.sink.mu.Unlock()
	switch s.sink.fails[to] {
	case mailtest.Temporary:
		return &gosmtp.SMTPError{Code: 450, EnhancedCode: gosmtp.EnhancedCode{4, 2, 1}, Message: "later, <" + to + ">"}
	case mailtest.Permanent:
		return &gosmtp.SMTPError{Code: 550, EnhancedCode: gosmtp.EnhancedCode{5, 1, 1}, Message: "User unknown: " + to}
	case mailtest.Operator:
		return &gosmtp.SMTPError{Code: 550, EnhancedCode: gosmtp.EnhancedCode{5, 4, 5}, Message: "daily limit"}
	}
	return nil
}

func (s *session) Data(r io.Reader) error {
	raw, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	got, err := mail.Receive(raw)
	if err != nil {
		return err
	}
	s.sink.mu.Lock()
	defer s.sink.mu.Unlock()
	s.sink.kept = append(s.sink.kept, got)
	return nil
}

func (s *session) Reset()        {}
func (s *session) Logout() error { return nil }

// certificate makes a certificate for 127.0.0.1 and the pool that trusts it.
func certificate(t testing.TB) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(time.Hour),
		IPAddresses:  []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(leaf)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pool
}

// serving is how a sink is served.
type serving struct {
	mechanisms []string
	cert       *tls.Certificate // nil: no TLS
	implicit   bool
	inClear    bool // logging in without TLS is allowed
}

// start serves a sink on this machine until the test ends, and returns it and its
// port.
func start(t testing.TB, how serving) (*sink, int) {
	t.Helper()
	s := &sink{mechanisms: how.mechanisms, fails: make(map[string]mailtest.Failure)}
	server := newServer(s)
	server.AllowInsecureAuth = how.inClear
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	if how.cert != nil {
		server.TLSConfig = &tls.Config{Certificates: []tls.Certificate{*how.cert}}
	}
	if how.implicit {
		l = tls.NewListener(l, server.TLSConfig)
	}
	go func() { _ = server.Serve(l) }() // ends with Close
	t.Cleanup(func() { server.Close() })
	return s, port
}

func newServer(b gosmtp.Backend) *gosmtp.Server {
	server := gosmtp.NewServer(b)
	server.Domain = "relay.example.jp"
	server.ErrorLog = log.New(io.Discard, "", 0) // connections that tests cut
	return server
}

var noon = time.Date(2026, 4, 7, 12, 0, 0, 0, time.UTC)

// TestRelay holds the Relay to the port over each kind of connection.
func TestRelay(t *testing.T) {
	cert, pool := certificate(t)
	login := Config{User: user, Password: password, RootCAs: pool}
	tests := []struct {
		name string
		how  serving
		cfg  Config
	}{
		{"in clear, no login", serving{}, Config{}},
		{"opportunistic TLS, unknown certificate", serving{cert: &cert}, Config{}},
		{"STARTTLS, PLAIN", serving{cert: &cert, mechanisms: []string{"PLAIN", "LOGIN", "CRAM-MD5"}}, with(login, Required)},
		{"STARTTLS, LOGIN", serving{cert: &cert, mechanisms: []string{"LOGIN"}}, with(login, Required)},
		{"STARTTLS, CRAM-MD5", serving{cert: &cert, mechanisms: []string{"CRAM-MD5"}}, with(login, Required)},
		{"TLS from the start", serving{cert: &cert, implicit: true, mechanisms: []string{"PLAIN"}}, with(login, Implicit)},
		{"to this machine in clear, CRAM-MD5", serving{inClear: true, mechanisms: []string{"PLAIN", "CRAM-MD5"}}, with(login, Auto)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			mailtest.Run(t, func(t *testing.T) mailtest.Fixture {
				s, port := start(t, tt.how)
				cfg := tt.cfg
				cfg.Host, cfg.Port, cfg.Conns = "127.0.0.1", port, 4
				cfg.Now = func() time.Time { return noon }
				r := New(cfg)
				t.Cleanup(func() { r.Close() })
				return mailtest.Fixture{Sender: r, Now: noon, Arrived: s.arrived, Fail: s.fail}
			})
		})
	}
}

func with(c Config, p Policy) Config {
	c.TLS = p
	return c
}

func TestCheck(t *testing.T) {
	cert, pool := certificate(t)
	secure := serving{cert: &cert, mechanisms: []string{"PLAIN"}}
	inClear := serving{mechanisms: []string{"PLAIN", "LOGIN"}, inClear: true}
	tests := []struct {
		name string
		how  serving
		cfg  Config
		want string
	}{
		{"works", secure, Config{User: user, Password: password, TLS: Required, RootCAs: pool}, "sent"},
		{"wrong password", secure, Config{User: user, Password: "x", TLS: Required, RootCAs: pool}, "operator 535 5.7.8"},
		{"certificate not trusted", secure, Config{User: user, Password: password, TLS: Required}, "operator 0"},
		{"opportunistic, but a CA was given", secure, Config{RootCAs: x509.NewCertPool()}, "operator 0"},
		{"no STARTTLS where required", inClear, Config{User: user, Password: password, TLS: Required}, "operator 0"},
		{"no login offered", serving{}, Config{User: user, Password: password}, "operator 0"},
		{"TLS expected from the start", inClear, Config{TLS: Implicit, RootCAs: pool}, "operator 0"},
		{"password in clear to this machine", inClear, Config{User: user, Password: password, TLS: Off}, "sent"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, port := start(t, tt.how)
			tt.cfg.Host, tt.cfg.Port, tt.cfg.Patience = "127.0.0.1", port, 0.01
			r := New(tt.cfg)
			defer r.Close()
			if got := describe(r.Check(t.Context())); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// TestNoPasswordInClear plays another machine without TLS: the password must not
// leave, CRAM-MD5 may be used.
func TestNoPasswordInClear(t *testing.T) {
	tests := []struct {
		name       string
		mechanisms []string
		want       string
	}{
		{"only what shows the password", []string{"PLAIN", "LOGIN"}, "operator 0"},
		{"CRAM-MD5 too", []string{"PLAIN", "LOGIN", "CRAM-MD5"}, "sent"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, port := start(t, serving{mechanisms: tt.mechanisms, inClear: true})
			here := net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: port}
			r := New(Config{Host: "relay.example.jp", User: user, Password: password, TLS: Off,
				Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
					return new(net.Dialer).DialContext(ctx, network, here.String())
				}})
			defer r.Close()
			if got := describe(r.Check(t.Context())); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestClosed(t *testing.T) {
	s, port := start(t, serving{})
	r := New(Config{Host: "127.0.0.1", Port: port})
	if err := r.Send(t.Context(), mailtest.Letter(0)); err != nil {
		t.Fatal(err)
	}
	r.Close()
	if got := describe(r.Send(t.Context(), mailtest.Letter(1))); got != "operator 0" {
		t.Errorf("Send after Close: %s", got)
	}
	if got := describe(r.Check(t.Context())); got != "operator 0" {
		t.Errorf("Check after Close: %s", got)
	}
	if n := len(s.arrived()); n != 1 {
		t.Errorf("%d messages have arrived, want 1", n)
	}
}

// TestRoundTrips puts the relay 10 ms away, one way, and lets the clock of the
// bubble count: half a round trip for the greeting, one for EHLO, one for the
// first envelope of a batch, and then one for each message. QUIT costs none, nor
// does a change of batch on a connection that is waited for.
func TestRoundTrips(t *testing.T) {
	const trip, connect = 20 * time.Millisecond, 0.5 + 1
	tests := []struct {
		name    string
		cfg     Config
		batches []int
		want    float64
	}{
		{"one message", Config{}, []int{1}, connect + 1 + 1},
		{"ten in a batch", Config{}, []int{10}, connect + 1 + 10},
		{"two batches", Config{}, []int{10, 10}, connect + 1 + 10 + 1 + 10},
		{"two connections", Config{MessagesPerConn: 10}, []int{20}, 2 * (connect + 1 + 10)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			farAway(t, trip/2, tt.cfg, func(t *testing.T, r *Relay) {
				begin := time.Now()
				for _, n := range tt.batches {
					mailtest.SendAll(t, t.Context(), r, mailtest.Letters(n))
				}
				if got := float64(time.Since(begin)) / float64(trip); got != tt.want {
					t.Errorf("%v round trips, want %v", got, tt.want)
				}
			})
		})
	}
	t.Run("three batches that wait for one connection", func(t *testing.T) {
		farAway(t, trip/2, Config{Conns: 1}, func(t *testing.T, r *Relay) {
			begin := time.Now()
			var wg sync.WaitGroup
			for range 3 {
				wg.Go(func() { mailtest.SendAll(t, t.Context(), r, mailtest.Letters(10)) })
			}
			wg.Wait()
			if got := float64(time.Since(begin)) / float64(trip); got != connect+1+30 {
				t.Errorf("%v round trips, want %v", got, connect+1+30)
			}
		})
	})
}

// farAway puts a Relay in a bubble and a sink some way from it.
func farAway(t *testing.T, oneWay time.Duration, cfg Config, send func(t *testing.T, r *Relay)) {
	synctest.Test(t, func(t *testing.T) {
		near := mailtest.NewPipeListener()
		server := newServer(&sink{})
		go func() { _ = server.Serve(mailtest.DelayListener{Listener: near, Delay: oneWay}) }()
		cfg.Host, cfg.Dial = "localhost", near.Dial
		r := New(cfg)
		send(t, r)
		r.Close()
		server.Close()
		time.Sleep(time.Second) // in the bubble: let the network end
	})
}
