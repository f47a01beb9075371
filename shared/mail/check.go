package mail

import (
	"fmt"
	"net/mail"
	"strings"
	"unicode/utf8"
)

// check refuses a message with a field that cannot be written. Its error names
// the field and never its value.
func (m *Message) check() error {
	checks := []struct {
		field string
		why   string
	}{
		{"ID", checkToken(m.ID, MaxID, isIDByte)},
		{"From", checkAddress(m.From)},
		{"To", checkAddress(m.To)},
		{"Reply-To", checkOptionalAddress(m.ReplyTo)},
		{"Subject", checkText(m.Subject)},
		{"Unsubscribe", m.checkUnsubscribe()},
		{"Date", m.checkDate()},
		{"Tags", m.checkTags()},
	}
	for _, c := range checks {
		if c.why != "" {
			return fmt.Errorf("%w: %s %s", ErrInvalid, c.field, c.why)
		}
	}
	return nil
}

func isIDByte(c byte) bool { return isTagByte(c) || c == '.' }

func isTagByte(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' || c == '_'
}

func checkToken(s string, limit int, ok func(byte) bool) string {
	if s == "" || len(s) > limit {
		return fmt.Sprintf("has not 1 to %d octets", limit)
	}
	for i := range len(s) {
		if !ok(s[i]) {
			return "has a character that is not allowed"
		}
	}
	return ""
}

// checkText refuses what no encoding may carry in a header field. A line break
// there would let whoever wrote the text add fields, or recipients, of his own.
func checkText(s string) string {
	switch {
	case strings.ContainsAny(s, "\r\n\x00"):
		return "has a line break or a NUL"
	case !utf8.ValidString(s):
		return "is not UTF-8"
	}
	return ""
}

func checkOptionalAddress(a mail.Address) string {
	if a == (mail.Address{}) {
		return ""
	}
	return checkAddress(a)
}

func checkAddress(a mail.Address) string {
	if why := checkText(a.Name); why != "" {
		return why
	}
	return checkMailbox(a.Address)
}

func (m *Message) checkUnsubscribe() string {
	u := m.Unsubscribe
	switch {
	case u == "" && m.OneClick:
		return "is missing for OneClick"
	case u == "":
		return ""
	case strings.HasPrefix(u, "mailto:") && !m.OneClick:
	case !strings.HasPrefix(u, "https://") && !strings.HasPrefix(u, "http://"):
		return "is not an http or https address, nor mailto without OneClick"
	}
	return checkToken(u, MaxUnsubscribe, func(c byte) bool {
		return '!' <= c && c <= '~' && c != '<' && c != '>'
	})
}

// checkDate holds a date to the four digits of a year that RFC 5322 has.
func (m *Message) checkDate() string {
	if y := m.Date.Year(); y < 1900 || y > 9999 {
		return "is missing or not between 1900 and 9999"
	}
	return ""
}

func (m *Message) checkTags() string {
	for name, value := range m.Tags {
		for _, s := range []string{name, value} {
			if why := checkToken(s, MaxTag, isTagByte); why != "" {
				return why
			}
		}
	}
	return ""
}

// checkMailbox holds an address to RFC 5321's Mailbox with RFC 6531's UTF-8: it
// goes into the envelope as it is, where a space or '>' would begin a parameter.
func checkMailbox(s string) string {
	at := strings.LastIndexByte(s, '@')
	switch {
	case s == "":
		return "is missing"
	case len(s) > MaxAddress:
		return fmt.Sprintf("has more than %d octets", MaxAddress)
	case !utf8.ValidString(s):
		return "is not UTF-8"
	case at < 0:
		return "has no @"
	case !isLocalPart(s[:at]):
		return "has a local part that must be quoted or has a forbidden character"
	case !isDomain(s[at+1:]):
		return "has no valid domain"
	}
	return ""
}

func isLocalPart(s string) bool {
	if len(s) > 2 && s[0] == '"' && s[len(s)-1] == '"' {
		return isQuoted(s[1 : len(s)-1])
	}
	return isDotted(s, func(r rune) bool { return r >= utf8.RuneSelf || isAtext(byte(r)) })
}

// isQuoted reports whether s may stand between the quotes of a quoted string.
func isQuoted(s string) bool {
	escaped := false
	for i := range len(s) {
		switch c := s[i]; {
		case c < ' ' || c == 0x7f:
			return false
		case escaped:
			escaped = false
		case c == '\\':
			escaped = true
		case c == '"':
			return false
		}
	}
	return !escaped
}

// isDotted reports whether s is non-empty labels of ok characters with dots
// between them.
func isDotted(s string, ok func(rune) bool) bool {
	for label := range strings.SplitSeq(s, ".") {
		if label == "" || strings.IndexFunc(label, func(r rune) bool { return !ok(r) }) >= 0 {
			return false
		}
	}
	return true
}

func isAtext(c byte) bool {
	return isTagByte(c) || strings.IndexByte("!#$%&'*+/=?^`{|}~", c) >= 0
}

func isDomain(s string) bool {
	if len(s) >= 2 && s[0] == '[' && s[len(s)-1] == ']' {
		return strings.Trim(s[1:len(s)-1], "0123456789abcdefABCDEFIPv:.") == "" && len(s) > 2
	}
	return isDotted(s, func(r rune) bool { return r >= utf8.RuneSelf || isTagByte(byte(r)) })
}

// domain returns what stands after the '@' of a checked address.
func domain(address string) string {
	return address[strings.LastIndexByte(address, '@')+1:]
}

// isPlainText reports whether a text field may stand as it is: printable ASCII
// that no reader takes for an encoded word or trims.
func isPlainText(s string) bool {
	if s == "" || s[0] == ' ' || s[len(s)-1] == ' ' || strings.Contains(s, "=?") {
		return false
	}
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

// isPhrase reports whether a name may stand as it is: atoms with single spaces
// between them.
func isPhrase(s string) bool {
	if strings.Contains(s, "=?") {
		return false
	}
	for word := range strings.SplitSeq(s, " ") {
		if word == "" || strings.IndexFunc(word, func(r rune) bool { return r >= utf8.RuneSelf || !isAtext(byte(r)) }) >= 0 {
			return false
		}
	}
	return true
}
