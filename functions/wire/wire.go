// Package wire puts the functions together for AWS: the same handlers as on one
// machine, wired to DynamoDB, SQS FIFO and SES. Only the Lambda programs,
// functions/*/lambda, import it.
//
// A program starts by reading its configuration, and nothing else: clients open
// their connections, and the keys that sign links are fetched, when the first
// event needs them.
package wire

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"log/slog"
	mathrand "math/rand/v2"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-lambda-go/lambda"

	"github.com/todoku/todoku/functions/console"
	"github.com/todoku/todoku/shared/alert"
	"github.com/todoku/todoku/shared/audit"
	"github.com/todoku/todoku/shared/config"
	"github.com/todoku/todoku/shared/docket"
	"github.com/todoku/todoku/shared/enrol"
	"github.com/todoku/todoku/shared/format"
	"github.com/todoku/todoku/shared/id"
	"github.com/todoku/todoku/shared/keep"
	"github.com/todoku/todoku/shared/lane/gate"
	"github.com/todoku/todoku/shared/link"
	"github.com/todoku/todoku/shared/mail"
	"github.com/todoku/todoku/shared/mail/ses"
	"github.com/todoku/todoku/shared/mailhost"
	"github.com/todoku/todoku/shared/queue/sqs"
	"github.com/todoku/todoku/shared/roster"
	"github.com/todoku/todoku/shared/sendrate"
	"github.com/todoku/todoku/shared/settings"
	"github.com/todoku/todoku/shared/staff"
	"github.com/todoku/todoku/shared/table"
	"github.com/todoku/todoku/shared/table/dynamo"
)

// Parts are what handlers are made of. Each is made when a handler asks for it, so
// a function carries only what it uses; what remembers something is made once.
type Parts struct {
	Config config.Config
	Log    *slog.Logger
	Now    func() time.Time
	Random io.Reader // of cryptographic quality

	aws   settings.AWS
	table *dynamo.Table // as it is, for its health
	store table.Table   // table, for all who write to it: guarded, and with what is kept for how long
	ids   *id.Source

	hosts  once[mailhost.Store]
	docket once[docket.Store]
	lanes  once[gate.Gate]
	links  once[link.Signer]
}

// once is a part that remembers what it has read: all who ask for it get the same.
type once[T any] struct {
	sync.Once
	part *T
}

func (o *once[T]) get(open func() *T) *T {
	o.Do(func() { o.part = open() })
	return o.part
}

// Start runs the function of a name until Lambda ends the process. handler makes
// what lambda.Start takes. A function that cannot start says why in its log, and
// ends: Lambda then reports it as broken.
func Start(name string, handler func(*Parts) (any, error)) {
	log := slog.New(slog.NewJSONHandler(os.Stdout, nil)).With("function", name)
	h, err := prepare(name, os.Getenv, log, handler)
	if err != nil {
		log.Error("the function cannot start", "err", err)
		os.Exit(1)
	}
	lambda.Start(h)
}

func prepare(name string, getenv func(string) string, log *slog.Logger, handler func(*Parts) (any, error)) (any, error) {
	cfg, err := config.Load(name, getenv)
	aws, awsErr := settings.Load(context.Background())
	if err := errors.Join(err, awsErr); err != nil {
		return nil, err
	}
	settings.LogTo(&aws, log)
	p := &Parts{Config: cfg, Log: log, Now: now, Random: rand.Reader, aws: aws}
	p.ids = id.NewSource(p.Now, p.Random)
	p.table = dynamo.Open(aws, cfg.Table, p.Now, p.ids)
	p.store = &format.Guard{Table: keep.Table{Table: p.table, Alerts: cfg.KeepAlerts}}
	return handler(p)
}

// Alerts returns the alerts of the table.
func (p *Parts) Alerts() *alert.Store {
	return &alert.Store{Table: p.store, IDs: p.ids, Now: p.Now, Reread: true}
}

// Roster returns the schools and their rosters.
func (p *Parts) Roster() *roster.Store { return &roster.Store{Table: p.store, IDs: p.ids, Now: p.Now} }

// Hosts returns what DNS says of mail domains. The functions are in no VPC: AWS's
// resolver answers them.
func (p *Parts) Hosts() *mailhost.Store {
	return p.hosts.get(func() *mailhost.Store {
		return &mailhost.Store{
			Table: p.store, Lanes: p.Config.Lanes, Now: p.Now,
			Asker: &mailhost.Asker{Resolver: resolver, Now: p.Now},
		}
	})
}

// Enrol returns the codes and the addresses that wait for their confirmation.
func (p *Parts) Enrol() *enrol.Store {
	return &enrol.Store{Table: p.store, Roster: p.Roster(), IDs: p.ids, Now: p.Now, Random: p.Random}
}

// Docket returns what judges refusals.
func (p *Parts) Docket() *docket.Store {
	return p.docket.get(func() *docket.Store {
		return &docket.Store{Table: p.store, Alerts: p.Alerts(), Roster: p.Roster(), Events: true, Now: p.Now}
	})
}

// poster returns what sends their mails.
func (p *Parts) poster(m mail.Sender) *enrol.Poster {
	return &enrol.Poster{Store: p.Enrol(), Mail: m, Links: p.Links(), Lanes: p.Config.Lanes, BaseURL: p.Config.BaseURL}
}

// Audit returns who did what.
func (p *Parts) Audit() *audit.Log { return &audit.Log{Table: p.store, Now: p.Now} }

// Staff returns who works there.
func (p *Parts) Staff() *staff.Store {
	return &staff.Store{Table: p.store, IDs: p.ids, Now: p.Now, Random: p.Random}
}

// Jobs returns the queue of the fan-out function.
func (p *Parts) Jobs() *sqs.Queue { return sqs.Open(p.aws, p.Config.JobsURL) }

// Copies returns the queue of the dispatch function.
func (p *Parts) Copies() *sqs.Queue { return sqs.Open(p.aws, p.Config.CopiesURL) }

// Mail returns the account's SES.
func (p *Parts) Mail() *ses.Sender { return ses.Open(p.aws, p.Config.MailSets, p.Now) }

// pacedMail returns the account's SES for those who send much: they share its rate.
func (p *Parts) pacedMail() mail.Sender {
	account := p.Mail()
	rate := func(ctx context.Context) (float64, error) {
		perSecond, _, err := account.Rate(ctx)
		return perSecond, err
	}
	turns := &sendrate.Account{Table: p.store, Rate: rate, Now: p.Now}
	return &ses.Paced{Sender: ses.Patient{Sender: account, Jitter: mathrand.Float64}, Reserve: turns.Reserve, Now: p.Now}
}

// gate returns what hands out the places of lanes.
func (p *Parts) gate() *gate.Gate {
	return p.lanes.get(func() *gate.Gate {
		return &gate.Gate{Table: p.store, Lanes: p.Config.Lanes, Events: true, Now: p.Now, Dice: mathrand.Float64, Log: p.Log}
	})
}

// Links returns what signs and reads the links in mails.
func (p *Parts) Links() *link.Signer {
	return p.links.get(func() *link.Signer {
		secret := settings.NewSecret(p.aws, p.Config.KeysSecret)
		k := &keys{read: secret.Read, now: p.Now, log: p.Log}
		return link.NewSignerOf(k.get)
	})
}

// openID returns the provider with which staff can sign in as well, nil if there is none.
func (p *Parts) openID() *console.OpenID {
	if p.Config.OpenIDIssuer == "" {
		return nil
	}
	o := &console.OpenID{Issuer: p.Config.OpenIDIssuer, Client: p.Config.OpenIDClient}
	if p.Config.OpenIDSecret != "" {
		secret := settings.NewSecret(p.aws, p.Config.OpenIDSecret)
		o.Secret = func(ctx context.Context) (string, error) {
			value, err := secret.Read(ctx)
			return strings.TrimSpace(string(value)), err
		}
	}
	return o
}
