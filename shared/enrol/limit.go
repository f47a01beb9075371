package enrol

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/todoku/todoku/shared/table"
)

// used is how often something was done within a window.
type used struct {
	N int `json:"n"`
}

func (s *Store) limitKey(kind, what string, window time.Duration) (table.Key, time.Time) {
	n := s.Now().Unix() / int64(window/time.Second)
	return table.Key{Partition: "limit/" + kind + "/" + hashed(what), Sort: strconv.FormatInt(n, 10)},
		time.Unix((n+1)*int64(window/time.Second), 0).UTC()
}

// spend counts one use, and fails with ErrTooMany if there were most in this
// window already.
func (s *Store) spend(ctx context.Context, kind, what string, most int, window time.Duration) error {
	k, ends := s.limitKey(kind, what, window)
	for range tries {
		var u used
		rev, err := s.read(ctx, k, &u)
		if err != nil && !errors.Is(err, ErrNotFound) {
			return err
		}
		if u.N >= most {
			return ErrTooMany
		}
		op := table.Op(table.Create{Key: k, Value: encode(used{1}), Expires: ends})
		if rev > 0 {
			op = table.Replace{Key: k, Revision: rev, Value: encode(used{u.N + 1}), Expires: ends}
		}
		err = s.Table.Write(ctx, "", op)
		if _, conflict := table.Conflict(err); !conflict {
			return err
		}
	}
	return ErrTooMany // so many at once are no person
}

// mayTry fails with ErrTooMany if a source has tried too many wrong codes.
func (s *Store) mayTry(ctx context.Context, source string) error {
	if source == "" {
		return nil
	}
	k, _ := s.limitKey("wrong", source, time.Hour)
	var u used
	_, err := s.read(ctx, k, &u)
	switch {
	case errors.Is(err, ErrNotFound):
		return nil
	case err == nil && u.N >= MaxWrong:
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
	err := s.spend(ctx, "wrong", source, MaxWrong, time.Hour)
	if errors.Is(err, ErrTooMany) {
		return nil
	}
	return err
}
