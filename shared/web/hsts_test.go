package web

import "testing"

func TestHSTS(t *testing.T) {
	const year, all = "max-age=31536000", "max-age=31536000; includeSubDomains"
	for host, want := range map[string]string{
		"todoku.example.ed.jp": all, "todoku.example.ed.jp:8443": all, "anzen.city.example.com": all, "a.b.example.jp": all,
		"example.ed.jp": year, "example.com": year, "example.com:443": year, "localhost": year, "192.0.2.1": year, "[2001:db8::1]:443": year, "": year, "jp": year,
	} {
		if got := hsts(host); got != want {
			t.Errorf("%q: %s", host, got)
		}
	}
}
