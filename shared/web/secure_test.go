package web_test

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/fstest"

	"github.com/todoku/todoku/shared/web"
)

// TestOrigins posts from pages of several origins by an old phone, which sends no
// Sec-Fetch-Site, through a proxy that names the host where the program listens.
func TestOrigins(t *testing.T) {
	const listens = "127.0.0.1:8080"
	tests := []struct {
		name, base, origin string
		status             int
	}{
		{"the site's own", "https://todoku.example.jp", "https://todoku.example.jp", http.StatusNoContent},
		{"the site's own, written otherwise", "https://Todoku.example.jp:443/", "https://todoku.example.jp", http.StatusNoContent},
		{"on a port", "http://todoku.example.jp:8081", "http://todoku.example.jp:8081", http.StatusNoContent},
		{"the host that was asked for", "https://todoku.example.jp", "http://" + listens, http.StatusNoContent},
		{"a neighbour", "https://todoku.example.jp", "https://example.jp", http.StatusForbidden},
		{"the other scheme", "https://todoku.example.jp", "http://todoku.example.jp", http.StatusForbidden},
		{"none that is known", "", "https://todoku.example.jp", http.StatusForbidden},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			site, err := web.New(web.Config{Pages: fstest.MapFS{}, Log: slog.New(slog.DiscardHandler), BaseURL: tt.base})
			if err != nil {
				t.Fatal(err)
			}
			mux := http.NewServeMux()
			mux.HandleFunc("POST /", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
			r := httptest.NewRequest(http.MethodPost, "http://"+listens+"/", http.NoBody)
			r.Header.Set("Origin", tt.origin)
			w := httptest.NewRecorder()
			site.Root(mux).ServeHTTP(w, r)
			if w.Code != tt.status {
				t.Errorf("status %d, want %d", w.Code, tt.status)
			}
		})
	}
}
