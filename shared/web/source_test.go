package web

import (
	"net/http"
	"net/http/httptest"
	"testing"
)

func TestSource(t *testing.T) {
	office, err := ParseProxies("127.0.0.0/8, ::1, 10.0.0.5,,2001:db8:ffff::/48")
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name, remote string
		forwarded    []string
		want         string
	}{
		{"direct", "192.0.2.1:80", nil, "192.0.2.1"},
		{"direct, and lies", "192.0.2.1:80", []string{"198.51.100.1"}, "192.0.2.1"},
		{"a proxy here", "127.0.0.1:80", []string{"198.51.100.1"}, "198.51.100.1"},
		{"a proxy here, and the sender lies", "127.0.0.1:80", []string{"203.0.113.9, 198.51.100.1"}, "198.51.100.1"},
		{"lies in a field of its own", "127.0.0.1:80", []string{"203.0.113.9", "198.51.100.1"}, "198.51.100.1"},
		{"two proxies", "127.0.0.1:80", []string{"203.0.113.9, 198.51.100.1, 10.0.0.5"}, "198.51.100.1"},
		{"says that it is a proxy", "127.0.0.1:80", []string{"203.0.113.9, 10.0.0.5, 198.51.100.1"}, "198.51.100.1"},
		{"a proxy elsewhere", "10.0.0.5:80", []string{"198.51.100.1"}, "198.51.100.1"},
		{"its neighbour", "10.0.0.6:80", []string{"198.51.100.1"}, "10.0.0.6"},
		{"a proxy that says nothing", "127.0.0.1:80", nil, "127.0.0.1"},
		{"a proxy that says nonsense", "127.0.0.1:80", []string{"nonsense"}, "127.0.0.1"},
		{"from a proxy itself", "127.0.0.1:80", []string{"10.0.0.5"}, "10.0.0.5"},
		{"a household", "[2001:db8::1:2:3:4]:80", nil, "2001:db8::/64"},
		{"as the bridge writes it", "2001:db8::1:2:3:4:0", nil, "2001:db8::/64"},
		{"a household behind a proxy", "[2001:db8:ffff::1]:80", []string{"2001:db8::1:2:3:4"}, "2001:db8::/64"},
		{"mapped", "[::ffff:192.0.2.1]:80", nil, "192.0.2.1"},
		{"nothing", "", nil, "unknown"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := httptest.NewRequest("POST", "/", nil)
			r.RemoteAddr = tt.remote
			r.Header["X-Forwarded-For"] = tt.forwarded
			var got string
			h := office.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got = Source(r) }))
			h.ServeHTTP(httptest.NewRecorder(), r)
			if got != tt.want {
				t.Errorf("%s (%s) comes from %s, not %s", tt.remote, tt.forwarded, got, tt.want)
			}
		})
	}
	for _, wrong := range []string{"proxy", "10.0.0.0/40", "10.0.0.1-9"} {
		if _, err := ParseProxies(wrong); err == nil {
			t.Errorf("%q is taken", wrong)
		}
	}
}
