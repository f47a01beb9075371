package bbolt

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"runtime/debug"

	bolt "go.etcd.io/bbolt"

	"github.com/todoku/todoku/shared/journal"
	"github.com/todoku/todoku/shared/problem"
)

// A backup is a bbolt file and a seal behind it: sealMark, the length of what is
// before it as 8 bytes, big endian, and the SHA-256 of what is before it. bbolt
// does not look behind its last page, so its tools read a backup as it is.
const (
	sealMark = "\nTodoku backup 1\n"
	sealSize = len(sealMark) + 8 + sha256.Size
)

// Backup writes a copy of the whole file to w, the queue's buckets included: one
// moment, while writers go on. If it fails (with w's error, or the context's) what
// it has written is of no use, and Restore will say so.
//
// The file grows with what is written meanwhile, since no page that the copy still
// needs can be used again. What the journals hold is put into the file first.
func (t *Table) Backup(ctx context.Context, w io.Writer) error {
	out := &sealer{ctx: ctx, w: w, sum: sha256.New()}
	err := t.db.Snapshot(func(tx *bolt.Tx) error {
		_, err := tx.WriteTo(out)
		return err
	})
	if out.err != nil { // bbolt keeps only the text of some causes
		err = out.err
	}
	if err != nil {
		return fmt.Errorf("bbolt: backup: %w", err)
	}
	if _, err := w.Write(seal(out.n, out.sum)); err != nil {
		return fmt.Errorf("bbolt: backup: %w", err)
	}
	return nil
}

// sealer sums up what it writes, and stops when the context ends.
type sealer struct {
	ctx context.Context
	w   io.Writer
	sum hash.Hash
	n   int64
	err error
}

func (s *sealer) Write(p []byte) (n int, err error) {
	if s.err == nil {
		s.err = s.ctx.Err()
	}
	if s.err != nil {
		return 0, s.err
	}
	n, s.err = s.w.Write(p)
	s.sum.Write(p[:n])
	s.n += int64(n)
	return n, s.err
}

func seal(n int64, sum hash.Hash) []byte {
	b := append(make([]byte, 0, sealSize), sealMark...)
	b = binary.BigEndian.AppendUint64(b, uint64(n))
	return sum.Sum(b)
}

// Restore puts the backup at the path src in place as the file dst, which must not
// exist, nor its journals. It checks the seal and every page first, and either dst is there
// afterwards, whole and on the disk, or not at all. Errors that a person can do
// something about are of type *problem.Error, but that src cannot be opened is a fs.PathError.
func Restore(src, dst string) error {
	journals := journal.Paths(dst)
	for _, name := range append(journals[:], dst) {
		if _, err := os.Lstat(name); err == nil {
			return dataExists
		}
	}
	in, err := os.Open(src)
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }()
	err = placeNew(dst, func(f *os.File) error {
		if err := unseal(f, in); err != nil {
			return err
		}
		return verify(f)
	})
	if errors.Is(err, fs.ErrExist) {
		return dataExists.Because(err)
	}
	if err != nil {
		return fault(err)
	}
	return nil
}

// unseal copies the backup in to out, without its seal.
func unseal(out io.Writer, in *os.File) error {
	info, err := in.Stat()
	if err != nil {
		return err
	}
	n := info.Size() - int64(sealSize)
	want := make([]byte, sealSize)
	if _, err := in.ReadAt(want, max(n, 0)); err != nil && err != io.EOF {
		return err
	}
	if n < 0 || !bytes.HasPrefix(want, []byte(sealMark)) {
		return unsealed(in)
	}
	sum := sha256.New()
	if _, err := io.Copy(io.MultiWriter(out, sum), io.NewSectionReader(in, 0, n)); err != nil {
		return err
	}
	if !bytes.Equal(seal(n, sum), want) {
		return damaged
	}
	return nil
}

// unsealed tells a backup that was cut off from a file that never was one.
func unsealed(in io.ReaderAt) error {
	const magicAt, magic = 16, 0xED0CDAED // of a bbolt meta page, behind the page's header
	b := make([]byte, 4)
	if _, err := in.ReadAt(b, magicAt); err == nil && binary.NativeEndian.Uint32(b) == magic {
		return cutOff
	}
	return noBackup
}

// verify reads the whole database in f. The seal has held, so this finds faults
// that were in it when the backup was made. It does not use bbolt's own check,
// which brings the process down if the faults are grave.
func verify(f *os.File) (err error) {
	db, err := guarded(func() (*bolt.DB, error) {
		return bolt.Open(f.Name(), 0o600, &bolt.Options{ReadOnly: true, Timeout: lockWait})
	})
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true)) // a wild page number is a fault
	defer func() {
		if p := recover(); p != nil {
			err = damaged.Because(fmt.Errorf("bbolt: %v", p))
		}
	}()
	return db.View(verifyContents)
}

func verifyContents(tx *bolt.Tx) error {
	ready := false
	var err error
	if b := tx.Bucket(bucketFormat); b != nil {
		ready, err = checkFormat(b.Get(formatKey))
	}
	switch {
	case err != nil:
		return err
	case !ready:
		return noBackup
	}
	err = tx.ForEach(func(_ []byte, b *bolt.Bucket) error { return verifyBucket(b) })
	if err == nil {
		err = tx.Bucket(bucketItems).ForEach(verifyItem)
	}
	if err != nil {
		return damaged.Because(err)
	}
	return nil
}

// verifyBucket reads all of b and the buckets in it. Keys must ascend.
func verifyBucket(b *bolt.Bucket) error {
	var last []byte
	return b.ForEach(func(k, v []byte) error {
		if bytes.Compare(k, last) <= 0 {
			return errDisorder
		}
		last = k
		if v == nil {
			return verifyBucket(b.Bucket(k))
		}
		return nil
	})
}

func verifyItem(_, v []byte) error {
	s, err := parse(v)
	if err == nil && s.kind == kindCounter {
		_, err = fields(s.body)
	}
	return err
}

var errDisorder = errors.New("bbolt: keys are out of order")

var (
	dataExists = problem.New(problem.Conflict,
		"復元先にすでにデータがあります。上書きはしません。元のデータを別の場所へ移してから、もう一度お試しください。",
		"There is data at the place to restore to, and it is not overwritten. Move it away and try again.")
	noBackup = problem.New(problem.Invalid,
		"届く（Todoku）のバックアップとして読めません。ファイルを確認してください。",
		"This cannot be read as a backup of Todoku. Check that it is the right file.")
	cutOff = problem.New(problem.Invalid,
		"バックアップが途中で切れています。コピーし直すか、別のバックアップを使ってください。何も変更されていません。",
		"The backup is cut off. Copy it again, or use another one. Nothing was changed.")
	damaged = problem.New(problem.Invalid,
		"バックアップが壊れています。コピーし直すか、別のバックアップを使ってください。何も変更されていません。",
		"The backup is damaged. Copy it again, or use another one. Nothing was changed.")
)
