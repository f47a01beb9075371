package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/todoku/todoku/functions/console"
	"github.com/todoku/todoku/infra/local/machine"
	"github.com/todoku/todoku/shared/address"
	"github.com/todoku/todoku/shared/roster"
	"github.com/todoku/todoku/shared/staff"
	"github.com/todoku/todoku/shared/web"
)

// options is what the flags of serve say.
type options struct {
	machine.Config
	demo    bool
	signIn  bool
	verbose bool
	school  roster.School
	manager staff.Staff
}

func (p *program) options(args []string) (options, error) {
	var o options
	f, data := p.flags("local", "[flags]")
	f.StringVar(&o.Addr, "addr", "127.0.0.1:8080", "host:port to listen on")
	f.StringVar(&o.Relay, "smtp", "", "mail relay, smtp://user:pass@host:587 or smtps://...; without it mail goes to the inbox page")
	f.StringVar(&o.Lanes, "lanes", "", "file that overrides the shipped lanes")
	f.StringVar(&o.BaseURL, "base-url", "", "address at which guardians reach this program (default http://ADDR)")
	f.StringVar(&o.Inbound, "inbound", "", "host:port on which to take guardians' empty mail; without it none is taken")
	f.StringVar(&o.InboundDomain, "inbound-domain", "", "domain to which guardians send that mail; its MX record leads to -inbound")
	sending(f, &o.Sending)
	f.DurationVar(&o.Proof.Every, "proof", time.Hour, "how often to prove, with an alert of its own, that an alert is answered; 0 for never")
	f.StringVar(&o.Proof.Address, "proof-to", "", "mailbox for the mails of those proofs; without it none leaves, and the relay is only asked whether it would take one")
	f.StringVar(&o.Metrics, "metrics", "", "host:port on which to serve /metrics for Prometheus, such as 127.0.0.1:9090; only your monitoring should reach it")
	f.StringVar(&o.Proof.DeadMan, "dead-man", "", "address to call after each proof, such as https://hc-ping.com/UUID: it raises the alarm when no call comes")
	f.Func("trusted-proxy", "addresses or prefixes of TLS proxies on other machines, with commas between them: their X-Forwarded-For is believed", func(list string) (err error) {
		o.Proxies, err = web.ParseProxies(list)
		return err
	})
	openID := openIDFlags(f)
	f.BoolVar(&o.demo, "demo", false, "make a demo school, and print an API token")
	f.BoolVar(&o.signIn, "sign-in", false, "print a one-time sign-in link for the first manager")
	f.BoolVar(&o.verbose, "v", false, "log what happens, not only what goes wrong")
	f.StringVar(&o.school.Name, "school", "", "name of the school, at the first start")
	f.StringVar(&o.school.Mail, "from", "", "mail address of the school that alerts come from, at the first start")
	f.StringVar(&o.school.Phone, "phone", "", "phone number of the school, at the first start")
	f.StringVar(&o.school.District, "district", "", "district of the school, if it belongs to one, at the first start")
	f.StringVar(&o.school.Zone, "zone", "Asia/Tokyo", "time zone of the school, at the first start")
	f.StringVar(&o.manager.Name, "manager", "", "name of the first manager, at the first start")
	f.StringVar(&o.manager.Mail, "manager-mail", "", "mail address of the first manager, at the first start")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	if f.NArg() > 0 {
		return o, fmt.Errorf("unknown command %q: see local -h", f.Arg(0))
	}
	var err error
	if o.OpenID, err = openID(); err != nil {
		return o, err
	}
	o.Data, o.InboundDomain = *data, strings.ToLower(o.InboundDomain)
	o.Log = p.log(o.verbose)
	return o, nil
}

// openIDFlags adds the flags of an OpenID provider, and returns what reads them.
func openIDFlags(f *flag.FlagSet) func() (*console.OpenID, error) {
	issuer := f.String("openid-issuer", "", "https address of an OpenID provider with which staff can sign in as well")
	client := f.String("openid-client", "", "id that the provider gave this site")
	file := f.String("openid-secret-file", "", "file with the secret that belongs to it")
	return func() (*console.OpenID, error) {
		switch {
		case *issuer == "" && *client+*file == "":
			return nil, nil //nolint:nilnil // that there is none is no error
		case !strings.HasPrefix(*issuer, "https://") && !strings.HasPrefix(*issuer, "http://127.0.0.1:") || *client == "":
			return nil, errors.New("-openid-issuer (it begins with https://) and -openid-client go together")
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

// serve runs the whole of Todoku until ctx ends.
func (p *program) serve(ctx context.Context, args []string) error {
	o, err := p.options(args)
	if err != nil {
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
func (p *program) found(ctx context.Context, m *machine.Machine, o options) error {
	manager, fresh, err := o.found(ctx, m)
	if err != nil {
		return err
	}
	_, _ = fmt.Fprintf(p.stdout, "todoku: %s\n", m.URL())
	if fresh || o.demo || o.signIn {
		link, err := m.SignInLink(ctx, manager)
		if err != nil {
			return err
		}
		_, _ = fmt.Fprintf(p.stdout, "sign-in: %s\n", link)
	}
	if o.demo {
		token, err := m.DemoToken(ctx, manager)
		if err != nil {
			return err
		}
		_, _ = fmt.Fprintf(p.stdout, "api-token: %s\n", token)
	}
	if addr := m.InboundAddr(); addr != "" {
		_, _ = fmt.Fprintf(p.stdout, "mail for %s: %s\n", o.InboundDomain, addr)
	}
	if m.Inbox != nil {
		_, _ = fmt.Fprintf(p.stdout, "inbox: %s/inbox\n", m.URL())
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
var errFirstStart = errors.New(`there is no school yet. Say which one, for example:
  -school 見本小学校 -from anzen@school.example.jp -phone 03-0000-0000 -manager 山田花子 -manager-mail yamada@school.example.jp
or try Todoku with a made-up school: -demo`)

func (o options) check() error {
	for _, s := range []string{o.school.Name, o.school.Mail, o.school.Phone, o.manager.Name, o.manager.Mail} {
		if s == "" {
			return errFirstStart
		}
	}
	if _, err := time.LoadLocation(o.school.Zone); err != nil {
		return fmt.Errorf("-zone %s: %w", o.school.Zone, err)
	}
	for _, a := range []string{o.school.Mail, o.manager.Mail} {
		if _, err := address.Parse(a); err != nil {
			return err
		}
	}
	return nil
}
