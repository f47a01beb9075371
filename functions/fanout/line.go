package fanout

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/todoku/todoku/shared/alert"
	"github.com/todoku/todoku/shared/lane"
	"github.com/todoku/todoku/shared/queue"
	"github.com/todoku/todoku/shared/roster"
)

// tier is when in its lane a contact's copy leaves. An operator judges a sender by how
// many of its mails go to nobody, so addresses that nobody has proven go last and thin.
type tier int

const (
	heard tier = iota // answered lately, or confirmed
	quiet             // verified, and not heard of for long
	never             // entered by the office, and never heard of
)

const (
	// lately is how old the newest answer of a contact may be that goes first.
	lately = 180 * 24 * time.Hour
	// apart is how many copies to others lie between two to contacts never heard of. So
	// those are 7 of any 300 as they are queued, and stay below 3 % though the slots of a
	// lane are not equally fast.
	apart = 44
	// hopeless is how many of a lane may be held back with fewer others in sight. Where
	// most of a lane was never heard of, after the first import say, there is nobody to
	// put them between.
	hopeless = 300
	// few is of how many copies a lane has too few for an operator to judge a share of them.
	few = 300
	// sendSome is how many messages are queued at once.
	sendSome = 100
)

func tierOf(c roster.Contact, now time.Time) tier {
	switch {
	case c.Answered.IsZero() && c.State == roster.Unverified:
		return never
	case now.Sub(c.Answered) < lately:
		return heard
	}
	return quiet
}

// waiting is a copy to be queued.
type waiting struct {
	lane, group string
	ref         alert.CopyRef
}

// atSlot returns the copy to be queued among its lane's others, though it is one that
// would leave last.
func (c waiting) atSlot() waiting {
	p := lane.PlaceOf(c.group)
	p.Slot = p.Number()
	c.group = p.Group()
	return c
}

// lines are what the strands of a fan-out have of each lane.
type lines struct {
	mu     sync.Mutex
	byLane map[string]*line
}

// line is what they have of one.
type line struct {
	heard  int // queued of those heard of lately
	others int // queued of all but those never heard of
	since  int // of others, since the last of those never heard of
	quiet  []waiting
	never  []waiting
}

// of returns the line of a lane. It is called with mu held.
func (ls *lines) of(lane string) *line {
	l := ls.byLane[lane]
	if l == nil {
		l = &line{}
		ls.byLane[lane] = l
	}
	return l
}

// rest takes out what is held back: the quiet, and then those never heard of.
func (ls *lines) rest() (quiet, never []waiting) {
	for _, l := range ls.byLane {
		l.passed(len(l.quiet))
		quiet = append(quiet, l.quiet...)
		never = append(never, l.leave(l.never)...)
	}
	clear(ls.byLane)
	return quiet, never
}

// know notes the tiers of a step's contacts.
func (w *walk) know(families []roster.Family) {
	clear(w.tiers)
	now := w.Now()
	for _, f := range families {
		for _, g := range f.Guardians {
			for _, c := range g.Contacts {
				w.tiers[c.ID] = tierOf(c, now)
			}
		}
	}
}

// next takes a step's copies into the lines and returns those whose turn it is.
func (w *walk) next(copies []waiting) []waiting {
	var out []waiting
	var lanes []*line
	w.lines.mu.Lock()
	defer w.lines.mu.Unlock()
	for _, c := range copies {
		l := w.lines.of(c.lane)
		if !slices.Contains(lanes, l) {
			lanes = append(lanes, l)
		}
		switch w.tiers[c.ref.Contact] {
		case never:
			l.never = append(l.never, c)
		case quiet:
			l.quiet = append(l.quiet, c)
		case heard:
			l.heard++
			l.passed(1)
			out = append(out, c)
		}
	}
	for _, l := range lanes {
		out = l.release(out)
	}
	return out
}

func (l *line) passed(n int) {
	l.others += n
	l.since += n
}

// release appends what need not be held back any longer.
func (l *line) release(out []waiting) []waiting {
	for len(l.quiet) > l.heard {
		n := run(l.quiet)
		l.passed(n)
		out, l.quiet = append(out, l.quiet[:n]...), l.quiet[n:]
	}
	for len(l.never) > max(hopeless, l.others) {
		n := run(l.never)
		out = append(out, l.leave(l.never[:n])...)
		l.never = l.never[n:]
	}
	if l.since >= apart && len(l.never) > 0 {
		l.since = 0
		out, l.never = append(out, l.never[0].atSlot()), l.never[1:]
	}
	return out
}

// leave returns those never heard of as they are queued: in places of their own, which wait
// until the lane's others have left. If there is nobody else, or few in all, they are at the
// ends of the lane's slots, which costs no wait.
func (l *line) leave(never []waiting) []waiting {
	if l.others > 0 && l.others+len(l.never) >= few {
		return never
	}
	early := make([]waiting, len(never))
	for i := range never {
		early[i] = never[i].atSlot()
	}
	return early
}

// run returns how many at the head share a slot, and so a message.
func run(copies []waiting) int {
	n := 1
	for n < len(copies) && n < alert.MaxBundle && copies[n].group == copies[0].group {
		n++
	}
	return n
}

// send queues copies, a hundred messages at a time.
func (h *Handler) send(ctx context.Context, copies []waiting) error {
	for some := range slices.Chunk(bundles(copies), sendSome) {
		if err := h.Copies.Send(ctx, some...); err != nil {
			return err
		}
	}
	return nil
}

// held queues what was held back until the end of the walks. An interruption forgets what
// that was, so after one everything that has not left is queued again.
func (h *Handler) held(ctx context.Context, a alert.Alert, ls *lines, whole bool) error {
	if !whole {
		return h.queueAgain(ctx, a, isQueued)
	}
	quiet, never := ls.rest()
	if err := h.send(ctx, quiet); err != nil {
		return err
	}
	return h.send(ctx, never)
}

// queueAgain queues every copy of an alert that is such a one.
func (h *Handler) queueAgain(ctx context.Context, a alert.Alert, such func(*alert.Copy) bool) error {
	var all []waiting
	for class := ""; ; {
		classes, _, err := h.Alerts.Classes(ctx, a.ID, class, 1)
		if err != nil {
			return err
		}
		if len(classes) == 0 {
			return h.send(ctx, all)
		}
		class = classes[0].Class
		err = h.sweepClass(ctx, a, class, func(_ context.Context, made []alert.Made) error {
			all = append(all, waitingIn(a, made, such)...)
			return nil
		})
		if err != nil {
			return err
		}
	}
}

// isQueued reports whether a copy has not been tried: what was put off has a message, or
// is due at a time of its own.
func isQueued(c *alert.Copy) bool { return c.State == alert.Queued }

// queued returns the families' copies that wait to be queued.
func queued(a alert.Alert, made []alert.Made) []waiting { return waitingIn(a, made, isQueued) }

func waitingIn(a alert.Alert, made []alert.Made, such func(*alert.Copy) bool) []waiting {
	var copies []waiting
	for _, m := range made {
		for i := range m.Family.Copies {
			c := &m.Family.Copies[i]
			if such(c) {
				w := waiting{c.Lane, c.Group(a), alert.CopyRef{Ref: m.Ref(a.ID), Contact: c.Contact, Round: c.Round}}
				if c.Round > 0 {
					w = w.atSlot() // the waves of a reminder have an order of their own
				}
				copies = append(copies, w)
			}
		}
	}
	return copies
}

// messages returns what queues the copies of families that wait to be sent.
func messages(a alert.Alert, made []alert.Made) []queue.Message {
	return bundles(queued(a, made))
}

// bundles puts the copies of one slot together, up to alert.MaxBundle in a message.
func bundles(copies []waiting) []queue.Message {
	var order []string
	bySlot := map[string][]alert.CopyRef{}
	for _, c := range copies {
		if bySlot[c.group] == nil {
			order = append(order, c.group)
		}
		bySlot[c.group] = append(bySlot[c.group], c.ref)
	}
	var msgs []queue.Message
	for _, group := range order {
		for some := range slices.Chunk(bySlot[group], alert.MaxBundle) {
			msgs = append(msgs, alert.Bundle(group, some))
		}
	}
	return msgs
}
