package move

import (
	"bufio"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/todoku/todoku/shared/format"
	"github.com/todoku/todoku/shared/link"
	"github.com/todoku/todoku/shared/table"
)

// fileFormat changes when an older program would misread the file.
const fileFormat = "todoku export 1"

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

// ToFile is Out to a file that must not exist; it appears when it is whole.
func ToFile(ctx context.Context, from format.Store, keys []link.Key, now time.Time, name string) (sum Sum, err error) {
	if _, err := os.Lstat(name); err == nil {
		return sum, errExists
	}
	if _, err := os.Stat(filepath.Dir(name)); err != nil {
		return sum, err // that of CreateTemp names a file that nobody knows
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
