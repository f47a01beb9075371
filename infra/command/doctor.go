package command

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/todoku/todoku/infra/local/machine"
	"github.com/todoku/todoku/shared/doctor"
	"github.com/todoku/todoku/shared/lang"
	"github.com/todoku/todoku/shared/problem"
)

// The exit status of doctor, beside 0 (nothing found) and 1 (it could not run).
const (
	exitFail exit = 2 // guardians are not told, or will not be
	exitWarn exit = 3 // there are findings, none of them that bad
)

// sending adds the flags that tell the doctor what it cannot see.
func (p *Program) sending(f *pflag.FlagSet, s *machine.Sending) {
	f.Func("dkim", p.say("中継サーバーが署名に使うDKIMの`セレクター`（例 s1,s2）", "DKIM `SELECTORS` with which the relay signs, such as s1,s2"), func(v string) error {
		s.DKIM = parts(v)
		return nil
	})
	f.Func("send-ip", p.say("わかれば、メールが外へ出る`IPアドレス`（例 192.0.2.1,2001:db8::1）", "`IP-ADDRESSES` from which mail leaves to the world, if they are known, such as 192.0.2.1,2001:db8::1"), func(v string) error {
		for _, text := range parts(v) {
			a, err := netip.ParseAddr(text)
			if err != nil {
				return err
			}
			s.Addresses = append(s.Addresses, a)
		}
		return nil
	})
	f.StringVar(&s.NTP, "ntp", "ntp.nict.jp", p.say("時計を比べる`サーバー`。\"\"なら比べない", "time `SERVER` to compare the clock with; \"\" for none"))
}

// parts are what stands between commas, without blanks.
func parts(list string) (all []string) {
	for one := range strings.SplitSeq(list, ",") {
		if one = strings.TrimSpace(one); one != "" {
			all = append(all, one)
		}
	}
	return all
}

// doctor looks at all that must be right for mail to reach guardians.
func (p *Program) doctor() *cobra.Command {
	c := &cobra.Command{ //nolint:gosec // the password is an example's
		Use: "doctor [flags]", Short: p.say("メールが届く条件を調べ、直し方を示す", "look at all that mail to guardians depends on"),
		Long: p.say("SPF・DKIM・DMARC・MX・中継サーバー・証明書・時計・空き容量・控えを調べ、見つかった問題ごとに、保護者への影響と直し方を、貼り付けるDNSレコードとともに示します。動いている届くがあれば、その設定で調べます。始める前なら、--from と --smtp で調べられます。AWSでは、--table を付けると、時計の関数に調べさせて結果を待ちます（デプロイの終わりと毎日にも、自動で調べています）。",
			"Looks at SPF, DKIM, DMARC, MX, the relay, certificates, the clock, the disk and the backup, and says of each finding why it matters to guardians and what to do, with the DNS record to paste. If Todoku runs, it looks at what that one uses; before the first start give --from and --smtp. On AWS, with --table, it has the clock's function look and waits for what it finds; that also looks at the end of each deploy and daily."),
		Example: "  todoku doctor\n  todoku doctor --from anzen@school.example.jp --smtp 'smtp://user:pass@relay.example.jp:587'",
		Args:    p.exactly(),
	}
	var cfg machine.Config
	data, table := p.dataFlag(c), p.tableFlag(c)
	f := c.Flags()
	asJSON := f.Bool("json", false, p.say("JSONで表示", "print JSON"))
	from := f.String("from", "", p.say("これから使う学校の`アドレス`。なければフォルダーにある学校", "mail `ADDRESS` of a school that is to be; without it, that of the schools in the folder"))
	relay := p.relayFlags(f, &cfg.Relay, p.say("中継サーバーの`URL`。なければ動いている届くのもの", "`URL` of the mail relay; without it, that of the program that runs on the folder"))
	f.StringVar(&cfg.BaseURL, "base-url", "", p.say("保護者が開く画面の`アドレス`", "`ADDRESS` at which guardians reach the pages"))
	f.StringVar(&cfg.InboundDomain, "inbound-domain", "", p.say("保護者が空メールを送る`ドメイン`", "`DOMAIN` to which guardians send their empty mail"))
	f.Func("dns", p.say("たずねるDNSサーバーの`ホスト:ポート`。なければシステムのもの", "`HOST:PORT` of a DNS server to ask, such as that of the domain; without it the system's"), func(v string) error {
		cfg.Resolver = &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, v)
		}}
		return nil
	})
	p.sending(f, &cfg.Sending)
	c.RunE = func(c *cobra.Command, _ []string) error {
		if err := relay(); err != nil {
			return err
		}
		if cfg.InboundDomain != "" {
			cfg.Inbound = "-" // somebody takes it
		}
		cfg.Log = p.log(false)
		rep, err := p.examined(c.Context(), *data, *table, cfg, *from)
		if err != nil {
			return err
		}
		if *asJSON {
			err = p.json(rep)
		} else {
			p.sayReport(rep)
		}
		if err != nil {
			return err
		}
		return status(rep.Worst())
	}
	return c
}

// examined returns what the doctor finds on one machine, or has the clock of a deployment
// on AWS examine, which has the rights to, and waits for what it finds.
func (p *Program) examined(ctx context.Context, data, table string, cfg machine.Config, from string) (rep doctor.Report, err error) {
	if table == "" {
		return machine.NewOperator(data).Examine(ctx, cfg, from)
	}
	store, err := p.Cloud(ctx, table)
	if err != nil {
		return rep, err
	}
	records := doctor.Records{Table: store, Now: time.Now}
	if err := records.Ask(ctx); err != nil {
		return rep, err
	}
	const patience, look = 3 * time.Minute, 2 * time.Second
	for end := time.Now().Add(patience); time.Now().Before(end); {
		waits, err := records.Waits(ctx)
		if err != nil {
			return rep, err
		}
		if !waits {
			rep, _, err = records.Last(ctx)
			return rep, err
		}
		select {
		case <-ctx.Done():
			return rep, ctx.Err()
		case <-time.After(look):
		}
	}
	return rep, problem.New(problem.Busy, "3分待ちましたが、点検されませんでした。時計の関数（tick）のログをご覧ください。", "It was not examined within three minutes: look at the log of the clock's function, tick.")
}

func status(worst doctor.Level) error {
	switch worst {
	case "":
		return nil
	case doctor.Fail:
		return exitFail
	}
	return exitWarn
}

var levels = map[doctor.Level]lang.Text{
	doctor.Fail:    {JA: "要対応", EN: "FAIL"},
	doctor.Warn:    {JA: "注意", EN: "WARN"},
	doctor.Unknown: {JA: "不明", EN: "UNKNOWN"},
}

func (p *Program) sayReport(rep doctor.Report) {
	l := p.lang
	say := func(format string, args ...any) { _, _ = fmt.Fprintf(p.Stdout, format+"\n", args...) }
	for _, f := range rep.Findings {
		say("[%s] %s (%s)", levels[f.Level].In(l), f.What.In(l), f.ID)
		say("    %s", f.Why.In(l))
		say("    %s %s", lang.T("→", "->").In(l), f.Fix.In(l))
		if f.Record != "" {
			say("      %s", f.Record)
		}
		say("    %s\n", f.Link)
	}
	for _, f := range rep.Facts {
		say("[ok] %s: %s %s", f.Check, f.About, f.Text.In(l))
	}
	if len(rep.Findings) == 0 {
		say("%s", lang.T("問題は見つかりませんでした。", "Nothing was found.").In(l))
	}
}
