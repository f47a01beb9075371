package dispatch

import (
	"regexp"
	"strconv"
	"strings"
	"time"
)

// hint finds how long a recipient's operator asks to wait.
var hint = regexp.MustCompile(`(?i)(?:in|after|for|wait) (\d{1,5}) ?(s|sec|second|m|min|minute)s?\b`)

// Bounds of what is believed of a hint.
const (
	shortestHint = 30 * time.Second
	longestHint  = time.Hour
)

// greylisted finds that a recipient is to be tried again once some time has passed (RFC 6647).
var greylisted = regexp.MustCompile(`(?i)gr[ae]y-?list`)

// again returns how long a copy waits that its recipient put off: as long as the
// operator said, or what greyDelays or RetryDelays says.
func again(words string, tries int) time.Duration {
	m := hint.FindStringSubmatch(words)
	switch {
	case m == nil && greylisted.MatchString(words):
		return nth(greyDelays, tries)
	case m == nil:
		return nth(RetryDelays, tries)
	}
	n, _ := strconv.Atoi(m[1])
	unit := time.Second
	if strings.HasPrefix(strings.ToLower(m[2]), "m") {
		unit = time.Minute
	}
	return min(max(time.Duration(n)*unit+10*time.Second, shortestHint), longestHint)
}
