package tabletest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/todoku/todoku/shared/table"
)

// orderedSorts are sort keys in the order of their bytes. Stores that compare
// UTF-16, fold case, trim, normalise or collate put some of them elsewhere.
var orderedSorts = []string{
	"\x01", "\x01\x01", "\x01a", "\t", "\n", " ", "  ", "!", "#", "/", "0", "00", "01", "1", "10", "2",
	"A", "Z", "a", "a\x01", "a\x01b", "a ", "a!", "a/", "a/1", "a0", "aA", "aa", "aa\x7f", "ab", "a\x7f", "a\u0080",
	"a\u00ff", "aあ", "a\uffff", "a\U0010ffff", "b", "e\u0301", "z", "\x7f", "\x7f\x7f", "\u0080", "é",
	"あ", "ア", "亜", "語", "\ue000", "Ａ", "ａ", "ｱ", "\ufffd", "\uffff", "\U00010000", "😀", "😀😀", "😁", "\U0010ffff",
}

func testKeyOrder(f *fixture) {
	p := f.partition()
	if !slices.IsSorted(orderedSorts) {
		f.Fatal("the test's own keys are not in order")
	}
	rnd := newRand(f)
	for _, i := range rnd.Perm(len(orderedSorts)) {
		f.write(create(in(p)(orderedSorts[i]), orderedSorts[i]))
	}
	for _, limit := range []int{0, 7} {
		got := sorts(f.all(table.Query{Partition: p, Limit: limit}))
		if diff := cmp.Diff(orderedSorts, got); diff != "" {
			f.Errorf("order with limit %d (-want +got):\n%s", limit, diff)
		}
		got = sorts(f.all(table.Query{Partition: p, Limit: limit, Reverse: true}))
		slices.Reverse(got)
		if diff := cmp.Diff(orderedSorts, got); diff != "" {
			f.Errorf("descending order with limit %d, turned round (-want +got):\n%s", limit, diff)
		}
	}
}

// testKeysApart writes items whose keys a careless encoding would take for each
// other.
func testKeysApart(f *fixture) {
	keys := []table.Key{
		{Partition: "a", Sort: "bc"}, {Partition: "ab", Sort: "c"}, {Partition: "a", Sort: "b"}, {Partition: "a", Sort: "\x01b"},
		{Partition: "a\x01", Sort: "b"}, {Partition: "a ", Sort: "b"}, {Partition: "a b", Sort: "c"}, {Partition: "a/b", Sort: "c"}, {Partition: "a", Sort: "b/c"},
		{Partition: "A", Sort: "b"}, {Partition: "a", Sort: "B"}, {Partition: "é", Sort: "é"}, {Partition: "e\u0301", Sort: "e\u0301"},
		{Partition: "é", Sort: "e\u0301"}, {Partition: "a", Sort: "#"}, {Partition: "a#", Sort: "#"}, {Partition: "1", Sort: "1"}, {Partition: "01", Sort: "1"},
	}
	count := map[string]int{}
	for _, k := range keys {
		f.write(create(k, k.String()))
		count[k.Partition]++
	}
	for _, k := range keys {
		f.want(record(k, 1, k.String()))
		if got := len(f.all(table.Query{Partition: k.Partition})); got != count[k.Partition] {
			f.Errorf("partition %q holds %d items, want %d", k.Partition, got, count[k.Partition])
		}
	}
}

func filler(n int) string { return strings.Repeat("x", n) }

// testLargest writes what just fits, and empty values.
func testLargest(f *fixture) {
	p := f.partition()
	longest := table.Key{Partition: filler(table.MaxPartitionBytes), Sort: filler(table.MaxSortBytes)}
	f.write(create(longest, "at the longest key"))
	f.want(record(longest, 1, "at the longest key"))
	longestKana := table.Key{Partition: p, Sort: strings.Repeat("届", table.MaxSortBytes/3)}
	f.write(create(longestKana, "kana"))
	f.want(record(longestKana, 1, "kana"))

	big := table.Key{Partition: p, Sort: "big"}
	value := randomBytes(table.MaxItemBytes - len(big.Partition) - len(big.Sort))
	f.write(create(big, string(value)))
	f.want(record(big, 1, string(value)))
	slices.Reverse(value)
	f.write(table.Replace{Key: big, Revision: 1, Value: value})
	f.want(record(big, 2, string(value)))

	empty := table.Key{Partition: p, Sort: "empty"}
	f.write(table.Create{Key: empty, Value: []byte{}})
	f.want(record(empty, 1, ""))

	deltas := map[string]int64{}
	for i := range table.MaxCounts {
		deltas[filler(table.MaxFieldBytes-2)+fmt.Sprintf("%02d", i)] = table.MaxDelta
	}
	f.write(table.Add{Key: in(p)("counter"), Deltas: deltas})
	f.want(counter(in(p)("counter"), deltas))

	whole := exactWrite(f.partition(), table.MaxOps, table.MaxWriteBytes)
	f.write(whole...)
	if got := len(f.contents(whole[0].OpKey().Partition)); got != table.MaxOps {
		f.Errorf("%d items of the largest write", got)
	}
}

// exactWrite returns n ops of size bytes together.
func exactWrite(partition string, n, size int) []table.Op {
	ops := make([]table.Op, n)
	for i := range ops {
		k := in(partition)(fmt.Sprintf("%03d", i))
		share := size / (len(ops) - i)
		ops[i] = create(k, filler(share-len(k.Partition)-len(k.Sort)))
		size -= share
	}
	return ops
}

// randomBytes returns n bytes that hold every value of a byte.
func randomBytes(n int) []byte {
	rnd := rand.New(rand.NewPCG(1, 2))
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i)
		if i >= 256 {
			b[i] = byte(rnd.Uint32())
		}
	}
	return b
}

// testLimits goes one beyond each limit, in the last op of a write that is good
// otherwise.
func testLimits(f *fixture) {
	p := f.partition()
	k := in(p)
	good, bad := create(k("good"), "good"), k("bad")
	for _, test := range []struct {
		name  string
		token string
		ops   []table.Op
	}{
		{"no partition", "", []table.Op{create(table.Key{Sort: "a"}, "")}},
		{"no sort key", "", []table.Op{create(k(""), "")}},
		{"long partition", "", []table.Op{create(in(filler(table.MaxPartitionBytes+1))("a"), "")}},
		{"long sort key", "", []table.Op{create(k(filler(table.MaxSortBytes+1)), "")}},
		{"NUL in a partition", "", []table.Op{create(in("a\x00")("a"), "")}},
		{"NUL in a sort key", "", []table.Op{create(k("a\x00b"), "")}},
		{"partition is not UTF-8", "", []table.Op{create(in("a\xff")("a"), "")}},
		{"sort key is not UTF-8", "", []table.Op{create(k("a\xff"), "")}},
		{"surrogate in a sort key", "", []table.Op{table.CheckAbsent{Key: k("\xed\xa0\x80")}}},
		{"sort key of Delete", "", []table.Op{table.Delete{Key: k(""), Revision: 1}}},
		{"sort key of Check", "", []table.Op{table.Check{Key: k(""), Revision: 1}}},
		{"sort key of Add", "", []table.Op{table.Add{Key: k(""), Deltas: map[string]int64{"n": 1}}}},
		{"large item created", "", []table.Op{create(bad, filler(table.MaxItemBytes+1-len(p)-len(bad.Sort)))}},
		{"large item replaced", "", []table.Op{table.Replace{Key: k("old"), Revision: 1, Value: []byte(filler(table.MaxItemBytes + 1 - len(p) - len("old")))}}},
		{"too many ops", "", exactWrite(p, table.MaxOps, 1<<20)},
		{"too many ops with the token", "token", exactWrite(p, table.MaxOps-1, 1<<20)},
		{"too many bytes", "", exactWrite(p, table.MaxOps-1, table.MaxWriteBytes+1-table.Size(good))},
		{"same key twice", "", []table.Op{create(bad, "1"), table.CheckAbsent{Key: bad}}},
		{"long token", filler(table.MaxTokenBytes + 1), []table.Op{create(bad, "")}},
		{"token is not UTF-8", "\xff", []table.Op{create(bad, "")}},
		{"no fields", "", []table.Op{table.Add{Key: bad}}},
		{"too many fields", "", []table.Op{table.Add{Key: bad, Deltas: fieldsNamed("%d", table.MaxCounts+1)}}},
		{"field without a name", "", []table.Op{table.Add{Key: bad, Deltas: map[string]int64{"": 1}}}},
		{"long name of a field", "", []table.Op{table.Add{Key: bad, Deltas: fieldsNamed(filler(table.MaxFieldBytes)+"%d", 1)}}},
		{"NUL in the name of a field", "", []table.Op{table.Add{Key: bad, Deltas: map[string]int64{"a\x00": 1}}}},
		{"name of a field is not UTF-8", "", []table.Op{table.Add{Key: bad, Deltas: map[string]int64{"\xff": 1}}}},
		{"large delta", "", []table.Op{table.Add{Key: bad, Deltas: map[string]int64{"n": table.MaxDelta + 1}}}},
		{"small delta", "", []table.Op{table.Add{Key: bad, Deltas: map[string]int64{"n": -table.MaxDelta - 1}}}},
		{"expiry in 1969", "", []table.Op{table.Create{Key: bad, Expires: time.Unix(-1, 0)}}},
		{"expiry in the year 10000", "", []table.Op{table.Create{Key: bad, Expires: time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)}}},
		{"a key is no op", "", []table.Op{bad}},
		{"a pointer is no op", "", []table.Op{&table.Create{Key: bad}}},
		{"nil is no op", "", []table.Op{nil}},
	} {
		ops := append([]table.Op{good}, test.ops...)
		if err := f.table.Write(f.Context(), test.token, ops...); !errors.Is(err, table.ErrInvalid) {
			f.Errorf("%s: Write = %v, want ErrInvalid", test.name, err)
		}
		f.wantContents(nil, p)
	}
	if err := f.table.Write(f.Context(), ""); !errors.Is(err, table.ErrInvalid) {
		f.Errorf("Write of no ops = %v, want ErrInvalid", err)
	}
}

func fieldsNamed(format string, n int) map[string]int64 {
	m := map[string]int64{}
	for i := range n {
		m[fmt.Sprintf(format, i)] = 1
	}
	return m
}
