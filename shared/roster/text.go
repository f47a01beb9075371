package roster

import (
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// clean returns text as a person sees it: no control, zero-width or
// direction-changing characters, ends trimmed, every run of space one space.
// Characters are otherwise kept as they were typed: 髙 and ㈱ are names, too.
func clean(s string) string {
	if isClean(s) {
		return s
	}
	var b strings.Builder
	for _, r := range compose(strings.ToValidUTF8(s, "")) {
		switch {
		case unicode.IsSpace(r):
			b.WriteByte(' ')
		case unicode.IsControl(r), unicode.Is(unicode.Cf, r):
		default:
			b.WriteRune(r)
		}
	}
	return strings.Join(strings.Fields(b.String()), " ")
}

// isClean reports whether clean would change nothing; nearly all cells are so.
func isClean(s string) bool {
	space := true // as if before the text
	for _, r := range s {
		switch {
		case r == ' ' && space, r != ' ' && unicode.IsSpace(r), r == unicode.ReplacementChar:
			return false
		case unicode.IsControl(r), unicode.Is(unicode.Cf, r), r == '\u3099', r == '\u309a':
			return false
		}
		space = r == ' '
	}
	return s == "" || !space
}

// compose joins a kana with the voicing mark that macOS writes after it. NFC as a
// whole is not wanted: it replaces the older forms of kanji in people's names.
func compose(s string) string {
	if !strings.ContainsAny(s, "\u3099\u309a") {
		return s
	}
	var out []rune
	for _, r := range s {
		if last := len(out) - 1; last >= 0 && (r == '\u3099' || r == '\u309a') {
			out = append(out[:last], []rune(norm.NFC.String(string(out[last])+string(r)))...)
			continue
		}
		out = append(out, r)
	}
	return string(out)
}

// narrow returns text in its compatibility form: full-width letters and digits
// become ASCII, half-width katakana become full.
func narrow(s string) string { return norm.NFKC.String(clean(s)) }

// fold returns what two spellings of one name have in common: width, case, space
// and variation selectors do not distinguish people.
func fold(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) || unicode.Is(unicode.Variation_Selector, r) {
			return -1
		}
		return unicode.ToLower(r)
	}, narrow(s))
}

// foldKana is fold with katakana as hiragana.
func foldKana(s string) string {
	return strings.Map(func(r rune) rune {
		if 'ァ' <= r && r <= 'ヶ' {
			return r - ('ァ' - 'ぁ')
		}
		return r
	}, fold(s))
}

// split cuts a cell that holds several things, in any way that people separate
// them, and drops the empty ones.
func split(cell string) []string {
	parts := strings.FieldsFunc(cell, func(r rune) bool { return strings.ContainsRune(separators, r) })
	var all []string
	for _, p := range parts {
		if p = clean(p); p != "" {
			all = append(all, p)
		}
	}
	return all
}

const separators = "、，,;；/／\r\n\t"

// nothing holds what people write into a cell to say that there is nothing.
var nothing = map[string]bool{
	"": true, "なし": true, "無し": true, "無": true, "不明": true, "未登録": true, "-": true, "ー": true,
	"―": true, "−": true, "‐": true, "none": true, "n/a": true,
}

func isNothing(cell string) bool { return nothing[fold(cell)] }

// PhoneNumber returns a phone number in the form in which it is dialled and shown, and whether it
// is one: what people type may have full-width digits, blanks, or no leading 0.
func PhoneNumber(typed string) (number string, ok bool) {
	number, _, wrong := parsePhone(typed)
	return number, wrong == nil
}

// brokenFormulas are what spreadsheets put in the place of a value that they cannot find.
var brokenFormulas = map[string]bool{
	"#n/a": true, "#ref!": true, "#value!": true, "#name?": true, "#div/0!": true, "#num!": true, "#null!": true,
	"#spill!": true, "#calc!": true, "#error!": true,
}

func isBrokenFormula(cell string) bool {
	return strings.ContainsAny(cell, "#＃") && brokenFormulas[fold(cell)]
}
