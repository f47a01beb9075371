package alert

import (
	"fmt"
	"hash/fnv"
	"sort"

	"github.com/todoku/todoku/shared/table"
)

// Counters. What the status page shows is read from these, so the cost of
// reading it grows with the number of lanes, slots and classes on the page, not
// with the number of recipients:
//
//	alert/<id>   lane/<lane>/<slot>    copies by state, but for Queued; total of those of reminders
//	alert/<id>   class/<class>         children: total, and by state but for Silent
//	alert/<id>   children/<shard>      children by state but for Silent, the whole alert
//	alert/<id>   curve/<span>/<shard>  first answers by time (see curve.go)
//
// Queued copies and silent children are not counted but follow from the totals,
// because everything begins so: fan-out writes one counter less a family.
//
// A counter is shared only by those who rarely write at once: copies of one slot
// are in one worker's hands at a time, and the alert's totals are spread over
// childShards items.
const childShards = 8

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
		if c.State != Queued {
			t.add(laneCounter(c.Lane, c.Slot), string(c.State), sign)
		}
		if c.Round > 0 { // those of the first round are in FanOut's progress
			t.add(laneCounter(c.Lane, c.Slot), fieldTotal, sign)
		}
		if c.Again > 0 {
			t.add(laneCounter(c.Lane, c.Slot), fieldAgain, sign*int64(c.Again))
		}
	}
	for i := range f.Children {
		c := &f.Children[i]
		t.add(classCounter(c.Class), fieldTotal, sign)
		if s := f.State(i); s != Silent {
			t.add(classCounter(c.Class), string(s), sign)
			t.add(childCounter(f.ID), string(s), sign)
		}
		if c.Answer != nil && c.Answer.Help {
			t.add(classCounter(c.Class), fieldHelp, sign)
			t.add(childCounter(f.ID), fieldHelp, sign)
		}
	}
}

const (
	fieldTotal = "total"
	fieldHelp  = "help"
	fieldAgain = "again"
	fieldHand  = "hand" // of no counter: copies in workers' hands (Hand)
)

// ops returns the writes that apply the tallies to an alert's counters, in the
// order of their keys.
func (t tallies) ops(alert string) []table.Op {
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
		ops[i] = table.Add{Key: table.Key{Partition: partition(alert), Sort: k}, Deltas: t[k]}
	}
	return ops
}

const (
	lanePrefix  = "lane/"
	classPrefix = "class/"
	childPrefix = "children/"
)

func laneCounter(lane string, slot int) string {
	return fmt.Sprintf("%s%s/%d", lanePrefix, lane, slot)
}

func classCounter(class string) string { return classPrefix + class }

func childCounter(family string) string { return fmt.Sprintf("%s%d", childPrefix, shard(family)) }

func shard(family string) int {
	h := fnv.New32a()
	_, _ = h.Write([]byte(family))
	return int(h.Sum32() % childShards)
}
