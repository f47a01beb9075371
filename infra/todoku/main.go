// Command todoku is the one program of those who run Todoku, on one machine or on AWS:
//
//	go install github.com/todoku/todoku/infra/todoku@latest
//	todoku help
//
// docs/todoku.1 is its manual page.
package main

import (
	"context"
	"crypto/rand"
	"os"
	"time"

	"github.com/todoku/todoku/infra/bench"
	"github.com/todoku/todoku/infra/command"
	"github.com/todoku/todoku/shared/format"
	"github.com/todoku/todoku/shared/id"
	"github.com/todoku/todoku/shared/settings"
	"github.com/todoku/todoku/shared/table/dynamo"
)

func main() {
	os.Exit(command.Main(command.Program{Cloud: open, Bench: measure, Sink: bench.Sink}, os.Args[1:]))
}

// open opens the table of a deployment, with the credentials and the region that the AWS
// CLI would use.
func open(ctx context.Context, name string) (format.Store, error) {
	aws, err := settings.Load(ctx)
	if err != nil {
		return nil, err
	}
	return dynamo.Open(aws, name, time.Now, id.NewSource(time.Now, rand.Reader)), nil
}

func measure(ctx context.Context, o command.Bench) error { return bench.Run(ctx, bench.Options(o)) }
