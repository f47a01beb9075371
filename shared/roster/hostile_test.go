package roster

import (
	"fmt"
	"strings"
	"testing"

	"github.com/todoku/todoku/shared/problem"
)

// Files that are meant to hurt. What matters is that each ends, with a sentence or
// a plan: the test's own time limit finds one that does not.
func TestHostileSheets(t *testing.T) {
	const size = 128 << 10
	fill := func(s string) string { return strings.Repeat(s, size/len(s)) }
	tests := map[string]string{
		"quotes":            "組,氏名\n" + fill(`"`),
		"empty cells":       "組,氏名\n" + fill(`"",`),
		"rows":              "組,氏名\n" + fill("\n"),
		"a long name":       "組,氏名\n1-1," + fill("あ"),
		"voicing marks":     "組,氏名\n1-1," + fill("か\u3099"),
		"marks alone":       "組,氏名\n1-1,か" + fill("\u3099"),
		"a long header":     "組,氏名," + fill("保護者の") + "\n1-1,山\n",
		"digits in headers": "組,氏名," + fill("1") + "\n1-1,山\n",
		"many phones":       "組,氏名,電話\n1-1,山,\"" + fill("a,") + "\"\n",
		"good phones":       "組,氏名,電話\n1-1,山,\"" + fill("090-0000-0001,") + "\"\n",
		"many addresses":    "組,氏名,メール\n1-1,山,\"" + fill("a@example.jp ") + "\"\n",
		"many groups":       "組,氏名,部活\n1-1,山,\"" + fill("a,") + "\"\n",
		"a class":           "組,氏名\n" + fill("1-") + ",山\n",
		"one name":          "組,氏名\n" + strings.Repeat("1-1,山\n", 2_000),
		"a number each":     "組,氏名,学籍番号\n" + many(2_000, "1-1,山,%d\n"),
		"one long chain":    "組,氏名,メール\n" + chain(2_000),
		"one reading each":  "組,氏名,かな\n" + many(2_000, "1-1,山,か%d\n"),
	}
	for name, csv := range tests {
		t.Run(name, func(t *testing.T) {
			sheet, err := ReadSheet(strings.NewReader(csv), 0)
			if err == nil {
				_, err = NewPlan(t.Context(), newStore(t), testSchool, sheet, nil)
			}
			if err != nil && problem.Of(err)[0].Kind == problem.Internal {
				t.Error(err)
			}
		})
	}
}

// chain makes rows that each share an address with the next.
func chain(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "1-1,子%d,a%d@example.jp a%d@example.jp\n", i, i, i+1)
	}
	return b.String()
}
