// Command build makes the Lambda programs, build/<function>/bootstrap, of the
// source tree that it is started in. cdk.json has it run before every synth. Drills
// use it with -dir, -arch and -tags for programs that run on the machine at hand.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	var t target
	flag.StringVar(&t.dir, "dir", "", "folder of the programs, made anew (build)")
	flag.StringVar(&t.arch, "arch", "", "architecture, as Go names it (arm64)")
	flag.StringVar(&t.tags, "tags", "", "further build tags; such programs are not for deployment")
	flag.Parse()
	if err := run(ctx, ".", t); err != nil {
		_, _ = fmt.Fprintln(os.Stderr, "build:", err)
		stop()
		os.Exit(1)
	}
}
