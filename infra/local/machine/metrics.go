package machine

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/todoku/todoku/shared/doctor"
	"github.com/todoku/todoku/shared/metrics"
	"github.com/todoku/todoku/shared/metrics/gather"
)

// counted is a slog.Handler that counts warnings and errors.
type counted struct {
	slog.Handler
	n *logCounts
}

type logCounts struct{ warnings, errors atomic.Int64 }

func (c counted) Handle(ctx context.Context, r slog.Record) error {
	switch {
	case r.Level >= slog.LevelError:
		c.n.errors.Add(1)
	case r.Level >= slog.LevelWarn:
		c.n.warnings.Add(1)
	}
	return c.Handler.Handle(ctx, r)
}

func (c counted) WithAttrs(attrs []slog.Attr) slog.Handler {
	return counted{c.Handler.WithAttrs(attrs), c.n}
}

func (c counted) WithGroup(name string) slog.Handler { return counted{c.Handler.WithGroup(name), c.n} }

// openMetrics opens the address for metrics, if there is to be one.
func (m *Machine) openMetrics() (err error) {
	if m.cfg.Metrics == "" {
		return nil
	}
	m.metrics, err = net.Listen("tcp", m.cfg.Metrics)
	if err != nil {
		return fmt.Errorf("cannot serve metrics on %s: %w", m.cfg.Metrics, err)
	}
	return nil
}

// MetricsAddr returns where metrics are served, "" if they are not.
func (m *Machine) MetricsAddr() string {
	if m.metrics == nil {
		return ""
	}
	return m.metrics.Addr().String()
}

// serveMetrics serves the numbers to whoever reaches the address: it is one that only
// the operator's monitoring does.
func (m *Machine) serveMetrics(ctx context.Context) error {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /metrics", func(w http.ResponseWriter, r *http.Request) {
		samples, err := m.Samples(r.Context())
		if err != nil {
			m.cfg.Log.Error("no metrics", "err", err)
			http.Error(w, "the store does not answer", http.StatusServiceUnavailable)
			return
		}
		var b bytes.Buffer
		_ = metrics.WriteText(&b, samples) // to memory
		w.Header().Set("Content-Type", metrics.ContentType)
		_, _ = b.WriteTo(w)
	})
	mux.Handle("GET /healthz", m.health())
	return m.serve(ctx, &http.Server{Handler: mux, ReadHeaderTimeout: time.Second}, m.metrics)
}

// Samples returns the numbers of now.
func (m *Machine) Samples(ctx context.Context) ([]metrics.Sample, error) {
	s := gather.Source{
		Alerts: m.Alerts, Gate: m.Gate, Lanes: m.Lanes, Proofs: m.proofs,
		Docket: m.Docket, Doctor: &doctor.Records{Table: m.store, Now: m.cfg.Now}, Now: m.cfg.Now, Idle: true, Stuck: m.stuck(),
	}
	samples, err := s.Samples(ctx)
	if err != nil {
		return nil, err
	}
	for name, q := range m.queues() {
		st, err := q.Stats()
		if err != nil {
			return nil, err
		}
		samples = append(samples, metrics.Of(metrics.DeadLetters, float64(st.Dead), "queue", name), metrics.Of(metrics.QueueOldest, st.Oldest.Seconds(), "queue", name))
	}
	return append(samples,
		metrics.Of(metrics.LogRecords, float64(m.logged.warnings.Load()), "severity", "warn"),
		metrics.Of(metrics.LogRecords, float64(m.logged.errors.Load()), "severity", "error")), nil
}
