package bridge_test

import (
	"encoding/base64"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/aws/aws-lambda-go/events"
	"github.com/google/go-cmp/cmp"
	"github.com/todoku/todoku/shared/bridge"
)

// seen is what a handler sees of a request.
type seen struct {
	Method, Host, Path, RawPath, Query, Remote, Body string
	Header                                           http.Header
	Cookies                                          []string
}

func look(r *http.Request) seen {
	body, _ := io.ReadAll(r.Body)
	s := seen{
		Method: r.Method, Host: r.Host, Path: r.URL.Path, RawPath: r.URL.EscapedPath(), Query: r.URL.RawQuery,
		Remote: r.RemoteAddr, Body: string(body), Header: r.Header.Clone(),
	}
	for _, c := range r.Cookies() {
		s.Cookies = append(s.Cookies, c.Name+"="+c.Value)
	}
	return s
}

func event(method, path, query string) events.APIGatewayV2HTTPRequest {
	e := events.APIGatewayV2HTTPRequest{RawPath: path, RawQueryString: query, Headers: map[string]string{"host": "todoku.example.jp"}}
	e.RequestContext.HTTP.Method, e.RequestContext.HTTP.SourceIP = method, "192.0.2.7"
	return e
}

func TestRequest(t *testing.T) {
	cookies := event("GET", "/", "")
	cookies.Cookies = []string{"a=1", "b=2"}
	repeated := event("GET", "/", "")
	repeated.Headers["accept-language"] = "ja,en"
	plain := event("POST", "/alerts", "")
	plain.Body = "件名=x"
	coded := event("POST", "/roster", "dry_run=1")
	coded.Body, coded.IsBase64Encoded = base64.StdEncoding.EncodeToString([]byte{0x82, 0xa0, 0}), true
	tests := []struct {
		name  string
		event events.APIGatewayV2HTTPRequest
		want  func(s *seen)
	}{
		{"plain", event("GET", "/alerts/1", "lang=en&x=%20y"), func(s *seen) { s.Path, s.RawPath, s.Query = "/alerts/1", "/alerts/1", "lang=en&x=%20y" }},
		{"encoded slash", event("GET", "/a/x%2Fy%252F", ""), func(s *seen) { s.Path, s.RawPath = "/a/x/y%2F", "/a/x%2Fy%252F" }},
		{"path like a host", event("GET", "//evil.example/x", ""), func(s *seen) { s.Path, s.RawPath = "//evil.example/x", "//evil.example/x" }},
		{"no path", event("GET", "", ""), func(s *seen) {}},
		{"cookies", cookies, func(s *seen) { s.Cookies = []string{"a=1", "b=2"}; s.Header.Set("Cookie", "a=1; b=2") }},
		{"repeated header", repeated, func(s *seen) { s.Header.Set("Accept-Language", "ja,en") }},
		{"text body", plain, func(s *seen) { s.Method, s.Path, s.RawPath, s.Body = "POST", "/alerts", "/alerts", "件名=x" }},
		{"binary body", coded, func(s *seen) {
			s.Method, s.Path, s.RawPath, s.Query, s.Body = "POST", "/roster", "/roster", "dry_run=1", "\x82\xa0\x00"
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			want := seen{Method: "GET", Host: "todoku.example.jp", Path: "/", RawPath: "/", Remote: "192.0.2.7:0", Header: http.Header{}}
			tt.want(&want)
			var got seen
			h := bridge.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got = look(r) }))
			if _, err := h(t.Context(), tt.event); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestBadRequest(t *testing.T) {
	coded := event("POST", "/", "")
	coded.Body, coded.IsBase64Encoded = "%%%", true
	for name, e := range map[string]events.APIGatewayV2HTTPRequest{
		"body": coded, "path": event("GET", "/%zz", ""), "method": event("G ET", "/", ""),
	} {
		h := bridge.Handler(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("served") }))
		res, err := h(t.Context(), e)
		if err != nil || res.StatusCode != http.StatusBadRequest {
			t.Errorf("%s: %d, %v; want 400", name, res.StatusCode, err)
		}
	}
}

func TestResponse(t *testing.T) {
	tests := []struct {
		name  string
		serve http.HandlerFunc
		want  events.APIGatewayV2HTTPResponse
	}{
		{"nothing written", func(http.ResponseWriter, *http.Request) {}, events.APIGatewayV2HTTPResponse{StatusCode: 200, Headers: map[string]string{}}},
		{"text", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/plain")
			w.WriteHeader(http.StatusCreated)
			w.Header().Set("Too", "late")
			_, _ = io.WriteString(w, "届く")
		}, events.APIGatewayV2HTTPResponse{StatusCode: 201, Headers: map[string]string{"Content-Type": "text/plain"}, Body: "届く"}},
		{"cookies and repeated fields", func(w http.ResponseWriter, r *http.Request) {
			http.SetCookie(w, &http.Cookie{Name: "a", Value: "1"})
			http.SetCookie(w, &http.Cookie{Name: "b", Value: "2"})
			w.Header()["Vary"] = []string{"Accept", "Cookie"}
			w.Header().Set("Location", "/x")
			w.WriteHeader(http.StatusSeeOther)
		}, events.APIGatewayV2HTTPResponse{StatusCode: 303, Headers: map[string]string{"Vary": "Accept, Cookie", "Location": "/x"}, Cookies: []string{"a=1", "b=2"}}},
		{"binary", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/csv; charset=Shift_JIS")
			_, _ = w.Write([]byte{0x82, 0xa0})
		}, events.APIGatewayV2HTTPResponse{StatusCode: 200, Headers: map[string]string{"Content-Type": "text/csv; charset=Shift_JIS"}, Body: "gqA=", IsBase64Encoded: true}},
		{"early hints", func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusEarlyHints)
			w.WriteHeader(http.StatusNoContent)
		}, events.APIGatewayV2HTTPResponse{StatusCode: 204, Headers: map[string]string{}}},
		{"cut off", func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, "half")
			panic(http.ErrAbortHandler)
		}, events.APIGatewayV2HTTPResponse{StatusCode: 500}},
		{"too long", func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, strings.Repeat("x", bridge.MaxResponse+1))
		}, events.APIGatewayV2HTTPResponse{StatusCode: 500}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := bridge.Handler(tt.serve)(t.Context(), event("GET", "/", ""))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// TestSameAsServer sends a request through net/http's own server and through the
// bridge, and compares what the handler sees.
func TestSameAsServer(t *testing.T) {
	var got seen
	h := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got = look(r) })
	s := httptest.NewServer(h)
	defer s.Close()
	req, err := http.NewRequestWithContext(t.Context(), "POST", s.URL+"/a/b%2Fc?x=1&x=2", strings.NewReader("a=b"))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Cookie", "s=1; t=2")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	want := got
	e := event("POST", "/a/b%2Fc", "x=1&x=2")
	e.Cookies = []string{"s=1", "t=2"}
	e.Body = "a=b"
	for name := range want.Header {
		if name != "Cookie" {
			e.Headers[strings.ToLower(name)] = want.Header.Get(name)
		}
	}
	e.Headers["host"] = want.Host
	if _, err := bridge.Handler(h)(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	want.Remote, got.Remote = "", ""
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-server +bridge):\n%s", diff)
	}
}
