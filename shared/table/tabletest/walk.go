package tabletest

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/todoku/todoku/shared/table"
)

// walkItems is more than an adapter reads at a time, and walkWrite how many are written
// at once.
const (
	walkItems = 2100
	walkWrite = table.MaxOps - 1 // and the token
)

// testWalk: every item is met once, and neither tokens nor what has expired.
func testWalk(f *fixture) {
	w, ok := f.table.(table.Walker)
	if !ok {
		f.Fatal("the table is no Walker")
	}
	walk := func() (keys []string) {
		err := w.Walk(f.Context(), func(it table.Item) error {
			keys = append(keys, fmt.Sprintf("%s/%s r%d %s %v", it.Partition, it.Sort, it.Revision, it.Value, it.Counts))
			return nil
		})
		if err != nil {
			f.Fatal(err)
		}
		slices.Sort(keys)
		return keys
	}
	if got := walk(); got != nil {
		f.Errorf("an empty table has %v", got)
	}
	var want []string
	for i := 0; i < walkItems; i += walkWrite {
		var ops []table.Op
		for j := range min(walkWrite, walkItems-i) {
			k := in(fmt.Sprintf("p%d", (i+j)%7))(fmt.Sprintf("%05d", i+j))
			ops = append(ops, create(k, "v"))
			want = append(want, fmt.Sprintf("%s/%s r1 v map[]", k.Partition, k.Sort))
		}
		if err := f.table.Write(f.Context(), fmt.Sprintf("walk-%d", i), ops...); err != nil {
			f.Fatal(err)
		}
	}
	k := in("p0")
	f.write(table.Add{Key: k("counter"), Deltas: map[string]int64{"n": 3}}, table.Create{Key: k("gone"), Value: []byte("v"), Expires: f.clock.Now().Add(time.Minute)})
	f.write(table.Replace{Key: k("00000"), Revision: 1, Value: []byte("w")})
	f.clock.set(f.clock.Now().Add(time.Hour))
	want[0] = "p0/00000 r2 w map[]"
	want = append(want, "p0/counter r0  map[n:3]")
	slices.Sort(want)
	if d := cmp.Diff(want, walk()); d != "" {
		f.Errorf("-want +got:\n%s", d)
	}
	stop := errors.New("stop")
	if err := w.Walk(f.Context(), func(table.Item) error { return stop }); !errors.Is(err, stop) {
		f.Errorf("an error of the caller's: %v", err)
	}
}
