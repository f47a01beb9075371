package mail

import (
	"slices"
	"strings"
	"unicode"
)

// MaxWords is how many characters of an operator's words are kept.
const MaxWords = 200

// Words makes an operator's words fit for a record, a log and a page: one line, without
// addresses, control or invisible characters, and short. Words of known, as they
// stand, are no addresses although there is an "@" in them.
func Words(said string, known ...string) string {
	said = strings.ToValidUTF8(said, "?")
	words := strings.FieldsFunc(said, func(r rune) bool { return !unicode.IsGraphic(r) || unicode.IsSpace(r) })
	for i, w := range words {
		if strings.ContainsAny(w, "@＠") && !slices.Contains(known, w) {
			words[i] = "(address)"
		}
	}
	short := []rune(strings.Join(words, " "))
	if len(short) > MaxWords {
		return string(short[:MaxWords-1]) + "…"
	}
	return string(short)
}
