package roster

import "testing"

// TestMovesAreNamed: that a known child changes its class is said once for all of them,
// and not at the turn of the year, whose preview is about nothing else.
func TestMovesAreNamed(t *testing.T) {
	const first = "組,学籍番号,氏名,メール\n"
	all := many(12, "1-1,%[1]d,子%[1]d,a%[1]d@example.jp\n")
	tests := map[string]struct {
		csv  string
		want []string
	}{
		"nobody":        {first + all, nil},
		"a new child":   {first + all + "1-2,99,新入,n@example.jp\n", nil},
		"by number":     {first + "1-2,0,子0,a0@example.jp\n" + many(12, "1-1,%[1]d,子%[1]d,a%[1]d@example.jp\n")[len("1-1,0,子0,a0@example.jp\n"):], []string{"class 1 children change their class (子0 1年1組→1年2組). Please import a list of the new school year by “Turn of the year”."}},
		"by an address": {"組,氏名,メール\n3-1,子3,a3@example.jp\n", []string{"class 1 children change their class (子3 1年1組→3年1組). *", "11 children in the roster are not in this file*"}},
		"all": {first + many(12, "2-1,%[1]d,子%[1]d,a%[1]d@example.jp\n"), []string{
			"class 12 children change their class (子0 1年1組→2年1組, 子1 1年1組→2年1組, *子9 1年1組→2年1組, …)*"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			s := newStore(t)
			load(t, s, first+all)
			wantNotes(t, "warnings", tt.want, plan(t, s, tt.csv).Warnings)
		})
	}
}
