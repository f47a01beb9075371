package roster

import (
	"slices"
	"strings"

	"github.com/todoku/todoku/shared/lang"
	"github.com/todoku/todoku/shared/problem"
)

// Column is a column of a sheet and what it holds.
type Column struct {
	Index    int    // from 0
	Header   string // as written
	Field    Field  // Ignored if it is not used
	Guardian int    // index of the guardian in a row whose field it is, from 0; -1 if it is none
	Relation string // what the header says of the guardian: 父, 母, 本人
}

// Columns is what the columns of a sheet hold.
type Columns struct {
	Row       int // index in Sheet.Rows of the row with the headers
	All       []Column
	Unknown   []Column // those that mean nothing to a roster, though they hold something
	guardians int      // how many guardians a row can name
}

// headerRows is how many rows may stand above the headers: a title, a date.
const headerRows = 10

// Columns finds the row with the headers and what the columns hold. It fails with
// a *problem.Error if a column is missing that every row needs.
func (s *Sheet) Columns(m Mapping) (*Columns, error) {
	best, score := &Columns{}, -1
	for i := range min(headerRows, len(s.Rows)) {
		c := columnsOf(s.Rows[i], m)
		c.Row = i
		if c.missing() == nil {
			c.Unknown = slices.DeleteFunc(c.Unknown, func(col Column) bool { return col.Header == "" && !s.filled(i, col.Index) })
			return c, nil
		}
		if n := len(c.All) - len(c.Unknown); n > score {
			best, score = c, n
		}
	}
	return nil, best.missing()
}

// filled reports whether a column has values below a row.
func (s *Sheet) filled(row, column int) bool {
	return slices.ContainsFunc(s.Rows[row+1:], func(r Row) bool { return clean(r.cell(column)) != "" })
}

// Headers returns the headers in a row of the sheet, with empty ones as far as there are
// cells in the rows below.
func (s *Sheet) Headers(row int) []string {
	headers := s.Rows[row].Cells
	for _, r := range s.Rows[row:] {
		headers = padded(headers, len(r.Cells))
	}
	return headers
}

// padded returns cells with empty ones at the end, so that there are at least n.
func padded(cells []string, n int) []string {
	if n <= len(cells) {
		return cells
	}
	return append(slices.Clip(cells), make([]string, n-len(cells))...)
}

func columnsOf(row Row, m Mapping) *Columns {
	c := &Columns{}
	var hs []header
	headers := padded(row.Cells, m.columns())
	chosen := m.Of(headers)
	for i, text := range headers {
		h, ok := parseHeader(text)
		if t, named := chosen[i]; named {
			h, ok = t.header(), true
		}
		col := Column{Index: i, Header: clean(text), Field: h.field, Guardian: -1}
		if !ok {
			col.Field = Ignored
			c.Unknown = append(c.Unknown, col)
		}
		c.All, hs = append(c.All, col), append(hs, h)
	}
	c.splitNames(hs)
	c.assign(hs)
	c.dropRepeated()
	return c
}

// splitNames takes 児童名 for the given name beside 児童姓; by itself it is the whole.
func (c *Columns) splitNames(hs []header) {
	for _, f := range []struct{ whole, surname, given Field }{{Name, Surname, Given}, {Kana, SurnameKana, GivenKana}} {
		if !c.has(f.surname) || c.has(f.given) {
			continue
		}
		for i := range c.All {
			if col := &c.All[i]; col.Field == f.whole && hs[i].who == child && isShortName(col.Header) {
				col.Field = f.given
			}
		}
	}
}

// header returns what a header would say of the column.
func (t Target) header() header {
	h := header{field: t.Field}
	if slices.Index(fields, t.Field) >= slices.Index(fields, GuardianName) {
		h.who, h.number = guardian, max(1, t.Guardian)
	}
	return h
}

// slot tells guardians of one row apart: the n-th, the father, the mother, the
// child itself.
type slot struct {
	who    person
	number int
}

// assign finds out whose field each guardian's column is. A header names the
// guardian itself (保護者2電話, 母メール), or by its number if the sheet has that
// guardian (電話2 beside 保護者2), or stands to the right of the guardian that it is
// about; else it belongs to the first.
func (c *Columns) assign(hs []header) {
	named := map[slot]bool{}
	for _, h := range hs {
		if names(h) && h.number > 0 {
			named[slot{guardian, h.number}] = true
		}
	}
	order := []slot{}
	left, unnumbered := slot{guardian, 1}, 0
	for i, h := range hs {
		if !ofGuardian(h) {
			continue
		}
		at := left
		switch {
		case h.who == father, h.who == mother, h.who == child:
			at = slot{h.who, 0}
		case h.who == guardian && h.number > 0, h.number > 0 && named[slot{guardian, h.number}]:
			at = slot{guardian, h.number}
		case h.field == GuardianName && !c.follows(hs, i):
			unnumbered++
			at = slot{guardian, unnumbered}
		}
		if !slices.Contains(order, at) {
			order = append(order, at)
		}
		if names(h) {
			left = at
		}
		c.All[i].Guardian, c.All[i].Relation = slices.Index(order, at), relationOf(at.who)
	}
	c.guardians = len(order)
}

// follows reports whether the column i is the given name to a guardian's surname
// before it.
func (c *Columns) follows(hs []header, i int) bool {
	return i > 0 && hs[i-1].field == GuardianSurname
}

// names reports whether a column with the header brings a guardian into being.
func names(h header) bool {
	return h.field == GuardianName || h.field == GuardianSurname || h.field == Relation
}

func ofGuardian(h header) bool {
	switch h.field {
	case GuardianName, GuardianSurname, Relation, Phone, Mail:
		return true
	}
	return false
}

func relationOf(who person) string {
	return map[person]string{father: "父", mother: "母", child: "本人"}[who]
}

// dropRepeated ignores a second column for what there is only one of.
func (c *Columns) dropRepeated() {
	type place struct {
		field    Field
		guardian int
	}
	seen := map[place]bool{}
	for i := range c.All {
		col := &c.All[i]
		switch p := (place{col.Field, col.Guardian}); {
		case col.Field == Phone, col.Field == Mail, col.Field == Groups, col.Field == Ignored:
		case seen[p]:
			col.Field, col.Guardian, col.Relation = Ignored, -1, ""
			c.Unknown = append(c.Unknown, *col)
		default:
			seen[p] = true
		}
	}
}

func (c *Columns) has(f Field) bool {
	return slices.ContainsFunc(c.All, func(col Column) bool { return col.Field == f })
}

// missing returns what to do about columns that every sheet needs.
func (c *Columns) missing() error {
	var ja, en []string
	if !c.has(Name) && !(c.has(Surname) && c.has(Given)) {
		ja, en = append(ja, "「氏名」（または「姓」と「名」）"), append(en, "“name” (or “surname” and “given name”)")
	}
	if !c.has(ClassOf) && !c.has(GradeOf) {
		ja, en = append(ja, "「組」（または「学年」と「組」）"), append(en, "“class” (or “grade” and “class”)")
	}
	if ja == nil {
		return nil
	}
	return problem.New(problem.Invalid,
		"%[1]sの列が見つかりません。1行目に見出しを入れるか、どの列に何が入っているかを選んでください。見つかった見出し: %[2]s",
		"No column for %[3]s was found. Please put headers into the first row, or choose what the columns hold. Headers found: %[4]s",
		strings.Join(ja, "と"), c.headers("なし"), strings.Join(en, " and "), c.headers("none"))
}

func (c *Columns) headers(none string) string {
	var hs []string
	for _, col := range c.All {
		if h := []rune(col.Header); len(h) > 0 && len(hs) < 12 {
			hs = append(hs, string(h[:min(len(h), 20)]))
		}
	}
	if hs == nil {
		return none
	}
	return strings.Join(hs, ", ")
}

// notes says which columns are not used.
func (c *Columns) notes(row int) []Note {
	var notes []Note
	for _, col := range c.Unknown {
		text := lang.T("列「%.40s」は使いません。", "Column “%.40s” is not used.", col.Header)
		if col.Header == "" {
			text = lang.T("%d列目は見出しがないので使いません。使うときは、見出しを付けるか、下の「列の読み取り方」で選んでください。",
				"Column %d has no header and is not used. To use it, give it a header or choose below what it holds.", col.Index+1)
		}
		notes = append(notes, Note{Row: row, Message: text})
	}
	return notes
}
