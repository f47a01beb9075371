// Command lanes compares ways to send to receiving operators, in virtual time, and
// prints tables:
//
//	go run ./infra/bench/lanes [-n 100] [-seed 1] [-only schools,city,...] [-svg FILE]
//
// Package lanesim says what the operators and the schedulers are. Every number of
// the operators is varied by x0.5 to x2; a ranking has to survive that.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"

	"github.com/todoku/todoku/infra/bench/lanesim"
)

func main() {
	if err := run(os.Args[1:]); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "bench-lanes:", err)
		os.Exit(1)
	}
}

// studies are what can be measured, in the order in which it is printed.
var studies = []struct {
	name string
	run  func(*report) error
}{
	{"schools", (*report).schools},
	{"ses", (*report).behindSES},
	{"isolation", (*report).isolation},
	{"burst", (*report).burst},
	{"city", (*report).city},
	{"prefecture", (*report).prefecture},
}

func run(args []string) error {
	f := flag.NewFlagSet("bench-lanes", flag.ContinueOnError)
	variations := f.Int("n", 100, "variations, of which the first is none")
	seed := f.Uint64("seed", 1, "says all chance")
	svg := f.String("svg", "", "file for the picture")
	only := f.String("only", "", "which studies, separated by commas; empty: all")
	if err := f.Parse(args); err != nil {
		return err
	}
	b, err := lanesim.NewBench(max(*variations, 1), *seed)
	if err != nil {
		return err
	}
	r := &report{Bench: b, out: os.Stdout}
	_, _ = fmt.Fprintf(r.out, "Seed %d, %d variations of every number by x0.5 to x2. Times are medians over the variations.\n", *seed, b.Variations)
	for _, s := range studies {
		if *only != "" && !strings.Contains(","+*only+",", ","+s.name+",") {
			continue
		}
		if err := s.run(r); err != nil {
			return err
		}
	}
	if *svg == "" {
		return nil
	}
	return os.WriteFile(*svg, []byte(r.picture()), 0o644) //nolint:gosec // a picture for all to see
}
