// Command local is Todoku on one machine.
//
//	local [-demo] [-addr HOST:PORT] [-data DIR] [-smtp URL] ...   serve
//	local doctor [-data DIR] [-json] [-from ADDR -smtp URL ...]   look at all that mail to guardians depends on
//	local invoke [-data DIR] FUNCTION FILE                        run one function on an event
//	local backup [-data DIR] FILE                                 copy the database, running or not
//	local restore [-data DIR] FILE                                put a copy back, into an empty folder
//	local dead [-data DIR] [-redrive] jobs|copies|mails           list or redrive dead letters, while running
//	local sign-in [-data DIR] -school NAME -manager-mail ADDRESS  print a one-time sign-in link, while running
//	local verify-audit [-data DIR]                                check that the audit log is whole, running or not
//
// `local -h` and `local COMMAND -h` list the flags.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"github.com/todoku/todoku/shared/problem"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	tune()
	p := &program{stdout: os.Stdout, stderr: os.Stderr}
	if err := p.run(ctx, os.Args[1:]); err != nil {
		var code exit
		if !errors.Is(err, flag.ErrHelp) && !errors.As(err, &code) {
			_, _ = fmt.Fprintln(os.Stderr, "todoku:", problem.Say(err))
		}
		stop()
		os.Exit(max(int(code), 1))
	}
}

// tune has the garbage collector run less often than it does by default, which saves
// about a third of the time that an alert to 100,000 takes, at the price of some
// 50 MB; and more often again as memory comes near memoryLimit. The variables GOGC
// and GOMEMLIMIT have the last word.
func tune() {
	const (
		percent     = 400
		memoryLimit = 150 << 20
	)
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(percent)
	}
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(memoryLimit)
	}
}

// exit is the status with which the program ends, when all is said.
type exit int

func (e exit) Error() string { return fmt.Sprintf("exit status %d", int(e)) }

// program is one run of the command.
type program struct{ stdout, stderr io.Writer }

// run reads the arguments and does what they say.
func (p *program) run(ctx context.Context, args []string) error {
	if len(args) > 0 {
		switch args[0] {
		case "doctor":
			return p.doctor(ctx, args[1:])
		case "invoke":
			return p.invoke(ctx, args[1:])
		case "backup":
			return p.backup(ctx, args[1:])
		case "restore":
			return p.restore(args[1:])
		case "export":
			return p.export(ctx, args[1:])
		case "import":
			return p.importAll(ctx, args[1:])
		case "dead":
			return p.dead(ctx, args[1:])
		case "sign-in":
			return p.signIn(ctx, args[1:])
		case "verify-audit":
			return p.verifyAudit(ctx, args[1:])
		}
	}
	return p.serve(ctx, args)
}

// flags returns a flag set with the flag that all commands have.
func (p *program) flags(name, usage string) (*flag.FlagSet, *string) {
	f := flag.NewFlagSet(name, flag.ContinueOnError)
	f.SetOutput(p.stderr)
	f.Usage = func() {
		_, _ = fmt.Fprintf(p.stderr, "usage: local %s\n", usage)
		f.PrintDefaults()
	}
	return f, f.String("data", "data", "folder of the database")
}

// log returns the log: lines for people to read, on standard error.
func (p *program) log(verbose bool) *slog.Logger {
	level := slog.LevelWarn
	if verbose {
		level = slog.LevelInfo
	}
	return slog.New(slog.NewTextHandler(p.stderr, &slog.HandlerOptions{Level: level}))
}
