package roster

import (
	"strings"
	"testing"
)

// TestMappingTellsColumnsApart: columns with one header are chosen each by itself; what
// was remembered by a header alone means all of them, as before.
func TestMappingTellsColumnsApart(t *testing.T) {
	tests := map[string]struct {
		header  string
		mapping Mapping
		want    string
	}{
		"the second of two":               {"組,氏名,氏名,メール", Mapping{"氏名#2": {Field: GuardianName, Guardian: 1}}, "class name guardian0 mail0"},
		"both":                            {"組,氏名,氏名,メール", Mapping{"氏名#1": {Field: GuardianName}, "氏名#2": {Field: Name}}, "class guardian0 name mail0"},
		"spelt alike":                     {"組,氏名,ﾒﾓ,メモ", Mapping{"めも#1": {Field: Phone}, "めも#2": {Field: Mail}}, "class name phone0 mail0"},
		"the third, spelt in another way": {"組,氏名,メモ,メモ,(メモ)", Mapping{"めも#3": {Field: Mail, Guardian: 2}}, "class name ignored ignored mail0"},
		"by a header of before":           {"組,氏名,メモ,メモ", Mapping{"メモ": {Field: Phone, Guardian: 1}}, "class name phone0 phone0"},
		"by both":                         {"組,氏名,メモ,メモ", Mapping{"メモ": {Field: Phone}, "めも#2": {Field: Mail}}, "class name phone0 mail0"},
		"a number is no second one":       {"組,氏名,メモ2,メモ", Mapping{"めも#2": {Field: Mail}}, "class name ignored ignored"},
		"a header with a # of before":     {"組,氏名,TEL #1", Mapping{"TEL #1": {Field: Mail}}, "class name mail0"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if err := tt.mapping.check(); err != nil {
				t.Fatal(err)
			}
			c, err := (&Sheet{Rows: []Row{{1, strings.Split(tt.header, ",")}}}).Columns(tt.mapping)
			if err != nil {
				t.Fatal(err)
			}
			if got := describe(c); got != tt.want {
				t.Errorf("columns are %q, want %q", got, tt.want)
			}
		})
	}
}

// TestMappingIsSteady: of two headers of before that are spelt alike the same one always
// counts.
func TestMappingIsSteady(t *testing.T) {
	m := Mapping{"ﾒﾓ": {Field: Phone}, "メモ": {Field: Mail}, "めも": {Field: Seat}}
	for range 50 {
		if got := m.Of([]string{"組", "メモ"}); len(got) != 1 || got[1].Field != Seat {
			t.Fatalf("is %v", got)
		}
	}
}

func TestColumnKeys(t *testing.T) {
	got := ColumnKeys([]string{"組", "氏名", " 氏　名 ", "＃電話1", "氏名（必須）"})
	wantDiff(t, "keys", []string{"組#1", "氏名#1", "氏名#2", "電話1#1", "氏名#3"}, got)
}
