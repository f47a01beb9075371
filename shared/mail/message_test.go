package mail_test

import (
	"bytes"
	"errors"
	"io"
	netmail "net/mail"
	"net/textproto"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/todoku/todoku/shared/mail"
)

// letter returns a message as Todoku sends it.
func letter() *mail.Message {
	return &mail.Message{
		ID:          "01JZALERT.01JZCONTACT",
		From:        netmail.Address{Name: "みどり小学校", Address: "alert@midori.example.jp"},
		To:          netmail.Address{Name: "山田太郎", Address: `"a..b"@docomo.ne.jp`},
		ReplyTo:     netmail.Address{Name: "Sato, Hanako", Address: "sato@midori.example.jp"},
		Subject:     "【訓練】大雨のため引き取り下校を行います。安全に気をつけてお迎えをお願いします",
		Text:        "お迎えをお願いします。\n.\n..dots\nhttps://todoku.example.jp/a/x\n",
		HTML:        "<p>お迎えをお願いします。</p>\n",
		Unsubscribe: "https://todoku.example.jp/u/abc",
		OneClick:    true,
		Tags:        map[string]string{"Copy": "01JZ", "Alert": "01JY"},
		Date:        time.Date(2026, 4, 7, 9, 30, 0, 0, time.FixedZone("JST", 9*3600)),
	}
}

// with returns a letter that change has changed.
func with(change func(m *mail.Message)) *mail.Message {
	m := letter()
	change(m)
	return m
}

const letterBytes = `From: =?UTF-8?B?44G/44Gp44KK5bCP5a2m5qCh?= <alert@midori.example.jp>
To: =?UTF-8?B?5bGx55Sw5aSq6YOO?= <"a..b"@docomo.ne.jp>
Reply-To: =?UTF-8?B?U2F0bywgSGFuYWtv?= <sato@midori.example.jp>
Subject: =?UTF-8?B?44CQ6KiT57e044CR5aSn6Zuo44Gu44Gf44KB5byV44GN5Y+W44KK?=
 =?UTF-8?B?5LiL5qCh44KS6KGM44GE44G+44GZ44CC5a6J5YWo44Gr5rCX44KS44Gk44GR?=
 =?UTF-8?B?44Gm44GK6L+O44GI44KS44GK6aGY44GE44GX44G+44GZ?=
Date: Tue, 07 Apr 2026 09:30:00 +0900
Message-ID: <01JZALERT.01JZCONTACT@midori.example.jp>
Auto-Submitted: auto-generated
List-Unsubscribe: <https://todoku.example.jp/u/abc>
List-Unsubscribe-Post: List-Unsubscribe=One-Click
X-Todoku-Alert: 01JY
X-Todoku-Copy: 01JZ
MIME-Version: 1.0
Content-Type: multipart/alternative;
 boundary="=_01JZALERT.01JZCONTACT"

--=_01JZALERT.01JZCONTACT
Content-Type: text/plain; charset=utf-8
Content-Transfer-Encoding: base64

44GK6L+O44GI44KS44GK6aGY44GE44GX44G+44GZ44CCDQouDQouLmRvdHMNCmh0dHBzOi8vdG9k
b2t1LmV4YW1wbGUuanAvYS94DQo=
--=_01JZALERT.01JZCONTACT
Content-Type: text/html; charset=utf-8
Content-Transfer-Encoding: base64

PHA+44GK6L+O44GI44KS44GK6aGY44GE44GX44G+44GZ44CCPC9wPg0K
--=_01JZALERT.01JZCONTACT--
`

func TestBytes(t *testing.T) {
	got, err := letter().Bytes()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.ReplaceAll(letterBytes, "\n", "\r\n"), string(got)); diff != "" {
		t.Errorf("bytes (-want +got):\n%s", diff)
	}
}

func TestAppendToKeepsWhatIsThere(t *testing.T) {
	m := with(func(m *mail.Message) { m.Subject = strings.Repeat("遠足", 40) })
	alone, err := m.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	got, err := m.AppendTo([]byte("before"))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff("before"+string(alone), string(got)); diff != "" {
		t.Errorf("bytes (-want +got):\n%s", diff)
	}
	m.Subject = "a\nb"
	got, err = m.AppendTo([]byte("before"))
	if err == nil || string(got) != "before" {
		t.Errorf("after an error: %q, %v", got, err)
	}
}

func TestReceive(t *testing.T) {
	tests := []struct {
		name string
		m    *mail.Message
	}{
		{"as sent", letter()},
		{"plain text alone", with(func(m *mail.Message) { m.HTML = "" })},
		{"no text", with(func(m *mail.Message) { m.Text = "" })},
		{"no reply-to", with(func(m *mail.Message) { m.ReplyTo = netmail.Address{} })},
		{"empty subject", with(func(m *mail.Message) { m.Subject = "" })},
		{"subject of spaces", with(func(m *mail.Message) { m.Subject = "  a  " })},
		{"subject like an encoded word", with(func(m *mail.Message) { m.Subject = "=?utf-8?q?no?=" })},
		{"long ASCII subject", with(func(m *mail.Message) { m.Subject = strings.Repeat("x", 3000) })},
		{"subject with emoji", with(func(m *mail.Message) { m.Subject = strings.Repeat("🎒", 300) })},
		{"longest id", with(func(m *mail.Message) { m.ID = strings.Repeat("9", mail.MaxID) })},
		{"longest tag", with(func(m *mail.Message) {
			m.Tags = map[string]string{strings.Repeat("n", mail.MaxTag): strings.Repeat("v", mail.MaxTag)}
		})},
		{"longest address", with(func(m *mail.Message) {
			m.To.Address = strings.Repeat("l", mail.MaxAddress-len("@au.com")) + "@au.com"
		})},
		{"UTF-8 address", with(func(m *mail.Message) { m.To.Address = "山田@例え.jp" })},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { checkRoundTrip(t, tt.m) })
	}
}

// checkRoundTrip holds that a receiver reads what m says, in Todoku's own reader
// and in the standard library's, and nothing besides.
func checkRoundTrip(t *testing.T, m *mail.Message) {
	t.Helper()
	b, err := m.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	checkLines(t, b)
	got, err := mail.Receive(b)
	if err != nil {
		t.Fatalf("%v in\n%s", err, b)
	}
	want := mail.Received{
		To: m.To.Address, From: m.From.Address, Subject: m.Subject,
		Text: canonical(m.Text), HTML: canonical(m.HTML), Headers: got.Headers,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("received (-want +got):\n%s\n%s", diff, b)
	}
	checkHeader(t, m, b)
}

func canonical(s string) string {
	s = strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\r\n", "\n")
	return strings.ReplaceAll(s, "\r", "\n")
}

// checkLines holds b to RFC 5322's 998 octets a line and to CRLF.
func checkLines(t *testing.T, b []byte) {
	t.Helper()
	if !bytes.HasSuffix(b, []byte("\r\n")) {
		t.Error("the message does not end in CRLF")
	}
	for line := range bytes.SplitSeq(b, []byte("\r\n")) {
		if len(line) > 998 || bytes.ContainsAny(line, "\r\n\x00") {
			t.Errorf("line of %d octets: %q", len(line), line)
		}
	}
}

// checkHeader reads the header with net/mail, which shares no code with ours.
func checkHeader(t *testing.T, m *mail.Message, b []byte) {
	t.Helper()
	got, err := netmail.ReadMessage(bytes.NewReader(b))
	if err != nil {
		t.Fatalf("%v in\n%s", err, b)
	}
	if n, want := len(got.Header), len(fieldNames(m)); n != want {
		t.Errorf("%d header fields, want %d:\n%s", n, want, b)
	}
	for _, name := range fieldNames(m) {
		if _, ok := got.Header[name]; !ok {
			t.Errorf("no header field %s:\n%s", name, b)
		}
	}
	for field, want := range map[string]netmail.Address{"From": m.From, "To": m.To} {
		list, err := got.Header.AddressList(field)
		if err != nil || len(list) != 1 {
			t.Fatalf("%s: %v, %v in\n%s", field, list, err, b)
		}
		if list[0].Name != want.Name {
			t.Errorf("%s: name %q, want %q", field, list[0].Name, want.Name)
		}
	}
	if body, err := io.ReadAll(got.Body); err != nil || len(body) == 0 {
		t.Errorf("body: %d octets, %v", len(body), err)
	}
}

func fieldNames(m *mail.Message) []string {
	names := []string{"From", "To", "Subject", "Date", "Message-Id", "Auto-Submitted", "Mime-Version", "Content-Type"}
	if m.ReplyTo.Address != "" {
		names = append(names, "Reply-To")
	}
	if m.Unsubscribe != "" {
		names = append(names, "List-Unsubscribe")
	}
	if m.OneClick {
		names = append(names, "List-Unsubscribe-Post")
	}
	if m.HTML == "" {
		names = append(names, "Content-Transfer-Encoding")
	}
	for name := range m.Tags {
		names = append(names, textproto.CanonicalMIMEHeaderKey("X-Todoku-"+name))
	}
	return names
}

func TestInvalid(t *testing.T) {
	tests := []struct {
		name   string
		change func(m *mail.Message)
	}{
		{"no id", func(m *mail.Message) { m.ID = "" }},
		{"id too long", func(m *mail.Message) { m.ID = strings.Repeat("x", mail.MaxID+1) }},
		{"id with a bracket", func(m *mail.Message) { m.ID = "a>" }},
		{"no from", func(m *mail.Message) { m.From.Address = "" }},
		{"no to", func(m *mail.Message) { m.To = netmail.Address{} }},
		{"CR in the subject", func(m *mail.Message) { m.Subject = "a\rb" }},
		{"LF in the subject", func(m *mail.Message) { m.Subject = "a\nBcc: x@example.com" }},
		{"NUL in the subject", func(m *mail.Message) { m.Subject = "a\x00" }},
		{"subject not UTF-8", func(m *mail.Message) { m.Subject = "\x83\x65" }},
		{"LF in the sender's name", func(m *mail.Message) { m.From.Name = "a\nb" }},
		{"LF in the recipient's name", func(m *mail.Message) { m.To.Name = "a\nb" }},
		{"LF in an address", func(m *mail.Message) { m.To.Address = "a@b.jp\n" }},
		{"LF in a quoted local part", func(m *mail.Message) { m.To.Address = "\"a\nb\"@b.jp" }},
		{"envelope parameter", func(m *mail.Message) { m.To.Address = "a@b.jp> NOTIFY=NEVER" }},
		{"two addresses", func(m *mail.Message) { m.To.Address = "a@b.jp,c@d.jp" }},
		{"space in an address", func(m *mail.Message) { m.To.Address = "a b@c.jp" }},
		{"quote not closed", func(m *mail.Message) { m.To.Address = `"a\"@c.jp` }},
		{"quote inside a quote", func(m *mail.Message) { m.To.Address = `"a"b"@c.jp` }},
		{"dots not quoted", func(m *mail.Message) { m.To.Address = "a..b@docomo.ne.jp" }},
		{"no domain", func(m *mail.Message) { m.To.Address = "a@" }},
		{"no at sign", func(m *mail.Message) { m.To.Address = "a" }},
		{"empty literal", func(m *mail.Message) { m.To.Address = "a@[]" }},
		{"address not UTF-8", func(m *mail.Message) { m.To.Address = "\xff@a.jp" }},
		{"address too long", func(m *mail.Message) { m.To.Address = strings.Repeat("a", 250) + "@b.jp" }},
		{"reply-to with a name alone", func(m *mail.Message) { m.ReplyTo = netmail.Address{Name: "a"} }},
		{"CRLF in reply-to", func(m *mail.Message) { m.ReplyTo.Address = "a@b.jp\r\n" }},
		{"CRLF in the unsubscribe address", func(m *mail.Message) { m.Unsubscribe = "https://a/\r\nX: y" }},
		{"bracket in the unsubscribe address", func(m *mail.Message) { m.Unsubscribe = "https://a/>" }},
		{"unsubscribe by script", func(m *mail.Message) { m.Unsubscribe = "javascript:alert(1)" }},
		{"one click without an address", func(m *mail.Message) { m.Unsubscribe = "" }},
		{"LF in a tag's value", func(m *mail.Message) { m.Tags = map[string]string{"a": "b\nc"} }},
		{"colon in a tag's name", func(m *mail.Message) { m.Tags = map[string]string{"a:": "b"} }},
		{"empty tag", func(m *mail.Message) { m.Tags = map[string]string{"a": ""} }},
		{"no date", func(m *mail.Message) { m.Date = time.Time{} }},
		{"year of five digits", func(m *mail.Message) { m.Date = time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC) }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b, err := with(tt.change).Bytes()
			if !errors.Is(err, mail.ErrInvalid) {
				t.Errorf("error %v, want ErrInvalid; wrote\n%s", err, b)
			}
		})
	}
}

func TestReceiveRefuses(t *testing.T) {
	tests := []struct{ name, raw string }{
		{"nothing", ""},
		{"no body", "Subject: x\r\n"},
		{"field twice", "To: <a@b>\r\nTo: <c@d>\r\n\r\n"},
		{"line without a name", "To: <a@b>\r\nx\r\n\r\n"},
		{"no content type", "To: <a@b>\r\n\r\nx"},
		{"body not base64", "Content-Type: text/plain\r\n\r\n!"},
		{"part cut off", "Content-Type: multipart/alternative; boundary=x\r\n\r\n--x\r\nContent-Type: text/plain\r\n\r\nYWE="},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got, err := mail.Receive([]byte(tt.raw)); err == nil {
				t.Errorf("no error: %+v", got)
			}
		})
	}
}

// FuzzMessage holds for any message: it is refused as a whole, or its receiver
// reads exactly what it says.
func FuzzMessage(f *testing.F) {
	f.Add("件名", "山田太郎", "本文\n.\n", "<p>本文</p>", "a..b", "tag", "2026")
	f.Add("a\r\nBcc: x@example.com", "x\n", "\r\r\n\n", "", "\\\"", "a:", "")
	f.Add("0", "0", "0", "0", "<", "-A", "0")
	f.Add("", "", "0", "0", "", "0", "0")
	f.Add("=?utf-8?b?44GC?=", `"q" <a@b>`, "\x00\xff", "--=_1", " ", "-_", "_-")
	f.Fuzz(func(t *testing.T, subject, name, text, html, local, tag, value string) {
		m := letter()
		m.Subject, m.Text, m.HTML = subject, text, html
		m.To = netmail.Address{Name: name, Address: `"` + local + `"@docomo.ne.jp`}
		m.Tags = map[string]string{tag: value}
		_, err := m.Bytes()
		if errors.Is(err, mail.ErrInvalid) {
			return
		}
		checkRoundTrip(t, m)
	})
}

func BenchmarkAppendTo(b *testing.B) {
	m := letter()
	m.Text = strings.Repeat("お迎えをお願いします。体育館でお待ちしています。\n", 15)
	m.HTML = strings.Repeat("<p>お迎えをお願いします。体育館でお待ちしています。</p>\n", 30)
	var buf []byte
	b.ReportAllocs()
	for b.Loop() {
		var err error
		buf, err = m.AppendTo(buf[:0])
		if err != nil {
			b.Fatal(err)
		}
	}
	b.SetBytes(int64(len(buf)))
}
