package alert

import (
	"hash/fnv"
	"sort"
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

// count adds sign times what a family's record contributes to the counters.
func (t tallies) count(f *Family, sign int64) {
	for i := range f.Copies {
		c := &f.Copies[i]
		moot := c.Round > 0 && c.State == Cancelled // a reminder that nobody needs any more: as if it had never been
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
		if c.rank() == ranks[gaveUp] {
			t.add(laneCounter(c.Lane), fieldGaveUp, sign)
		}
		if c.PutOff > 0 { // when the lane stood still, to ten minutes
			t.add(laneCounter(c.Lane), putOffPrefix+strconv.FormatInt(c.PutOffAt.Unix()/putOffStep, 10), sign)
		}
	}
	for i := range f.Children {
		c := &f.Children[i]
		t.add(classCounter(c.Class), fieldTotal, sign)
		if s := f.State(i); s != Silent {
			t.add(childrenCounter, string(s), sign)
		}
		if c.Answer == nil {
			continue
		}
		t.add(classCounter(c.Class), string(Answered), sign)
		if c.Answer.Help {
			t.add(classCounter(c.Class), fieldHelp, sign)
			t.add(childrenCounter, fieldHelp, sign)
		}
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
	sort.Strings(keys)
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
