package smtp

import (
	"bufio"
	"encoding/pem"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/todoku/todoku/shared/mail"
	"github.com/todoku/todoku/shared/mail/mailtest"
	"github.com/todoku/todoku/shared/problem"
)

func TestRefusal(t *testing.T) {
	tests := []struct {
		name string
		at   stage
		r    reply
		want string
	}{
		{"greeting", atConnect, reply{554, "5.7.1 go away"}, "operator 554 5.7.1"},
		{"hello", atHello, reply{501, "bad name"}, "operator 501"},
		{"password", atAuth, reply{535, "5.7.8 wrong"}, "operator 535 5.7.8"},
		{"STARTTLS for the moment", atTLS, reply{454, "4.7.0 no TLS"}, "operator 454 4.7.0"},
		{"storage", atMail, reply{452, "4.3.1 no space"}, "operator 452 4.3.1"},
		{"rate", atMail, reply{450, "4.7.1 too much mail"}, "operator 450 4.7.1"},
		{"one sender's domain, for the moment", atMail, reply{450, "4.1.8 domain not found"}, "temporary 450 4.1.8"},
		{"one sender's address", atMail, reply{553, "5.7.1 not owned by user"}, "temporary 553 5.7.1"},
		{"login missing", atMail, reply{530, "5.7.0 log in"}, "operator 530 5.7.0"},
		{"too large", atMail, reply{552, "5.3.4 too big"}, "permanent 552 5.3.4"},
		{"too large, without a status", atMail, reply{552, "too big"}, "permanent 552"},
		{"parameter", atMail, reply{555, "what is SIZE"}, "temporary 555"},
		{"unknown user", atRcpt, reply{550, "5.1.1 unknown"}, "permanent 550 5.1.1"},
		{"unknown user, Postfix's words", atRcpt, reply{550, "5.1.1 User unknown in relay recipient table"}, "permanent 550 5.1.1"},
		{"greylisted", atRcpt, reply{450, "4.2.0 greylisted"}, "temporary 450 4.2.0"},
		{"policy of one recipient", atRcpt, reply{550, "5.7.1 not wanted"}, "permanent 550 5.7.1"},
		{"Postfix does not know us", atRcpt, reply{554, "5.7.1 <x@y.jp>: Relay access denied"}, "operator 554 5.7.1"},
		{"Exim does not know us", atRcpt, reply{550, "relay not permitted"}, "operator 550"},
		{"Sendmail does not know us", atRcpt, reply{550, "5.7.1 Relaying denied"}, "operator 550 5.7.1"},
		{"Exchange does not know us", atRcpt, reply{550, "5.7.1 Unable to relay"}, "operator 550 5.7.1"},
		{"login missing at RCPT", atRcpt, reply{530, "5.7.0 log in"}, "operator 530 5.7.0"},
		{"sender checked at RCPT", atRcpt, reply{550, "5.1.8 sender's domain not found"}, "temporary 550 5.1.8"},
		{"deferred", atRcpt, reply{421, "4.7.28 rate"}, "temporary 421 4.7.28"},
		{"no recipients", atData, reply{554, "no valid recipients"}, "permanent 554"},
		{"content", atDot, reply{550, "5.7.515 DMARC"}, "permanent 550 5.7.515"},
		{"mailbox full", atDot, reply{452, "4.2.2 full"}, "temporary 452 4.2.2"},
		{"allowance used up", atDot, reply{550, "5.4.5 daily limit"}, "operator 550 5.4.5"},
		{"system not accepting", atDot, reply{554, "5.3.2 closed"}, "operator 554 5.3.2"},
		{"status of another class", atRcpt, reply{550, "4.1.1 what"}, "permanent 550"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e := refusal(tt.at, tt.r)
			if got := describe(e); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
			if e.Maybe || e.Permanent && e.Scope == mail.ScopeOperator {
				t.Errorf("got %+v", e)
			}
		})
	}
}

func TestLost(t *testing.T) {
	tests := []struct {
		at   stage
		want string
	}{
		{atConnect, "operator 0"}, {atHello, "operator 0"}, {atTLS, "operator 0"}, {atAuth, "operator 0"},
		{atMail, "operator 0"}, {atRcpt, "temporary 0"}, {atData, "temporary 0"}, {atDot, "maybe"},
	}
	cause := errors.New("reset by peer")
	for _, tt := range tests {
		t.Run(tt.at.String(), func(t *testing.T) {
			e := lost(tt.at, cause)
			if got := describe(e); got != tt.want || !errors.Is(e, cause) {
				t.Errorf("got %q (%v), want %q", got, e, tt.want)
			}
		})
	}
}

func TestReadReply(t *testing.T) {
	tests := []struct {
		name, in string
		want     reply
		fails    bool
	}{
		{"one line", "250 ok\r\n", reply{250, "ok"}, false},
		{"no text", "250\r\n", reply{250, ""}, false},
		{"no CR", "250 ok\n", reply{250, "ok"}, false},
		{"several lines", "250-a\r\n250-b\r\n250 c\r\n", reply{250, "a\nb\nc"}, false},
		{"line cut at the buffer", "250 " + strings.Repeat("x", 6000) + "\r\n", reply{250, strings.Repeat("x", 4092)}, false},
		{"codes differ", "250-a\r\n550 b\r\n", reply{}, true},
		{"no digits", "abc def\r\n", reply{}, true},
		{"code too low", "150 x\r\n", reply{}, true},
		{"code too high", "650 x\r\n", reply{}, true},
		{"four digits", "2500 x\r\n", reply{}, true},
		{"too short", "25\r\n", reply{}, true},
		{"nothing", "", reply{}, true},
		{"cut off", "250 o", reply{}, true},
		{"cut off after a line", "250-a\r\n", reply{}, true},
		{"too many lines", strings.Repeat("250-a\r\n", maxReplyLines) + "250 b\r\n", reply{}, true},
		{"too many octets", "250 " + strings.Repeat("x", maxReplyOctets) + "\r\n", reply{}, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := readReply(bufio.NewReader(strings.NewReader(tt.in)))
			if got != tt.want || tt.fails != (err != nil) {
				t.Errorf("got %.80v, %v; want %.80v", got, err, tt.want)
			}
		})
	}
}

func TestWordsOfReply(t *testing.T) {
	tests := []struct {
		name         string
		r            reply
		status, text string
	}{
		{"none", reply{550, "no"}, "", "no"},
		{"one line", reply{550, "5.1.1 no"}, "5.1.1", "no"},
		{"alone", reply{550, "5.1.1"}, "5.1.1", ""},
		{"each line", reply{550, "5.1.1 no\n5.1.1 never"}, "5.1.1", "no never"},
		{"long detail", reply{550, "5.7.515 no"}, "5.7.515", "no"},
		{"not a status", reply{550, "5.1 no"}, "", "5.1 no"},
		{"a version", reply{550, "5.1.2345 no"}, "", "5.1.2345 no"},
		{"an address", reply{550, "5.1.1 <taro@docomo.ne.jp>... unknown: taro＠docomo"}, "5.1.1", "(address) unknown: (address)"},
		{"control and invisible characters", reply{550, "a\x00b\x1b[31mc\u202ed\u200be\tf"}, "", "a b [31mc d e f"},
		{"not UTF-8", reply{550, "a\xffb"}, "", "a?b"},
		{"long", reply{550, strings.Repeat("長", 300)}, "", strings.Repeat("長", mail.MaxWords-1) + "…"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e := refusal(atRcpt, tt.r)
			if e.Enhanced != tt.status || e.Text != tt.text {
				t.Errorf("got %q, %q; want %q, %q", e.Enhanced, e.Text, tt.status, tt.text)
			}
		})
	}
}

func TestStuffing(t *testing.T) {
	tests := []struct{ in, want string }{
		{"", ""},
		{"a\r\n", "a\r\n"},
		{".\r\n", "..\r\n"},
		{"a\r\n.\r\n..b\r\n.c.d\r\n", "a\r\n..\r\n...b\r\n..c.d\r\n"},
	}
	for _, tt := range tests {
		if got := string(appendStuffed(nil, []byte(tt.in))); got != tt.want {
			t.Errorf("%q: got %q, want %q", tt.in, got, tt.want)
		}
	}
}

// TestExtensions holds that only what the relay knows is asked of it.
func TestExtensions(t *testing.T) {
	offers := func(extensions string) string {
		return greet + "C: EHLO localhost\nS: 250-relay\n" + extensions + "S: 250 HELP\n"
	}
	send := "S: 250 ok\nC: RCPT\nS: 250 ok\nC: DATA\nS: 354 go on\n" + body(0) + taken + "wait"
	tests := []struct {
		name   string
		script string
		to     string
		want   string
	}{
		{"size", offers("S: 250-SIZE 100000\n") + "C: MAIL FROM:<alert@midori.example.jp> SIZE=1\n" + send, "a@b.jp", "sent"},
		{"size without a limit", offers("S: 250-SIZE\n") + "C: MAIL FROM:<alert@midori.example.jp> SIZE=1\n" + send, "a@b.jp", "sent"},
		{"size zero is no limit", offers("S: 250-size 0\n") + "C: MAIL FROM:<alert@midori.example.jp> SIZE=1\n" + send, "a@b.jp", "sent"},
		{"too large", offers("S: 250-SIZE 500\n") + "C: QUIT\n", "a@b.jp", "permanent 0 5.3.4"},
		{"UTF-8 not offered", offers("") + "C: QUIT\n", "山田@例え.jp", "permanent 0 5.6.7"},
		{"UTF-8 offered", offers("S: 250-SMTPUTF8\n") + "C: MAIL FROM:<alert@midori.example.jp> BODY=8BITMIME SMTPUTF8\n" + send, "山田@例え.jp", "sent"},
		{"nothing offered", offers("") + "C: MAIL FROM:<alert@midori.example.jp>\n" + send, `"a..b"@docomo.ne.jp`, "sent"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			// Sizes begin with 1: the Letter has 1,000 to 1,999 octets.
			against(t, Config{}, []string{tt.script}, func(t *testing.T, r *Relay) {
				m := mailtest.Letter(0)
				m.To.Address = tt.to
				if got := describe(r.Send(t.Context(), m)); got != tt.want {
					t.Errorf("got %q, want %q", got, tt.want)
				}
			})
		})
	}
}

// TestNoWordsBeforeTLS plays somebody in between who adds a reply in clear, to be
// taken for one under TLS.
func TestNoWordsBeforeTLS(t *testing.T) {
	script := greet + "C: EHLO\nS: 250-relay\nS: 250 STARTTLS\nC: STARTTLS\nS: 220 go on|250 relay\nwait"
	against(t, Config{TLS: Required}, []string{script}, func(t *testing.T, r *Relay) {
		err := r.Check(t.Context())
		if describe(err) != "operator 0" || !strings.Contains(err.Error(), "out of turn") {
			t.Errorf("got %v", err)
		}
	})
}

func TestParseURL(t *testing.T) {
	empty := filepath.Join(t.TempDir(), "empty.pem")
	if err := os.WriteFile(empty, []byte("no certificate"), 0o600); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		url  string
		want Config
	}{
		{"smtp://relay.example.jp", Config{Host: "relay.example.jp", Port: 587, TLS: Opportunistic}},
		{"smtp://127.0.0.1:2525", Config{Host: "127.0.0.1", Port: 2525, TLS: Opportunistic}},
		{"smtp://u:p@relay.example.jp:25", Config{Host: "relay.example.jp", Port: 25, User: "u", Password: "p", TLS: Required}},
		{"smtp://u%40s.jp:p%2Fw@relay.example.jp/", Config{Host: "relay.example.jp", Port: 587, User: "u@s.jp", Password: "p/w", TLS: Required}},
		{"smtp://u:p@localhost", Config{Host: "localhost", Port: 587, User: "u", Password: "p", TLS: Opportunistic}},
		{"smtp://u:p@[::1]", Config{Host: "::1", Port: 587, User: "u", Password: "p", TLS: Opportunistic}},
		{"smtp://u:p@relay.example.jp?starttls=off", Config{Host: "relay.example.jp", Port: 587, User: "u", Password: "p", TLS: Off}},
		{"smtp://relay.example.jp?starttls=required", Config{Host: "relay.example.jp", Port: 587, TLS: Required}},
		{"smtps://u:p@relay.example.jp", Config{Host: "relay.example.jp", Port: 465, User: "u", Password: "p", TLS: Implicit}},
		{"smtp://localhost?helo=office.example.jp&conns=20&per-conn=500&patience=0.1",
			Config{Host: "localhost", Port: 587, TLS: Opportunistic, Helo: "office.example.jp", Conns: 20, MessagesPerConn: 500, Patience: 0.1}},
	}
	for _, tt := range tests {
		t.Run(tt.url, func(t *testing.T) {
			got, err := ParseURL(tt.url)
			if err != nil {
				t.Fatal(err)
			}
			defaults(&tt.want)
			opts := cmpopts.IgnoreFields(Config{}, "Dial", "Now", "Log", "RootCAs", "sessions")
			if diff := cmp.Diff(tt.want, got.withDefaults(), opts); diff != "" {
				t.Errorf("config (-want +got):\n%s", diff)
			}
		})
	}
	for _, url := range []string{
		"", "relay.example.jp", "http://relay.example.jp", "smtp://", "smtp://h/path", "smtp://h#f",
		"smtp://u:secret%zz@h", "smtp://u:secret@h:port", "smtp://h:0", "smtp://h:70000",
		"smtp://h?starttls=maybe", "smtps://h?starttls=off", "smtp://h?conns=0", "smtp://h?conns=x",
		"smtp://h?patience=NaN", "smtp://h?patience=11", "smtp://h?helo=a%0d%0ab", "smtp://h?helo=", "smtp://h?colour=red",
		"smtp://u:secret@h?ca=/nowhere/ca.pem", "smtp://u:secret@h?ca=" + empty,
	} {
		t.Run("refuses "+url, func(t *testing.T) {
			got, err := ParseURL(url)
			if !problem.Is(err, problem.Invalid) || strings.Contains(err.Error(), "secret") {
				t.Errorf("got %+v, %v", got, err)
			}
		})
	}
}

func TestParseURLReadsCertificates(t *testing.T) {
	cert, pool := certificate(t)
	file := filepath.Join(t.TempDir(), "ca.pem")
	block := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Certificate[0]})
	if err := os.WriteFile(file, block, 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := ParseURL("smtps://relay.example.jp?ca=" + file)
	if err != nil || !got.RootCAs.Equal(pool) {
		t.Errorf("got %v, %v", got.RootCAs, err)
	}
}

// defaults fills in the limits that a case does not speak of.
func defaults(c *Config) {
	if c.Conns == 0 {
		c.Conns, c.MessagesPerConn, c.Patience = 10, 50, 1
	}
	c.Idle = 30 * time.Second
}

func TestLogValueHidesCredentials(t *testing.T) {
	c := Config{Host: "relay.example.jp", Port: 587, User: "u", Password: "secret"}
	if got := c.LogValue().String(); got != "relay.example.jp:587" {
		t.Errorf("got %q", got)
	}
}
