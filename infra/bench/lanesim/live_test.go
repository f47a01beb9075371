package lanesim

import (
	"errors"
	"fmt"
	"net"
	"net/smtp"
	"net/textproto"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/todoku/todoku/shared/lane/gate"
	"github.com/todoku/todoku/shared/lane/pace"
	"github.com/todoku/todoku/shared/mail"
)

// took is how long a scheduler took, really and as simulated, and within what it is
// simulated to end however long the server takes over a message.
type took struct {
	real, simulated Times
	message         time.Duration
	soonest, latest time.Duration
}

// speedups are how much faster time passes for those who send to a real server: a minute of
// its limits is two seconds. What a machine that has much else to do takes for a mail counts
// as many times, so that the order is looked for at lower speeds if it is another.
var speedups = []int{30, 15, 6}

// sameOrder fails unless schedulers come in in the simulated order.
func sameOrder(t *testing.T, try func(speed int) []map[Scheduler]*took) {
	t.Helper()
	for _, speed := range speedups {
		var wrong []string
		for _, all := range try(speed) {
			wrong = append(wrong, otherOrder(all)...)
		}
		if len(wrong) == 0 {
			return
		}
		t.Logf("%d times as fast: %q", speed, wrong)
	}
	t.Error("the schedulers come in in another order than simulated, at every speed")
}

// otherOrder returns who does not come in in the simulated order, as far as that is clear:
// by a fifth, and not by how long a message took at one moment or the other.
func otherOrder(all map[Scheduler]*took) (wrong []string) {
	for how, a := range all {
		for other, b := range all {
			if float64(a.latest)*1.2 < float64(b.soonest) && a.real.T99 > b.real.T99 {
				wrong = append(wrong, fmt.Sprintf("%s is simulated to be ahead of %s, and is not", how, other))
			}
		}
	}
	return wrong
}

// live sends over real connections, as a pacer of the simulation says. The
// simulation's clock is the wall's, sped up.
type live struct {
	speed   time.Duration // how much faster time passes
	sim     *Sim
	profile Profile
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

func newLive(speed int, address, from string, how Scheduler, p Profile, b Bench) *live {
	s := New(1)
	l := &live{speed: time.Duration(speed), sim: s, profile: p, began: time.Now(), address: address, ended: make(chan attempt)}
	l.dialer = net.Dialer{Timeout: 5 * time.Second, LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
	if how == Global {
		l.pace = &fixed{sim: s, most: 10, rate: 10, again: postfixBackoff}
	} else {
		l.pace = newPacer(s, NewReceiver(s, 0, p, Fault{}), how, b.Lanes)
	}
	return l
}

// message is how long the server usually took over one, sped up.
func (l *live) message() time.Duration {
	slices.Sort(l.took)
	return quantile(l.took, 0.5)
}

func (l *live) tick() { l.sim.Now = l.speed * time.Since(l.began) }

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
	return max(next/l.speed, time.Millisecond)
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
	a.outcome.Took = l.speed*time.Since(l.began) - began
	l.ended <- a
}

// mail sends one message, over a new connection if need be, and returns the connection
// unless it is to be closed.
func (l *live) mail(c *Copy, s *session) (*session, Reply) {
	if s == nil {
		conn, err := l.dialer.Dial("tcp", l.address)
		if err != nil {
			return nil, refusedAtOnce(err)
		}
		client, err := smtp.NewClient(conn, "receiver.test")
		if err != nil {
			_ = conn.Close()
			return nil, meant(err, NoRoom)
		}
		s = &session{Client: client}
	}
	name := "guardian"
	if c.To.Unknown {
		name = "nobody"
	}
	err := s.deliver(fmt.Sprintf("%s%d@receiver.test", name, c.To.ID))
	s.messages++
	var said *textproto.Error
	switch {
	case err == nil && float64(s.messages) >= min(l.profile.MessagesPerConnection, l.profile.RecipientsPerSession):
		_ = s.Close()
		return nil, OK
	case err == nil:
		return s, OK
	case errors.As(err, &said) && said.Code != 421 && s.Reset() == nil:
		return s, meant(err, TooMuch)
	}
	_ = s.Close()
	return nil, meant(err, TooMuch)
}

// refusedAtOnce returns what it means that no connection was made. A server that accepts
// and resets can be so fast that the reset is there before the dialer has looked.
func refusedAtOnce(err error) Reply {
	if errors.Is(err, syscall.ECONNRESET) {
		return NoRoom
	}
	return NoAnswer
}

// meant returns what a server's words mean as dispatch understands them, or, where the
// connection ended without any, what that means.
func meant(err error, otherwise Reply) Reply {
	var said *textproto.Error
	if !errors.As(err, &said) {
		return otherwise
	}
	enhanced, text, _ := strings.Cut(said.Msg, " ")
	kind, _ := gate.Verdict(&mail.SendError{Code: said.Code, Enhanced: enhanced, Text: text, Permanent: said.Code >= 500}, false)
	switch {
	case said.Code >= 500:
		return Unknown
	case kind == pace.Personal:
		return Grey
	case kind == pace.Crowded:
		return NoRoom
	}
	return TooMuch
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
	case a.outcome.Reply == Unknown:
		c.Done = true
	case again <= 0:
		l.ready = append([]*Copy{c}, l.ready...)
	default:
		c.At = l.sim.Now + again
		l.due = append(l.due, c)
	}
}
