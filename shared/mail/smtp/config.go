package smtp

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"net"
	"net/url"
	"os"
	"strconv"
	"time"

	"github.com/todoku/todoku/shared/problem"
)

// Policy says when a connection is encrypted.
type Policy int

// The policies. Credentials never travel in clear to another machine, whatever
// the policy: where there is no TLS, only CRAM-MD5 is used.
const (
	// Auto is Required with a User and a Host other than this machine, else
	// Opportunistic.
	Auto Policy = iota
	// Required refuses a relay without STARTTLS, or with a certificate that does
	// not hold.
	Required
	// Opportunistic encrypts if the relay offers it, with any certificate unless
	// RootCAs is given: against a listener in between it helps, against an
	// impostor no policy without Required does (RFC 7435).
	Opportunistic
	// Off never encrypts.
	Off
	// Implicit speaks TLS from the first octet (RFC 8314), with a certificate that holds.
	Implicit
)

// Config says how to reach a relay. All but Host may be left zero.
type Config struct {
	Host     string
	Port     int    // 0: 465 for Implicit, else 587
	User     string // "": no AUTH
	Password string
	TLS      Policy
	RootCAs  *x509.CertPool // nil: the system's
	// Helo is the name to give; "": the connection's own address as a literal
	// (RFC 5321, 4.1.3).
	Helo string
	// Conns is the most connections to have open for sending; 0: 10.
	Conns int
	// MessagesPerConn is the most messages to send on one connection; 0: 50.
	// Relays and carriers end a session after 50 to 100.
	MessagesPerConn int
	// Idle is how long to keep a connection that nobody uses; 0: 30 s.
	Idle time.Duration
	// Patience scales the timeouts of RFC 5321, 4.5.3.2, which are between 2 and
	// 10 minutes a command; 0: 1.
	Patience float64

	Dial func(ctx context.Context, network, address string) (net.Conn, error) // nil: net.Dialer
	Now  func() time.Time                                                     // for Deadlines; nil: time.Now
	Log  *slog.Logger                                                         // nil: none

	sessions tls.ClientSessionCache // makes the next handshake shorter
}

func (c Config) withDefaults() Config {
	if c.Port == 0 {
		c.Port = 587
		if c.TLS == Implicit {
			c.Port = 465
		}
	}
	if c.TLS == Auto {
		c.TLS = Opportunistic
		if c.User != "" && !c.loopback() {
			c.TLS = Required
		}
	}
	if c.Conns <= 0 {
		c.Conns = 10
	}
	if c.MessagesPerConn <= 0 {
		c.MessagesPerConn = 50
	}
	if c.Idle <= 0 {
		c.Idle = 30 * time.Second
	}
	if c.Patience <= 0 {
		c.Patience = 1
	}
	return c.withEdges()
}

// withEdges fills in what comes from outside the program.
func (c Config) withEdges() Config {
	if c.Dial == nil {
		c.Dial = new(net.Dialer).DialContext
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	c.sessions = tls.NewLRUClientSessionCache(0)
	return c
}

// loopback reports whether the relay is on this machine, where nobody listens in
// between.
func (c Config) loopback() bool {
	ip := net.ParseIP(c.Host)
	return c.Host == "localhost" || ip != nil && ip.IsLoopback()
}

func (c Config) address() string { return net.JoinHostPort(c.Host, strconv.Itoa(c.Port)) }

// LogValue keeps the credentials out of logs.
func (c Config) LogValue() slog.Value { return slog.StringValue(c.address()) }

// ParseURL reads a Config from smtp://user:pass@host:587 or smtps://... (port 465,
// TLS from the start). A user or password with reserved characters is
// percent-encoded. Options follow as a query:
//
//	starttls=auto|required|off   smtp only; auto is the default, see Auto
//	ca=FILE                      certificates to trust instead of the system's, as PEM
//	helo=NAME                    Helo
//	conns=N                      Conns, 1 to 1000
//	per-conn=N                   MessagesPerConn, 1 to 1000000
//	patience=X                   Patience, 0.01 to 10
//
// Its errors are a problem.Error without the credentials.
func ParseURL(s string) (Config, error) {
	u, err := url.Parse(s)
	if err != nil { // err holds the URL, and that the password
		return Config{}, problem.New(problem.Invalid,
			"メール中継サーバーのURLを読み取れません。smtp://ユーザー:パスワード@ホスト:587 の形で指定し、記号はパーセントエンコーディングで書いてください。",
			"The mail relay's URL cannot be read. Write smtp://user:password@host:587, with reserved characters percent-encoded.")
	}
	var c Config
	switch u.Scheme {
	case "smtp":
	case "smtps":
		c.TLS = Implicit
	default:
		return Config{}, problem.New(problem.Invalid,
			"メール中継サーバーのURLは smtp:// か smtps:// で始めてください。",
			"The mail relay's URL must begin with smtp:// or smtps://.")
	}
	c.Host = u.Hostname()
	c.User = u.User.Username()
	c.Password, _ = u.User.Password()
	if c.Host == "" || u.Path != "" && u.Path != "/" || u.Fragment != "" {
		return Config{}, problem.New(problem.Invalid,
			"メール中継サーバーのURLには、ホスト名と、必要なら ? に続くオプションだけを書いてください。",
			"The mail relay's URL must have a host, and nothing after it but options that follow a question mark.")
	}
	if u.Port() != "" {
		if c.Port, err = number("port", u.Port(), 1, 65535); err != nil {
			return Config{}, err
		}
	}
	return c, c.parseOptions(u.Query())
}

func (c *Config) parseOptions(q url.Values) error {
	for name, values := range q {
		if err := c.parseOption(name, values[len(values)-1]); err != nil {
			return err
		}
	}
	return nil
}

func (c *Config) parseOption(name, value string) error {
	var err error
	switch name {
	case "starttls":
		err = c.parseStartTLS(value)
	case "ca":
		c.RootCAs, err = readCertificates(value)
	case "helo":
		c.Helo = value
		if !isHelo(value) {
			err = optionError(name)
		}
	case "conns":
		c.Conns, err = number(name, value, 1, 1000)
	case "per-conn":
		c.MessagesPerConn, err = number(name, value, 1, 1_000_000)
	case "patience":
		var parseErr error
		c.Patience, parseErr = strconv.ParseFloat(value, 64)
		if parseErr != nil || !(c.Patience >= 0.01 && c.Patience <= 10) {
			err = optionError(name)
		}
	default:
		err = optionError(name)
	}
	return err
}

func (c *Config) parseStartTLS(value string) error {
	policy, ok := map[string]Policy{"auto": Auto, "required": Required, "off": Off}[value]
	if !ok || c.TLS == Implicit {
		return optionError("starttls")
	}
	c.TLS = policy
	return nil
}

func isHelo(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' {
			return false
		}
	}
	return s != "" && len(s) <= 255
}

func number(name, s string, low, high int) (int, error) {
	n, err := strconv.Atoi(s)
	if err != nil || n < low || n > high {
		return 0, optionError(name)
	}
	return n, nil
}

func readCertificates(file string) (*x509.CertPool, error) {
	pem, err := os.ReadFile(file)
	if err != nil {
		return nil, problem.New(problem.Invalid,
			"メール中継サーバーの証明書ファイル（ca）を開けません。",
			"The certificate file of the mail relay (ca) cannot be opened.").Because(err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, problem.New(problem.Invalid,
			"メール中継サーバーの証明書ファイル（ca）に PEM 形式の証明書がありません。",
			"The certificate file of the mail relay (ca) holds no certificate in PEM form.")
	}
	return pool, nil
}

func optionError(name string) error {
	return problem.New(problem.Invalid,
		"メール中継サーバーのURLの %q が正しくありません。使えるオプションは starttls, ca, helo, conns, per-conn, patience です。",
		"In the mail relay's URL %q is not right. The options are starttls, ca, helo, conns, per-conn and patience.", name)
}
