package lanesim

import "time"

// Timeouts of every sender. RFC 5321 asks for five minutes for a greeting; a sender
// with a deadline cannot wait so long.
const (
	connectTimeout  = 30 * time.Second
	greetingTimeout = 60 * time.Second
	idleTimeout     = 5 * time.Second // after which an unused connection is closed
)

// Recipient is one mailbox.
type Recipient struct {
	ID      int
	Unknown bool // there is no such user
}

// Copy is one message to one recipient.
type Copy struct {
	To       *Recipient
	Lane     int
	Alert    int
	Released time.Duration // when it could first leave
	Tries    int
	Done     bool          // delivered, dropped or refused for good
	Reached  bool          // it is in the mailbox
	At       time.Duration // when
}

// Outcome is what became of one attempt.
type Outcome struct {
	Reply Reply
	Shut  bool          // within a connection, which was closed
	Took  time.Duration // since it began
	Alone bool          // no other attempt of its lane is under way
}

// Pacer decides for one sender of one or more lanes when it attempts. All times are
// those of the simulation.
type Pacer interface {
	// Next says how long the next attempt has to wait; 0: it begins now, which
	// Next takes as given.
	Next() time.Duration
	// Heard tells the outcome of an attempt, and asks when a copy that was put off
	// is tried again; 0: at once, before all others.
	Heard(c *Copy, o Outcome) time.Duration
}

// never is a wait that only an outcome ends.
const never = 365 * 24 * time.Hour

// sender sends copies over connections to receivers as its pacer says.
type sender struct {
	sim   *Sim
	lanes []*line
	pace  Pacer

	first  []*Copy // put off and due again: before the others
	queue  []*Copy
	head   int
	wake   time.Duration // when the sender looks again; never before
	awake  bool
	finish func(*Copy)
}

// line is the connections of a sender to one receiver.
type line struct {
	*Receiver
	idle []idle
	busy int
}

type idle struct {
	messages int
	since    time.Duration
}

// add queues copies.
func (s *sender) add(cs ...*Copy) {
	s.queue = append(s.queue, cs...)
	s.pump()
}

func (s *sender) peek() *Copy {
	if len(s.first) > 0 {
		return s.first[0]
	}
	if s.head < len(s.queue) {
		return s.queue[s.head]
	}
	return nil
}

func (s *sender) pop() {
	if len(s.first) > 0 {
		s.first = s.first[1:]
		return
	}
	s.queue[s.head] = nil
	s.head++
}

// pump begins as many attempts as the pacer lets it.
func (s *sender) pump() {
	for c := s.peek(); c != nil; c = s.peek() {
		if d := s.pace.Next(); d > 0 {
			s.sleep(d)
			return
		}
		s.pop()
		s.attempt(c)
	}
}

// sleep looks again after d, unless it does so before.
func (s *sender) sleep(d time.Duration) {
	at := s.sim.Now + d
	if d >= never || s.awake && s.wake > s.sim.Now && s.wake <= at {
		return
	}
	s.wake, s.awake = at, true
	s.sim.After(d, func() {
		if s.wake == s.sim.Now {
			s.awake = false
		}
		s.pump()
	})
}

func (s *sender) attempt(c *Copy) {
	l, began := s.lanes[c.Lane], s.sim.Now
	c.Tries++
	l.busy++
	l.dropIdle(s.sim.Now)
	if n := len(l.idle); n > 0 {
		conn := l.idle[n-1]
		l.idle = l.idle[:n-1]
		s.mail(c, l, conn.messages, began)
		return
	}
	s.sim.After(l.rtt(1), func() { s.connected(c, l, began) })
}

// connected goes on when the connection was taken or refused. Greeting, EHLO and
// TLS take four round trips.
func (s *sender) connected(c *Copy, l *line, began time.Duration) {
	switch l.Connect() {
	case OK:
		s.sim.After(l.rtt(4), func() { s.mail(c, l, 0, began) })
	case NoAnswer:
		wait := connectTimeout
		if l.Greets {
			wait = greetingTimeout
		}
		s.sim.After(wait, func() { s.end(c, l, Outcome{Reply: NoAnswer}, began) })
	default:
		s.sim.After(l.rtt(1), func() { s.end(c, l, Outcome{Reply: NoRoom}, began) })
	}
}

// mail sends one message. MAIL, RCPT and DATA go in one round trip (RFC 2920).
func (s *sender) mail(c *Copy, l *line, messages int, began time.Duration) {
	s.sim.After(l.rtt(1), func() {
		reply, wait, shut := l.Mail(c.To)
		if reply == OK {
			wait += l.processing() + l.rtt(1)
		}
		s.sim.After(wait, func() {
			l.release(messages+1, shut)
			s.end(c, l, Outcome{Reply: reply, Shut: shut}, began)
		})
	})
}

// release gives a connection back, or closes it.
func (l *line) release(messages int, shut bool) {
	if shut || float64(messages) >= min(l.MessagesPerConnection, l.RecipientsPerSession) {
		l.Close()
		return
	}
	l.idle = append(l.idle, idle{messages: messages, since: l.sim.Now})
}

// dropIdle closes what was not used for a while. It is soon enough to do so when
// the next connection is needed, for nobody else has connections from here.
func (l *line) dropIdle(now time.Duration) {
	for len(l.idle) > 0 && l.idle[0].since < now-idleTimeout {
		l.idle = l.idle[1:]
		l.Close()
	}
}

func (r *Receiver) rtt(n float64) time.Duration { return seconds(n * r.RoundTrip) }

func (s *sender) end(c *Copy, l *line, o Outcome, began time.Duration) {
	l.busy--
	o.Took, o.Alone = s.sim.Now-began, l.busy == 0
	again := s.pace.Heard(c, o)
	switch o.Reply {
	case OK:
		c.Done, c.Reached, c.At = true, !l.drops(), s.sim.Now
	case Unknown:
		c.Done = true
	default:
		s.again(c, again)
	}
	if c.Done && s.finish != nil {
		s.finish(c)
	}
	s.pump()
}

// again tries a copy once more, after a time before what has not been tried.
func (s *sender) again(c *Copy, after time.Duration) {
	if after <= 0 {
		s.first = append([]*Copy{c}, s.first...)
		return
	}
	s.sim.After(after, func() {
		s.first = append(s.first, c)
		s.pump()
	})
}
