package imports

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/todoku/todoku/shared/queue"
)

// ref is the body of a message that asks for an import.
type ref struct {
	School string `json:"school"`
	Import string `json:"import"`
	Run    int    `json:"run"`
}

// groupPrefix begins the groups of such messages in the queue of jobs.
const groupPrefix = "import-"

// Message asks for an import that was begun. Each time that somebody begins it, it is in a
// group of its own: one that was cut off is hidden for a while, and must not keep
// the next from going on.
func Message(school string, in Import) queue.Message {
	name := fmt.Sprintf("%s%s-%d-%d", groupPrefix, in.ID, in.Run, in.Touched.UnixMilli())
	body, err := json.Marshal(ref{School: school, Import: in.ID, Run: in.Run})
	if err != nil {
		panic(err) // it can only hold what JSON can
	}
	return queue.Message{Group: name, ID: name, Body: string(body)}
}

// IsMessage reports whether a message of the queue of jobs is for a Handler.
func IsMessage(m events.SQSMessage) bool {
	return strings.HasPrefix(m.Attributes[queue.AttrGroup], groupPrefix)
}

// Handler does the imports for which the queue of jobs has a message. An import
// that takes longer than slice is handed back, and the next event goes on
// with it; so does the one after a crash.
type Handler struct {
	*Worker
	Jobs queue.Queue
}

// slice is how long one event works at an import, far less than it may take:
// the alerts of other schools come through the same queue, and wait while all
// instances of the function are at imports.
const slice = 20 * time.Second

// Handle does the imports that the messages ask for.
func (h *Handler) Handle(ctx context.Context, e events.SQSEvent) (events.SQSEventResponse, error) {
	return queue.EachGroup(ctx, e, h.group), nil
}

func (h *Handler) group(ctx context.Context, msgs []events.SQSMessage) ([]events.SQSMessage, error) {
	for i, msg := range msgs {
		if err := h.message(ctx, msg); err != nil {
			h.log.Warn("import cut off, it will go on", "message", msg.MessageId, "err", err)
			return msgs[i:], err
		}
	}
	return nil, nil
}

func (h *Handler) message(ctx context.Context, msg events.SQSMessage) error {
	work, cancel := context.WithTimeout(ctx, slice)
	defer cancel()
	err := h.work(work, msg)
	if err == nil {
		return nil
	}
	wait := queue.RetryAfter
	if work.Err() != nil {
		wait = 0
	}
	return errors.Join(err, h.Jobs.Postpone(context.WithoutCancel(ctx), wait, msg.ReceiptHandle))
}

// work goes on with the import that a message asks for, until it is done or ctx ends.
func (h *Handler) work(ctx context.Context, msg events.SQSMessage) error {
	var asked ref
	if err := json.Unmarshal([]byte(msg.Body), &asked); err != nil {
		return err
	}
	in, err := h.Get(ctx, asked.School, asked.Import)
	switch {
	case errors.Is(err, ErrNone), err == nil && (in.State != Runs || in.Run != asked.Run):
		return nil // another event has done it, or does it
	case err != nil:
		return err
	}
	return h.Run(ctx, asked.School, in)
}
