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
	"bufio"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/todoku/todoku/shared/alert"
	"github.com/todoku/todoku/shared/format"
	"github.com/todoku/todoku/shared/link"
	"github.com/todoku/todoku/shared/problem"
	"github.com/todoku/todoku/shared/table"
)

// fileFormat changes when an older program would misread the file.
const fileFormat = "todoku export 1"

// KeysKey is where one machine keeps the keys that sign links, the newest first; AWS
// keeps them in a secret. They travel in the file's head.
var KeysKey = table.Key{Partition: "settings", Sort: "link-keys"}

// progressKey is where a place notes what is being put into it.
var progressKey = table.Key{Partition: "settings", Sort: "import"}

// apart reports whether an item travels in the file's head, or not at all.
func apart(key table.Key) bool { return key == KeysKey || key == format.Key || key == progressKey }

// own are the partitions, and own/ those under them, of what a place knows of itself, of its
// account and its queues: it does not move, and a deployment writes it before it has a school.
var own = []string{"doctor", "heal", "proof", "account", "enrol/fed", "enrol/recheck", "dead", "probe", "limit", "\x01health"}

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

// Sum is what was moved: how many items, and a digest over all of them in any order.
// Revisions do not count, because they begin anew.
type Sum struct {
	Items  int64  `json:"items"`
	Digest string `json:"digest"`
}

func (s Sum) String() string { return fmt.Sprintf("%d items, digest %s", s.Items, s.Digest) }

type head struct {
	Format string     `json:"format"`
	At     time.Time  `json:"at"`
	Keys   []link.Key `json:"keys,omitempty"`
	Data   int        `json:"data,omitempty"` // the form of the items (package format); 0: 1
}

// line is an item, or the foot.
type line struct {
	Partition string           `json:"p,omitempty"`
	Sort      string           `json:"s,omitempty"`
	Value     []byte           `json:"v,omitempty"`
	Counts    map[string]int64 `json:"c,omitempty"`
	Expires   int64            `json:"e,omitempty"` // Unix seconds
	Sum       *Sum             `json:"sum,omitempty"`
}

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

// ToFile is Out to a file that must not exist; it appears when it is whole.
func ToFile(ctx context.Context, from format.Store, keys []link.Key, now time.Time, name string) (sum Sum, err error) {
	if _, err := os.Lstat(name); err == nil {
		return sum, errExists
	}
	f, err := os.CreateTemp(filepath.Dir(name), ".todoku-export-*") // for the owner alone
	if err != nil {
		return sum, err
	}
	defer func() { _ = os.Remove(f.Name()) }()
	sum, err = Out(ctx, from, keys, now, f)
	if err == nil {
		err = f.Sync()
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return sum, err
	}
	return sum, os.Rename(f.Name(), name)
}

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

// Check reads a whole file, and returns its sum and keys.
func Check(file io.ReadSeeker) (Sum, []link.Key, error) {
	sum, keys, _, err := check(file)
	return sum, keys, err
}

// check is Check, and returns the form of the items as well.
func check(file io.ReadSeeker) (Sum, []link.Key, int, error) {
	s := newSummer()
	f, err := each(file, func(it table.Item) error { s.add(it); return nil })
	if err != nil {
		return Sum{}, nil, 0, err
	}
	if got := s.sum(); got != f.sum {
		return Sum{}, nil, 0, errFile.Because(fmt.Errorf("move: %v, want %v", got, f.sum))
	}
	return f.sum, f.keys, f.data, format.Mark{To: f.data}.Check()
}

type ends struct {
	keys []link.Key
	data int
	sum  Sum
}

// maxLine is the longest line: an item of 400 KB in base64.
const maxLine = 1 << 20

// each calls f for each item of a file, from its start.
func each(file io.ReadSeeker, f func(table.Item) error) (ends, error) {
	var e ends
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return e, err
	}
	z, err := gzip.NewReader(file)
	if err != nil {
		return e, errFile.Because(err)
	}
	in := bufio.NewScanner(z)
	in.Buffer(nil, maxLine)
	var h head
	if !in.Scan() || json.Unmarshal(in.Bytes(), &h) != nil || h.Format != fileFormat {
		return e, errFile.Because(in.Err())
	}
	e.keys, e.data = h.Keys, max(h.Data, 1)
	for in.Scan() {
		var l line
		if err := json.Unmarshal(in.Bytes(), &l); err != nil {
			return e, errFile.Because(err)
		}
		if l.Sum != nil {
			e.sum = *l.Sum
			return e, nil
		}
		if err := f(l.item()); err != nil {
			return e, err
		}
	}
	return e, errFile.Because(errors.Join(in.Err(), io.ErrUnexpectedEOF))
}

func lineOf(it table.Item) line {
	l := line{Partition: it.Partition, Sort: it.Sort, Value: it.Value, Counts: it.Counts}
	if !it.Expires.IsZero() {
		l.Expires = it.Expires.Unix()
	}
	return l
}

func (l line) item() table.Item {
	it := table.Item{Key: table.Key{Partition: l.Partition, Sort: l.Sort}, Value: l.Value, Counts: l.Counts}
	if l.Expires != 0 {
		it.Expires = time.Unix(l.Expires, 0).UTC()
	}
	return it
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

// summer adds up the hashes of items, so that their order is of no account.
type summer struct {
	n     int64
	total [sha256.Size]byte
}

func newSummer() *summer { return &summer{} }

func (s *summer) add(it table.Item) {
	h := sha256.New()
	write(h, []byte(it.Partition), []byte(it.Sort), it.Value)
	expires := int64(0)
	if !it.Expires.IsZero() {
		expires = it.Expires.Unix()
	}
	writeNumber(h, expires)
	for _, name := range slices.Sorted(maps.Keys(it.Counts)) {
		write(h, []byte(name))
		writeNumber(h, it.Counts[name])
	}
	s.n++
	carry := uint16(0)
	for i, b := range h.Sum(nil) {
		carry += uint16(s.total[i]) + uint16(b)
		s.total[i] = byte(carry)
		carry >>= 8
	}
}

func write(h hash.Hash, parts ...[]byte) {
	for _, p := range parts {
		writeNumber(h, int64(len(p)))
		h.Write(p)
	}
}

func writeNumber(h hash.Hash, n int64) {
	h.Write(binary.BigEndian.AppendUint64(nil, uint64(n)))
}

func (s *summer) sum() Sum { return Sum{Items: s.n, Digest: hex.EncodeToString(s.total[:])} }
