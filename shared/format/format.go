// Package format says in which form things are stored, so that a program that is too old
// does not touch what a newer one wrote, and what is old can be rewritten while all works.
//
// A change of the form is made in three states:
//
//	before   everything is as the last version wrote it; the program reads it
//	during   the program writes the new form and reads both; Migrate rewrites the rest
//	after    nothing of the old form is left
//
// The mark that the store carries says which. A program that finds a mark beyond Now
// refuses to work: from the first write in a new form there is no way back but a backup.
// So a release may only write what the one before it can read for the minutes of a deploy.
package format

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/todoku/todoku/shared/problem"
	"github.com/todoku/todoku/shared/table"
)

// Now is the form that this program writes.
//
//	1   alerts and what belongs to them have no end
//	2   they end as package keep says; families of the roster may be packed, and are when they are written
//	3   so may their places in groups, and are
//	4   a family of the roster may say which addresses were taken out
const Now = 4

// Key is that of the mark.
var Key = table.Key{Partition: "format", Sort: "format"}

// Mark is what a store says of its form. Of a store without a mark it is that of form 1.
type Mark struct {
	Is int `json:"is"` // nothing is older
	To int `json:"to"` // nothing is newer
}

// Read returns the mark of a store, and its revision; 0: it has none.
func Read(ctx context.Context, t table.Table) (m Mark, revision int64, err error) {
	m, revision, err = table.Load[Mark](ctx, t, Key)
	if err == nil && revision == 0 {
		m = Mark{Is: 1, To: 1}
	}
	return m, revision, err
}

// Check says why this program must not touch a store with such a mark, if so.
func (m Mark) Check() error {
	if m.To <= Now {
		return nil
	}
	return problem.New(problem.Conflict,
		"このデータは、新しい版の届くが書いたものです（形式%[1]d、この版は%[2]dまで）。新しい版をお使いください。データには触れていません。",
		"This data was written by a newer Todoku (format %[1]d, this one knows %[2]d). Use the newer one. Nothing was touched.", m.To, Now)
}

// Put writes a mark. Somebody else's that came first wins.
func Put(ctx context.Context, t table.Table, m Mark, revision int64) error {
	return table.IgnoreConflict(table.Save(ctx, t, Key, revision, m))
}

// Guard is a store that is only touched if this program knows its form. It looks once,
// when it is first used, and raises the mark before it first writes.
type Guard struct {
	table.Table
	known, raised atomic.Bool
}

// Get implements table.Table.
func (g *Guard) Get(ctx context.Context, key table.Key) (table.Item, error) {
	if err := g.look(ctx, false); err != nil {
		return table.Item{}, err
	}
	return g.Table.Get(ctx, key)
}

// GetMany implements table.Table.
func (g *Guard) GetMany(ctx context.Context, keys ...table.Key) ([]table.Item, error) {
	if err := g.look(ctx, false); err != nil {
		return nil, err
	}
	return g.Table.GetMany(ctx, keys...)
}

// Query implements table.Table.
func (g *Guard) Query(ctx context.Context, q table.Query) (table.Page, error) {
	if err := g.look(ctx, false); err != nil {
		return table.Page{}, err
	}
	return g.Table.Query(ctx, q)
}

// Write implements table.Table.
func (g *Guard) Write(ctx context.Context, token string, ops ...table.Op) error {
	if err := g.look(ctx, true); err != nil {
		return err
	}
	return g.Table.Write(ctx, token, ops...)
}

func (g *Guard) look(ctx context.Context, write bool) error {
	if g.raised.Load() || !write && g.known.Load() {
		return nil
	}
	m, revision, err := Read(ctx, g.Table)
	if err == nil {
		err = m.Check()
	}
	if err != nil {
		return err
	}
	g.known.Store(true)
	if !write {
		return nil
	}
	if m.To < Now {
		if err := Put(ctx, g.Table, Mark{Is: m.Is, To: Now}, revision); err != nil {
			return err
		}
	}
	g.raised.Store(true)
	return nil
}

// New marks a store in which there is nothing yet as of the form that is written now.
func New(ctx context.Context, t table.Table) error {
	m, revision, err := Read(ctx, t)
	if err != nil || m.Is == Now {
		return err
	}
	if err := m.Check(); err != nil {
		return err
	}
	return Put(ctx, t, Mark{Is: Now, To: Now}, revision)
}

// Store is a table that can be read whole.
type Store interface {
	table.Table
	table.Walker
}

// Step rewrites an item of form From, the form before the next: it returns what to write
// in its place, and whether there is something to write. It returns nothing for what is
// new already, so that a migration that was cut off can be begun anew.
type Step struct {
	From    int
	Rewrite func(table.Item) (table.Op, bool)
}

// Report says what a migration did.
type Report struct {
	From, To int
	Looked   int // items
	Written  int
}

// migrateBatch is how many items are rewritten in one write.
const migrateBatch = 25

// Migrate rewrites what is of an older form while the system runs. It can be cut off at
// any time and run again. What somebody else writes meanwhile is new.
func Migrate(ctx context.Context, s Store, steps []Step) (Report, error) {
	m, revision, err := Read(ctx, s)
	if err == nil {
		err = m.Check()
	}
	r := Report{From: m.Is, To: Now}
	if err != nil || m.Is == Now {
		return r, err
	}
	if m.To < Now {
		if err := Put(ctx, s, Mark{Is: m.Is, To: Now}, revision); err != nil {
			return r, err
		}
	}
	for _, step := range steps {
		if step.From < m.Is {
			continue
		}
		if err := r.run(ctx, s, step); err != nil {
			return r, fmt.Errorf("format: from %d: %w", step.From, err)
		}
	}
	if _, revision, err = Read(ctx, s); err != nil {
		return r, err
	}
	return r, Put(ctx, s, Mark{Is: Now, To: Now}, revision)
}

func (r *Report) run(ctx context.Context, s Store, step Step) error {
	var old []table.Item
	flush := func() error {
		batch := old
		old = nil
		return r.rewrite(ctx, s, step, batch)
	}
	err := s.Walk(ctx, func(it table.Item) error {
		r.Looked++
		if _, is := step.Rewrite(it); !is {
			return nil
		}
		if old = append(old, it); len(old) < migrateBatch {
			return nil
		}
		return flush()
	})
	if err != nil {
		return err
	}
	return flush()
}

// rewrite writes a batch. If somebody else was faster with one of its items, each is
// tried by itself, as it is now.
func (r *Report) rewrite(ctx context.Context, s Store, step Step, batch []table.Item) error {
	var ops []table.Op
	for _, it := range batch {
		if op, is := step.Rewrite(it); is {
			ops = append(ops, op)
		}
	}
	if len(ops) == 0 {
		return nil
	}
	err := s.Write(ctx, "", ops...)
	if _, conflict := table.Conflict(err); !conflict {
		if err == nil {
			r.Written += len(ops)
		}
		return err
	}
	if len(batch) == 1 {
		it, err := s.Get(ctx, batch[0].Key)
		if errors.Is(err, table.ErrNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		return r.rewrite(ctx, s, step, []table.Item{it})
	}
	for _, it := range batch {
		if err := r.rewrite(ctx, s, step, []table.Item{it}); err != nil {
			return err
		}
	}
	return nil
}
