package smtpin

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"

	"github.com/emersion/go-msgauth/dkim"
	"github.com/emersion/go-smtp"
	"github.com/google/go-cmp/cmp"

	"github.com/todoku/todoku/shared/mail/incoming"
	"github.com/todoku/todoku/shared/mailhost/dnstest"
)

const domain = "in.school.example.jp"

// lines is a log that several write and one reads.
type lines struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// taken are the mails that a server has handed on.
type taken struct {
	mu    sync.Mutex
	mails []incoming.Envelope
	fail  error
}

func (k *taken) take(_ context.Context, _ []byte, e incoming.Envelope) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.fail == nil {
		k.mails = append(k.mails, e)
	}
	return k.fail
}

// start starts a server and returns a client, what it hands on, and where it is.
func start(t *testing.T) (c *smtp.Client, k *taken, addr string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	k = &taken{}
	log := &lines{}
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	go func() {
		ended <- Serve(ctx, l, Config{
			Domain: domain, Known: func(local string) bool { return local == "012345678q" }, Take: k.take,
			Log: slog.New(slog.NewTextHandler(log, nil)),
		})
	}()
	c, err = smtp.Dial(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = c.Close() // the server may have closed it
		stop()
		if err := <-ended; err != nil {
			t.Errorf("the server ended with %v", err)
		}
		if strings.Contains(log.String(), "@") {
			t.Errorf("the log holds an address: %s", log.String())
		}
	})
	return c, k, l.Addr().String()
}

func code(err error) int {
	var reply *smtp.SMTPError
	if errors.As(err, &reply) {
		return reply.Code
	}
	return 0
}

func TestSession(t *testing.T) {
	small := "From: a@docomo.ne.jp\r\n\r\n"
	for name, tt := range map[string]struct {
		from, to, mail string
		fail           error
		code           int // 0: taken
	}{
		"a code":                {"a@docomo.ne.jp", "012345678Q@" + domain, small, nil, 0},
		"a bounce":              {"", "012345678q@" + domain, small, nil, 0},
		"no code":               {"a@docomo.ne.jp", "info@" + domain, small, nil, 550},
		"another domain":        {"a@docomo.ne.jp", "012345678q@gmail.com", small, nil, 550},
		"a domain that ends so": {"a@docomo.ne.jp", "012345678q@x" + domain, small, nil, 550},
		"too large":             {"a@docomo.ne.jp", "012345678q@" + domain, small + strings.Repeat("x\r\n", incoming.MaxBytes/3), nil, 552},
		"nowhere to keep it":    {"a@docomo.ne.jp", "012345678q@" + domain, small, errors.New("the disk is full"), 451},
	} {
		t.Run(name, func(t *testing.T) {
			c, k, _ := start(t)
			k.fail = tt.fail
			err := c.SendMail(tt.from, []string{tt.to}, strings.NewReader(tt.mail))
			if code(err) != tt.code || tt.code == 0 && err != nil {
				t.Errorf("%v, want %d", err, tt.code)
			}
			want := []incoming.Envelope{{From: tt.from, To: []string{tt.to}}}
			if tt.code != 0 {
				want = nil
			}
			if diff := cmp.Diff(want, k.mails); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// TestCheck judges mails by records of a real DNS server, as they would come from
// the Internet.
func TestCheck(t *testing.T) {
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	key := `k._domainkey.%s. TXT "v=DKIM1; k=ed25519; p=` + base64.StdEncoding.EncodeToString(public) + `"`
	dns := dnstest.Start(t,
		`carrier.example.jp. TXT "v=spf1 ip4:192.0.2.1 -all"`,
		`_dmarc.carrier.example.jp. TXT "v=DMARC1; p=reject"`,
		`soft.example.com. TXT "v=spf1 ~all"`,
		strings.ReplaceAll(key, "%s", "carrier.example.jp"), strings.ReplaceAll(key, "%s", "other.example.net"),
		`open.example.org. TXT "v=spf1 ip4:192.0.2.1 -all"`,
		`_dmarc.open.example.org. TXT "v=DMARC1; p=none"`,
	)
	dns.Fail("broken.example.edu.", 2)
	dns.Fail("_dmarc.broken.example.edu.", 2)
	plain := func(from string) []byte { return []byte("From: " + from + "\r\nSubject: x\r\n\r\ntext\r\n") }
	signed := func(from, by string) []byte {
		var b bytes.Buffer
		options := &dkim.SignOptions{Domain: by, Selector: "k", Signer: private}
		if err := dkim.Sign(&b, bytes.NewReader(plain(from)), options); err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}
	const (
		ours, theirs = "192.0.2.1", "198.51.100.7"
		pass, fail   = incoming.Pass, incoming.Fail
	)
	tests := map[string]struct {
		raw      []byte
		ip, from string
		want     incoming.Verdicts
	}{
		"the carrier itself":        {plain("a@carrier.example.jp"), ours, "a@carrier.example.jp", incoming.Verdicts{SPF: pass, DMARC: pass}},
		"forged":                    {plain("a@carrier.example.jp"), theirs, "a@carrier.example.jp", incoming.Verdicts{SPF: fail, DMARC: fail}},
		"forged under another name": {plain("a@carrier.example.jp"), theirs, "x@nothing.example.net", incoming.Verdicts{DMARC: fail}},
		"forwarded, still signed":   {signed("a@carrier.example.jp", "carrier.example.jp"), theirs, "a@carrier.example.jp", incoming.Verdicts{SPF: fail, DKIM: pass, DMARC: pass}},
		"signed by somebody else":   {signed("a@carrier.example.jp", "other.example.net"), theirs, "x@other.example.net", incoming.Verdicts{DKIM: pass, DMARC: fail}},
		"changed after signing":     {append(signed("a@carrier.example.jp", "carrier.example.jp"), "more\r\n"...), ours, "a@carrier.example.jp", incoming.Verdicts{SPF: pass, DKIM: fail, DMARC: pass}},
		"by a relay of our own":     {plain("a@carrier.example.jp"), "192.168.1.5", "a@carrier.example.jp", incoming.Verdicts{}},
		"nothing published":         {plain("a@nothing.example.net"), theirs, "a@nothing.example.net", incoming.Verdicts{}},
		"a soft failure":            {plain("a@soft.example.com"), theirs, "a@soft.example.com", incoming.Verdicts{}},
		"asks for no consequences":  {plain("a@open.example.org"), theirs, "x@nothing.example.net", incoming.Verdicts{}},
		"DNS does not answer":       {plain("a@broken.example.edu"), theirs, "a@broken.example.edu", incoming.Verdicts{}},
		"a name without a record":   {plain("a@mail.carrier.example.jp"), ours, "a@carrier.example.jp", incoming.Verdicts{SPF: pass}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			c := checker{dns.Resolver()}
			got := c.check(t.Context(), message{raw: tt.raw, ip: net.ParseIP(tt.ip), helo: "mx.example.net", from: tt.from})
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// A header that claims verdicts is not believed.
func TestClaims(t *testing.T) {
	c, k, _ := start(t)
	mail := "Authentication-Results: " + domain + "; dmarc=pass; spf=pass\r\nFrom: a@docomo.ne.jp\r\n\r\n"
	if err := c.SendMail("a@docomo.ne.jp", []string{"012345678q@" + domain}, strings.NewReader(mail)); err != nil {
		t.Fatal(err)
	}
	if v := k.mails[0].Verdicts; v != (incoming.Verdicts{}) {
		t.Errorf("verdicts %v", v)
	}
}

// Garbage and half a session end with their connection; others go on.
func TestGarbage(t *testing.T) {
	c, k, addr := start(t)
	for _, garbage := range []string{"\x00\xff\x01\r\n", "GET / HTTP/1.1\r\n\r\n", "EHLO x\r\nMAIL FROM:<>\r\nDATA\r\n", strings.Repeat("x", 1<<16)} {
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.WriteString(conn, garbage)
		_ = conn.Close()
	}
	if err := c.SendMail("a@docomo.ne.jp", []string{"012345678q@" + domain}, strings.NewReader("From: a@docomo.ne.jp\r\n\r\n")); err != nil || len(k.mails) != 1 {
		t.Errorf("%v, %d mails", err, len(k.mails))
	}
}

// A mail that is being taken when the server ends is taken to its end.
func TestEndsAfterWhatIsUnderWay(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	begun, goOn, ended := make(chan bool), make(chan bool), make(chan error, 1)
	taken := false
	go func() {
		ended <- Serve(ctx, l, Config{
			Domain: domain, Known: func(string) bool { return true }, Log: slog.New(slog.DiscardHandler),
			Take: func(context.Context, []byte, incoming.Envelope) error {
				close(begun)
				<-goOn
				taken = true
				return nil
			},
		})
	}()
	c, err := smtp.Dial(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	go func() {
		_ = c.SendMail("a@docomo.ne.jp", []string{"x@" + domain}, strings.NewReader("From: a@docomo.ne.jp\r\n\r\n"))
	}()
	<-begun
	stop()
	select {
	case err := <-ended:
		t.Fatalf("it ended in the middle: %v", err)
	default:
	}
	close(goOn)
	if err := <-ended; err != nil || !taken {
		t.Errorf("%v, taken: %v", err, taken)
	}
}
