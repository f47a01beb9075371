package imports

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
	"github.com/todoku/todoku/shared/table"
)

// Store keeps imports and their files.
//
//	school/<school>/imports  <id>      an Import
//	import/<id>              <number>  a piece of its file, compressed
//	school/<school>/turning  turning   which turn of the year was begun last, or its undoing
type Store struct {
	Table table.Table
	IDs   *id.Source
	Now   func() time.Time
}

// pieceBytes leaves table.MaxItemBytes room for the key.
const pieceBytes = 256 << 10

func key(school, importID string) table.Key {
	return table.Key{Partition: "school/" + school + "/imports", Sort: importID}
}

func pieceKey(importID string, n int) table.Key {
	return table.Key{Partition: "import/" + importID, Sort: fmt.Sprintf("%04d", n)}
}

// Keep stores a file until it is confirmed. The pieces are written first: if that
// is cut off they expire, and nobody ever sees half a file.
func (s *Store) Keep(ctx context.Context, school, name string, file []byte, turn bool) (Import, error) {
	in := Import{ID: s.IDs.New(), Turn: turn, File: name, Sent: s.Now().UTC(), State: Waits}
	expires := in.Sent.Add(Life)
	for piece := range pieces(file) {
		if err := s.Table.Write(ctx, "", table.Create{Key: pieceKey(in.ID, in.Pieces), Value: piece, Expires: expires}); err != nil {
			return in, err
		}
		in.Pieces++
	}
	err := s.Table.Write(ctx, "", table.Create{Key: key(school, in.ID), Value: table.Encode(in), Expires: expires})
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

// Get reads an import of a school. It fails with ErrNone if there is none.
func (s *Store) Get(ctx context.Context, school, importID string) (Import, error) {
	var in Import
	if _, ok := id.Bytes(importID); !ok {
		return in, ErrNone
	}
	item, err := s.Table.Get(ctx, key(school, importID))
	if errors.Is(err, table.ErrNotFound) {
		return in, ErrNone
	}
	if err != nil {
		return in, err
	}
	return decode(item)
}

func decode(item table.Item) (Import, error) {
	in := Import{revision: item.Revision}
	err := json.Unmarshal(item.Value, &in)
	return in, err
}

// File returns the file of an import, as it was sent.
func (s *Store) File(ctx context.Context, in Import) ([]byte, error) {
	var buf bytes.Buffer
	n := 0
	for item, err := range table.Items(ctx, s.Table, table.Query{Partition: pieceKey(in.ID, 0).Partition}) {
		if err != nil {
			return nil, err
		}
		buf.Write(item.Value)
		n++
	}
	if n != in.Pieces {
		return nil, ErrNone
	}
	z, err := gzip.NewReader(&buf)
	if err != nil {
		return nil, err
	}
	return io.ReadAll(z)
}

// Change writes an import as f leaves it, unless f returns false. f is called
// again if somebody else wrote first. What was done is remembered (package keep says for
// how long); what was not confirmed expires.
func (s *Store) Change(ctx context.Context, school, importID string, f func(*Import) bool) (Import, error) {
	return s.change(ctx, school, importID, f, func(Import) ([]table.Op, error) { return nil, nil })
}

// begin is Change for an import that begins. With a turn, the same write says that it is
// the school's: it fails with ErrOpen if another was begun that has not come to its end.
func (s *Store) begin(ctx context.Context, school, importID string, f func(*Import) bool) (Import, error) {
	return s.change(ctx, school, importID, f, func(in Import) ([]table.Op, error) {
		if !in.Turn {
			return nil, nil
		}
		op, err := s.claim(ctx, school, in.ID)
		return []table.Op{op}, err
	})
}

// claim returns the op by which a turn becomes the school's. It is also written of one that
// is so already, so that of two that are begun at once one fails.
func (s *Store) claim(ctx context.Context, school, importID string) (table.Op, error) {
	k := table.Key{Partition: "school/" + school + "/turning", Sort: "turning"}
	last, revision, err := table.Load[turning](ctx, s.Table, k)
	if err != nil {
		return nil, err
	}
	other, err := s.Get(ctx, school, last.Import)
	switch {
	case err == nil && other.ID != importID && other.Open(s.Now()):
		return nil, ErrOpen
	case err != nil && !errors.Is(err, ErrNone):
		return nil, err
	}
	return table.Put(table.Item{Key: k, Revision: revision, Value: table.Encode(turning{importID})}), nil
}

// turning says which turn was begun last.
type turning struct {
	Import string `json:"import"`
}

// change writes an import as f leaves it, together with what more returns.
func (s *Store) change(ctx context.Context, school, importID string, f func(*Import) bool, more func(Import) ([]table.Op, error)) (Import, error) {
	var in Import
	err := table.Again(func() (err error) {
		if in, err = s.Get(ctx, school, importID); err != nil || !f(&in) {
			return err
		}
		ops, err := more(in)
		if err != nil {
			return err
		}
		op := table.Replace{Key: key(school, importID), Revision: in.revision, Value: table.Encode(in)}
		if in.State == Waits {
			op.Expires = in.Sent.Add(Life)
		}
		return s.Table.Write(ctx, "", append(ops, op)...)
	})
	return in, err
}

// keepOn keeps the file of a turn that was begun until the turn can be undone no longer:
// half a turn has to be finished, however late.
func (s *Store) keepOn(ctx context.Context, in Import) error {
	for item, err := range table.Items(ctx, s.Table, table.Query{Partition: pieceKey(in.ID, 0).Partition}) {
		if err != nil {
			return err
		}
		if item.Expires.Equal(in.Until) {
			continue
		}
		err = s.Table.Write(ctx, "", table.Replace{Key: item.Key, Revision: item.Revision, Value: item.Value, Expires: in.Until})
		if table.IgnoreConflict(err) != nil {
			return err
		}
	}
	return nil
}

// drop deletes the file of an import.
func (s *Store) drop(ctx context.Context, in Import) error {
	for item, err := range table.Items(ctx, s.Table, table.Query{Partition: pieceKey(in.ID, 0).Partition}) {
		if err != nil {
			return err
		}
		err = s.Table.Write(ctx, "", table.Delete{Key: item.Key, Revision: item.Revision})
		if table.IgnoreConflict(err) != nil {
			return err
		}
	}
	return nil
}

// Forget drops an import that was not confirmed, with its file. What of the file
// cannot be removed now expires.
func (s *Store) Forget(ctx context.Context, school string, in Import) error {
	err := s.Table.Write(ctx, "", table.Delete{Key: key(school, in.ID), Revision: in.revision})
	if _, conflict := table.Conflict(err); conflict {
		return nil // somebody confirmed it at this moment, or dropped it; the page will tell
	}
	if err != nil {
		return err
	}
	return s.drop(ctx, in)
}

// Last returns a school's newest import that was done; ok is false if there is none.
func (s *Store) Last(ctx context.Context, school string) (in Import, ok bool, err error) {
	return s.Newest(ctx, school, func(in Import) bool { return in.State == Done || in.State == Undone })
}

// Newest returns the newest import of a kind; ok is false if there is none among those
// that are kept.
func (s *Store) Newest(ctx context.Context, school string, is func(Import) bool) (in Import, ok bool, err error) {
	for item, err := range table.Items(ctx, s.Table, table.Query{Partition: key(school, "").Partition, Limit: fewImports, Reverse: true}) {
		if err != nil {
			return in, false, err
		}
		in, err := decode(item)
		if err != nil || is(in) {
			return in, err == nil, err
		}
	}
	return in, false, nil
}

// fewImports is how many imports are read at once: mostly the newest few will do.
const fewImports = 20
