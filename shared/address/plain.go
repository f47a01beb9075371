package address

import "strings"

// plain reads an address that is written as Address has it and leaves nothing to judge:
// what the roster holds, of which an alert reads every one. It takes a hundredth of the
// time that Parse takes otherwise, and never says anything else.
func plain(s string) (Address, bool) {
	local, domain, ok := strings.Cut(s, "@")
	if !ok || !isPlainLocal(local) || !isPlainDomain(domain) || len(s) > MaxMailbox {
		return Address{}, false
	}
	return Address{Local: local, Domain: domain}, true
}

// isPlainLocal: letters, digits and some signs, with single dots between them.
func isPlainLocal(s string) bool {
	if s == "" || len(s) > MaxLocal || s[0] == '.' || s[len(s)-1] == '.' {
		return false
	}
	for i := range len(s) {
		switch c := s[i]; {
		case isLowerOrDigit(c), 'A' <= c && c <= 'Z', c == '-', c == '_', c == '+':
		case c == '.' && s[i-1] != '.':
		default:
			return false
		}
	}
	return true
}

// isPlainDomain: labels of lower-case letters, digits and single hyphens between them,
// the last of letters only, and not a suffix under which nobody has mail.
func isPlainDomain(s string) bool {
	const maxLabel = 63
	label := 0 // its length so far
	letters := true
	for i := range len(s) {
		c := s[i]
		switch {
		case c == '.':
			if label == 0 || s[i-1] == '-' {
				return false
			}
			label, letters = 0, true
			continue
		case c == '-':
			if label == 0 || s[i-1] == '-' {
				return false
			}
			letters = false
		case !isLowerOrDigit(c):
			return false
		case c <= '9':
			letters = false
		}
		if label++; label > maxLabel {
			return false
		}
	}
	return label > 0 && letters && strings.Contains(s, ".") && (len(s) != len("co.jp") || !bareSuffix.MatchString(s))
}

func isLowerOrDigit(c byte) bool { return 'a' <= c && c <= 'z' || '0' <= c && c <= '9' }
