// Package move takes everything that a Todoku holds out into a file, and puts it into
// another: from one machine to AWS, back, or to a newer machine. What is moved is counted
// and summed up.
//
// The place to move to may be a deployment whose clock runs: what a place knows of itself
// does not move, and what the clock acts on comes last. All else is read back before, and
// must be what the file holds.
//
// The file is JSON by lines, compressed with gzip: a head, one line an item, and a foot
// with the sum. It holds names, addresses and keys; keep it like a backup.
package move

import (
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/todoku/todoku/shared/alert"
	"github.com/todoku/todoku/shared/format"
	"github.com/todoku/todoku/shared/link"
	"github.com/todoku/todoku/shared/problem"
	"github.com/todoku/todoku/shared/table"
)

// KeysKey is where one machine keeps the keys that sign links, the newest first; AWS
// keeps them in a secret. They travel in the file's head.
var KeysKey = table.Key{Partition: "settings", Sort: "link-keys"}

// progressKey is where a place notes what is being put into it.
var progressKey = table.Key{Partition: "settings", Sort: "import"}

// apart reports whether an item travels in the file's head, or not at all.
func apart(key table.Key) bool { return key == KeysKey || key == format.Key || key == progressKey }

// own are the partitions, and own/ those under them, of what a place knows of itself, of its
// account and its queues: it does not move, and a deployment writes it before it has a school.
var own = []string{"doctor", "heal", "proof", "account", "enrol/fed", "enrol/recheck", "lane/unheard", "dead", "probe", "limit", "\x01health"}

// awaited are the partitions from which the clock sees that there is something to do.
var awaited = []string{"schools", "open", "due", "enrol/due", "docket/due", "forget", "roster/turns", "tokens-ending"}

// brief is what is not worth to be moved, because it ends so soon, and longer than it takes
// to read a store.
const brief = time.Hour

// moves reports whether an item is moved by somebody who reads it now.
func moves(it table.Item, now time.Time) bool {
	mine := func(p string) bool { return it.Partition == p || strings.HasPrefix(it.Partition, p+"/") }
	return !apart(it.Key) && !slices.ContainsFunc(own, mine) && (it.Expires.IsZero() || it.Expires.After(now.Add(brief)))
}

// waits reports whether the clock acts on an item.
func waits(it table.Item) bool { return slices.Contains(awaited, it.Partition) }

var (
	errOpen = problem.New(problem.Conflict,
		"まだ終了していない連絡があります。連絡を終了してから、移してください。",
		"There is an alert that is not over. Close it before you move.")
	// ErrNotEmpty says that there is something at the place to move to.
	ErrNotEmpty = problem.New(problem.Conflict,
		"移す先に、すでにデータがあります。空の移し先を用意してください。",
		"There is data at the place to move to. Choose one that is empty.")
	errExists = problem.New(problem.Conflict,
		"同じ名前のファイルがあります。別の名前を指定してください。",
		"There is a file of that name. Choose another one.")
	errFile = problem.New(problem.Invalid,
		"書き出したファイルとして読めないか、途中で切れています。何も変更していません。",
		"This is no exported file, or it is cut off. Nothing was changed.")
	errDiffers = problem.New(problem.Internal,
		"移した結果が、ファイルの内容と一致しません。移した先は使わないでください。",
		"What was moved is not what the file holds. Do not use the place that it was moved to.")
)

// Out writes everything of a store to w. keys are those that sign links, if the store
// does not keep them itself. While an alert is open it refuses: what waits in queues
// would be left behind.
func Out(ctx context.Context, from format.Store, keys []link.Key, now time.Time, w io.Writer) (Sum, error) {
	open, _, err := (&alert.Store{Table: from, Now: func() time.Time { return now }}).Open(ctx, "", 1)
	switch {
	case err != nil:
		return Sum{}, err
	case len(open) > 0:
		return Sum{}, errOpen
	}
	if keys == nil {
		if keys, _, err = table.Load[[]link.Key](ctx, from, KeysKey); err != nil {
			return Sum{}, err
		}
	}
	mark, _, err := format.Read(ctx, from)
	if err == nil {
		err = mark.Check()
	}
	if err != nil {
		return Sum{}, err
	}
	z := gzip.NewWriter(w)
	out := json.NewEncoder(z)
	if err := out.Encode(head{Format: fileFormat, At: now.UTC(), Keys: keys, Data: mark.Is}); err != nil {
		return Sum{}, err
	}
	s := newSummer()
	err = from.Walk(ctx, func(it table.Item) error {
		if !moves(it, now) {
			return nil
		}
		s.add(it)
		return out.Encode(lineOf(it))
	})
	if err != nil {
		return Sum{}, err
	}
	sum := s.sum()
	return sum, errors.Join(out.Encode(line{Sum: &sum}), z.Close())
}
