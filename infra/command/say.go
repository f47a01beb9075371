package command

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"runtime/debug"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/todoku/todoku/shared/problem"
)

// ofSystem says what an operator does about an error of the operating system; nil of one that
// few ever meet.
func ofSystem(err error) *problem.Error {
	var file *fs.PathError
	var listen *net.OpError
	var address *net.AddrError
	switch {
	case errors.As(err, &listen) && listen.Op == "listen" && errors.As(err, &address):
		return problem.New(problem.Invalid, "「%[1]s」は、待ち受けるアドレスとして読めません。127.0.0.1:8080 や :8080 のように、ポートの前に「:」を付けて書いてください。",
			"%[1]q cannot be read as an address to listen on. Write it like 127.0.0.1:8080 or :8080, with a colon before the port.", address.Addr)
	case errors.As(err, &listen) && listen.Op == "listen" && listen.Addr != nil && errors.Is(err, syscall.EADDRINUSE):
		return problem.New(problem.Conflict, "%[1]s は、ほかのプログラムが使っています。届くがもう動いていないか確かめるか、別のポートを指定してください。",
			"Another program uses %[1]s. See whether Todoku runs already, or choose another port.", listen.Addr)
	case errors.As(err, &listen) && listen.Op == "listen" && listen.Addr != nil && errors.Is(err, fs.ErrPermission):
		return problem.New(problem.Forbidden, "%[1]s で待ち受ける権限がありません。1024より小さいポートには権限が要ります（systemdなら AmbientCapabilities=CAP_NET_BIND_SERVICE）。",
			"There is no permission to listen on %[1]s. Ports below 1024 need it (with systemd AmbientCapabilities=CAP_NET_BIND_SERVICE).", listen.Addr)
	case errors.As(err, &listen) && listen.Op == "listen" && listen.Addr != nil:
		return problem.New(problem.Conflict, "%[1]s で待ち受けられません（%[2]v）。別のアドレスを指定してください。",
			"Cannot listen on %[1]s (%[2]v). Choose another address.", listen.Addr, listen.Err)
	case errors.As(err, &file) && errors.Is(err, fs.ErrNotExist):
		return problem.New(problem.NotFound, "%[1]s がありません。名前と場所を確かめてください。", "There is no %[1]s. Check its name and place.", file.Path)
	case errors.As(err, &file) && errors.Is(err, fs.ErrPermission):
		return problem.New(problem.Forbidden, "%[1]s を読み書きする権限がありません。持ち主と権限を確かめてください。", "There is no permission for %[1]s. Check its owner and mode.", file.Path)
	case errors.Is(err, syscall.ENOSPC):
		return problem.New(problem.Internal, "ディスクがいっぱいです。空きを作ってから、もう一度お試しください。", "The disk is full. Make room, then try again.")
	}
	return nil
}

// known refuses a command that there is not, and says which may be meant.
func (p *Program) known(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	if near := c.Root().SuggestionsFor(args[0]); len(near) > 0 {
		return problem.New(problem.Invalid, "「%[1]s」という操作はありません。「%[2]s」のことですか。一覧は todoku help で見られます。",
			"There is no command %[1]s. Do you mean %[2]s? See todoku help.", args[0], near[0])
	}
	return problem.New(problem.Invalid, "「%[1]s」という操作はありません。一覧は todoku help で見られます。", "There is no command %[1]s. See todoku help.", args[0])
}

// exactly asks for one argument a name.
func (p *Program) exactly(names ...string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if len(args) > len(names) {
			return problem.New(problem.Invalid, "「%[2]s」は余分です。使い方は todoku help %[1]s で見られます。",
				"%[2]q is one too many. See todoku help %[1]s.", c.Name(), args[len(names)])
		}
		return p.atLeast(names...)(c, args)
	}
}

// atLeast refuses arguments if one of names is missing.
func (p *Program) atLeast(names ...string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if len(args) < len(names) {
			return problem.New(problem.Invalid, "%[2]s を指定してください。使い方は todoku help %[1]s で見られます。",
				"Say which %[2]s. See todoku help %[1]s.", c.Name(), names[len(args)])
		}
		return nil
	}
}

// words completes a first argument, and leaves what comes after it to the shell.
func words(list ...string) cobra.CompletionFunc {
	return func(_ *cobra.Command, args []string, typed string) (fit []string, _ cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveDefault
		}
		for _, w := range list {
			if strings.HasPrefix(w, typed) {
				fit = append(fit, w)
			}
		}
		return fit, cobra.ShellCompDirectiveNoFileComp
	}
}

// flagError says what is wrong with a flag.
func (p *Program) flagError(c *cobra.Command, err error) error {
	help := "todoku help"
	if c.HasParent() {
		help += " " + c.Name()
	}
	var unknown *pflag.NotExistError
	var empty *pflag.ValueRequiredError
	var value *pflag.InvalidValueError
	switch {
	case errors.Is(err, pflag.ErrHelp):
		return err
	case errors.As(err, &unknown):
		name := unknown.GetSpecifiedName()
		if near := nearFlag(c.Flags(), name); near != "" {
			return problem.New(problem.Invalid, "%[1]s に --%[2]s という指定はありません。--%[3]s のことですか。使い方は %[4]s で見られます。",
				"%[1]s has no flag --%[2]s. Do you mean --%[3]s? See %[4]s.", c.Name(), name, near, help)
		}
		return problem.New(problem.Invalid, "%[1]s に --%[2]s という指定はありません。使い方は %[3]s で見られます。",
			"%[1]s has no flag --%[2]s. See %[3]s.", c.Name(), name, help)
	case errors.As(err, &empty):
		kind, _ := pflag.UnquoteUsage(empty.GetFlag())
		return problem.New(problem.Invalid, "--%[2]s のあとに%[3]sを書いてください。使い方は %[1]s で見られます。",
			"--%[2]s needs its %[3]s after it. See %[1]s.", help, empty.GetSpecifiedName(), kind)
	case errors.As(err, &value):
		kind, _ := pflag.UnquoteUsage(value.GetFlag())
		if kind == "" { // of a switch, which needs no value
			kind = p.say("真偽値（trueかfalse）", "boolean, true or false")
		}
		return problem.New(problem.Invalid, "--%[2]s の値「%[3]s」は、%[4]sとして使えません（%[5]v）。使い方は %[1]s で見られます。",
			"--%[2]s: %[3]q is no %[4]s (%[5]v). See %[1]s.", help, value.GetFlag().Name, value.GetValue(), kind, errors.Unwrap(value))
	}
	return problem.New(problem.Invalid, "指定の書き方が違います（%[2]v）。使い方は %[1]s で見られます。", "This cannot be read (%[2]v). See %[1]s.", help, err)
}

// nearFlag is the flag that is most like a name, if one is.
func nearFlag(flags *pflag.FlagSet, name string) (near string) {
	best := 3 // so many slips are no slip any more
	flags.VisitAll(func(f *pflag.Flag) {
		if n := slips(name, f.Name); n < best && n < len(name) {
			near, best = f.Name, n
		}
	})
	return near
}

// slips is how many letters must be changed, put in or left out to come from a to b.
func slips(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		last := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := last
			if a[i] != b[j] {
				change++
			}
			last, row[j+1] = row[j+1], min(change, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}

// version says which program this is.
func (p *Program) version() *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: p.say("版を表示", "say which version this is"),
		Long: p.say("このプログラムの版と、作られた元の版を表示します。問い合わせのときに添えてください。",
			"Prints the version, the revision of the source that it was built from, and the version of Go. Quote it when you ask for help."),
		Args: p.exactly(), RunE: func(*cobra.Command, []string) error {
			_, err := fmt.Fprintln(p.Stdout, version())
			return err
		},
	}
}

func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "todoku (devel)"
	}
	s := "todoku " + info.Main.Version
	for _, set := range info.Settings {
		switch {
		case set.Key == "vcs.revision":
			s += " " + set.Value
		case set.Key == "vcs.modified" && set.Value == "true":
			s += " (modified)"
		}
	}
	return s + " " + info.GoVersion
}

// completion writes what makes a shell complete commands, flags and arguments.
func (p *Program) completion() *cobra.Command {
	return &cobra.Command{
		Use: "completion bash|zsh|fish", Short: p.say("シェルの補完を設定する", "make a shell complete commands and flags"),
		Long: p.say("シェル（bash・zsh・fish）が操作や指定の名前を補うための設定を表示します。例のように、シェルの設定に加えてください。",
			"Prints what has a shell (bash, zsh or fish) complete commands, flags and arguments. Add it to the shell's set-up as in the examples."),
		Example: `  source <(todoku completion bash)
  todoku completion zsh > "${fpath[1]}/_todoku"
  todoku completion fish > ~/.config/fish/completions/todoku.fish`,
		Args: p.exactly("SHELL"), ValidArgsFunction: words("bash", "zsh", "fish"),
		RunE: func(c *cobra.Command, args []string) error {
			switch args[0] {
			case "bash":
				return c.Root().GenBashCompletionV2(p.Stdout, true)
			case "zsh":
				return c.Root().GenZshCompletion(p.Stdout)
			case "fish":
				return c.Root().GenFishCompletion(p.Stdout, true)
			}
			return problem.New(problem.Invalid, "シェル「%[1]s」の補完はありません。bash・zsh・fish のどれかを指定してください。", "There is no completion for %[1]s. Choose bash, zsh or fish.", args[0])
		},
	}
}
