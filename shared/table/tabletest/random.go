package tabletest

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/todoku/todoku/shared/table"
)

// seedVariable repeats a run: it holds the seed that a test has logged.
const seedVariable = "TABLETEST_SEED"

func newRand(f *fixture) *rand.Rand {
	f.Helper()
	seed := rand.Uint64()
	if s := os.Getenv(seedVariable); s != "" {
		var err error
		if seed, err = strconv.ParseUint(s, 10, 64); err != nil {
			f.Fatalf("%s: %v", seedVariable, err)
		}
	}
	f.Logf("repeat with %s=%d", seedVariable, seed)
	return rand.New(rand.NewPCG(seed, 0))
}

// testRandomOps does the same random things to the table and to the model.
func testRandomOps(f *fixture) {
	const steps = 800
	g := &generator{Rand: newRand(f), model: newModel(f.clock.Now)}
	succeeded := 0
	for i := range steps {
		switch g.IntN(10) {
		case 0:
			f.clock.advance(time.Duration(g.IntN(3000)) * time.Millisecond)
		case 1:
			q := g.query()
			if diff := cmp.Diff(g.model.query(q), sorts(f.all(q))); diff != "" {
				f.Fatalf("step %d: Query(%+v) (-want +got):\n%s", i, q, diff)
			}
		default:
			token, ops := g.write()
			want := g.model.write(f.Context(), token, ops...)
			got := f.table.Write(f.Context(), token, ops...)
			if !checkOutcome(f, fmt.Sprintf("step %d: Write(%q, %s)", i, token, describe(ops)), got, want) {
				f.FailNow()
			}
			if want == nil {
				succeeded++
			}
		}
		if i%10 == 0 || i == steps-1 {
			f.wantContents(g.model.contents(), randomPartitions...)
		}
		if f.Failed() {
			f.Fatalf("step %d", i)
		}
	}
	if n := len(g.history); succeeded < n/4 || succeeded > n*9/10 {
		f.Errorf("%d of %d writes succeeded, so that the test says little", succeeded, n)
	}
}

var (
	randomPartitions = []string{"p", "p0", "語"}
	randomSorts      = []string{"a", "a\x01", "ab", "b", "語", "😀", "\uffff"}
	randomFields     = []string{"x", "y", "z"}
)

// generator makes writes of which about half can succeed, by looking at the model.
type generator struct {
	*rand.Rand
	model   *model
	history []past
}

type past struct {
	token string
	ops   []table.Op
}

func pick[T any](g *generator, from []T) T { return from[g.IntN(len(from))] }

func (g *generator) query() table.Query {
	q := table.Query{Partition: pick(g, randomPartitions), Limit: g.IntN(5), Reverse: g.IntN(2) == 0}
	if g.IntN(2) == 0 {
		q.Prefix = pick(g, randomSorts)
	}
	if g.IntN(2) == 0 {
		q.After = pick(g, randomSorts)
	}
	return q
}

// write makes a new write, or repeats one with its token, or uses its token for
// another.
func (g *generator) write() (token string, ops []table.Op) {
	p := past{ops: g.ops()}
	if g.IntN(3) == 0 {
		p.token = fmt.Sprintf("token-%d", len(g.history))
	}
	if len(g.history) > 0 && g.IntN(8) == 0 {
		old := g.history[len(g.history)-1-g.IntN(min(len(g.history), 10))]
		p.token = old.token
		if g.IntN(4) > 0 {
			p.ops = old.ops
		}
	}
	g.history = append(g.history, p)
	return p.token, p.ops
}

func (g *generator) ops() []table.Op {
	var ops []table.Op
	taken := map[table.Key]bool{}
	for range 1 + g.IntN(4) {
		k := table.Key{Partition: pick(g, randomPartitions), Sort: pick(g, randomSorts)}
		if !taken[k] {
			taken[k] = true
			ops = append(ops, g.op(k))
		}
	}
	return ops
}

// op makes one that succeeds more often than not.
func (g *generator) op(k table.Key) table.Op {
	it := g.model.get(k)
	if g.IntN(5) == 0 {
		it = pick(g, []table.Item{{}, record(k, it.Revision+1, ""), record(k, 1, ""), counter(k, map[string]int64{})})
	}
	value := []byte(fmt.Sprint(g.IntN(1e6)))
	switch {
	case it.Partition == "" && g.IntN(3) == 0:
		return table.CheckAbsent{Key: k}
	case it.Partition == "" && g.IntN(6) > 0:
		return table.Create{Key: k, Value: value, Expires: g.expiry()}
	case it.Partition == "" || it.Counts != nil:
		return table.Add{Key: k, Deltas: g.deltas()}
	}
	return pick(g, []table.Op{
		table.Replace{Key: k, Revision: it.Revision, Value: value, Expires: g.expiry()},
		table.Delete{Key: k, Revision: it.Revision},
		table.Check{Key: k, Revision: it.Revision},
	})
}

func (g *generator) expiry() time.Time {
	if g.IntN(2) == 0 {
		return time.Time{}
	}
	return g.model.now().Truncate(time.Second).Add(time.Duration(g.IntN(8)) * time.Second)
}

func (g *generator) deltas() map[string]int64 {
	d := map[string]int64{}
	for range 1 + g.IntN(3) {
		d[pick(g, randomFields)] = int64(g.IntN(20) - 4)
	}
	return d
}
