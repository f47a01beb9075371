// Package budget counts how often something was done within a window of time, so that
// nobody does it without end. The counts are in the table, so they hold for all who
// serve, and go by themselves when their window is over.
//
// A budget is for what costs others something, such as mails. Whoever sets one says how
// a person gets on in an emergency when somebody else has used it up: see
// docs/decisions/0028-sign-in-limits.md.
package budget

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strconv"
	"time"

	"github.com/todoku/todoku/shared/table"
)

// Budget is how often something may be done. Kinds must not share a name.
type Budget struct {
	Kind   string
	Most   int
	Window time.Duration // whole seconds
}

// Store keeps counts in a table, for each window one item that goes when it is over:
//
//	limit/<kind>/<hash of whose>   <window>   how often
type Store struct {
	Table table.Table
	Now   func() time.Time
}

// used is how often something was done within a window.
type used struct {
	N int `json:"n"`
}

// tries is how often a count is written anew because another came first.
const tries = 10

func (s Store) key(b Budget, whose string) (table.Key, time.Time) {
	seconds := int64(b.Window / time.Second)
	n := s.Now().Unix() / seconds
	sum := sha256.Sum256([]byte(whose))
	k := table.Key{Partition: "limit/" + b.Kind + "/" + hex.EncodeToString(sum[:]), Sort: strconv.FormatInt(n, 10)}
	return k, time.Unix((n+1)*seconds, 0).UTC()
}

// Spend counts one use of whose, and reports whether the budget had one left.
func (s Store) Spend(ctx context.Context, b Budget, whose string) (bool, error) {
	k, ends := s.key(b, whose)
	for range tries {
		n, rev, err := s.read(ctx, k)
		if err != nil || n >= b.Most {
			return false, err
		}
		err = s.Table.Write(ctx, "", table.Put(table.Item{Key: k, Revision: rev, Value: table.Encode(used{n + 1}), Expires: ends}))
		if _, conflict := table.Conflict(err); !conflict {
			return err == nil, err
		}
	}
	return false, nil // so many at once are no person
}

// Left reports whether there is one left, and counts nothing.
func (s Store) Left(ctx context.Context, b Budget, whose string) (bool, error) {
	k, _ := s.key(b, whose)
	n, _, err := s.read(ctx, k)
	return err == nil && n < b.Most, err
}

func (s Store) read(ctx context.Context, k table.Key) (n int, revision int64, err error) {
	u, revision, err := table.Load[used](ctx, s.Table, k)
	if err != nil {
		return 0, 0, fmt.Errorf("budget: a count cannot be read: %w", err)
	}
	return u.N, revision, nil
}
