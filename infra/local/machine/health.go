package machine

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/todoku/todoku/shared/queue"
)

const (
	// healthTimeout bounds one look at the health.
	healthTimeout = 5 * time.Second
	// healthMemory is for how long an answer serves those who ask again: each look
	// writes to the disk and logs in to the relay.
	healthMemory = 2 * time.Second
)

// health answers /healthz: store, queue and mail are proven by using them.
type health struct {
	checks map[string]func(context.Context) error
	now    func() time.Time

	mu     sync.Mutex
	at     time.Time
	report report
}

// report is the JSON of /healthz.
type report struct {
	Status string            `json:"status"` // ok or failing
	Checks map[string]string `json:"checks"` // ok, or what is wrong
}

func (h *health) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	rep := h.look(r.Context())
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	if rep.Status != "ok" {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	_ = json.NewEncoder(w).Encode(rep)
}

func (h *health) look(ctx context.Context) report {
	h.mu.Lock()
	defer h.mu.Unlock()
	if now := h.now(); h.at.IsZero() || now.Sub(h.at) >= healthMemory {
		h.report, h.at = h.check(ctx), now
	}
	return h.report
}

func (h *health) check(ctx context.Context) report {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), healthTimeout)
	defer cancel()
	rep := report{Status: "ok", Checks: map[string]string{}}
	for name, check := range h.checks {
		rep.Checks[name] = "ok"
		if err := check(ctx); err != nil {
			rep.Status, rep.Checks[name] = "failing", err.Error()
		}
	}
	return rep
}

// probes proves that a queue hands out what it takes, by sending it messages.
type probes struct {
	queue queue.Queue
	last  atomic.Uint64
	mu    sync.Mutex
	open  map[string]chan struct{}
}

func newProbes(q queue.Queue) *probes { return &probes{queue: q, open: map[string]chan struct{}{}} }

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
	if err := p.queue.Send(ctx, queue.Message{Group: "probe", ID: id, Body: id}); err != nil {
		return err
	}
	select {
	case <-c:
		return nil
	case <-ctx.Done():
		p.mu.Lock()
		defer p.mu.Unlock()
		delete(p.open, id)
		return errProbe
	}
}
