package move

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"

	"github.com/todoku/todoku/shared/format"
	"github.com/todoku/todoku/shared/table"
)

// In puts what a file holds into a store, which must be empty, and reads it back but for what
// the clock has to act on, which comes last. It reads the file once to see that it is whole
// before it writes anything, and returns its sum. What has ended since is left out, and so is
// what the place knows of itself. Cut off, it goes on when the same file is given again. keep
// puts the keys that sign links into the store, too.
func In(ctx context.Context, file io.ReadSeeker, to format.Store, keep bool, now func() time.Time) (Sum, error) {
	sum, keys, data, err := check(file)
	if err != nil {
		return Sum{}, err
	}
	p, err := begin(ctx, to, sum, now())
	if err != nil {
		return Sum{}, err
	}
	l := &loader{to: to, again: p.revision > 1}
	if keep && len(keys) > 0 {
		value, err := json.Marshal(keys)
		if err != nil {
			return Sum{}, err
		}
		l.add(table.Create{Key: KeysKey, Value: value}, len(value))
	}
	if !p.Read {
		err = p.loadMost(ctx, file, l, data, now)
	}
	if err == nil {
		err = l.load(ctx, file, now, waits)
	}
	if err != nil {
		return Sum{}, err
	}
	return sum, l.write(ctx, table.Delete{Key: progressKey, Revision: p.revision})
}

// progress is what a place notes of the import under way.
type progress struct {
	Of   Sum  `json:"of"`
	Read bool `json:"read,omitempty"` // all but what the clock acts on is there, and was read back

	revision int64
}

// begin notes that a file is put into a store; that of the same one goes on.
func begin(ctx context.Context, to format.Store, of Sum, now time.Time) (*progress, error) {
	p, revision, err := table.Load[progress](ctx, to, progressKey)
	switch {
	case err != nil:
		return nil, err
	case revision > 0 && p.Of != of:
		return nil, ErrNotEmpty
	case revision == 0:
		if err := empty(ctx, to, now); err != nil {
			return nil, err
		}
	}
	p.Of, p.revision = of, revision
	return &p, p.save(ctx, to)
}

func (p *progress) save(ctx context.Context, to format.Store) error {
	err := table.Save(ctx, to, progressKey, p.revision, p)
	p.revision++
	return err
}

// loadMost puts in everything but what the clock acts on, and reads it back: until the rest
// comes, nobody else writes there.
func (p *progress) loadMost(ctx context.Context, file io.ReadSeeker, l *loader, data int, now func() time.Time) error {
	rest := func(it table.Item) bool { return !waits(it) }
	err := mark(ctx, l.to, data)
	if err == nil {
		err = l.load(ctx, file, now, rest)
	}
	if err == nil {
		err = same(ctx, file, l.to, now(), rest)
	}
	if err != nil {
		return err
	}
	p.Read = true
	return p.save(ctx, l.to)
}

// same fails unless a store holds what a file does, of the items that which picks.
func same(ctx context.Context, file io.ReadSeeker, to format.Store, now time.Time, which func(table.Item) bool) error {
	want, got := newSummer(), newSummer()
	into := func(s *summer) func(table.Item) error {
		return func(it table.Item) error {
			if moves(it, now) && which(it) {
				s.add(it)
			}
			return nil
		}
	}
	_, err := each(file, into(want))
	if err == nil {
		err = to.Walk(ctx, into(got))
	}
	if err == nil && got.sum() != want.sum() {
		err = errDiffers.Because(fmt.Errorf("move: %v, want %v", got.sum(), want.sum()))
	}
	return err
}

// mark notes of which form what is put into a store is.
func mark(ctx context.Context, to table.Table, data int) error {
	m, revision, err := format.Read(ctx, to)
	if err != nil {
		return err
	}
	return format.Put(ctx, to, format.Mark{Is: data, To: max(data, m.To)}, revision)
}

var errFound = errors.New("move: there is an item")

func empty(ctx context.Context, t table.Walker, now time.Time) error {
	err := t.Walk(ctx, func(it table.Item) error {
		if !moves(it, now) && it.Key != KeysKey {
			return nil
		}
		return errFound
	})
	if errors.Is(err, errFound) {
		return ErrNotEmpty
	}
	return err
}

// loader writes items, as many at once as a Write takes.
type loader struct {
	to    format.Store
	again bool // what is there already is left as it is
	ops   []table.Op
	bytes int
}

// maxBytes is far below what DynamoDB takes in a transaction, 4 MB.
const maxBytes = 1 << 20

// load puts those items of a file that move and that which picks into the store.
func (l *loader) load(ctx context.Context, file io.ReadSeeker, now func() time.Time, which func(table.Item) bool) error {
	_, err := each(file, func(it table.Item) error {
		if !which(it) || !moves(it, now()) {
			return nil
		}
		return l.put(ctx, it)
	})
	if err != nil {
		return err
	}
	return l.flush(ctx)
}

func (l *loader) put(ctx context.Context, it table.Item) error {
	if len(l.ops) == table.MaxOps-1 || l.bytes > maxBytes {
		if err := l.flush(ctx); err != nil {
			return err
		}
	}
	if len(it.Counts) > 0 {
		return l.counter(ctx, it)
	}
	l.add(table.Create{Key: it.Key, Value: it.Value, Expires: it.Expires}, len(it.Value))
	return nil
}

// counter writes a counter by itself: it can have more fields than one Add takes.
func (l *loader) counter(ctx context.Context, it table.Item) error {
	left, err := l.uncounted(ctx, it)
	if err != nil {
		return err
	}
	for part := range slices.Chunk(slices.Sorted(maps.Keys(left)), table.MaxCounts) {
		deltas := map[string]int64{}
		for _, name := range part {
			deltas[name] = left[name]
		}
		if err := l.write(ctx, table.Add{Key: it.Key, Deltas: deltas}); err != nil {
			return err
		}
	}
	return nil
}

// uncounted returns the fields of a counter that are not there yet.
func (l *loader) uncounted(ctx context.Context, it table.Item) (map[string]int64, error) {
	if !l.again {
		return it.Counts, nil
	}
	is, err := l.to.Get(ctx, it.Key)
	if err != nil && !errors.Is(err, table.ErrNotFound) {
		return nil, err
	}
	left := maps.Clone(it.Counts)
	maps.DeleteFunc(left, func(name string, _ int64) bool { _, there := is.Counts[name]; return there })
	return left, nil
}

func (l *loader) add(op table.Op, bytes int) {
	l.ops = append(l.ops, op)
	l.bytes += bytes
}

func (l *loader) flush(ctx context.Context) error {
	ops, err := l.missing(ctx)
	l.ops, l.bytes = nil, 0
	if err != nil || len(ops) == 0 {
		return err
	}
	return l.write(ctx, ops...)
}

// missing returns the ops whose items are not there yet.
func (l *loader) missing(ctx context.Context) ([]table.Op, error) {
	if !l.again || len(l.ops) == 0 {
		return l.ops, nil
	}
	keys := make([]table.Key, len(l.ops))
	for i, op := range l.ops {
		keys[i] = op.OpKey()
	}
	there, err := l.to.GetMany(ctx, keys...)
	var ops []table.Op
	for i, it := range there {
		if it.Revision == 0 {
			ops = append(ops, l.ops[i])
		}
	}
	return ops, err
}

// tries is how often a write is tried that a busy store refuses.
const tries = 8

// write writes, and waits for a busy store. A repetition of what was written after all
// is no error: the sum at the end tells.
func (l *loader) write(ctx context.Context, ops ...table.Op) error {
	d := table.Digest(ops)
	token := hex.EncodeToString(d[:table.MaxTokenBytes/2])
	for n := 1; ; n++ {
		err := l.to.Write(ctx, token, ops...)
		if !errors.Is(err, table.ErrBusy) || n == tries {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Duration(n) * 200 * time.Millisecond):
		}
	}
}
