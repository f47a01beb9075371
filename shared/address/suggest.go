package address

import (
	"cmp"
	"slices"
	"strings"

	"golang.org/x/net/publicsuffix"

	"github.com/todoku/todoku/shared/lang"
)

// Suggest returns the address that a was probably meant to be, and whether there
// is one. Ask the person; never put the suggestion in the place of what was
// entered: a domain one letter away from a well-known one may be somebody's.
func Suggest(a Address) (suggestion Address, ok bool) {
	domain := likelyDomain(a.Domain)
	if domain == "" || bareSuffix.MatchString(domain) {
		return Address{}, false
	}
	suggestion = Address{Local: a.Local, Domain: domain}
	// A form that only a carrier has is no reason to suggest an address that
	// Parse would refuse.
	if !isDotString(a.Local) && !allowsDots(domain) {
		return Address{}, false
	}
	return suggestion, true
}

// likelyDomain returns the domain that domain is probably a typing error of, ""
// if it is as it should be or nothing is like it.
func likelyDomain(domain string) string {
	if d := slips[domain]; d != "" {
		return d
	}
	if isReal(domain) {
		return ""
	}
	if d := oneHome[registrableLabel(domain)]; d != "" {
		return d
	}
	if mended := mendEnding(domain); mended != domain {
		return cmp.Or(likelyDomain(mended), mended)
	}
	return nearest(domain)
}

// isReal reports whether people are known to have mailboxes at domain, or at a
// domain above it.
func isReal(domain string) bool {
	for _, list := range [][]string{popular, alsoReal} {
		if slices.ContainsFunc(list, func(d string) bool { return under(domain, d) }) {
			return true
		}
	}
	return isWorldwide(domain)
}

// isWorldwide reports whether domain is a country's form of a service that has
// one in many countries, such as yahoo.fr or hotmail.co.uk. Those of the
// countries whose code is the beginning of a longer ending do not count.
func isWorldwide(domain string) bool {
	suffix, icann := publicsuffix.PublicSuffix(domain)
	name := strings.TrimSuffix(domain, "."+suffix)
	return icann && slices.Contains(worldwide, name) && !strings.Contains(" co cm om ne ", " "+suffix+" ")
}

// registrableLabel returns the label just below the public suffix.
func registrableLabel(domain string) string {
	registrable, err := publicsuffix.EffectiveTLDPlusOne(domain)
	if err != nil {
		return ""
	}
	label, _, _ := strings.Cut(registrable, ".")
	return label
}

// mendEnding replaces a top-level domain that does not exist by the common one
// that is one slip away, and the "jo" of "co.jo" by jp: o and p are neighbours,
// and Jordan registers no names under such labels.
func mendEnding(domain string) string {
	labels := strings.Split(domain, ".")
	last := len(labels) - 1
	if last < 1 {
		return domain
	}
	if jp := labels[last-1] + ".jp"; bareSuffix.MatchString(jp) && !isSuffix(labels[last-1]+"."+labels[last]) {
		if distance(labels[last], "jp") == 1 {
			return strings.Join(labels[:last], ".") + ".jp"
		}
	}
	if knownEnding(labels[last]) {
		return domain
	}
	for _, tld := range []string{"com", "jp", "net", "org"} {
		if distance(labels[last], tld) == 1 {
			return strings.Join(labels[:last], ".") + "." + tld
		}
	}
	return domain
}

func isSuffix(domain string) bool {
	suffix, icann := publicsuffix.PublicSuffix(domain)
	return icann && suffix == domain
}

// nearest returns the popular domain with the fewest slips between it and domain:
// one, or two where its name is long enough for that not to be chance. Of equals,
// the more popular.
func nearest(domain string) string {
	best, fewest := "", 3
	for _, d := range popular {
		n := distance(domain, d)
		if n < fewest && n <= allowedSlips(d) && plausible(domain, d) {
			best, fewest = d, n
		}
	}
	return best
}

// allowedSlips is how many slips a domain may be away from a popular one, by the
// length of the latter's name. Short names have real neighbours (line.jp, mr.com).
func allowedSlips(popular string) int {
	name, _, _ := strings.Cut(strings.TrimPrefix(popular, "i."), ".")
	switch {
	case len(name) < 5:
		return 0
	case len(name) < 8:
		return 1
	}
	return 2
}

// plausible reports whether a slip explains the first letters. People see the
// beginning of what they type: email.com is not gmail.com.
func plausible(domain, popular string) bool {
	if domain == "" {
		return false
	}
	if domain[0] == popular[0] || domain[0] == popular[1] || strings.HasPrefix(domain[1:], popular) {
		return true
	}
	return strings.Contains(neighbours[popular[0]], domain[:1])
}

// complete returns the popular domain that a domain without an ending is the
// beginning of.
func complete(domain string) (string, bool) {
	if bareSuffix.MatchString(domain) {
		return "", false
	}
	for _, d := range popular {
		if name, _, _ := strings.Cut(d, "."); name == domain || strings.ReplaceAll(d, ".", "") == domain {
			return d, true
		}
	}
	return "", false
}

// distance is the number of slips that turn a into b: a letter too many, too few,
// or wrong, or two neighbours swapped (optimal string alignment).
func distance(a, b string) int {
	var before, last []int
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		before, last, row = last, row, make([]int, len(b)+1)
		row[0] = i
		for j := 1; j <= len(b); j++ {
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+differ(a[i-1], b[j-1]))
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
	}
	return row[len(b)]
}

func differ(x, y byte) int {
	if x == y {
		return 0
	}
	return 1
}

// Doubts returns what a person should be asked before the address is believed:
// a likely typing error, an ending that does not exist, a role or a list in place
// of a person. Each is a sentence; none is a reason to refuse.
func Doubts(a Address) []lang.Text {
	var doubts []lang.Text
	if better, ok := Suggest(a); ok {
		doubts = append(doubts, lang.T(
			"「@%s」は「@%s」ではありませんか。確かめてください。",
			"Should @%s be @%s? Please check.", a.Domain, better.Domain))
	} else if !a.HasKnownEnding() {
		doubts = append(doubts, lang.T(
			"「.%s」で終わるアドレスは見当たりません。終わりの部分を確かめてください。",
			"No address is known to end in .%s. Please check the ending.", a.ending()))
	}
	if a.IsRole() {
		doubts = append(doubts, lang.T(
			"個人ではなく、窓口や自動送信用のアドレスのようです。ご本人が読めるアドレスか確かめてください。",
			"This looks like the address of an office or a machine. Please check that the person reads it."))
	}
	if a.IsList() {
		doubts = append(doubts, lang.T(
			"メーリングリストのアドレスのようです。回答用のリンクが、参加者全員に届いてしまいます。ご本人のアドレスか確かめてください。",
			"This looks like the address of a mailing list. Everybody on it would get the link to answer. Please check that it is the person's own."))
	}
	return doubts
}
