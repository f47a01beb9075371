package roster

import (
	"fmt"
	"testing"
)

func TestCutPhone(t *testing.T) {
	tests := map[string]struct{ number, remark, ext string }{
		"090-1234-5678":    {"090-1234-5678", "", ""},
		"090-1234-5678(母)": {"090-1234-5678", "母", ""},
		"０９０－１２３４－５６７８（母　携帯）": {"090-1234-5678", "母 携帯", ""},
		"(母)090-1234-5678":                {"090-1234-5678", "母", ""},
		"母：090ー1234ー5678":                 {"090ー1234ー5678", "母", ""},
		"自宅03-1111-2222":                  {"03-1111-2222", "自宅", ""},
		"自宅(03)1111-2222":                 {"(03)1111-2222", "自宅", ""},
		"Mother: +81 90-1234-5678 (work)": {"+81 90-1234-5678", "Mother: work", ""},
		"03-1234-5678 内線12":               {"03-1234-5678", "", "12"},
		"03-1234-5678（会社 内線：345）":         {"03-1234-5678", "会社", "345"},
		"03-1234-5678 ext. 7":             {"03-1234-5678", "", "7"},
		"03-1234-5678#0099":               {"03-1234-5678", "", "0099"},
		"[090-1234-5678]":                 {"[090-1234-5678", "", ""},
		"母9012345678":                     {"9012345678", "母", ""},
		// As they are, to be refused or not:
		"母":                             {"母", "", ""},
		"12345":                         {"12345", "", ""},
		"17時以降090-1234-5678":            {"17時以降090-1234-5678", "", ""},
		"a@example.jp 090-1234-5678":    {"a@example.jp 090-1234-5678", "", ""},
		"090-1234-5678 or 03-1234-5678": {"090-1234-5678 or 03-1234-5678", "", ""},
		"=1+1":                          {"=1+1", "", ""},
		"":                              {"", "", ""},
	}
	for text, want := range tests {
		t.Run(text, func(t *testing.T) {
			number, remark, ext := cutPhone(text)
			if got := (struct{ number, remark, ext string }{number, remark, ext}); got != want {
				t.Errorf("is %q, want %q", got, want)
			}
		})
	}
}

// TestPlanTakesPhonesWithRemarks: a usual remark does not refuse a row; what is lost is
// said once for all remarks, and by row for an extension.
func TestPlanTakesPhonesWithRemarks(t *testing.T) {
	words := ""
	for i, r := range []rune("アイウエオカキクケコサシ") {
		words += fmt.Sprintf("1-2,子%[1]d,090-0000-00%02[1]d（%[2]c）,c%[1]d@example.jp\n", i, r)
	}
	csv := "組,氏名,電話,メール\n" +
		"1-1,山田太郎,090-1234-5678(母)、自宅03-1111-2222,a@example.jp\n" +
		"1-1,川田花子,03-1234-5678 内線12,b@example.jp\n" +
		words +
		"1-1,海野舞,17時以降090-1234-5678,d@example.jp\n"
	s := newStore(t)
	p := plan(t, s, csv)
	wantNotes(t, "errors", []string{"16 phone “17時以降090-1234-5678” cannot be read as a phone number*"}, p.Errors)
	wantNotes(t, "warnings", []string{
		"phone Words beside phone numbers are not kept (14: 母, 自宅, *, …). Please say *",
		"3 phone Extensions are not kept. Of this phone number, only 03-1234-5678 is taken (extension 12).",
	}, p.Warnings)
	load(t, s, "組,氏名,電話,メール\n1-1,山田太郎,090-1234-5678(母)、自宅03-1111-2222,a@example.jp\n")
	if got := fmt.Sprint(families(t, s)[0].Guardians[0].Phones); got != "[090-1234-5678 03-1111-2222]" {
		t.Errorf("phones are %s", got)
	}
}

// FuzzPhone: what is read of a cell is read again as it is.
func FuzzPhone(f *testing.F) {
	for _, text := range []string{"090-1234-5678(母)", "自宅03-1111-2222", "03-1234-5678 内線12", "(03)1234-5678", "+81 (0)90-1234-5678", "9012345678 母"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		number, remark, _ := cutPhone(text)
		phone, _, err := parsePhone(number)
		if err != nil {
			return
		}
		if remark != clean(remark) {
			t.Errorf("%q has the remark %q", text, remark)
		}
		again, remark, ext := cutPhone(phone)
		if back, repaired, err := parsePhone(again); back != phone || repaired || err != nil || remark != "" || ext != "" {
			t.Errorf("%q is %q, and that is read as %q, %v, %v, with %q and %q", text, phone, back, repaired, err, remark, ext)
		}
	})
}
