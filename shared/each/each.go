// Package each does the same with many values, some of them side by side.
package each

import (
	"context"

	"golang.org/x/sync/errgroup"
)

// Map returns what f makes of each value, in their order. At most limit calls of f run at
// once. The first error of a call ends the context of the others and is returned, with what
// the finished calls made.
func Map[T, R any](ctx context.Context, limit int, values []T, f func(context.Context, T) (R, error)) ([]R, error) {
	made := make([]R, len(values))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(limit)
	for i, v := range values {
		g.Go(func() (err error) {
			made[i], err = f(ctx, v)
			return err
		})
	}
	return made, g.Wait()
}
