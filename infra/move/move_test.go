package move_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/google/go-cmp/cmp"

	"github.com/todoku/todoku/infra/drill/peers"
	"github.com/todoku/todoku/infra/local/machine"
	"github.com/todoku/todoku/infra/move"
	"github.com/todoku/todoku/shared/alert"
	"github.com/todoku/todoku/shared/format"
	"github.com/todoku/todoku/shared/id"
	"github.com/todoku/todoku/shared/link"
	"github.com/todoku/todoku/shared/problem"
	"github.com/todoku/todoku/shared/table"
	"github.com/todoku/todoku/shared/table/bbolt"
	"github.com/todoku/todoku/shared/table/bbolt/bbolttest"
	"github.com/todoku/todoku/shared/table/dynamo"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func oneMachine(t *testing.T) *bbolt.Table {
	t.Helper()
	tab := bbolttest.Open(t, time.Now)
	return tab
}

func onAWS(t *testing.T, name string) *dynamo.Table {
	t.Helper()
	client := peers.DynamoClient(peers.Dynoxide(t))
	_, err := client.CreateTable(t.Context(), dynamo.Schema(name))
	must(t, err)
	must(t, dynamodb.NewTableExistsWaiter(client).Wait(t.Context(), &dynamodb.DescribeTableInput{TableName: aws.String(name)}, time.Minute))
	return dynamo.New(client, name, time.Now, id.NewSource(time.Now, rand.Reader))
}

var keys = []link.Key{{ID: 1, Secret: bytes.Repeat([]byte{7}, 32)}}

// full is a store with all that a table can hold, and keys.
func full(t *testing.T) *bbolt.Table {
	t.Helper()
	tab := oneMachine(t)
	r := mathrand.New(mathrand.NewPCG(1, 0))
	for i := range 300 {
		value := make([]byte, r.IntN(3000))
		for j := range value {
			value[j] = byte(r.Uint32())
		}
		k := table.Key{Partition: fmt.Sprintf("学校/%d", i%9), Sort: fmt.Sprintf("<%d> & \"児童\"", i)}
		var expires time.Time
		if i%5 == 0 {
			expires = time.Now().Add(time.Duration(i+2) * time.Hour)
		}
		must(t, tab.Write(t.Context(), "", table.Create{Key: k, Value: value, Expires: expires}))
		if i%3 == 0 {
			must(t, tab.Write(t.Context(), "", table.Replace{Key: k, Revision: 1, Value: append(value, 'x'), Expires: expires}))
		}
	}
	must(t, tab.Write(t.Context(), "", table.Create{Key: table.Key{Partition: "large", Sort: "one"}, Value: bytes.Repeat([]byte("x"), 389<<10)}))
	for i := range 3 {
		deltas := map[string]int64{}
		for j := range table.MaxCounts {
			deltas[fmt.Sprintf("field %d-%d", i, j)] = r.Int64N(1000)
		}
		must(t, tab.Write(t.Context(), "", table.Add{Key: table.Key{Partition: "counters", Sort: "wide"}, Deltas: deltas}))
	}
	must(t, tab.Write(t.Context(), "", table.Create{Key: move.KeysKey, Value: []byte(`[{"ID":1,"Secret":"BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc="}]`)}))
	return tab
}

// TestThere goes from one machine to AWS and back, and finds the same.
func TestThere(t *testing.T) {
	first := full(t)
	var out bytes.Buffer
	began, err := move.Out(t.Context(), first, nil, time.Now(), &out)
	must(t, err)
	if began.Items != 302 {
		t.Errorf("%v", began)
	}
	_, held, err := move.Check(bytes.NewReader(out.Bytes()))
	must(t, err)
	if d := cmp.Diff(keys, held); d != "" {
		t.Errorf("keys (-want +got):\n%s", d)
	}

	cloud := onAWS(t, "moved")
	there, err := move.In(t.Context(), bytes.NewReader(out.Bytes()), cloud, false, time.Now)
	must(t, err)
	if _, err := cloud.Get(t.Context(), move.KeysKey); !errors.Is(err, table.ErrNotFound) {
		t.Errorf("the keys are in the table on AWS: %v", err)
	}
	var back bytes.Buffer
	_, err = move.Out(t.Context(), cloud, keys, time.Now(), &back)
	must(t, err)
	last := oneMachine(t)
	again, err := move.In(t.Context(), bytes.NewReader(back.Bytes()), last, true, time.Now)
	must(t, err)
	t.Logf("one machine %v, AWS %v, one machine %v", began, there, again)
	if began != there || there != again {
		t.Error("the sums differ")
	}
	if d := cmp.Diff(contents(t, first), contents(t, last)); d != "" {
		t.Errorf("what was moved (-want +got):\n%s", d)
	}
}

// contents are the items but for their revisions.
func contents(t *testing.T, w table.Walker) map[table.Key]table.Item {
	t.Helper()
	all := map[table.Key]table.Item{}
	must(t, w.Walk(t.Context(), func(it table.Item) error {
		it.Revision = 0
		if len(it.Value) == 0 {
			it.Value = nil
		}
		if it.Key == move.KeysKey {
			it.Value = nil // the same keys, written otherwise
		}
		if it.Key != format.Key {
			all[it.Key] = it
		}
		return nil
	}))
	return all
}

func wantProblem(t *testing.T, err error, kind problem.Kind) {
	t.Helper()
	var p *problem.Error
	if !errors.As(err, &p) || p.Kind != kind {
		t.Errorf("error %v, want one of kind %v", err, kind)
	}
}

func TestOutRefusesWhileAnAlertIsOpen(t *testing.T) {
	tab := oneMachine(t)
	alerts := &alert.Store{Table: tab, IDs: id.NewSource(time.Now, rand.Reader), Now: time.Now}
	_, _, err := alerts.Accept(t.Context(), alert.Draft{School: "s", Kind: alert.Safety, Subject: "台風", Body: "回答してください。", All: true, UsefulUntil: time.Now().Add(time.Hour)}, "")
	must(t, err)
	_, err = move.Out(t.Context(), tab, nil, time.Now(), &bytes.Buffer{})
	wantProblem(t, err, problem.Conflict)
}

func TestInRefuses(t *testing.T) {
	var out bytes.Buffer
	_, err := move.Out(t.Context(), full(t), nil, time.Now(), &out)
	must(t, err)
	_, err = move.In(t.Context(), bytes.NewReader(out.Bytes()), full(t), true, time.Now)
	wantProblem(t, err, problem.Conflict)

	whole := out.Bytes()
	files := map[string][]byte{"empty": nil, "something else": []byte("PK\x03\x04")}
	for i := 1; i < 12; i++ {
		n := len(whole) * i / 12
		files[fmt.Sprintf("cut off at %d", n)] = whole[:n]
		flipped := bytes.Clone(whole)
		flipped[n] ^= 16
		files[fmt.Sprintf("a bit is wrong at %d", n)] = flipped
	}
	for what, b := range files {
		t.Run(what, func(t *testing.T) {
			to := oneMachine(t)
			_, err := move.In(t.Context(), bytes.NewReader(b), to, true, time.Now)
			wantProblem(t, err, problem.Invalid)
			if left := contents(t, to); len(left) > 0 {
				t.Errorf("left %v", left)
			}
		})
	}
}

// exported returns the file that a store is written to.
func exported(t *testing.T, from format.Store, now time.Time) ([]byte, move.Sum) {
	t.Helper()
	var out bytes.Buffer
	sum, err := move.Out(t.Context(), from, nil, now, &out)
	must(t, err)
	return out.Bytes(), sum
}

// TestInGoesOn cuts an import off at each of its writes, and gives it again.
func TestInGoesOn(t *testing.T) {
	first := full(t)
	must(t, first.Write(t.Context(), "", table.Create{Key: table.Key{Partition: "schools", Sort: "s"}, Value: []byte("{}")}))
	file, sum := exported(t, first, time.Now())
	another, _ := exported(t, oneMachine(t), time.Now())
	goesOn := func(to format.Store, n int) bool {
		_, err := move.In(t.Context(), bytes.NewReader(file), &cut{Store: to, left: n}, true, time.Now)
		if err == nil {
			t.Logf("an import is %d writes", n)
			return false
		}
		if !errors.Is(err, errCut) {
			t.Fatalf("cut off at %d: %v", n, err)
		}
		if n > 0 {
			_, err = move.In(t.Context(), bytes.NewReader(another), to, true, time.Now)
			wantProblem(t, err, problem.Conflict)
		}
		got, err := move.In(t.Context(), bytes.NewReader(file), to, true, time.Now)
		if err != nil || got != sum {
			t.Fatalf("again after %d: %v, %v, want %v", n, got, err, sum)
		}
		if _, there := exported(t, to, time.Now()); there != sum {
			t.Fatalf("again after %d: there is %v, want %v", n, there, sum)
		}
		return true
	}
	n := 0
	for goesOn(oneMachine(t), n) {
		n++
	}
	goesOn(onAWS(t, "goes-on"), 6)
}

// TestInLater imports when something of the file has ended, and something ends meanwhile.
func TestInLater(t *testing.T) {
	now := time.Now()
	clock := func() time.Time { return now }
	from, to := bbolttest.Open(t, clock), bbolttest.Open(t, clock)
	for name, life := range map[string]time.Duration{"never": 0, "minutes": time.Minute, "hours": 3 * time.Hour, "meanwhile": 26 * time.Hour, "days": 72 * time.Hour} {
		op := table.Create{Key: table.Key{Partition: "p", Sort: name}}
		if life > 0 {
			op.Expires = now.Add(life)
		}
		must(t, from.Write(t.Context(), "", op))
	}
	for _, own := range []string{"dead", "dead/again", "proof", "probe/p", "limit/mail/m", "account"} {
		must(t, from.Write(t.Context(), "", table.Create{Key: table.Key{Partition: own, Sort: "s"}}))
	}
	file, sum := exported(t, from, now)
	if sum.Items != 4 {
		t.Errorf("exported %v, and what lives minutes or is of the place with it", sum)
	}
	now = now.Add(24 * time.Hour)
	hours := func() { now = now.Add(5 * time.Hour) }
	got, err := move.In(t.Context(), bytes.NewReader(file), &cut{Store: to, left: 100, other: hours}, true, clock)
	if err != nil || got != sum {
		t.Errorf("%v, %v, want %v", got, err, sum)
	}
	for key := range contents(t, to) {
		if key.Sort != "never" && key.Sort != "days" {
			t.Errorf("%s is there", key)
		}
	}
}

// clocked is a store whose clock runs before each write.
type clocked struct {
	format.Store
	tick func() error
}

func (c clocked) Write(ctx context.Context, token string, ops ...table.Op) error {
	if err := c.tick(); err != nil {
		return err
	}
	return c.Store.Write(ctx, token, ops...)
}

// TestInWhileTheClockRuns puts a school into a place whose clock has run, and runs.
func TestInWhileTheClockRuns(t *testing.T) {
	began, passed := time.Now(), atomic.Int64{} // the machines read the clock meanwhile
	now := func() time.Time { return began.Add(time.Duration(passed.Load())) }
	open := func() *machine.Machine {
		m, err := machine.New(machine.Config{Addr: "127.0.0.1:0", Data: t.TempDir(), Now: now, Proof: machine.Proof{Every: time.Hour}})
		must(t, err)
		t.Cleanup(func() { _ = m.Close() })
		return m
	}
	first, next := open(), open()
	_, err := first.FoundDemo(t.Context())
	must(t, err)
	tick := func() error {
		passed.Add(int64(time.Minute))
		return next.Tick(t.Context())
	}
	must(t, first.Tick(t.Context()))
	for range 5 {
		must(t, tick())
	}
	must(t, next.Table.CheckHealth(t.Context()))
	must(t, next.Table.Write(t.Context(), "", table.Delete{Key: move.KeysKey, Revision: revision(t, next.Table, move.KeysKey)})) // AWS has none there
	file, sum := exported(t, first.Table, now())
	got, err := move.In(t.Context(), bytes.NewReader(file), clocked{next.Table, tick}, false, now)
	if err != nil || got != sum {
		t.Fatalf("%v, %v, want %v", got, err, sum)
	}
	there := contents(t, next.Table) // and what the clock has made of the school, after it came
	for key, it := range contents(t, first.Table) {
		if moved := key.Partition != "doctor" && key.Partition != "enrol/recheck" && key != move.KeysKey; moved && !cmp.Equal(it, there[key]) {
			t.Errorf("%s is %v, was %v", key, there[key], it)
		}
	}
}
