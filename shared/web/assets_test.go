package web_test

import (
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/todoku/todoku/shared/web"
)

// TestAssetsArePacked has a style sheet come packed to who can unpack it, and to nobody
// else.
func TestAssetsArePacked(t *testing.T) {
	server, _ := newSite(t)
	get := func(accept string) *httptest.ResponseRecorder {
		r := httptest.NewRequest("GET", web.Asset("style.css"), http.NoBody)
		r.Header.Set("Accept-Encoding", accept)
		w := httptest.NewRecorder()
		server.ServeHTTP(w, r)
		return w
	}
	plain := get("").Body.String()
	for accept, packed := range map[string]bool{
		"": false, "gzip": true, "br, GZIP;q=0.5": true, "deflate, gzip": true, "gzip;q=0": false, "gzip; q=0.000": false, "identity": false, "xgzip": false,
	} {
		w := get(accept)
		if w.Header().Get("Vary") != "Accept-Encoding" || (w.Header().Get("Content-Encoding") == "gzip") != packed {
			t.Errorf("%q: %v", accept, w.Header())
			continue
		}
		body := w.Body.String()
		if packed {
			if len(body) > len(plain)/2 {
				t.Errorf("%q: %d bytes of %d", accept, len(body), len(plain))
			}
			r, err := gzip.NewReader(w.Body)
			if err != nil {
				t.Fatal(err)
			}
			unpacked, err := io.ReadAll(r)
			if err != nil {
				t.Fatal(err)
			}
			body = string(unpacked)
		}
		if body != plain || plain == "" {
			t.Errorf("%q: another style sheet", accept)
		}
	}
}
