package table_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/todoku/todoku/shared/table"
	"github.com/todoku/todoku/shared/table/bbolt/bbolttest"
)

type note struct{ Says string }

func TestLoadAndSave(t *testing.T) {
	tab, k := bbolttest.Open(t, time.Now), table.Key{Partition: "p", Sort: "note"}
	v, revision, err := table.Load[note](t.Context(), tab, k)
	if err != nil || revision != 0 || v != (note{}) {
		t.Errorf("nothing there: %v, %d, %v", v, revision, err)
	}
	for i, says := range []string{"first", "second"} {
		if err := table.Save(t.Context(), tab, k, int64(i), note{says}); err != nil {
			t.Fatal(err)
		}
		if v, revision, err = table.Load[note](t.Context(), tab, k); err != nil || revision != int64(i+1) || v.Says != says {
			t.Errorf("%s: %v, %d, %v", says, v, revision, err)
		}
		if _, other := table.Conflict(table.Save(t.Context(), tab, k, int64(i), note{"late"})); !other {
			t.Errorf("written over %s without a conflict", says)
		}
	}
}

// TestRecall: what cannot be read is as nothing, and can be written over.
func TestRecall(t *testing.T) {
	tab, k := bbolttest.Open(t, time.Now), table.Key{Partition: "p", Sort: "note"}
	if err := tab.Write(t.Context(), "", table.Create{Key: k, Value: []byte(`{"Says": "half", "Says": 1}`)}); err != nil {
		t.Fatal(err)
	}
	if _, _, err := table.Load[note](t.Context(), tab, k); err == nil {
		t.Error("Load reads what is no note")
	}
	v, revision, err := table.Recall[note](t.Context(), tab, k)
	if err != nil || v != (note{}) || revision != 1 {
		t.Errorf("recalled %v, %d, %v", v, revision, err)
	}
	if err := table.Save(t.Context(), tab, k, revision, note{"anew"}); err != nil {
		t.Error(err)
	}
	if v, _, err = table.Recall[note](t.Context(), tab, k); err != nil || v.Says != "anew" {
		t.Errorf("recalled %v, %v", v, err)
	}
}

func TestItems(t *testing.T) {
	tab := bbolttest.Open(t, time.Now)
	for i := range 7 {
		if err := tab.Write(t.Context(), "", table.Create{Key: table.Key{Partition: "p", Sort: fmt.Sprint(i)}}); err != nil {
			t.Fatal(err)
		}
	}
	seen := ""
	for item, err := range table.Items(t.Context(), tab, table.Query{Partition: "p", Limit: 3}) {
		if err != nil {
			t.Fatal(err)
		}
		if seen += item.Sort; item.Sort == "5" {
			break
		}
	}
	if seen != "012345" {
		t.Errorf("met %s", seen)
	}
	ended, end := context.WithCancel(t.Context())
	end()
	n := 0
	for _, err := range table.Items(ended, tab, table.Query{Partition: "p"}) {
		if n++; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	}
	if n != 1 {
		t.Errorf("an error is yielded %d times", n)
	}
}
