package alert_test

import (
	"crypto/rand"
	"strings"
	"testing"
	"time"

	"github.com/todoku/todoku/shared/alert"
	"github.com/todoku/todoku/shared/id"
	"github.com/todoku/todoku/shared/keep"
	"github.com/todoku/todoku/shared/table"
	"github.com/todoku/todoku/shared/table/bbolt"
	"github.com/todoku/todoku/shared/table/bbolt/bbolttest"
)

// TestForgotten: of a guardian who left, an alert that is over holds neither address nor
// name nor number; of one who deleted an address and stays, the name. What was recorded
// under a family that became part of another ends with the alert, whatever the roster says.
func TestForgotten(t *testing.T) {
	now := time.Date(2026, 9, 1, 8, 0, 0, 0, time.UTC)
	clock := func() time.Time { return now }
	inner := bbolttest.Open(t, clock)
	tab := keep.Table{Table: inner}
	s := &alert.Store{Table: tab, IDs: id.NewSource(clock, rand.Reader), Now: clock}
	a, _, err := s.Accept(t.Context(), alert.Draft{School: "s", Kind: alert.Notice, Subject: "下校", Body: "下校します。", All: true, UsefulUntil: now.Add(time.Hour)}, "")
	must(t, err)
	var made []alert.Made
	for _, name := range []string{"left", "stays", "merged"} {
		made = append(made, alert.Made{Class: "1", Family: alert.Family{
			ID: name, Children: []alert.Child{{ID: "c-" + name, Class: "1", Guardians: []int{0}}},
			Guardians: []alert.Guardian{{ID: "g-" + name, Name: "name of " + name, Phones: []string{"090-" + name}}},
			Copies:    []alert.Copy{{Contact: "k-" + name, Mailbox: name + "@example.jp", Lane: "docomo", State: alert.Delivered}},
		}})
	}
	p := alert.Progress{Job: alert.FanOut, Done: true}
	must(t, s.SaveProgress(t.Context(), a, &p, alert.CreateOps(a.ID, made)...))
	must(t, alert.PutForget(t.Context(), tab, now, alert.Forget{School: "s", Family: "left", Contact: "k-left", Guardian: "g-left"}))
	must(t, alert.PutForget(t.Context(), tab, now, alert.Forget{School: "s", Family: "stays", Contact: "k-stays"}))
	now = now.Add(2 * time.Hour) // it is over
	for range 4 {
		must(t, s.ForgetDue(t.Context()))
		now = now.Add(time.Minute)
	}
	for word, want := range map[string]bool{
		"left@example.jp": false, "name of left": false, "090-left": false,
		"stays@example.jp": false, "name of stays": true, "090-stays": true, "name of merged": true,
	} {
		if got := stands(t, inner, word); got != want {
			t.Errorf("%q stands there: %v", word, got)
		}
	}
	now = a.Starts.Add(keep.Alerts + time.Hour)
	for _, word := range []string{"name of stays", "name of merged", "merged@example.jp", "下校"} {
		if stands(t, inner, word) {
			t.Errorf("%q stands there after the alert's end", word)
		}
	}
}

// stands reports whether a word stands in any item that has not expired.
func stands(t *testing.T, tab *bbolt.Table, word string) bool {
	t.Helper()
	var found []string
	must(t, tab.Walk(t.Context(), func(it table.Item) error {
		if strings.Contains(string(it.Value), word) {
			found = append(found, it.Key.String())
		}
		return nil
	}))
	return len(found) > 0
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
