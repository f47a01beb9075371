package drill

import (
	"encoding/csv"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/text/encoding/japanese"
)

// faults are twelve ways in which a row cannot be imported: what is put where,
// and a word of what must be said about it.
var faults = []struct {
	column int
	cell   string
	said   string
}{
	{4, "", "氏名"},
	{4, "　", "氏名"},
	{4, strings.Repeat("長", 200), "長すぎます"},
	{1, "99", "1から12"},
	{2, "", "組"},
	{3, "abc", "abc"},
	{7, "なし?", "なし?"},
	{7, "123", "123"},
	{8, "drill-at-docomo.ne.jp", "「@」がありません"},
	{8, "drill@@docomo.ne.jp", "二つ以上"},
	{8, "drill@", "後ろが空"},
	{len(header), "あふれ", "列"},
}

// faulty returns which pupils have a faulty row in the list of 700: every
// fiftieth, none of them a sibling.
func faulty() []int {
	at := make([]int, len(faults))
	for i := range at {
		at[i] = 25 + 50*i
	}
	return at
}

// spoiled returns the class list of the pupils with the twelve faults in it.
func spoiled(pupils []Pupil) []byte {
	rows := [][]string{header}
	for _, p := range pupils {
		rows = append(rows, p.cells())
	}
	for i, at := range faulty() {
		row := &rows[at+1]
		for len(*row) <= faults[i].column {
			*row = append(*row, "")
		}
		(*row)[faults[i].column] = faults[i].cell
	}
	return write(rows)
}

// without returns the pupils whose rows are good.
func without(pupils []Pupil, at []int) []Pupil {
	var good []Pupil
	for i, p := range pupils {
		if !slices.Contains(at, i) {
			good = append(good, p)
		}
	}
	return good
}

func importClassList(d *Drill) {
	pupils := Pupils(700)
	good := without(pupils, faulty())
	list := spoiled(pupils)

	preview := d.Import(list, "?dry_run=1")
	d.checkImport(preview, Imported{Children: len(good), Contacts: len(Addresses(good...)), Added: len(good)})
	d.checkFaults(preview.Errors)
	if groups := d.Groups(); len(groups) != 0 {
		d.Errorf("a preview made %d groups", len(groups))
	}

	d.checkImport(d.Import(list, ""), Imported{Children: len(good), Contacts: len(Addresses(good...)), Added: len(good)})
	d.checkImport(d.Import(list, ""), Imported{Children: len(good), Contacts: len(Addresses(good...)), Unchanged: len(good)})

	rejected := d.rejectedRows(list)
	d.checkImport(d.Import(correct(d, rejected, pupils), ""), Imported{
		Children: len(faults), Contacts: len(Addresses(only(pupils, faulty())...)), Added: len(faults),
	})
	d.checkImport(d.Import(Sheet(pupils), ""), Imported{
		Children: len(pupils), Contacts: len(Addresses(pupils...)), Unchanged: len(pupils),
	})
}

func only(pupils []Pupil, at []int) []Pupil {
	var some []Pupil
	for _, i := range at {
		some = append(some, pupils[i])
	}
	return some
}

// checkImport compares the numbers of children and contacts; what is said of rows
// is compared elsewhere.
func (d *Drill) checkImport(got, want Imported) {
	d.Helper()
	got.Guardians, got.Errors, got.Warnings = 0, nil, nil
	if diff := cmp.Diff(want, got); diff != "" {
		d.Errorf("import (-want +got):\n%s", diff)
	}
}

// checkFaults compares the rows of errors, and that each names its fault.
func (d *Drill) checkFaults(errors []RowNote) {
	d.Helper()
	said := map[int]string{}
	for _, e := range errors {
		said[e.Row] += e.Message
	}
	for i, at := range faulty() {
		row := at + 2 // counted from 1, below the header
		if !strings.Contains(said[row], faults[i].said) {
			d.Errorf("row %d: %q does not say %q", row, said[row], faults[i].said)
		}
		delete(said, row)
	}
	if len(said) > 0 {
		d.Errorf("good rows were refused: %v", said)
	}
}

// rejectedRows imports a list by the pages, as an office does, and downloads the
// rows that were not taken.
func (d *Drill) rejectedRows(list []byte) []byte {
	d.Helper()
	preview := d.Manager.Open("/roster").Form("/roster/imports").Attach("名簿.csv", list).Press("")
	preview.Says(http.StatusOK, "変更なし")
	preview.Form(preview.URL.Path + "/confirm").Press("取り込む")
	d.Until("the import is done", func() bool {
		return strings.Contains(d.Manager.Open(preview.URL.Path).Text(), "取り込みました")
	})
	return []byte(d.Manager.Open(preview.URL.Path + "/rejected.csv").Body)
}

// correct puts the rows right as somebody with a spreadsheet does. The first
// column, which says what was wrong, stays as it is.
func correct(t testing.TB, rejected []byte, pupils []Pupil) []byte {
	t.Helper()
	text, err := japanese.ShiftJIS.NewDecoder().Bytes(rejected)
	if err != nil {
		t.Fatal(err)
	}
	r := csv.NewReader(strings.NewReader(string(text)))
	r.FieldsPerRecord = -1
	rows, err := r.ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	if len(rows) != len(faults)+1 {
		t.Fatalf("%d rows were kept to be corrected, not %d:\n%s", len(rows)-1, len(faults), text)
	}
	for i, row := range rows[1:] {
		n, err := strconv.Atoi(strings.TrimPrefix(row[1], "D"))
		if err != nil || row[0] == "" {
			t.Fatalf("row %d has no number or does not say what is wrong: %q", i, row)
		}
		rows[i+1] = append([]string{row[0]}, pupils[n].cells()...)
	}
	return write(rows)
}

func importNonsense(d *Drill) {
	for name, file := range map[string]string{
		"a PDF":           "%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj\n<</Type/Catalog>>\n",
		"nothing":         "",
		"a spreadsheet":   "PK\x03\x04\x14\x00\x06\x00xl/workbook.xml",
		"a header alone":  strings.Join(header, ","),
		"no name at all":  "学年,組\r\n1,2\r\n",
		"zero bytes":      strings.Repeat("\x00", 1000),
		"one long number": strings.Repeat("1", 100_000),
	} {
		var problem struct{ Title, Detail string }
		d.Call(Request{Method: "POST", Path: "/roster", Type: "text/csv", Body: []byte(file)}, http.StatusUnprocessableEntity, &problem)
		if problem.Title == "" || problem.Detail == "" {
			d.Errorf("%s: the answer does not say what is wrong: %+v", name, problem)
		}
	}
	if groups := d.Groups(); len(groups) != 0 {
		d.Errorf("nonsense made %d groups", len(groups))
	}
}
