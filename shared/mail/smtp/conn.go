package smtp

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"net"
	"strconv"
	"strings"
	"time"
)

// conn is one connection to the relay, used by one goroutine at a time.
type conn struct {
	cfg        Config
	raw        net.Conn // under TLS
	nc         net.Conn // raw, or TLS over it
	r          *bufio.Reader
	out        []byte // said and not yet written
	encrypted  bool
	extensions map[string]string // EHLO keywords, in capitals, with their parameters
	pipelining bool
	maxSize    int // the relay's SIZE; 0: not told

	begun    int       // transactions begun, of cfg.MessagesPerConn
	end      ending    // what the next transaction must say first
	spare    *outgoing // a buffer to use again
	quitting bool      // QUIT has been said
	heir     *heir     // who is to have the connection after this batch
}

// errClosing goes with a reply of 421: the relay closes the connection (RFC 5321,
// 3.8), or soon will.
var errClosing = errors.New("smtp: the relay is closing the connection")

// open connects, encrypts and logs in. It returns the context's error or a
// *mail.SendError of ScopeOperator.
func open(ctx context.Context, cfg Config) (*conn, error) {
	raw, err := dial(ctx, cfg)
	if err != nil {
		return nil, operatorError(ctx, err)
	}
	c := &conn{cfg: cfg}
	c.use(raw)
	c.raw = raw
	stop := context.AfterFunc(ctx, c.kill)
	err = c.introduce(ctx)
	if !stop() && err == nil {
		err = ctx.Err()
	}
	if err != nil {
		c.kill()
		return nil, operatorError(ctx, err)
	}
	return c, nil
}

func dial(ctx context.Context, cfg Config) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, cfg.scale(atConnect.timeout()))
	defer cancel()
	nc, err := cfg.Dial(ctx, "tcp", cfg.address())
	if err != nil {
		return nil, lost(atConnect, err)
	}
	return nc, nil
}

func operatorError(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}

func (c Config) scale(d time.Duration) time.Duration {
	return time.Duration(float64(d) * c.Patience)
}

// use makes nc the connection and forgets what was read ahead on the last one.
func (c *conn) use(nc net.Conn) {
	c.nc = nc
	c.r = bufio.NewReader(nc)
}

// kill ends the connection at once. Any goroutine may call it.
func (c *conn) kill() { _ = c.raw.Close() }

// quit ends the connection politely. It waits for the answer only if QUIT
// travelled with the last message, so that the answer is as good as here.
func (c *conn) quit() {
	if c.quitting {
		_, _ = c.hear(atQuit)
	} else {
		c.say("QUIT\r\n")
		_, _ = c.flush() // the relay will see the end of the connection all the same
	}
	c.kill()
}

// introduce is everything before the first MAIL.
func (c *conn) introduce(ctx context.Context) error {
	if c.cfg.TLS == Implicit {
		if err := c.encrypt(ctx); err != nil {
			return err
		}
	}
	r, err := c.hear(atConnect)
	if err := c.agreed(atConnect, r, err); err != nil {
		return err
	}
	if err := c.hello(); err != nil {
		return err
	}
	if err := c.startTLS(ctx); err != nil {
		return err
	}
	return c.authenticate()
}

// hello sends EHLO, or HELO to a relay that does not know EHLO.
func (c *conn) hello() error {
	name := c.cfg.Helo
	if name == "" {
		name = literal(c.nc.LocalAddr())
	}
	c.say("EHLO " + name + "\r\n")
	r, err := c.hear(atHello)
	if err == nil && r.code >= 500 {
		_, err = c.ask(atHello, "HELO "+name)
		return err
	}
	if err := c.agreed(atHello, r, err); err != nil {
		return err
	}
	c.learn(r.text)
	return nil
}

// literal is the address literal of RFC 5321, 4.1.3 for a client without a name.
func literal(a net.Addr) string {
	tcp, ok := a.(*net.TCPAddr)
	switch {
	case !ok:
		return "localhost"
	case tcp.IP.To4() != nil:
		return "[" + tcp.IP.String() + "]"
	default:
		return "[IPv6:" + tcp.IP.String() + "]"
	}
}

// learn reads the extensions from the text of EHLO's reply.
func (c *conn) learn(text string) {
	c.extensions = make(map[string]string)
	_, text, _ = strings.Cut(text, "\n")
	for line := range strings.SplitSeq(strings.ReplaceAll(text, "AUTH=", "AUTH "), "\n") {
		name, params, _ := strings.Cut(strings.TrimSpace(line), " ")
		name = strings.ToUpper(name)
		if known, twice := c.extensions[name]; twice { // AUTH and AUTH=, for old clients
			params = known + " " + params
		}
		c.extensions[name] = params
	}
	_, c.pipelining = c.extensions["PIPELINING"]
	c.maxSize, _ = strconv.Atoi(strings.TrimSpace(c.extensions["SIZE"])) // none: 0
}

// startTLS encrypts as the policy says and learns the extensions anew.
func (c *conn) startTLS(ctx context.Context) error {
	if c.encrypted || c.cfg.TLS == Off {
		return nil
	}
	if _, offered := c.extensions["STARTTLS"]; !offered {
		if c.cfg.TLS == Required {
			return unable(atTLS, "the relay does not offer STARTTLS")
		}
		return nil
	}
	if _, err := c.ask(atTLS, "STARTTLS"); err != nil {
		return err
	}
	if c.r.Buffered() > 0 { // said in clear, by whoever sits in between
		return unable(atTLS, "the relay spoke out of turn before TLS")
	}
	if err := c.encrypt(ctx); err != nil {
		return err
	}
	return c.hello()
}

func (c *conn) encrypt(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, c.cfg.scale(atTLS.timeout()))
	defer cancel()
	secure := tls.Client(c.nc, &tls.Config{
		ServerName: c.cfg.Host,
		RootCAs:    c.cfg.RootCAs,
		MinVersion: tls.VersionTLS12,

		ClientSessionCache: c.cfg.sessions,
		//nolint:gosec // Opportunistic: better than in clear; see Policy
		InsecureSkipVerify: c.cfg.TLS == Opportunistic && c.cfg.RootCAs == nil,
	})
	if err := secure.HandshakeContext(ctx); err != nil {
		return lost(atTLS, err)
	}
	c.use(secure)
	c.encrypted = true
	return nil
}

// say appends to what the next hear, or flush, writes.
func (c *conn) say(s string) { c.out = append(c.out, s...) }

// flush writes what was said, in one write, and returns how much of it left.
func (c *conn) flush() (int, error) {
	if len(c.out) == 0 {
		return 0, nil
	}
	err := c.nc.SetWriteDeadline(time.Now().Add(c.cfg.scale(writeTimeout)))
	n := 0
	if err == nil {
		n, err = c.nc.Write(c.out)
	}
	c.out = c.out[:0]
	return n, err
}

// hear writes what was said and reads the reply to the first command that has
// none yet. A reply of 421 comes with errClosing; with any other error there is
// no reply.
func (c *conn) hear(at stage) (reply, error) {
	if _, err := c.flush(); err != nil {
		return reply{}, err
	}
	err := c.nc.SetReadDeadline(time.Now().Add(c.cfg.scale(at.timeout())))
	if err != nil {
		return reply{}, err
	}
	r, err := readReply(c.r)
	if err == nil && r.code == 421 {
		err = errClosing
	}
	return r, err
}

// ask says one command and hears its reply, before the first MAIL.
func (c *conn) ask(at stage, command string) (reply, error) {
	c.say(command + "\r\n")
	r, err := c.hear(at)
	return r, c.agreed(at, r, err)
}

// agreed returns an error of ScopeOperator unless the reply is a yes or, from
// AUTH, a question.
func (c *conn) agreed(at stage, r reply, err error) error {
	switch {
	case r.refused():
		return refusal(at, r)
	case err != nil:
		return lost(at, err)
	case !r.good() && !(at == atAuth && r.code == 334):
		return lost(at, errGarbage)
	}
	return nil
}
