package table_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
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

// TestReadNamesNoKey: a key may be an address, and errors are logged.
func TestReadNamesNoKey(t *testing.T) {
	tab, k := bbolttest.Open(t, time.Now), table.Key{Partition: "p", Sort: "taro@example.jp"}
	missing := errors.New("no note")
	var v note
	if _, err := table.Read(t.Context(), tab, k, &v, missing); !errors.Is(err, missing) {
		t.Errorf("nothing there: %v", err)
	}
	for says, bad := range map[string]bool{`{"Says": "read"}`: false, `{"Says": 1}`: true} {
		if err := table.Set(t.Context(), tab, table.Item{Key: k, Value: []byte(says)}); err != nil {
			t.Fatal(err)
		}
		revision, err := table.Read(t.Context(), tab, k, &v, missing)
		switch {
		case !bad && (err != nil || revision == 0 || v.Says != "read"):
			t.Errorf("%s: %v, %d, %v", says, v, revision, err)
		case bad && (err == nil || !strings.Contains(err.Error(), "*table_test.note") || strings.Contains(err.Error(), "taro")):
			t.Errorf("%s: %v", says, err)
		}
	}
}

// TestAgain has many change one record at once, which is why anybody begins anew.
func TestAgain(t *testing.T) {
	tab, k := bbolttest.Open(t, time.Now), table.Key{Partition: "p", Sort: "note"}
	const people = 20
	var all sync.WaitGroup
	for range people {
		all.Go(func() {
			err := table.Again(func() error {
				v, revision, err := table.Load[note](t.Context(), tab, k)
				if err != nil {
					return err
				}
				return table.Save(t.Context(), tab, k, revision, note{v.Says + "."})
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if v, _, err := table.Load[note](t.Context(), tab, k); err != nil || len(v.Says) != people {
		t.Errorf("%d of %d changes, %v", len(v.Says), people, err)
	}
}

func TestAgainEnds(t *testing.T) {
	lost := &table.ConflictError{Ops: []int{0}}
	if err := table.Again(func() error { return lost }); !errors.Is(err, table.ErrBusy) {
		t.Errorf("who loses every time hears %v", err)
	}
	other, n := errors.New("other"), 0
	err := table.Again(func() error {
		if n++; n < 3 {
			return lost
		}
		return other
	})
	if n != 3 || !errors.Is(err, other) {
		t.Errorf("%d tries, %v", n, err)
	}
}

// TestSet: the last one wins, whatever was there.
func TestSet(t *testing.T) {
	tab, k := bbolttest.Open(t, time.Now), table.Key{Partition: "p", Sort: "note"}
	for _, says := range []string{"first", "second"} {
		if err := table.Set(t.Context(), tab, table.Item{Key: k, Value: table.Encode(note{says})}); err != nil {
			t.Fatal(err)
		}
		if v, _, err := table.Load[note](t.Context(), tab, k); err != nil || v.Says != says {
			t.Errorf("%v, %v", v, err)
		}
	}
}

func TestIgnoreConflict(t *testing.T) {
	tab, k := bbolttest.Open(t, time.Now), table.Key{Partition: "p", Sort: "note"}
	for range 2 {
		if err := table.IgnoreConflict(tab.Write(t.Context(), "", table.Create{Key: k})); err != nil {
			t.Error(err)
		}
	}
	if err := table.IgnoreConflict(fmt.Errorf("write: %w", table.ErrBusy)); !errors.Is(err, table.ErrBusy) {
		t.Errorf("a busy store is not ignored: %v", err)
	}
}
