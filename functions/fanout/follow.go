package fanout

import (
	"context"
	"errors"

	"golang.org/x/sync/errgroup"

	"github.com/todoku/todoku/shared/alert"
	"github.com/todoku/todoku/shared/roster"
)

// lookers is how many families are looked up in the other alert at once.
const lookers = 16

// unanswered leaves out, of an alert that follows another, the families that have
// answered the other for all of their children: their places become zero, like those of
// families that were deleted. Who was not asked then has not answered.
func (w *walk) unanswered(ctx context.Context, families []roster.Family) error {
	if w.alert.Follows == "" {
		return nil
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(lookers)
	for i := range families {
		g.Go(func() error {
			done, err := w.answered(ctx, families[i])
			if done {
				families[i] = roster.Family{}
			}
			return err
		})
	}
	return g.Wait()
}

// answered looks in each class that a child is in now: an alert keeps a family in the
// class of one of its children, and points to it from the others.
func (w *walk) answered(ctx context.Context, f roster.Family) (bool, error) {
	for _, c := range f.Children {
		m, err := w.Alerts.FindFamily(ctx, alert.Ref{Alert: w.alert.Follows, Class: c.Class, Family: f.ID})
		if errors.Is(err, alert.ErrNotFound) {
			continue
		}
		return err == nil && !awaited(&m.Family), err
	}
	return false, nil
}
