package roster

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"github.com/todoku/todoku/shared/lang"
	"github.com/todoku/todoku/shared/problem"
	"github.com/todoku/todoku/shared/table"
)

// Undone counts what an undoing did, in families; Kept are those that somebody has
// changed since in a way that it could not undo.
type Undone struct{ Back, Kept int }

// UndoTurn puts back, family by family, what a turn changed: children are in their
// classes of before, those who left are back with their guardians and addresses, and
// those who were new are gone, unless a guardian has confirmed an address for them
// since. What guardians have changed themselves stays. It can be stopped and begun
// again; families that cannot be put back stay in the journal until its end.
func (s *Store) UndoTurn(ctx context.Context, school, turn string) (Undone, error) {
	var u Undone
	err := s.eachPast(ctx, school, turn, func(p Past) error {
		err := s.undoFamily(ctx, school, turn, p)
		var told *problem.Error
		switch {
		case err == nil:
			u.Back++
		case errors.As(err, &told) && (told.Kind == problem.Conflict || told.Kind == problem.Invalid):
			u.Kept++
		default:
			return err
		}
		return ctx.Err()
	})
	return u, err
}

func (s *Store) undoFamily(ctx context.Context, school, turn string, p Past) error {
	for range editTries {
		now, err := s.Family(ctx, school, p.Family)
		if err != nil && !errors.Is(err, ErrNotFound) {
			return err
		}
		var old []Family
		if err == nil {
			old = []Family{now}
		}
		f := p.undone(now)
		ops := []table.Op{}
		if len(old) > 0 || len(f.Children) > 0 {
			if _, ops, err = s.replacing(ctx, school, old, f); err != nil {
				return err
			}
		}
		err = s.write(ctx, append(ops, table.Delete{Key: pastKey(school, turn, p.Family), Revision: p.revision}))
		if _, conflict := table.Conflict(err); !conflict {
			return err
		}
		if again, err := s.Family(ctx, school, p.Family); err != nil || again.Revision == now.Revision {
			return overtaken(err) // an address or a number is another family's now
		}
	}
	return table.ErrBusy
}

// undone returns what the family was, with what guardians changed since. The zero
// Family stands for one that is not there now.
func (p Past) undone(now Family) Family {
	before := fuse(p.Before)
	f := clone(now)
	f.ID, f.Revision = p.Family, now.Revision
	for _, c := range before.Children {
		i := slices.IndexFunc(f.Children, func(x Child) bool { return x.ID == c.ID })
		switch {
		case i >= 0:
			x := &f.Children[i]
			x.Class, x.Seat, x.Groups, x.Name, x.Kana, x.Number = c.Class, c.Seat, c.Groups, c.Name, c.Kana, c.Number
		case slices.Contains(p.Left, c.ID):
			f.Children = append(f.Children, c)
			f.readmit(before, c.Guardians)
		}
	}
	return p.withoutNew(f, before)
}

// readmit brings guardians back who are not in the family any more.
func (f *Family) readmit(before Family, guardians []string) {
	for _, id := range guardians {
		if _, there := f.Guardian(id); there {
			continue
		}
		if g, ok := before.Guardian(id); ok {
			f.Guardians = append(f.Guardians, g)
		}
	}
}

// withoutNew takes out the children whom the turn brought, but for those for whom
// somebody has confirmed an address that was not there before.
func (p Past) withoutNew(f, before Family) Family {
	gone := setOf(p.New)
	for _, c := range f.Children {
		for _, id := range c.Guardians {
			g, _ := f.Guardian(id)
			if slices.ContainsFunc(g.Contacts, func(k Contact) bool { return k.Confirmed() && before.ownerOf(k.ID) == "" }) {
				delete(gone, c.ID)
			}
		}
	}
	rest, _ := f.without(gone)
	return rest
}

// Endings returns journals whose time is over, the oldest first. It reads one page.
func (s *Store) Endings(ctx context.Context, limit int) ([]Ending, error) {
	page, err := s.Table.Query(ctx, table.Query{Partition: endingsPart, Limit: limit})
	if err != nil {
		return nil, err
	}
	now := s.Now().UTC().Format(time.RFC3339)
	var over []Ending
	for _, item := range page.Items {
		if item.Sort > now+"~" {
			break
		}
		var e Ending
		if err := json.Unmarshal(item.Value, &e); err != nil {
			return nil, err
		}
		over = append(over, e)
	}
	return over, nil
}

// End deletes at most limit entries of a journal whose time is over, after forget has
// seen to what else is known of those who left; and the journal's mark when there is
// nothing left. done says that there is not.
func (s *Store) End(ctx context.Context, e Ending, limit int, forget func([]Past) error) (done bool, err error) {
	page, err := s.Table.Query(ctx, table.Query{Partition: pastKey(e.School, e.Turn, "").Partition, Limit: limit})
	if err != nil {
		return false, err
	}
	past := make([]Past, len(page.Items))
	for i, item := range page.Items {
		if err := json.Unmarshal(item.Value, &past[i]); err != nil {
			return false, err
		}
	}
	if len(past) > 0 {
		if err := forget(past); err != nil {
			return false, err
		}
	}
	for _, item := range page.Items {
		err := s.Table.Write(ctx, "", table.Delete{Key: item.Key, Revision: item.Revision})
		if _, gone := table.Conflict(err); err != nil && !gone {
			return false, err
		}
	}
	if len(page.Items) > 0 || page.Next != "" {
		return false, nil
	}
	err = s.Table.Write(ctx, "", table.Delete{Key: e.key(), Revision: 1})
	if _, gone := table.Conflict(err); gone {
		err = nil
	}
	return err == nil, err
}

// notInTurn says why a turn does not begin while rows are faulty: who is not in the
// list leaves, so all of it has to be understood.
var notInTurn = lang.T("年度の更新は、エラーの行がなくなってから実行できます。リストにいない児童生徒を転出・卒業とみなすためです。",
	"The turn of the year needs a list without errors, because who is not in it has left.")

// ErrFaulty says that a turn cannot be confirmed.
var ErrFaulty = &problem.Error{Kind: problem.Invalid, Text: notInTurn}
