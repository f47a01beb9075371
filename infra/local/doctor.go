package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"

	"github.com/todoku/todoku/infra/local/machine"
	"github.com/todoku/todoku/shared/doctor"
	"github.com/todoku/todoku/shared/lang"
)

// The exit status of doctor, beside 0 (nothing found) and 1 (it could not run).
const (
	exitFail exit = 2 // guardians are not told, or will not be
	exitWarn exit = 3 // there are findings, none of them that bad
)

// sending adds the flags that tell the doctor what it cannot see.
func sending(f *flag.FlagSet, s *machine.Sending) {
	f.Func("dkim", "DKIM selectors with which the relay signs, such as s1,s2", func(v string) error {
		s.DKIM = strings.Split(v, ",")
		return nil
	})
	f.Func("send-ip", "addresses from which mail leaves to the world, if they are known, such as 192.0.2.1,2001:db8::1", func(v string) error {
		for text := range strings.SplitSeq(v, ",") {
			a, err := netip.ParseAddr(text)
			if err != nil {
				return err
			}
			s.Addresses = append(s.Addresses, a)
		}
		return nil
	})
	f.StringVar(&s.NTP, "ntp", "ntp.nict.jp", "time server to compare the clock with; \"\" for none")
}

// doctor looks at all that must be right for mail to reach guardians.
func (p *program) doctor(ctx context.Context, args []string) error {
	var cfg machine.Config
	f, data := p.flags("doctor", "doctor [-data DIR] [-json] [-from ADDR -smtp URL ...]")
	asJSON := f.Bool("json", false, "print JSON")
	language := f.String("lang", terminalLang(), "ja or en")
	from := f.String("from", "", "mail address of a school that is to be; without it, that of the schools in DIR")
	f.StringVar(&cfg.Relay, "smtp", "", "mail relay; without it, that of the program that runs on DIR")
	f.StringVar(&cfg.BaseURL, "base-url", "", "address at which guardians reach the pages")
	f.StringVar(&cfg.InboundDomain, "inbound-domain", "", "domain to which guardians send their empty mail")
	f.Func("dns", "host:port of a DNS server to ask, such as that of the domain; without it the system's", func(v string) error {
		cfg.Resolver = &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, v)
		}}
		return nil
	})
	sending(f, &cfg.Sending)
	if err := f.Parse(args); err != nil {
		return err
	}
	if cfg.InboundDomain != "" {
		cfg.Inbound = "-" // somebody takes it
	}
	cfg.Log = p.log(false)
	rep, err := machine.NewOperator(*data).Examine(ctx, cfg, *from)
	if err != nil {
		return err
	}
	if *asJSON {
		out := json.NewEncoder(p.stdout)
		out.SetIndent("", "  ")
		out.SetEscapeHTML(false)
		err = out.Encode(rep)
	} else {
		p.sayReport(rep, lang.Match(*language, ""))
	}
	if err != nil {
		return err
	}
	return status(rep.Worst())
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

// terminalLang is English for who has set it, else Japanese.
func terminalLang() string {
	for _, name := range []string{"LC_ALL", "LC_MESSAGES", "LANG"} {
		if v := os.Getenv(name); v != "" {
			if strings.HasPrefix(v, "en") {
				return "en"
			}
			return "ja"
		}
	}
	return "ja"
}

var levels = map[doctor.Level]lang.Text{
	doctor.Fail:    {JA: "要対応", EN: "FAIL"},
	doctor.Warn:    {JA: "注意", EN: "WARN"},
	doctor.Unknown: {JA: "不明", EN: "UNKNOWN"},
}

func (p *program) sayReport(rep doctor.Report, l lang.Lang) {
	say := func(format string, args ...any) { _, _ = fmt.Fprintf(p.stdout, format+"\n", args...) }
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
