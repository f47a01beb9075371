package desk

import (
	"context"
	"errors"

	"github.com/todoku/todoku/shared/alert"
	"github.com/todoku/todoku/shared/each"
	"github.com/todoku/todoku/shared/table"
)

// MaxTogether is how many families one call can be for: what is written for them and
// their lines must fit into one write.
const MaxTogether = 6

// Together are families, of one alert each, that are phoned with one call: siblings at
// several schools of a scope. They are taken in hand, given back and handed over in one
// write, or not at all.
type Together []Member

// Member is a family on the desk of its alert.
type Member struct {
	Desk Desk
	Ref  alert.Ref
}

// planned is a family with its record as it is to be written.
type planned struct {
	Member
	family *alert.Family
	record Record
}

// records reads what the desk knows of the families.
func (t Together) records(ctx context.Context) ([]Record, error) {
	return each.Map(ctx, readers, t, func(ctx context.Context, m Member) (Record, error) { return m.Desk.Record(ctx, m.Ref) })
}

// change reads the records of families, alters them and writes them, at the revisions that
// were read: of two people at once one is told what the other did. A family that alter
// has errNothing or errSettled for is left as it is; if it is so for all, that is the error.
//
// Each try reads the records first: an answer by telephone is written together with the
// record that gives the family back, so who sees it given back sees that it has answered.
func (t Together) change(ctx context.Context, alter func(*alert.Family, *Record) error) (records []Record, err error) {
	err = table.Again(func() error {
		if records, err = t.records(ctx); err != nil {
			return err
		}
		families, err := each.Map(ctx, readers, t, func(ctx context.Context, m Member) (alert.Family, error) {
			return m.Desk.Alerts.Family(ctx, m.Ref)
		})
		if err != nil {
			return err
		}
		ops, err := t.plan(ctx, records, families, alter)
		if err != nil {
			return err
		}
		return t[0].Desk.Alerts.Table.Write(ctx, "", ops...)
	})
	return records, err
}

// plan alters records, and returns the ops that write them, and the lines on which the
// families can be reached.
func (t Together) plan(ctx context.Context, records []Record, families []alert.Family, alter func(*alert.Family, *Record) error) ([]table.Op, error) {
	var changed []planned
	var ops []table.Op
	var left error
	for i, m := range t {
		r := &records[i]
		err := alter(&families[i], r)
		switch {
		case errors.Is(err, errNothing), errors.Is(err, errSettled):
			left = err
		case err != nil:
			return nil, err
		default:
			changed = append(changed, planned{m, &families[i], *r})
			ops = append(ops, r.ops(m.Ref)...)
		}
	}
	if len(changed) == 0 {
		return nil, left
	}
	lines, err := lineOps(ctx, changed)
	return append(ops, lines...), err
}

// Claim gives families into somebody's hands, for HoldFor. It fails with a conflict if a
// colleague has one of them, here or on another desk of the same scope, or if nothing is
// left to be asked of any. Those of which nothing is left are not taken.
func (t Together) Claim(ctx context.Context, who Person) ([]Record, error) {
	return t.change(ctx, func(f *alert.Family, r *Record) error {
		now := t[0].Desk.Alerts.Now()
		switch {
		case !ToCall(f):
			return errSettled
		case r.Held(now) && r.Holder.ID != who.ID:
			return heldBy(r.Holder)
		case r.Holder.ID != who.ID:
			r.From, r.Note = Person{}, ""
		}
		r.Holder, r.Until, r.claimed = who, now.Add(HoldFor), true
		return nil
	})
}

// Release gives back those of the families that are in somebody's hands.
func (t Together) Release(ctx context.Context, who Person) error {
	_, err := t.change(ctx, func(_ *alert.Family, r *Record) error {
		if !r.HeldBy(who.ID, t[0].Desk.Alerts.Now()) {
			return errNothing
		}
		r.release()
		return nil
	})
	return unlessNothing(err)
}

// HandOver gives families from somebody's hands into a colleague's.
func (t Together) HandOver(ctx context.Context, from, to Person, note string) error {
	_, err := t.change(ctx, func(_ *alert.Family, r *Record) error {
		now := t[0].Desk.Alerts.Now()
		if r.Held(now) && r.Holder.ID != from.ID {
			return heldBy(r.Holder)
		}
		r.Holder, r.Until, r.From, r.Note, r.claimed = to, now.Add(HoldFor), from, note, true
		return nil
	})
	return err
}

// Rows reads the families as rows, whether or not they are to be phoned.
func (t Together) Rows(ctx context.Context) ([]Row, error) {
	return each.Map(ctx, readers, t, func(ctx context.Context, m Member) (Row, error) { return m.Desk.Row(ctx, m.Ref) })
}

// first returns the one record of a change of one family.
func first(records []Record, err error) (Record, error) {
	if err != nil || len(records) == 0 {
		return Record{}, err
	}
	return records[0], nil
}
