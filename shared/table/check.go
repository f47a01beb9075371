package table

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// CheckKey returns an error matching ErrInvalid if k is outside the limits. Every
// Get starts with it, so that all adapters refuse alike.
func CheckKey(k Key) error {
	return invalid(k.fault())
}

// CheckKeys returns an error matching ErrInvalid if a GetMany of keys is outside the
// limits. Every GetMany starts with it.
func CheckKeys(keys []Key) error {
	if len(keys) > MaxOps {
		return invalid(fmt.Sprintf("more than %d keys", MaxOps))
	}
	for _, k := range keys {
		if err := CheckKey(k); err != nil {
			return err
		}
	}
	return nil
}

// CheckQuery returns an error matching ErrInvalid if q is outside the limits.
// Every Query starts with it.
func CheckQuery(q Query) error {
	switch {
	case q.Limit < 0:
		return invalid("the limit is negative")
	case !isText(q.Partition, 1, MaxPartitionBytes):
		return invalid(faultPartition)
	case !isText(q.Prefix, 0, MaxSortBytes):
		return invalid("the prefix could not begin a sort key")
	case !isText(q.After, 0, MaxSortBytes):
		return invalid("the cursor could not be a sort key")
	}
	return nil
}

// CheckWrite returns an error matching ErrInvalid if a Write of ops is outside the
// limits. Every Write starts with it. Errors name ops by their index and never by
// their content.
func CheckWrite(token string, ops []Op) error {
	n := len(ops)
	if token != "" {
		n++
	}
	switch {
	case len(ops) == 0:
		return invalid("there are no ops")
	case n > MaxOps:
		return invalid(fmt.Sprintf("more than %d ops", MaxOps))
	case !isText(token, 0, MaxTokenBytes):
		return invalid(fmt.Sprintf("the token is not UTF-8 of at most %d bytes", MaxTokenBytes))
	}
	return checkOps(ops)
}

func checkOps(ops []Op) error {
	total := 0
	seen := make(map[Key]struct{}, len(ops))
	for i, op := range ops {
		if fault := opFault(op); fault != "" {
			return invalid(fmt.Sprintf("op %d: %s", i, fault))
		}
		if _, twice := seen[op.OpKey()]; twice {
			return invalid(fmt.Sprintf("op %d names the key of another op", i))
		}
		seen[op.OpKey()] = struct{}{}
		total += Size(op)
	}
	if total > MaxWriteBytes {
		return invalid(fmt.Sprintf("the ops are larger than %d bytes together", MaxWriteBytes))
	}
	return nil
}

// Size returns what op counts towards MaxItemBytes and MaxWriteBytes: the bytes of
// its key and value, or of its key and fields at 8 bytes a number.
func Size(op Op) int {
	k := op.OpKey()
	n := len(k.Partition) + len(k.Sort)
	switch op := op.(type) {
	case Create:
		n += len(op.Value)
	case Replace:
		n += len(op.Value)
	case Add:
		for name := range op.Deltas {
			n += len(name) + 8
		}
	}
	return n
}

// Digest returns a fingerprint of ops and their order: two writes with the same
// token are the same if their digests are.
func Digest(ops []Op) [sha256.Size]byte {
	d := digest{sha256.New()}
	for _, op := range ops {
		d.op(op)
	}
	return [sha256.Size]byte(d.Sum(nil))
}

// digest writes strings with their lengths, so that no two lists of fields come
// out as the same bytes.
type digest struct{ hash.Hash }

func (d digest) op(op Op) {
	key := op.OpKey()
	d.text(fmt.Sprintf("%T", op), key.Partition, key.Sort)
	switch op := op.(type) {
	case Create:
		d.text(string(op.Value))
		d.numbers(seconds(op.Expires))
	case Replace:
		d.text(string(op.Value))
		d.numbers(op.Revision, seconds(op.Expires))
	case Delete:
		d.numbers(op.Revision)
	case Check:
		d.numbers(op.Revision)
	case Add:
		for _, name := range slices.Sorted(maps.Keys(op.Deltas)) {
			d.text(name)
			d.numbers(op.Deltas[name])
		}
	}
}

func (d digest) text(ss ...string) {
	for _, s := range ss {
		d.numbers(int64(len(s)))
		d.Write([]byte(s))
	}
}

func (d digest) numbers(ns ...int64) {
	for _, n := range ns {
		d.Write(binary.BigEndian.AppendUint64(nil, uint64(n)))
	}
}

func seconds(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.Unix()
}

var (
	faultPartition = fmt.Sprintf("the partition is not 1 to %d bytes of UTF-8 without NUL", MaxPartitionBytes)
	faultSort      = fmt.Sprintf("the sort key is not 1 to %d bytes of UTF-8 without NUL", MaxSortBytes)
)

func (k Key) fault() string {
	switch {
	case !isText(k.Partition, 1, MaxPartitionBytes):
		return faultPartition
	case !isText(k.Sort, 1, MaxSortBytes):
		return faultSort
	}
	return ""
}

func opFault(op Op) string {
	switch op := op.(type) {
	case Create:
		return cmp.Or(op.Key.fault(), sizeFault(op), expiryFault(op.Expires))
	case Replace:
		return cmp.Or(op.Key.fault(), sizeFault(op), expiryFault(op.Expires))
	case Delete:
		return op.Key.fault()
	case Check:
		return op.Key.fault()
	case CheckAbsent:
		return op.Key.fault()
	case Add:
		return cmp.Or(op.Key.fault(), deltasFault(op.Deltas))
	}
	return fmt.Sprintf("a %T is not an op", op)
}

func sizeFault(op Op) string {
	if Size(op) > MaxItemBytes {
		return fmt.Sprintf("the item is larger than %d bytes", MaxItemBytes)
	}
	return ""
}

func expiryFault(t time.Time) string {
	if !t.IsZero() && (t.Unix() <= 0 || t.UTC().Year() > 9999) {
		return "the expiry is not between 1970 and 9999"
	}
	return ""
}

func deltasFault(deltas map[string]int64) string {
	if len(deltas) == 0 || len(deltas) > MaxCounts {
		return fmt.Sprintf("not 1 to %d fields", MaxCounts)
	}
	for name, n := range deltas {
		if !isText(name, 1, MaxFieldBytes) {
			return fmt.Sprintf("the name of a field is not 1 to %d bytes of UTF-8 without NUL", MaxFieldBytes)
		}
		if n > MaxDelta || n < -MaxDelta {
			return "a delta is too large"
		}
	}
	return ""
}

func isText(s string, least, most int) bool {
	return len(s) >= least && len(s) <= most && utf8.ValidString(s) && strings.IndexByte(s, 0) < 0
}

func invalid(fault string) error {
	if fault == "" {
		return nil
	}
	return fmt.Errorf("%w: %s", ErrInvalid, fault)
}
