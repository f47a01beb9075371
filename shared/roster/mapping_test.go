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
		"a column without a header":       {"組,氏名,,メール", Mapping{"#3": {Field: Phone}}, "class name phone0 mail0"},
		"one behind all headers":          {"組,氏名,メール", Mapping{"#5": {Field: Mail}}, "class name mail0 ignored mail0"},
		"a place that has a header":       {"組,氏名,メモ", Mapping{"#3": {Field: Mail}}, "class name ignored"},
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
	got := ColumnKeys([]string{"組", "氏名", " 氏　名 ", "＃電話1", "", "氏名（必須）", "※"})
	wantDiff(t, "keys", []string{"組#1", "氏名#1", "氏名#2", "電話1#1", "#5", "氏名#3", "#7"}, got)
}

// TestColumnsWithoutHeader: what a header over two columns leaves behind is not dropped
// without a word, and can be chosen.
func TestColumnsWithoutHeader(t *testing.T) {
	const csv = "組,氏名,メール,,電話,\n1-1,山田太郎,m1@example.jp,m2@example.jp,,\n1-1,川田花子,c@example.jp,,,\n"
	s := newStore(t)
	p := plan(t, s, csv)
	if p.Contacts.Added != 2 {
		t.Errorf("%d contacts", p.Contacts.Added)
	}
	wantNotes(t, "warnings", []string{"1 Column 4 has no header and is not used. To use it, give it a header or choose below what it holds."}, p.Warnings)
	sheet, err := ReadSheet(strings.NewReader(csv), 0)
	if err != nil {
		t.Fatal(err)
	}
	chosen := Mapping{"#4": {Field: Mail, Guardian: 1}}
	p, err = NewPlan(t.Context(), s, testSchool, sheet, chosen)
	if err != nil || p.Contacts.Added != 3 || len(p.Warnings) > 0 {
		t.Errorf("%d contacts, %v, %v", p.Contacts.Added, p.Warnings, err)
	}
	if err := s.SaveMapping(t.Context(), testSchool, chosen); err != nil {
		t.Fatal(err)
	}
	wantNotes(t, "warnings of the next file", []string{"1 Column 4 *"}, plan(t, s, csv).Warnings)
}
