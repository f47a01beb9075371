package doctor

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"strconv"
	"strings"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"

	"github.com/todoku/todoku/shared/lang"
)

// Relay is the mail relay.
type Relay struct {
	Host           string
	Port           int
	User, Password string
	TLS            bool // from the first octet (RFC 8314)
	Clear          bool // never encrypted, on purpose
	RootCAs        *x509.CertPool
}

func (r Relay) at(port int) string { return net.JoinHostPort(r.Host, strconv.Itoa(port)) }

// The ports of SMTP.
const (
	portTransfer   = 25
	portSubmission = 587
	portImplicit   = 465
)

var whyRelay = lang.Text{
	JA: "この中継サーバーが受け取らない間、保護者には1通も届きません。",
	EN: "While the relay does not take mail, no guardian gets any.",
}

func (x *exam) fault(id string, level Level, link, ja, en string, args ...any) Finding {
	return Finding{
		Check: "relay", ID: id, Level: level, About: x.Relay.at(x.Relay.Port), Why: whyRelay, Link: link,
		What: lang.T(ja, en, args...),
	}
}

// rfcPort25 says why access providers close port 25, and what is for their customers.
const rfcPort25 = "https://www.rfc-editor.org/rfc/rfc5068#section-3.1"

const rfcSubmission = "https://www.rfc-editor.org/rfc/rfc6409#section-"

// relay looks whether the relay takes mail of the school. None is sent.
func (x *exam) relay(ctx context.Context) {
	r := x.Setup.Relay
	if r == nil {
		return
	}
	conn, err := x.connect(ctx, r.Port)
	if err != nil {
		x.find(x.unreachable(ctx, err))
		return
	}
	if r.Port == portTransfer && !private(r.Host) {
		f := x.fault("port25-used", Warn, rfcPort25,
			"メールの送信に25番ポートを使っています。", "Mail leaves by port 25.")
		f.Why = lang.T("日本のプロバイダーの多くとAWS Lambdaは25番を閉じています（OP25B）。回線を替えた日に、1通も送れなくなります。", "Most providers in Japan, and AWS Lambda, close port 25 (OP25B). On the day on which the line changes, nothing leaves any more.")
		f.Fix = lang.T("-smtp smtp://利用者:パスワード@%s:587 にしてください。", "Use -smtp smtp://user:password@%s:587.", r.Host)
		x.find(f)
	}
	x.talk(ctx, conn)
}

func (x *exam) connect(ctx context.Context, port int) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, perStep)
	defer cancel()
	return x.Dial(ctx, "tcp", x.Relay.at(port))
}

// unreachable says why nobody answers, and what does instead.
func (x *exam) unreachable(ctx context.Context, err error) Finding {
	r := x.Setup.Relay
	var dns *net.DNSError
	if errors.As(err, &dns) {
		f := x.fault("relay-name", Fail, "https://www.rfc-editor.org/rfc/rfc5321#section-5", "メール中継サーバー %s が見つかりません。", "There is no relay %s.", r.Host)
		f.Fix = lang.T("-smtp に書いた名前の綴りを確かめてください。", "Check the spelling of the name in -smtp.")
		return f
	}
	if r.Port == portTransfer {
		f := x.fault("port25-closed", Fail, rfcPort25,
			"%s の25番ポートにつながりません。回線の業者が閉じています（OP25B）。", "Port 25 of %s cannot be reached: it is closed by whoever runs the line (OP25B).", r.Host)
		f.Fix = lang.T("587番を使ってください: -smtp smtp://利用者:パスワード@%s:587", "Use port 587: -smtp smtp://user:password@%s:587", r.Host)
		for port, scheme := range map[int]string{portSubmission: "smtp", portImplicit: "smtps"} {
			if conn, err := x.connect(ctx, port); err == nil {
				_ = conn.Close()
				f.Fix = lang.T("%d番は開いています。こう指定してください: -smtp %s://利用者:パスワード@%s:%[1]d", "Port %d is open. Use -smtp %s://user:password@%s:%[1]d", port, scheme, r.Host)
				break
			}
		}
		return f
	}
	f := x.fault("relay-down", Fail, rfcSubmission+"3", "メール中継サーバー %s につながりません。", "The relay %s cannot be reached.", r.at(r.Port))
	f.Fix = lang.T("ホスト名とポート（587 か 465）、校内のファイアウォール、業者の障害情報を確かめてください。", "Check host and port (587 or 465), the school's firewall, and the provider's status page.")
	return f
}

// talk goes through a session up to the sender's address.
func (x *exam) talk(ctx context.Context, conn net.Conn) {
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	defer func() { _ = conn.Close() }()
	r := x.Setup.Relay
	if r.TLS {
		secure := tls.Client(conn, &tls.Config{ServerName: r.Host, RootCAs: r.RootCAs, MinVersion: tls.VersionTLS12})
		if !x.handshake(ctx, secure) {
			return
		}
		conn = secure
	}
	c := smtp.NewClient(conn)
	c.CommandTimeout = 2 * perStep
	if err := c.Hello(helo(conn)); err != nil {
		f := x.fault("relay-greeting", Fail, "https://www.rfc-editor.org/rfc/rfc5321#section-3.1", "メール中継サーバーが挨拶に応じません: %s", "The relay does not greet back: %s", said(err))
		f.Fix = lang.T("ポートと暗号化の組み合わせを確かめてください。465番は smtps://、587番は smtp:// です。", "Check that port and encryption match: smtps:// for 465, smtp:// for 587.")
		x.find(f)
		return
	}
	if offered, _ := c.Extension("STARTTLS"); !r.TLS && !r.Clear {
		if !offered {
			x.noTLS()
		} else if c = x.startTLS(ctx); c == nil {
			return
		}
	}
	x.signIn(c)
	_ = c.Quit() // the relay may hang up first
}

// helo is the address literal of RFC 5321, section 4.1.3.
func helo(conn net.Conn) string {
	if a, ok := conn.LocalAddr().(*net.TCPAddr); ok && a.IP.To4() != nil {
		return "[" + a.IP.String() + "]"
	}
	return "localhost"
}

func (x *exam) noTLS() {
	r := x.Setup.Relay
	if private(r.Host) {
		return
	}
	f := x.fault("starttls-missing", Warn, "https://www.rfc-editor.org/rfc/rfc8314#section-3", "メール中継サーバーが暗号化（STARTTLS）に応じません。", "The relay does not offer STARTTLS.")
	f.Why = lang.T("保護者への連絡とリンクが、読める形で流れます。パスワードはこのままでは送れません。", "Mails and their links travel in clear, and a password is not sent at all.")
	f.Fix = lang.T("-smtp smtps://利用者:パスワード@%s:465 を試すか、暗号化できる中継サーバーに替えてください。", "Try -smtp smtps://user:password@%s:465, or another relay.", r.Host)
	if r.User != "" {
		f.Level = Fail
	}
	x.find(f)
}

// startTLS begins anew, encrypted; nil: it cannot be. Where no password is at stake,
// mail leaves over a certificate that does not hold as well (see smtp.Policy).
func (x *exam) startTLS(ctx context.Context) *smtp.Client {
	r := x.Setup.Relay
	c, err := x.encrypted(ctx, false)
	if err == nil {
		state, _ := c.TLSConnectionState()
		x.certificate("relay", r.at(r.Port), state.PeerCertificates)
		return c
	}
	if strict := r.User != "" && !private(r.Host); strict {
		x.badTLS(Fail, err)
		return nil
	}
	c, lax := x.encrypted(ctx, true)
	switch {
	case lax != nil:
		x.badTLS(Fail, lax)
		return nil
	case !private(r.Host):
		x.badTLS(Warn, err)
	}
	return c
}

func (x *exam) encrypted(ctx context.Context, lax bool) (*smtp.Client, error) {
	r := x.Setup.Relay
	conn, err := x.connect(ctx, r.Port)
	if err != nil {
		return nil, err
	}
	context.AfterFunc(ctx, func() { _ = conn.Close() })
	//nolint:gosec // only as the relay of package smtp does it
	c, err := smtp.NewClientStartTLS(conn, &tls.Config{ServerName: r.Host, RootCAs: r.RootCAs, MinVersion: tls.VersionTLS12, InsecureSkipVerify: lax})
	if err == nil {
		c.CommandTimeout = 2 * perStep
		err = c.Hello(helo(conn)) // the handshake is done with the first word
	}
	return c, err
}

// handshake encrypts from the first octet.
func (x *exam) handshake(ctx context.Context, conn *tls.Conn) bool {
	ctx, cancel := context.WithTimeout(ctx, perStep)
	defer cancel()
	if err := conn.HandshakeContext(ctx); err != nil {
		x.badTLS(Fail, err)
		return false
	}
	x.certificate("relay", x.Relay.at(x.Relay.Port), conn.ConnectionState().PeerCertificates)
	return true
}

func (x *exam) badTLS(level Level, err error) {
	f := x.fault("relay-certificate", level, "https://www.rfc-editor.org/rfc/rfc7817", "メール中継サーバーの証明書が正しくありません: %s", "The relay's certificate does not hold: %s", tlsReason(err))
	f.Fix = lang.T("-smtp のホスト名が業者の案内どおりか、このマシンの時計が合っているかを確かめ、業者に問い合わせてください。校内の中継サーバーなら、?ca=ファイル で証明書を渡せます。",
		"Check that the host in -smtp is the one that the provider names, and this machine's clock; then ask the provider. For a relay of your own give its certificate with ?ca=FILE.")
	x.find(f)
}

func tlsReason(err error) string {
	var invalid *tls.CertificateVerificationError
	if errors.As(err, &invalid) {
		return invalid.Err.Error()
	}
	return err.Error()
}

// signIn signs in, and offers the school's address.
func (x *exam) signIn(c *smtp.Client) {
	r := x.Setup.Relay
	if r.User != "" && !x.authenticate(c) {
		return
	}
	for _, m := range x.Mails {
		if m.Address == "" {
			continue
		}
		if err := c.Mail(m.Address, nil); err != nil {
			x.find(x.mailRefused(err, m))
			return
		}
		_ = c.Reset() // the next MAIL says what is wrong
	}
	x.saw("relay", r.at(r.Port), "中継サーバーは学校の差出人を受け付けます。", "The relay takes the school's From address.")
}

func (x *exam) authenticate(c *smtp.Client) bool {
	r := x.Setup.Relay
	_, encrypted := c.TLSConnectionState()
	if !encrypted && !r.TLS && !private(r.Host) {
		return false // noTLS has said so; no password in clear
	}
	var client sasl.Client
	switch {
	case c.SupportsAuth(sasl.Plain):
		client = sasl.NewPlainClient("", r.User, r.Password)
	case c.SupportsAuth(sasl.Login):
		client = sasl.NewLoginClient(r.User, r.Password)
	default:
		if _, list := c.Extension("AUTH"); strings.Contains(list, "CRAM-MD5") {
			x.saw("relay", r.at(r.Port), "パスワードは試していません（CRAM-MD5）。", "The password was not tried (CRAM-MD5).")
			return false
		}
		f := x.fault("auth-missing", Fail, "https://www.rfc-editor.org/rfc/rfc4954", "メール中継サーバーのこのポートは、ログイン（AUTH）に応じません。", "The relay does not take a sign-in (AUTH) on this port.")
		f.Fix = lang.T("投稿用のポート（587 か 465）を使うか、-smtp から利用者名とパスワードを除いてください。", "Use the port for submission (587 or 465), or leave user and password out of -smtp.")
		x.find(f)
		return false
	}
	if err := c.Auth(client); err != nil {
		f := x.fault("auth-refused", Fail, "https://www.rfc-editor.org/rfc/rfc4954#section-6", "メール中継サーバーが、利用者名かパスワードを受け付けません: %s", "The relay does not take user and password: %s", said(err))
		f.Fix = lang.T("業者の画面で送信用のパスワード（アプリパスワード）を作り直し、-smtp に書いてください。記号はパーセントエンコーディングで書きます。", "Make a password for sending (an app password) in the provider's console, and put it into -smtp, with reserved characters percent-encoded.")
		x.find(f)
		return false
	}
	return true
}

// mailRefused tells a relay that wants a sign-in from one that does not want the
// address (docs/decisions/0008-smtp.md).
func (x *exam) mailRefused(err error, m Mail) Finding {
	var reply *smtp.SMTPError
	if x.Relay.User == "" && errors.As(err, &reply) && (reply.Code == 530 || reply.EnhancedCode[1] == 7) {
		f := x.fault("auth-needed", Fail, rfcSubmission+"4.3", "メール中継サーバーは、ログイン（AUTH）を求めています: %s", "The relay wants a sign-in (AUTH): %s", said(err))
		f.Fix = lang.T("利用者名とパスワードを加えてください: -smtp smtp://利用者:パスワード@%s:%d", "Add user and password: -smtp smtp://user:password@%s:%d", x.Relay.Host, x.Relay.Port)
		return f
	}
	f := x.fault("from-refused", Fail, rfcSubmission+"6.1", "メール中継サーバーが、差出人のドメイン %s を受け付けません: %s", "The relay does not take the From domain %s: %s", m.From, said(err))
	f.Fix = lang.T("業者の画面で、このドメインを送信元として登録・確認してください。", "Register and verify the domain as a sender in the provider's console.")
	return f
}

// said is what the other side said, in one line.
func said(err error) string { return strings.Join(strings.Fields(err.Error()), " ") }
