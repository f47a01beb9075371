// Package command is the program todoku: its commands, their help, completion and manual
// page. What it speaks to AWS with comes in from outside, so that the program of one
// machine can do without.
package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"regexp"
	"runtime/debug"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/todoku/todoku/shared/format"
	"github.com/todoku/todoku/shared/lang"
	"github.com/todoku/todoku/shared/problem"
)

// Program is one run of the program. The zero value is that of one machine.
type Program struct {
	Stdin          io.Reader // nil: the process's own, as are the two others
	Stdout, Stderr io.Writer
	// Default is the command that is meant if none is named; "": the help is shown.
	Default string
	// Cloud opens the table of a deployment on AWS; nil: there are no such commands.
	Cloud func(ctx context.Context, table string) (format.Store, error)
	// Bench measures, with Sink in a process of its own; nil: there is no such command.
	Bench func(ctx context.Context, o Bench) error
	Sink  func(in io.Reader, out io.Writer) error

	lang lang.Lang
}

// Main runs the program until it ends or is interrupted, and returns its exit status.
func Main(p Program, args []string) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	tune()
	err := p.Run(ctx, args)
	var code exit
	switch {
	case err == nil:
		return 0
	case errors.As(err, &code):
		return int(code)
	}
	_, _ = fmt.Fprintln(os.Stderr, "todoku: "+say(err, language(args)))
	return 1
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

// Run does what the arguments say.
func (p Program) Run(ctx context.Context, args []string) error {
	if p.Stdin == nil {
		p.Stdin = os.Stdin
	}
	if p.Stdout == nil {
		p.Stdout = os.Stdout
	}
	if p.Stderr == nil {
		p.Stderr = os.Stderr
	}
	p.lang = language(args)
	if p.Default != "" && (len(args) == 0 || strings.HasPrefix(args[0], "-")) {
		args = append([]string{p.Default}, args...)
	}
	root := p.tree()
	root.SetArgs(twoDashes(args))
	return root.ExecuteContext(ctx)
}

// say is what to tell the person at the terminal.
func say(err error, l lang.Lang) string {
	var list problem.List
	if !errors.As(err, &list) {
		var one *problem.Error
		if !errors.As(err, &one) {
			one = ofSystem(err)
		}
		if one == nil {
			return err.Error()
		}
		list = problem.List{one}
	}
	lines := make([]string, len(list))
	for i, e := range list {
		lines[i] = e.Text.In(l)
	}
	return strings.Join(lines, "\n")
}

// language is what -lang says, or else the terminal: English for who has set it, else
// Japanese.
func language(args []string) lang.Lang {
	for i, a := range args {
		switch name, value, with := strings.Cut(strings.TrimLeft(a, "-"), "="); {
		case name != "lang" || !strings.HasPrefix(a, "-"):
		case with:
			return lang.Match(value, "")
		case i+1 < len(args):
			return lang.Match(args[i+1], "")
		}
	}
	for _, name := range []string{"LC_ALL", "LC_MESSAGES", "LANG"} {
		if v := os.Getenv(name); v != "" {
			if strings.HasPrefix(v, "en") {
				return lang.EN
			}
			return lang.JA
		}
	}
	return lang.JA
}

// long is a flag of several letters after one dash, as Go's own tools take it.
var long = regexp.MustCompile(`^-[a-z][a-z-]+(=|$)`)

// twoDashes gives flags of several letters their second dash.
func twoDashes(args []string) []string {
	args = append([]string{}, args...)
	for i, a := range args {
		if a == "--" {
			break
		}
		if long.MatchString(a) {
			args[i] = "-" + a
		}
	}
	return args
}

// tree makes all commands.
func (p *Program) tree() *cobra.Command {
	root := &cobra.Command{
		Use: "todoku", Short: p.say("学校の緊急連絡と安否確認", "emergency contact and safety confirmation for schools"),
		Long: p.say(
			"届く（todoku）は、学校の緊急連絡と安否確認のしくみです。このプログラムは、1台のパソコンでは届くそのものとして動き、1台でもAWSでも、運用に必要な操作を行います。",
			"Todoku tells every guardian of a school what to do in an emergency, and shows staff who has answered. This program is Todoku itself on one machine, and does what operators do, on one machine and on AWS."),
		SilenceErrors: true, SilenceUsage: true, CompletionOptions: cobra.CompletionOptions{DisableDefaultCmd: true},
		Args: p.known, SuggestionsMinimumDistance: 2, RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	root.SetIn(p.Stdin)
	root.SetOut(p.Stdout)
	root.SetErr(p.Stderr)
	root.SetFlagErrorFunc(p.flagError)
	root.SetHelpFunc(func(c *cobra.Command, _ []string) { p.help(c) })
	root.PersistentFlags().String("lang", "", p.say("`言語`（jaまたはen）。指定がなければ環境変数LANGによる", "`LANGUAGE` of what is said, ja or en; without it that of the variable LANG"))
	root.AddCommand(p.run(), p.doctor(), p.invoke(), p.backup(), p.restore(), p.export(), p.importAll(), p.migrate(),
		p.signIn(), p.dead(), p.redrive(), p.verifyAudit(), p.keys(), p.version(), p.completion(), p.man())
	if p.Bench != nil {
		root.AddCommand(p.bench()...)
	}
	root.SetHelpCommand(p.helpCommand())
	root.InitDefaultHelpCmd()
	for _, c := range root.Commands() {
		c.InitDefaultHelpFlag()
		c.Flags().Lookup("help").Usage = p.say("この説明を表示", "show this help")
	}
	root.Version = version()
	root.SetVersionTemplate("{{.Version}}\n")
	root.InitDefaultVersionFlag()
	root.Flags().Lookup("version").Usage = p.say("版を表示", "say which version this is")
	root.InitDefaultHelpFlag()
	root.Flags().Lookup("help").Usage = p.say("この説明を表示", "show this help")
	return root
}

// say chooses the language of a text.
func (p *Program) say(ja, en string) string { return lang.Text{JA: ja, EN: en}.In(p.lang) }

// dataFlag adds the flag of commands that look at a folder.
func (p *Program) dataFlag(c *cobra.Command) *string {
	data := c.Flags().String("data", "data", p.say("データベースの`フォルダー`", "`FOLDER` of the database"))
	_ = c.MarkFlagDirname("data")
	return data
}

// tableFlag adds the flag of commands that work on AWS, too.
func (p *Program) tableFlag(c *cobra.Command) *string {
	if p.Cloud == nil {
		return new(string)
	}
	name := c.Flags().String("table", "", p.say("AWS上のテーブルの`名前`（スタックの出力TableName）。1台の場合は不要", "`NAME` of the table on AWS, the stack's output TableName; not for one machine"))
	return name
}

// log returns the log: lines for people to read, on standard error.
func (p *Program) log(verbose bool) *slog.Logger {
	level := slog.LevelWarn
	if verbose {
		level = slog.LevelInfo
	}
	return slog.New(slog.NewTextHandler(p.Stderr, &slog.HandlerOptions{Level: level}))
}
