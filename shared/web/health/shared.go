package health

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/todoku/todoku/shared/table"
)

// Anybody may ask for /healthz, and each look costs calls that others need. Where many
// processes answer, as Lambda's do, they take turns by one item of the table.
const (
	// commonMemory is for how long one process's look serves all.
	commonMemory = 15 * time.Second
	// patience is for how long another's look is waited for. One that takes longer has
	// ended with its process.
	patience = Timeout + time.Second
	// lookAgain is how long it takes until it is asked again whether it has ended.
	lookAgain = 250 * time.Millisecond
	// storeLimit bounds one use of the item: a store that takes longer is to be looked at.
	storeLimit = time.Second
	// commonLife is for how long the item is kept.
	commonLife = time.Hour
)

var commonKey = table.Key{Partition: "probe/health", Sort: "report"}

// common is the newest look.
type common struct {
	At     time.Time `json:"at"`               // when it began
	Report *Report   `json:"report,omitempty"` // nil: it is under way
}

// Shared has all processes that share t take one look in commonMemory. Where t does not
// serve, each looks for itself.
func (h *Handler) Shared(t table.Table) *Handler {
	h.table = t
	return h
}

// together returns the newest look, and waits for one that is under way.
func (h *Handler) together(ctx context.Context) (Report, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience+storeLimit)
	defer cancel()
	for {
		rep, err := h.turn(ctx)
		if !errors.Is(err, table.ErrBusy) {
			return rep, err
		}
		select {
		case <-time.After(lookAgain):
		case <-ctx.Done():
			return rep, err
		}
	}
}

// turn returns the newest look, or takes one if it is too old. It fails with ErrBusy while
// another process takes one.
func (h *Handler) turn(ctx context.Context) (Report, error) {
	short, cancel := context.WithTimeout(ctx, storeLimit)
	defer cancel()
	last, revision, err := table.Recall[common](short, h.table, commonKey)
	if err != nil {
		return Report{}, err
	}
	now := h.now()
	switch age := now.Sub(last.At); {
	case last.Report != nil && age < commonMemory:
		return *last.Report, nil
	case last.Report == nil && age < patience:
		return Report{}, table.ErrBusy
	}
	if err := h.note(ctx, revision, common{At: now}); err != nil {
		return Report{}, err
	}
	rep := h.check(ctx)
	if err := h.note(ctx, revision+1, common{now, &rep}); err != nil {
		h.log.Warn("the look at the health is not shared", "err", err)
	}
	return rep, nil
}

// note writes the item over a revision of it. It fails with ErrBusy if another process was
// faster.
func (h *Handler) note(ctx context.Context, revision int64, c common) error {
	value, err := json.Marshal(c)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), storeLimit)
	defer cancel()
	item := table.Item{Key: commonKey, Revision: revision, Value: value, Expires: c.At.Add(commonLife)}
	err = h.table.Write(ctx, "", table.Put(item))
	if _, conflict := table.Conflict(err); conflict {
		return table.ErrBusy
	}
	return err
}
