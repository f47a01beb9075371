package imports

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/todoku/todoku/shared/lang"
	"github.com/todoku/todoku/shared/mailhost"
	"github.com/todoku/todoku/shared/roster"
)

// asking is how long DNS may take, altogether, however many domains a list names:
// somebody waits.
const asking = 2 * time.Second

// Doubt warns of the rows with addresses that no mail can reach.
func Doubt(ctx context.Context, hosts *mailhost.Store, plan *roster.Plan) {
	wrong := map[string]lang.Text{}
	for domain, answer := range hosts.Check(ctx, plan.Domains(), asking) {
		if p := answer.Problem(domain); p != nil {
			wrong[domain] = p.Text
		}
	}
	plan.Doubt(wrong)
}

// Commit does an import, and has the lanes of its addresses found meanwhile. If
// that fails their domains decide, and the import is none the worse.
func Commit(ctx context.Context, plan *roster.Plan, hosts *mailhost.Store, log *slog.Logger, progress func(done, total int)) error {
	domains := plan.Domains() // before Commit changes what it knows of rows
	var asks sync.WaitGroup
	defer asks.Wait()
	asks.Go(func() {
		if err := hosts.Learn(ctx, domains, asking); err != nil {
			log.Warn("mail hosts not kept, the domains decide", "school", plan.School, "err", err)
		}
	})
	return plan.Commit(ctx, progress)
}
