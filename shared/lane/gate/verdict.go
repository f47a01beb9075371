package gate

import (
	"errors"
	"regexp"

	"github.com/todoku/todoku/shared/lane/pace"
	"github.com/todoku/todoku/shared/mail"
)

// Verdict returns for whom an operator's answer speaks. A relay's reply to RCPT or
// after DATA is taken for the recipient's operator's; what speaks of the relay says nothing of a
// lane. A temporary answer that does not say whom it means is the recipient's own,
// unless the copy before it got one as well (puzzled).
func Verdict(err error, puzzled bool) (k pace.Kind, unclear bool) {
	var e *mail.SendError
	switch {
	case err == nil:
		return pace.Accepted, false
	case !errors.As(err, &e), e.Scope == mail.ScopeOperator, e.Maybe, e.Code == 0:
		return pace.Untold, false
	case e.Permanent:
		return pace.Personal, false
	}
	words := e.Enhanced + " " + e.Text
	switch {
	case ofRecipient.MatchString(words):
		return pace.Personal, false
	case ofConnections.MatchString(words):
		return pace.Crowded, false
	case e.Code == 421, ofRate.MatchString(words), puzzled:
		return pace.TooFast, false
	}
	return pace.Personal, true
}

// What operators say, as far as they publish it or people report it. The order
// matters: greylisting says 4.7.1 as well.
var (
	// A mailbox that is full or away (RFC 3463, X.2.1, X.2.2), greylisting (RFC 6647,
	// section 2.4), a user's own rate.
	ofRecipient = regexp.MustCompile(`(?i)^4\.2\.[12] |mailbox (is )?full|over ?quota|quota exceed|gr[ae]y-?list|user .*receiving mail (too|at a rate)|recipient .*(rate|too many)`)
	// Connections at a time.
	ofConnections = regexp.MustCompile(`(?i)too many (concurrent |simultaneous )?(smtp )?(connections|sessions)|connection limit|concurren`)
	// A rate, a block, a policy (RFC 3463, X.7.x), a destination that is not there
	// (X.4.x), a system that takes nothing (X.3.2).
	ofRate = regexp.MustCompile(`(?i)^4\.7\.|^4\.4\.|^4\.3\.2 |too (much|many|fast)|\brate\b|throttl|temporarily deferred|\b(TSS|TS|IPTS|VS)\d\d|unusual|block|try(ing)? (your request )?again later`)
)
