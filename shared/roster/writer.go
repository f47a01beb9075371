package roster

import (
	"io"
	"strings"
	"unicode/utf8"

	"github.com/todoku/todoku/shared/problem"
)

// sheetWriter writes a sheet as spreadsheet programs read it: lines end in CRLF,
// cells are quoted where needed, and none is taken for a formula.
type sheetWriter struct {
	b     strings.Builder
	comma rune
}

func (w *sheetWriter) row(cells []string) {
	for i, cell := range cells {
		if i > 0 {
			w.b.WriteRune(w.comma)
		}
		cell = guard(cell)
		if strings.ContainsAny(cell, "\"\r\n\t,;") || cell != strings.TrimSpace(cell) {
			cell = `"` + strings.ReplaceAll(cell, `"`, `""`) + `"`
		}
		w.b.WriteString(cell)
	}
	w.b.WriteString("\r\n")
}

// flush writes everything in the encoding, or nothing if it has no place for a
// character.
func (w *sheetWriter) flush(to io.Writer, enc Encoding) error {
	text := w.b.String()
	if enc == UTF8BOM {
		text = "\ufeff" + text
	}
	bytes, err := enc.codec().NewEncoder().String(text)
	if err != nil {
		return problem.New(problem.Invalid, "「%s」はシフトJISでは書けない文字です。UTF-8を選んでください。",
			"“%s” cannot be written in Shift_JIS. Please choose UTF-8.", unwritable(text, enc)).Because(err)
	}
	_, err = io.WriteString(to, bytes)
	return err
}

func unwritable(text string, enc Encoding) string {
	e := enc.codec().NewEncoder()
	for _, r := range text {
		if _, err := e.String(string(r)); err != nil {
			return string(r)
		}
	}
	return string(utf8.RuneError)
}

// formula holds the characters that make a spreadsheet program take a cell for a
// formula, in both widths: https://owasp.org/www-community/attacks/CSV_Injection
const formula = "=+-@\t\r＝＋－＠"

// guard puts an apostrophe before a cell that would be taken for a formula, and
// before one that guard could have made, so that unguard always gives the cell back.
func guard(cell string) string {
	if bare := strings.TrimLeft(cell, "'"); bare != "" && strings.ContainsRune(formula, first(bare)) {
		return "'" + cell
	}
	return cell
}

// unguard undoes guard.
func unguard(cell string) string {
	bare := strings.TrimLeft(cell, "'")
	if bare != cell && bare != "" && strings.ContainsRune(formula, first(bare)) {
		return cell[1:]
	}
	return cell
}

func first(s string) rune {
	r, _ := utf8.DecodeRuneInString(s)
	return r
}
