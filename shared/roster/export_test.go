package roster

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/todoku/todoku/shared/problem"
)

func export(t testing.TB, s *Store, enc Encoding) string {
	t.Helper()
	var out bytes.Buffer
	if err := Export(t.Context(), s, testSchool, &out, enc); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func TestExport(t *testing.T) {
	s := newStore(t)
	load(t, s, "クラブ,氏名,組,番号,母氏名,母携帯,母メール,生徒メール,フリガナ\n"+
		"茶道・華道; 放送,山 二郎,2-10,1,,,,,\n"+
		",山 太郎,2-2,3,山 恵,090-1234-5678、03-1234-5678,a@docomo.ne.jp b@example.jp,taro@example.jp,ヤマ タロウ\n"+
		",星,なかよし学級,,,,,,\n,空,1年,,,,,,\n,'=1+1,2-2,4,@母,,,,\n")
	want := strings.Join([]string{
		"学年,組,出席番号,学籍番号,氏名,ふりがな,グループ,保護者1氏名,保護者1続柄,保護者1電話,保護者1メール,保護者2氏名,保護者2続柄,保護者2電話,保護者2メール",
		",なかよし学級,,,星,,,,,,,,,,",
		"1,1年,,,空,,,,,,,,,,",
		`2,2,3,,山 太郎,ヤマ タロウ,,山 恵,母,"090-1234-5678; 03-1234-5678","a@docomo.ne.jp; b@example.jp",山 太郎,本人,,taro@example.jp`,
		"2,2,4,,'=1+1,,,'@母,母,,,,,,",
		`2,10,1,,山 二郎,,"茶道・華道; 放送",,,,,,,,`, ""}, "\r\n")
	got := export(t, s, UTF8)
	wantDiff(t, "export", want, got)
	wantUnchanged(t, s, got)
}

func TestExportLeavesOutUnconfirmedAddresses(t *testing.T) {
	s := newStore(t)
	f := yamada()
	f.Guardians[1].Contacts = nil
	for i, state := range []ContactState{Invited, Unverified, Verified, Refused, Closed} {
		f.Guardians[1].Contacts = append(f.Guardians[1].Contacts, Contact{Address: fmt.Sprintf("%s-%d@example.jp", state, i), State: state})
	}
	put(t, s, f)
	got := export(t, s, UTF8)
	for _, state := range []string{"invited", "closed"} {
		if strings.Contains(got, state) {
			t.Errorf("%s address is in\n%s", state, got)
		}
	}
	for _, state := range []string{"unverified", "verified-2", "refused"} {
		if !strings.Contains(got, state) {
			t.Errorf("%s address is not in\n%s", state, got)
		}
	}
}

func TestExportEncodings(t *testing.T) {
	s := newStore(t)
	load(t, s, "組,氏名\n1-1,髙橋 﨑①㈱\n")
	for _, enc := range []Encoding{UTF8, UTF8BOM, UTF16, UTF16BE, ShiftJIS} {
		t.Run(string(enc), func(t *testing.T) {
			sheet, err := ReadSheet(strings.NewReader(export(t, s, enc)), 0)
			if err != nil {
				t.Fatal(err)
			}
			if sheet.Encoding != enc || sheet.Rows[1].Cells[4] != "髙橋 﨑①㈱" {
				t.Errorf("encoding %s, cells %q", sheet.Encoding, sheet.Rows[1].Cells)
			}
		})
	}
	load(t, s, "組,氏名\n1-1,𠮷野\n")
	var out bytes.Buffer
	err := Export(t.Context(), s, testSchool, &out, ShiftJIS)
	wantProblem(t, err, problem.Invalid, "“𠮷” cannot be written in Shift_JIS")
	if out.Len() > 0 {
		t.Errorf("%d bytes were written", out.Len())
	}
}

// TestExportOfNamesakes: a mother who registered twice is there twice, and stays so.
func TestExportOfNamesakes(t *testing.T) {
	mother := func(id, phone, mail string, state ContactState) Guardian {
		g := Guardian{ID: id, Name: "恵", Contacts: []Contact{{ID: "k" + id, Address: mail, State: state}}}
		if phone != "" {
			g.Phones = []string{phone}
		}
		return g
	}
	const a, b, x, y = "a@example.jp", "b@example.jp", "090-0000-0001", "090-0000-0002"
	for name, two := range map[string][]Guardian{
		"with a phone each":      {mother("1", x, a, Verified), mother("2", y, b, Verified)},
		"with one phone":         {mother("1", x, a, Verified), mother("2", "", b, Verified)},
		"whose address is over":  {mother("1", x, a, Verified), mother("2", y, b, Closed)},
		"with the phone of both": {mother("1", x, a, Verified), mother("2", x, b, Closed)},
		"the second with less":   {mother("1", "", a, Unverified), mother("2", "", b, Closed)},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStore(t)
			load(t, s, "学年,組,氏名\n1,1,山\n")
			f := families(t, s)[0]
			f.Guardians, f.Children[0].Guardians = two, []string{"1", "2"}
			f.Children = append(f.Children, Child{ID: "c", Name: "川", Class: "class-1-1", Guardians: []string{"2", "1"}})
			put(t, s, f)
			wantUnchanged(t, s, export(t, s, UTF8))
		})
	}
}

// dice makes up class lists out of very few names, addresses and phones, so that
// they meet in every way that they can.
type dice struct{ *rand.Rand }

func (d dice) one(of ...string) string { return of[d.IntN(len(of))] }

func (d dice) sheet() string {
	var b strings.Builder
	b.WriteString("学年,組,出席番号,学籍番号,氏名,かな,部活,保護者1,続柄1,電話1,メール1,保護者2,続柄2,電話2,メール2\n")
	for range 1 + d.IntN(12) {
		cells := []string{d.one("1", "2"), d.one("1", "2"), "", d.one("", "", "", "7", "8"), d.one("山", "川", "海", "空"), d.one("", "", "よ"), d.one("", "茶道", "茶道;碁")}
		for range 2 {
			cells = append(cells, d.one("", "恵", "学", "光"), d.one("", "母"), d.one("", "", "090-0000-0001", "090-0000-0002"),
				d.one("", "", d.mail(), d.mail(), d.mail()+" "+d.mail()))
		}
		b.WriteString(strings.Join(cells, ",") + "\n")
	}
	return b.String()
}

func (d dice) mail() string { return d.one("a", "b", "c", "d", "e", "f", "bad.") + "@example.jp" }

// confirm changes the states of contacts, as guardians do. One without a name stays
// reachable: an export could not tell two of whom only a phone is left.
func (d dice) confirm(t *testing.T, s *Store) {
	for _, f := range families(t, s) {
		for i := range f.Guardians {
			states := []string{string(Unverified), string(Verified), string(Refused), string(Closed)}
			if f.Guardians[i].Name == "" {
				states = states[:3]
			}
			for j := range f.Guardians[i].Contacts {
				f.Guardians[i].Contacts[j].State = ContactState(d.one(states...))
			}
		}
		put(t, s, f)
	}
}

// Whatever is imported: importing it again changes nothing, nor does importing
// what an export gives back, and every way to a family is exact.
func TestImportsAreStable(t *testing.T) {
	const runs = 30
	for seed := range uint64(runs) {
		s, d := newStore(t), dice{rand.New(rand.NewPCG(seed, 7))}
		for round := range 3 {
			csv := d.sheet()
			p := plan(t, s, csv)
			if err := p.Commit(t.Context(), nil); err != nil {
				t.Fatal(err)
			}
			if again := plan(t, s, csv); len(again.Errors) < len(p.Errors) {
				// another row has brought the address that a row with another's number needs
				if err := again.Commit(t.Context(), nil); err != nil {
					t.Fatal(err)
				}
			}
			wantUnchanged(t, s, csv)
			if len(families(t, s)) > 0 {
				wantUnchanged(t, s, export(t, s, UTF8))
			}
			wantConsistent(t, s)
			if t.Failed() {
				t.Fatalf("seed %d, round %d, after\n%s", seed, round, csv)
			}
			d.confirm(t, s)
			wantConsistent(t, s)
		}
	}
}

func FuzzReadSheet(f *testing.F) {
	for _, enc := range []Encoding{UTF8, UTF8BOM, UTF16, ShiftJIS} {
		f.Add([]byte(in(f, enc, "学年,組,氏名,メール\r\n1,2,\"山田\n太郎\",a@example.jp\r\n")))
	}
	f.Add([]byte("a\tb\r\"c"))
	f.Add([]byte("a,b\n1,\"c\n2,\"d\"\n"))
	f.Add([]byte("a;b\n'=c;\"\"\"\"\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := ReadSheet(bytes.NewReader(data), 1<<16)
		if err != nil {
			if p := problem.Of(err)[0]; p.Kind == problem.Internal || p.Text.JA == "" {
				t.Errorf("no sentence for a person: %v", err)
			}
			return
		}
		w := &sheetWriter{comma: s.Comma}
		var want [][]string
		for _, r := range s.Rows {
			cells := make([]string, len(r.Cells))
			for i := range cells {
				cells[i] = r.cell(i)
			}
			w.row(cells)
			want = append(want, cells)
		}
		again, err := parseSheet(w.b.String(), UTF8)
		if err != nil {
			t.Fatal(err)
		}
		if again.Comma != s.Comma {
			return // the cells hold more separators than there are
		}
		var got [][]string
		for _, r := range again.Rows {
			cells := make([]string, len(r.Cells))
			for i := range cells {
				cells[i] = r.cell(i)
			}
			got = append(got, cells)
		}
		wantDiff(t, "what was written is read again", want, got)
	})
}

func FuzzHeader(f *testing.F) {
	for _, ws := range words {
		for _, w := range ws {
			f.Add(w)
			f.Add("保護者1の" + w + "２（必須）")
			f.Add("第２連絡先" + w + "（母）")
		}
	}
	f.Fuzz(func(t *testing.T, text string) {
		h, ok := parseHeader(text)
		if ok && (h.field == "" || headerKey(text) == "") {
			t.Errorf("%q is %+v", text, h)
		}
		c := columnsOf(Row{1, []string{text, "氏名", text, "組", "メール2"}}, nil)
		for _, col := range c.All {
			if col.Guardian >= c.guardians || ofGuardian(header{field: col.Field}) != (col.Guardian >= 0) {
				t.Errorf("%q makes column %+v of %d guardians", text, col, c.guardians)
			}
		}
	})
}
