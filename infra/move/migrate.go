package move

import (
	"context"
	"time"

	"github.com/todoku/todoku/shared/format"
	"github.com/todoku/todoku/shared/keep"
)

// Migrate brings what is of an older form up to date, while all works. alerts is for how
// long alerts are kept, 0: keep.Alerts.
func Migrate(ctx context.Context, s Store, alerts time.Duration) (format.Report, error) {
	return format.Migrate(ctx, s, []format.Step{{From: 1, Rewrite: keep.Table{Alerts: alerts}.Rewrite}})
}
