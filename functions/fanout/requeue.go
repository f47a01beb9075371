package fanout

import (
	"context"

	"github.com/todoku/todoku/shared/alert"
)

// requeue queues all copies once more that have not left, those included that were put off:
// their messages were lost, as after a restore. What is in the queue all the same leaves
// once: dispatch sends no copy that has left.
func (h *Handler) requeue(ctx context.Context, a alert.Alert, p alert.Progress) error {
	if err := h.queueAgain(ctx, a, (*alert.Copy).Waits); err != nil {
		return err
	}
	p.Done = true
	return h.Alerts.SaveProgress(ctx, a, &p)
}
