package drill

import (
	"bytes"
	"context"
	"log/slog"
	"slices"
	"sync"
)

// record is one line of the log.
type record struct {
	level   slog.Level
	line    string
	allowed bool
}

// logbook is a slog.Handler that keeps everything, at any level.
type logbook struct {
	mu      sync.Mutex
	kept    []record
	allowed map[string]bool // messages of errors that a scenario expects
	any     bool            // it expects all
}

func (b *logbook) Enabled(context.Context, slog.Level) bool { return true }

func (b *logbook) Handle(ctx context.Context, r slog.Record) error { return b.keep(ctx, r, nil) }

func (b *logbook) WithAttrs(attrs []slog.Attr) slog.Handler { return &annotated{b, attrs} }

// WithGroup leaves the names of groups out: the lines are for people.
func (b *logbook) WithGroup(string) slog.Handler { return b }

func (b *logbook) keep(ctx context.Context, r slog.Record, attrs []slog.Attr) error {
	var line bytes.Buffer
	text := slog.NewTextHandler(&line, &slog.HandlerOptions{Level: slog.LevelDebug}).WithAttrs(attrs)
	if err := text.Handle(ctx, r); err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.kept = append(b.kept, record{r.Level, string(bytes.TrimSpace(line.Bytes())), b.any || b.allowed[r.Message]})
	return nil
}

func (b *logbook) records() []record {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.kept)
}

func (b *logbook) all() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.any = true
}

func (b *logbook) allow(message string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.allowed == nil {
		b.allowed = map[string]bool{}
	}
	b.allowed[message] = true
}

// annotated is a logbook with attributes that every line has.
type annotated struct {
	*logbook
	attrs []slog.Attr
}

func (a *annotated) Handle(ctx context.Context, r slog.Record) error {
	return a.keep(ctx, r, a.attrs)
}

func (a *annotated) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &annotated{a.logbook, slices.Concat(a.attrs, attrs)}
}
