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

// again returns how long a copy waits that its recipient put off: as long as the
// operator said, or what RetryDelays says.
func again(words string, tries int) time.Duration {
	m := hint.FindStringSubmatch(words)
	if m == nil {
		return retryDelay(tries)
	}
	n, _ := strconv.Atoi(m[1])
	unit := time.Second
	if strings.HasPrefix(strings.ToLower(m[2]), "m") {
		unit = time.Minute
	}
	return min(max(time.Duration(n)*unit+10*time.Second, shortestHint), longestHint)
}
