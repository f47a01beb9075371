package bbolt

import (
	"bytes"
	"encoding/binary"
	"errors"
	"time"

	"github.com/todoku/todoku/shared/table"
)

// The table is two buckets of the file:
//
//	table   partition NUL sort -> an item, see stored
//	table   NUL token          -> the digest of a write's ops, as an item that expires
//	format  "table"            -> formatVersion
//
// Keys hold no NUL and partitions are not empty, so the kinds of key cannot meet,
// and the keys of a partition lie together in the order of their sort keys.
var (
	bucketItems  = []byte("table")
	bucketFormat = []byte("format")
	formatKey    = []byte("table")
)

// formatVersion changes when an older program would misread the file.
const formatVersion = "1"

var errCorrupt = errors.New("bbolt: an item is not encoded as it should be")

func itemKey(k table.Key) []byte {
	b := make([]byte, 0, len(k.Partition)+1+len(k.Sort))
	b = append(b, k.Partition...)
	b = append(b, 0)
	return append(b, k.Sort...)
}

// splitItemKey is the inverse of itemKey; ok is false for a token's key.
func splitItemKey(b []byte) (k table.Key, ok bool) {
	partition, sort, found := bytes.Cut(b, []byte{0})
	return table.Key{Partition: string(partition), Sort: string(sort)}, found && len(partition) > 0
}

func tokenKey(token string) []byte {
	return append([]byte{0}, token...)
}

// stored is an item as the file has it:
//
//	record   1 or 3, uvarint revision, (3: uvarint second of expiry), value
//	counter  2, then for each field in order of names: uvarint length, name, varint number
//
// The zero value is an item that is not there. body refers to the file and is
// good only until the end of the transaction.
type stored struct {
	kind     byte
	revision int64
	expires  int64 // Unix seconds, 0 is never
	body     []byte
}

const (
	kindNone            = 0
	kindRecord          = 1
	kindCounter         = 2
	kindExpiring        = 3 // of the encoding only: read back as kindRecord
	longestRecordHeader = 1 + 2*binary.MaxVarintLen64
)

func parse(b []byte) (stored, error) {
	if len(b) == 0 {
		return stored{}, nil
	}
	s := stored{kind: b[0], body: b[1:]}
	ok := true
	switch s.kind {
	case kindCounter:
	case kindRecord:
		s.revision, ok = s.uvarint()
	case kindExpiring:
		s.kind = kindRecord
		if s.revision, ok = s.uvarint(); ok {
			s.expires, ok = s.uvarint()
		}
	default:
		ok = false
	}
	if !ok {
		return stored{}, errCorrupt
	}
	return s, nil
}

func (s *stored) uvarint() (int64, bool) {
	n, size := binary.Uvarint(s.body)
	if size <= 0 {
		return 0, false
	}
	s.body = s.body[size:]
	return int64(n), true
}

// live reports whether s is there at the second now.
func (s stored) live(now int64) bool {
	return s.kind != kindNone && (s.expires == 0 || now < s.expires)
}

// item copies s out of the file.
func (s stored) item(k table.Key) (table.Item, error) {
	it := table.Item{Key: k, Revision: s.revision}
	if s.expires != 0 {
		it.Expires = time.Unix(s.expires, 0).UTC()
	}
	if s.kind == kindRecord {
		it.Value = append(make([]byte, 0, len(s.body)), s.body...)
		return it, nil
	}
	var err error
	it.Counts, err = counts(s.body)
	return it, err
}

func encodeRecord(revision, expires int64, value []byte) []byte {
	b := make([]byte, 0, longestRecordHeader+len(value))
	if expires == 0 {
		b = binary.AppendUvarint(append(b, kindRecord), uint64(revision))
	} else {
		b = binary.AppendUvarint(append(b, kindExpiring), uint64(revision))
		b = binary.AppendUvarint(b, uint64(expires))
	}
	return append(b, value...)
}

// unixSecond drops the fraction of t; 0 stands for a zero t.
func unixSecond(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.Unix()
}
