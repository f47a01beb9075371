// Package smtpin is the SMTP server of the single machine: it takes mail for the
// inbound domain and nothing else, checks the sender as SES does on AWS, and hands
// the mail on. It relays nothing and signs nobody in.
package smtpin

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/emersion/go-smtp"
	"golang.org/x/net/netutil"

	"github.com/todoku/todoku/shared/mail/incoming"
)

// Limits of the server. It waits on the open Internet. A mail is small, so it gives less time
// than RFC 5321 (section 4.5.3.2) has for any, and an operator's server that was cut off tries again.
const (
	maxConns      = 200
	maxPerPeer    = 20 // as many as Postfix opens to one place: answers to an alert come all at once
	maxRecipients = 10 // siblings' codes in one mail
	maxLine       = 2000
	patience      = time.Minute     // for each command with its data, and each reply
	maxAge        = 5 * time.Minute // of a connection, whatever it says
	farewell      = 5 * time.Second // for the reply that ends it
	checking      = 10 * time.Second
)

// Config says what to serve.
type Config struct {
	Domain   string        // whose mail is taken, in lower case
	Resolver *net.Resolver // for SPF, DKIM and DMARC; nil: the sender is not checked
	// Known reports whether a recipient's local part could be one of ours. It must
	// tell nobody whether it is: that would answer guesses.
	Known func(local string) bool
	// Take keeps a mail, so that it is not lost whatever happens: the sender's server
	// forgets it then. It may fail; the sender's server then tries again.
	Take func(ctx context.Context, raw []byte, e incoming.Envelope) error
	Log  *slog.Logger
}

// Serve serves on l until ctx ends. When it returns nothing is being taken any more;
// what was not taken by then its sender's server sends again.
func Serve(ctx context.Context, l net.Listener, cfg Config) error {
	under := &underway{}
	defer under.end()
	s := smtp.NewServer(backend{cfg, under})
	s.Domain = cfg.Domain
	s.MaxRecipients, s.MaxMessageBytes, s.MaxLineLength = maxRecipients, incoming.MaxBytes, maxLine
	s.ReadTimeout, s.WriteTimeout = patience, patience
	s.ErrorLog = quiet{cfg.Log}
	stop := context.AfterFunc(ctx, func() { _ = s.Close() }) // the listener's error is Serve's
	defer stop()
	err := s.Serve(&door{Listener: netutil.LimitListener(l, maxConns), peers: map[string]int{}})
	if ctx.Err() != nil || errors.Is(err, smtp.ErrServerClosed) {
		return nil
	}
	return err
}

// quiet logs what go-smtp has to say of a connection, which can quote what came,
// as no more than that there was something.
type quiet struct{ log *slog.Logger }

func (q quiet) Printf(string, ...any) { q.log.Info("an SMTP connection ended with an error") }
func (q quiet) Println(...any)        { q.Printf("") }

// underway counts the mails that are being taken: go-smtp does not wait for the
// connections that it closes.
type underway struct {
	mu    sync.Mutex
	ended bool
	mails sync.WaitGroup
}

// begin reports whether a mail may still be taken; done must be called then.
func (u *underway) begin() bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	if !u.ended {
		u.mails.Add(1)
	}
	return !u.ended
}

func (u *underway) done() { u.mails.Done() }

// end lets no further mail begin, and waits for those that have begun.
func (u *underway) end() {
	u.mu.Lock()
	u.ended = true
	u.mu.Unlock()
	u.mails.Wait()
}

type backend struct {
	Config
	under *underway
}

func (b backend) NewSession(c *smtp.Conn) (smtp.Session, error) {
	return &session{Config: b.Config, under: b.under, conn: c}, nil
}

// session is one connection, and one transaction after another.
type session struct {
	Config
	under *underway
	conn  *smtp.Conn
	from  string
	to    []string
}

func (s *session) Reset()        { s.from, s.to = "", nil }
func (s *session) Logout() error { return nil }

func (s *session) Mail(from string, _ *smtp.MailOptions) error {
	s.Reset()
	s.from = from
	return nil
}

// What the sender's server is told; guardians see it in what comes back to them.
var (
	noSuchUser = &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 1},
		Message: "No such address. Check it against the sheet from the school, or use the page on the sheet."}
	notHere = &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 7, 1}, Message: "No mail is taken for that domain here."}
	later   = &smtp.SMTPError{Code: 451, EnhancedCode: smtp.EnhancedCode{4, 3, 0}, Message: "Not taken just now, try again later."}
)

func (s *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	at := strings.LastIndexByte(to, '@')
	if at < 0 || !strings.EqualFold(strings.TrimSuffix(to[at+1:], "."), s.Domain) {
		return notHere
	}
	if !s.Known(strings.ToLower(to[:at])) {
		return noSuchUser
	}
	s.to = append(s.to, to)
	return nil
}

func (s *session) Data(r io.Reader) error {
	raw, err := io.ReadAll(r)
	if err != nil {
		return err // too large, or the connection broke
	}
	if !s.under.begin() {
		return later
	}
	defer s.under.done()
	ctx, cancel := context.WithTimeout(context.Background(), checking)
	defer cancel()
	e := incoming.Envelope{From: s.from, To: s.to, Verdicts: s.check(ctx, raw)}
	if err := s.Take(ctx, raw, e); err != nil {
		s.Log.Warn("mail not taken, its sender tries again", "err", err)
		return later
	}
	return nil
}

// check checks the sender.
func (s *session) check(ctx context.Context, raw []byte) incoming.Verdicts {
	if s.Resolver == nil {
		return incoming.Verdicts{}
	}
	return checker{s.Resolver}.check(ctx, message{raw: raw, ip: address(s.conn.Conn()), helo: s.conn.Hostname(), from: s.from})
}
