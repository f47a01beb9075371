package bbolt

import (
	"encoding/binary"
	"maps"
	"slices"
	"strings"
)

// field is one number of a counter.
type field struct {
	name string
	n    int64
}

// sortedFields returns deltas in the order in which a counter is stored.
func sortedFields(deltas map[string]int64) []field {
	fs := make([]field, 0, len(deltas))
	for _, name := range slices.Sorted(maps.Keys(deltas)) {
		fs = append(fs, field{name, deltas[name]})
	}
	return fs
}

// fields reads the body of a counter.
func fields(b []byte) ([]field, error) {
	var fs []field
	for len(b) > 0 {
		length, size := binary.Uvarint(b)
		if size <= 0 || length > uint64(len(b)-size) {
			return nil, errCorrupt
		}
		name, rest := string(b[size:size+int(length)]), b[size+int(length):]
		n, size := binary.Varint(rest)
		if size <= 0 {
			return nil, errCorrupt
		}
		fs = append(fs, field{name, n})
		b = rest[size:]
	}
	return fs, nil
}

func counts(body []byte) (map[string]int64, error) {
	fs, err := fields(body)
	if err != nil {
		return nil, err
	}
	m := make(map[string]int64, len(fs))
	for _, f := range fs {
		m[f.name] = f.n
	}
	return m, nil
}

// sum adds two sorted lists of fields. It reports false if a field would become
// negative, which one that leaves the range of int64 does too.
func sum(a, b []field) ([]field, bool) {
	out := make([]field, 0, len(a)+len(b))
	for len(a) > 0 || len(b) > 0 {
		var f field
		switch c := compareHeads(a, b); {
		case c < 0:
			f, a = a[0], a[1:]
		case c > 0:
			f, b = b[0], b[1:]
		default:
			f, a, b = field{a[0].name, a[0].n + b[0].n}, a[1:], b[1:]
		}
		if f.n < 0 {
			return nil, false
		}
		out = append(out, f)
	}
	return out, true
}

// compareHeads orders an ended list behind the other.
func compareHeads(a, b []field) int {
	switch {
	case len(b) == 0:
		return -1
	case len(a) == 0:
		return 1
	}
	return strings.Compare(a[0].name, b[0].name)
}

func encodeCounter(fs []field) []byte {
	size := 1
	for _, f := range fs {
		size += len(f.name) + 2*binary.MaxVarintLen16 + 4
	}
	b := append(make([]byte, 0, size), kindCounter)
	for _, f := range fs {
		b = binary.AppendUvarint(b, uint64(len(f.name)))
		b = append(b, f.name...)
		b = binary.AppendVarint(b, f.n)
	}
	return b
}
