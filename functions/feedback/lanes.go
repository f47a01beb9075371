package feedback

import (
	"context"
	"math"
	"regexp"
	"time"

	"github.com/todoku/todoku/shared/alert"
	"github.com/todoku/todoku/shared/lane/pace"
)

// heard is what an event tells of a copy's lane.
type heard struct {
	lane    string // "": nothing
	verdict pace.Verdict
}

// hears returns what a report tells of the lane of the copy, as it stood before. A
// copy had its verdict already if it was delayed, delivered or refused: events come
// twice and out of order.
func (r *report) hears(before alert.Copy) heard {
	known := before.State == alert.Delivered || before.State == alert.Refused || before.State == alert.Delayed && before.Away
	if known || r.state == alert.Sent {
		return heard{}
	}
	h := heard{lane: before.Lane, verdict: pace.Verdict{Kind: pace.Accepted, Took: r.took}}
	switch {
	case r.state == alert.Delayed && r.ofLane():
		h.verdict.Kind = pace.TooFast
	case r.state != alert.Delivered:
		h.verdict.Kind = pace.Personal
	}
	if h.verdict.Took == 0 {
		h.verdict.Took = max(r.at.Sub(r.sent), 0)
	}
	return h
}

// ofLane reports whether a delay speaks of the receiving operator, not of one mailbox
// or of SES itself. The types are those of
// https://docs.aws.amazon.com/ses/latest/dg/event-publishing-retrieving-sns-contents.html#event-publishing-retrieving-sns-contents-delivery-delay-object
func (r *report) ofLane() bool {
	switch r.delay {
	case "MailboxFull", "SpamDetected", "InternalFailure", "SendingDeferral", "BYOIPHostNameLookupUnavailable":
		return false
	}
	return !greylisted.MatchString(r.why.Reason)
}

// greylisted finds a delay that is for one recipient (RFC 6647, section 2.4).
var greylisted = regexp.MustCompile(`(?i)gr[ae]y-?list`)

// tellLanes gives the verdicts to the lanes, each lane's in one write. What cannot be
// told is lost: the gate gives the place back after a time.
func (h *Handler) tellLanes(ctx context.Context, all []heard) {
	if h.Gate == nil {
		return
	}
	byLane := map[string][]pace.Verdict{}
	for _, one := range all {
		if one.lane != "" {
			byLane[one.lane] = append(byLane[one.lane], one.verdict)
		}
	}
	for lane, verdicts := range byLane {
		if err := h.Gate.Report(ctx, lane, verdicts...); err != nil {
			h.Log.Warn("a lane was not told, its places come back by themselves", "lane", lane, "verdicts", len(verdicts), "err", err)
		}
	}
}

// millis is a time as SES tells it.
func millis(n int64) time.Duration {
	return time.Duration(min(max(n, 0), math.MaxInt64/int64(time.Millisecond))) * time.Millisecond
}
