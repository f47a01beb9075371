// Package bench measures Todoku on this machine, beside what the machine could
// do, and prints tables: the command todoku bench.
//
// It runs the very program that it is part of as a process of its own on made-up
// rosters, and has it send to a mail relay in another process that counts what
// arrives. The bare loop that it is compared with (bare.go) writes and sends the
// same mails over as many connections and keeps no state. The two take turns, and
// the median of each is quoted, because other work disturbs both.
//
// With the relay 20 ms away the lanes' limits are lifted, for there they would slow
// the program down, on purpose.
package bench

import (
	"context"
	"errors"
)

// Options says what to measure.
type Options struct {
	Sizes    []int  // recipients, in rising order
	Rounds   int    // of each measurement
	Far      bool   // also 20 ms away
	Conns    int    // connections to the near sink
	FarConns int    // and to the far one
	Keep     string // folder in which rosters are kept for the next run; "": none
}

// Run measures and prints.
func Run(ctx context.Context, o Options) error {
	b, err := prepare(ctx, o)
	if err != nil {
		return err
	}
	return errors.Join(b.all(ctx), b.close())
}
