package bbolt_test

import (
	"log/slog"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/todoku/todoku/shared/queue/bbolt"
	"github.com/todoku/todoku/shared/queue/queuetest"

	"github.com/todoku/todoku/shared/journal"
)

func TestConformance(t *testing.T) {
	queuetest.Run(t, synctest.Test, func(t *testing.T) queuetest.Subject {
		return subject(t, bbolt.Config{})
	})
}

func TestConformanceMisbehaving(t *testing.T) {
	queuetest.Run(t, synctest.Test, func(t *testing.T) queuetest.Subject {
		return subject(t, bbolt.Config{Misbehave: true})
	})
}

// TestConformanceRetrying hands back sooner than a handler may take.
func TestConformanceRetrying(t *testing.T) {
	queuetest.Run(t, synctest.Test, func(t *testing.T) queuetest.Subject {
		return subject(t, bbolt.Config{RetryAfter: 10 * time.Second})
	})
}

func subject(t *testing.T, cfg bbolt.Config) queuetest.Subject {
	cfg.VisibilityTimeout, cfg.MaxReceives = time.Minute, 3
	q := open(t, openFile(t, filepath.Join(t.TempDir(), "queue.db")), cfg)
	return queuetest.Subject{
		Queue:       q,
		Run:         q.Run,
		Visibility:  cfg.VisibilityTimeout,
		Retry:       cfg.RetryAfter,
		MaxReceives: cfg.MaxReceives,
		Hours:       true,
	}
}

func openFile(t *testing.T, path string) *journal.DB {
	t.Helper()
	db, err := journal.Open(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

func open(t *testing.T, db *journal.DB, cfg bbolt.Config) *bbolt.Queue {
	t.Helper()
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.NewTextHandler(t.Output(), nil))
	}
	q, err := bbolt.New(db, cfg)
	if err != nil {
		t.Fatal(err)
	}
	return q
}
