package incoming

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/japanese"

	"github.com/todoku/todoku/shared/address"
)

// raw writes a mail: header fields, an empty line, a body; lines in CRLF.
func raw(lines ...string) []byte { return []byte(strings.Join(lines, "\r\n")) }

func in(t testing.TB, e encoding.Encoding, s string) string {
	t.Helper()
	out, err := e.NewEncoder().String(s)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func word(charset, s string) string {
	return "=?" + charset + "?B?" + base64.StdEncoding.EncodeToString([]byte(s)) + "?="
}

var envelope = Envelope{From: "hanako@docomo.ne.jp", To: []string{"7k3mp9qxzt@in.example.jp"}}

const said = "登録をお願いします。\n> 引用された行\n山田花子"

func TestText(t *testing.T) {
	jis, sjis, euc := in(t, japanese.ISO2022JP, said), in(t, japanese.ShiftJIS, said), in(t, japanese.EUCJP, said)
	crlf := func(s string) string { return strings.ReplaceAll(s, "\n", "\r\n") }
	const from = "From: hanako@docomo.ne.jp"
	tests := map[string]struct {
		mail []byte
		want string
	}{
		"an empty mail":           {raw(from, "To: x", "", ""), ""},
		"not even an empty line":  {raw(from, "To: x", ""), ""},
		"ISO-2022-JP":             {raw(from, "Content-Type: text/plain; charset=ISO-2022-JP", "", crlf(jis)), said},
		"ISO-2022-JP, not said":   {raw(from, "", crlf(jis)), said},
		"Shift_JIS":               {raw(from, "Content-Type: text/plain; charset=Shift_JIS", "Content-Transfer-Encoding: 8bit", "", crlf(sjis)), said},
		"Shift_JIS, called cp932": {raw(from, "Content-Type: text/plain; charset=cp932", "", crlf(sjis)), said},
		"Shift_JIS, not said":     {raw(from, "", crlf(sjis)), said},
		"EUC-JP":                  {raw(from, "Content-Type: text/plain; charset=euc-jp", "", crlf(euc)), said},
		"UTF-8":                   {raw(from, "Content-Type: text/plain; charset=utf-8", "", crlf(said)), said},
		"UTF-8, called ASCII":     {raw(from, "Content-Type: text/plain; charset=us-ascii", "", crlf(said)), said},
		"a charset that is none":  {raw(from, "Content-Type: text/plain; charset=x-nonsense", "", crlf(said)), said},
		"base64":                  {raw(from, "Content-Type: text/plain; charset=utf-8", "Content-Transfer-Encoding: base64", "", base64.StdEncoding.EncodeToString([]byte(said))), said},
		"base64, cut off":         {raw(from, "Content-Transfer-Encoding: base64", "", "aGVsbG8gd29ybGQ"), "hello world"[:9]},
		"quoted-printable":        {raw(from, "Content-Transfer-Encoding: quoted-printable", "", "a=3Db=", "c"), "a=bc"},
		"HTML alone": {raw(from, "Content-Type: text/html; charset=utf-8", "",
			"<html><head><title>x</title><style>p{}</style></head><body><p>は&amp;い</p><div>次<br>行</div><script>alert(1)</script>"), "は&い\n\n次\n行"},
		"the text of two": {raw(from, `Content-Type: multipart/alternative; boundary="b"`, "", "--b",
			"Content-Type: text/html", "", "<b>html</b>", "--b", "Content-Type: text/plain", "", "text", "--b--", ""), "text"},
		"an attachment": {raw(from, `Content-Type: multipart/mixed; boundary=b`, "", "--b", "Content-Type: text/plain; name=a.txt",
			"Content-Disposition: attachment; filename=a.txt", "", "attached", "--b", "Content-Type: text/plain", "", "said", "--b--"), "said"},
		"a picture alone":     {raw(from, "Content-Type: image/png", "", "\x89PNG"), ""},
		"a boundary too few":  {raw(from, "Content-Type: multipart/mixed", "", "--b", "", "x"), ""},
		"control characters":  {raw(from, "", "a\x00b\x1bc\x07"), "abc"},
		"nested twenty times": {raw(from, nested(20)), ""},
		"nested twice":        {raw(from, nested(2)), "deep"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			m, err := Read(tt.mail, envelope)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, m.Text); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// nested returns the rest of a mail with parts within parts.
func nested(depth int) string {
	s := "Content-Type: text/plain\r\n\r\ndeep"
	for i := range depth {
		s = fmt.Sprintf("Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n%s\r\n--b%d--\r\n", i, i, s, i)
	}
	return s
}

func TestSubject(t *testing.T) {
	for name, tt := range map[string]struct{ field, want string }{
		"plain":           {"register", "register"},
		"ISO-2022-JP":     {word("ISO-2022-JP", in(t, japanese.ISO2022JP, "登録")), "登録"},
		"Shift_JIS":       {word("Shift_JIS", in(t, japanese.ShiftJIS, "登録")), "登録"},
		"raw Shift_JIS":   {in(t, japanese.ShiftJIS, "登録"), "登録"},
		"two words":       {word("utf-8", "登") + " " + word("utf-8", "録"), "登録"},
		"a hidden line":   {word("utf-8", "a\r\nBcc: x"), "a Bcc: x"},
		"a broken word":   {"=?utf-8?B?!!!?=", "=?utf-8?B?!!!?="},
		"without an end":  {strings.Repeat("あ", 5000), strings.Repeat("あ", MaxSubject/3)},
		"an odd encoding": {word("x-nonsense", "abc"), "abc"},
	} {
		t.Run(name, func(t *testing.T) {
			m, err := Read(raw("From: a@example.jp", "Subject: "+tt.field, "", ""), envelope)
			if err != nil || m.Subject != tt.want {
				t.Errorf("%q, want %q; %v", m.Subject, tt.want, err)
			}
		})
	}
}

func TestDate(t *testing.T) {
	for name, tt := range map[string]struct{ header, want string }{
		"in Japan":         {"Date: Mon, 6 Apr 2026 08:31:05 +0900", "2026-04-05T23:31:05Z"},
		"with a comment":   {"Date: Mon, 06 Apr 2026 08:31:05 +0900 (JST)", "2026-04-05T23:31:05Z"},
		"without a day":    {"Date: 6 Apr 2026 08:31 GMT", "2026-04-06T08:31:00Z"},
		"none":             {"X: y", "0001-01-01T00:00:00Z"},
		"in words":         {"Date: yesterday", "0001-01-01T00:00:00Z"},
		"not of this kind": {"Date: 2026-04-06 08:31:05", "0001-01-01T00:00:00Z"},
	} {
		t.Run(name, func(t *testing.T) {
			m, err := Read(raw("From: a@example.jp", tt.header, "", ""), envelope)
			if got := m.Date.Format(time.RFC3339); err != nil || got != tt.want {
				t.Errorf("%s, want %s; %v", got, tt.want, err)
			}
		})
	}
}

func TestSender(t *testing.T) {
	jis := word("ISO-2022-JP", in(t, japanese.ISO2022JP, "山田花子"))
	for name, tt := range map[string]struct{ header, want string }{
		"bare":                        {"From: hanako@docomo.ne.jp", "hanako@docomo.ne.jp"},
		"with a name":                 {"From: " + jis + " <hanako@docomo.ne.jp>", "hanako@docomo.ne.jp"},
		"with a raw name":             {"From: 山田 花子 <hanako@docomo.ne.jp>", "hanako@docomo.ne.jp"},
		"two dots, quoted":            {`From: "ha..nako"@docomo.ne.jp`, "ha..nako@docomo.ne.jp"},
		"two dots, bare":              {"From: ha..nako@docomo.ne.jp", "ha..nako@docomo.ne.jp"},
		"two dots, with a name":       {"From: " + jis + " <ha..nako.@docomo.ne.jp>", "ha..nako.@docomo.ne.jp"},
		"a comment":                   {"From: hanako@docomo.ne.jp (Hanako <x@example.jp>)", "hanako@docomo.ne.jp"},
		"an address in the name":      {`From: "<x@example.jp>" <hanako@docomo.ne.jp>`, "hanako@docomo.ne.jp"},
		"an address in an odd name":   {"From: " + word("utf-8", "<x@example.jp>") + " <hanako@docomo.ne.jp>", "hanako@docomo.ne.jp"},
		"none":                        {"To: a@example.jp", ""},
		"empty":                       {"From:", ""},
		"two":                         {"From: a@example.jp, b@example.jp", ""},
		"two fields":                  {"From: a@example.jp\r\nFrom: b@example.jp", ""},
		"two, with dots":              {"From: a..b@docomo.ne.jp, <c..d@docomo.ne.jp>", ""},
		"a name with a second":        {"From: x@example.jp <ha..nako@docomo.ne.jp>", ""},
		"dots where there are none":   {"From: ha..nako@gmail.com", ""},
		"no address":                  {"From: hanako", ""},
		"a domain without an ending":  {"From: hanako@localhost", ""},
		"a group without an end":      {"From: undisclosed: a@example.jp", ""},
		"brackets in brackets":        {"From: <<a..b@docomo.ne.jp>>", ""},
		"an address and a line break": {"From: a@example.jp\r\n b@example.jp", ""},
		"capitals":                    {"From: Hanako@DOCOMO.ne.jp", "Hanako@docomo.ne.jp"},
		"in Japanese":                 {"From: hanako@日本語.jp", "hanako@xn--wgv71a119e.jp"},
		"a link of another domain":    {`From: "mailto:hanako@docomo.ne.jp?"@example.com`, ""},
		"letters of full width":       {"From: hanako@ｄｏｃｏｍｏ.ne.jp", ""},
		"a Japanese full stop":        {"From: hanako@docomo。ne。jp", ""},
		"a blank that is not seen":    {"From: hanako@doco\u200bmo.ne.jp", ""},
		"a Kelvin sign":               {"From: hanako@boo\u212as.example.jp", ""},
	} {
		t.Run(name, func(t *testing.T) {
			m, err := Read(raw(tt.header, "Subject: x", "", "text"), envelope)
			if (tt.want == "") != errors.Is(err, ErrFrom) || err != nil && tt.want != "" {
				t.Fatalf("%v", err)
			}
			if got := m.Sender; tt.want != "" && got.Local+"@"+got.Domain != tt.want {
				t.Errorf("%v, want %s", got, tt.want)
			}
			if m.Text != "text" {
				t.Errorf("text %q", m.Text)
			}
		})
	}
}

func TestAutomatic(t *testing.T) {
	person := func(from string) Envelope { return Envelope{From: from, To: envelope.To} }
	for name, tt := range map[string]struct {
		field string
		from  string
		auto  bool
	}{
		"a person":             {"X-Mailer: docomo", "hanako@docomo.ne.jp", false},
		"says that it is none": {"Auto-Submitted: no", "hanako@docomo.ne.jp", false},
		"normal precedence":    {"Precedence: normal", "hanako@docomo.ne.jp", false},
		"a name like a list":   {"X-Mailer: x", "request-hanako@docomo.ne.jp", false},
		"vacation":             {"Auto-Submitted: auto-replied; owner=x (comment)", "hanako@docomo.ne.jp", true},
		"generated":            {"auto-submitted: AUTO-GENERATED", "hanako@docomo.ne.jp", true},
		"bulk":                 {"Precedence: bulk", "hanako@docomo.ne.jp", true},
		"list":                 {"List-Id: <pta.example.jp>", "hanako@docomo.ne.jp", true},
		"unsubscribe":          {"List-Unsubscribe: <https://example.jp>", "hanako@docomo.ne.jp", true},
		"ours, come back":      {"X-Todoku-join: 01J", "hanako@docomo.ne.jp", true},
		"a bounce":             {"X-Mailer: x", "", true},
		"mailer-daemon":        {"X-Mailer: x", "MAILER-DAEMON@docomo.ne.jp", true},
		"no reply":             {"X-Mailer: x", "no-reply@example.jp", true},
		"a list's owner":       {"X-Mailer: x", "pta-bounces@example.jp", true},
	} {
		t.Run(name, func(t *testing.T) {
			m, err := Read(raw("From: hanako@docomo.ne.jp", tt.field, "", ""), person(tt.from))
			if err != nil || (m.Automatic != "") != tt.auto {
				t.Errorf("automatic %q, want %v; %v", m.Automatic, tt.auto, err)
			}
		})
	}
}

func TestForged(t *testing.T) {
	for name, tt := range map[string]struct {
		v      Verdicts
		forged bool
	}{
		"nothing known":                {Verdicts{}, false},
		"all pass":                     {Verdicts{SPF: Pass, DKIM: Pass, DMARC: Pass}, false},
		"DMARC fails":                  {Verdicts{SPF: Pass, DKIM: Pass, DMARC: Fail}, true},
		"forwarded, signed":            {Verdicts{SPF: Fail, DKIM: Pass}, false},
		"SPF fails, nothing else":      {Verdicts{SPF: Fail}, true},
		"SPF fails, DMARC by DKIM":     {Verdicts{SPF: Fail, DKIM: Pass, DMARC: Pass}, false},
		"a broken signature, SPF good": {Verdicts{SPF: Pass, DKIM: Fail}, false},
		"spam":                         {Verdicts{DMARC: Pass, Spam: Fail}, true},
		"a virus":                      {Verdicts{DMARC: Pass, Virus: Fail}, true},
	} {
		if got := tt.v.Forged(); got != tt.forged {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestLimits(t *testing.T) {
	if _, err := Read(make([]byte, MaxBytes+1), envelope); !errors.Is(err, ErrTooLarge) {
		t.Errorf("too large: %v", err)
	}
	for name, b := range map[string][]byte{"nothing": nil, "no header": raw("", "text"), "binary": []byte("\x00\x01\x02")} {
		if _, err := Read(b, envelope); err == nil {
			t.Errorf("%s is taken for a mail", name)
		}
	}
	long := raw("From: a@example.jp", "", strings.Repeat("あ", MaxBytes/3-20))
	m, err := Read(long, envelope)
	if err != nil || len(m.Text) > MaxText || !strings.HasPrefix(m.Text, "ああ") || !utf8.ValidString(m.Text) {
		t.Errorf("a long text: %d bytes, %v", len(m.Text), err)
	}
	many := append(raw("From: a@example.jp", "Content-Type: multipart/mixed; boundary=b", ""), strings.Repeat("\r\n--b\r\n\r\n", 10_000)...)
	if _, err := Read(many, envelope); err != nil {
		t.Errorf("many parts: %v", err)
	}
}

// FuzzRead: whatever comes, reading ends without a panic, and what it returns keeps
// its limits and can be mailed.
func FuzzRead(f *testing.F) {
	f.Add(raw("From: "+word("ISO-2022-JP", in(f, japanese.ISO2022JP, "山田"))+" <a..b@docomo.ne.jp>", "Subject: x", "", said))
	f.Add(raw("From: a@example.jp", `Content-Type: multipart/alternative; boundary="b"`, "", "--b", "Content-Type: text/html", "", "<p>x", "--b--"))
	f.Add(raw("From: a@example.jp", "Content-Transfer-Encoding: base64", "Content-Type: text/plain; charset=cp932", "", "gqA="))
	f.Add(raw("From: a@example.jp", nested(7)))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := Read(b, envelope)
		if len(m.Text) > MaxText || len(m.Subject) > MaxSubject || strings.ContainsAny(m.Subject, "\r\n") || strings.Contains(m.Text, "\r") {
			t.Errorf("limits: %d %d", len(m.Text), len(m.Subject))
		}
		if !utf8.ValidString(m.Text) || !utf8.ValidString(m.Subject) || !utf8.ValidString(m.ID) {
			t.Error("not UTF-8")
		}
		if err != nil {
			return
		}
		again, err := address.Parse(m.Sender.String())
		if err != nil || again.Key() != m.Sender.Key() {
			t.Errorf("a sender that is no address: %v", err)
		}
	})
}
