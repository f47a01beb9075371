// Package move takes everything that a Todoku holds out into a file, and puts it into
// another: from one machine to AWS, back, or to a newer machine. What was moved is
// counted and summed up on both sides, and must agree.
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

// apart reports whether an item travels in the file's head.
func apart(key table.Key) bool { return key == KeysKey || key == format.Key }

// Sum is what was moved: how many items, and a digest over all of them in any order.
// Revisions do not count, because they begin anew.
type Sum struct {
	Items  int64  `json:"items"`
	Digest string `json:"digest"`
}

func (s Sum) String() string { return fmt.Sprintf("%d items, digest %s", s.Items, s.Digest) }

// Store is a table that can be read whole.
type Store interface {
	table.Table
	table.Walker
}

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
func Out(ctx context.Context, from Store, keys []link.Key, now time.Time, w io.Writer) (Sum, error) {
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
		if apart(it.Key) {
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
func ToFile(ctx context.Context, from Store, keys []link.Key, now time.Time, name string) (sum Sum, err error) {
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

// In puts what a file holds into a store, which must be empty, and reads it back. It
// reads the file once to see that it is whole before it writes anything. keep puts the
// keys that sign links into the store, too.
func In(ctx context.Context, file io.ReadSeeker, to Store, keep bool) (Sum, error) {
	want, keys, data, err := check(file)
	if err != nil {
		return Sum{}, err
	}
	if err := empty(ctx, to); err != nil {
		return Sum{}, err
	}
	l := loader{to: to}
	if keep && len(keys) > 0 {
		value, err := json.Marshal(keys)
		if err != nil {
			return Sum{}, err
		}
		l.add(table.Create{Key: KeysKey, Value: value}, len(value))
	}
	err = mark(ctx, to, data)
	if err == nil {
		_, err = each(file, func(it table.Item) error { return l.put(ctx, it) })
	}
	if err == nil {
		err = l.flush(ctx)
	}
	if err != nil {
		return Sum{}, err
	}
	got, err := SumOf(ctx, to)
	if err == nil && got != want {
		err = errDiffers.Because(fmt.Errorf("move: %v, want %v", got, want))
	}
	return got, err
}

// SumOf sums up what a store holds.
func SumOf(ctx context.Context, t table.Walker) (Sum, error) {
	s := newSummer()
	err := t.Walk(ctx, func(it table.Item) error {
		if !apart(it.Key) {
			s.add(it)
		}
		return nil
	})
	return s.sum(), err
}

// mark notes of which form what is put into a store is.
func mark(ctx context.Context, to table.Table, data int) error {
	_, revision, err := format.Read(ctx, to)
	if err != nil {
		return err
	}
	return format.Put(ctx, to, format.Mark{Is: data, To: data}, revision)
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

func empty(ctx context.Context, t table.Walker) error {
	err := t.Walk(ctx, func(it table.Item) error {
		if it.Key == format.Key {
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
	to    table.Table
	ops   []table.Op
	bytes int
}

// maxBytes is far below what DynamoDB takes in a transaction, 4 MB.
const maxBytes = 1 << 20

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
	names := slices.Sorted(maps.Keys(it.Counts))
	for part := range slices.Chunk(names, table.MaxCounts) {
		deltas := map[string]int64{}
		for _, name := range part {
			deltas[name] = it.Counts[name]
		}
		if err := l.write(ctx, table.Add{Key: it.Key, Deltas: deltas}); err != nil {
			return err
		}
	}
	return nil
}

func (l *loader) add(op table.Op, bytes int) {
	l.ops = append(l.ops, op)
	l.bytes += bytes
}

func (l *loader) flush(ctx context.Context) error {
	if len(l.ops) == 0 {
		return nil
	}
	err := l.write(ctx, l.ops...)
	l.ops, l.bytes = nil, 0
	return err
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
