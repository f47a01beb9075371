package bench

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"time"
)

// process is another program under this one's control.
type process struct {
	cmd   *exec.Cmd
	in    io.WriteCloser
	lines *bufio.Scanner // its standard output
}

// launch starts a program. What it says on standard error goes where ours goes.
func launch(ctx context.Context, program string, args ...string) (*process, error) {
	p := &process{cmd: exec.CommandContext(ctx, program, args...)} // this program, or one that it has built
	p.cmd.Stderr = os.Stderr
	in, err := p.cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	p.in, p.lines = in, bufio.NewScanner(out)
	return p, p.cmd.Start()
}

// line reads the next line of the program's output.
func (p *process) line() (string, error) {
	if p.lines.Scan() {
		return p.lines.Text(), nil
	}
	return "", errors.Join(fmt.Errorf("%s ended too early", p.cmd.Args), p.lines.Err())
}

// stop interrupts the program and waits for it.
func (p *process) stop() error {
	if err := p.cmd.Process.Signal(os.Interrupt); err != nil {
		return errors.Join(err, p.cmd.Wait())
	}
	return p.cmd.Wait()
}

// remote is the sink in its own process.
type remote struct {
	*process
	near, far string // host:port
	count     int    // of expect
}

func launchSink(ctx context.Context) (*remote, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	p, err := launch(ctx, self, "bench-sink")
	if err != nil {
		return nil, err
	}
	line, err := p.line()
	if err != nil {
		return nil, err
	}
	near, far, _ := strings.Cut(line, " ")
	return &remote{process: p, near: near, far: far}, nil
}

// expect has the sink count anew, for wait, and returns when it does: what came earlier
// would belong to the count before.
func (r *remote) expect(n int) error {
	r.count++
	if _, err := fmt.Fprintln(r.in, n); err != nil {
		return err
	}
	_, err := r.tally()
	return err
}

// tally reads how far the present count is when it has gone on.
func (r *remote) tally() (t tally, err error) {
	for t.count != r.count { // late word of the count before
		line, err := r.line()
		if err != nil {
			return t, err
		}
		if _, err := fmt.Sscan(line, &t.count, &t.messages, &t.distinct); err != nil {
			return t, fmt.Errorf("the sink said %q: %w", line, err)
		}
	}
	return t, nil
}

// patience is how long nothing may come: then the measurement has failed.
const patience = time.Minute

// wait returns when n different messages have come since expect, and tells
// progress meanwhile.
func (r *remote) wait(n int, progress func(done int)) (last tally, err error) {
	late := time.AfterFunc(patience, func() { _ = r.in.Close() }) // which ends the sink
	defer late.Stop()
	for last.distinct < n {
		t, err := r.tally()
		if err != nil {
			return last, fmt.Errorf("%d of %d messages came: %w", last.distinct, n, err)
		}
		late.Reset(patience)
		last = t
		progress(t.distinct)
	}
	return last, nil
}

// close ends the sink.
func (r *remote) close() error {
	return errors.Join(r.in.Close(), r.cmd.Wait())
}
