package console

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/todoku/todoku/shared/id"
	"github.com/todoku/todoku/shared/lang"
	"github.com/todoku/todoku/shared/problem"
	"github.com/todoku/todoku/shared/roster"
	"github.com/todoku/todoku/shared/table"
)

// Imports of a roster take several requests: a file is sent, looked at, perhaps
// its columns are named, and it is confirmed. In between it is kept here, in the
// table and not in the process's memory, so that the next request may reach
// another process, and a restart loses nothing. Nothing of it is in the roster
// before it was confirmed.
//
//	school/<school>/imports  <id>      an Import
//	import/<id>              <number>  a piece of its file, compressed
type imports struct {
	table table.Table
	ids   *id.Source
	now   func() time.Time
}

const (
	// importLife is how long a file is kept: over night, for who was called away.
	importLife = 24 * time.Hour
	// pieceBytes leaves table.MaxItemBytes room for the key.
	pieceBytes = 256 << 10
	// importStalls is after how long without progress an import counts as cut off:
	// the process that did it has died. It can be begun again at any time.
	importStalls = 15 * time.Second
	maxFileName  = 120 // characters
)

// importState is where an import stands.
type importState string

// The states of an import.
const (
	importWaits  importState = "waiting" // to be confirmed
	importRuns   importState = "running"
	importDone   importState = "done"
	importFailed importState = "failed"
	importUndone importState = "undone" // a turn of the year that was taken back
)

// imported is one import of a roster.
type imported struct {
	ID      string         `json:"id"`
	File    string         `json:"file"` // its name, as the person knows it
	Pieces  int            `json:"pieces"`
	Sent    time.Time      `json:"sent"`
	State   importState    `json:"state"`
	Run     int            `json:"run,omitempty"`     // how often it was begun: only the last one goes on
	Mapping roster.Mapping `json:"mapping,omitempty"` // columns named by hand for this file
	Done    int            `json:"done,omitempty"`    // families written, while it runs
	Total   int            `json:"total,omitempty"`
	Touched time.Time      `json:"touched,omitzero"` // when it last got further
	Counts  importCounts   `json:"counts,omitzero"`  // when it is done
	Trouble lang.Text      `json:"trouble,omitzero"` // why it failed
	// Of a turn of the year; the last three are what somebody has confirmed.
	Turn    bool      `json:"turn,omitempty"`
	Undoing bool      `json:"undoing,omitempty"` // what runs is its undoing
	Rise    int       `json:"rise,omitempty"`
	Leave   []string  `json:"leave,omitempty"` // ids of children
	Until   time.Time `json:"until,omitzero"`  // when what was before is deleted

	revision int64
}

// importCounts says what an import did, in children; Errors are rows, Back and Kept
// families.
type importCounts struct {
	Added     int `json:"added"`
	Changed   int `json:"changed"`
	Unchanged int `json:"unchanged"`
	Errors    int `json:"errors"`
	Left      int `json:"left,omitempty"` // by a turn of the year
	Back      int `json:"back,omitempty"` // by its undoing
	Kept      int `json:"kept,omitempty"` // which it could not put back
}

// stalled reports whether the import runs no longer though it is not done.
func (m imported) stalled(now time.Time) bool {
	return m.State == importRuns && now.Sub(m.Touched) >= importStalls
}

// ended reports whether the file is kept no longer.
func (m imported) ended(now time.Time) bool { return !now.Before(m.Sent.Add(importLife)) }

func importKey(school, importID string) table.Key {
	return table.Key{Partition: "school/" + school + "/imports", Sort: importID}
}

func piecesOf(importID string) string { return "import/" + importID }

// noImport says that an import is not there.
var noImport = problem.New(problem.NotFound,
	"この取り込みは見つかりません。確認しないまま24時間たつと、ファイルは消えます。もう一度ファイルを選んでください。",
	"This import was not found. A file that is not confirmed is dropped after 24 hours. Please choose the file again.")

// keep stores a file until it is confirmed. The pieces are written first: if that
// is cut off they expire, and nobody ever sees half a file.
func (m *imports) keep(ctx context.Context, school, name string, file []byte, turn bool) (imported, error) {
	in := imported{ID: m.ids.New(), Turn: turn, File: fileName(name), Sent: m.now().UTC(), State: importWaits}
	expires := in.Sent.Add(importLife)
	for piece := range pieces(file) {
		key := table.Key{Partition: piecesOf(in.ID), Sort: fmt.Sprintf("%04d", in.Pieces)}
		if err := m.table.Write(ctx, "", table.Create{Key: key, Value: piece, Expires: expires}); err != nil {
			return in, err
		}
		in.Pieces++
	}
	err := m.table.Write(ctx, "", table.Create{Key: importKey(school, in.ID), Value: in.encode(), Expires: expires})
	return in, err
}

// pieces yields a file, compressed and cut up.
func pieces(file []byte) func(yield func([]byte) bool) {
	var buf bytes.Buffer
	z := gzip.NewWriter(&buf)
	_, _ = z.Write(file) // to memory: cannot fail
	_ = z.Close()
	return func(yield func([]byte) bool) {
		for buf.Len() > 0 {
			if !yield(buf.Next(pieceBytes)) {
				return
			}
		}
	}
}

// fileName returns a name of a file fit to be shown.
func fileName(name string) string {
	name = printable(name)
	if runes := []rune(name); len(runes) > maxFileName {
		name = string(runes[:maxFileName])
	}
	return name
}

// get reads an import of a school. It fails with noImport if there is none.
func (m *imports) get(ctx context.Context, school, importID string) (imported, error) {
	var in imported
	if _, ok := id.Bytes(importID); !ok {
		return in, noImport
	}
	item, err := m.table.Get(ctx, importKey(school, importID))
	if errors.Is(err, table.ErrNotFound) {
		return in, noImport
	}
	if err != nil {
		return in, err
	}
	err = json.Unmarshal(item.Value, &in)
	in.revision = item.Revision
	return in, err
}

// file returns the file of an import, as it was sent.
func (m *imports) file(ctx context.Context, in imported) ([]byte, error) {
	var buf bytes.Buffer
	n := 0
	for item, err := range table.Items(ctx, m.table, table.Query{Partition: piecesOf(in.ID)}) {
		if err != nil {
			return nil, err
		}
		buf.Write(item.Value)
		n++
	}
	if n != in.Pieces {
		return nil, noImport
	}
	z, err := gzip.NewReader(&buf)
	if err != nil {
		return nil, err
	}
	return io.ReadAll(z)
}

// change writes an import as f leaves it, unless f returns false. f is called
// again if somebody else wrote first. What was done is remembered (package keep says for
// how long); what was not confirmed expires.
func (m *imports) change(ctx context.Context, school, importID string, f func(*imported) bool) (imported, error) {
	for {
		in, err := m.get(ctx, school, importID)
		if err != nil || !f(&in) {
			return in, err
		}
		op := table.Replace{Key: importKey(school, importID), Revision: in.revision, Value: in.encode()}
		if in.State == importWaits {
			op.Expires = in.Sent.Add(importLife)
		}
		err = m.table.Write(ctx, "", op)
		if _, conflict := table.Conflict(err); !conflict {
			return in, err
		}
		if err := ctx.Err(); err != nil {
			return in, err
		}
	}
}

// forget drops an import that was not confirmed, with its file. What of the file
// cannot be removed now expires.
func (m *imports) forget(ctx context.Context, school string, in imported) error {
	err := m.table.Write(ctx, "", table.Delete{Key: importKey(school, in.ID), Revision: in.revision})
	if _, conflict := table.Conflict(err); conflict {
		return nil // somebody confirmed it at this moment, or dropped it; the page will tell
	}
	if err != nil {
		return err
	}
	for n := range in.Pieces {
		key := table.Key{Partition: piecesOf(in.ID), Sort: fmt.Sprintf("%04d", n)}
		if err := m.table.Write(ctx, "", table.Delete{Key: key, Revision: 1}); err != nil {
			return err
		}
	}
	return nil
}

// last returns a school's newest import that was done; ok is false if there is
// none among the newest few.
func (m *imports) last(ctx context.Context, school string) (in imported, ok bool, err error) {
	return m.newest(ctx, school, func(in imported) bool { return in.State == importDone || in.State == importUndone })
}

// newest returns the newest import of a kind among the newest few.
func (m *imports) newest(ctx context.Context, school string, is func(imported) bool) (in imported, ok bool, err error) {
	const few = 20
	page, err := m.table.Query(ctx, table.Query{Partition: importKey(school, "").Partition, Limit: few, Reverse: true})
	if err != nil {
		return in, false, err
	}
	for _, item := range page.Items {
		var in imported
		if err := json.Unmarshal(item.Value, &in); err != nil {
			return in, false, err
		}
		if is(in) {
			return in, true, nil
		}
	}
	return in, false, nil
}

// encode never fails on this type.
func (m imported) encode() []byte {
	b, err := json.Marshal(m)
	if err != nil {
		panic(err)
	}
	return b
}
