package address

import (
	"net/url"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"github.com/todoku/todoku/shared/problem"
)

// lookalikes are characters that a Japanese keyboard, a word processor or a mail
// client puts where an address has an ASCII one, beyond those that NFKC folds.
// Quotation brackets become parentheses: what they hold is a note or an address.
var lookalikes = newReplacer(map[string]string{
	"-":  "‐‑‒–—―−",
	"'":  "‘’‚‛",
	`"`:  "“”„‟〝〞〟",
	"<":  "〈《«‹≪⟨",
	">":  "〉》»›≫⟩",
	"(":  "「『【〔〖",
	")":  "」』】〕〗",
	" ":  "\u1680", // the one space that NFKC keeps
	"\n": "\t\r\v\f\u0085\u2028\u2029",
})

func newReplacer(from map[string]string) *strings.Replacer {
	var pairs []string
	for to, runes := range from {
		for _, r := range runes {
			pairs = append(pairs, string(r), to)
		}
	}
	return strings.NewReplacer(pairs...)
}

var spaceAroundAt = regexp.MustCompile(` *@ *`)

// fold brings pasted text to the characters that addresses are written in:
// compatibility forms folded (NFKC), invisible characters dropped, lookalikes
// replaced. It refuses text that is not UTF-8 or holds control characters.
func fold(s string) (string, *problem.Error) {
	s = expandMailto(s)
	if !utf8.ValidString(s) {
		return "", problemGarbled
	}
	s = strings.ReplaceAll(s, "／", "\n") // a separator, while "/" is a letter of local parts
	s = lookalikes.Replace(norm.NFKC.String(dropInvisible(s)))
	if strings.ContainsFunc(s, isForbiddenControl) {
		return "", problemControl
	}
	return foldStops(spaceAroundAt.ReplaceAllString(s, "@")), nil
}

// dropInvisible removes format characters (zero-width, bidirectional, BOM, soft
// hyphen, tags) and variation selectors.
func dropInvisible(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.In(r, unicode.Cf, unicode.Variation_Selector) {
			return -1
		}
		return r
	}, s)
}

func isForbiddenControl(r rune) bool { return r != '\n' && unicode.IsControl(r) }

// foldStops makes the ideographic full stop a dot inside an address and a
// separator after a sentence.
func foldStops(s string) string {
	if !strings.Contains(s, "。") {
		return s
	}
	var b strings.Builder
	inDomain, last := false, ' '
	for _, r := range s {
		inDomain = r == '@' || inDomain && !isDelimiter(r)
		if r == '。' {
			r = ' '
			if inDomain || last > ' ' && last < utf8.RuneSelf {
				r = '.'
			}
		}
		b.WriteRune(r)
		last = r
	}
	return b.String()
}

var mailtoPattern = regexp.MustCompile(`(?i)mailto\s*[:：]\s*([^\s<>"]*)`)

// expandMailto replaces mailto links (RFC 6068) by the addresses they lead to.
// Their header fields (?subject=) are no business of ours.
func expandMailto(s string) string {
	return mailtoPattern.ReplaceAllStringFunc(s, func(link string) string {
		to, _, _ := strings.Cut(mailtoPattern.FindStringSubmatch(link)[1], "?")
		if plain, err := url.PathUnescape(to); err == nil {
			to = plain
		}
		return " " + to
	})
}
