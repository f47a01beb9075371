package roster

import (
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/todoku/todoku/shared/problem"
)

// in writes text in an encoding.
func in(t testing.TB, enc Encoding, text string) string {
	t.Helper()
	if enc == UTF8BOM {
		return "\xef\xbb\xbf" + text
	}
	out, err := enc.codec().NewEncoder().String(text)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestReadSheet(t *testing.T) {
	tests := map[string]struct {
		data string
		want []Row
	}{
		"a row":                     {"a,b\n", []Row{{1, []string{"a", "b"}}}},
		"no line end":               {"a,b", []Row{{1, []string{"a", "b"}}}},
		"CRLF":                      {"a,b\r\nc,d\r\n", []Row{{1, []string{"a", "b"}}, {2, []string{"c", "d"}}}},
		"CR of old Macs":            {"a,b\rc,d\r", []Row{{1, []string{"a", "b"}}, {2, []string{"c", "d"}}}},
		"tabs":                      {"a\tb,c\td\n", []Row{{1, []string{"a", "b,c", "d"}}}},
		"semicolons":                {"a;b;c\n1;2,5;3\n", []Row{{1, []string{"a", "b", "c"}}, {2, []string{"1", "2,5", "3"}}}},
		"commas in quotes":          {"\"a;b;c;d\",b\n", []Row{{1, []string{"a;b;c;d", "b"}}}},
		"a title above":             {"名簿\na\tb\n", []Row{{1, []string{"名簿"}}, {2, []string{"a", "b"}}}},
		"quotes in quotes":          {`"say ""hi""",b`, []Row{{1, []string{`say "hi"`, "b"}}}},
		"a quote inside a cell":     {`a"b,c`, []Row{{1, []string{`a"b`, "c"}}}},
		"text after a quoted cell":  {`"a"b,c`, []Row{{1, []string{"ab", "c"}}}},
		"blanks after line breaks":  {"a,\"b\nb\" \u3000,c\n", []Row{{1, []string{"a", "b\nb \u3000", "c"}}}},
		"line breaks are no rows":   {"a,\"b\nb\r\nb\"\nc,d\n", []Row{{1, []string{"a", "b\nb\r\nb"}}, {2, []string{"c", "d"}}}},
		"empty rows count":          {"a,b\n\n,,\nc,d\n", []Row{{1, []string{"a", "b"}}, {4, []string{"c", "d"}}}},
		"empty cells at the end":    {"a,b,,\n,c,  ,\n", []Row{{1, []string{"a", "b"}}, {2, []string{"", "c"}}}},
		"an empty quoted cell":      {"\"\",b\n", []Row{{1, []string{"", "b"}}}},
		"one column":                {"氏名\n山田\n", []Row{{1, []string{"氏名"}}, {2, []string{"山田"}}}},
		"a CSV that begins with BM": {"BMI,b\n", []Row{{1, []string{"BMI", "b"}}}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			s, err := ReadSheet(strings.NewReader(tt.data), 0)
			if err != nil {
				t.Fatal(err)
			}
			wantDiff(t, "rows", tt.want, s.Rows)
		})
	}
}

// The characters are those that Windows has and JIS X 0208 has not, and those that
// converters confuse.
func TestReadSheetEncodings(t *testing.T) {
	const text = "氏名,備考\r\n髙橋 﨑,①㈱Ⅲ～－∥¢ｱｲｳ\r\n"
	for _, enc := range []Encoding{UTF8, UTF8BOM, UTF16, UTF16BE, ShiftJIS} {
		t.Run(string(enc), func(t *testing.T) {
			if enc == ShiftJIS {
				t.Log("¢ has no place in CP932")
			}
			want := strings.ReplaceAll(text, "¢", map[bool]string{true: "", false: "¢"}[enc == ShiftJIS])
			s, err := ReadSheet(strings.NewReader(in(t, enc, want)), 0)
			if err != nil {
				t.Fatal(err)
			}
			if s.Encoding != enc {
				t.Errorf("encoding %s, want %s", s.Encoding, enc)
			}
			if got := s.Rows[1].Cells; strings.Join(got, ",") != strings.Split(want, "\r\n")[1] {
				t.Errorf("cells %q", got)
			}
		})
	}
}

func TestReadSheetRefuses(t *testing.T) {
	tests := map[string]struct {
		data  string
		kind  problem.Kind
		words string
	}{
		"nothing":             {"", problem.Invalid, "empty"},
		"blank":               {" \r\n\t\n", problem.Invalid, "empty"},
		"only commas":         {",,,\n,,\n", problem.Invalid, "empty"},
		"only a BOM":          {"\xef\xbb\xbf", problem.Invalid, "empty"},
		"PDF":                 {"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n", problem.Invalid, "a PDF"},
		"new Excel":           {"PK\x03\x04\x14\x00\x06\x00\x08\x00\x00\x00!\x00[Content_Types].xml", problem.Invalid, "Save As"},
		"Numbers":             {"PK\x03\x04\x14\x00Index/Document.iwa", problem.Invalid, "spreadsheet"},
		"old Excel":           {"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1\x00\x00", problem.Invalid, "Save As"},
		"ZIP":                 {"PK\x03\x04\x14\x00\x00\x00\x08\x00meibo.csv", problem.Invalid, "ZIP"},
		"PNG":                 {"\x89PNG\r\n\x1a\n\x00\x00", problem.Invalid, "a picture"},
		"JPEG":                {"\xff\xd8\xff\xe0\x00\x10JFIF", problem.Invalid, "a picture"},
		"GIF":                 {"GIF89a\x00", problem.Invalid, "a picture"},
		"BMP":                 {"BM\x36\x00\x0c\x00\x00\x00", problem.Invalid, "a picture"},
		"HEIC":                {"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00", problem.Invalid, "a picture"},
		"HTML":                {"\n <!DOCTYPE html><html>", problem.Invalid, "a web page"},
		"HTML that says .xls": {"<html xmlns:x=\"urn:schemas-microsoft-com:office:excel\">", problem.Invalid, "Save As"},
		"RTF":                 {"{\\rtf1\\ansi", problem.Invalid, "RTF"},
		"gzip":                {"\x1f\x8b\x08\x00", problem.Invalid, "compressed"},
		"noise":               {"\x01\x02\xfe\xfd\x80\x81\xff\xff", problem.Invalid, "cannot be read"},
		"NUL":                 {"氏名,組\n山田\x00,1\n", problem.Invalid, "cannot be read"},
		"broken UTF-16":       {"\xff\xfea\x00,\xd8", problem.Invalid, "cannot be read"},
		"EUC-JP":              {"\xbb\xe1\xcc\xbe,\xc1\xc8\n\xbb\xb3\xc5\xc4\xc2\xc0\xcf\xba,\xa3\xb1\xc1\xc8\xfd\xfe\n", problem.Invalid, "cannot be read"},
		"an open quote":       {"a,b\n\"c,d\ne,f\n", problem.Invalid, "row 2"},
		"one closed below":    {"a,b\n1,\"c\n2,\"d\"\n", problem.Invalid, "row 2"},
		"one closed beside":   {"a,b,c\n1,\"d,\"e\"\n", problem.Invalid, "row 2"},
		"in the last cell":    {"a,b\n1,\"c\n2,x\n3,\"d\"", problem.Invalid, "row 2"},
		"with CR for a line":  {"a,b\r\"c\r\"d\",e\r", problem.Invalid, "row 2"},
		"between tabs":        {"a\tb\n\"c\td\n\"e\"\tf\n", problem.Invalid, "row 2"},
		"too many bytes":      {strings.Repeat("a,b\n", 300), problem.TooLarge, "too large"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := ReadSheet(strings.NewReader(tt.data), 1000)
			wantProblem(t, err, tt.kind, tt.words)
		})
	}
}

func TestReadSheetLimits(t *testing.T) {
	tests := map[string]struct {
		data string
		ok   bool
	}{
		"most rows":         {strings.Repeat("a\n", MaxSheetRows), true},
		"one row more":      {strings.Repeat("a\n", MaxSheetRows+1), false},
		"most columns":      {strings.Repeat("a,", maxColumns-1) + "a", true},
		"one column more":   {strings.Repeat("a,", maxColumns) + "a", false},
		"nothing but cells": {strings.Repeat(strings.Repeat(",", 298)+"a\n", 60_000), false},
		"an endless row":    {strings.Repeat("a,", 5<<20), false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := ReadSheet(strings.NewReader(tt.data), 0)
			if tt.ok && err != nil {
				t.Error(err)
			}
			if !tt.ok {
				wantProblem(t, err, problem.TooLarge, "too large")
			}
		})
	}
}

func TestReadSheetReturnsReadErrors(t *testing.T) {
	_, err := ReadSheet(iotest.ErrReader(io.ErrUnexpectedEOF), 0)
	if !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("error is %v", err)
	}
}

func TestGuard(t *testing.T) {
	tests := map[string]string{
		"":        "",
		"山田":      "山田",
		"=1+1":    "'=1+1",
		"+819000": "'+819000",
		"-5":      "'-5",
		"@sum":    "'@sum",
		"\t=1":    "'\t=1",
		"＝１":      "'＝１",
		"'=1":     "''=1",
		"''=1":    "'''=1",
		"'":       "'",
		"'s":      "'s",
		"a=1":     "a=1",
		" =1":     " =1",
	}
	for cell, want := range tests {
		t.Run(cell, func(t *testing.T) {
			if got := guard(cell); got != want {
				t.Errorf("guard(%q) = %q, want %q", cell, got, want)
			}
			if back := unguard(want); back != cell {
				t.Errorf("unguard(%q) = %q, want %q", want, back, cell)
			}
		})
	}
}
