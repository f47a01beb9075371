package lanesim

import (
	"errors"
	"fmt"
	"net"
	"net/smtp"
	"net/textproto"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/todoku/todoku/infra/drill/peers"
)

// speedup is how much faster time passes for those who send to a real server: a minute
// of its limits is two seconds.
const speedup = 30

// limited is a Postfix with limits of its own, as a profile: no blocks, and the window
// of its counter as a bucket.
var limited = Profile{
	Name: "postfix", Like: "gmail.com", MaxConnections: 4, MessagesPerConnection: 20, RecipientsPerSession: 100,
	Rate: 100.0 / 60, Burst: 100, ReplyExcessConnection: "421", ReplyExcessRate: "450", ReplyBlocked: "421",
	ConnectionRefusals: 1e9, ConnectionRefusalsS: 60, RateRefusals: 1e9, RateRefusalsS: 60, UnknownAbove: 2,
	RoundTrip: 0.01, Processing: 0.1, Sigma: 0.5,
}

// TestRealPostfix sends to a real Postfix with limits of its own, and to the simulated
// receiver with the same, and with the time that the real one took over a message: the schedulers come in in the same order.
func TestRealPostfix(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: it takes half a minute")
	}
	const copies = 300
	address := peers.Postfix(t, peers.PostfixLimits{
		Connections: int(limited.MaxConnections), Messages: 100, Unit: 60 * time.Second / speedup,
	})
	b := bench(t, 1)
	w := World{Profiles: []Profile{limited}, End: 20 * time.Minute, Alerts: []Alert{{To: [][]*Recipient{people(copies, 1, b.chance(0, 9))}}}}
	for _, to := range w.Alerts[0].To[0] {
		to.Unknown = false
	}
	hows := []Scheduler{Todoku, Postfix, Fixed1, Fixed20, Global}
	type took struct {
		real, simulated Times
		message         time.Duration
	}
	all := map[Scheduler]*took{}
	var wg sync.WaitGroup
	for i, how := range hows { // each from an address of its own
		one := &took{}
		all[how] = one
		wg.Go(func() {
			l := newLive(address, fmt.Sprintf("127.0.1.%d", 1+i), how, b)
			one.real, one.message = l.send(w), l.message()
		})
	}
	wg.Wait()
	for _, how := range hows {
		w.Profiles[0].Processing = all[how].message.Seconds()
		all[how].simulated = RunWorld(w, how, b.Lanes, 1).Times(func(*Copy) bool { return true })
		r, m := all[how].real, all[how].simulated
		t.Logf("%-16s %.2f s a message; 50, 90, 99 %% of %d after %4.1f, %4.1f, %4.1f min; simulated %4.1f, %4.1f, %4.1f", how, all[how].message.Seconds(), copies,
			r.T50.Minutes(), r.T90.Minutes(), r.T99.Minutes(), m.T50.Minutes(), m.T90.Minutes(), m.T99.Minutes())
	}
	for _, how := range hows {
		for _, other := range hows { // in the order of what is far apart
			if a, b := all[how], all[other]; float64(a.simulated.T99)*1.2 < float64(b.simulated.T99) && a.real.T99 > b.real.T99 {
				t.Errorf("%s is simulated to be ahead of %s, and is not", how, other)
			}
		}
	}
}

// live sends over real connections, as a pacer of the simulation says. The
// simulation's clock is the wall's, sped up.
type live struct {
	sim     *Sim
	began   time.Time
	pace    Pacer
	address string
	dialer  net.Dialer
	ready   []*Copy
	due     []*Copy // put off until At
	idle    []*session
	ended   chan attempt
	out     int
	took    []time.Duration // of messages that were taken
}

type session struct {
	*smtp.Client
	messages int
	since    time.Duration
}

type attempt struct {
	copy    *Copy
	outcome Outcome
	session *session // nil: closed
}

func newLive(address, from string, how Scheduler, b Bench) *live {
	s := New(1)
	l := &live{sim: s, began: time.Now(), address: address, ended: make(chan attempt)}
	l.dialer = net.Dialer{Timeout: 5 * time.Second, LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
	if how == Global {
		l.pace = &fixed{sim: s, most: 10, rate: 10, again: postfixBackoff}
	} else {
		l.pace = newPacer(s, NewReceiver(s, 0, limited, Fault{}), how, b.Lanes)
	}
	return l
}

// message is how long the server usually took over one, sped up.
func (l *live) message() time.Duration {
	slices.Sort(l.took)
	return quantile(l.took, 0.5)
}

func (l *live) tick() { l.sim.Now = speedup * time.Since(l.began) }

// send sends the first alert of a world until its end.
func (l *live) send(w World) Times {
	l.ready = copies(0, w.Alerts[0])[0]
	all := slices.Clone(l.ready)
	for left := len(all); left > 0 && l.sim.Now < w.End || l.out > 0; {
		wait := l.begin(w.End)
		select {
		case a := <-l.ended:
			if l.end(a); a.copy.Done {
				left--
			}
		case <-time.After(wait):
		}
	}
	for _, s := range l.idle {
		_ = s.Quit()
	}
	return Run{Copies: all, end: w.End}.Times(func(*Copy) bool { return true })
}

// begin begins what may begin, and says how long nothing will.
func (l *live) begin(end time.Duration) time.Duration {
	l.tick()
	next := max(end-l.sim.Now, 0)
	l.due = slices.DeleteFunc(l.due, func(c *Copy) bool {
		if c.At > l.sim.Now {
			next = min(next, c.At-l.sim.Now)
			return false
		}
		l.ready = append(l.ready, c)
		return true
	})
	for len(l.ready) > 0 && l.sim.Now < end {
		if d := l.pace.Next(); d > 0 {
			next = min(next, d)
			break
		}
		c := l.ready[0]
		l.ready = l.ready[1:]
		c.Tries++
		l.out++
		go l.attempt(c, l.connection(), l.sim.Now)
	}
	return max(next/speedup, time.Millisecond)
}

// connection returns an idle one, or none.
func (l *live) connection() *session {
	for len(l.idle) > 0 && l.idle[0].since < l.sim.Now-idleTimeout {
		_ = l.idle[0].Close()
		l.idle = l.idle[1:]
	}
	n := len(l.idle)
	if n == 0 {
		return nil
	}
	s := l.idle[n-1]
	l.idle = l.idle[:n-1]
	return s
}

func (l *live) attempt(c *Copy, s *session, began time.Duration) {
	a := attempt{copy: c}
	a.session, a.outcome.Reply = l.mail(c, s)
	a.outcome.Shut = a.session == nil && a.outcome.Reply == TooMuch
	a.outcome.Took = speedup*time.Since(l.began) - began
	l.ended <- a
}

// mail sends one message, over a new connection if need be, and returns the connection
// unless it is to be closed.
func (l *live) mail(c *Copy, s *session) (*session, Reply) {
	if s == nil {
		conn, err := l.dialer.Dial("tcp", l.address)
		if err != nil {
			return nil, NoAnswer
		}
		client, err := smtp.NewClient(conn, "receiver.test")
		if err != nil {
			_ = conn.Close()
			return nil, NoRoom
		}
		s = &session{Client: client}
	}
	err := s.deliver(fmt.Sprintf("guardian%d@receiver.test", c.To.ID))
	s.messages++
	var said *textproto.Error
	switch {
	case err == nil && float64(s.messages) >= limited.MessagesPerConnection:
		_ = s.Close()
		return nil, OK
	case err == nil:
		return s, OK
	case errors.As(err, &said) && said.Code != 421 && s.Reset() == nil:
		return s, TooMuch
	}
	_ = s.Close()
	return nil, TooMuch
}

func (s *session) deliver(to string) error {
	if err := s.Mail("school@sender.test"); err != nil {
		return err
	}
	if err := s.Rcpt(to); err != nil {
		return err
	}
	w, err := s.Data()
	if err != nil {
		return err
	}
	if _, err := w.Write([]byte("Subject: drill\r\n\r\nOpen the link.\r\n")); err != nil {
		return err
	}
	return w.Close()
}

func (l *live) end(a attempt) {
	l.tick()
	l.out--
	if a.session != nil {
		a.session.since = l.sim.Now
		l.idle = append(l.idle, a.session)
	}
	c := a.copy
	a.outcome.Alone = l.out == 0
	again := l.pace.Heard(c, a.outcome)
	switch {
	case a.outcome.Reply == OK:
		c.Done, c.Reached, c.At = true, true, l.sim.Now
		l.took = append(l.took, a.outcome.Took)
	case again <= 0:
		l.ready = append([]*Copy{c}, l.ready...)
	default:
		c.At = l.sim.Now + again
		l.due = append(l.due, c)
	}
}
