// Command move takes everything that a deployment on AWS holds out into a file, or puts
// such a file into a new one; one machine does the same with its commands export and
// import:
//
//	move out  -table NAME FILE < secret    the keys that sign links come on standard input
//	move in   -table NAME FILE             prints the sum, which must be that of out
//	move keys FILE > secret                the keys of a file, to be put into the secret
//
// It uses the credentials and the region that the AWS CLI would use, and needs the rights
// to scan the table and to write to it. docs/operate.md says when to do what.
package main

import (
	"context"
	"crypto/rand"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"time"

	"github.com/todoku/todoku/infra/move"
	"github.com/todoku/todoku/shared/config"
	"github.com/todoku/todoku/shared/id"
	"github.com/todoku/todoku/shared/problem"
	"github.com/todoku/todoku/shared/settings"
	"github.com/todoku/todoku/shared/table/dynamo"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	c := command{stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr, open: open}
	if err := c.run(ctx, os.Args[1:]); err != nil {
		if !errors.Is(err, flag.ErrHelp) {
			_, _ = fmt.Fprintln(os.Stderr, "move:", problem.Say(err))
		}
		stop()
		os.Exit(1)
	}
}

// open opens a deployment's table.
func open(ctx context.Context, name string) (move.Store, error) {
	aws, err := settings.Load(ctx)
	if err != nil {
		return nil, err
	}
	return dynamo.Open(aws, name, time.Now, id.NewSource(time.Now, rand.Reader)), nil
}

// command is one run.
type command struct {
	stdin          io.Reader
	stdout, stderr io.Writer
	open           func(ctx context.Context, name string) (move.Store, error)
}

var errUsage = errors.New("usage: move out|in -table NAME FILE, or move keys FILE")

func (c command) run(ctx context.Context, args []string) error {
	if len(args) == 0 {
		return errUsage
	}
	f := flag.NewFlagSet("move "+args[0], flag.ContinueOnError)
	f.SetOutput(c.stderr)
	name := f.String("table", "", "name of the table, an output of the stack")
	if err := f.Parse(args[1:]); err != nil {
		return err
	}
	if f.NArg() != 1 || (args[0] != "keys") == (*name == "") {
		return errUsage
	}
	switch args[0] {
	case "keys":
		return c.keys(f.Arg(0))
	case "out":
		return c.out(ctx, *name, f.Arg(0))
	case "in":
		return c.in(ctx, *name, f.Arg(0))
	}
	return errUsage
}

// maxSecret is the most that Secrets Manager keeps in a secret, in bytes.
const maxSecret = 64 << 10

func (c command) out(ctx context.Context, name, file string) error {
	secret, err := io.ReadAll(io.LimitReader(c.stdin, maxSecret))
	if err != nil {
		return err
	}
	keys, err := config.ParseKeys(secret)
	if err != nil {
		return fmt.Errorf("the secret on standard input: %w", err)
	}
	store, err := c.open(ctx, name)
	if err != nil {
		return err
	}
	sum, err := move.ToFile(ctx, store, keys, time.Now(), file)
	if err == nil {
		_, err = fmt.Fprintln(c.stdout, sum)
	}
	return err
}

func (c command) in(ctx context.Context, name, file string) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	store, err := c.open(ctx, name)
	if err != nil {
		return err
	}
	sum, err := move.In(ctx, f, store, false)
	if err == nil {
		_, err = fmt.Fprintln(c.stdout, sum)
	}
	return err
}

func (c command) keys(file string) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	_, keys, err := move.Check(f)
	if err != nil {
		return err
	}
	secret, err := config.FormatKeys(keys)
	if err == nil {
		_, err = c.stdout.Write(append(secret, '\n'))
	}
	return err
}
