// Command build makes the Lambda programs, build/<function>/bootstrap, of the
// source tree that it is started in. cdk.json has it run before every synth.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, "."); err != nil {
		_, _ = fmt.Fprintln(os.Stderr, "build:", err)
		stop()
		os.Exit(1)
	}
}
