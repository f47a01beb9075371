package roster

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"slices"
	"sync"
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
// again; families that cannot be put back stay in the journal until its end. A family
// that has become part of another since is put back there.
func (s *Store) UndoTurn(ctx context.Context, school, turn string) (Undone, error) {
	var u Undone
	homes := sync.OnceValues(func() (map[string]string, error) {
		k, err := s.known(ctx, school)
		if err != nil {
			return nil, err
		}
		return k.familyOf, nil
	})
	err := s.eachPast(ctx, school, turn, func(p Past) error {
		err := s.undoFamily(ctx, school, turn, p, homes)
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

// undoTries is how often an entry is looked at again because somebody else wrote the
// family first. It is no table.Again: some conflicts are what becomes of the entry.
const undoTries = 5

func (s *Store) undoFamily(ctx context.Context, school, turn string, p Past, homes func() (map[string]string, error)) error {
	for range undoTries {
		now, err := s.familyNow(ctx, school, p, homes)
		if err != nil {
			return err
		}
		var old []Family
		if now.ID != "" {
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
		if again, err := s.Family(ctx, school, f.ID); err != nil || again.Revision == now.Revision {
			return overtaken(err) // an address or a number is another family's now
		}
	}
	return table.ErrBusy
}

// familyNow returns the family in which the children of an entry are now, the zero
// Family if all have left. homes says where children are whose family is gone. It
// fails with a problem of kind Conflict if they are in several families.
func (s *Store) familyNow(ctx context.Context, school string, p Past, homes func() (map[string]string, error)) (Family, error) {
	now, err := s.Family(ctx, school, p.Family)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return now, err
	}
	for _, id := range p.strays(now) {
		of, err := homes()
		if err != nil {
			return now, err
		}
		switch home := of[id]; {
		case home == "", home == now.ID: // deleted since, or found with another
		case now.ID != "":
			return now, overtaken(nil)
		default:
			if now, err = s.Family(ctx, school, home); err != nil {
				return now, overtaken(err)
			}
		}
	}
	return now, nil
}

// strays returns the children of an entry who have not left and are not in the family.
func (p Past) strays(now Family) []string {
	ids := slices.Clone(p.New)
	for _, c := range fuse(p.Before).Children {
		ids = append(ids, c.ID)
	}
	return slices.DeleteFunc(ids, func(id string) bool {
		_, there := now.Child(id)
		return there || slices.Contains(p.Left, id)
	})
}

// undone returns what the family was, with what guardians changed since. The zero
// Family stands for one that is not there now.
func (p Past) undone(now Family) Family {
	before := fuse(p.Before)
	f := clone(now)
	f.ID, f.Revision = cmp.Or(now.ID, p.Family), now.Revision
	if now.ID == "" {
		f.Closed = before.Closed
	}
	for _, c := range before.Children {
		i := slices.IndexFunc(f.Children, func(x Child) bool { return x.ID == c.ID })
		switch {
		case i >= 0:
			x := &f.Children[i]
			x.Class, x.Seat, x.Groups, x.Name, x.Kana, x.Number = c.Class, c.Seat, c.Groups, c.Name, c.Kana, c.Number
		case slices.Contains(p.Left, c.ID):
			f.readmit(before, &c)
			f.Children = append(f.Children, c)
		}
	}
	return p.withoutNew(f, before)
}

// readmit brings a child's guardians back who are not in the family any more, unless
// somebody there has their contacts now.
func (f *Family) readmit(before Family, c *Child) {
	for i, id := range c.Guardians {
		g, ok := before.Guardian(id)
		if _, there := f.Guardian(id); there || !ok {
			continue
		}
		at := slices.IndexFunc(g.Contacts, func(k Contact) bool { return f.ownerOf(k.ID) != "" })
		if at >= 0 {
			c.Guardians[i] = f.ownerOf(g.Contacts[at].ID)
		} else {
			f.Guardians = append(f.Guardians, g)
		}
	}
	c.Guardians = addNew(nil, c.Guardians...)
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
		if err := table.IgnoreConflict(s.Table.Write(ctx, "", table.Delete{Key: item.Key, Revision: item.Revision})); err != nil {
			return false, err
		}
	}
	if len(page.Items) > 0 || page.Next != "" {
		return false, nil
	}
	err = table.IgnoreConflict(s.Table.Write(ctx, "", table.Delete{Key: e.key(), Revision: 1}))
	return err == nil, err
}

// notInTurn says why a turn does not begin while rows are faulty: who is not in the
// list leaves, so all of it has to be understood.
var notInTurn = lang.T("年度の更新は、エラーの行がなくなってから実行できます。リストにいない児童生徒を転出・卒業とみなすためです。",
	"The turn of the year needs a list without errors, because who is not in it has left.")

// ErrFaulty says that a turn cannot be confirmed.
var ErrFaulty = &problem.Error{Kind: problem.Invalid, Text: notInTurn}
