// Command lanes compares ways to send to receiving operators, in virtual time, and
// prints tables:
//
//	go run ./infra/bench/lanes [-n 100] [-seed 1] [-only schools,city,...] [-svg FILE]
//
// Or it starts operators as real SMTP servers on loopback, whose time passes faster, and says
// where they listen, until it is interrupted:
//
//	go run ./infra/bench/lanes -serve webmail-y,carrier-d [-speed 30]
//
// Package lanesim says what the operators and the schedulers are. Every number of
// the operators is varied by x0.5 to x2; a ranking has to survive that.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

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
	{"faults", (*report).faults},
	{"isolation", (*report).isolation},
	{"burst", (*report).burst},
	{"city", (*report).city},
	{"prefecture", (*report).prefecture},
	{"mixed-ses", (*report).mixedBySES},
}

func run(args []string) error {
	f := flag.NewFlagSet("bench-lanes", flag.ContinueOnError)
	variations := f.Int("n", 100, "variations, of which the first is none")
	seed := f.Uint64("seed", 1, "says all chance")
	svg := f.String("svg", "", "file for the picture")
	only := f.String("only", "", "which studies, separated by commas; empty: all")
	operators := f.String("serve", "", "operators to start as SMTP servers, separated by commas, and nothing else")
	speed := f.Float64("speed", 30, "how much faster their time passes")
	if err := f.Parse(args); err != nil {
		return err
	}
	if *operators != "" {
		return serve(strings.Split(*operators, ","), *seed, *speed)
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

// serve starts operators as SMTP servers until it is interrupted.
func serve(names []string, seed uint64, speed float64) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	ps, err := lanesim.Load()
	if err != nil {
		return err
	}
	if speed <= 0 {
		return errors.New("-speed: more than 0, please")
	}
	for _, name := range names {
		p, ok := ps.ByName[name]
		if !ok {
			return fmt.Errorf("-serve: there is no operator %q, but %s", name, strings.Join(ps.Names(), ", "))
		}
		s, err := lanesim.Serve(ctx, p, lanesim.Fault{}, seed, speed)
		if err != nil {
			return err
		}
		defer func() { _ = s.Close() }()
		fmt.Printf("%s smtp://%s\n", name, s.Addr())
	}
	<-ctx.Done()
	return nil
}
