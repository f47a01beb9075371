package drill

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/todoku/todoku/infra/drill/cloud"
	"github.com/todoku/todoku/infra/local/machine"
)

// stop is a part of a system that stands still, and works again.
type stop struct {
	part string
	stop func(stopped bool)
	red  []string // checks of /healthz; none: it goes on
}

// stopped is a system whose parts are stopped.
type stopped struct {
	*testing.T
	url     string
	pings   *atomic.Int64 // calls of the dead man's switch
	advance func()        // by step; what has become due is done before the next
}

// rhythm is that of the proofs; a proof may be two rhythms old, and take ten minutes.
const (
	rhythm = time.Hour
	step   = 10 * time.Minute
	limit  = 2*rhythm + step
)

// red returns the checks of /healthz that fail, by name.
func (s stopped) red() (red []string) {
	s.Helper()
	status, report := health(s.T, s.url)
	checks, _ := report["checks"].(map[string]any)
	for part, says := range checks {
		if says != "ok" {
			red = append(red, part)
		}
	}
	slices.Sort(red)
	if (status == http.StatusOK) != (len(red) == 0) {
		s.Errorf("status %d with %v", status, red)
	}
	return red
}

// until moves the clock until something holds, and returns how far.
func (s stopped) until(what string, most time.Duration, holds func() bool) (after time.Duration) {
	s.Helper()
	for ; after <= most; after += step {
		if holds() {
			return after
		}
		s.advance()
	}
	s.Fatalf("not within %v: %s; red is %v", most, what, s.red())
	return 0
}

// soon waits until something holds that may need one more step of the clock, and otherwise
// time alone: a machine that stands still for a moment is red for as long.
func (s stopped) soon(what string, holds func() bool) {
	s.Helper()
	if !holds() {
		s.advance()
	}
	(&Drill{TB: s.T}).Until(what, holds)
}

// try stops one part for two periods and lets it work again: it is red on /healthz, nobody
// calls the dead man's switch, and nobody need do anything for it to be green again.
func (s stopped) try(p stop) (row string) {
	s.Helper()
	well := func() bool { n := s.pings.Load(); return len(s.red()) == 0 && n > 0 }
	s.until("green before anything is stopped", limit, well)
	p.stop(true)
	s.advance() // a proof that was under way has ended
	before := s.pings.Load()
	after := ""
	if len(p.red) > 0 {
		first := s.until("red", limit, func() bool { return len(s.red()) > 0 })
		for range (limit - first) / step { // a look at a part that does not answer takes seconds
			s.advance()
		}
		s.soon("red in all checks", func() bool { return slices.Equal(s.red(), p.red) })
		after = fmt.Sprintf("%.0f min", (first + step).Minutes())
	} else {
		for range limit / step {
			s.advance()
		}
		(&Drill{TB: s.T}).Until("green while "+p.part+" is stopped", func() bool { return len(s.red()) == 0 })
	}
	if called := s.pings.Load() - before; (called == 0) != (len(p.red) > 0) {
		s.Errorf("%s stopped: %d calls of the dead man's switch", p.part, called)
	}
	p.stop(false)
	before = s.pings.Load()
	green := s.until("green again by itself", limit, func() bool { return len(s.red()) == 0 && s.pings.Load() > before })
	if len(p.red) == 0 {
		return p.part + "\t-\t-\tgoes on\t-\t-"
	}
	return fmt.Sprintf("%s\t%s\t%s\tsilent\t%.0f min\tnobody", p.part, strings.Join(p.red, ", "), after, green.Minutes())
}

// table prints what was seen.
func printStops(t *testing.T, rows []string) {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(w, "stopped\tred on /healthz\tat the latest after\tdead man's switch\tgreen again after\tby whom")
	for _, r := range rows {
		_, _ = fmt.Fprintln(w, r)
	}
	_ = w.Flush()
	t.Logf("proofs every %v; the clock moves %v at a time\n%s", rhythm, step, b.String())
}

// deadMan counts calls, as a dead man's switch does.
func deadMan(t *testing.T) (url string, calls *atomic.Int64) {
	calls = new(atomic.Int64)
	s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { calls.Add(1) }))
	t.Cleanup(s.Close)
	return s.URL, calls
}

// TestStops stops each part of one machine, and looks who notices and how it comes back.
func TestStops(t *testing.T) {
	var rows []string
	for _, p := range []stop{
		{"clock", nil, []string{"proof"}},
		{"pump", nil, []string{"proof", "queue"}},
		{"store", nil, []string{"proof", "queue", "store"}},
		{"relay", nil, []string{"mail", "proof"}},
		{"DNS", nil, nil},
	} {
		t.Run(p.part, func(t *testing.T) {
			s, switched := stoppable(t, p.part)
			p.stop = switched
			rows = append(rows, s.try(p))
		})
	}
	printStops(t, rows)
}

// stoppable starts a machine of which one part can be stopped.
func stoppable(t *testing.T, part string) (stopped, func(bool)) {
	t.Helper()
	var off atomic.Bool
	var ahead, ticks atomic.Int64
	watch, calls := deadMan(t)
	relay := newGated(t)
	cfg := machine.Config{
		Addr: "127.0.0.1:0", Data: t.TempDir(), Tick: 10 * time.Millisecond, Log: slog.New(slog.DiscardHandler),
		Now:   func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) },
		Proof: machine.Proof{Every: rhythm, DeadMan: watch}, Relay: relay.url,
		Resolver: &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
			return nil, errors.New("no server answers") // as it is for relays on this machine, stopped or not
		}},
		Fault: func(of string) error {
			if of == "clock" {
				ticks.Add(1)
			}
			if of != part || !off.Load() {
				return nil
			}
			if of == "store" {
				return os.NewSyscallError("write", errors.New("no space left on device"))
			}
			return errors.New("stopped")
		},
	}
	m := started(t, cfg)
	t.Cleanup(func() { off.Store(false) }) // so that it can end

	const turns = 3 // of the clock's function, in which it begins and follows up what a handler has done
	d := &Drill{TB: t, System: System{Waiting: func() (int, int, error) { return waiting(m) }}}
	return stopped{T: t, url: m.URL(), pings: calls, advance: func() {
			ahead.Add(int64(step))
			for range 2 {
				seen := ticks.Load()
				d.Until("the clock has had its turns", func() bool { return ticks.Load() > seen+turns })
				d.idle(off.Load())
			}
		}}, func(stopped bool) {
			off.Store(stopped)
			if part == "relay" {
				relay.shut(stopped)
			}
		}
}

// idle waits until the handlers have nothing to do or, while a part is stopped, get no
// further: what is stopped is never done.
func (d *Drill) idle(stopped bool) {
	d.Helper()
	if !stopped {
		d.Quiet()
		return
	}
	const looks, pause = 12, 30 * time.Millisecond
	for same, before := 0, -1; same < looks; time.Sleep(pause) {
		now, _, err := d.Waiting()
		switch {
		case err == nil && now == 0:
			return
		case err != nil || now == before:
			same++
		default:
			same, before = 0, now
		}
	}
}

// gated is a relay that can be away.
type gated struct {
	url string

	mu    sync.Mutex
	away  bool
	conns map[net.Conn]bool
}

func newGated(t *testing.T) *gated {
	t.Helper()
	behind := strings.TrimPrefix(newSink(t).URL, "smtp://")
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	g := &gated{url: "smtp://" + l.Addr().String() + "?starttls=off", conns: map[net.Conn]bool{}}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go g.pass(c, behind)
		}
	}()
	return g
}

// pass passes a connection on, unless the relay is away.
func (g *gated) pass(c net.Conn, behind string) {
	defer func() { _ = c.Close() }()
	b, err := net.Dial("tcp", behind)
	if err != nil {
		return
	}
	defer func() { _ = b.Close() }()
	g.mu.Lock()
	away := g.away
	g.conns[c] = !away
	g.mu.Unlock()
	if away {
		return
	}
	pipe(c, b)
	g.mu.Lock()
	delete(g.conns, c)
	g.mu.Unlock()
}

// pipe passes what either says to the other, until one of them ends.
func pipe(a, b net.Conn) {
	ended := make(chan struct{}, 2)
	for _, way := range [][2]net.Conn{{a, b}, {b, a}} {
		go func() {
			_, _ = io.Copy(way[0], way[1])
			ended <- struct{}{}
		}()
	}
	<-ended
}

// shut cuts connections off and takes no more, or takes them again.
func (g *gated) shut(away bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.away = away
	if away {
		for c := range g.conns {
			_ = c.Close()
		}
	}
}

// awsStops stops each part of a deployment.
func awsStops(t *testing.T, cfg cloud.Config) {
	clock := NewClock(time.Now())
	watch, calls := deadMan(t)
	cfg.Now, cfg.Clock = clock.Now, clock.Share(t)
	cfg.SES.Now = clock.Now
	cfg.Env = append(slices.Clone(cfg.Env), "TODOKU_PROOF_SECONDS=3600", "TODOKU_DEAD_MAN_URL="+watch)
	d := deploy(t, cfg, 0)
	d.log.all()
	var still, off atomic.Bool // the clock's function; any part
	s := stopped{T: t, url: d.System.URL, pings: calls, advance: func() {
		for _, by := range []time.Duration{step - time.Minute, time.Minute} { // SES takes its time
			clock.Advance(by)
			if !still.Load() {
				_ = d.Cloud.Tick(t.Context())
			}
			(&Drill{TB: t, System: d.System}).idle(off.Load())
		}
	}}
	function := func(name string) func(bool) { return d.Functions[name].Stop }
	var rows []string
	for _, p := range []stop{
		{"tick", still.Store, []string{"proof"}},
		{"fanout", function("fanout"), []string{"proof", "queue"}},
		{"dispatch", function("dispatch"), []string{"proof"}},
		{"feedback", function("feedback"), []string{"proof"}},
		{"acknowledge", function("acknowledge"), []string{"proof"}},
		{"DynamoDB", d.Cloud.Away, []string{"proof", "queue", "store"}},
		{"SES", d.SES.Pause, []string{"mail", "proof"}},
	} {
		stop := p.stop
		p.stop = func(stopped bool) {
			off.Store(stopped)
			stop(stopped)
		}
		rows = append(rows, s.try(p))
	}
	printStops(t, rows)
}
