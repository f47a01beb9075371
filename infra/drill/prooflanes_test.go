package drill

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/todoku/todoku/infra/drill/cloud"
	"github.com/todoku/todoku/infra/drill/sesfake"
	"github.com/todoku/todoku/infra/local/machine"
	"github.com/todoku/todoku/shared/mail/inbox"
	"github.com/todoku/todoku/shared/mail/incoming"
	"github.com/todoku/todoku/shared/proof"
	"github.com/todoku/todoku/shared/table"
)

// The mailboxes of the lanes that are proven. Each has its own way to answer: docomo's
// passes on what it gets, Google's has a program that opens the link.
const (
	docomoBox, googleBox = "proof@docomo.ne.jp", "todoku.proof@gmail.com"
	bothBoxes            = docomoBox + "," + googleBox
	door                 = proof.Door + "@" + InboundDomain
)

// provenLanes is a system with those mailboxes.
type provenLanes struct {
	*Drill
	pings *atomic.Int64
	now   func() time.Time
	move  func(time.Duration)
	tick  func()
	table table.Table
	// mails returns what has left, each as it is passed on; pass passes one on.
	mails func() []passedOn
	pass  func(raw []byte)

	swallowed bool // by docomo: taken, and never in the mailbox
	read      int
}

// passedOn is a mail that a mailbox got.
type passedOn struct {
	Mail
	raw []byte
}

// oneMachineLanes has them on one machine, whose mail is an inbox. Calls of the dead man's
// switch at the address are counted.
func oneMachineLanes(t *testing.T, watch string, calls *atomic.Int64) *provenLanes {
	clock := NewClock(time.Now())
	m := started(t, machine.Config{
		Addr: "127.0.0.1:0", Data: t.TempDir(), Tick: neverByItself, Now: clock.Now, Log: slog.New(slog.DiscardHandler),
		Inbound: "127.0.0.1:0", InboundDomain: InboundDomain,
		Resolver: &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
			return nil, errors.New("there is no DNS")
		}},
		Proof: machine.Proof{Every: rhythm, Mailboxes: bothBoxes, DeadMan: watch},
	})
	manager, err := m.FoundDemo(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	link, err := m.SignInLink(t.Context(), manager)
	if err != nil {
		t.Fatal(err)
	}
	return &provenLanes{
		Drill: &Drill{TB: t, System: System{URL: m.URL(), SignIn: link}}, pings: calls, now: clock.Now, move: clock.Advance, table: m.Table,
		tick: func() {
			if err := m.Tick(t.Context()); err != nil {
				t.Fatal(err)
			}
		},
		mails: func() (all []passedOn) {
			list := m.Inbox.List()
			slices.Reverse(list)
			for _, e := range list {
				all = append(all, passedOn{Mail{To: e.To, Text: e.Text}, redirected(e)})
			}
			return all
		},
		pass: func(raw []byte) {
			if err := post(m.InboundAddr(), raw, incoming.Envelope{From: docomoBox, To: []string{door}}); err != nil {
				t.Fatal(err)
			}
		},
	}
}

// redirected is a mail of the inbox as a mailbox passes it on: with its own header, which
// says that it is automatic and ours.
func redirected(e inbox.Entry) []byte {
	var b strings.Builder
	for name, value := range e.Headers {
		if !strings.HasPrefix(name, "Content-") {
			_, _ = fmt.Fprintf(&b, "%s: %s\r\n", name, value)
		}
	}
	b.WriteString("Content-Type: text/plain; charset=UTF-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n")
	b.WriteString(strings.ReplaceAll(e.Text, "\n", "\r\n"))
	return []byte(b.String())
}

// awsLanesProven has them on AWS.
func awsLanesProven(t *testing.T, cfg cloud.Config) *provenLanes {
	clock := NewClock(time.Now())
	watch, calls := deadMan(t)
	cfg.Now, cfg.Clock, cfg.InboundDomain = clock.Now, clock.Share(t), InboundDomain
	cfg.SES.Now = clock.Now
	cfg.Env = append(slices.Clone(cfg.Env), "TODOKU_PROOF_SECONDS=3600", "TODOKU_PROOF_MAILBOXES="+bothBoxes, "TODOKU_DEAD_MAN_URL="+watch)
	d := deploy(t, cfg, 0)
	d.log.all()
	return &provenLanes{
		Drill: &Drill{TB: t, System: d.System}, pings: calls, now: clock.Now, move: clock.Advance, table: d.Table,
		tick: func() {
			if err := d.Cloud.Tick(t.Context()); err != nil {
				t.Fatal(err)
			}
		},
		mails: func() (all []passedOn) {
			for _, m := range d.SES.Sent() {
				all = append(all, passedOn{received(m), m.Raw})
			}
			return all
		},
		pass: func(raw []byte) {
			d.Cloud.Receive(sesfake.Incoming{Raw: raw, Source: docomoBox, Recipients: []string{door}, SPF: "GRAY", DKIM: "PASS", DMARC: "PASS"})
		},
	}
}

// answer has the mailboxes answer what has come.
func (p *provenLanes) answer() {
	p.Helper()
	all := p.mails()
	for _, m := range all[p.read:] {
		switch {
		case m.To == googleBox:
			p.NewBrowser().Open(m.Link()).Form("/a/").Press("無事です").Says(http.StatusOK, "回答を受け付けました")
		case m.To == docomoBox && !p.swallowed:
			p.pass(m.raw)
		}
	}
	p.read = len(all)
}

// state returns how the proofs went.
func (p *provenLanes) state() proof.State {
	p.Helper()
	s, err := (&proof.Records{Table: p.table, Now: p.now, Every: rhythm}).State(p.Context())
	if err != nil {
		p.Fatal(err)
	}
	return s
}

// advance moves the clock, and has what is due done: of the mailboxes, only one that gets
// nothing is not waited for.
func (p *provenLanes) advance() {
	p.Helper()
	p.move(step)
	p.Until("what is due is done", func() bool {
		p.tick()
		p.answer()
		s := p.state()
		return s.Alert == "" || !s.Open && !s.Lanes["google"].Open && (p.swallowed || !s.Lanes["docomo"].Open)
	})
	p.move(3 * time.Second) // for which an answer of /healthz is remembered
}

// lanes returns what /healthz says of the lanes, and its status.
func (p *provenLanes) lanes() (status int, docomo, google map[string]any) {
	p.Helper()
	status, report := health(p.TB, p.URL)
	if checks, _ := report["checks"].(map[string]any); checks["proof"] != "ok" && p.pings.Load() > 0 {
		p.Errorf("the system itself is red: %v", report)
	}
	lanes, _ := report["lanes"].(map[string]any)
	docomo, _ = lanes["docomo"].(map[string]any)
	google, _ = lanes["google"].(map[string]any)
	return status, docomo, google
}

// until moves the clock until docomo's lane has a status, and returns how far. Google's
// is green all the while.
func (p *provenLanes) until(want string) (after time.Duration) {
	p.Helper()
	for ; after <= limit+step; after += step {
		status, docomo, google := p.lanes()
		if google["status"] != "ok" {
			p.Errorf("google: %v", google)
		}
		if docomo["status"] == want {
			if (status == http.StatusOK) != (want == "ok") {
				p.Errorf("status %d while docomo is %s", status, want)
			}
			return after
		}
		p.advance()
	}
	p.Fatalf("docomo is not %s within %v", want, limit)
	return 0
}

// try proves both lanes, has docomo swallow its mail, and deliver it again.
func (p *provenLanes) try() {
	p.Helper()
	p.Manager = p.NewBrowser()
	p.Manager.Open(p.SignIn).Form("/sign-in").Press("")
	for p.pings.Load() == 0 && !p.Failed() {
		p.advance()
	}
	status, docomo, google := p.lanes()
	if status != http.StatusOK || docomo["last_proof_minutes"] != 0.0 || google["last_proof_minutes"] != 0.0 {
		p.Fatalf("at first: status %d, docomo %v, google %v", status, docomo, google)
	}
	p.Manager.Open("/alerts/new").Says(http.StatusOK, "メール会社ごと：ドコモ 0分前、Gmail 0分前。")
	p.swallowed = true
	red := p.until("failing")
	if red > limit {
		p.Errorf("red after %v, not within two periods and the patience of one proof", red)
	}
	_, docomo, _ = p.lanes()
	if why, _ := docomo["why"].(string); !strings.Contains(why, "its mailbox did not answer") {
		p.Errorf("docomo is red without saying why: %v", docomo)
	}
	p.Manager.Open("/alerts/new").Says(http.StatusOK, "届くことを、今は確かめられていません： ドコモ （最後の確認：").Says(http.StatusOK, "メール会社ごと：Gmail")
	before := p.pings.Load()
	for range limit / step {
		p.advance()
	}
	if n := p.pings.Load() - before; n > 0 {
		p.Errorf("%d calls of the dead man's switch while a lane was red", n)
	}
	p.swallowed = false
	green := p.until("ok")
	if green > rhythm+step {
		p.Errorf("green again after %v", green)
	}
	if p.pings.Load() == before {
		p.Error("the dead man's switch was not called again")
	}
	p.Logf("docomo swallows its mail: red after %v; delivers it again: green after %v, by itself; google green all the while", red, green)
}

// TestProvenLanes: a lane that swallows mail is red by itself.
func TestProvenLanes(t *testing.T) {
	watch, calls := deadMan(t)
	oneMachineLanes(t, watch, calls).try()
}

// TestProvenOneByOne: each lane calls a dead man's switch of its own, if there is a place
// for its name in the address.
func TestProvenOneByOne(t *testing.T) {
	var calls atomic.Int64
	called := map[string]int{}
	var mu sync.Mutex
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		calls.Add(1)
		called[r.URL.Path]++
	}))
	t.Cleanup(s.Close)
	p := oneMachineLanes(t, s.URL+"/todoku-{lane}", &calls)
	p.swallowed = true
	for calls.Load() < 4 && !t.Failed() {
		p.advance()
	}
	want := map[string]int{"/todoku-all": 2, "/todoku-google": 2}
	if d := cmp.Diff(want, called); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

// TestMailboxesAreChecked: what is wrong with the list is said at the start.
func TestMailboxesAreChecked(t *testing.T) {
	for name, of := range map[string]machine.Proof{
		"at the same operator, docomo": {Every: rhythm, Mailboxes: "a@docomo.ne.jp,b@docomo.ne.jp"},
		"needs --proof":                {Mailboxes: bothBoxes},
	} {
		m, err := machine.New(machine.Config{Addr: "127.0.0.1:0", Data: t.TempDir(), Proof: of})
		if err == nil {
			_ = m.Close()
		}
		if err == nil || !strings.Contains(err.Error(), name) || !strings.Contains(err.Error(), "--proof-mailboxes") {
			t.Errorf("%v, want %q", err, name)
		}
	}
}
