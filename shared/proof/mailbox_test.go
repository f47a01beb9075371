package proof_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/todoku/todoku/shared/lane"
	"github.com/todoku/todoku/shared/problem"
	"github.com/todoku/todoku/shared/proof"
)

// TestParseMailboxes: one mailbox an operator; what is wrong is said, without the address.
func TestParseMailboxes(t *testing.T) {
	lanes, err := lane.Load(nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name, list string
		want       []proof.Mailbox
		wrong      string
	}{
		{"none", "", nil, ""},
		{"two", "Proof@docomo.ne.jp、proof@example.jp", []proof.Mailbox{{Lane: "docomo", Address: "proof@docomo.ne.jp"}, {Lane: "example.jp", Address: "proof@example.jp"}}, ""},
		{"twice the same", "proof@au.com, proof@au.com", []proof.Mailbox{{Lane: "au", Address: "proof@au.com"}}, ""},
		{"two of one operator", "secret@ezweb.ne.jp,secret@au.com", nil, "two mailboxes are at the same operator, au."},
		{"no address", "secret", nil, "There is no @ sign."},
		{"too many", strings.Join(numbered(11), ","), nil, "at most 10 mailboxes"},
		{"too long", "a@" + strings.Repeat("a", 600) + ".jp", nil, "at most 600 are possible"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := proof.ParseMailboxes(tt.list, lanes)
			if d := cmp.Diff(tt.want, got); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
			if (err != nil) != (tt.wrong != "") || err != nil && (!problem.Is(err, problem.Invalid) || !strings.Contains(err.Error(), tt.wrong) || strings.Contains(err.Error(), "secret")) {
				t.Errorf("%v, want %q", err, tt.wrong)
			}
		})
	}
}

// numbered returns mailboxes at as many operators.
func numbered(n int) (all []string) {
	for i := range n {
		all = append(all, "a@example"+string(rune('a'+i))+".jp")
	}
	return all
}
