package enrol_test

import (
	"strings"
	"testing"
	"time"

	"github.com/todoku/todoku/shared/enrol"
	"github.com/todoku/todoku/shared/roster"
	"github.com/todoku/todoku/shared/table"
)

// TestEndTurns: of a child who left nothing is left when the time is over, and nothing
// goes before.
func TestEndTurns(t *testing.T) {
	b := newBench(t)
	leaves := b.codes(b.other)[0]
	cards, err := b.store.IssueCards(t.Context(), "s1", []enrol.ChildRef{{Family: b.other.ID, Child: b.other.Children[0].ID}}, false)
	b.must(err)
	j := b.register("leaver@gmail.com", "去る 人", leaves)
	if _, err := b.store.Confirm(t.Context(), "s1", j.ID); err != nil {
		t.Fatal(err)
	}
	until := b.now.Add(30 * 24 * time.Hour)
	sheet, err := roster.ReadSheet(strings.NewReader("組,氏名\nc9,見本 一郎\nc9,見本 二葉\n"), 0)
	b.must(err)
	turn := roster.Turn{ID: b.store.IDs.New(), Until: until, Confirmed: true, Leave: []string{b.other.Children[0].ID}}
	plan, err := roster.NewTurn(t.Context(), b.store.Roster, "s1", sheet, nil, turn)
	b.must(err)
	b.must(plan.Commit(t.Context(), nil))
	if _, err := b.store.Roster.FindByAddress(t.Context(), "s1", "leaver@gmail.com"); err == nil {
		t.Fatal("who left is still in the roster")
	}
	left := func() map[string]int {
		n := map[string]int{}
		for _, part := range []string{"school/s1/turn/" + turn.ID, "school/s1/codes", "school/s1/joins", "school/s1/cards", "card/" + cards[0].Code, "school/s1/asked", "roster/turns"} {
			page, err := b.store.Table.Query(t.Context(), table.Query{Partition: part})
			b.must(err)
			n[part] = len(page.Items)
		}
		return n
	}
	b.must(b.store.EndTurns(t.Context()))
	before := left()
	if before["school/s1/joins"] != 1 || before["school/s1/cards"] != 1 || before["card/"+cards[0].Code] != 1 || before["school/s1/turn/"+turn.ID] == 0 {
		t.Fatalf("before the time: %v", before)
	}
	b.now = until.Add(time.Hour)
	for range 3 {
		b.must(b.store.EndTurns(t.Context()))
	}
	after := left()
	for part, n := range after {
		if n > 0 && part != "school/s1/codes" {
			t.Errorf("%s: %d items are left", part, n)
		}
	}
	if _, err := b.store.Pass(t.Context(), leaves); err == nil {
		t.Error("the code of who left still works")
	}
}
