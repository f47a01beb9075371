package journal

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"

	bolt "go.etcd.io/bbolt"
)

// Paths returns where the journals of the file at path are.
func Paths(path string) [2]string { return [2]string{path + ".journal", path + ".journal2"} }

// A journal is a header and records, one for each Update:
//
//	header  magic, id (16 bytes)
//	record  length of the body (4 bytes), CRC-32C of what follows (4), number (8), body
//	body    changes: op (1 byte), uvarint length and bytes of each of its parts
//
// Integers are big endian. Records are numbered one after the other, over all that the
// two journals of a file ever held: a checkpoint does not shorten a journal, and the next
// record is written over the first. So a journal ends at the first record that is not whole
// or is not the next one; which may be the first of the other journal.
const (
	magic      = "Todoku journal 1\n"
	headerSize = int64(len(magic) + idSize)
	idSize     = 16
	recordHead = 4 + 4 + 8
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// The ops of a body. A change is of the bucket that was last named.
const (
	opBucket   = 'b' // path
	opCreate   = 'c' // path, of which the last bucket is made
	opPut      = 'p' // key, value
	opDelete   = 'd' // key
	opSequence = 's' // number as 8 bytes
)

// record is what one Update changes.
type record struct {
	body    []byte // behind room for the head
	bucket  []byte // the last that was named
	changes int
}

func (r *record) op(op byte, parts ...[]byte) {
	r.body = append(r.body, op)
	for _, p := range parts {
		r.body = binary.AppendUvarint(r.body, uint64(len(p)))
		r.body = append(r.body, p...)
	}
}

func (r *record) in(bucket []byte) {
	r.changes++
	if !bytes.Equal(r.bucket, bucket) || r.changes == 1 {
		r.bucket = bucket
		r.op(opBucket, bucket)
	}
}

func (r *record) create(path []byte) { r.changes++; r.bucket = nil; r.op(opCreate, path) }

func (r *record) put(bucket, key, value []byte) { r.in(bucket); r.op(opPut, key, value) }

func (r *record) delete(bucket, key []byte) { r.in(bucket); r.op(opDelete, key) }

func (r *record) sequence(bucket []byte, n uint64) {
	r.in(bucket)
	r.op(opSequence, binary.BigEndian.AppendUint64(nil, n))
}

// log is the journal's file. seq is the number of its last record, and size where that
// ends.
type log struct {
	f    *os.File
	path string
	id   [idSize]byte
	seq  uint64
	size int64
	buf  []byte // of the record that is being made
}

func newID() (id [idSize]byte) {
	_, _ = rand.Read(id[:]) // never fails
	return id
}

// createLog makes an empty journal, durably, in place of an old one.
func createLog(path string, id [idSize]byte) (*log, error) {
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*.new")
	if err != nil {
		return nil, err
	}
	_, err = f.Write(append([]byte(magic), id[:]...))
	if err == nil {
		err = f.Sync()
	}
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err == nil {
		err = SyncDir(filepath.Dir(path))
	}
	if err != nil {
		return nil, errors.Join(err, f.Close(), os.Remove(f.Name()))
	}
	return &log{f: f, path: path, id: id, size: headerSize}, nil
}

// openLog opens a journal that is there; none: nil. A file that is no journal holds
// nothing that could be applied.
func openLog(path string) (*log, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	head := make([]byte, headerSize)
	switch _, err := io.ReadFull(f, head); {
	case errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || err == nil && !bytes.HasPrefix(head, []byte(magic)):
		return nil, f.Close()
	case err != nil:
		return nil, errors.Join(err, f.Close())
	}
	return &log{f: f, path: path, id: [idSize]byte(head[len(magic):])}, nil
}

// SyncDir makes a change of names in dir durable.
func SyncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// begin returns an empty record.
func (l *log) begin() *record {
	return &record{body: append(l.buf[:0], make([]byte, recordHead)...)}
}

// write writes a record behind the others and returns where it ends.
func (l *log) write(r *record) (end int64, err error) {
	l.buf = r.body // to be used again
	b := r.body
	if len(b) > math.MaxUint32 {
		return 0, errors.New("journal: a change of more than 4 GB")
	}
	binary.BigEndian.PutUint32(b, uint32(len(b)-recordHead))
	binary.BigEndian.PutUint64(b[8:], l.seq+1)
	binary.BigEndian.PutUint32(b[4:], crc32.Checksum(b[8:], castagnoli))
	if _, err := l.f.WriteAt(b, l.size); err != nil {
		return 0, err
	}
	return l.size + int64(len(b)), nil
}

// restart begins at the front again, with the record after the number seq.
func (l *log) restart(seq uint64) { l.seq, l.size = seq, headerSize }

func (l *log) close() error {
	if l == nil {
		return nil // it could not be made
	}
	return l.f.Close()
}

// remove takes away a journal that holds nothing.
func (l *log) remove() error { return errors.Join(l.f.Close(), os.Remove(l.path)) }

// applyOld applies what earlier journals of the file at path hold and the file does not.
func applyOld(tx *bolt.Tx, path string) error {
	m, err := readMark(tx)
	for more := true; more && err == nil; {
		more, err = m.replay(tx, path)
	}
	return err
}

// replay applies what follows the mark in each journal, and moves the mark. more is
// whether there was something.
func (m *mark) replay(tx *bolt.Tx, path string) (more bool, err error) {
	for _, p := range Paths(path) {
		l, err := openLog(p)
		if err != nil {
			return false, err
		}
		if l == nil {
			continue
		}
		if l.id == m.id {
			err = l.replay(tx, m.seq)
			more = more || l.seq > m.seq
			m.seq = l.seq
		}
		if err := errors.Join(err, l.close()); err != nil {
			return false, err
		}
	}
	return more, nil
}

// replay applies the records after the number seq. l then ends where they end.
func (l *log) replay(tx *bolt.Tx, seq uint64) error {
	l.restart(seq)
	for {
		body, ok, err := l.next()
		if err != nil || !ok {
			return err
		}
		if err := redo(tx, body); err != nil {
			return fmt.Errorf("journal: record %d: %w", l.seq+1, err)
		}
		l.seq++
		l.size += int64(recordHead + len(body))
	}
}

// next reads the record behind l's end; ok is false if there is none.
func (l *log) next() (body []byte, ok bool, err error) {
	head := make([]byte, recordHead)
	if full, err := l.read(head, l.size); !full || err != nil {
		return nil, false, err
	}
	n := binary.BigEndian.Uint32(head)
	if binary.BigEndian.Uint64(head[8:]) != l.seq+1 {
		return nil, false, nil
	}
	info, err := l.f.Stat()
	if err != nil || l.size+recordHead+int64(n) > info.Size() {
		return nil, false, err
	}
	body = make([]byte, n)
	if full, err := l.read(body, l.size+recordHead); !full || err != nil {
		return nil, false, err
	}
	sum := crc32.Update(crc32.Checksum(head[8:], castagnoli), castagnoli, body)
	return body, sum == binary.BigEndian.Uint32(head[4:]), nil
}

// read reports whether there was enough to fill b.
func (l *log) read(b []byte, at int64) (full bool, err error) {
	_, err = l.f.ReadAt(b, at)
	if errors.Is(err, io.EOF) {
		return false, nil
	}
	return err == nil, err
}

var errBody = errors.New("it is not encoded as it should be")

// redo applies the changes of a body.
func redo(tx *bolt.Tx, body []byte) (err error) {
	d := &decoder{rest: body}
	var b *bolt.Bucket
	for len(d.rest) > 0 && d.err == nil {
		op := d.rest[0]
		d.rest = d.rest[1:]
		first := d.part()
		switch {
		case d.err != nil:
		case op == opBucket:
			b, err = open(tx, first, false)
		case op == opCreate:
			b, err = open(tx, first, true)
		case b == nil:
			err = errBody
		case op == opPut:
			err = b.Put(first, d.part())
		case op == opDelete:
			err = b.Delete(first)
		case op == opSequence && len(first) == 8:
			err = b.SetSequence(binary.BigEndian.Uint64(first))
		default:
			err = errBody
		}
		if err != nil {
			return err
		}
	}
	return d.err
}

// open returns the bucket at a path; create makes the last of its buckets.
func open(tx *bolt.Tx, path []byte, create bool) (*bolt.Bucket, error) {
	names := bytes.Split(path, []byte{0})
	b := tx.Bucket(names[0])
	if b == nil && create && len(names) == 1 {
		return tx.CreateBucket(names[0])
	}
	for i, name := range names[1:] {
		if b == nil {
			break
		}
		in := b
		if b = in.Bucket(name); b == nil && create && i == len(names)-2 {
			return in.CreateBucket(name)
		}
	}
	if b == nil {
		return nil, errBody
	}
	return b, nil
}

type decoder struct {
	rest []byte
	err  error
}

func (d *decoder) part() []byte {
	n, size := binary.Uvarint(d.rest)
	if size <= 0 || n > uint64(len(d.rest)-size) {
		d.err = errBody
		return nil
	}
	p := d.rest[size : size+int(n)]
	d.rest = d.rest[size+int(n):]
	return p
}

// mark says in the file which journal it has and up to which record that is applied.
type mark struct {
	id  [idSize]byte
	seq uint64
}

var (
	markBucket = []byte("journal")
	markKey    = []byte("mark")
)

func writeMark(tx *bolt.Tx, m mark) error {
	b, err := tx.CreateBucketIfNotExists(markBucket)
	if err != nil {
		return err
	}
	return b.Put(markKey, binary.BigEndian.AppendUint64(m.id[:], m.seq))
}

// readMark reads a file's mark: the zero mark if it has none.
func readMark(tx *bolt.Tx) (m mark, err error) {
	b := tx.Bucket(markBucket)
	if b == nil {
		return m, nil
	}
	v := b.Get(markKey)
	if len(v) != idSize+8 {
		return m, errBody
	}
	m.id = [idSize]byte(v)
	m.seq = binary.BigEndian.Uint64(v[idSize:])
	return m, nil
}
