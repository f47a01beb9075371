package address

import (
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/net/idna"

	"github.com/todoku/todoku/shared/lang"
	"github.com/todoku/todoku/shared/problem"
)

// MaxInput and MaxListInput bound what is looked at, in bytes; longer input is a
// problem of kind TooLarge.
const (
	MaxInput     = 4 << 10
	MaxListInput = 16 << 10
)

// Parse returns the one address in s. The same address twice, as in
// "t@example.jp <t@example.jp>", is one. Its error is a *problem.Error.
func Parse(s string) (Address, error) {
	if a, ok := plain(s); ok {
		return a, nil
	}
	return parse(s)
}

// parse is Parse for whatever is pasted.
func parse(s string) (Address, error) {
	found, err := read(s, MaxInput)
	if err != nil {
		return Address{}, err
	}
	if len(found) == 0 {
		return Address{}, problemEmpty
	}
	for _, f := range found {
		if f.err != nil {
			return Address{}, f.err
		}
		if f.addr.Key() != found[0].addr.Key() {
			return Address{}, problemSeveral
		}
	}
	return found[0].addr, nil
}

// ParseList returns the addresses in s, in order and each once, however they are
// separated: commas and semicolons of any width, 、, ／, spaces, tabs or lines. An
// empty list is no error. If some entries cannot be used, it returns the others
// together with a problem.List whose sentences count the entries from 1.
func ParseList(s string) ([]Address, error) {
	found, err := read(s, MaxListInput)
	if err != nil {
		return nil, problem.List{err}
	}
	var addrs []Address
	var problems problem.List
	seen := map[string]bool{}
	for i, f := range found {
		switch {
		case f.err != nil:
			problems = append(problems, numbered(i+1, len(found), f.err))
		case !seen[f.addr.Key()]:
			seen[f.addr.Key()] = true
			addrs = append(addrs, f.addr)
		}
	}
	if problems != nil {
		return addrs, problems
	}
	return addrs, nil
}

// finding is one entry of the input: an address, or why it is none.
type finding struct {
	addr Address
	err  *problem.Error
}

// read finds the entries of s. Its error is about s as a whole.
func read(s string, limit int) ([]finding, *problem.Error) {
	if len(s) > limit {
		return nil, problemTooLarge
	}
	text, err := fold(s)
	if err != nil {
		return nil, err
	}
	spans, rest := scan(text)
	if len(spans) == 0 && strings.TrimSpace(text) != "" {
		return nil, noAt(text)
	}
	found := make([]finding, len(spans))
	for i, sp := range spans {
		after := ""
		if i == len(spans)-1 {
			after = rest
		}
		found[i].addr, found[i].err = sp.address(after)
	}
	return found, nil
}

// address judges a span; after is what follows the last one.
func (sp span) address(after string) (Address, *problem.Error) {
	if hasStray(sp.before) || hasStray(after) {
		return Address{}, problemStray
	}
	local := foldLongVowels(sp.local)
	if err := checkLocal(local); err != nil {
		return Address{}, err
	}
	domain, err := parseDomain(sp.domain)
	if err != nil {
		return Address{}, err
	}
	a := Address{Local: local, Domain: domain}
	if !isDotString(local) && !allowsDots(domain) {
		return Address{}, dotsNotAllowed(a)
	}
	if len(local) > MaxLocal || len(a.Mailbox()) > MaxMailbox {
		return Address{}, problemTooLong
	}
	return a, nil
}

var longVowel = regexp.MustCompile(`([0-9A-Za-z])ー+`)

// foldLongVowels reads ー after a Latin letter as the hyphen that shares its key
// on a Japanese keyboard.
func foldLongVowels(local string) string {
	if !strings.Contains(local, "ー") {
		return local
	}
	return longVowel.ReplaceAllStringFunc(local, func(m string) string {
		return strings.ReplaceAll(m, "ー", "-")
	})
}

// checkLocal holds local to the atoms of RFC 5321. Where the dots may stand
// depends on the domain.
func checkLocal(local string) *problem.Error {
	if strings.Trim(local, ".") == "" {
		return problemNoLocal
	}
	for _, r := range local {
		switch {
		case r >= utf8.RuneSelf:
			return problemNotASCII
		case r == ' ', r == '\n':
			return problemStray
		case !isAlnum(r) && !strings.ContainsRune(".!#$%&'*+-/=?^_`{|}~", r):
			return badCharacter(r)
		}
	}
	return nil
}

// profile is that of a look-up (UTS 46), with the lengths of DNS and without
// underscores.
var profile = idna.New(idna.MapForLookup(), idna.BidiRule(), idna.VerifyDNSLength(true), idna.StrictDomainName(true))

var (
	ipAddress = regexp.MustCompile(`^\[|^[0-9.]+$`)
	// Second-level domains under which JPRS registers names and has no mailboxes.
	bareSuffix = regexp.MustCompile(`^(?:ac|ad|co|ed|go|gr|lg|ne|or)\.jp$`)
)

// parseDomain returns s in its one spelling.
func parseDomain(s string) (string, *problem.Error) {
	s = strings.TrimRight(s, ".")
	switch {
	case strings.Contains(s, "@"):
		return "", problemTwoAts
	case s == "":
		return "", problemNoDomain
	case len(s) > 4*MaxMailbox: // before any costlier look at it
		return "", problemTooLong
	case ipAddress.MatchString(s):
		return "", problemIPAddress
	case strings.HasPrefix(s, "."), strings.Contains(s, ".."):
		return "", problemDomainDots
	}
	domain, err := profile.ToASCII(s)
	if err != nil && len(s) > MaxMailbox {
		return "", problemTooLong
	}
	if err != nil || !survives(domain) {
		return "", problemBadDomain
	}
	if ipAddress.MatchString(domain) { // what is invisible in it has been dropped
		return "", problemIPAddress
	}
	if !strings.Contains(domain, ".") || bareSuffix.MatchString(domain) {
		return "", cutShort(domain)
	}
	return domain, nil
}

// survives reports whether domain comes back from the form in which people read
// it. A few labels hold characters that intake removes.
func survives(domain string) bool {
	if !strings.Contains(domain, "xn--") {
		return true
	}
	unicodeForm, err := idna.ToUnicode(domain)
	if err != nil || strings.ContainsFunc(unicodeForm, unicode.IsControl) {
		return false
	}
	folded, refused := fold("x@" + unicodeForm)
	if refused != nil {
		return false
	}
	back, err := profile.ToASCII(strings.TrimPrefix(folded, "x@"))
	return err == nil && back == domain
}

// numbered says which of several entries a problem is about.
func numbered(i, of int, err *problem.Error) *problem.Error {
	if of == 1 {
		return err
	}
	n, prefix := *err, lang.T("%d番目のアドレス：", "Address %d: ", i)
	n.Text = lang.Text{JA: prefix.JA + err.Text.JA, EN: prefix.EN + err.Text.EN}
	return &n
}
