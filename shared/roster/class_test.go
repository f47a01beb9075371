package roster

import (
	"slices"
	"testing"
)

func TestNatural(t *testing.T) {
	want := []string{
		"", "1", "2", "9組", "10組", "10組A2", "10組A10", "99999999999999999999", // too large for a number, and no fault
		"A", "A1", "A01B", "B", "うめ組", "さくら2組", "さくら12組", "１組", // full-width digits are letters here
	}
	got := slices.Clone(want)
	slices.Reverse(got)
	slices.SortStableFunc(got, natural)
	if !slices.Equal(got, want) {
		t.Errorf("sorted as %q, want %q", got, want)
	}
}
