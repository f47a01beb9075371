package roster

import (
	"bytes"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/todoku/todoku/shared/problem"
	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/japanese"
	xunicode "golang.org/x/text/encoding/unicode"
)

// Limits of a sheet.
const (
	MaxSheetBytes = 20 << 20
	MaxSheetRows  = 200_000
	maxColumns    = 300
	maxCells      = 5_000_000 // not counting empty cells at the end of a row; bounds memory to about 100 MB
)

// Encoding is how a sheet's text is written in bytes.
type Encoding string

// The encodings of sheets. Shift_JIS is the one of Windows (CP932), with ①, ㈱, 髙
// and 﨑.
const (
	UTF8     Encoding = "utf-8"
	UTF8BOM  Encoding = "utf-8-bom" // what Excel needs to open UTF-8 by a double click
	UTF16    Encoding = "utf-16"    // little endian with BOM, Excel's "Unicode text"
	UTF16BE  Encoding = "utf-16be"  // with BOM
	ShiftJIS Encoding = "shift_jis"
)

// Sheet is a table of text, as read from a file.
type Sheet struct {
	Encoding Encoding
	Comma    rune // between cells
	Rows     []Row
}

// Row is one row of a sheet.
type Row struct {
	Number int      // as a spreadsheet program counts: from 1, empty rows too, a row with line breaks in its cells as one
	Cells  []string // as written; empty ones at the end are left out
}

// ReadSheet reads a CSV or TSV file of at most limit bytes (0: MaxSheetBytes). It
// finds out by itself how the text is encoded and what stands between the cells.
// What is no such file is refused with a *problem.Error that says what it is and
// what to do; errors of r are returned as they are.
func ReadSheet(r io.Reader, limit int64) (*Sheet, error) {
	if limit <= 0 || limit > MaxSheetBytes {
		limit = MaxSheetBytes
	}
	data, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(data)) > limit {
		return nil, problem.New(problem.TooLarge, "ファイルが大きすぎます（上限%d MB）。学年ごとなどに分けて取り込んでください。",
			"The file is too large (at most %d MB). Please import it in parts, such as one grade at a time.", max(1, limit>>20))
	}
	if err := refuseKind(data); err != nil {
		return nil, err
	}
	text, enc, err := decode(data)
	if err != nil {
		return nil, err
	}
	return parseSheet(text, enc)
}

func parseSheet(text string, enc Encoding) (*Sheet, error) {
	s := &Sheet{Encoding: enc, Comma: findComma(text)}
	p := parser{rest: text, comma: byte(s.Comma), row: 1}
	cells := 0
	for p.rest != "" {
		row, err := p.next()
		if err != nil {
			return nil, err
		}
		if len(row.Cells) == 0 {
			continue
		}
		s.Rows = append(s.Rows, row)
		if cells += len(row.Cells); len(s.Rows) > MaxSheetRows || cells > maxCells || len(row.Cells) > maxColumns {
			return nil, problem.New(problem.TooLarge, "表が大きすぎます（上限%d行、%d列）。余分な行や列を消すか、分けて取り込んでください。",
				"The table is too large (at most %d rows and %d columns). Please remove what is not needed, or import it in parts.", MaxSheetRows, maxColumns)
		}
	}
	if len(s.Rows) == 0 {
		return nil, refuseKind(nil)
	}
	return s, nil
}

// decode returns the text of data. A byte order mark decides; without one, what is
// valid UTF-8 is UTF-8, because Japanese text in Shift_JIS practically never is.
func decode(data []byte) (string, Encoding, error) {
	enc := UTF8
	switch {
	case bytes.HasPrefix(data, []byte("\xef\xbb\xbf")):
		enc, data = UTF8BOM, data[3:]
	case bytes.HasPrefix(data, []byte("\xff\xfe")):
		enc = UTF16
	case bytes.HasPrefix(data, []byte("\xfe\xff")):
		enc = UTF16BE
	case !utf8.Valid(data):
		enc = ShiftJIS
	}
	text, err := enc.codec().NewDecoder().Bytes(data)
	if err != nil || bytes.IndexByte(text, 0) >= 0 || !utf8.Valid(text) || enc != UTF8 && bytes.Contains(text, []byte("\ufffd")) {
		return "", enc, problem.New(problem.Invalid,
			"文字を読み取れません。Excelで開き、「名前を付けて保存」→「CSV UTF-8（コンマ区切り）」で保存し直してください。",
			"The text of this file cannot be read. Open it in Excel, choose “Save As” with the type “CSV UTF-8 (Comma delimited)”, and try again.")
	}
	return string(text), enc, nil
}

func (e Encoding) codec() encoding.Encoding {
	switch e {
	case UTF16:
		return xunicode.UTF16(xunicode.LittleEndian, xunicode.UseBOM)
	case UTF16BE:
		return xunicode.UTF16(xunicode.BigEndian, xunicode.UseBOM)
	case ShiftJIS:
		return japanese.ShiftJIS // the WHATWG table, which is that of Windows: https://encoding.spec.whatwg.org/#shift_jis
	}
	return encoding.Nop
}

// findComma returns what stands between cells: whichever of the usual characters
// is most frequent outside quotes in the first lines with any of them.
func findComma(text string) rune {
	counts := map[rune]int{}
	quoted := false
	for i, r := range text {
		switch {
		case r == '"':
			quoted = !quoted
		case quoted:
		case r == ',', r == '\t', r == ';':
			counts[r]++
		case (r == '\n' || r == '\r') && counts[',']+counts['\t']+counts[';'] > 1, i > 64<<10:
			return most(counts)
		}
	}
	return most(counts)
}

func most(counts map[rune]int) rune {
	best := ','
	for _, r := range "\t;" {
		if counts[r] > counts[best] {
			best = r
		}
	}
	return best
}

// parser cuts CSV text into rows (RFC 4180), and forgives what spreadsheets do: a
// quote in the middle of a cell is a quote, and lines end in any way. It does not
// forgive a quote that is never closed: the next one, rows further down, would close
// it, and the children in between would be one cell.
type parser struct {
	rest  string
	comma byte
	row   int
}

// next returns the next row; rest must not be empty.
func (p *parser) next() (Row, error) {
	row := Row{Number: p.row}
	p.row++
	for {
		cell, err := p.cell()
		if err != nil {
			return row, err
		}
		row.Cells = append(row.Cells, cell)
		if len(row.Cells) > 1<<16 || p.endOfRow() {
			break
		}
	}
	n := len(row.Cells)
	for n > 0 && strings.TrimSpace(row.Cells[n-1]) == "" {
		n--
	}
	row.Cells = row.Cells[:n]
	return row, nil
}

func (p *parser) cell() (string, error) {
	if !strings.HasPrefix(p.rest, `"`) {
		return p.bare(), nil
	}
	var b strings.Builder
	p.rest = p.rest[1:]
	for {
		i := strings.IndexByte(p.rest, '"')
		if i < 0 {
			return "", p.neverClosed()
		}
		b.WriteString(p.rest[:i])
		p.rest = p.rest[i+1:]
		if !strings.HasPrefix(p.rest, `"`) {
			return p.withRest(b.String())
		}
		b.WriteByte('"')
		p.rest = p.rest[1:]
	}
}

// withRest returns a quoted cell with what follows its closing quote. If the cell holds
// an end of another, that quote was the opening one of a cell further on.
func (p *parser) withRest(cell string) (string, error) {
	rest := p.bare()
	if strings.TrimSpace(rest) != "" && strings.ContainsAny(cell, string(rune(p.comma))+"\r\n") {
		return "", p.neverClosed()
	}
	return cell + rest, nil
}

func (p *parser) neverClosed() error {
	return problem.New(problem.Invalid, "%d行目の「\"」が閉じられていません。その行を直してください。",
		"A quotation mark in row %d is never closed. Please correct that row.", p.row-1)
}

// bare takes the text up to the end of the cell.
func (p *parser) bare() string {
	i := strings.IndexAny(p.rest, string(rune(p.comma))+"\r\n")
	if i < 0 {
		i = len(p.rest)
	}
	cell := p.rest[:i]
	p.rest = p.rest[i:]
	return cell
}

// endOfRow takes the separator after a cell and reports whether the row ends there.
func (p *parser) endOfRow() bool {
	for _, end := range []string{"\r\n", "\n", "\r"} {
		if rest, ok := strings.CutPrefix(p.rest, end); ok {
			p.rest = rest
			return true
		}
	}
	if p.rest == "" {
		return true
	}
	p.rest = p.rest[1:]
	return false
}
