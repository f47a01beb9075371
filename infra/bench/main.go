// Command bench measures Todoku on this machine, beside what the machine could
// do, and prints tables:
//
//	go run ./infra/bench [-n 1400,100000] [-rounds N] [-quick] [-keep DIR]
//
// It builds the one-machine program, runs it as a process of its own on made-up
// rosters, and has it send to a mail relay in another process that counts what
// arrives. The bare loop that it is compared with (bare.go) writes and sends the
// same mails over as many connections and keeps no state. The two take turns, and
// the median of each is quoted, because other work disturbs both.
//
// With the relay 20 ms away the lanes' limits are lifted, for there they would slow
// the program down, on purpose.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"strings"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "bench:", err)
		stop()
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) == 1 && args[0] == "sink" {
		return runSink(os.Stdin, os.Stdout)
	}
	o, err := parse(args)
	if err != nil {
		return err
	}
	b, err := prepare(ctx, o)
	if err != nil {
		return err
	}
	return errors.Join(b.all(ctx), b.close())
}

// options says what to measure.
type options struct {
	sizes    []int // recipients
	rounds   int   // of each measurement
	far      bool  // also 20 ms away
	conns    int   // connections to the near sink
	farConns int   // and to the far one
	keep     string
}

func parse(args []string) (options, error) {
	o := options{}
	f := flag.NewFlagSet("bench", flag.ContinueOnError)
	sizes := f.String("n", "1400,100000", "how many recipients, several separated by commas")
	quick := f.Bool("quick", false, "only 1400 recipients and one round of each")
	f.IntVar(&o.rounds, "rounds", 3, "how often each is measured; the largest size 20 ms away once")
	f.BoolVar(&o.far, "far", true, "measure with the sink 20 ms away, too")
	f.IntVar(&o.conns, "conns", 10, "connections to the near sink")
	f.IntVar(&o.farConns, "far-conns", 32, "connections to the sink that is 20 ms away")
	f.StringVar(&o.keep, "keep", "", "folder in which rosters are kept for the next run")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	if o.rounds < 1 {
		return o, errors.New("-rounds: at least one")
	}
	if *quick {
		*sizes, o.rounds = "1400", 1
	}
	for s := range strings.SplitSeq(*sizes, ",") {
		n, err := strconv.Atoi(strings.TrimSpace(s))
		if err != nil || n < 1 {
			return o, fmt.Errorf("-n: %q is not a number of recipients", s)
		}
		o.sizes = append(o.sizes, n)
	}
	slices.Sort(o.sizes)
	return o, nil
}
