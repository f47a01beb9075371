package fanout

import (
	"context"
	"errors"

	"golang.org/x/sync/errgroup"

	"github.com/todoku/todoku/shared/alert"
	"github.com/todoku/todoku/shared/roster"
)

// sweepPage is how many families one write of a sweep changes. With their
// counters, at most one a slot of each copy, that stays below table.MaxOps.
const sweepPage = 20

// cancel gives up every copy that has not left, and has the roster know who has
// answered: now, because nobody waits for it.
func (h *Handler) cancel(ctx context.Context, a alert.Alert, p alert.Progress) error {
	now := h.Now().UTC()
	heard := func(ctx context.Context, class string) error { return h.heard(ctx, a, class) }
	err := h.sweep(ctx, a, &p, heard, func(ctx context.Context, made []alert.Made) error {
		var changes []alert.Change
		for _, m := range made {
			changes = append(changes, alert.Change{Ref: m.Ref(a.ID), Apply: func(f *alert.Family) bool {
				changed := false
				for i := range f.Copies {
					changed = f.Copies[i].Cancel(now) || changed
				}
				return changed
			}})
		}
		return h.Alerts.Update(ctx, changes...)
	})
	if err != nil {
		return err
	}
	p.Done = true
	ops, err := h.Alerts.SummaryOps(ctx, a)
	if err != nil {
		return err
	}
	return h.Alerts.SaveProgress(ctx, a, &p, ops...)
}

// writers is how many families are noted at once.
const writers = 16

// heard notes in the roster which contacts have answered.
func (h *Handler) heard(ctx context.Context, a alert.Alert, class string) error {
	heard, err := h.Alerts.Heard(ctx, a.ID, class)
	if err != nil {
		return err
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(writers)
	for family, contacts := range heard {
		g.Go(func() error {
			err := h.Roster.Heard(ctx, a.School, family, contacts)
			if errors.Is(err, roster.ErrNotFound) {
				return nil // deleted, or part of another by now
			}
			return err
		})
	}
	return g.Wait()
}

// sweep calls change for all families of an alert, a page at a time, and after each
// class end. After an interruption it begins again with the class where it was, so
// change must do no harm to a family that it has seen.
func (h *Handler) sweep(ctx context.Context, a alert.Alert, p *alert.Progress, end func(context.Context, string) error, change func(context.Context, []alert.Made) error) error {
	for class := p.Made.After; ; {
		classes, _, err := h.Alerts.Classes(ctx, a.ID, class, 1)
		if err != nil {
			return err
		}
		if len(classes) == 0 {
			return nil
		}
		class = classes[0].Class
		if err := h.sweepClass(ctx, a, class, change); err != nil {
			return err
		}
		if err := end(ctx, class); err != nil {
			return err
		}
		p.Made.After = class
		if err := h.Alerts.SaveProgress(ctx, a, p); err != nil {
			return err
		}
	}
}

func (h *Handler) sweepClass(ctx context.Context, a alert.Alert, class string, change func(context.Context, []alert.Made) error) error {
	for after := ""; ; {
		made, next, err := h.Alerts.Families(ctx, a.ID, class, after, sweepPage, false)
		if err != nil {
			return err
		}
		if len(made) > 0 {
			if err := change(ctx, made); err != nil {
				return err
			}
		}
		if next == "" {
			return nil
		}
		after = next
	}
}
