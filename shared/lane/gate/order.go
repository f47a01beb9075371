package gate

import (
	"slices"
	"time"

	"github.com/todoku/todoku/shared/lane"
	"github.com/todoku/todoku/shared/pack"
)

// order is who waits in a lane and who is at work there: which of several alerts gets
// the next place. It is start-time fair queueing: each alert has come so far, by the
// copies that it was given places for, and who has come least far goes next. A safety
// check's copies count less, so it gets the most of the places, and yet nobody starves.
type order struct {
	now     int // how far the alert had come that was given the last place
	parties []party
	news    bool // who asked last was not known to wait
}

// party is the copies of one alert in a lane.
type party struct {
	alert string // "": of none
	far   int
	marks []mark
}

// mark says what a slot of a party was seen to do last.
type mark struct {
	slot  int
	does  doing
	until time.Time // when it is no longer believed
}

type doing byte

const (
	waits doing = iota // for a place; it asks again before until
	works              // a batch is under way
	rests              // its batch has ended a moment ago: it will ask again, but nobody waits for it
)

const (
	// usual is what a copy counts, and an urgent one counts one: so many of a safety check
	// leave for each of a notice.
	usual = 16
	// turnLease is after which time a batch is taken for ended that was given places, and lease
	// the same once its first copy leaves, of which nothing was heard. Turns of the account's
	// rate are given out eight seconds ahead.
	turnLease = 10 * time.Second
	lease     = 5 * time.Second
	// Times are told in moments: what a slot takes from the end of a batch until it asks
	// again, at most. It is short where the queue is in the same process.
	soon   = time.Second / 10
	bySQS  = time.Second
	settle = 1  // moments: who is last waits at first, so that the others of its alert are seen;
	again  = 1  // a slot whose turn it was not, until it asks again;
	rested = 2  // for so many a slot is expected that has ended a batch,
	expect = 15 // and one that waits longer than it said: it need not be written each time, and may wait in Ask
	// patient is how often who is last asks at once; then it waits a little longer each time,
	// because a queue gives a message up that came in vain too often.
	patient = 10
)

func weigh(p lane.Place, copies int) int {
	if p.Urgent {
		return copies
	}
	return usual * copies
}

// ask reports whether a slot may have the next place. If not it is noted as waiting; wait
// is after how long it should ask again, having asked so often in vain.
// Of a lane that is limited by more than its slots, those ahead may take all there is.
func (o *order) ask(p lane.Place, slots int, limited bool, now time.Time, moment time.Duration, vain int) (wait time.Duration, ok bool) {
	o.tidy(now)
	me := o.party(p.Alert)
	known := me.find(p.Slot) >= 0
	wait = again * moment
	if p.Last() {
		wait *= time.Duration(min(max(vain-patient, 1), 15))
	}
	o.news = me.waits(p.Slot, now.Add(wait+rested*moment), now.Add(wait+expect*moment))
	switch {
	case p.Last() && me.early():
		return wait, false
	case p.Last() && !known && vain <= 1:
		return settle * moment, false
	}
	free, ahead := slots-o.working(), o.ahead(me)
	return wait, free > ahead && (ahead == 0 || !limited)
}

// grant notes that a slot has got places for so many copies, and works until then at most.
func (o *order) grant(p lane.Place, copies int, until time.Time) {
	me := o.party(p.Alert)
	me.note(p.Slot, works, until)
	o.now = max(o.now, me.far)
	me.far += weigh(p, copies)
}

// hold notes that a batch which was granted places begins, if the lane has still room.
func (o *order) hold(p lane.Place, slots int, now time.Time, moment time.Duration) bool {
	o.tidy(now)
	me := o.party(p.Alert)
	me.forget(p.Slot)
	if o.working() >= slots {
		me.note(p.Slot, waits, now.Add(expect*moment))
		return false
	}
	return true
}

// wait notes that a slot will ask again before until, and that its turn is kept.
func (o *order) wait(p lane.Place, until time.Time) { o.party(p.Alert).note(p.Slot, waits, until) }

// rest notes that a slot will ask again before until, and that its turn is not kept.
func (o *order) rest(p lane.Place, until time.Time) { o.party(p.Alert).note(p.Slot, rests, until) }

// contested reports whether slots of other alerts were seen; shared, whether others were
// that are not like p: slots of its own alert that leave last must know when p has left.
func (o *order) contested(p lane.Place) bool {
	return slices.ContainsFunc(o.parties, func(q party) bool { return q.alert != p.Alert && len(q.marks) > 0 })
}

func (o *order) shared(p lane.Place) bool {
	return o.contested(p) || slices.ContainsFunc(o.party(p.Alert).marks, func(m mark) bool { return m.last() != p.Last() })
}

// party returns what is known of an alert. One that comes, or comes back, has come as far
// as the last that was given a place: what it did not use before is no credit.
func (o *order) party(alert string) *party {
	i := slices.IndexFunc(o.parties, func(p party) bool { return p.alert == alert })
	if i < 0 {
		i = len(o.parties)
		o.parties = append(o.parties, party{alert: alert})
	}
	p := &o.parties[i]
	if len(p.marks) == 0 {
		p.far = max(p.far, o.now)
	}
	return p
}

// working is how many batches are under way.
func (o *order) working() (n int) {
	for i := range o.parties {
		for _, m := range o.parties[i].marks {
			if m.does == works {
				n++
			}
		}
	}
	return n
}

// ahead is how many slots wait of alerts that have come less far.
func (o *order) ahead(me *party) (n int) {
	for i := range o.parties {
		p := &o.parties[i]
		if p.far >= me.far {
			continue
		}
		early := p.early()
		for _, m := range p.marks {
			if m.does == waits && !(early && m.last()) {
				n++
			}
		}
	}
	return n
}

// tidy forgets what is no longer believed.
func (o *order) tidy(now time.Time) {
	for i := range o.parties {
		p := &o.parties[i]
		p.marks = slices.DeleteFunc(p.marks, func(m mark) bool { return now.After(m.until) })
	}
	o.parties = slices.DeleteFunc(o.parties, func(p party) bool { return len(p.marks) == 0 && p.far <= o.now })
	if !slices.ContainsFunc(o.parties, func(p party) bool { return len(p.marks) > 0 }) {
		*o = order{}
	}
}

func (o *order) clone() order {
	c := order{now: o.now, parties: slices.Clone(o.parties)}
	for i := range c.parties {
		c.parties[i].marks = slices.Clone(c.parties[i].marks)
	}
	return c
}

func (m mark) last() bool { return lane.Place{Slot: m.slot}.Last() }

// early reports whether the party has slots that are not for its last.
func (p *party) early() bool {
	return slices.ContainsFunc(p.marks, func(m mark) bool { return !m.last() })
}

func (p *party) find(slot int) int {
	return slices.IndexFunc(p.marks, func(m mark) bool { return m.slot == slot })
}

// waits notes that a slot waits, unless it is believed to until least, and reports whether
// it was.
func (p *party) waits(slot int, least, until time.Time) bool {
	if i := p.find(slot); i >= 0 && p.marks[i].does == waits && !p.marks[i].until.Before(least) {
		return false
	}
	p.note(slot, waits, until)
	return true
}

func (p *party) note(slot int, does doing, until time.Time) {
	p.forget(slot)
	p.marks = append(p.marks, mark{slot, does, until})
}

func (p *party) forget(slot int) {
	p.marks = slices.DeleteFunc(p.marks, func(m mark) bool { return m.slot == slot })
}

// An order is packed: with ten slots of two alerts it takes some 200 bytes.
const orderV1 = 1

func (o *order) encode() []byte {
	if len(o.parties) == 0 {
		return nil
	}
	w := pack.NewWriter(256)
	w.Byte(orderV1)
	w.Int(o.now)
	w.Count(len(o.parties))
	for i := range o.parties {
		p := &o.parties[i]
		w.Text(p.alert)
		w.Int(p.far)
		w.Count(len(p.marks))
		for _, m := range p.marks {
			w.Int(m.slot)
			w.Byte(byte(m.does))
			w.Int(int(m.until.UnixMilli()))
		}
	}
	return w.Bytes()
}

func decodeOrder(b []byte) (o order, err error) {
	if len(b) == 0 {
		return o, nil
	}
	r := pack.NewReader(b)
	version := r.Byte()
	o.now = r.Int()
	o.parties = pack.List(r, func(r *pack.Reader) party {
		return party{r.Text(), r.Int(), pack.List(r, func(r *pack.Reader) mark {
			return mark{r.Int(), doing(r.Byte()), time.UnixMilli(int64(r.Int())).UTC()}
		})}
	})
	err = r.Close()
	if err == nil && version != orderV1 {
		err = pack.ErrDamaged
	}
	if err != nil {
		return order{}, err
	}
	return o, nil
}
