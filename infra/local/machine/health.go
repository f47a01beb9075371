package machine

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/todoku/todoku/shared/queue"
)

// probes proves that a queue hands out what it takes, by sending it messages.
type probes struct {
	queue queue.Sender
	last  atomic.Uint64
	mu    sync.Mutex
	open  map[string]chan struct{}
}

func newProbes(q queue.Sender) *probes { return &probes{queue: q, open: map[string]chan struct{}{}} }

// handle consumes the probes' own queue.
func (p *probes) handle(_ context.Context, e events.SQSEvent) (events.SQSEventResponse, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, m := range e.Records {
		if c, ok := p.open[m.Body]; ok {
			close(c)
			delete(p.open, m.Body)
		}
	}
	return events.SQSEventResponse{}, nil
}

var errProbe = errors.New("the queue took a message and did not hand it out")

// check sends a message through the queue and waits for it.
func (p *probes) check(ctx context.Context) error {
	id := strconv.FormatInt(time.Now().UnixNano(), 36) + "-" + strconv.FormatUint(p.last.Add(1), 36)
	c := make(chan struct{})
	p.mu.Lock()
	p.open[id] = c
	p.mu.Unlock()
	defer p.forget(id)
	if err := p.queue.Send(ctx, queue.Message{Group: "probe", ID: id, Body: id}); err != nil {
		return err
	}
	select {
	case <-c:
		return nil
	case <-ctx.Done():
		return errProbe
	}
}

// forget has nobody wait for a probe any more.
func (p *probes) forget(id string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.open, id)
}
