package cloud

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"sync"
)

// logLines is an io.Writer that passes on what functions print: JSON lines as the
// records that they are, anything else, such as a panic, as an error.
type logLines struct {
	log *slog.Logger

	mu   sync.Mutex
	rest []byte
}

func (l *logLines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.rest = append(l.rest, p...)
	for {
		line, rest, whole := bytes.Cut(l.rest, []byte("\n"))
		if !whole {
			return len(p), nil
		}
		l.record(line)
		l.rest = bytes.Clone(rest)
	}
}

func (l *logLines) record(line []byte) {
	var fields map[string]any
	if err := json.Unmarshal(line, &fields); err != nil {
		l.log.Error("a function printed", "line", string(line))
		return
	}
	var level slog.Level
	if name, ok := fields["level"].(string); !ok || level.UnmarshalText([]byte(name)) != nil {
		level = slog.LevelError
	}
	message, _ := fields["msg"].(string)
	delete(fields, "level")
	delete(fields, "msg")
	delete(fields, "time")
	attrs := make([]slog.Attr, 0, len(fields))
	for name, value := range fields {
		attrs = append(attrs, slog.Any(name, value))
	}
	l.log.LogAttrs(context.Background(), level, message, attrs...)
}
