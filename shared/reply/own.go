package reply

import (
	"regexp"
	"strings"

	"golang.org/x/text/unicode/norm"
)

// Own returns what a person wrote: text without the mail that it quotes, and without
// what a mail program adds underneath.
func Own(text string) string {
	var own []string
	lines := strings.Split(text, "\n")
	for i := 0; i < len(lines); i++ {
		line := strings.TrimSpace(norm.NFKC.String(lines[i]))
		switch {
		case quoted(line):
			continue
		case signature.MatchString(line):
			return tidy(own)
		}
		n := attribution(lines[i:])
		if n == 0 {
			own = append(own, strings.TrimRight(lines[i], " \t\r　"))
			continue
		}
		if !nextIsQuoted(lines[i+n:]) {
			return tidy(own) // what follows is the mail itself, unmarked
		}
		i += n - 1
	}
	return tidy(own)
}

func tidy(lines []string) string { return strings.TrimSpace(strings.Join(lines, "\n")) }

// quoted reports whether a line is marked as of the mail that is replied to.
func quoted(line string) bool { return strings.HasPrefix(line, ">") || strings.HasPrefix(line, "|") }

// nextIsQuoted reports whether the first line that says something is quoted.
func nextIsQuoted(lines []string) bool {
	for _, l := range lines {
		if l = strings.TrimSpace(norm.NFKC.String(l)); l != "" {
			return quoted(l)
		}
	}
	return false
}

// signature begins what a program or a person puts under every mail.
var signature = regexp.MustCompile(`(?i)^(?:--|__+|==+|\*\*+|(?:\[?sent from .*)|get outlook for .*|(?:.*から送信(?:されました)?[。.]?)|(?:.*で送信(?:されました)?[。.]?)|outlook for .* を入手)$`)

// maxAttribution is over how many lines a program breaks the line above a quotation.
const maxAttribution = 3

// attribution returns how many of the first lines say that a quotation follows: who
// wrote it and when, or the header of the mail; 0 if they do not.
func attribution(lines []string) int {
	first := strings.TrimSpace(norm.NFKC.String(lines[0]))
	if rule.MatchString(first) || headerField.MatchString(first) && headerBlock(lines) {
		return 1
	}
	joined := ""
	for n := range min(maxAttribution, len(lines)) {
		line := strings.TrimSpace(norm.NFKC.String(lines[n]))
		if line == "" {
			return 0
		}
		joined = strings.TrimSpace(joined + " " + line)
		if wrote.MatchString(joined) {
			return n + 1
		}
	}
	return 0
}

// rule is a line that stands above a mail that is passed on.
var rule = regexp.MustCompile(`(?i)^-{2,}\s*(?:original message|original appointment|forwarded message|元のメッセージ|転送メッセージ|オリジナルメッセージ|引用|返信元).*$|^begin forwarded message:?$|^_{10,}$`)

// headerField is a line of the header of a mail that is quoted without marks.
var headerField = regexp.MustCompile(`(?i)^(?:from|差出人|送信者|送信元|sent|date|送信日時|日時|日付|to|宛先|subject|件名)\s*[:]`)

// headerBlock reports whether at least two lines of a header stand together.
func headerBlock(lines []string) bool {
	n := 0
	for _, l := range lines[:min(len(lines), 4)] {
		if headerField.MatchString(strings.TrimSpace(norm.NFKC.String(l))) {
			n++
		}
	}
	return n >= 2
}

// wrote is the line above a quotation, of any program: a date or an address, and that
// somebody wrote.
var wrote = regexp.MustCompile(`(?i)^on .+ wrote:$` +
	`|^(?:20)?\d\d\s*[年/.-]\s*\d{1,2}\s*[月/.-]\s*\d{1,2}.*(?::|のメール:|wrote:|さんは?書きました:?)$` +
	`|^.*<[^<>@\s]+@[^<>@\s]+>.*(?:wrote|のメール|さんは?(?:書きました|のメッセージ))?:$` +
	`|^.*(?:さん(?:は|が)?(?:書きました|からのメール)|wrote)\s*:?$`)
