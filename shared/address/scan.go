package address

import (
	"regexp"
	"strings"
	"unicode/utf8"
)

// span is what stands around one @ of a folded text.
type span struct {
	before string // what lies between the address before and this one
	local  string // the part before the @, quotes removed
	domain string // the part after the @; holds a further @ if one follows at once
}

// scan finds every address of a folded text, and what is left after the last.
func scan(text string) (spans []span, rest string) {
	for rest = text; ; {
		at := strings.IndexByte(rest, '@')
		if at < 0 {
			return spans, rest
		}
		var sp span
		sp.before, sp.local = cutLocal(rest[:at])
		sp.domain, rest = cutDomain(rest[at+1:])
		spans = append(spans, sp)
	}
}

// cutLocal cuts the local part off the end of s. The apostrophe that
// spreadsheets put before a cell, or people around an address, is no part of it.
func cutLocal(s string) (before, local string) {
	if body, ok := strings.CutSuffix(s, `"`); ok {
		if open := strings.LastIndexByte(body, '"'); open >= 0 {
			return body[:open], strings.TrimLeft(body[open+1:], "'")
		}
	}
	start := 0
	if i := strings.LastIndexFunc(s, isDelimiter); i >= 0 {
		_, n := utf8.DecodeRuneInString(s[i:])
		start = i + n
	}
	return s[:start], strings.TrimLeft(s[start:], "'")
}

// cutDomain cuts the domain off the start of s, an address literal whole.
func cutDomain(s string) (domain, rest string) {
	if strings.HasPrefix(s, "[") {
		if end := strings.IndexByte(s, ']'); end > 0 && !strings.ContainsAny(s[:end], "@ \n") {
			return s[:end+1], s[end+1:]
		}
	}
	end := strings.IndexFunc(s, func(r rune) bool { return !isDomainRune(r) })
	if end < 0 {
		return s, ""
	}
	return s[:end], strings.TrimLeft(s[end:], "/|")
}

// isDelimiter reports whether r cannot be part of an unquoted address.
func isDelimiter(r rune) bool { return strings.ContainsRune(" \n,;:、<>()[]\"", r) }

// isDomainRune is generous, so that a mistake becomes part of the domain and is
// named, instead of silently ending it.
func isDomainRune(r rune) bool {
	return r == '.' || r == '-' || r == '_' || r == '@' || isAlnum(r) || r >= utf8.RuneSelf && !isDelimiter(r)
}

func isAlnum(r rune) bool {
	return '0' <= r && r <= '9' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z'
}

// note matches what stands beside an address without being part of one.
var note = regexp.MustCompile(`\([^()]*\)|"[^"]*"`)

// label matches words that people write before an address.
var label = regexp.MustCompile(`(?i)^(?:e-?mail|mail|address|to|cc|from|pc)$`)

// hasStray reports whether text beside an address holds an ASCII word that may
// be a lost piece of it, as in "taro yamada@example.jp" or "t@docomo ne.jp".
// Japanese words cannot be; nor can a name before an opening bracket.
func hasStray(text string) bool {
	text = strings.TrimRight(text, " ")
	if strings.HasSuffix(text, "<") || strings.HasSuffix(text, "(") {
		return false
	}
	for _, word := range strings.FieldsFunc(note.ReplaceAllString(text, " "), isDelimiter) {
		if isASCII(word) && strings.ContainsFunc(word, isAlnum) && !label.MatchString(word) {
			return true
		}
	}
	return false
}

func isASCII(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r >= utf8.RuneSelf })
}
