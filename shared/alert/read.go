package alert

import (
	"context"

	"github.com/todoku/todoku/shared/table"
)

// FindFamily reads a family's record from any class that the family has a child
// in: where it is kept in another class, it is found there. It fails with
// ErrNotFound if the alert has no such family in the class.
func (s *Store) FindFamily(ctx context.Context, ref Ref) (Made, error) {
	item, err := s.item(ctx, ref.Key())
	if err != nil {
		return Made{}, err
	}
	f, in, err := decodeFamily(item)
	if err != nil || in == "" {
		return Made{Class: ref.Class, Family: f}, err
	}
	ref.Class = in
	f, err = s.Family(ctx, ref)
	return Made{Class: in, Family: f}, err
}

// Locate finds a family's record by the alert's own classes. Those of today may be others,
// and the family may be part of another by now. It fails with ErrNotFound if the alert has
// no such family.
func (s *Store) Locate(ctx context.Context, alertID, family string) (Made, error) {
	for after := ""; ; {
		classes, next, err := s.Classes(ctx, alertID, after, table.MaxOps)
		if err != nil {
			return Made{}, err
		}
		refs := make([]Ref, len(classes))
		for i, c := range classes {
			refs[i] = Ref{Alert: alertID, Class: c.Class, Family: family}
		}
		known, err := s.Known(ctx, refs...)
		if err != nil {
			return Made{}, err
		}
		for ref, there := range known {
			if there {
				return s.FindFamily(ctx, ref)
			}
		}
		if next == "" {
			return Made{}, ErrNotFound
		}
		after = next
	}
}
