package table_test

import (
	"testing"
	"time"

	"github.com/todoku/todoku/shared/table"
)

// TestDigest looks for writes that are not the same and have the same digest.
func TestDigest(t *testing.T) {
	k := table.Key{Partition: "p", Sort: "s"}
	other := table.Key{Partition: "p", Sort: "t"}
	now := time.Unix(1e9, 0)
	seen := map[[32]byte]string{}
	for _, test := range []struct {
		name string
		ops  []table.Op
	}{
		{"create", []table.Op{table.Create{Key: k}}},
		{"other key", []table.Op{table.Create{Key: other}}},
		{"key cut elsewhere", []table.Op{table.Create{Key: table.Key{Partition: "ps", Sort: "s"}}}},
		{"value", []table.Op{table.Create{Key: k, Value: []byte("v")}}},
		{"expiry", []table.Op{table.Create{Key: k, Expires: now}}},
		{"other expiry", []table.Op{table.Create{Key: k, Expires: now.Add(time.Second)}}},
		{"replace", []table.Op{table.Replace{Key: k}}},
		{"replace at 1", []table.Op{table.Replace{Key: k, Revision: 1}}},
		{"replace by a value", []table.Op{table.Replace{Key: k, Revision: 1, Value: []byte("v")}}},
		{"replace, expiry", []table.Op{table.Replace{Key: k, Revision: 1, Expires: now}}},
		{"delete", []table.Op{table.Delete{Key: k}}},
		{"delete at 1", []table.Op{table.Delete{Key: k, Revision: 1}}},
		{"check", []table.Op{table.Check{Key: k}}},
		{"check at 1", []table.Op{table.Check{Key: k, Revision: 1}}},
		{"check absent", []table.Op{table.CheckAbsent{Key: k}}},
		{"add", []table.Op{table.Add{Key: k, Deltas: map[string]int64{"a": 1, "b": 2}}}},
		{"add the other way round", []table.Op{table.Add{Key: k, Deltas: map[string]int64{"a": 2, "b": 1}}}},
		{"add more", []table.Op{table.Add{Key: k, Deltas: map[string]int64{"a": 1, "b": 2, "c": 3}}}},
		{"two ops", []table.Op{table.CheckAbsent{Key: k}, table.CheckAbsent{Key: other}}},
		{"two ops the other way round", []table.Op{table.CheckAbsent{Key: other}, table.CheckAbsent{Key: k}}},
	} {
		d := table.Digest(test.ops)
		if twin, ok := seen[d]; ok {
			t.Errorf("%q and %q have the same digest", twin, test.name)
		}
		seen[d] = test.name
		for range 10 { // the order of a map must not show
			if table.Digest(test.ops) != d {
				t.Fatalf("%q has several digests", test.name)
			}
		}
	}
	jst := now.In(time.FixedZone("JST", 9*3600)).Add(time.Millisecond)
	if _, ok := seen[table.Digest([]table.Op{table.Create{Key: k, Expires: jst}})]; !ok {
		t.Error("a fraction of a second or the zone of an expiry changes the digest")
	}
}
