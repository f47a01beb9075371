package alert

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/todoku/todoku/shared/lane"
	"github.com/todoku/todoku/shared/pack"
	"github.com/todoku/todoku/shared/table"
)

// Worker identifies who sends copies. What it has in hand it holds by a lease, which
// ends by itself, so that the copies of a dead worker are sent by another.
type Worker struct {
	ID    string
	Lease time.Duration // longer than a batch can take
	// Alone says that no other worker lives: what any other has in hand is a dead
	// one's, and need not be waited for. It is so where one process owns the store.
	Alone bool
	// Hand is how many copies of a slot it has in hand at once; 0: MaxBundle. More take
	// fewer writes a copy, and a crash leaves more of which nobody knows whether they left.
	Hand int
}

// Hand is what a worker has in hand of an alert's copies in one slot: it is written
// before they are handed to a mail operator and emptied in the write that records
// what became of them. So of a worker that dies between the two, the next one
// knows which copies may have left.
//
// The queue hands out one batch of a slot at a time, so one small item a slot
// suffices, and a copy's own record is written once, when it is known how sending
// it ended. Where a queue hands out a batch that somebody still works on, the
// item's revision lets only one of them send; for that, a Hand must be read
// before the copies' records are read.
type Hand struct {
	key      table.Key
	revision int64 // 0: the item is not there yet
	owner    string
	until    time.Time
	copies   []CopyRef
	alert    string
	slot     string // the number of its message group's
}

// handPrefix begins the sort keys of hands; the slot's message group follows.
const handPrefix = "hand/"

// Hand reads the hand of an alert and a slot, which is named by its message group.
func (s *Store) Hand(ctx context.Context, alert, group string) (*Hand, error) {
	h := &Hand{key: table.Key{Partition: partition(alert), Sort: handPrefix + group}, alert: alert, slot: strconv.Itoa(lane.PlaceOf(group).Number())}
	item, err := s.Table.Get(ctx, h.key)
	if errors.Is(err, table.ErrNotFound) {
		return h, nil
	}
	if err != nil {
		return nil, err
	}
	return h, h.decode(item)
}

// Held reports whether another worker that may live has the slot, and until when
// at the latest. w itself does not have it: a worker knows what it is at.
func (h *Hand) Held(w Worker, now time.Time) (until time.Time, held bool) {
	return h.until, len(h.copies) > 0 && h.owner != w.ID && !w.Alone && now.Before(h.until)
}

// ErrTaken says that another worker took the slot first.
var ErrTaken = errors.New("alert: another worker has taken the slot")

// Take puts copies into the hand of w, durably. Copies that a worker which is no
// more has left in it are marked as doubtful in the same write. It fails with
// ErrTaken if another worker was faster; then what e knows may be out of date, and
// all begins anew.
func (e *Editor) Take(ctx context.Context, h *Hand, w Worker, now time.Time, copies []CopyRef) error {
	if len(copies) == 0 && len(h.copies) == 0 {
		return nil
	}
	doubts, err := e.doubts(ctx, h.copies)
	if err != nil {
		return err
	}
	next := *h
	next.owner, next.until, next.copies = w.ID, now.Add(w.Lease), copies
	err = e.update(ctx, next.op(), h.slot, doubts)
	if errors.Is(err, errFirst) {
		return ErrTaken
	}
	if err == nil {
		*h = next
		h.revision++
	}
	return err
}

// doubts returns the changes that mark copies as doubtful. One whose record is gone
// has nothing left to be known.
func (e *Editor) doubts(ctx context.Context, left []CopyRef) ([]Change, error) {
	var doubts []Change
	for _, ref := range left {
		doubt := Change{Ref: ref.Ref, Apply: func(f *Family) bool {
			i := f.Copy(ref.Contact, ref.Round)
			return i >= 0 && f.Copies[i].Doubt()
		}}
		err := e.load(ctx, []Ref{ref.Ref})
		if errors.Is(err, ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		doubts = append(doubts, doubt)
	}
	return doubts, nil
}

// Return applies the changes that say what became of the copies in the hand, and
// empties it, in one write. If another worker has taken the slot over meanwhile,
// the changes hold all the same.
func (e *Editor) Return(ctx context.Context, h *Hand, changes ...Change) error {
	if e.store.Reread {
		clear(e.known) // sending took long enough for others to have written
	}
	if len(h.copies) == 0 {
		return e.Update(ctx, changes...)
	}
	next := *h
	next.owner, next.until, next.copies = "", time.Time{}, nil
	err := e.update(ctx, next.op(), h.slot, changes)
	if errors.Is(err, errFirst) {
		err = e.Update(ctx, changes...)
	} else if err == nil {
		next.revision++
	}
	if err == nil {
		*h = next
	}
	return err
}

// op returns the op that writes h over what was read of it.
func (h *Hand) op() table.Op {
	return table.Put(table.Item{Key: h.key, Revision: h.revision, Value: h.encode()})
}

// A hand is packed: the version, and unless it is empty, who, until when, and the
// copies. Ten copies stay under the 1 KB of DynamoDB's write unit.
const handV1 = 1

func (h *Hand) encode() []byte {
	const usual = 600
	w := pack.NewWriter(usual)
	w.Byte(handV1)
	if len(h.copies) == 0 {
		return w.Bytes()
	}
	w.Text(h.owner)
	w.Time(h.until)
	return append(w.Bytes(), packCopies(h.copies)...)
}

func (h *Hand) decode(item table.Item) error {
	h.revision = item.Revision
	if slices.Equal(item.Value, []byte{handV1}) {
		return nil
	}
	r := pack.NewReader(item.Value)
	version := r.Byte()
	h.owner, h.until = r.Text(), r.Time()
	h.copies = readCopies(r, h.alert)
	err := r.Close()
	if err == nil && version != handV1 {
		err = pack.ErrDamaged
	}
	if err != nil {
		return fmt.Errorf("alert: item %s: %w", item.Key, err)
	}
	return nil
}
