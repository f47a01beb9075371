package bbolt

import (
	"container/heap"
	"slices"
	"time"
)

// group is what is kept in memory of a message group that has messages. Bodies
// and sequences stay in the file.
type group struct {
	name string
	// messages is how many are stored, in flight and hidden ones included. It is
	// changed after a transaction and not in it, so for a moment it may lag, and
	// even be negative; the file has the truth.
	messages int
	hidden   int       // messages handed back that nobody may see before until
	part     *part     // the messages in flight, nil if none
	until    time.Time // while waiting: when the group is looked at again
	state    state
	index    int  // in schedule.waiting
	urgent   bool // Config.Urgent says so
}

// state says who has a group.
type state int

const (
	idle    state = iota // nobody: there is nothing to hand out
	ready                // the ready line
	waiting              // the heap of groups in flight or hidden, until a time comes
	taken                // the round of the pump that is being written
)

// schedule knows which group is to be looked at next. It does no locking.
type schedule struct {
	groups   map[string]*group
	ready    []*group
	waiting  waitingGroups
	isUrgent func(name string) bool // nil: none is
	urgent   int                    // of ready, how many are
	passed   int                    // urgent ones that were taken since another was
}

func newSchedule(urgent func(string) bool) *schedule {
	return &schedule{groups: map[string]*group{}, isUrgent: urgent}
}

// urgently is how many urgent groups are taken for each other one that is ready.
const urgently = 16

// first returns the position of the group that is to be taken next: the first urgent one,
// or the first other.
func (s *schedule) first() int {
	urgent := s.urgent > 0 && s.passed < urgently
	s.passed++
	if !urgent {
		s.passed = 0
	}
	return max(slices.IndexFunc(s.ready, func(g *group) bool { return g.urgent == urgent }), 0)
}

// add counts n more messages, of which n < 0 were removed.
func (s *schedule) add(name string, n int) {
	g := s.groups[name]
	if g == nil {
		g = s.open(name)
	}
	g.messages += n
	if g.state == idle {
		s.rest(g)
	}
}

// open makes a group that there was not.
func (s *schedule) open(name string) *group {
	g := &group{name: name, urgent: s.isUrgent != nil && s.isUrgent(name)}
	s.groups[name] = g
	return g
}

// rest puts a group that was taken, or is idle, into the line or out of memory.
func (s *schedule) rest(g *group) {
	g.state, g.hidden = idle, 0
	switch {
	case g.messages > 0:
		g.state = ready
		s.ready = append(s.ready, g)
		s.count(g, 1)
	case g.messages == 0:
		delete(s.groups, g.name)
	}
}

// take removes the group at position i of the line.
func (s *schedule) take(i int) *group {
	g := s.ready[i]
	copy(s.ready[1:i+1], s.ready[:i])
	s.ready[0] = nil
	s.ready = s.ready[1:]
	s.count(g, -1)
	g.state = taken
	return g
}

func (s *schedule) count(g *group, n int) {
	if g.urgent {
		s.urgent += n
	}
}

// wait lets a taken group be until t.
func (s *schedule) wait(g *group, t time.Time) {
	g.state, g.until = waiting, t
	heap.Push(&s.waiting, g)
}

// move changes how long a waiting group waits.
func (s *schedule) move(g *group, t time.Time) {
	g.until = t
	heap.Fix(&s.waiting, g.index)
}

// hold takes a waiting group.
func (s *schedule) hold(g *group) {
	heap.Remove(&s.waiting, g.index)
	g.state = taken
}

// due takes a group whose time has come, nil if there is none.
func (s *schedule) due(now time.Time) *group {
	if len(s.waiting) == 0 || s.waiting[0].until.After(now) {
		return nil
	}
	g := s.waiting[0]
	s.hold(g)
	return g
}

// next returns when the next waiting group is due.
func (s *schedule) next() (time.Time, bool) {
	if len(s.waiting) == 0 {
		return time.Time{}, false
	}
	return s.waiting[0].until, true
}

// waitingGroups is a heap by until.
type waitingGroups []*group

func (w waitingGroups) Len() int           { return len(w) }
func (w waitingGroups) Less(i, j int) bool { return w[i].until.Before(w[j].until) }

func (w waitingGroups) Swap(i, j int) {
	w[i], w[j] = w[j], w[i]
	w[i].index, w[j].index = i, j
}

func (w *waitingGroups) Push(x any) {
	g := x.(*group)
	g.index = len(*w)
	*w = append(*w, g)
}

func (w *waitingGroups) Pop() any {
	last := len(*w) - 1
	g := (*w)[last]
	(*w)[last] = nil
	*w = (*w)[:last]
	return g
}
