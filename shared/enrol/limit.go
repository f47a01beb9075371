package enrol

import (
	"context"
	"time"

	"github.com/todoku/todoku/shared/budget"
)

// wrongCodes is how many wrong codes a source has.
var wrongCodes = budget.Budget{Kind: "wrong", Most: MaxWrong, Window: time.Hour}

func (s *Store) budgets() budget.Store { return budget.Store{Table: s.Table, Now: s.Now} }

// spend counts one use, and fails with ErrTooMany if there were most in this
// window already.
func (s *Store) spend(ctx context.Context, kind, what string, most int, window time.Duration) error {
	ok, err := s.budgets().Spend(ctx, budget.Budget{Kind: kind, Most: most, Window: window}, what)
	if err == nil && !ok {
		return ErrTooMany
	}
	return err
}

// mayTry fails with ErrTooMany if a source has tried too many wrong codes.
func (s *Store) mayTry(ctx context.Context, source string) error {
	if source == "" {
		return nil
	}
	ok, err := s.budgets().Left(ctx, wrongCodes, source)
	if err == nil && !ok {
		return ErrTooMany
	}
	return err
}

// tried counts a wrong code. That the source had its last one is for the next to
// hear; this one hears that the code was wrong.
func (s *Store) tried(ctx context.Context, source string) error {
	if source == "" {
		return nil
	}
	_, err := s.budgets().Spend(ctx, wrongCodes, source)
	return err
}
