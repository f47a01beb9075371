// Package machine is the whole of Todoku on one machine: the same handlers as on
// AWS, wired to a bbolt file, an embedded queue, and an inbox or a relay.
//
// This is the one place where the single machine is put together.
package machine

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	mathrand "math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/todoku/todoku/functions/console"
	"github.com/todoku/todoku/functions/dispatch"
	"github.com/todoku/todoku/functions/fanout"
	"github.com/todoku/todoku/functions/inbound"
	"github.com/todoku/todoku/functions/registration"
	"github.com/todoku/todoku/functions/tick"
	"github.com/todoku/todoku/shared/alert"
	"github.com/todoku/todoku/shared/audit"
	"github.com/todoku/todoku/shared/dead"
	"github.com/todoku/todoku/shared/docket"
	"github.com/todoku/todoku/shared/doctor"
	"github.com/todoku/todoku/shared/enrol"
	"github.com/todoku/todoku/shared/format"
	"github.com/todoku/todoku/shared/id"
	"github.com/todoku/todoku/shared/journal"
	"github.com/todoku/todoku/shared/keep"
	"github.com/todoku/todoku/shared/lane"
	"github.com/todoku/todoku/shared/lane/gate"
	"github.com/todoku/todoku/shared/link"
	"github.com/todoku/todoku/shared/mail"
	"github.com/todoku/todoku/shared/mail/inbox"
	"github.com/todoku/todoku/shared/mail/smtp"
	"github.com/todoku/todoku/shared/mailhost"
	"github.com/todoku/todoku/shared/memo"
	"github.com/todoku/todoku/shared/proof"
	"github.com/todoku/todoku/shared/queue"
	boltqueue "github.com/todoku/todoku/shared/queue/bbolt"
	"github.com/todoku/todoku/shared/roster"
	"github.com/todoku/todoku/shared/staff"
	"github.com/todoku/todoku/shared/table"
	bolttable "github.com/todoku/todoku/shared/table/bbolt"
	"github.com/todoku/todoku/shared/web"
)

// FileName is the name of the database in the data folder.
const FileName = "todoku.db"

// Config says how to run. Data is the only field that must be set.
type Config struct {
	Addr    string // host:port to listen on; "": 127.0.0.1:8080
	Data    string // folder of the database; made if need be
	Relay   string // smtp:// or smtps:// address of a relay; "": the inbox
	Lanes   string // file that overrides the shipped lanes; "": none
	BaseURL string // how guardians reach Addr; "": http://Addr
	// Proxies, beside those on this machine, say truly where a request comes from.
	Proxies web.Proxies
	// Inbound is the host:port of an SMTP server that takes guardians' empty mail
	// for InboundDomain; "": there is none.
	Inbound       string
	InboundDomain string
	OpenID        *console.OpenID // where staff can sign in as well; nil: nowhere
	Log           *slog.Logger
	Sending       // for the doctor
	Proof         Proof
	KeepAlerts    time.Duration // for how long alerts are kept; 0: keep.Alerts
	Metrics       string        // host:port to serve metrics on, for the operator's monitoring alone; "": none

	// What follows is for tests.

	Now       func() time.Time // nil: time.Now
	Resolver  *net.Resolver    // nil: the system's with a relay or an SMTP server, otherwise none
	Random    io.Reader        // nil: crypto/rand
	Tick      time.Duration    // between runs of the tick; 0: a second
	Misbehave bool             // of the queues: they do all that a queue may do
	Seed      uint64           // of Misbehave
	// Fault is asked whether a part works: "clock", "pump" (of the queues), the handler of one
	// queue ("fanout", "dispatch", "inbound") or "store".
	Fault func(part string) error // nil: all do
}

func (c Config) withDefaults() Config {
	c.Addr = cmp.Or(c.Addr, "127.0.0.1:8080")
	c.Log = cmp.Or(c.Log, slog.Default())
	c.Random = cmp.Or(c.Random, rand.Reader)
	c.Tick = cmp.Or(c.Tick, time.Second)
	if c.Now == nil {
		c.Now = defaultNow
	}
	if c.Resolver == nil && c.Relay+c.Inbound != "" { // otherwise nothing leaves the machine, questions to DNS included
		c.Resolver = net.DefaultResolver
	}
	if c.Fault == nil {
		c.Fault = func(string) error { return nil }
	}
	return c
}

var defaultNow = time.Now

// Machine is the running program. Its exported fields are for tests and for
// preparing a demo; they are set by New.
type Machine struct {
	cfg Config

	Inbox  *inbox.Inbox // nil with a relay
	Alerts *alert.Store
	Roster *roster.Store
	Enrol  *enrol.Store
	Staff  *staff.Store
	Audit  *audit.Log
	Lanes  *lane.Lanes
	Gate   *gate.Gate
	Docket *docket.Store
	Hosts  *mailhost.Store
	Links  *link.Signer
	Table  *bolttable.Table
	store  table.Table      // Table, for all who write to it: guarded, and with what is kept for how long
	Jobs   *boltqueue.Queue // alert -> fanout
	Copies *boltqueue.Queue // fanout -> dispatch
	Mails  *boltqueue.Queue // guardians' mail -> inbound
	Probe  *boltqueue.Queue // proves for /healthz that queues hand out what they take

	fanout   *fanout.Handler
	dispatch *dispatch.Handler
	tick     *tick.Handler
	probes   *probes
	metrics  net.Listener // nil: none are served
	logged   logCounts
	proofs   *proof.Records
	relay    *smtp.Relay
	db       *journal.DB
	app      *console.App
	poster   *enrol.Poster
	postman  *memo.Postman
	listener net.Listener
	mails    net.Listener // of the SMTP server; nil: there is none
	inbound  *inbound.Handler

	works    sync.WaitGroup // imports and the like, which outlive their requests
	working  context.Context
	stopWork context.CancelFunc
}

const (
	// visibility is far longer than a batch can take, even with a relay that lets
	// every command run into its timeout: on one machine only a crash ends a
	// handler early, and after a crash everything is visible at once.
	visibility = time.Hour
	// retryAfter is how long a message waits with which a handler failed and that it did
	// not postpone, a guardian's mail in a busy store for example. Copies' handlers
	// postpone; the memos beside them have as many tries until their ends as on AWS.
	retryAfter, memoAfter = time.Minute, 3 * time.Minute
	// workersPerConn is how many slots are in hand for each connection to the relay:
	// while one sends, the other is claimed and recorded. With more, each would be
	// taken up sooner with fewer copies, and cost as many writes.
	workersPerConn = 4
	jobWorkers     = 4
	// strands are enough for the fan-out not to be what the copies wait for: they
	// share the waits for the disk, so that 32 take two thirds of the time of 8.
	strands     = 32
	mailWorkers = 4
)

// New checks the Config, opens the database and puts everything together. Close it.
func New(cfg Config) (*Machine, error) {
	cfg, err := cfg.check()
	if err != nil {
		return nil, err
	}
	m := &Machine{cfg: cfg.withDefaults()}
	m.cfg.Log = slog.New(counted{m.cfg.Log.Handler(), &m.logged})
	m.working, m.stopWork = context.WithCancel(context.Background())
	err = m.open()
	if err != nil {
		return nil, errors.Join(err, m.Close())
	}
	return m, nil
}

func (m *Machine) open() error {
	if err := os.MkdirAll(m.cfg.Data, 0o700); err != nil {
		return err
	}
	if err := m.openLanes(); err != nil {
		return err
	}
	if err := m.openStore(); err != nil {
		return err
	}
	sender, conns, err := m.openMail()
	if err != nil {
		return err
	}
	if err := m.openQueues(workersPerConn*conns + gate.Waiting); err != nil {
		return err
	}
	m.listener, err = net.Listen("tcp", m.cfg.Addr)
	if err != nil {
		return fmt.Errorf("cannot listen on %s (is Todoku running already? choose another with -addr): %w", m.cfg.Addr, err)
	}
	if m.cfg.BaseURL == "" {
		m.cfg.BaseURL = "http://" + m.listener.Addr().String()
	}
	boxes, err := m.mailboxes()
	if err != nil {
		return err
	}
	m.proofs = &proof.Records{Table: m.store, Now: m.cfg.Now, Every: m.cfg.Proof.Every, Mailboxes: boxes, Started: m.cfg.Now()}
	m.wire(sender)
	if err := m.openMetrics(); err != nil {
		return err
	}
	return m.openInbound()
}

func (m *Machine) openLanes() (err error) {
	if m.cfg.Lanes == "" {
		m.Lanes, err = lane.Load(nil)
		return err
	}
	f, err := os.Open(m.cfg.Lanes)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	m.Lanes, err = lane.Load(f)
	return err
}

func (m *Machine) openStore() (err error) {
	m.db, err = bolttable.Open(filepath.Join(m.cfg.Data, FileName))
	if err != nil {
		return err
	}
	m.db.Full = func() error { return m.cfg.Fault("store") }
	m.Table, err = bolttable.New(m.db, m.cfg.Now)
	if err != nil {
		return err
	}
	if err := m.knowFormat(context.Background()); err != nil {
		return err
	}
	ids := id.NewSource(m.cfg.Now, m.cfg.Random)
	m.Alerts = &alert.Store{Table: m.store, IDs: ids, Now: m.cfg.Now}
	m.Roster = &roster.Store{Table: m.store, IDs: ids, Now: m.cfg.Now}
	m.Enrol = &enrol.Store{Table: m.store, Roster: m.Roster, IDs: ids, Now: m.cfg.Now, Random: m.cfg.Random}
	m.Docket = &docket.Store{Table: m.store, Alerts: m.Alerts, Roster: m.Roster, Now: m.cfg.Now}
	m.Audit = &audit.Log{Table: m.store, Now: m.cfg.Now}
	m.Staff = &staff.Store{Table: m.store, IDs: ids, Now: m.cfg.Now, Random: m.cfg.Random}
	// The lock on the file keeps every other process out.
	m.Gate = &gate.Gate{Table: m.store, Lanes: m.Lanes, Alone: true, Now: m.cfg.Now, Dice: mathrand.Float64, Log: m.cfg.Log}
	m.Hosts = &mailhost.Store{
		Table: m.store, Lanes: m.Lanes, Now: m.cfg.Now,
		Asker: m.asker(),
	}
	m.Links, err = loadKeys(context.Background(), m.store, m.cfg.Random)
	return err
}

// knowFormat refuses a store that a newer version wrote to, before anything is done, and
// marks one in which there is nothing yet.
func (m *Machine) knowFormat(ctx context.Context) error {
	mark, _, err := format.Read(ctx, m.Table)
	if err == nil {
		err = mark.Check()
	}
	if err != nil {
		return err
	}
	m.store = &format.Guard{Table: keep.Table{Table: m.Table, Alerts: m.cfg.KeepAlerts}}
	schools, err := (&roster.Store{Table: m.Table, Now: m.cfg.Now}).Schools(ctx)
	if err == nil && len(schools) == 0 {
		return format.New(ctx, m.Table)
	}
	if mark.Is < format.Now {
		m.cfg.Log.Warn("some data is of an older format, which works; bring it up to date with: todoku migrate", "is", mark.Is, "now", format.Now)
	}
	return err
}

// isUrgent reports whether copies of a safety check wait in a group.
func isUrgent(group string) bool { return lane.PlaceOf(group).Urgent }

func (m *Machine) openQueues(copyWorkers int) (err error) {
	for _, q := range []struct {
		queue **boltqueue.Queue
		cfg   boltqueue.Config
	}{
		{&m.Jobs, boltqueue.Config{Name: "jobs", Concurrency: jobWorkers, MaxReceives: dead.JobReceives}},
		{&m.Copies, boltqueue.Config{Name: "copies", Concurrency: copyWorkers, MaxReceives: dead.JobReceives, Urgent: isUrgent, RetryAfter: memoAfter}},
		{&m.Mails, boltqueue.Config{Name: "mails", Concurrency: mailWorkers, MaxReceives: dead.EventReceives}},
		{&m.Probe, boltqueue.Config{Name: "probe", Concurrency: 1}},
	} {
		q.cfg.VisibilityTimeout, q.cfg.RetryAfter = visibility, cmp.Or(q.cfg.RetryAfter, retryAfter)
		q.cfg.Now, q.cfg.Log, q.cfg.Update = m.cfg.Now, m.cfg.Log, m.Table.Update
		q.cfg.Misbehave, q.cfg.Seed = m.cfg.Misbehave, m.cfg.Seed
		*q.queue, err = boltqueue.New(m.db, q.cfg)
		if err != nil {
			return err
		}
	}
	return nil
}

// defaultConns is how many connections to the relay are used at most, unless its
// URL says otherwise.
const defaultConns = 10

// openMail returns the sender, and over how many connections it sends.
func (m *Machine) openMail() (sender mail.Sender, conns int, err error) {
	if m.cfg.Relay == "" {
		m.Inbox = inbox.New(0, m.cfg.Now)
		return m.Inbox, defaultConns, nil
	}
	cfg, err := smtp.ParseURL(m.cfg.Relay)
	if err != nil {
		return nil, 0, err
	}
	if cfg.Conns == 0 {
		cfg.Conns = defaultConns
	}
	cfg.Now, cfg.Log = m.cfg.Now, m.cfg.Log
	m.relay = smtp.New(cfg)
	return m.relay, cfg.Conns, nil
}

// wire makes the handlers of the queues and the clock, and the services behind
// the pages.
func (m *Machine) wire(sender mail.Sender) {
	m.fanout = &fanout.Handler{
		Alerts: m.Alerts, Roster: m.Roster, Lanes: m.Lanes, Hosts: m.Hosts, Jobs: m.Jobs, Copies: m.Copies,
		Strands: strands, Now: m.cfg.Now, Log: m.cfg.Log,
	}
	m.dispatch = &dispatch.Handler{
		Alerts: m.Alerts, Roster: m.Roster, Queue: m.Copies, Mail: proof.Sender{Sender: sender, Check: m.checkMail}, Links: m.Links, Gate: m.Gate,
		BaseURL: m.cfg.BaseURL, Replies: m.replies(), Now: m.cfg.Now, Jitter: mathrand.Float64, Log: m.cfg.Log,
		// The lock on the file keeps every other process out, so a hand that
		// this one did not take is a dead one's.
		Worker: alert.Worker{ID: m.Alerts.IDs.New(), Lease: visibility, Alone: true, Hand: 2 * alert.MaxBundle}, Court: m.Docket,
	}
	m.wireTick()
	m.app = &console.App{
		Docket: m.Docket,
		Doctor: &doctor.Records{Table: m.store, Now: m.cfg.Now},
		Proof:  m.proofs,
		Stuck:  m.stuck(),
		Dead:   m.letters(),
		Audit:  m.Audit,
		Alerts: m.Alerts, Roster: m.Roster, Jobs: m.Jobs, Mail: sender, Links: m.Links, Gate: m.Gate, Hosts: m.Hosts,
		BaseURL: m.cfg.BaseURL, Now: m.cfg.Now, Log: m.cfg.Log, Enrol: m.Enrol, InboundDomain: m.cfg.InboundDomain,
	}
	m.poster = &enrol.Poster{Store: m.Enrol, Mail: sender, Links: m.Links, Lanes: m.Lanes, BaseURL: m.cfg.BaseURL}
	m.postman = &memo.Postman{Staff: m.Staff, Roster: m.Roster, Mail: sender, BaseURL: m.cfg.BaseURL, Now: m.cfg.Now, Log: m.cfg.Log}
	m.wireInbound()
	m.probes = newProbes(m.Probe)
}

// office tells staff what they have to know.
func (m *Machine) office() *memo.Office { return &memo.Office{Staff: m.Staff, Copies: m.Copies} }

func (m *Machine) wireTick() {
	memos := m.office()
	clerk := &docket.Clerk{Store: m.Docket, Memos: memos, Lanes: m.Lanes, Log: m.cfg.Log}
	drills := &tick.Drills{Alerts: m.Alerts, Roster: m.Roster, Memos: memos, Now: m.cfg.Now, Log: m.cfg.Log}
	tokens := &tick.Tokens{Staff: m.Staff, Memos: memos, Now: m.cfg.Now, Log: m.cfg.Log}
	m.tick = &tick.Handler{
		Alerts: m.Alerts,
		Enrol:  m.Enrol,
		Memos:  memos,
		Lanes:  m.Lanes,
		Gate:   m.Gate,
		Audit:  m.Audit,
		Roster: m.Roster,
		Jobs:   m.Jobs,
		Copies: m.Copies,
		Now:    m.cfg.Now,
		Log:    m.cfg.Log,
		Also: []func(context.Context) error{
			clerk.Work,
			clerk.Weigh,
			drills.Run,
			tokens.Run,
			m.Alerts.ForgetDue,
			m.sweeper().Run,
			m.examineDaily(),
			m.prover().Run,
		},
	}
}

// queues are the machine's queues, by name.
func (m *Machine) queues() map[string]*boltqueue.Queue {
	return map[string]*boltqueue.Queue{"jobs": m.Jobs, "copies": m.Copies, "mails": m.Mails}
}

// letters are what the queues gave up.
func (m *Machine) letters() map[string]queue.DeadLetters {
	all := map[string]queue.DeadLetters{}
	for name, q := range m.queues() {
		all[name] = q
	}
	return all
}

// copies is the handler of the copies' queue: alerts, and the invitations and memos
// that go the same way.
func (m *Machine) copies() queue.Handler {
	return m.postman.After((&registration.Inviter{Poster: m.poster, Gate: m.Gate, Braked: m.Docket.Braking, Now: m.cfg.Now, Log: m.cfg.Log}).After(m.dispatch.Handle))
}

// pages makes the server of the pages. They name the school in its last-resort
// error page, so it must have been founded.
func (m *Machine) pages(ctx context.Context) (*http.Server, error) {
	mux := http.NewServeMux()
	if err := m.routes(ctx, mux); err != nil {
		return nil, err
	}
	return &http.Server{
		Handler:           slices.Concat(web.Loopback, m.cfg.Proxies).Handler(mux),
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       2 * time.Minute, // a roster over a slow line
		WriteTimeout:      5 * time.Minute,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          slog.NewLogLogger(m.cfg.Log.Handler(), slog.LevelWarn),
	}, nil
}

// URL returns where the pages are.
func (m *Machine) URL() string { return m.cfg.BaseURL }
