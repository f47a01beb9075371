package alert

import (
	"hash/fnv"
	"slices"
	"strconv"
	"strings"

	"github.com/todoku/todoku/shared/table"
)

// Counters. What the status page shows is read from these, so the cost of
// reading it grows with the number of lanes, slots and classes on the page, not
// with the number of recipients:
//
//	alert/<id>   lane/<lane>/<part>    copies by state, but for Queued; total of those of reminders (but for
//	                                   reminders that were cancelled)
//	alert/<id>   children/<part>       children by state but for Silent, the whole alert
//	alert/<id>   class/<class>         children: total, answered for, in need of help
//	alert/<id>   curve/<span>/<shard>  first answers by time (see curve.go), and by lane
//
// Queued copies and silent children are not counted but follow from the totals,
// because everything begins so: fan-out writes one counter less a family.
//
// A write adds all that it changes of a lane, or of the alert's children, to one
// part: a worker that has a slot in hand to the slot's, anybody else to one of
// shards. So those that write at once seldom meet, and ten events of ten children
// cost one counter of the alert. What leaves a state is often in another part than
// what came into it, and no counter goes below zero; so what leaves is counted in a
// field of its own, "-" and the state, and the parts' sum is what there is.
const (
	shards  = 8
	leaving = "-"
)

// tallies maps a counter's sort key to its fields.
type tallies map[string]map[string]int64

func (t tallies) add(sortKey, field string, n int64) {
	m := t[sortKey]
	if m == nil {
		m = make(map[string]int64, 2)
		t[sortKey] = m
	}
	m[field] += n
}

// count adds what a family's record contributes to the counters.
func (t tallies) count(f *Family) { t.move(&Family{}, f) }

// move adds by how much a family's record contributes more after a change than before. It
// passes over what has not changed: most writes are of one copy's state.
func (t tallies) move(before, after *Family) {
	for i := range max(len(before.Copies), len(after.Copies)) {
		if i < len(before.Copies) && i < len(after.Copies) && before.Copies[i] == after.Copies[i] {
			continue
		}
		if i < len(before.Copies) {
			t.countCopy(&before.Copies[i], -1)
		}
		if i < len(after.Copies) {
			t.countCopy(&after.Copies[i], +1)
		}
	}
	for i := range max(len(before.Children), len(after.Children)) {
		was, is := before.standing(i), after.standing(i)
		if was != is {
			t.countChild(was, -1)
			t.countChild(is, +1)
		}
	}
}

func (t tallies) countCopy(c *Copy, sign int64) {
	moot := c.moot()
	if c.State != Queued && !moot {
		t.add(laneCounter(c.Lane), string(c.State), sign)
	}
	if c.Round > 0 && !moot { // those of the first round are in FanOut's progress
		t.add(laneCounter(c.Lane), fieldTotal, sign)
	}
	if c.Again > 0 {
		t.add(laneCounter(c.Lane), fieldAgain, sign*int64(c.Again))
	}
	if c.Returned > 0 {
		t.add(laneCounter(c.Lane), fieldReturned, sign*int64(c.Returned))
	}
	switch c.rank() {
	case ranks[gaveUp]:
		t.add(laneCounter(c.Lane), fieldGaveUp, sign)
	case ranks[away]:
		t.add(laneCounter(c.Lane), fieldAway, sign)
	}
	if c.PutOff > 0 { // when the lane stood still, to ten minutes
		t.add(laneCounter(c.Lane), putOffPrefix+strconv.FormatInt(c.PutOffAt.Unix()/putOffStep, 10), sign)
	}
}

// standing is what counts of a child; the zero value: there is none.
type standing struct {
	class string
	state ChildState
	help  bool
}

func (f *Family) standing(i int) standing {
	if i >= len(f.Children) {
		return standing{}
	}
	c := &f.Children[i]
	return standing{class: c.Class, state: f.State(i), help: c.Answer != nil && c.Answer.Help}
}

func (t tallies) countChild(s standing, sign int64) {
	if s == (standing{}) {
		return
	}
	t.add(classCounter(s.class), fieldTotal, sign)
	if s.state != Silent {
		t.add(childrenCounter, string(s.state), sign)
	}
	if s.state == Answered {
		t.add(classCounter(s.class), string(Answered), sign)
	}
	if s.help {
		t.add(classCounter(s.class), fieldHelp, sign)
		t.add(childrenCounter, fieldHelp, sign)
	}
}

const (
	fieldTotal = "total"
	fieldHelp  = "help"
	fieldAgain = "again"
	// fieldReturned counts how often copies went back that the operator gave up, fieldGaveUp those of
	// the refused that it gave up for the last time.
	fieldReturned = "returned"
	fieldGaveUp   = "gaveup"
	// fieldAway counts those of the delayed that are in the operator's hands.
	fieldAway = "away"
	// putOffPrefix and a number of steps of time count the copies that were first put off then.
	putOffPrefix = "off@"
	putOffStep   = 600    // seconds
	fieldHand    = "hand" // of no counter: copies in workers' hands (Hand)
)

// ops returns the writes that apply the tallies to an alert's counters, in the
// order of their keys; part names the parts that are written.
func (t tallies) ops(alert, part string) []table.Op {
	keys := make([]string, 0, len(t))
	for k, fields := range t {
		for f, n := range fields {
			if n == 0 {
				delete(fields, f)
			}
		}
		if len(fields) > 0 {
			keys = append(keys, k)
		}
	}
	slices.Sort(keys)
	ops := make([]table.Op, len(keys))
	for i, k := range keys {
		deltas := t[k]
		if strings.HasSuffix(k, "/") {
			k, deltas = k+part, onlyGrowing(deltas)
		}
		ops[i] = table.Add{Key: table.Key{Partition: partition(alert), Sort: k}, Deltas: deltas}
	}
	return ops
}

// onlyGrowing counts what leaves in fields of its own.
func onlyGrowing(deltas map[string]int64) map[string]int64 {
	grown := make(map[string]int64, len(deltas))
	for f, n := range deltas {
		if n < 0 {
			f, n = leaving+f, -n
		}
		grown[f] = n
	}
	return grown
}

// sum adds the fields of a part to what they count.
func sum(into, counts map[string]int64) {
	for k, n := range counts {
		if state, left := strings.CutPrefix(k, leaving); left {
			k, n = state, -n
		}
		into[k] += n
	}
}

const (
	lanePrefix      = "lane/"
	classPrefix     = "class/"
	childrenCounter = "children/"
)

func laneCounter(lane string) string { return lanePrefix + lane + "/" }

func classCounter(class string) string { return classPrefix + class }

// shardPart names the part of a write that begins with a family.
func shardPart(family string) string { return "s" + strconv.Itoa(shard(family)) }

func shard(family string) int {
	h := fnv.New32a()
	_, _ = h.Write([]byte(family))
	return int(h.Sum32() % shards)
}
