package move

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash"
	"maps"
	"slices"

	"github.com/todoku/todoku/shared/table"
)

// Sum is what was moved: how many items, and a digest over all of them in any order.
// Revisions do not count, because they begin anew.
type Sum struct {
	Items  int64  `json:"items"`
	Digest string `json:"digest"`
}

// String is the line that is compared with that of another place. It is the same in all
// languages: the two may be printed at terminals of different ones.
func (s Sum) String() string { return fmt.Sprintf("%d items, digest %s", s.Items, s.Digest) }

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
