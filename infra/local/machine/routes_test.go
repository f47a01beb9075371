package machine

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
)

// newMachine returns a machine on a folder of its own that does not run.
func newMachine(t *testing.T, cfg Config) *Machine {
	t.Helper()
	cfg.Addr, cfg.Data, cfg.Log = "127.0.0.1:0", t.TempDir(), slog.New(slog.DiscardHandler)
	m, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
	return m
}

// TestBehindProxy: forms of the pages are taken from an old phone if the proxy names the
// host where the machine listens.
func TestBehindProxy(t *testing.T) {
	const base = "https://todoku.school.example.jp"
	m := newMachine(t, Config{BaseURL: base})
	mux := http.NewServeMux()
	if err := m.routes(t.Context(), mux); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/a/x", "/register", "/register/confirm/x", "/sign-in/x"} {
		for origin, refused := range map[string]bool{base: false, "https://evil.example": true} {
			r := httptest.NewRequest(http.MethodPost, "http://127.0.0.1:8080"+path, http.NoBody)
			r.Header.Set("Origin", origin)
			w := httptest.NewRecorder()
			mux.ServeHTTP(w, r)
			if (w.Code == http.StatusForbidden) != refused {
				t.Errorf("POST %s from %s: status %d", path, origin, w.Code)
			}
		}
	}
}

// TestWrongMethod: what is only read says so, and does not pass for a page that is not there.
func TestWrongMethod(t *testing.T) {
	mux := http.NewServeMux()
	if err := newMachine(t, Config{}).routes(t.Context(), mux); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/healthz", "/inbox", "/inbox.json", "/alerts/new"} {
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, httptest.NewRequest(http.MethodPut, path, http.NoBody))
		if w.Code != http.StatusMethodNotAllowed || w.Header().Get("Allow") == "" {
			t.Errorf("PUT %s: status %d, Allow %q", path, w.Code, w.Header().Get("Allow"))
		}
	}
}
