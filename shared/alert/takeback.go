package alert

import (
	"context"
	"slices"
	"time"

	"github.com/todoku/todoku/shared/table"
)

// TakeBack takes back what a member of staff recorded for a child in person (ByStaff)
// at a time: the answer before counts again, if there is one. The history keeps what was
// taken back, with who did it. It fails with ErrNewer if another answer is the newest,
// and with ErrNotFound if there is no such answer; to take back twice changes nothing.
func (s *Store) TakeBack(ctx context.Context, a Alert, ref Ref, child string, at time.Time, by string) error {
	var refused error
	var ops []table.Op
	apply := func(f *Family) bool {
		ops, refused = s.takeBack(ctx, a, f, ref, child, at, by)
		return refused == nil && ops != nil
	}
	err := s.Update(ctx, Change{Ref: ref, Apply: apply, More: func() []table.Op { return ops }})
	if err != nil {
		return err
	}
	return refused
}

// takeBack changes f and returns the ops that keep the history and the curve; none: it
// was taken back before.
func (s *Store) takeBack(ctx context.Context, a Alert, f *Family, ref Ref, child string, at time.Time, by string) ([]table.Op, error) {
	all, err := s.history(ctx, ref, child)
	if err != nil {
		return nil, err
	}
	var wrong, before *kept
	for i := range all {
		switch k := &all[i]; {
		case k.Way == ByStaff && k.At.Equal(at):
			wrong = k
		case k.Back.IsZero():
			before = k
		}
	}
	c := f.child(child)
	switch {
	case wrong == nil || c == nil:
		return nil, ErrNotFound
	case !wrong.Back.IsZero():
		return nil, nil
	case c.Answer == nil || !c.Answer.At.Equal(at):
		return nil, ErrNewer
	}
	c.Answer = nil
	if before != nil {
		c.Answer = &before.Answer
	}
	return s.undone(a, f, wrong, by), nil
}

// undone marks an answer as taken back, and takes it off the curve if it was the first.
func (s *Store) undone(a Alert, f *Family, wrong *kept, by string) []table.Op {
	t := tallies{}
	key, field := curveCounter(curveStep(wrong.At.Sub(a.Starts)), f.ID)
	if wrong.First {
		t.add(key, field, -1)
	}
	if !f.answered() {
		for _, field := range wrong.Spared {
			t.add(key, field, -1)
		}
	}
	wrong.Back, wrong.BackBy = s.Now().UTC(), by
	replaced := table.Replace{Key: wrong.item.Key, Revision: wrong.item.Revision, Value: table.Encode(wrong.recorded)}
	return append(t.ops(a.ID, ""), replaced)
}

func (f *Family) child(id string) *Child {
	for i := range f.Children {
		if f.Children[i].ID == id {
			return &f.Children[i]
		}
	}
	return nil
}

// answered reports whether anybody has answered for a child of the family.
func (f *Family) answered() bool {
	return slices.ContainsFunc(f.Children, func(c Child) bool { return c.Answer != nil })
}
