package alert

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"hash/fnv"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/todoku/todoku/shared/lane"
	"github.com/todoku/todoku/shared/table"
)

// Status is what the status page shows of an alert. It is read from counters and
// progress records alone; the work grows with lanes, slots and spans of the
// curve, never with recipients.
type Status struct {
	Alert    Alert
	At       time.Time
	FanOut   Progress // until FanOut.Done the totals are still growing
	Children Counts
	Help     int64 // answers that say that help is needed
	Copies   Counts
	Again    int64 // copies sent a second time because a worker died: possible duplicates
	Returned int64 // how often copies went back to their lanes because the mail operator gave them up
	GaveUp   int64 // of the refused copies, those that it gave up for the last time: not told
	Away     int64 // of the delayed copies, those that it has and tries by itself
	Lanes    []LaneStatus
	Curve    []CurvePoint
}

// Counts is a total and how it divides by state: every state is present, and
// they add up to the total.
type Counts struct {
	Total int64
	By    map[string]int64
}

// LaneStatus counts the copies of one lane.
type LaneStatus struct {
	Lane string
	Counts
	// Asked are the copies of the first round whose families have not answered through
	// another lane first; Answered are those through whose link they did. What was sent
	// by versions that did not count it is all Asked.
	Asked, Answered int64
	PutOff          []PutOff // oldest first
	// Since is from when on the oldest of the copies that have still to leave has waited,
	// as copies of a lane leave in the order in which they were made; zero: none waits.
	Since time.Time
}

// Waiting returns how many copies have still to leave.
func (c Counts) Waiting() int64 {
	return c.By[string(Queued)] + c.By[string(Sending)] + c.By[string(Delayed)]
}

// PutOff says how many copies an operator put off for the first time in ten minutes.
type PutOff struct {
	At     time.Time // the beginning of these minutes
	Copies int64
}

// Status reads where an alert stands.
func (s *Store) Status(ctx context.Context, a Alert) (Status, error) {
	st := Status{Alert: a, At: s.Now()}
	var err error
	st.FanOut, err = s.Progress(ctx, a.ID, FanOut)
	if err != nil {
		return st, err
	}
	lanes := map[string]map[string]int64{}
	err = s.counters(ctx, a.ID, lanePrefix, func(key string, counts map[string]int64) {
		lane, _, _ := strings.Cut(key, "/")
		st.Again += take(counts, fieldAgain)
		st.Returned += take(counts, fieldReturned)
		st.GaveUp += take(counts, fieldGaveUp)
		st.Away += take(counts, fieldAway)
		addCounts(lanes, lane, counts)
	})
	if err != nil {
		return st, err
	}
	if err := s.addHands(ctx, a.ID, lanes); err != nil {
		return st, err
	}
	children := map[string]int64{}
	err = s.counters(ctx, a.ID, childrenCounter, func(_ string, counts map[string]int64) {
		sum(children, counts)
	})
	if err != nil {
		return st, err
	}
	steps := map[int]int64{}
	err = s.counters(ctx, a.ID, curvePrefix, func(_ string, counts map[string]int64) {
		addCurve(steps, counts)
		addVia(lanes, counts)
	})
	st.Curve = curve(steps)
	st.setLanes(lanes)
	if st.Copies.Waiting() > 0 && err == nil {
		err = s.setSince(ctx, &st)
	}
	st.Help = children[fieldHelp]
	st.Children = childCounts(st.FanOut.Children, children)
	return st, err
}

// Pulse names what an alert's counters of children say: it is another whenever a
// child has come into another state. It reads eight items.
func (s *Store) Pulse(ctx context.Context, alert string) (string, error) {
	h := fnv.New64a()
	err := s.each(ctx, alert, childrenCounter, func(item table.Item) error {
		b, err := json.Marshal(item.Counts) // in the order of the names
		_, _ = h.Write(append(b, item.Sort...))
		return err
	})
	return strconv.FormatUint(h.Sum64(), 36), err
}

// addHands counts the copies that workers have in hand.
func (s *Store) addHands(ctx context.Context, alert string, lanes map[string]map[string]int64) error {
	return s.each(ctx, alert, handPrefix, func(item table.Item) error {
		var h Hand
		if err := h.decode(item); err != nil {
			return err
		}
		if s.Now().Before(h.until) {
			addCounts(lanes, lane.PlaceOf(item.Sort[len(handPrefix):]).Lane, map[string]int64{fieldHand: int64(len(h.copies))})
		}
		return nil
	})
}

// Left counts the copies of an alert that are in the hands of workers whose lease is over:
// they died, and nobody has taken their slots since.
func (s *Store) Left(ctx context.Context, alert string) (n int64, err error) {
	err = s.each(ctx, alert, handPrefix, func(item table.Item) error {
		var h Hand
		if err := h.decode(item); err != nil {
			return err
		}
		if !s.Now().Before(h.until) {
			n += int64(len(h.copies))
		}
		return nil
	})
	return n, err
}

// LaneCounts counts the copies of one lane of an alert by state, but for those that
// have not left yet.
func (s *Store) LaneCounts(ctx context.Context, alert, lane string) (map[CopyState]int64, error) {
	counts := map[string]int64{}
	err := s.counters(ctx, alert, laneCounter(lane), func(_ string, part map[string]int64) { sum(counts, part) })
	by := map[CopyState]int64{}
	for _, state := range CopyStates {
		by[state] = max(counts[string(state)], 0)
	}
	return by, err
}

// take takes a field out of a counter.
func take(counts map[string]int64, field string) int64 {
	n := counts[field] - counts[leaving+field]
	delete(counts, field)
	delete(counts, leaving+field)
	return n
}

// addCounts adds one slot's counter to its lane's.
func addCounts(lanes map[string]map[string]int64, lane string, counts map[string]int64) {
	if lanes[lane] == nil {
		lanes[lane] = map[string]int64{}
	}
	sum(lanes[lane], counts)
}

// setLanes derives what is queued: what was made and is in no other state. The
// copies of a reminder count from when they are made, like the first.
func (st *Status) setLanes(lanes map[string]map[string]int64) {
	made := map[string]int64{}
	sum(made, st.FanOut.Copies)
	for lane, counts := range lanes {
		made[lane] += counts[fieldTotal]
	}
	st.Copies.By = map[string]int64{}
	for lane, total := range made {
		l := LaneStatus{Lane: lane, Counts: copyCounts(total, lanes[lane]), PutOff: putOffs(lanes[lane])}
		l.Asked, l.Answered = st.FanOut.Copies[lane]-lanes[lane][sparedPrefix], lanes[lane][viaPrefix]
		st.Lanes = append(st.Lanes, l)
		st.Copies.Total += total
		sum(st.Copies.By, l.By)
	}
	for _, state := range CopyStates {
		st.Copies.By[string(state)] += 0
	}
	slices.SortFunc(st.Lanes, func(a, b LaneStatus) int {
		return cmp.Or(cmp.Compare(b.Total, a.Total), cmp.Compare(a.Lane, b.Lane))
	})
}

// setSince finds out since when the copies of each lane wait: those that were made last
// wait, as many as there are. It reads a record for each wave of reminders.
func (s *Store) setSince(ctx context.Context, st *Status) error {
	var waves []Progress
	if st.Alert.Rounds() > 0 {
		err := s.each(ctx, st.Alert.ID, string(Remind), func(item table.Item) error {
			var p Progress
			err := json.Unmarshal(item.Value, &p)
			waves = append(waves, p)
			return err
		})
		if err != nil {
			return err
		}
	}
	began := func(p Progress) time.Time {
		round, rest := p.Job.Reminder()
		return st.Alert.wave(round, rest)
	}
	slices.SortFunc(waves, func(a, b Progress) int { return began(b).Compare(began(a)) })
	for i := range st.Lanes {
		l := &st.Lanes[i]
		older := l.Waiting()
		if older == 0 {
			continue
		}
		l.Since = st.Alert.Starts
		for _, p := range waves {
			if older -= p.Copies[l.Lane]; older <= 0 {
				l.Since = began(p)
				break
			}
		}
	}
	return nil
}

// addVia adds the fields of a curve counter that count by lane.
func addVia(lanes map[string]map[string]int64, counts map[string]int64) {
	for field, n := range counts {
		for _, prefix := range []string{viaPrefix, sparedPrefix} {
			if lane, ok := strings.CutPrefix(field, prefix); ok {
				if lanes[lane] == nil {
					lanes[lane] = map[string]int64{}
				}
				lanes[lane][prefix] += n
			}
		}
	}
}

// putOffs returns when a lane's copies were put off.
func putOffs(counts map[string]int64) (list []PutOff) {
	for field, n := range counts {
		step, ok := strings.CutPrefix(field, putOffPrefix)
		at, err := strconv.ParseInt(step, 10, 64)
		if ok && err == nil && n > 0 {
			list = append(list, PutOff{time.Unix(at*putOffStep, 0).UTC(), n})
		}
	}
	slices.SortFunc(list, func(a, b PutOff) int { return a.At.Compare(b.At) })
	return list
}

func copyCounts(total int64, by map[string]int64) Counts {
	c := Counts{Total: total, By: map[string]int64{}}
	rest := total
	for _, state := range CopyStates {
		n := max(by[string(state)], 0)
		c.By[string(state)] = n
		rest -= n
	}
	// A counter can be a moment ahead of the total that was read before it, and what
	// is in hand can have been counted as sent since. What waited after a failure
	// remains delayed until it is known how it went this time.
	rest = max(rest, 0)
	inHand := min(by[fieldHand], rest)
	c.By[string(Sending)] += inHand
	c.By[string(Queued)] = rest - inHand
	return c
}

func childCounts(total int64, by map[string]int64) Counts {
	c := Counts{Total: total, By: map[string]int64{}}
	rest := total
	for _, state := range ChildStates {
		n := max(by[string(state)], 0)
		c.By[string(state)] = n
		rest -= n
	}
	c.By[string(Silent)] = max(rest, 0)
	return c
}

// counters calls f for each counter of an alert whose key begins with prefix, with
// the rest of the key.
func (s *Store) counters(ctx context.Context, alert, prefix string, f func(key string, counts map[string]int64)) error {
	return s.each(ctx, alert, prefix, func(item table.Item) error {
		f(item.Sort[len(prefix):], item.Counts)
		return nil
	})
}

// each calls f for each item of an alert whose key begins with prefix.
func (s *Store) each(ctx context.Context, alert, prefix string, f func(table.Item) error) error {
	for item, err := range table.Items(ctx, s.Table, table.Query{Partition: partition(alert), Prefix: prefix}) {
		if err != nil {
			return err
		}
		if err := f(item); err != nil {
			return err
		}
	}
	return nil
}

// ClassStatus counts the children of one class.
type ClassStatus struct {
	Class    string // group id
	Total    int64
	Answered int64
	Help     int64 // of Answered: in need of help
}

// Unaccounted returns how many children of the class nobody has answered for.
func (c ClassStatus) Unaccounted() int64 { return c.Total - c.Answered }

// Unaccounted returns how many children nobody has answered for.
func (c Counts) Unaccounted() int64 { return c.Total - c.By[string(Answered)] }

// Classes reads one page of the classes of an alert, in the order of their ids.
func (s *Store) Classes(ctx context.Context, alert, after string, limit int) ([]ClassStatus, string, error) {
	q := table.Query{Partition: partition(alert), Prefix: classPrefix, Limit: limit}
	if after != "" {
		q.After = classCounter(after)
	}
	page, err := s.Table.Query(ctx, q)
	if err != nil {
		return nil, "", err
	}
	classes := make([]ClassStatus, len(page.Items))
	for i, item := range page.Items {
		classes[i] = classStatus(item)
	}
	return classes, strings.TrimPrefix(page.Next, classPrefix), nil
}

func classStatus(item table.Item) ClassStatus {
	return ClassStatus{
		Class: item.Sort[len(classPrefix):], Total: item.Counts[fieldTotal],
		Answered: item.Counts[string(Answered)], Help: item.Counts[fieldHelp],
	}
}

// Sum counts the children of a whole alert; Class is empty. It reads eight counters and
// the record of the fan-out.
func (s *Store) Sum(ctx context.Context, alert string) (ClassStatus, error) {
	p, err := s.Progress(ctx, alert, FanOut)
	if err != nil {
		return ClassStatus{}, err
	}
	n := map[string]int64{}
	err = s.counters(ctx, alert, childrenCounter, func(_ string, counts map[string]int64) { sum(n, counts) })
	return ClassStatus{Total: p.Children, Answered: n[string(Answered)], Help: n[fieldHelp]}, err
}

// ClassesOf reads the classes with these ids, without those that the alert is not about.
func (s *Store) ClassesOf(ctx context.Context, alert string, ids []string) ([]ClassStatus, error) {
	var classes []ClassStatus
	for _, class := range ids {
		item, err := s.item(ctx, table.Key{Partition: partition(alert), Sort: classCounter(class)})
		if errors.Is(err, ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		classes = append(classes, classStatus(item))
	}
	return classes, nil
}

// ChildLine is one child in a list: the child, its state, and its family's record.
type ChildLine struct {
	Child
	State  ChildState
	Ref    Ref
	Family Family
}

// GuardianList returns those who answer for the child, the first to be asked first.
func (c ChildLine) GuardianList() []Guardian {
	var gs []Guardian
	for _, i := range c.Child.Guardians {
		gs = append(gs, c.Family.Guardians[i])
	}
	return gs
}

// Children lists the children of one class, one page of families at a time.
func (s *Store) Children(ctx context.Context, alert, class, after string, limit int) ([]ChildLine, string, error) {
	made, next, err := s.Families(ctx, alert, class, after, limit, true)
	if err != nil {
		return nil, "", err
	}
	var lines []ChildLine
	for _, m := range made {
		for i, c := range m.Family.Children {
			if c.Class == class {
				lines = append(lines, ChildLine{Child: c, State: m.Family.State(i), Ref: m.Ref(alert), Family: m.Family})
			}
		}
	}
	return lines, next, nil
}

// AllChildren lists the children of an alert class by class. The cursor holds
// the class and the place in it; limit is the most families that are read.
func (s *Store) AllChildren(ctx context.Context, alert, cursor string, limit int) ([]ChildLine, string, error) {
	class, after, _ := strings.Cut(cursor, " ")
	if class == "" {
		first, err := s.classAfter(ctx, alert, "")
		if err != nil || first == "" {
			return nil, "", err
		}
		class = first
	}
	lines, next, err := s.Children(ctx, alert, class, after, limit)
	if err != nil {
		return nil, "", err
	}
	if next != "" {
		return lines, class + " " + next, nil
	}
	class, err = s.classAfter(ctx, alert, class)
	if class != "" {
		class += " "
	}
	return lines, class, err
}

func (s *Store) classAfter(ctx context.Context, alert, class string) (string, error) {
	classes, _, err := s.Classes(ctx, alert, class, 1)
	if err != nil || len(classes) == 0 {
		return "", err
	}
	return classes[0].Class, nil
}
