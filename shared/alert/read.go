package alert

import "context"

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
