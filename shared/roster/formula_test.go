package roster

import (
	"strings"
	"testing"
)

// TestBrokenFormulas: what a spreadsheet puts in the place of a value is no value, in any
// column that is used.
func TestBrokenFormulas(t *testing.T) {
	for _, cell := range []string{"#N/A", "#REF!", "#VALUE!", "#NAME?", "#DIV/0!", "#NUM!", "#NULL!", "＃Ｎ／Ａ", " #n/a "} {
		if !isBrokenFormula(cell) {
			t.Errorf("%q passes for a value", cell)
		}
	}
	header := strings.Split(strings.TrimSpace(head), ",")
	for i, column := range header {
		t.Run(column, func(t *testing.T) {
			cells := strings.Split("1,2,3,S1,山田太郎,やまだたろう,山田恵,母,090-1234-5678,a@example.jp,山田学,父,090-1234-5679,b@example.jp", ",")
			cells[i] = "#N/A"
			p := plan(t, newStore(t), head+strings.Join(cells, ",")+"\n")
			if p.Children.Total() != 0 {
				t.Error("the row is taken")
			}
			wantNotes(t, "errors", []string{"2 *“#N/A” is the error of a formula. Please enter the right value, or leave the cell empty."}, p.Errors)
		})
	}
	p := plan(t, newStore(t), "組,氏名,住所,グループ,メール\n1-1,山田太郎,#N/A,#N/A,a@example.jp\n1-1,#1 号,#N/A,#1,b@example.jp\n")
	wantNotes(t, "errors", []string{"2 groups “#N/A” *"}, p.Errors)
	if p.Children.Added != 1 {
		t.Errorf("%d children of rows with an error where nothing is used", p.Children.Added)
	}
}

// TestBrokenFormulaIsNoMissingChild: a child whose row is refused is in the file.
func TestBrokenFormulaIsNoMissingChild(t *testing.T) {
	s := newStore(t)
	load(t, s, "組,氏名,メール\n1-1,山田太郎,a@example.jp\n1-1,川田花子,b@example.jp\n")
	p := plan(t, s, "組,氏名,メール\n1-1,山田太郎,#N/A\n1-1,川田花子,b@example.jp\n")
	if len(p.Missing) > 0 || p.ErrorRows() != 1 {
		t.Errorf("missing are %v, %d rows are refused", p.Missing, p.ErrorRows())
	}
}
