package doctor

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"io"
	"maps"
	"math/big"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"

	"github.com/todoku/todoku/shared/mailhost/dnstest"
)

const (
	school = "school.example.jp"
	list   = "list.example.net"
	user   = "school"
	secret = "secret"
)

// makeKey returns the record of a DKIM key, in strings of no more than 255 octets.
func makeKey(bits int) (string, error) {
	k, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		return "", err
	}
	der, err := x509.MarshalPKIXPublicKey(&k.PublicKey)
	text := "v=DKIM1; k=rsa; p=" + base64.StdEncoding.EncodeToString(der)
	var parts []string
	for part := range slices.Chunk([]byte(text), 250) {
		parts = append(parts, `"`+string(part)+`"`)
	}
	return strings.Join(parts, " "), err
}

var madeKey = sync.OnceValues(func() (string, error) { return makeKey(goodBits) })

// goodKey is made once: a key takes longer than a case.
func goodKey(t testing.TB) string {
	t.Helper()
	k, err := madeKey()
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// healthy are the records with which nothing is found, by what they are for.
func healthy(t testing.TB) map[string][]string {
	t.Helper()
	return map[string][]string{
		"mx":      {"school.example.jp. MX 10 mx.school.example.jp.", "mx.school.example.jp. A 192.0.2.1"},
		"spf":     {`school.example.jp. TXT "v=spf1 include:_spf.relay.example.net -all"`},
		"include": {`_spf.relay.example.net. TXT "v=spf1 ip4:192.0.2.0/24 -all"`},
		"dkim":    {"s1._domainkey.school.example.jp. TXT " + goodKey(t)},
		"dmarc":   {`_dmarc.school.example.jp. TXT "v=DMARC1; p=reject"`},
		"relay":   {"relay.example.net. A 192.0.2.25"},
		"reverse": {"25.2.0.192.in-addr.arpa. PTR mail.school.example.jp.", "mail.school.example.jp. A 192.0.2.25"},
		"inbound": {"in.school.example.jp. MX 10 mx.school.example.jp."},
	}
}

// relay is a real SMTP server.
type relay struct {
	auth []string
	want bool // a sign-in
	from error
}

func (r *relay) NewSession(*smtp.Conn) (smtp.Session, error) { return &session{r, false}, nil }

type session struct {
	*relay
	known bool
}

func (s *session) AuthMechanisms() []string { return s.auth }

func (s *session) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, u, p string) error {
		s.known = u == user && p == secret
		if !s.known {
			return smtp.ErrAuthFailed
		}
		return nil
	}), nil
}

func (s *session) Mail(string, *smtp.MailOptions) error {
	if s.want && !s.known {
		return &smtp.SMTPError{Code: 530, EnhancedCode: smtp.EnhancedCode{5, 7, 0}, Message: "Authentication required"}
	}
	return s.from
}

func (s *session) Rcpt(string, *smtp.RcptOptions) error {
	return errors.New("the doctor sends nothing")
}
func (s *session) Data(io.Reader) error { return errors.New("the doctor sends nothing") }
func (s *session) Reset()               {}
func (s *session) Logout() error        { return nil }

func certificate(t testing.TB, ends time.Time) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: ends,
		DNSNames: []string{"relay.example.net", "todoku.school.example.jp"}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, c, c, &k.PublicKey, k)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(parsed)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: k}, pool
}

// place is where an examination happens: a DNS server, and servers by the names and
// ports by which they are dialled.
type place struct {
	testing.TB
	Setup
	records map[string][]string
	silent  []string
	relay   relay
	cert    *tls.Certificate // of the relay; nil: no TLS
	web     tls.Certificate
	ports   []string // of the relay that are open
	taken   map[string]string
	now     time.Time
}

func newPlace(t testing.TB) *place {
	t.Helper()
	cert, pool := certificate(t, time.Now().Add(90*24*time.Hour))
	source := netip.MustParseAddr("192.0.2.25")
	p := &place{
		TB: t, records: healthy(t), relay: relay{auth: []string{"PLAIN"}, want: true}, cert: &cert, web: cert, ports: []string{"587"},
		taken: map[string]string{}, now: time.Now(),
	}
	p.Setup = Setup{
		Mails: []Mail{{From: school, Address: "anzen@" + school, Selectors: []string{"s1"}, Sources: []netip.Addr{source}}},
		Relay: &Relay{Host: "relay.example.net", Port: 587, User: user, Password: secret, RootCAs: pool},
		Own:   []netip.Addr{source}, Lists: []Blocklist{{list, "https://" + list + "/remove"}},
		Web: "https://todoku.school.example.jp", WebCAs: pool, Inbound: "in." + school,
		Clock:  func(context.Context) (time.Duration, error) { return 20 * time.Millisecond, nil },
		Disk:   func() (Disk, error) { return Disk{Free: 100 << 30, Used: 10 << 20}, nil },
		Backup: func() (time.Time, error) { return p.now.Add(-time.Hour), nil },
		Now:    func() time.Time { return p.now },
	}
	return p
}

func (p *place) listen(cert *tls.Certificate, implicit bool) string {
	p.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		p.Fatal(err)
	}
	address := l.Addr().String()
	s := smtp.NewServer(&p.relay)
	s.AllowInsecureAuth = true
	if cert != nil {
		s.TLSConfig = &tls.Config{Certificates: []tls.Certificate{*cert}, MinVersion: tls.VersionTLS12}
		if implicit {
			l = tls.NewListener(l, s.TLSConfig)
		}
	}
	s.ErrorLog = discard{}
	go func() { _ = s.Serve(l) }()
	p.Cleanup(func() { _ = s.Close() })
	return address
}

type discard struct{}

func (discard) Printf(string, ...any) {}
func (discard) Println(...any)        {}

func (p *place) examine() Report {
	p.Helper()
	for _, port := range p.ports {
		p.taken["relay.example.net:"+port] = p.listen(p.cert, port == "465")
	}
	web := p.web
	p.taken["todoku.school.example.jp:443"] = p.listen(&web, true)
	var all []string
	for _, r := range p.records {
		all = append(all, r...)
	}
	server := dnstest.Start(p.TB, all...)
	for _, name := range p.silent {
		server.Fail(name, dns.RcodeServerFailure)
	}
	p.DNS = server.Resolver()
	var mu sync.Mutex
	p.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
		mu.Lock()
		to, ok := p.taken[address]
		mu.Unlock()
		if strings.HasPrefix(address, "no.") {
			return nil, &net.OpError{Op: "dial", Net: network, Err: &net.DNSError{Err: "no such host", IsNotFound: true}}
		}
		if !ok {
			return nil, &net.OpError{Op: "dial", Net: network, Err: errors.New("i/o timeout")}
		}
		return new(net.Dialer).DialContext(ctx, network, to)
	}
	return Examine(p.Context(), p.Setup)
}

// cases are what can be wrong, each with the findings and no others. The names of the
// first are those of the field notes.
var cases = []struct {
	name   string
	change func(p *place)
	want   []string // ids with their level
	says   []string // in the English text or record of a finding
}{
	{"a healthy set", func(*place) {}, nil, nil},
	{
		"own DMARC reject with another sender", func(p *place) {
			p.records["include"] = []string{`_spf.relay.example.net. TXT "v=spf1 ip4:198.51.100.7 -all"`}
			p.Mails[0].Selectors = nil
			delete(p.records, "dkim")
		},
		[]string{"fail dmarc-unaligned", "fail spf-sender", "warn dkim-unknown"},
		[]string{"(p=reject): mail that does not pass is refused", "550 Unknown user", "554 5.7.1"},
	},
	{
		"new address without SPF", func(p *place) {
			p.Mails[0].Sources = append(p.Mails[0].Sources, netip.MustParseAddr("203.0.113.9"))
		},
		[]string{"fail spf-sender"},
		[]string{`school.example.jp TXT "v=spf1 include:_spf.relay.example.net ip4:192.0.2.25 ip4:203.0.113.9 -all"`},
	},
	{
		"port 25 closed", func(p *place) { p.Setup.Relay.Port = 25 },
		[]string{"fail port25-closed"},
		[]string{"(OP25B)", "-smtp smtp://user:password@relay.example.net:587"},
	},
	{
		"a relay that needs AUTH on 587", func(p *place) { p.Setup.Relay.User = "" },
		[]string{"fail auth-needed"},
		[]string{"Authentication required", "-smtp smtp://user:password@relay.example.net:587"},
	},
	{
		"an open resolver's answer taken for a listing", func(p *place) {
			p.records["list"] = []string{"25.2.0.192." + list + ". A 127.255.255.254"}
		},
		[]string{"unknown list-refuses"},
		[]string{"That does not mean that the address is listed"},
	},

	{"no SPF", func(p *place) { delete(p.records, "spf") }, []string{"fail spf-missing"}, []string{`school.example.jp TXT "v=spf1 ip4:192.0.2.25 ~all"`}},
	{
		"two SPF records", func(p *place) {
			p.records["spf"] = append(p.records["spf"], `school.example.jp. TXT "v=spf1 mx ~all"`)
		},
		[]string{"fail spf-several"}, []string{`"v=spf1 include:_spf.relay.example.net mx ip4:192.0.2.25 ~all"`},
	},
	{
		"eleven lookups", func(p *place) {
			p.records["spf"] = []string{`school.example.jp. TXT "v=spf1 ip4:192.0.2.25 a mx a:a1.example.jp a:a2.example.jp a:a3.example.jp a:a4.example.jp a:a5.example.jp a:a6.example.jp a:a7.example.jp a:a8.example.jp include:_spf.relay.example.net -all"`}
		},
		[]string{"fail spf-lookups"}, []string{"takes 11 DNS lookups; 10 are allowed"},
	},
	{
		"an include that is not there", func(p *place) { delete(p.records, "include") },
		[]string{"fail spf-broken"}, []string{"“include:_spf.relay.example.net” is wrong"},
	},
	{
		"a misspelt term", func(p *place) {
			p.records["spf"] = []string{`school.example.jp. TXT "v=spf1 ip:192.0.2.25 -all"`}
		},
		[]string{"fail spf-broken"}, []string{"“ip:192.0.2.25” is wrong"},
	},
	{
		"SPF for everybody", func(p *place) {
			p.records["spf"] = []string{`school.example.jp. TXT "v=spf1 ip4:192.0.2.25 +all"`}
		},
		[]string{"warn spf-open"}, []string{`"v=spf1 ip4:192.0.2.25 ~all"`},
	},
	{
		"a provider that is not included", func(p *place) { p.Mails[0].Includes = []string{"amazonses.com"} },
		[]string{"fail spf-sender"}, []string{`include:amazonses.com ip4:192.0.2.25 -all"`},
	},
	{
		"a relay whose addresses SPF does not know", func(p *place) {
			p.Mails[0].Sources = nil
			p.records["spf"] = []string{`school.example.jp. TXT "v=spf1 ip4:198.51.100.1 -all"`}
		},
		[]string{"fail spf-sender"}, []string{"a:relay.example.net -all"},
	},
	{"a relay whose organisation SPF includes", func(p *place) { p.Mails[0].Sources = nil }, nil, nil},
	{"DNS that fails", func(p *place) { p.silent = []string{"_dmarc.school.example.jp."} }, []string{"unknown dns-silent"}, nil},

	{"no DKIM key", func(p *place) { delete(p.records, "dkim") }, []string{"fail dkim-missing"}, []string{"s1._domainkey.school.example.jp"}},
	{
		"a DKIM key of a usual name", func(p *place) { p.Mails[0].Selectors = nil }, nil, nil,
	},
	{
		"DKIM records that the provider waits for", func(p *place) {
			p.Mails[0].Pending = []string{"x._domainkey.school.example.jp CNAME x.dkim.amazonses.com"}
		},
		[]string{"fail dkim-pending"}, []string{"x._domainkey.school.example.jp CNAME x.dkim.amazonses.com"},
	},
	{
		"a short DKIM key", func(p *place) {
			p.records["dkim"] = []string{`s1._domainkey.school.example.jp. TXT "v=DKIM1; p=MFwwDQYJKoZIhvcNAQEBBQADSwAwSAJBAOsBOvJ0R6D4lCYw3sHlQzzPPF1rjVzF0K+5sH3vXb1LQ4fOtpO6eq6bC4v0TmE3bMXQ7d4YpVyIHhUXGJkcRzUCAwEAAQ=="`}
		},
		[]string{"fail dkim-short"}, []string{"512 bits"},
	},
	{"a weak DKIM key", func(p *place) {
		weak, err := makeKey(minBits)
		if err != nil {
			p.Fatal(err)
		}
		p.records["dkim"] = []string{"s1._domainkey.school.example.jp. TXT " + weak}
	}, []string{"warn dkim-weak"}, []string{"1024 bits"}},
	{"a DKIM key cut off", func(p *place) {
		p.records["dkim"] = []string{`s1._domainkey.school.example.jp. TXT "v=DKIM1; p=MIGfMA0GCSqGSIb3"`}
	}, []string{"fail dkim-broken"}, nil},
	{"a revoked DKIM key", func(p *place) { p.records["dkim"] = []string{`s1._domainkey.school.example.jp. TXT "v=DKIM1; p="`} }, []string{"fail dkim-revoked"}, nil},
	{"two DKIM keys of a name", func(p *place) {
		p.records["dkim"] = append(p.records["dkim"], `s1._domainkey.school.example.jp. TXT "x"`)
	}, []string{"fail dkim-several"}, nil},
	{"a DKIM key under test", func(p *place) {
		p.records["dkim"][0] = strings.Replace(p.records["dkim"][0], "v=DKIM1;", "v=DKIM1; t=y;", 1)
	}, []string{"warn dkim-testing"}, nil},

	{"no DMARC", func(p *place) { delete(p.records, "dmarc") }, []string{"warn dmarc-missing"}, []string{`_dmarc.school.example.jp TXT "v=DMARC1; p=none"`}},
	{"the DMARC of the domain above", func(p *place) {
		p.records["dmarc"] = []string{`_dmarc.example.jp. TXT "v=DMARC1; p=none; sp=reject"`}
	}, nil, nil},
	{"DMARC that cannot be read", func(p *place) { p.records["dmarc"] = []string{`_dmarc.school.example.jp. TXT "v=DMARC1; p=yes"`} }, []string{"fail dmarc-broken"}, nil},
	{"two DMARC records", func(p *place) {
		p.records["dmarc"] = append(p.records["dmarc"], `_dmarc.school.example.jp. TXT "v=DMARC1; p=none"`)
	}, []string{"fail dmarc-several"}, nil},
	{"a strict DMARC and another MAIL FROM", func(p *place) {
		p.Mails[0].Envelope, p.Mails[0].Selectors = "bounce."+school, nil
		delete(p.records, "dkim")
		p.records["dmarc"] = []string{`_dmarc.school.example.jp. TXT "v=DMARC1; p=quarantine; aspf=s"`}
		p.records["bounce"] = []string{`bounce.school.example.jp. TXT "v=spf1 ip4:192.0.2.25 -all"`, "bounce.school.example.jp. MX 10 mx.school.example.jp."}
	}, []string{"fail dmarc-strict", "warn dkim-unknown"}, []string{"Remove aspf=s"}},
	{"a free-mail From", func(p *place) { p.Mails[0] = Mail{From: "gmail.com", FreeMail: true} }, []string{"fail from-free-mail"}, nil},

	{"no MX", func(p *place) { p.records["mx"] = p.records["mx"][1:] }, []string{"fail mx-missing"}, []string{"school.example.jp MX 10 mx.school.example.jp."}},
	{"null MX", func(p *place) { p.records["mx"][0] = "school.example.jp. MX 0 ." }, []string{"fail mx-null"}, nil},
	{"an MX host that is not there", func(p *place) { p.records["mx"][0] = "school.example.jp. MX 10 gone.example.jp." }, []string{"fail mx-host"}, nil},
	{"no MX for guardians' mail", func(p *place) { delete(p.records, "inbound") }, []string{"fail inbound-mx"}, nil},

	{"no reverse DNS", func(p *place) { p.records["reverse"] = p.records["reverse"][1:] }, []string{"fail reverse-missing"}, nil},
	{"a reverse name that does not lead back", func(p *place) { p.records["reverse"] = p.records["reverse"][:1] }, []string{"fail reverse-mismatch"}, []string{"mail.school.example.jp A 192.0.2.25"}},
	{"on a blocklist", func(p *place) { p.records["list"] = []string{"25.2.0.192." + list + ". A 127.0.0.2"} }, []string{"fail listed"}, []string{"https://list.example.net/remove"}},
	{"a home line on a blocklist", func(p *place) { p.records["list"] = []string{"25.2.0.192." + list + ". A 127.0.0.10"} }, []string{"fail listed-home"}, []string{"port 587"}},
	{"a list that lists everybody", func(p *place) {
		p.records["list"] = []string{"25.2.0.192." + list + ". A 127.0.0.2", "1.0.0.127." + list + ". A 127.0.0.2"}
	}, nil, nil},
	{"a resolver that answers for every name", func(p *place) { p.records["list"] = []string{"25.2.0.192." + list + ". A 203.0.113.80"} }, nil, nil},

	{"port 25 open", func(p *place) { p.Setup.Relay.Port, p.ports = 25, []string{"25"} }, []string{"warn port25-used"}, nil},
	{"a relay that is away", func(p *place) { p.ports = nil }, []string{"fail relay-down"}, nil},
	{"a relay that is misspelt", func(p *place) { p.Setup.Relay.Host = "no.example.net" }, []string{"fail relay-name"}, nil},
	{"a relay without STARTTLS", func(p *place) { p.cert = nil }, []string{"fail starttls-missing"}, nil},
	{"a relay with a certificate of somebody else", func(p *place) { p.Setup.Relay.RootCAs = x509.NewCertPool() }, []string{"fail relay-certificate"}, nil},
	{"a certificate that does not hold, and no password", func(p *place) {
		p.Setup.Relay.RootCAs, p.Setup.Relay.User, p.relay.want = x509.NewCertPool(), "", false
	}, []string{"warn relay-certificate"}, nil},
	{"a wrong password", func(p *place) { p.Setup.Relay.Password = "no" }, []string{"fail auth-refused"}, nil},
	{"a port without sign-in", func(p *place) { p.relay.auth = nil }, []string{"fail auth-missing"}, nil},
	{"a From that the relay does not take", func(p *place) {
		p.relay.from = &smtp.SMTPError{Code: 553, EnhancedCode: smtp.EnhancedCode{5, 1, 8}, Message: "not your domain"}
	}, []string{"fail from-refused"}, []string{"not your domain"}},
	{"implicit TLS", func(p *place) { p.Setup.Relay.Port, p.Setup.Relay.TLS, p.ports = 465, true, []string{"465"} }, nil, nil},
	{"TLS spoken to a port in clear", func(p *place) { p.Setup.Relay.TLS = true }, []string{"fail relay-certificate"}, nil},
	{"clear speech to a port of TLS", func(p *place) { p.Setup.Relay.Port, p.ports = 465, []string{"465"} }, []string{"fail relay-greeting"}, []string{"smtps:// for 465"}},

	{"certificates about to end", func(p *place) { p.now = p.now.Add(80 * 24 * time.Hour) }, []string{"warn relay-certificate-ends", "warn web-certificate-ends"}, nil},
	{"a certificate of the pages that does not hold", func(p *place) { p.WebCAs = x509.NewCertPool() }, []string{"fail web-certificate"}, nil},
	{"pages that cannot be reached", func(p *place) { p.Web = "https://elsewhere.example.jp" }, []string{"unknown web-unreachable"}, nil},
	{"pages in clear", func(p *place) { p.Web = "http://todoku.school.example.jp" }, []string{"warn web-clear"}, nil},
	{"pages of this machine alone", func(p *place) { p.Web = "http://127.0.0.1:8080" }, nil, nil},

	{"a clock a minute off", func(p *place) { p.Clock = offBy(-time.Minute, nil) }, []string{"fail clock-wrong"}, nil},
	{"a clock ten seconds off", func(p *place) { p.Clock = offBy(10*time.Second, nil) }, []string{"warn clock-wrong"}, nil},
	{"no time server", func(p *place) { p.Clock = offBy(0, io.ErrUnexpectedEOF) }, []string{"unknown clock-unknown"}, nil},
	{"a full disk", func(p *place) { p.Disk = room(100<<20, 1<<20) }, []string{"fail disk-full"}, nil},
	{"a disk that a backup would fill", func(p *place) { p.Disk = room(5<<30, 4<<30) }, []string{"warn disk-low"}, nil},
	{"no backup", func(p *place) { p.Backup = func() (time.Time, error) { return time.Time{}, nil } }, []string{"warn backup-none"}, nil},
	{"an old backup", func(p *place) { p.Backup = p.before(3 * 24 * time.Hour) }, []string{"warn backup-old"}, nil},
	{"a forgotten backup", func(p *place) { p.Backup = p.before(30 * 24 * time.Hour) }, []string{"fail backup-old"}, []string{"30 days old"}},
}

func offBy(d time.Duration, err error) func(context.Context) (time.Duration, error) {
	return func(context.Context) (time.Duration, error) { return d, err }
}

func room(free, used uint64) func() (Disk, error) {
	return func() (Disk, error) { return Disk{free, used}, nil }
}

func (p *place) before(d time.Duration) func() (time.Time, error) {
	return func() (time.Time, error) { return p.now.Add(-d), nil }
}

func TestExamine(t *testing.T) {
	provoked := map[string]bool{}
	for _, tt := range cases {
		t.Run(tt.name, func(t *testing.T) {
			p := newPlace(t)
			tt.change(p)
			rep := p.examine()
			var got []string
			text := ""
			for _, f := range rep.Findings {
				provoked[f.ID] = true
				got = append(got, string(f.Level)+" "+f.ID)
				text += f.What.EN + "\n" + f.Why.EN + "\n" + f.Fix.EN + "\n" + f.Record + "\n" + f.Link + "\n"
				for _, s := range []string{f.What.JA, f.What.EN, f.Why.JA, f.Why.EN, f.Fix.JA, f.Fix.EN, f.Link, f.Check} {
					if s == "" || strings.Contains(s, "%!") {
						t.Errorf("%s: %q", f.ID, s)
					}
				}
			}
			slices.Sort(got)
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s\n%s", diff, text)
			}
			for _, s := range tt.says {
				if !strings.Contains(text, s) {
					t.Errorf("it does not say %q:\n%s", s, text)
				}
			}
		})
	}
	for id := range ids(t) {
		if !provoked[id] {
			t.Errorf("no case provokes %s", id)
		}
	}
}

// ids are those of all findings, as they stand in the source.
func ids(t *testing.T) map[string]bool {
	t.Helper()
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]bool{}
	pattern := regexp.MustCompile(`(?:ID: |f\.ID(?:, f\.\w+)* = |x\.fault\()"([a-z0-9-]+)"`)
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(f, "_test.go") {
			continue
		}
		for _, m := range pattern.FindAllSubmatch(text, -1) {
			found[string(m[1])] = true
		}
	}
	if len(found) < 40 {
		t.Errorf("only %d ids found: %v", len(found), slices.Sorted(maps.Keys(found)))
	}
	return found
}
