package alert

import (
	"context"
	"encoding/json"
	"fmt"
)

// FindFamily reads a family's record from any class that the family has a child
// in: where it is kept in another class, it is found there. It fails with
// ErrNotFound if the alert has no such family in the class.
func (s *Store) FindFamily(ctx context.Context, ref Ref) (Made, error) {
	var raw json.RawMessage
	if _, err := s.read(ctx, ref.Key(), &raw); err != nil {
		return Made{}, err
	}
	var found struct {
		pointer
		Family
	}
	if err := json.Unmarshal(raw, &found); err != nil {
		return Made{}, fmt.Errorf("alert: item %s: %w", ref.Key(), err)
	}
	if found.In == "" {
		return Made{Class: ref.Class, Family: found.Family}, nil
	}
	ref.Class = found.In
	f, err := s.Family(ctx, ref)
	return Made{Class: found.In, Family: f}, err
}
