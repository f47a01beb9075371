package wire

import (
	"context"
	"math/rand/v2"
	"net/http"
	"strings"

	"github.com/aws/aws-lambda-go/events"
	"golang.org/x/sync/errgroup"

	"github.com/todoku/todoku/functions/acknowledge"
	"github.com/todoku/todoku/functions/console"
	"github.com/todoku/todoku/functions/console/imports"
	"github.com/todoku/todoku/functions/dispatch"
	"github.com/todoku/todoku/functions/fanout"
	"github.com/todoku/todoku/functions/feedback"
	"github.com/todoku/todoku/functions/inbound"
	"github.com/todoku/todoku/functions/registration"
	"github.com/todoku/todoku/functions/tick"
	"github.com/todoku/todoku/shared/alert"
	"github.com/todoku/todoku/shared/bridge"
	"github.com/todoku/todoku/shared/dead"
	"github.com/todoku/todoku/shared/docket"
	"github.com/todoku/todoku/shared/memo"
	"github.com/todoku/todoku/shared/queue"
	"github.com/todoku/todoku/shared/sendrate"
	"github.com/todoku/todoku/shared/web"
	"github.com/todoku/todoku/shared/web/health"
)

// strands is how many walks of a fan-out run side by side. One makes some hundreds
// of families a second, more than SES takes from most accounts; with several,
// siblings in the classes of two of them refuse each other's writes, and DynamoDB
// charges for those (docs/decisions/0013-fan-out.md).
const strands = 1

// maxSheet is how large a class list may be. Lambda takes 6 MB with a request, and
// a file grows by a third on the way there
// (https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html).
const maxSheet = 4 << 20

// Console makes the pages and the API of staff.
func Console(p *Parts) (any, error) {
	s := &console.Server{
		App: &console.App{
			Audit:  p.Audit(),
			Docket: p.Docket(),
			Doctor: p.doctorRecords(),
			Proof:  p.proofs(),
			Dead:   p.letters(),
			Stuck:  p.stuck(),
			Alerts: p.Alerts(), Roster: p.Roster(), Jobs: p.Jobs(), Mail: p.Mail(), Links: p.Links(), Gate: p.gate(), Hosts: p.Hosts(),
			BaseURL: p.Config.BaseURL, Now: p.Now, Log: p.Log, Enrol: p.Enrol(), InboundDomain: p.Config.InboundDomain,
			Pace: func(ctx context.Context) (float64, error) { return sendrate.Told(ctx, p.store) },
		},
		Staff: p.Staff(), Lanes: p.Config.Lanes, School: p.school(), Secure: p.secure(),
		MaxSheet: maxSheet, OpenID: p.openID(),
	}
	h, err := s.Handler()
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.Handle("/", h)
	mux.Handle("GET /healthz", p.health())
	return bridge.Handler(mux), nil
}

// health proves store, queue and mail by using them.
func (p *Parts) health() http.Handler {
	checks := map[string]func(context.Context) error{
		"store": p.table.CheckHealth,
		"queue": prober{p.Jobs(), p.store, p.ids}.check,
		"mail":  p.Mail().Check,
	}
	return health.New(p.Now, p.Log, checks).Proven(p.proofs()).Shared(p.store)
}

// Acknowledge makes the pages of guardians.
func Acknowledge(p *Parts) (any, error) {
	h, err := acknowledge.New(acknowledge.Config{
		Alerts: p.Alerts(), Roster: p.Roster(), Links: p.Links(), Now: p.Now, Log: p.Log,
		School: p.school(), BaseURL: p.Config.BaseURL, Secure: p.secure(),
	})
	if err != nil {
		return nil, err
	}
	return bridge.Handler(h), nil
}

// Registration makes the pages on which guardians register.
func Registration(p *Parts) (any, error) {
	h, err := registration.New(registration.Config{
		Enrol: p.Enrol(), Poster: p.poster(p.Mail()), Links: p.Links(), Lanes: p.Config.Lanes, Hosts: p.Hosts(), Now: p.Now, Log: p.Log,
		School: p.school(), BaseURL: p.Config.BaseURL, Secure: p.secure(), Alerts: p.Alerts(),
	})
	if err != nil {
		return nil, err
	}
	return bridge.Handler(h), nil
}

// Fanout makes the copies of alerts, and does the imports that the console queues.
func Fanout(p *Parts) (any, error) {
	h := &fanout.Handler{
		Alerts: p.Alerts(), Roster: p.Roster(), Lanes: p.Config.Lanes, Hosts: p.Hosts(), Jobs: p.Jobs(), Copies: p.Copies(),
		Strands: strands, Now: p.Now, Log: p.Log,
	}
	i := &imports.Handler{Worker: imports.NewWorker(p.Roster(), p.Hosts(), p.Now, p.Log), Jobs: p.Jobs()}
	n := noter{p.store, p.Now, p.Log}
	return p.giveUp("jobs", dead.JobReceives, split(isProbe, n.handle, split(imports.IsMessage, i.Handle, h.Handle))), nil
}

// Dispatch sends copies, and the invitations and memos that go the same way.
func Dispatch(p *Parts) (any, error) {
	sender := p.pacedMail()
	h := &dispatch.Handler{
		Alerts: p.Alerts(), Roster: p.Roster(), Queue: p.Copies(), Mail: sender, Links: p.Links(), Gate: p.gate(),
		BaseURL: p.Config.BaseURL, Now: p.Now, Jitter: rand.Float64, Log: p.Log,
		Worker: alert.Worker{ID: p.ids.New(), Lease: p.Config.Lease}, Court: p.Docket(),
		Replies: p.Config.InboundDomain,
	}
	i := &registration.Inviter{Poster: p.poster(sender), Gate: h.Gate, Braked: p.Docket().Braking, Now: p.Now, Log: p.Log}
	m := &memo.Postman{Staff: p.Staff(), Roster: p.Roster(), Mail: sender, BaseURL: p.Config.BaseURL, Now: p.Now, Log: p.Log}
	return p.giveUp("copies", dead.JobReceives, m.After(i.After(h.Handle))), nil
}

// Feedback records what SES reports.
func Feedback(p *Parts) (any, error) {
	h := &feedback.Handler{Alerts: p.Alerts(), Enrol: p.Enrol(), Court: p.Docket(), Gate: p.gate(), Log: p.Log}
	return p.giveUp("events", dead.EventReceives, h.Handle), nil
}

// Inbound takes the mail that guardians send.
func Inbound(p *Parts) (any, error) {
	h := &inbound.Handler{
		Enrol:  p.Enrol(),
		Poster: p.poster(p.Mail()),
		Domain: p.Config.InboundDomain,
		Alerts: p.Alerts(),
		Links:  p.Links(),
		Memos:  &memo.Office{Staff: p.Staff(), Copies: p.Copies()},
		Log:    p.Log,
	}
	return p.giveUp("mails", dead.EventReceives, h.Handle), nil
}

// Tick looks after what is due.
func Tick(p *Parts) (any, error) {
	alerts := p.Alerts()
	memos := &memo.Office{Staff: p.Staff(), Copies: p.Copies()}
	clerk := &docket.Clerk{Store: p.Docket(), Memos: memos, Lanes: p.Config.Lanes, Unlist: p.Mail().Unlist, Log: p.Log}
	drills := &tick.Drills{Alerts: alerts, Roster: p.Roster(), Memos: memos, Now: p.Now, Log: p.Log}
	tokens := &tick.Tokens{Staff: p.Staff(), Memos: memos, Now: p.Now, Log: p.Log}
	h := &tick.Handler{
		Alerts: alerts,
		Enrol:  p.Enrol(),
		Memos:  memos,
		Lanes:  p.Config.Lanes,
		Gate:   p.gate(),
		Audit:  p.Audit(),
		Roster: p.Roster(),
		Jobs:   p.Jobs(),
		Copies: p.Copies(),
		Now:    p.Now,
		Log:    p.Log,
		Also: []func(context.Context) error{
			clerk.Work,
			clerk.Weigh,
			drills.Run,
			tokens.Run,
			alerts.ForgetDue,
			p.bury,
			p.sweeper().Run,
			p.daily().Run,
			p.prover().Run,
			p.measure,
		},
	}
	return h.Handle, nil
}

// split hands the messages of a batch for which is holds to one handler, the
// others to another, side by side, and reports the failures of both. No group has messages of
// both kinds, so nothing is handled out of order.
func split(is func(events.SQSMessage) bool, one, other queue.Handler) queue.Handler {
	return func(ctx context.Context, e events.SQSEvent) (events.SQSEventResponse, error) {
		mine, rest := queue.Part(e, is)
		var both [2]events.SQSEventResponse
		var g errgroup.Group
		g.Go(func() (err error) { both[0], err = one(ctx, mine); return err })
		g.Go(func() (err error) { both[1], err = other(ctx, rest); return err })
		err := g.Wait()
		both[0].BatchItemFailures = append(both[0].BatchItemFailures, both[1].BatchItemFailures...)
		return both[0], err
	}
}

// school is whom error pages name that know of no other.
func (p *Parts) school() web.School { return web.School{Name: p.Config.Name, Phone: p.Config.Phone} }

// secure reports whether the pages are reached by HTTPS only, as all are that the
// stack makes.
func (p *Parts) secure() bool { return strings.HasPrefix(p.Config.BaseURL, "https://") }
