package bridge_test

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/aws/aws-lambda-go/events"

	"github.com/todoku/todoku/shared/bridge"
)

// FuzzHandler: whatever API Gateway hands on, there is a request that a server could have
// read from the wire, or 400; and what is written arrives.
func FuzzHandler(f *testing.F) {
	for _, e := range []events.APIGatewayV2HTTPRequest{
		event("GET", "/", ""),
		event("POST", "/alerts/preview", "a=1&a=%zz"),
		event("GET", "//evil.example/%2e%2e/%252F", "?&;"),
		{RawPath: "/a/x", Headers: map[string]string{"cookie": "session=x", "Host": "evil.example", "x\n": "y\r\nz: 1"}, Cookies: []string{"a=b", "\x00; c"}},
		{RawPath: "/%zz", Body: "!", IsBase64Encoded: true},
		{RawPath: "/", Body: "YT0x", IsBase64Encoded: true},
	} {
		text, err := json.Marshal(e)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Add([]byte(`{"version":"2.0","rawPath":"/register","headers":{"host":"h","content-type":"multipart/form-data; boundary=x"},"requestContext":{"http":{"method":"POST","sourceIp":"2001:db8::1"}},"body":"--x\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\nb\r\n--x--"}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		var e events.APIGatewayV2HTTPRequest
		if json.Unmarshal(text, &e) != nil {
			return
		}
		asked := false
		res, err := bridge.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			asked = true
			if !strings.HasPrefix(r.RequestURI, "/") || !strings.HasPrefix(r.URL.EscapedPath(), "/") || r.URL.Host != "" || r.Header.Get("Host") != "" {
				t.Errorf("%q became %q, %v at %q", e.RawPath, r.RequestURI, r.URL, r.Host)
			}
			_, _ = r.Cookie("session")
			_ = r.ParseMultipartForm(1 << 16)
			_, _ = io.Copy(w, strings.NewReader(r.URL.Path))
		}))(t.Context(), e)
		if err != nil || asked != (res.StatusCode != http.StatusBadRequest) {
			t.Errorf("status %d, %v", res.StatusCode, err)
		}
	})
}
