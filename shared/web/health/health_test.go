package health

import (
	"context"
	"errors"
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestHandler(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var queue error
		asked := 0
		var log strings.Builder
		h := New(time.Now, slog.New(slog.NewTextHandler(&log, nil)), map[string]func(context.Context) error{
			"store": func(context.Context) error { asked++; return nil },
			"queue": func(context.Context) error { return queue },
		})
		get := func() (int, string) {
			w := httptest.NewRecorder()
			h.ServeHTTP(w, httptest.NewRequest("GET", "/healthz", nil))
			return w.Code, w.Body.String()
		}
		const well = `{"status":"ok","checks":{"queue":"ok","store":"ok"}}` + "\n"
		if code, body := get(); code != 200 || body != well {
			t.Errorf("%d %s", code, body)
		}
		queue = errors.New("AccessDenied: arn:aws:iam::123456789012:role/console")
		if code, _ := get(); code != 200 || asked != 1 {
			t.Errorf("%d, after %d looks: who asks at once gets the same answer", code, asked)
		}
		time.Sleep(memory)
		if code, body := get(); code != 503 || body != `{"status":"failing","checks":{"queue":"does not work: see the log","store":"ok"}}`+"\n" {
			t.Errorf("%d %s", code, body)
		}
		if !strings.Contains(log.String(), "part=queue") || !strings.Contains(log.String(), "AccessDenied") {
			t.Errorf("the log does not say why: %s", &log)
		}
	})
}

// TestHangs has a part that never answers: the others are told of all the same.
func TestHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		h := New(time.Now, slog.New(slog.DiscardHandler), map[string]func(context.Context) error{
			"mail":  func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() },
			"store": func(ctx context.Context) error { return ctx.Err() },
		})
		rep := h.look(t.Context())
		if rep.Status != "failing" || rep.Checks["store"] != "ok" || time.Since(began) != Timeout {
			t.Errorf("%+v after %v", rep, time.Since(began))
		}
	})
}
