package roster

import (
	"bytes"
	"context"
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/todoku/todoku/shared/problem"
	"github.com/todoku/todoku/shared/table"
)

// PutFamily writes a family and all second ways to it at once: a new one if its
// Revision is 0, else the one that was read at that revision. Missing ids are
// given. It returns the family as it is stored now.
//
// A family that is not valid, and one that changes in more than table.MaxOps
// places at once, is refused with a problem of kind Invalid; a family that
// somebody else wrote since, or an address or number that is another family's,
// with one of kind Conflict that matches *table.ConflictError.
func (s *Store) PutFamily(ctx context.Context, school string, f Family) (Family, error) {
	if f.Revision == 0 {
		return s.replace(ctx, school, nil, f)
	}
	old, err := s.Family(ctx, school, f.ID)
	if errors.Is(err, ErrNotFound) || err == nil && old.Revision != f.Revision {
		return Family{}, overtaken(err)
	}
	if err != nil {
		return Family{}, err
	}
	return s.replace(ctx, school, []Family{old}, f)
}

// Merge writes f in the place of the families in absorbed, which have turned out
// to be one, and which cease to exist. If f has the id of one of them it takes its
// place. All of them must have been read from the store. Errors are those of
// PutFamily.
func (s *Store) Merge(ctx context.Context, school string, f Family, absorbed ...Family) (Family, error) {
	return s.replace(ctx, school, absorbed, f)
}

// DeleteFamily removes a family that was read from the store, and every way to it.
func (s *Store) DeleteFamily(ctx context.Context, school string, f Family) error {
	old, err := s.Family(ctx, school, f.ID)
	if err != nil {
		return err
	}
	if old.Revision != f.Revision {
		return overtaken(nil)
	}
	ops, err := s.ops(ctx, school, []Family{old}, nil)
	if err != nil {
		return err
	}
	return s.write(ctx, ops)
}

// replace writes f in the place of old, which can be none, in one write.
func (s *Store) replace(ctx context.Context, school string, old []Family, f Family) (Family, error) {
	f = s.withIDs(f)
	if err := f.Validate(); err != nil {
		return Family{}, err
	}
	f.Updated = s.Now().UTC()
	ops, err := s.ops(ctx, school, old, &f)
	if err != nil {
		return Family{}, err
	}
	if err := s.write(ctx, ops); err != nil {
		return Family{}, err
	}
	f.Revision = 1
	for _, o := range old {
		if o.ID == f.ID {
			f.Revision = o.Revision + 1
		}
	}
	return f, nil
}

// withIDs returns a copy of f in which the family, its children, guardians and
// contacts have ids.
func (s *Store) withIDs(f Family) Family {
	give := func(id *string) {
		if *id == "" {
			*id = s.IDs.New()
		}
	}
	give(&f.ID)
	f.Children, f.Guardians = slices.Clone(f.Children), slices.Clone(f.Guardians)
	for i := range f.Children {
		give(&f.Children[i].ID)
	}
	for i := range f.Guardians {
		g := &f.Guardians[i]
		give(&g.ID)
		g.Contacts = slices.Clone(g.Contacts)
		for j := range g.Contacts {
			give(&g.Contacts[j].ID)
		}
	}
	return f
}

func (s *Store) write(ctx context.Context, ops []table.Op) error {
	err := s.Table.Write(ctx, "", ops...)
	failed, conflict := table.Conflict(err)
	if !conflict {
		return err
	}
	for _, i := range failed {
		if _, creates := ops[i].(table.Create); !creates || strings.HasSuffix(ops[i].OpKey().Partition, "/families") {
			return overtaken(err)
		}
	}
	return taken(err)
}

func overtaken(err error) error {
	if err == nil {
		err = &table.ConflictError{}
	}
	return problem.New(problem.Conflict, "ほかの人がこの家庭の情報を先に変えました。開き直して、もう一度お試しください。",
		"Somebody else has changed this family meanwhile. Please open it again and repeat the change.").Because(err)
}

func taken(err error) error {
	return problem.New(problem.Conflict, "このメールアドレスまたは学籍番号は、別の家庭で登録されています。名簿を確かめてください。",
		"This address or student number belongs to another family. Please check the roster.").Because(err)
}

// tooMuch says that a change does not fit into one write. A family of the
// greatest size fits, and so does the merger of two; replacing every part of
// one by something else at once does not.
func tooMuch() *problem.Error {
	return problem.New(problem.Invalid, "この家庭の変更が一度に多すぎます。二回に分けて変えてください。",
		"Too much of this family changes at once. Please make the change in two steps.")
}

// ops returns what turns the families in old into f (nil: into nothing). It reads
// the ways that change, for their revisions; should somebody else change them in
// between, the family's own revision fails the write.
func (s *Store) ops(ctx context.Context, school string, old []Family, f *Family) ([]table.Op, error) {
	ops := familyOps(school, old, f)
	before, after := waysTo(school, old...), ways{}
	if f != nil {
		after = waysTo(school, *f)
	}
	return s.withWays(ctx, ops, before.to(after))
}

// withWays adds to ops what changes the ways.
func (s *Store) withWays(ctx context.Context, ops []table.Op, changes []change) ([]table.Op, error) {
	if len(ops)+len(changes) > table.MaxOps {
		return nil, tooMuch()
	}
	for _, c := range changes {
		op, err := s.op(ctx, c)
		if err != nil {
			return nil, err
		}
		ops = append(ops, op)
	}
	return ops, nil
}

func familyOps(school string, old []Family, f *Family) (ops []table.Op) {
	replaced := false
	for _, o := range old {
		if f == nil || o.ID != f.ID {
			ops = append(ops, table.Delete{Key: familyKey(school, o.ID), Revision: o.Revision})
			continue
		}
		ops = append(ops, table.Replace{Key: familyKey(school, f.ID), Revision: o.Revision, Value: encodeFamily(f)})
		replaced = true
	}
	if f == nil || replaced {
		return ops
	}
	return append(ops, table.Create{Key: familyKey(school, f.ID), Value: encodeFamily(f)})
}

func (s *Store) op(ctx context.Context, c change) (table.Op, error) {
	switch {
	case c.delta != 0:
		return table.Add{Key: c.Key, Deltas: map[string]int64{countField: c.delta}}, nil
	case c.before == nil:
		return table.Create{Key: c.Key, Value: c.after}, nil
	}
	item, err := s.Table.Get(ctx, c.Key)
	if errors.Is(err, table.ErrNotFound) {
		return nil, overtaken(err)
	}
	if err != nil {
		return nil, err
	}
	if c.after == nil {
		return table.Delete{Key: c.Key, Revision: item.Revision}, nil
	}
	return table.Replace{Key: c.Key, Revision: item.Revision, Value: c.after}, nil
}

// ways are the second ways to some families: the records, and what the families
// contribute to counters.
type ways struct {
	records map[table.Key][]byte
	counts  map[table.Key]int64
}

// change is one difference between ways. A record that is created has no before,
// one that is deleted no after; a counter has a delta.
type change struct {
	table.Key
	before, after []byte
	delta         int64
}

func waysTo(school string, families ...Family) ways {
	w := ways{records: map[table.Key][]byte{}, counts: map[table.Key]int64{}}
	for _, f := range families {
		w.addMembers(school, f)
		for _, g := range f.Guardians {
			for _, c := range g.Contacts {
				w.records[addressKey(school, c.Key())] = table.Encode(Place{Family: f.ID, Guardian: g.ID, Contact: c.ID})
			}
		}
		for _, c := range f.Children {
			if c.Number != "" {
				w.records[numberKey(school, c.Number)] = table.Encode(Place{Family: f.ID, Child: c.ID})
			}
		}
	}
	return w
}

func (w ways) addMembers(school string, f Family) {
	members := map[string]*Member{}
	for _, c := range f.Children {
		for _, g := range c.groups() {
			if members[g] == nil {
				members[g] = &Member{Guardians: []string{}, Contacts: []string{}}
			}
			m := members[g]
			m.Children, m.Guardians = append(m.Children, c.ID), addNew(m.Guardians, c.Guardians...)
			w.counts[countKey(school, g)]++
		}
	}
	for g, m := range members {
		m.Contacts = f.tellable(m.Guardians)
		w.records[memberKey(school, g, f.ID)] = encodeMember(m)
	}
}

// tellable returns the ids of the guardians' contacts that get alerts.
func (f Family) tellable(guardians []string) []string {
	contacts := []string{}
	for _, g := range f.Guardians {
		for _, c := range g.Contacts {
			if slices.Contains(guardians, g.ID) && c.Tellable() {
				contacts = append(contacts, c.ID)
			}
		}
	}
	return contacts
}

// to returns the differences between w and after in the order of their keys.
func (w ways) to(after ways) []change {
	var changes []change
	for _, key := range union(w.records, after.records) {
		before, now := w.records[key], after.records[key]
		if !bytes.Equal(before, now) {
			changes = append(changes, change{Key: key, before: before, after: now})
		}
	}
	for _, key := range union(w.counts, after.counts) {
		if delta := after.counts[key] - w.counts[key]; delta != 0 {
			changes = append(changes, change{Key: key, delta: delta})
		}
	}
	return changes
}

func union[V any](a, b map[table.Key]V) []table.Key {
	keys := slices.AppendSeq(slices.Collect(maps.Keys(a)), maps.Keys(b))
	slices.SortFunc(keys, func(x, y table.Key) int { return strings.Compare(x.String(), y.String()) })
	return slices.Compact(keys)
}
