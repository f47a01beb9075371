package console

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/todoku/todoku/shared/mailhost"
	"github.com/todoku/todoku/shared/queue"
	"github.com/todoku/todoku/shared/roster"
)

// importRef is the body of a message that asks for an import.
type importRef struct {
	School string `json:"school"`
	Import string `json:"import"`
	Run    int    `json:"run"`
}

// importGroup begins the groups of such messages in the job queue.
const importGroup = "import-"

// importMessage asks for an import. Each time that somebody begins it, it is in a
// group of its own: one that was cut off is hidden for a while, and must not keep
// the next from going on.
func importMessage(school string, in imported) queue.Message {
	name := fmt.Sprintf("%s%s-%d-%d", importGroup, in.ID, in.Run, in.Touched.UnixMilli())
	body, err := json.Marshal(importRef{School: school, Import: in.ID, Run: in.Run})
	if err != nil {
		panic(err) // it can only hold what JSON can
	}
	return queue.Message{Group: name, ID: name, Body: string(body)}
}

// IsImport reports whether a message of the job queue is for an Importer.
func IsImport(m events.SQSMessage) bool {
	return strings.HasPrefix(m.Attributes[queue.AttrGroup], importGroup)
}

// Importer does the imports that a Server has put into the job queue. An import
// that takes longer than importSlice is handed back, and the next event goes on
// with it; so does the one after a crash.
type Importer struct {
	importer
	jobs queue.Queue
}

// NewImporter returns an Importer of messages from jobs. hosts may be nil.
func NewImporter(r *roster.Store, hosts *mailhost.Store, jobs queue.Queue, now func() time.Time, log *slog.Logger) *Importer {
	return &Importer{importer: newImporter(r, hosts, now, log), jobs: jobs}
}

// importSlice is how long one event works at an import, far less than it may take:
// the alerts of other schools come through the same queue, and wait while all
// instances of the function are at imports.
const importSlice = 20 * time.Second

// Handle does the imports that the messages ask for.
func (m *Importer) Handle(ctx context.Context, e events.SQSEvent) (events.SQSEventResponse, error) {
	return queue.EachGroup(ctx, e, m.group), nil
}

func (m *Importer) group(ctx context.Context, msgs []events.SQSMessage) []events.SQSMessage {
	for i, msg := range msgs {
		if err := m.message(ctx, msg); err != nil {
			m.log.Warn("import cut off, it will go on", "message", msg.MessageId, "err", err)
			return msgs[i:]
		}
	}
	return nil
}

func (m *Importer) message(ctx context.Context, msg events.SQSMessage) error {
	var ref importRef
	if err := json.Unmarshal([]byte(msg.Body), &ref); err != nil {
		return err
	}
	in, err := m.imports.get(ctx, ref.School, ref.Import)
	switch {
	case errors.Is(err, noImport), err == nil && (in.State != importRuns || in.Run != ref.Run):
		return nil // another event has done it, or does it
	case err != nil:
		return err
	}
	slice, cancel := context.WithTimeout(ctx, importSlice)
	defer cancel()
	err = m.run(slice, ref.School, in)
	if err != nil {
		err = errors.Join(err, m.jobs.Postpone(context.WithoutCancel(ctx), 0, msg.ReceiptHandle))
	}
	return err
}
