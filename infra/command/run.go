package command

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/todoku/todoku/functions/console"
	"github.com/todoku/todoku/infra/local/machine"
	"github.com/todoku/todoku/shared/keep"
	"github.com/todoku/todoku/shared/mail/smtp"
	"github.com/todoku/todoku/shared/problem"
	"github.com/todoku/todoku/shared/roster"
	"github.com/todoku/todoku/shared/staff"
	"github.com/todoku/todoku/shared/web"
)

// options is what the flags of run say.
type options struct {
	machine.Config
	demo    bool
	signIn  bool
	verbose bool
	school  roster.School
	manager staff.Staff
}

// run is the whole of Todoku, until it is interrupted.
func (p *Program) run() *cobra.Command {
	c := &cobra.Command{ //nolint:gosec // the password is an example's
		Use: "run [flags]", Short: p.say("届くを動かす", "run Todoku on this machine"),
		Long: p.say("この1台で届くのすべて（画面・キュー・メール・時計）を動かします。最初に始めるときは、学校と最初の管理者を指定すると、サインイン用リンクが表示されます。--demo なら、架空の学校で試せます。--smtp がなければ、メールは受信箱のページに入り、外には出ません。",
			"Runs the whole of Todoku on this machine: pages, queues, mail and clock. The first start needs a school and its first manager, and prints a one-time sign-in link. With --demo there is a made-up school to try. Without --smtp mail goes to the inbox page, and none leaves the machine."),
		Example: "  todoku run --demo\n  todoku run --school 見本小学校 --from anzen@school.example.jp --phone 03-0000-0000 \\\n    --manager 山田花子 --manager-mail yamada@school.example.jp \\\n    --addr :8080 --base-url https://todoku.school.example.jp --smtp 'smtp://user:pass@relay.example.jp:587'",
		Args:    p.exactly(),
	}
	read := p.options(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		o, err := read()
		if err != nil {
			return err
		}
		return p.serve(c.Context(), o)
	}
	return c
}

// options adds the flags of run, and returns what reads them.
func (p *Program) options(c *cobra.Command) func() (options, error) {
	o := &options{}
	data := p.dataFlag(c)
	f := c.Flags()
	f.StringVar(&o.Addr, "addr", "127.0.0.1:8080", p.say("待ち受ける`ホスト:ポート`", "`HOST:PORT` to listen on"))
	f.StringVar(&o.BaseURL, "base-url", "", p.say("保護者が開く画面の`アドレス`（なければ http://ADDR。--addr :8080 などと --smtp を使うときは必要）", "`ADDRESS` at which guardians reach this program; without it http://ADDR. Needed with --smtp and an --addr such as :8080"))
	relay := p.relayFlags(f, &o.Relay, p.say("メールの中継サーバーの`URL`（smtp://user:pass@host:587、smtps://...）。なければ受信箱のページへ", "`URL` of the mail relay, smtp://user:pass@host:587 or smtps://...; without it mail goes to the inbox page"))
	f.StringVar(&o.Lanes, "lanes", "", p.say("配送レーンの設定を上書きする`ファイル`", "`FILE` that overrides the shipped lanes"))
	f.StringVar(&o.Inbound, "inbound", "", p.say("保護者の空メールを受け取る`ホスト:ポート`。なければ受け取らない", "`HOST:PORT` on which to take guardians' empty mail; without it none is taken"))
	f.StringVar(&o.InboundDomain, "inbound-domain", "", p.say("保護者がその空メールを送る`ドメイン`（MXレコードが--inboundを指すこと）", "`DOMAIN` to which guardians send that mail; its MX record leads to --inbound"))
	p.sending(f, &o.Sending)
	f.DurationVar(&o.Proof.Every, "proof", time.Hour, p.say("自分あての連絡で、回答まで届くことを確かめる`間隔`。0なら確かめない", "`TIME` between proofs, by an alert of its own, that an alert is answered; 0 for none"))
	f.StringVar(&o.Proof.Address, "proof-to", "", p.say("その確認メールの`宛先`。なければ外には出さず、中継サーバーにたずねるだけ", "`MAILBOX` for the mails of those proofs; without it none leaves, and the relay is only asked whether it would take one"))
	f.StringVar(&o.Proof.Mailboxes, "proof-mailboxes", "", p.say("メール会社ごとの確認用の`宛先`（コンマ区切り、1社に一つ）。届いたメールに自動で回答するように設定しておく", "`MAILBOXES` at mail operators, one at each, with commas between them, that answer the mails of proofs by themselves: each operator is proven by its own"))
	f.StringVar(&o.Proof.DeadMan, "dead-man", "", p.say("確かめるたびに呼ぶ`アドレス`（例 https://hc-ping.com/UUID）。呼び出しが絶えると、そこが知らせる。{lane}と書いた所にはメール会社の名前が入り、1社ずつ別に呼ぶ", "`ADDRESS` to call after each proof, such as https://hc-ping.com/UUID: it raises the alarm when no call comes. With {lane} in it, it is called for each mail operator by its name"))
	f.StringVar(&o.Metrics, "metrics", "", p.say("Prometheus用の/metricsと、/healthzを出す`ホスト:ポート`（例 127.0.0.1:9090）。監視だけが届くようにする", "`HOST:PORT` on which to serve /metrics for Prometheus, and /healthz, such as 127.0.0.1:9090; only your monitoring should reach it"))
	f.Func("trusted-proxy", p.say("別の機械にあるTLSプロキシの`IPアドレス`（コンマ区切り、範囲も可）。そのX-Forwarded-Forを信じる", "`IP-ADDRESSES` or prefixes of TLS proxies on other machines, with commas between them: their X-Forwarded-For is believed"), func(list string) (err error) {
		o.Proxies, err = web.ParseProxies(list)
		return err
	})
	openID := p.openIDFlags(f)
	alerts := p.keepFlag(c, int(keep.Alerts/day))
	f.BoolVar(&o.demo, "demo", false, p.say("架空の学校を作り、APIトークンを表示（外の中継サーバーとは使えない）", "make a demo school, and print an API token; not with a relay outside this machine"))
	f.BoolVar(&o.signIn, "sign-in", false, p.say("最初の管理者のサインイン用リンクを表示", "print a one-time sign-in link for the first manager"))
	f.BoolVarP(&o.verbose, "verbose", "v", false, p.say("うまくいったことも記録", "log what happens, not only what goes wrong"))
	f.StringVar(&o.school.Name, "school", "", p.say("最初に始めるとき、学校の`名前`", "`NAME` of the school, at the first start"))
	f.StringVar(&o.school.Mail, "from", "", p.say("最初に始めるとき、連絡の送信元`アドレス`", "mail `ADDRESS` of the school that alerts come from, at the first start"))
	f.StringVar(&o.school.Phone, "phone", "", p.say("最初に始めるとき、学校の`電話番号`", "phone `NUMBER` of the school, at the first start"))
	f.StringVar(&o.school.District, "district", "", p.say("最初に始めるとき、学校の`地区`", "`DISTRICT` of the school, if it belongs to one, at the first start"))
	f.StringVar(&o.school.Zone, "zone", "Asia/Tokyo", p.say("最初に始めるとき、学校の`時間帯`", "time `ZONE` of the school, at the first start"))
	f.StringVar(&o.manager.Name, "manager", "", p.say("最初に始めるとき、管理者の`氏名`", "`NAME` of the first manager, at the first start"))
	f.StringVar(&o.manager.Mail, "manager-mail", "", p.say("最初に始めるとき、管理者の`アドレス`", "mail `ADDRESS` of the first manager, at the first start"))
	return func() (_ options, err error) {
		if err = relay(); err != nil {
			return *o, err
		}
		if o.OpenID, err = openID(); err != nil {
			return *o, err
		}
		if o.KeepAlerts, err = alerts(); err != nil {
			return *o, err
		}
		o.Data = *data
		o.Log = p.log(o.verbose)
		return *o, nil
	}
}

// What is wrong with the flags of a relay.
var (
	errTwoRelays = problem.New(problem.Invalid, "--smtp と --smtp-file は、どちらか一方を指定してください。", "Give --smtp or --smtp-file, not both.")
	errNoRelay   = problem.New(problem.Invalid, "--smtp-file のファイルが空です。中継サーバーのURL（smtp://user:pass@host:587 など）を1行で書いてください。", "The file of --smtp-file is empty. Write the URL of the relay into it, on one line, such as smtp://user:pass@host:587.")
)

// relayFlags adds the flags of a mail relay, and returns what reads them: a URL on the
// command line is seen by all users of the machine.
func (p *Program) relayFlags(f *pflag.FlagSet, relay *string, usage string) func() error {
	f.StringVar(relay, "smtp", "", usage)
	file := f.String("smtp-file", "", p.say("そのURLを1行で書いた`ファイル`。パスワードがプロセスの一覧に出ない", "`FILE` with that URL on one line: its password stays out of the list of processes"))
	return func() error {
		switch {
		case *file == "":
			return nil
		case *relay != "":
			return errTwoRelays
		}
		said, err := os.ReadFile(*file)
		if err != nil {
			return err
		}
		if *relay = strings.TrimSpace(string(said)); *relay == "" {
			return errNoRelay
		}
		return nil
	}
}

// openIDFlags adds the flags of an OpenID provider, and returns what reads them.
func (p *Program) openIDFlags(f *pflag.FlagSet) func() (*console.OpenID, error) {
	issuer := f.String("openid-issuer", "", p.say("教職員がサインインにも使えるOpenIDプロバイダーの`アドレス`（https）", "https `ADDRESS` of an OpenID provider with which staff can sign in as well"))
	client := f.String("openid-client", "", p.say("プロバイダーがこのサイトに与えた`ID`", "`ID` that the provider gave this site"))
	file := f.String("openid-secret-file", "", p.say("その秘密の値が入った`ファイル`", "`FILE` with the secret that belongs to it"))
	return func() (*console.OpenID, error) {
		switch {
		case *issuer == "" && *client+*file == "":
			return nil, nil //nolint:nilnil // that there is none is no error
		case !strings.HasPrefix(*issuer, "https://") && !strings.HasPrefix(*issuer, "http://127.0.0.1:") || *client == "":
			return nil, problem.New(problem.Invalid, "--openid-issuer（https:// で始まるもの）と --openid-client は、両方を指定してください。", "--openid-issuer (it begins with https://) and --openid-client go together.")
		case *file == "":
			return &console.OpenID{Issuer: *issuer, Client: *client}, nil
		}
		secret, err := os.ReadFile(*file)
		if err != nil {
			return nil, err
		}
		said := strings.TrimSpace(string(secret))
		return &console.OpenID{Issuer: *issuer, Client: *client, Secret: func(context.Context) (string, error) { return said, nil }}, nil
	}
}

// errDemoMail says that mail to people who are made up does not leave the machine.
var errDemoMail = problem.New(problem.Invalid,
	"--demo の学校のアドレスは架空ですが、ドメインは実在のメール会社のものです。外の中継サーバーから送ると、送信元として拒否されるようになるおそれがあります。--smtp を外すか、この機械の中継サーバー（127.0.0.1）を指定してください。",
	"The addresses of the school of --demo are made up, at real mail operators: sent through a relay outside, they would have the operators block its mail. Leave out --smtp, or name a relay on this machine (127.0.0.1).")

// checkDemo refuses a relay outside this machine for a made-up school. What is wrong with
// the relay's URL is said where it is used.
func (o options) checkDemo() error {
	relay, err := smtp.ParseURL(o.Relay)
	if !o.demo || o.Relay == "" || err != nil || relay.Host == "localhost" || net.ParseIP(relay.Host).IsLoopback() {
		return nil
	}
	return errDemoMail
}

// serve runs the whole of Todoku until ctx ends.
func (p *Program) serve(ctx context.Context, o options) error {
	if err := o.checkDemo(); err != nil {
		return err
	}
	m, err := machine.New(o.Config)
	if err != nil {
		return err
	}
	if err := p.found(ctx, m, o); err != nil {
		return errors.Join(err, m.Close())
	}
	return errors.Join(m.Run(ctx), m.Close())
}

// found makes sure that there is a school with a manager, and prints how to sign in.
func (p *Program) found(ctx context.Context, m *machine.Machine, o options) error {
	manager, fresh, err := o.found(ctx, m)
	if err != nil {
		return err
	}
	_, _ = fmt.Fprintf(p.Stdout, "todoku: %s\n", m.URL())
	if fresh || o.demo || o.signIn {
		link, err := m.SignInLink(ctx, manager)
		if err != nil {
			return err
		}
		_, _ = fmt.Fprintf(p.Stdout, "sign-in: %s\n", link)
	}
	if o.demo {
		token, err := m.DemoToken(ctx, manager)
		if err != nil {
			return err
		}
		_, _ = fmt.Fprintf(p.Stdout, "api-token: %s\n", token)
	}
	if addr := m.InboundAddr(); addr != "" {
		_, _ = fmt.Fprintf(p.Stdout, "mail for %s: %s\n", o.InboundDomain, addr)
	}
	if m.Inbox != nil {
		_, _ = fmt.Fprintf(p.Stdout, "inbox: %s/inbox\n", m.URL())
	}
	return nil
}

// found returns the first manager, and whether the school is new.
func (o options) found(ctx context.Context, m *machine.Machine) (staff.Staff, bool, error) {
	if o.demo {
		manager, err := m.FoundDemo(ctx)
		return manager, true, err
	}
	schools, err := m.Roster.Schools(ctx)
	if err != nil {
		return staff.Staff{}, false, err
	}
	if len(schools) == 0 {
		if err := o.check(); err != nil {
			return staff.Staff{}, false, err
		}
	}
	o.school.ID = m.Alerts.IDs.New()
	manager, err := m.Found(ctx, o.school, o.manager)
	return manager, len(schools) == 0, err
}

// errFirstStart says what the first start needs.
var errFirstStart = problem.New(problem.Invalid, `まだ学校がありません。次のように指定してください:
`+firstStart+`
架空の学校で試すなら: --demo`, `There is no school yet. Say which one, for example:
`+firstStart+`
or try Todoku with a made-up school: --demo`)

const firstStart = `  --school 見本小学校 --from anzen@school.example.jp --phone 03-0000-0000 --manager 山田花子 --manager-mail yamada@school.example.jp`

func (o options) check() error {
	for _, s := range []string{o.school.Name, o.school.Mail, o.school.Phone, o.manager.Name, o.manager.Mail} {
		if s == "" {
			return errFirstStart
		}
	}
	return nil
}
