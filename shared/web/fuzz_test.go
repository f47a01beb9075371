package web

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/todoku/todoku/shared/lang"
)

// FuzzSource: who called is said by the connection, and by X-Forwarded-For only as far as
// a proxy of ours wrote it.
func FuzzSource(f *testing.F) {
	for _, s := range []string{"", "192.0.2.7", "192.0.2.7, 127.0.0.1", "evil, [2001:db8::1]", "::ffff:127.0.0.1,", "fe80::1%eth0", "127.0.0.1, 127.0.0.1"} {
		f.Add("127.0.0.1:1234", s)
		f.Add("198.51.100.9:1", s)
		f.Add("[2001:db8::1]:0", s)
	}
	f.Add("", "")
	f.Add("[::1]:1", "192.0.2.7")
	f.Fuzz(func(t *testing.T, from, forwarded string) {
		r := httptest.NewRequest(http.MethodGet, "/", http.NoBody)
		r.RemoteAddr = from
		r.Header.Set("X-Forwarded-For", forwarded)
		direct := Source(r)
		var got string
		Loopback.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got = Source(r) })).ServeHTTP(nil, r)
		peer := parseAddr(from[:max(strings.LastIndexByte(from, ':'), 0)])
		if !Loopback.has(peer) && got != direct {
			t.Errorf("%q says %q, and is believed: %q", from, forwarded, got)
		}
		if got == "" || strings.ContainsAny(got, " ,%\n") {
			t.Errorf("%q through %q is %q", from, forwarded, got)
		}
	})
}

// FuzzReadForm: a body is refused in words, or is text that can be shown again.
func FuzzReadForm(f *testing.F) {
	const multi = "--x\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\nb\xff\r\n--x\r\nContent-Disposition: form-data; name=\"f\"; filename=\"../../f\"\r\n\r\nc\r\n--x--\r\n"
	for _, body := range []string{"", "a=b&a=c", "a=%00%ff", "%zz=%", "a;b=c", "List-Unsubscribe=One-Click", strings.Repeat("a=&", 1000), multi} {
		f.Add("application/x-www-form-urlencoded", body)
		f.Add("multipart/form-data; boundary=x", body)
		f.Add("text/html; charset=\x00", body)
	}
	f.Fuzz(func(t *testing.T, contentType, body string) {
		r := &http.Request{Method: http.MethodPost, URL: &url.URL{Path: "/"}, Header: http.Header{"Content-Type": {contentType}}}
		r.Body = http.MaxBytesReader(nil, readCloser{strings.NewReader(body)}, MaxForm)
		form, err := ReadForm(r)
		if err != nil {
			return
		}
		for name, values := range form.Values {
			for _, v := range values {
				if !utf8.ValidString(v) || strings.Contains(v, "\x00") {
					t.Errorf("%q is %q", name, v)
				}
			}
		}
	})
}

type readCloser struct{ *strings.Reader }

func (readCloser) Close() error { return nil }

// FuzzLanguage: whatever a browser asks for, there is an answer in a language that we have.
func FuzzLanguage(f *testing.F) {
	for _, s := range []string{"", "ja", "en-GB;q=0.9, ja;q=0.1", "*", "x;q=NaN", strings.Repeat("en,", 200), "ja-\xff"} {
		f.Add("", s, s)
		f.Add("lang="+s, "lang="+s, s)
	}
	f.Fuzz(func(t *testing.T, query, cookie, accept string) {
		r := &http.Request{URL: &url.URL{RawQuery: query}, Header: http.Header{"Cookie": {cookie}, "Accept-Language": {accept}}}
		if l := Language(r); l != lang.JA && l != lang.EN {
			t.Errorf("language %q", l)
		}
	})
}
