package tabletest

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/todoku/todoku/shared/table"
)

// model is the port's promises as plainly as they can be said: a map, and no
// concurrency.
type model struct {
	now    func() time.Time
	items  map[table.Key]table.Item
	tokens map[string]used
}

type used struct {
	digest [32]byte
	until  time.Time
}

func newModel(now func() time.Time) *model {
	return &model{now: now, items: map[table.Key]table.Item{}, tokens: map[string]used{}}
}

// get returns the zero Item if there is none.
func (m *model) get(k table.Key) table.Item {
	it := m.items[k]
	if !it.Expires.IsZero() && !m.now().Before(it.Expires) {
		return table.Item{}
	}
	return it
}

func (m *model) contents() []table.Item {
	var all []table.Item
	for k := range m.items {
		if it := m.get(k); it.Partition != "" {
			all = append(all, it)
		}
	}
	slices.SortFunc(all, func(a, b table.Item) int {
		return cmp.Or(strings.Compare(a.Partition, b.Partition), strings.Compare(a.Sort, b.Sort))
	})
	return all
}

func (m *model) query(q table.Query) []string {
	var keys []string
	for _, it := range m.contents() {
		if it.Partition == q.Partition {
			keys = append(keys, it.Sort)
		}
	}
	return asDefined(keys, q)
}

func (m *model) write(_ context.Context, token string, ops ...table.Op) error {
	if err := table.CheckWrite(token, ops); err != nil {
		return err
	}
	u, known := m.tokens[token]
	if known && m.now().Before(u.until) {
		if u.digest != table.Digest(ops) {
			return table.ErrInvalid
		}
		return nil
	}
	var failed []int
	for i, op := range ops {
		if !m.holds(op) {
			failed = append(failed, i)
		}
	}
	if failed != nil {
		return &table.ConflictError{Ops: failed}
	}
	for _, op := range ops {
		m.apply(op)
	}
	if token != "" {
		m.tokens[token] = used{table.Digest(ops), m.now().Add(table.TokenLife)}
	}
	return nil
}

func (m *model) holds(op table.Op) bool {
	it := m.get(op.OpKey())
	absent := it.Partition == ""
	is := func(revision int64) bool { return !absent && it.Counts == nil && it.Revision == revision }
	switch op := op.(type) {
	case table.Create, table.CheckAbsent:
		return absent
	case table.Replace:
		return is(op.Revision)
	case table.Delete:
		return is(op.Revision)
	case table.Check:
		return is(op.Revision)
	case table.Add:
		for name, n := range op.Deltas {
			if it.Counts[name]+n < 0 {
				return false
			}
		}
		return absent || it.Counts != nil
	}
	return false
}

func (m *model) apply(op table.Op) {
	switch op := op.(type) {
	case table.Create:
		m.items[op.Key] = table.Item{Key: op.Key, Revision: 1, Value: op.Value, Expires: op.Expires}
	case table.Replace:
		m.items[op.Key] = table.Item{Key: op.Key, Revision: op.Revision + 1, Value: op.Value, Expires: op.Expires}
	case table.Delete:
		delete(m.items, op.Key)
	case table.Add:
		counts := maps.Clone(m.get(op.Key).Counts)
		if counts == nil {
			counts = map[string]int64{}
		}
		for name, n := range op.Deltas {
			counts[name] += n
		}
		m.items[op.Key] = table.Item{Key: op.Key, Counts: counts}
	}
}
