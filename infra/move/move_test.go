package move_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/google/go-cmp/cmp"

	"github.com/todoku/todoku/infra/drill/peers"
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
			expires = time.Now().Add(time.Duration(i+1) * time.Hour)
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
	there, err := move.In(t.Context(), bytes.NewReader(out.Bytes()), cloud, false)
	must(t, err)
	if _, err := cloud.Get(t.Context(), move.KeysKey); !errors.Is(err, table.ErrNotFound) {
		t.Errorf("the keys are in the table on AWS: %v", err)
	}
	var back bytes.Buffer
	_, err = move.Out(t.Context(), cloud, keys, time.Now(), &back)
	must(t, err)
	last := oneMachine(t)
	again, err := move.In(t.Context(), bytes.NewReader(back.Bytes()), last, true)
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
	_, err = move.In(t.Context(), bytes.NewReader(out.Bytes()), full(t), true)
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
			_, err := move.In(t.Context(), bytes.NewReader(b), to, true)
			wantProblem(t, err, problem.Invalid)
			if sum, err := move.SumOf(context.Background(), to); sum.Items != 0 || err != nil {
				t.Errorf("left %v, %v", sum, err)
			}
		})
	}
}
