package roster

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/todoku/todoku/shared/lang"
	"github.com/todoku/todoku/shared/problem"
)

const head = "学年,組,出席番号,学籍番号,氏名,ふりがな,保護者1,続柄1,電話1,メール1,保護者2,続柄2,電話2,メール2\n"

// The numbers are children, guardians and contacts in the good rows.
func TestPlan(t *testing.T) {
	tests := map[string]struct {
		csv                           string
		children, guardians, contacts int
		errors, warnings              []string
	}{
		"a child": {csv: head + "1,2,3,S1,山田太郎,やまだたろう,山田恵,母,090-1234-5678,megumi@example.jp\n",
			children: 1, guardians: 1, contacts: 1},
		"several addresses in a cell": {csv: "組,氏名,メール\n1-1,山田太郎,\"a@example.jp、b@example.jp\nc@example.jp\"\n",
			children: 1, guardians: 1, contacts: 3},
		"as people paste them": {csv: "組,氏名,メール\n1-1,山田太郎,山田恵 ＜ｍｅｇｕｍｉ＠ｄｏｃｏｍｏ．ｎｅ．ｊｐ＞。\n",
			children: 1, guardians: 1, contacts: 1},
		"two guardians": {csv: head + "1,1,,,山田太郎,,山田恵,母,,a@example.jp,山田学,父,,b@example.jp\n",
			children: 1, guardians: 2, contacts: 2},
		"siblings by address": {csv: "組,氏名,メール\n1-1,山田太郎,a@example.jp\n3-1,山田花子,A@example.jp\n",
			children: 2, guardians: 1, contacts: 1},
		"siblings by guardian and phone": {csv: "組,氏名,保護者,電話,メール\n1-1,山田太郎,山田恵,090-1234-5678,a@example.jp\n3-1,山田花子,山田　恵,09012345678,b@example.jp\n",
			children: 2, guardians: 1, contacts: 2},
		"a phone alone joins nobody": {csv: "組,氏名,電話,メール\n1-1,山田太郎,090-1234-5678,a@example.jp\n3-1,川田花子,09012345678,b@example.jp\n",
			children: 2, guardians: 2, contacts: 2},
		"one row for each guardian": {csv: "組,氏名,保護者,メール\n1-1,山田太郎,山田恵,a@example.jp\n1-1,山田太郎,山田学,b@example.jp\n",
			children: 1, guardians: 2, contacts: 2, warnings: []string{"3 name “山田太郎” is in row 2, too. The rows are taken together."}},
		"the same words for nothing": {csv: "組,氏名,電話,メール\n1-1,山田太郎,なし,－\n",
			children: 1, warnings: []string{"2 mail “山田太郎” has no mail address. Alerts cannot reach this child's guardians by mail; the child is listed for phoning."}},
		"a student's own address": {csv: "組,氏名,生徒メール\n1-1,山田太郎,taro@example.jp\n", children: 1, guardians: 1, contacts: 1},
		"a surname of the child":  {csv: "組,児童姓,児童名,メール\n1-1,山田,太郎,a@example.jp\n1-1,佐藤,太郎,b@example.jp\n", children: 2, guardians: 2, contacts: 2},
		"unknown columns": {csv: "組,氏名,住所,メール\n1-1,山田太郎,東京都,a@example.jp\n", children: 1, guardians: 1, contacts: 1,
			warnings: []string{"1 Column “住所” is not used."}},
		"a typing error": {csv: "組,氏名,メール\n1-1,山田太郎,a@docomo.ne.jo\n", children: 1, guardians: 1, contacts: 1,
			warnings: []string{"2 mail a@docomo.ne.jo: *@docomo.ne.jp*"}},
		"a role": {csv: "組,氏名,メール\n1-1,山田太郎,info@example.jp\n", children: 1, guardians: 1, contacts: 1,
			warnings: []string{"2 mail info@example.jp: *"}},
		"one address, two names": {csv: "組,氏名,保護者,メール\n1-1,山田太郎,山田恵,a@example.jp\n3-1,山田花子,山田学,a@example.jp\n",
			children: 2, guardians: 2, contacts: 1, warnings: []string{
				"3 mail The address a@example.jp is “山田恵”'s in row 2 and “山田学”'s here. It becomes one contact, which is told about both children."}},
		"a phone without its 0": {csv: "組,氏名,電話,メール\n1-1,山田太郎,9012345678,a@example.jp\n", children: 1, guardians: 1, contacts: 1,
			warnings: []string{"2 phone *09012345678*"}},
		"a faulty address among good ones": {csv: "組,氏名,メール1,メール2\n1-1,山田太郎,a@example.jp,b＠\n1-2,川田花子,c@example.jp,\n",
			children: 1, guardians: 1, contacts: 1, errors: []string{"2 mail *"}},
		"faults of every field": {csv: head + "99,1,x,,,,,,12,bad\n1,1,,,山田太郎,,,,,a@example.jp\n",
			children: 1, guardians: 1, contacts: 1, errors: []string{
				"2 name The child's name is missing. Please fill it in.",
				"2 seat The seat number “x” is not a number from 1 to 9999. Please correct it or leave it out.",
				"2 class Please write the grade as a number from 1 to 12.",
				"2 phone *cannot be read as a phone number*", "2 mail *"}},
		"rows after line breaks in cells": {csv: "組,氏名,メール\n1-1,山田太郎,\"a@example.jp\n\nb@example.jp\"\n\n,川田花子,c@example.jp\n",
			children: 1, guardians: 1, contacts: 2, errors: []string{"4 class The class is missing. Please fill it in."}},
		"a cell too many": {csv: "組,氏名,メール\n1-1,山田太郎,a@example.jp,b@example.jp\n1-1,川田花子,c@example.jp\n",
			children: 1, guardians: 1, contacts: 1, errors: []string{"2 *more cells than there are headers*"}},
		"a number twice": {csv: "組,学籍番号,氏名,メール\n1-1,7,山田太郎,a@example.jp\n1-2,７,川田花子,b@example.jp\n",
			children: 1, guardians: 1, contacts: 1, errors: []string{"3 number *that of row 2*"}},
		"seats that are none": {csv: "組,番号,氏名,メール\n1-1,0,山田太郎,a@example.jp\n1-1,-5,川田花子,b@example.jp\n1-1,12345678901234567890,海田次郎,c@example.jp\n",
			errors: []string{"2 seat *from 1 to 9999*", "3 seat *from 1 to 9999*", "4 seat *from 1 to 9999*"}},
		"a seat twice": {csv: "組,番号,氏名,メール\n1-1,1,山田太郎,a@example.jp\n1-1,1,川田花子,b@example.jp\n1-2,1,海田次郎,c@example.jp\n",
			children: 3, guardians: 3, contacts: 3, warnings: []string{"3 seat The seat number 1 is that of row 2, “山田太郎”, in the same class."}},
		"namesakes without a number": {csv: "組,番号,氏名,メール\n1-1,1,山田太郎,a@example.jp\n1-1,2,山田太郎,b@example.jp\n",
			children: 1, guardians: 1, contacts: 1, errors: []string{"3 name *Give both a student number*"}},
		"namesakes with numbers": {csv: "組,学籍番号,氏名,メール\n1-1,1,山田太郎,a@example.jp\n1-1,2,山田太郎,b@example.jp\n",
			children: 2, guardians: 2, contacts: 2},
		"namesakes who are read differently": {csv: "組,氏名,かな,メール\n1-1,山田真由,まゆ,a@example.jp\n1-1,山田真由,まさよし,b@example.jp\n",
			children: 2, guardians: 2, contacts: 2, warnings: []string{"3 name *taken for two children*"}},
		"the school's address": {csv: "組,氏名,メール\n" + many(MaxFamilyChildren+1, "1-1,子%d,school@example.jp\n") + "1-1,山田太郎,a@example.jp\n",
			children: 1, guardians: 1, contacts: 1, errors: []string{
				"2 mail *belongs to 13 children*", "3 mail *", "4 mail *", "5 mail *", "6 mail *", "7 mail *", "8 mail *", "9 mail *",
				"10 mail *", "11 mail *", "12 mail *", "13 mail *", "14 mail *"}},
		"an address of as many as a family has": {csv: "組,氏名,メール\n" + many(MaxFamilyChildren, "1-1,子%d,mother@example.jp\n"),
			children: 12, guardians: 1, contacts: 1},
		"too many addresses": {csv: "組,氏名,メール\n1-1,山田太郎,\"" + many(MaxFamilyContacts+1, "a%d@example.jp ") + "\"\n",
			errors: []string{"2 mail One family has 21 addresses (at most 20). Please leave some out."}},
		"a long name":   {csv: "組,氏名\n1-1," + strings.Repeat("長", 101) + "\n", errors: []string{"2 name *101 characters*"}},
		"hostile marks": {csv: "組,氏名,メール\n1-1,\u202e山田\u200b太郎\x07,a@example.jp\n", children: 1, guardians: 1, contacts: 1},
		"guarded cells": {csv: "組,氏名,電話,メール\n1-1,山田太郎,'+81-90-1234-5678,a@example.jp\n", children: 1, guardians: 1, contacts: 1},
		"grades alone":  {csv: "学年,氏名,メール\n1,山田太郎,a@example.jp\n2年,川田花子,b@example.jp\n", children: 2, guardians: 2, contacts: 2},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			p := plan(t, newStore(t), tt.csv)
			got := fmt.Sprint(p.Children.Added, p.Guardians.Added, p.Contacts.Added)
			if want := fmt.Sprint(tt.children, tt.guardians, tt.contacts); got != want {
				t.Errorf("children, guardians, contacts are %s, want %s", got, want)
			}
			wantNotes(t, "errors", tt.errors, p.Errors)
			wantNotes(t, "warnings", tt.warnings, p.Warnings)
		})
	}
}

func many(n int, format string) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, format, i)
	}
	return b.String()
}

// wantNotes compares notes; a * in what is wanted stands for any text.
func wantNotes(t *testing.T, what string, want []string, notes []Note) {
	t.Helper()
	got := say(notes)
	if len(got) != len(want) {
		t.Fatalf("%s are %q, want %q", what, got, want)
	}
	for i := range want {
		parts := strings.Split(want[i], "*")
		ok := strings.HasPrefix(got[i], parts[0])
		for _, p := range parts {
			ok = ok && strings.Contains(got[i], p)
		}
		if !ok || len(parts) == 1 && got[i] != want[i] {
			t.Errorf("%s: %q, want %q", what, got[i], want[i])
		}
		if notes[i].Message.JA == "" || strings.Contains(notes[i].Message.JA+got[i], "%!") {
			t.Errorf("%s: %q is not complete", what, notes[i].Message)
		}
	}
}

func TestNewPlanRefuses(t *testing.T) {
	tests := map[string]struct {
		csv     string
		mapping Mapping
		words   string
	}{
		"only headers":       {"組,氏名\n", nil, "no rows below"},
		"no headers":         {"1-1,山田太郎\n", nil, "No column"},
		"too many groups":    {"組,氏名\n" + many(MaxGroups+1, "c%[1]d,子%[1]d\n"), nil, "more than 1000"},
		"nothing but faults": {"組,氏名,電話\n" + strings.Repeat("1-1,山,x\n", maxErrors+1), nil, "more than 20000 errors"},
		"a bad mapping":      {"組,氏名\n1-1,山田太郎\n", Mapping{"組": {Field: "x"}}, "not valid"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			sheet, err := ReadSheet(strings.NewReader(tt.csv), 0)
			if err != nil {
				t.Fatal(err)
			}
			_, err = NewPlan(t.Context(), newStore(t), testSchool, sheet, tt.mapping)
			wantProblem(t, err, problem.Invalid, tt.words)
		})
	}
}

func TestPlanUsesTheSavedMapping(t *testing.T) {
	s := newStore(t)
	if err := s.SaveMapping(t.Context(), testSchool, Mapping{"おなまえ欄": {Field: Name}, "れんらく先A": {Field: Mail}}); err != nil {
		t.Fatal(err)
	}
	p := plan(t, s, "組,おなまえ欄,れんらく先Ａ\n1-1,山田太郎,a@example.jp\n")
	if p.Children.Added != 1 || p.Contacts.Added != 1 {
		t.Errorf("children %+v, contacts %+v", p.Children, p.Contacts)
	}
}

// A plan must not write.
func TestPlanWritesNothing(t *testing.T) {
	s := newStore(t)
	plan(t, s, "組,氏名,メール\n1-1,山田太郎,a@example.jp\n")
	if fs := families(t, s); len(fs) != 0 {
		t.Errorf("families are %v", fs)
	}
	if gs, err := s.Groups(t.Context(), testSchool); len(gs) != 0 || err != nil {
		t.Errorf("groups are %v, %v", gs, err)
	}
}

func TestResult(t *testing.T) {
	s := newStore(t)
	load(t, s, "組,氏名,メール\n1-1,山田太郎,a@example.jp\n1-1,残留子,z@example.jp\n")
	p := plan(t, s, "組,氏名,メール\n1-1,山田太郎,a@example.jp\n1-2,川田花子,b@example.jp\n1-2,海野,\n1-2,,c@example.jp\n")
	got, err := json.MarshalIndent(p.Result(lang.EN), "", " ")
	if err != nil {
		t.Fatal(err)
	}
	want := `{
 "children": 3,
 "guardians": 2,
 "contacts": 2,
 "added": 2,
 "changed": 0,
 "unchanged": 1,
 "errors": [
  {
   "row": 5,
   "message": "The child's name is missing. Please fill it in."
  }
 ],
 "warnings": [
  {
   "message": "1 children in the roster are not in this file (残留子). The import leaves them as they are."
  },
  {
   "row": 4,
   "message": "“海野” has no mail address. Alerts cannot reach this child's guardians by mail; the child is listed for phoning."
  }
 ]
}`
	wantDiff(t, "result", want, string(got))
	if ja := p.Result(lang.JA).Errors[0].Message; ja != "児童生徒の氏名がありません。児童生徒の氏名を入れてください。" {
		t.Errorf("in Japanese: %s", ja)
	}
	empty, err := json.Marshal(plan(t, s, "組,氏名,メール\n1-1,山田太郎,a@example.jp\n1-1,残留子,z@example.jp\n").Result(lang.JA))
	if err != nil || !strings.Contains(string(empty), `"errors":[],"warnings":[]`) {
		t.Errorf("without notes: %s, %v", empty, err)
	}
}
