package wire

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/todoku/todoku/shared/id"
	"github.com/todoku/todoku/shared/queue"
	"github.com/todoku/todoku/shared/table"
)

// A probe proves that the job queue hands out what it takes: the console sends a
// message through it, the function behind it leaves a note in the table, and the
// console finds the note.

// probeGroup is the message group of probes, which holds up no job.
const probeGroup = "probe"

const (
	// probeLife is how long a note is kept.
	probeLife = time.Hour
	// probeLook is how long the console waits before it looks for the note again.
	probeLook = 100 * time.Millisecond
)

var errProbe = errors.New("the queue took a message and did not hand it out")

func probeKey(id string) table.Key { return table.Key{Partition: "probe/" + id, Sort: "probe"} }

func isProbe(m events.SQSMessage) bool { return m.Attributes[queue.AttrGroup] == probeGroup }

// prober sends probes.
type prober struct {
	jobs  queue.Sender
	table table.Table
	ids   *id.Source
}

// check sends a message and waits for its note until ctx ends.
func (p prober) check(ctx context.Context) error {
	name := p.ids.New()
	if err := p.jobs.Send(ctx, queue.Message{Group: probeGroup, ID: name, Body: name}); err != nil {
		return err
	}
	for {
		_, err := p.table.Get(ctx, probeKey(name))
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return errProbe
		case !errors.Is(err, table.ErrNotFound) && !errors.Is(err, table.ErrBusy):
			return err
		}
		select {
		case <-time.After(probeLook):
		case <-ctx.Done():
			return errProbe
		}
	}
}

// noter leaves the notes. A probe that it cannot note is dropped: the console has
// told of it by then, and sends another.
type noter struct {
	table table.Table
	now   func() time.Time
	log   *slog.Logger
}

func (n noter) handle(ctx context.Context, e events.SQSEvent) (events.SQSEventResponse, error) {
	for _, m := range e.Records {
		if _, ok := id.Bytes(m.Body); !ok {
			n.log.Error("a probe without an id", "message", m.MessageId)
			continue
		}
		err := n.table.Write(ctx, "", table.Create{Key: probeKey(m.Body), Expires: n.now().Add(probeLife)})
		if table.IgnoreConflict(err) != nil {
			n.log.Warn("a probe was not noted", "message", m.MessageId, "err", err)
		}
	}
	return events.SQSEventResponse{}, nil
}
