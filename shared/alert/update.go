package alert

import (
	"context"
	"errors"
	"slices"

	"github.com/todoku/todoku/shared/table"
)

// Change is one wanted change of a family's record. Apply alters the record and
// reports whether it did; it can be called again on a newer record if somebody
// else wrote first, so it must set anew whatever it reports elsewhere. It may set
// any field of the family, its children, guardians and copies, but replaces what
// these point to (an Answer, a list) rather than altering it. More, if set, names
// further ops of the same write.
type Change struct {
	Ref   Ref
	Apply func(f *Family) bool
	More  func() []table.Op
}

// Update applies changes to families of one alert, all in one write together
// with the counters. Two changes of one family are applied in order. A family
// that does not exist is an error matching ErrNotFound.
func (s *Store) Update(ctx context.Context, changes ...Change) error {
	return s.Editor().Update(ctx, changes...)
}

// Editor changes families several times and reads them once: reading a record
// costs about as much as all else that is done to it. If somebody else has written
// one since, the write conflicts, and the Editor reads it anew. So its Apply
// functions see a record that may be out of date, and what they then find
// unnecessary to change is not looked at again.
//
// It is meant for one piece of work, and for one goroutine.
type Editor struct {
	store *Store
	known map[Ref]known
}

// known is a family's record as it was last read or written.
type known struct {
	revision int64
	family   Family
}

// Editor returns an Editor that knows nothing yet.
func (s *Store) Editor() *Editor { return &Editor{store: s, known: map[Ref]known{}} }

// Update is Store.Update on what the Editor knows.
func (e *Editor) Update(ctx context.Context, changes ...Change) error {
	return e.update(ctx, nil, "", changes)
}

// Look calls see with the families of refs, in their order, as the Editor knows them. see
// must not alter them. A family that does not exist is an error matching ErrNotFound.
func (e *Editor) Look(ctx context.Context, refs []Ref, see func(i int, f *Family)) error {
	if err := e.load(ctx, refs); err != nil {
		return err
	}
	for i, ref := range refs {
		f := e.known[ref].family
		see(i, &f)
	}
	return nil
}

// errFirst says that the op that a write began with conflicts.
var errFirst = errors.New("alert: the first op conflicts")

// update applies changes in one write, which begins with first unless that is nil,
// and counts them in a part of the counters.
func (e *Editor) update(ctx context.Context, first table.Op, part string, changes []Change) error {
	refs := make([]Ref, len(changes))
	for i := range changes {
		refs[i] = changes[i].Ref
	}
	return table.Again(func() error {
		if err := e.load(ctx, refs); err != nil {
			return err
		}
		edits, ops := e.plan(changes, part)
		if first != nil {
			ops = append([]table.Op{first}, ops...)
		}
		if len(ops) == 0 {
			return nil
		}
		err := e.store.Table.Write(ctx, "", ops...)
		if err == nil {
			e.wrote(edits)
			return nil
		}
		failed, conflict := table.Conflict(err)
		e.forget(edits, ops, failed)
		if conflict && first != nil && failed[0] == 0 {
			return errFirst
		}
		return err
	})
}

// edit is a family's record as the changes leave it.
type edit struct {
	ref     Ref
	after   Family
	changed bool
}

// plan applies the changes to copies of the records, and returns these with the
// ops that write them.
func (e *Editor) plan(changes []Change, part string) ([]*edit, []table.Op) {
	var edits []*edit
	var ops []table.Op
	byRef := make(map[Ref]*edit, len(changes))
	for _, c := range changes {
		ed := byRef[c.Ref]
		if ed == nil {
			ed = &edit{ref: c.Ref, after: e.known[c.Ref].family.clone()}
			byRef[c.Ref] = ed
			edits = append(edits, ed)
		}
		if !c.Apply(&ed.after) {
			continue
		}
		ed.changed = true
		if c.More != nil {
			ops = append(ops, c.More()...)
		}
	}
	edits = slices.DeleteFunc(edits, func(ed *edit) bool { return !ed.changed })
	if len(edits) == 0 {
		return nil, nil
	}
	return edits, append(ops, e.replace(edits, part)...)
}

// replace returns the ops that write the edits, and those that move the counters,
// in the part that is named or else in a shard.
func (e *Editor) replace(edits []*edit, part string) []table.Op {
	t := tallies{}
	var ops []table.Op
	for _, ed := range edits {
		before := e.known[ed.ref]
		t.move(&before.family, &ed.after)
		ops = append(ops, table.Replace{Key: ed.ref.Key(), Revision: before.revision, Value: encodeFamily(&ed.after)})
	}
	if part == "" {
		part = shardPart(edits[0].ref.Family)
	}
	return append(ops, t.ops(edits[0].ref.Alert, part)...)
}

// clone copies f as deep as a Change may alter it.
func (f Family) clone() Family {
	f.Children, f.Guardians, f.Copies = slices.Clone(f.Children), slices.Clone(f.Guardians), slices.Clone(f.Copies)
	return f
}

func (e *Editor) wrote(edits []*edit) {
	for _, ed := range edits {
		e.known[ed.ref] = known{e.known[ed.ref].revision + 1, ed.after}
	}
}

// forget has those of the edits read anew whose ops failed, or all if that says nothing
// of any: the record is as it was known, or nobody knows what was written.
func (e *Editor) forget(edits []*edit, ops []table.Op, failed []int) {
	stale := map[table.Key]bool{}
	for _, i := range failed {
		if r, ok := ops[i].(table.Replace); ok {
			stale[r.Key] = true
		}
	}
	some := false
	for _, ed := range edits {
		if stale[ed.ref.Key()] {
			delete(e.known, ed.ref)
			some = true
		}
	}
	if some {
		return
	}
	for _, ed := range edits {
		delete(e.known, ed.ref)
	}
}

// load reads those of the families that are not known, each once.
func (e *Editor) load(ctx context.Context, wanted []Ref) error {
	var missing []Ref
	for _, ref := range wanted {
		if _, ok := e.known[ref]; !ok && !slices.Contains(missing, ref) {
			missing = append(missing, ref)
		}
	}
	for refs := range slices.Chunk(missing, table.MaxOps) {
		keys := make([]table.Key, len(refs))
		for i, ref := range refs {
			keys[i] = ref.Key()
		}
		items, err := e.store.Table.GetMany(ctx, keys...)
		if err != nil {
			return err
		}
		for i, item := range items {
			if item.Revision == 0 {
				return ErrNotFound
			}
			f, _, err := decodeFamily(item)
			if err != nil {
				return err
			}
			e.known[refs[i]] = known{item.Revision, f}
		}
	}
	return nil
}
