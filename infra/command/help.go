package command

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// helpCommand is `todoku help [COMMAND]`.
func (p *Program) helpCommand() *cobra.Command {
	return &cobra.Command{
		Use: "help [COMMAND]", Short: p.say("使い方を表示", "say how a command is used"),
		Long: p.say("操作の一覧、または1つの操作の使い方を表示します。", "Lists the commands, or says how one of them is used."),
		ValidArgsFunction: func(c *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
			var names []string
			for _, sub := range c.Root().Commands() {
				if !sub.Hidden {
					names = append(names, sub.Name())
				}
			}
			return words(names...)(c, args, typed)
		},
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) == 0 {
				p.help(c.Root())
				return nil
			}
			found, rest, err := c.Root().Find(args)
			if err != nil || found == c.Root() || len(rest) > 0 {
				return p.known(c, args)
			}
			p.help(found)
			return nil
		},
	}
}

// width is that of a terminal; flags' texts are broken to it.
const width = 100

// help says how a command is used.
func (p *Program) help(c *cobra.Command) {
	say := func(format string, args ...any) { _, _ = fmt.Fprintf(p.Stdout, format, args...) }
	say("%s: %s\n\n", c.CommandPath(), c.Short)
	say("%s\n  %s\n\n%s\n", p.say("使い方", "Usage"), usage(c), fold(c.Long))
	if c.HasAvailableSubCommands() {
		say("\n%s\n", p.say("操作", "Commands"))
		for _, sub := range c.Commands() {
			if !sub.Hidden {
				say("  %-14s %s\n", sub.Name(), sub.Short)
			}
		}
	}
	if flags := c.Flags().FlagUsagesWrapped(width); flags != "" {
		say("\n%s\n%s", p.say("指定", "Flags"), flags)
	}
	if c.Example != "" {
		say("\n%s\n%s\n", p.say("例", "Examples"), c.Example)
	}
	if !c.HasParent() {
		say("\n%s\n", p.say("1つの操作の使い方: todoku help 操作", "How one command is used: todoku help COMMAND"))
	}
}

func usage(c *cobra.Command) string {
	if !c.HasParent() {
		return "todoku COMMAND [flags] [ARGUMENT...]"
	}
	return "todoku " + c.Use
}

// fold breaks a text of words to the width; Japanese is left to the terminal.
func fold(s string) string {
	var b strings.Builder
	n := 0
	for i, word := range strings.Fields(s) {
		if i > 0 && n+len(word) >= width {
			b.WriteString("\n")
			n = 0
		} else if i > 0 {
			b.WriteString(" ")
			n++
		}
		b.WriteString(word)
		n += len(word)
	}
	return b.String()
}

// man prints the manual page.
func (p *Program) man() *cobra.Command {
	return &cobra.Command{
		Use: "man", Short: p.say("マニュアルページを書き出す", "print the manual page"),
		Long: p.say("マニュアルページをroffの形で表示します。", "Prints the manual page in the language roff."),
		Example: "  todoku man | man -l -\n" +
			"  todoku man > /usr/local/share/man/man1/todoku.1",
		Args: p.exactly(),
		RunE: func(c *cobra.Command, _ []string) error {
			_, err := fmt.Fprint(p.Stdout, p.manual(c.Root()))
			return err
		},
	}
}

// manual is the page of section 1 for all commands.
func (p *Program) manual(root *cobra.Command) string {
	var b strings.Builder
	say := func(format string, args ...any) { _, _ = fmt.Fprintf(&b, format+"\n", args...) }
	say(".TH TODOKU 1 \"\" \"todoku\" \"%s\"", p.say("届く", "Todoku"))
	say(".SH %s\ntodoku \\- %s", p.say("名前", "NAME"), roff(root.Short))
	say(".SH %s\n.B todoku\n.I COMMAND\n.RI [ flags ]\n.RI [ ARGUMENT ...]", p.say("書式", "SYNOPSIS"))
	say(".SH %s\n%s", p.say("説明", "DESCRIPTION"), roff(root.Long))
	say(".PP\n%s", roff(p.say("指定は、--data のように2つのハイフンでも、-data のように1つでも書けます。", "Flags are written with two dashes, as --data, or with one, as -data.")))
	say(".SH %s", p.say("操作", "COMMANDS"))
	for _, c := range root.Commands() {
		if c.Hidden {
			continue
		}
		say(".SS todoku %s\n%s", roff(c.Use), roff(c.Long))
		c.LocalNonPersistentFlags().VisitAll(func(f *pflag.Flag) {
			if f.Name != "help" {
				say("%s", manFlag(f))
			}
		})
		if c.Example != "" {
			say(".PP\n.EX\n%s\n.EE", roff(c.Example))
		}
	}
	say(".SH %s\n.TP\n.B \\-\\-lang\n%s", p.say("共通の指定", "FLAGS OF ALL COMMANDS"), roff(root.PersistentFlags().Lookup("lang").Usage))
	say(".SH %s\n%s", p.say("終了コード", "EXIT STATUS"), roff(p.say(
		"0は成功、1は失敗です。doctorは、何も見つからなければ0、保護者に届かない、または届かなくなる問題があれば2、それより軽い問題だけなら3で終わります。",
		"0 if all went well, 1 if not. doctor ends with 0 if it found nothing, 2 if guardians are not told or will not be, and 3 for less.")))
	say(".SH %s\n%s\n%s", p.say("メールの中継サーバー", "MAIL RELAY"), roff(p.say(
		"--smtp のURLでは、利用者名とパスワードの記号をパーセントエンコーディングで書きます。ポートは、smtp なら587（STARTTLS）、smtps なら465です。? に続けて、& で区切って次を指定できます。",
		"In the URL of --smtp what is special in the user's name and password is percent-encoded. The port is 587 for smtp (STARTTLS), 465 for smtps. After a question mark there may follow, with & between them:")),
		p.relayOptions())
	say(".SH %s\n.TP\n.I data/todoku.db\n%s\n.TP\n.I data/todoku.sock\n%s\n.TP\n.I data/last\\-backup\n%s", p.say("ファイル", "FILES"),
		roff(p.say("データベース。動いている間は todoku.db.journal と todoku.db.journal2 と一体です。手で写さず、backupを使ってください。", "The database. While Todoku runs, todoku.db.journal and todoku.db.journal2 belong to it: copy none of them by hand, use backup.")),
		roff(p.say("動いている届くが操作を受けるソケット。フォルダーに書き込める人は、操作もできます。", "The socket on which a running Todoku takes commands. Who may write to the folder may command.")),
		roff(p.say("最後にバックアップした時刻。doctorが見ます。", "When the last backup was made; doctor looks at it.")))
	say(".SH %s\n.TP\n.B LC_ALL, LC_MESSAGES, LANG\n%s\n.TP\n.B AWS_REGION, AWS_PROFILE, AWS_ACCESS_KEY_ID ...\n%s\n.TP\n.B GOMEMLIMIT, GOGC\n%s", p.say("環境変数", "ENVIRONMENT"),
		roff(p.say("enで始まれば英語、そうでなければ日本語で話します。", "What begins with en has the program speak English; otherwise it speaks Japanese.")),
		roff(p.say("--table を使うときの、AWSの地域と権限。AWS CLIと同じです。", "With --table: the region and the credentials of AWS, as the AWS CLI takes them.")),
		roff(p.say("使うメモリーの目安。", "How much memory is used.")))
	say(".SH %s\ndocs/operate.md, https://github.com/todoku/todoku", p.say("関連項目", "SEE ALSO"))
	return b.String()
}

// relayOptions is the list of what the query of a relay's URL says (smtp.ParseURL).
func (p *Program) relayOptions() string {
	var b strings.Builder
	for _, o := range [][2]string{
		{"conns=N", p.say("同時に開く接続の数、1から1000（10）", "N connections at once, 1 to 1000 (10)")},
		{"per-conn=N", p.say("1つの接続で送る通数、1から1000000（50）", "N messages on one connection, 1 to 1000000 (50)")},
		{"starttls=auto|required|off", p.say("smtpだけ。autoは、別の機械にサインインするなら必ず暗号化し、ほかは相手ができるとき（auto）",
			"of smtp alone; auto: required where a password goes to another machine, else where the relay offers it (auto)")},
		{"ca=FILE", p.say("信頼する証明書（PEM）。なければシステムのもの", "certificates to trust, PEM, in place of the system's")},
		{"helo=NAME", p.say("EHLOで名乗る名前", "the name to give with EHLO")},
		{"patience=X", p.say("RFC 5321の待ち時間を何倍にするか、0.01から10（1）", "the timeouts of RFC 5321 times X, 0.01 to 10 (1)")},
	} {
		_, _ = fmt.Fprintf(&b, ".TP\n.B %s\n%s\n", roff(o[0]), roff(o[1]))
	}
	return strings.TrimSuffix(b.String(), "\n")
}

func manFlag(f *pflag.Flag) string {
	value, text := pflag.UnquoteUsage(f)
	name := "\\-\\-" + roff(f.Name)
	if f.Shorthand != "" {
		name = `"\-` + f.Shorthand + ", " + name + `"`
	}
	head := ".B " + name
	if value != "" {
		head = ".BI " + name + " \" " + roff(value) + "\""
	}
	if f.DefValue != "" && f.DefValue != "false" && f.DefValue != "0" {
		text += " (" + f.DefValue + ")"
	}
	return ".TP\n" + head + "\n" + roff(text)
}

// roff escapes what the language of manual pages would take for its own.
func roff(s string) string {
	s = strings.NewReplacer(`\`, `\e`, "-", `\-`, "'", `\(aq`).Replace(s)
	if strings.HasPrefix(s, ".") {
		return `\&` + s
	}
	return s
}
