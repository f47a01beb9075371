package lanesim

import (
	"io"
	"maps"
	"net"
	"net/smtp"
	"os"
	"slices"
	"sync"
	"testing"
	"time"
)

func serve(t *testing.T, p Profile, f Fault, speed float64) *Server {
	t.Helper()
	s, err := Serve(t.Context(), p, f, 1, speed)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// TestServerSaysWhatItMeans: each operator's server refuses what its profile refuses, in
// words that dispatch takes for what they are.
func TestServerSaysWhatItMeans(t *testing.T) {
	b := bench(t, 1)
	for _, name := range b.Profiles.Names() {
		t.Run(name, func(t *testing.T) {
			p := b.Profiles.ByName[name]
			p.RoundTrip, p.Processing, p.Burst, p.Rate, p.MaxConnections = 0, 0, 2, 1e-6, 1
			p.RateRefusals, p.ConnectionRefusals, p.Greylist = 1e9, 1e9, 0
			o := newOutside(t, p)
			o.want("a mail", OK, o.send("guardian1"))
			o.want("an unknown user", Unknown, o.send("nobody1"))
			if p.ReplyExcessRate != "tarpit" {
				o.want("more than the bucket holds", TooMuch, o.send("guardian2"))
			}
			o.hang()
			o.want("a second connection", NoRoom, o.send("guardian3"))

			p.Burst, p.Greylist, p.MaxConnections = 100, 300, 9
			o = newOutside(t, p)
			o.want("a stranger where one is greylisted", Grey, o.send("guardian1"))
		})
	}
}

// TestServerBlocks: after so many refusals nothing is taken for a time, which passes.
func TestServerBlocks(t *testing.T) {
	p := bench(t, 1).Profiles.ByName["webmail-y"]
	p.RoundTrip, p.Processing, p.MaxConnections, p.ConnectionRefusals = 0, 0, 1, 2
	o := newOutside(t, p)
	stands := o.hang()
	o.want("one too many", NoRoom, o.send("guardian1"))
	o.want("another", NoRoom, o.send("guardian1"))
	o.leave(stands)
	o.want("while it is blocked", TooMuch, o.send("guardian1"))
	o.server.ask(func(r *Receiver) { r.until = r.sim.Now })
	o.want("afterwards", OK, o.send("guardian1"))
}

// outside sends to a server over a connection for each mail.
type outside struct {
	t      *testing.T
	server *Server
}

func newOutside(t *testing.T, p Profile) *outside {
	return &outside{t, serve(t, p, Fault{}, 1)}
}

func (o *outside) want(what string, want, got Reply) {
	o.t.Helper()
	if got != want {
		o.t.Errorf("%s: reply %d, want %d", what, got, want)
	}
}

func (o *outside) send(name string) Reply {
	conn, err := o.dial()
	if err != nil {
		return refusedAtOnce(err)
	}
	defer o.leave(conn)
	c, err := smtp.NewClient(conn, "receiver.test")
	if err != nil {
		return meant(err, NoRoom)
	}
	if err := (&session{Client: c}).deliver(name + "@receiver.test"); err != nil {
		return meant(err, TooMuch)
	}
	return OK
}

func (o *outside) dial() (*net.TCPConn, error) {
	conn, err := net.Dial("tcp", o.server.Addr())
	if err != nil {
		return nil, err
	}
	o.t.Cleanup(func() { _ = conn.Close() })
	return conn.(*net.TCPConn), nil
}

// leave ends a connection, and waits until the server has done so too.
func (o *outside) leave(conn *net.TCPConn) {
	_ = conn.CloseWrite()
	_, _ = io.Copy(io.Discard, conn)
	_ = conn.Close()
}

// hang opens a connection that stays.
func (o *outside) hang() *net.TCPConn {
	conn, err := o.dial()
	if err == nil {
		_, err = smtp.NewClient(conn, "receiver.test")
	}
	if err != nil {
		o.t.Fatal(err)
	}
	return conn
}

// TestOverSMTP sends to operators as real servers, with time that passes faster: the
// schedulers come in in the order in which they are simulated.
func TestOverSMTP(t *testing.T) {
	if testing.Short() && os.Getenv("STRICT") != "1" {
		t.Skip("-short: it takes half a minute")
	}
	b := bench(t, 1)
	sameOrder(t, func(speed int) []map[Scheduler]*took { return sendToOperators(t, b, speed) })
}

// sendToOperators has schedulers send to real servers and to simulated ones.
func sendToOperators(t *testing.T, b Bench, speed int) []map[Scheduler]*took {
	t.Helper()
	var wg sync.WaitGroup
	all := map[string]map[Scheduler]*took{}
	for _, name := range []string{"webmail-y", "carrier-a"} {
		all[name] = map[Scheduler]*took{}
		for _, how := range []Scheduler{Todoku, Fixed1, Fixed20} {
			one, p := &took{}, b.Profiles.ByName[name]
			all[name][how] = one
			w := World{Profiles: []Profile{p}, End: 15 * time.Minute, Alerts: []Alert{{To: [][]*Recipient{people(200, 1, b.chance(0, 9))}}}}
			s := serve(t, p, Fault{}, float64(speed))
			wg.Go(func() { one.real = newLive(speed, s.Addr(), "127.0.0.1", how, p, b).send(w) })
			one.simulated = RunWorld(w, how, b.Lanes, 1).Times(func(*Copy) bool { return true })
			one.soonest, one.latest = one.simulated.T99, one.simulated.T99
		}
	}
	wg.Wait()
	for name, one := range all {
		for how, took := range one {
			t.Logf("%s, %s: 99 %% after %.1f min; simulated %.1f", name, how, took.real.T99.Minutes(), took.simulated.T99.Minutes())
		}
	}
	return slices.Collect(maps.Values(all))
}
