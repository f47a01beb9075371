package drill

import (
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"strconv"
	"testing"
	"time"

	"github.com/todoku/todoku/functions/console"
	"github.com/todoku/todoku/infra/drill/issuer"
	"github.com/todoku/todoku/infra/found"
	"github.com/todoku/todoku/infra/local/machine"
	"github.com/todoku/todoku/shared/mail"
	"github.com/todoku/todoku/shared/mail/inbox"
	"github.com/todoku/todoku/shared/mail/incoming"
	boltqueue "github.com/todoku/todoku/shared/queue/bbolt"
	"github.com/todoku/todoku/shared/table"
)

// neverByItself keeps the machine's clock function from running unasked.
const neverByItself = 24 * time.Hour

// OneMachine is the lane of the single machine, with the inbox as the operator.
func OneMachine(t testing.TB, w World) System {
	t.Helper()
	return oneMachine(t, w, func(*machine.Config) {})
}

// Behaving is OneMachine with queues that keep to their order where they need not: what
// hands out at random says nothing of who goes first.
func Behaving(t testing.TB, w World) System {
	t.Helper()
	return oneMachine(t, w, func(c *machine.Config) { c.Misbehave = false })
}

// OneMachineAtAName is OneMachine reached by a name, to which passkeys belong.
func OneMachineAtAName(t testing.TB, w World) System {
	t.Helper()
	addr, name := FreeAddress(t)
	return oneMachine(t, w, func(c *machine.Config) { c.Addr, c.BaseURL = addr, name })
}

// FreeAddress returns an address on which nobody listens, and the URL by whose name a
// machine there is reached. Its port is none of those that systems give by themselves, so
// that no connection and no other server gets it meanwhile.
func FreeAddress(t testing.TB) (addr, baseURL string) {
	t.Helper()
	const first, last, tries = 10_000, 32_000, 100 // systems give 32768 and more
	var err error
	for range tries {
		port := strconv.Itoa(first + rand.IntN(last-first))
		var l net.Listener
		if l, err = net.Listen("tcp", "127.0.0.1:"+port); err != nil {
			continue
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		return "127.0.0.1:" + port, "http://localhost:" + port
	}
	t.Fatal(err)
	return "", ""
}

// machineConfig is how the single machine is set up in a world.
func machineConfig(t testing.TB, w World) machine.Config {
	return machine.Config{
		Addr: "127.0.0.1:0", Data: t.TempDir(), Log: w.Log, Now: w.Clock.Now,
		Tick: neverByItself, Misbehave: true, Seed: w.Seed, Resolver: w.DNS.Resolver(), Inbound: "127.0.0.1:0", InboundDomain: InboundDomain,
		OpenID: &console.OpenID{Issuer: w.OpenID.URL, Client: issuer.Client, Secret: func(context.Context) (string, error) { return issuer.Secret, nil }},
	}
}

func oneMachine(t testing.TB, w World, change func(*machine.Config)) System {
	t.Helper()
	c := machineConfig(t, w)
	change(&c)
	m, err := machine.New(c)
	if err != nil {
		t.Fatal(err)
	}
	s, err := establish(t.Context(), m, w)
	if err != nil {
		t.Fatal(errors.Join(err, m.Close()))
	}
	run(t, m)
	return s
}

func establish(ctx context.Context, m *machine.Machine, w World) (System, error) {
	w.School.ID = m.Alerts.IDs.New() // w is our own copy
	manager, err := m.Found(ctx, w.School, w.Manager)
	if err != nil {
		return System{}, err
	}
	link, err := m.SignInLink(ctx, manager)
	if err != nil {
		return System{}, err
	}
	_, token, err := m.Staff.NewToken(ctx, manager.ID, "drill", 0)
	return System{
		URL: m.URL(), Token: token, SignIn: link, Operator: inboxOperator{m.Inbox},
		Waiting: func() (int, int, error) { return waiting(m) },
		Invite:  func(r found.Request) (string, error) { return m.Invite(context.Background(), r) },
		Tick:    func() error { return m.Tick(context.Background()) },
		Items:   func(f func(table.Item) error) error { return m.Table.Walk(context.Background(), f) },
		Post:    func(raw []byte, e incoming.Envelope) error { return post(m.InboundAddr(), raw, e) },
	}, err
}

// run runs the machine until the test ends.
func run(t testing.TB, m *machine.Machine) {
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- m.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := errors.Join(<-ended, m.Close()); err != nil {
			t.Errorf("the machine ended with: %v", err)
		}
	})
}

func waiting(m *machine.Machine) (now, later int, err error) {
	for _, q := range []*boltqueue.Queue{m.Jobs, m.Copies, m.Mails} {
		s, err := q.Stats()
		if err != nil {
			return 0, 0, err
		}
		now += s.Visible - s.Behind + s.InFlight
		later += s.Hidden + s.Behind
	}
	return now, later, nil
}

// inboxOperator plays the operator with the machine's inbox.
type inboxOperator struct{ *inbox.Inbox }

// Mails implements Operator.
func (o inboxOperator) Mails() []Mail {
	entries := o.List()
	mails := make([]Mail, len(entries))
	for i, e := range entries {
		mails[len(entries)-1-i] = Mail{
			To: bare(e.To), From: e.From, Subject: e.Subject, Text: e.Text, HTML: e.HTML, Headers: e.Headers,
		}
	}
	return mails
}

// Decide implements Operator.
func (o inboxOperator) Decide(f func(to string) Verdict) {
	if f == nil {
		o.FailWith(nil)
		return
	}
	o.FailWith(func(m *mail.Message) error { return replies[f(bare(m.To.Address))]() })
}

// replies are what an operator says for each verdict.
var replies = map[Verdict]func() error{
	Take:   func() error { return nil },
	Unsaid: func() error { return nil },
	Unkept: func() error { return nil },
	PutOff: func() error {
		return &mail.SendError{Code: 451, Enhanced: "4.7.1", Text: "try again later"}
	},
	Refuse: func() error {
		return &mail.SendError{Permanent: true, Code: 550, Enhanced: "5.1.1", Text: "User unknown"}
	},
	Away: func() error {
		return &mail.SendError{Scope: mail.ScopeOperator, Code: 421, Enhanced: "4.3.2", Text: "going down"}
	},
}
