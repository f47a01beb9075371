package queue

import (
	"context"
	"sync"
)

// Reasons collects why messages of a batch fail, by message id. A handler says it with
// Because; who calls the handler gives it a context of WithReasons, and keeps the
// reason with a message that is given up.
type Reasons struct {
	mu sync.Mutex
	by map[string]string
}

type reasonsKey struct{}

// WithReasons returns a context in which Because notes reasons.
func WithReasons(ctx context.Context) (context.Context, *Reasons) {
	r := &Reasons{by: map[string]string{}}
	return context.WithValue(ctx, reasonsKey{}, r), r
}

// Because notes why a message fails. The error names no person: it is shown to staff
// and stands in logs. Where nobody collects reasons it does nothing.
func Because(ctx context.Context, messageID string, err error) {
	r, ok := ctx.Value(reasonsKey{}).(*Reasons)
	if !ok || err == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.by[messageID] = err.Error()
}

// Of returns why a message failed, "" if nobody said it.
func (r *Reasons) Of(messageID string) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.by[messageID]
}
