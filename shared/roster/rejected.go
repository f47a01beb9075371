package roster

import (
	"io"
	"strings"

	"github.com/todoku/todoku/shared/problem"
)

// errorHeader is the head of the column that RejectedCSV adds, and that an import
// ignores.
const errorHeader = "エラー"

// RejectedCSV writes the rows that the plan refuses, with their cells as they were
// and what is wrong with them in a first column, as a file that can be corrected
// and imported by itself. It is encoded like the original, or in UTF-8 if that has
// no place for a character. A plan without errors gives the headers alone.
func (p *Plan) RejectedCSV(to io.Writer) error {
	w := &sheetWriter{comma: p.Sheet.Comma}
	at := p.errorColumn()
	w.row(withError(p.Sheet.Rows[p.Columns.Row], at, errorHeader))
	why := map[int][]string{}
	for _, n := range p.Errors {
		why[n.Row] = append(why[n.Row], n.Message.JA)
	}
	for _, row := range p.Sheet.Rows[p.Columns.Row+1:] {
		if messages := why[row.Number]; messages != nil {
			w.row(withError(row, at, strings.Join(messages, " ")))
		}
	}
	err := w.flush(to, p.Sheet.Encoding)
	if problem.Is(err, problem.Invalid) {
		return w.flush(to, UTF8BOM)
	}
	return err
}

// errorColumn returns where the messages of an earlier round stand, -1 if there
// was none.
func (p *Plan) errorColumn() int {
	for _, col := range p.Columns.All {
		if headerKey(col.Header) == headerKey(errorHeader) {
			return col.Index
		}
	}
	return -1
}

// withError returns a row's cells with the message in column at, or before all if
// that is -1: behind the last cell it would hide that a row is too long.
func withError(row Row, at int, message string) []string {
	cells := make([]string, max(at+1, len(row.Cells)))
	for i := range cells {
		cells[i] = row.cell(i)
	}
	if at < 0 {
		return append([]string{message}, cells...)
	}
	cells[at] = message
	return cells
}
