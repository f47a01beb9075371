// Package drill is the acceptance drill: a whole Todoku, driven from outside as
// schools and guardians drive it - over HTTP, by its JSON API, its pages and the
// links in its mails - while the test holds the clock and plays the mail operator.
//
// A scenario states data, time and expectation. What it did not expect fails it:
// a mail too many, an error in the log, an address or a name in any log line.
// Queues misbehave from a logged seed: they hand out twice, late, and in another
// order between groups, because that is what real ones may do.
//
// Scenarios know a System and nothing of what is behind it, so that the same ones
// run against every kind of system; a Lane starts one kind.
package drill

import (
	"log/slog"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/todoku/todoku/infra/drill/issuer"
	"github.com/todoku/todoku/infra/found"
	"github.com/todoku/todoku/shared/mail/incoming"
	"github.com/todoku/todoku/shared/mailhost/dnstest"
	"github.com/todoku/todoku/shared/roster"
	"github.com/todoku/todoku/shared/staff"
	"github.com/todoku/todoku/shared/table"
)

// Lane starts a system of one kind in a world, and has t's cleanup stop it.
type Lane func(t testing.TB, w World) System

// World is what a system is put into.
type World struct {
	Clock   *Clock
	Log     *slog.Logger
	Seed    uint64        // of how queues misbehave
	School  roster.School // to be founded, but for its ID
	Manager staff.Staff   // its first manager
	DNS     *dnstest.Server
	OpenID  *issuer.Issuer // with which staff can sign in as well
}

// System is a running Todoku as it looks from outside.
type System struct {
	URL      string // of the pages, without a slash at the end
	Token    string // the manager's, for the JSON API
	SignIn   string // the manager's one-time link
	Operator Operator
	// Waiting returns how many messages the queues hold: those that a handler has
	// or could have now, and those that are hidden until a time.
	Waiting func() (now, later int, err error)
	// Post hands in a mail for InboundDomain, as the sender's server does. Its error is
	// what that server is told.
	Post func(raw []byte, e incoming.Envelope) error
	// Invite makes a one-time sign-in link, as the operator does by the command.
	Invite func(found.Request) (link string, err error)
	// Events says that verdicts on mails come as events, not with the reply.
	Events bool
	// Items meets every item of the store that has not expired.
	Items func(f func(table.Item) error) error
	// Tick runs the function that looks after what is due. It runs at no other time.
	Tick func() error
	// GiveUp has a queue give a message up, as SQS does; nil on one machine.
	GiveUp func(queue, group, id, body string) error
}

// Drill is one scenario under way.
type Drill struct {
	testing.TB
	System
	Clock   *Clock
	Manager *Browser // signed in
	// DNS is what the system asks. It knows no domain unless the scenario says so,
	// and then nobody is refused: see mailhost.Asker.
	DNS *dnstest.Server
	// OpenID is the provider with which staff can sign in as well.
	OpenID *issuer.Issuer

	log      *logbook
	expected map[envelope]int
	alerts   int // sent so far
}

// patience is how long a condition may take to come true. Nothing ever takes so
// long on a machine that works; a slow one must not fail.
const patience = 2 * time.Minute

// begin is a Monday in April, 8:30 in Japan: the first lesson.
var begin = time.Date(2026, time.April, 6, 8, 30, 0, 0, time.FixedZone("JST", 9*60*60))

var (
	school = roster.School{
		Name: "見本市立ドリル小学校", NameEN: "Drill Elementary School",
		Mail: "anzen@drill-es.example.jp", Phone: "03-0000-0001", Zone: "Asia/Tokyo", District: "見本市",
	}
	manager = staff.Staff{Name: "教頭 見本", Mail: "kyoto@drill-es.example.jp", Role: staff.Manager}
)

// Start starts a system in a lane and signs the manager in. When the test ends it
// fails if anything happened that was not expected.
func Start(t testing.TB, lane Lane) *Drill {
	t.Helper()
	d := &Drill{TB: t, Clock: NewClock(begin), log: &logbook{}, expected: map[envelope]int{}}
	t.Cleanup(d.report)                         // last: after the system has stopped
	d.AllowErrors("the doctor found something") // see doctorSubject
	d.DNS = dnstest.Start(t)
	d.OpenID = issuer.Start(t, d.Clock.Now)
	d.System = lane(t, World{Clock: d.Clock, Log: slog.New(d.log), Seed: seed(t), School: school, Manager: manager, DNS: d.DNS, OpenID: d.OpenID})
	t.Cleanup(d.finish)
	d.Manager = d.NewBrowser()
	d.Manager.Open(d.SignIn).Form("/sign-in").Press("")
	return d
}

// InboundDomain is where the systems of drills take guardians' mail.
const InboundDomain = "in.drill-es.example.jp"

// seed returns DRILL_SEED, or a new one, and logs it.
func seed(t testing.TB) uint64 {
	s := rand.Uint64()
	if v := os.Getenv("DRILL_SEED"); v != "" {
		n, err := strconv.ParseUint(v, 10, 64)
		if err != nil {
			t.Fatalf("DRILL_SEED: %v", err)
		}
		s = n
	}
	t.Logf("the queues misbehave from DRILL_SEED=%d", s)
	return s
}

// Until waits for a condition that goroutines of the system bring about. Time
// that matters is moved with Advance instead.
func (d *Drill) Until(what string, holds func() bool) {
	d.Helper()
	const step = 5 * time.Millisecond
	for range patience / step {
		if holds() {
			return
		}
		time.Sleep(step)
	}
	d.Fatalf("it did not come about: %s", what)
}

// Advance moves the clock, once nothing is under way any more: an hour must not
// pass within a handler. When it returns, what became due has been done. Only
// messages that a queue was hiding may take a moment more to come out.
func (d *Drill) Advance(by time.Duration) {
	d.Helper()
	d.Quiet()
	d.Clock.Advance(by)
	for range 2 { // one job may have to be done before another becomes due
		if err := d.Tick(); err != nil {
			d.Fatalf("tick: %v", err)
		}
		d.Quiet()
	}
}

// Quiet waits until no queue has anything to be handled at this time.
func (d *Drill) Quiet() {
	d.Helper()
	d.Until("all handlers have nothing to do", func() bool {
		now, _, err := d.Waiting()
		if err != nil {
			d.Fatal(err)
		}
		return now == 0
	})
}

// empty reports whether the queues hold nothing, now or later.
func (d *Drill) empty() bool {
	now, later, err := d.Waiting()
	if err != nil {
		d.Fatal(err)
	}
	return now+later == 0
}

// drain moves the clock if the queues do not become empty by themselves: what a lane
// that paused has postponed comes out when its time has come.
func (d *Drill) drain() {
	const moment = 3 * time.Second
	d.Quiet()
	for end := time.Now().Add(moment); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if d.empty() {
			return
		}
	}
	for range 60 {
		if d.Quiet(); d.empty() {
			return
		}
		d.Advance(time.Minute)
	}
}

// finish waits for all that could still happen and fails for what nobody expected.
func (d *Drill) finish() {
	if d.Failed() {
		return
	}
	d.drain()
	d.Until("the queues are empty", d.empty)
	d.checkMails()
	d.checkLog()
	d.ruled()
}

// doctorSubject ends the subject of the mail in which the doctor tells a school of what
// it found.
const doctorSubject = "【要対応】保護者に連絡が届かないおそれがあります / Mend this: alerts may not reach guardians"

// isDoctors reports whether a mail is the doctor's, which finds a world without DNS.
func isDoctors(m Mail) bool { return strings.HasSuffix(m.Subject, doctorSubject) }

// mails are all that came, but for the doctor's.
func (d *Drill) mails() []Mail { return slices.DeleteFunc(d.Operator.Mails(), isDoctors) }

// checkMails fails for every mail that was not expected, and for every one that
// came twice.
func (d *Drill) checkMails() {
	d.Helper()
	came := map[envelope]int{}
	for _, m := range d.Operator.Mails() {
		if isDoctors(m) && d.expected[m.envelope()] == 0 {
			continue // in a world whose DNS knows no domain the doctor finds something in every scenario
		}
		came[m.envelope()]++
	}
	if diff := cmp.Diff(d.expected, came); diff != "" {
		d.Errorf("mails (-expected +came):\n%s", diff)
	}
}

// checkLog fails for errors, and for personal data at any level.
func (d *Drill) checkLog() {
	d.Helper()
	for _, r := range d.log.records() {
		if r.level >= slog.LevelError && !r.allowed {
			d.Errorf("an error in the log: %s", r.line)
		}
		if strings.Contains(r.line, "@") {
			d.Errorf("an address in the log: %s", r.line)
		}
	}
}

// AllowErrors says that errors with the message belong to the scenario.
func (d *Drill) AllowErrors(message string) { d.log.allow(message) }

// report shows, for a drill that failed, what the system had to say.
func (d *Drill) report() {
	if !d.Failed() {
		return
	}
	const most = 40
	lines := d.log.records()
	for _, r := range lines[max(0, len(lines)-most):] {
		d.Log(r.line)
	}
}
