package feedback

import (
	"encoding/json"
	"errors"
	"regexp"
	"strings"
	"time"

	"github.com/todoku/todoku/shared/alert"
	"github.com/todoku/todoku/shared/docket"
	"github.com/todoku/todoku/shared/enrol"
	"github.com/todoku/todoku/shared/judge"
	"github.com/todoku/todoku/shared/mail"
)

// sesEvent is what Todoku reads of an event that SES publishes:
// https://docs.aws.amazon.com/ses/latest/dg/event-publishing-retrieving-sns-contents.html
type sesEvent struct {
	EventType        string `json:"eventType"`
	NotificationType string `json:"notificationType"` // where feedback notifications are used instead of events
	Mail             struct {
		Timestamp time.Time           `json:"timestamp"`
		Tags      map[string][]string `json:"tags"`
	} `json:"mail"`
	Bounce *struct {
		BounceType        string      `json:"bounceType"`
		BounceSubType     string      `json:"bounceSubType"`
		BouncedRecipients []recipient `json:"bouncedRecipients"`
		Timestamp         time.Time   `json:"timestamp"`
	} `json:"bounce"`
	Delivery *struct {
		Timestamp time.Time `json:"timestamp"`
		Millis    int64     `json:"processingTimeMillis"`
	} `json:"delivery"`
	DeliveryDelay *struct {
		DelayType         string      `json:"delayType"`
		DelayedRecipients []recipient `json:"delayedRecipients"`
		Timestamp         time.Time   `json:"timestamp"`
	} `json:"deliveryDelay"`
	Complaint *struct {
		Type      string    `json:"complaintFeedbackType"` // RFC 5965
		SubType   string    `json:"complaintSubType"`
		Timestamp time.Time `json:"timestamp"`
	} `json:"complaint"`
	Reject *struct {
		Reason string `json:"reason"`
	} `json:"reject"`
	Failure *struct {
		Message string `json:"errorMessage"`
	} `json:"failure"`
}

type recipient struct {
	Status     string `json:"status"` // RFC 3463
	Diagnostic string `json:"diagnosticCode"`
}

// envelope is what SNS puts around an event unless raw delivery is on.
type envelope struct {
	Type    string `json:"Type"`
	Message string `json:"Message"`
}

// report is what an event says of a copy.
type report struct {
	copy      alert.CopyRef
	state     alert.CopyState // "" if the event changes no state
	why       alert.Failure
	at        time.Time
	complaint bool
	evidence  judge.Evidence // of a refusal
	sent      time.Time      // when SES took the mail
	took      time.Duration  // how long SES took to deliver it; 0: not told
	delay     string         // delayType
	expired   bool           // SES gave up trying

	school, join, test string // whose mail it was, if not a copy
}

// errForeign says that a message is no event about a copy: SES's first message
// on a topic is plain text, and other systems may use the topic.
var errForeign = errors.New("feedback: not about a mail of ours")

// parse reads the body of a queue message.
func parse(body string) (report, error) {
	var e envelope
	if json.Unmarshal([]byte(body), &e) == nil && e.Type == "Notification" {
		body = e.Message
	}
	var s sesEvent
	if err := json.Unmarshal([]byte(body), &s); err != nil {
		return report{}, errForeign
	}
	tags := map[string]string{}
	for name, values := range s.Mail.Tags {
		if len(values) > 0 {
			tags[name] = values[0]
		}
	}
	c, ours := alert.CopyOfTags(tags)
	r := report{copy: c, at: s.Mail.Timestamp, sent: s.Mail.Timestamp}
	if !ours {
		r.school, r.join, ours = enrol.OfTags(tags)
	}
	if !ours {
		r.school, r.test, ours = docket.TestOfTags(tags)
	}
	if !ours {
		return report{}, errForeign
	}
	s.judge(&r)
	return r, nil
}

// judge says what the event means for the copy. An event of a kind that is not
// known changes nothing.
func (s *sesEvent) judge(r *report) {
	switch kind := s.EventType + s.NotificationType; {
	case kind == "Send":
		r.state = alert.Sent
	case kind == "Delivery" && s.Delivery != nil:
		r.state, r.at, r.took = alert.Delivered, s.Delivery.Timestamp, millis(s.Delivery.Millis)
	case kind == "DeliveryDelay" && s.DeliveryDelay != nil:
		d := s.DeliveryDelay
		r.state, r.at, r.why = alert.Delayed, d.Timestamp, failure(d.DelayedRecipients, d.DelayType)
		r.delay = d.DelayType
	case kind == "Bounce" && s.Bounce != nil:
		b := s.Bounce
		r.state, r.at, r.why = alert.Refused, b.Timestamp, failure(b.BouncedRecipients, b.BounceType+" "+b.BounceSubType)
		r.expired = b.BounceType == "Transient" && r.why.Status == alert.Expired
		r.why.Soft = b.BounceType == "Transient" && b.BounceSubType == "General" && !r.expired // so SES reports an "out of office", too
		r.evidence = judge.Evidence{Status: r.why.Status, Text: said(r.why.Reason), Bounce: b.BounceType, SubType: b.BounceSubType}
	case kind == "Complaint" && s.Complaint != nil:
		s.judgeComplaint(r)
	case kind == "Reject" && s.Reject != nil:
		r.state, r.why = alert.Refused, alert.Failure{Reason: "rejected by SES: " + mail.Words(s.Reject.Reason)}
	case kind == "Rendering Failure" && s.Failure != nil:
		r.state, r.why = alert.Refused, alert.Failure{Reason: "not rendered by SES"}
	}
}

// judgeComplaint tells what a guardian reported from what SES did not send because somebody
// did so before.
func (s *sesEvent) judgeComplaint(r *report) {
	c := s.Complaint
	r.at = c.Timestamp
	switch {
	case c.SubType == onAccountList:
		r.state, r.why = alert.Refused, alert.Failure{Reason: "Complaint " + onAccountList}
		r.evidence = judge.Evidence{Bounce: "Permanent", SubType: onAccountList}
	case c.Type != notSpam:
		r.complaint = true
	}
}

const (
	// onAccountList is the sub-type of what SES accepted and did not even try to send, because
	// the account's own list has the address. It is given with bounces and with complaints
	// (https://docs.aws.amazon.com/ses/latest/dg/event-publishing-retrieving-sns-contents.html).
	onAccountList = "OnAccountSuppressionList"
	// notSpam is the type of a report that a mail was taken for spam, and is none (RFC 6430).
	notSpam = "not-spam"
)

// failure keeps the status code, and of the diagnostic what names no address. A
// mail has one recipient, but an event may name it several times.
func failure(rs []recipient, words string) alert.Failure {
	words = mail.Words(words)
	f := alert.Failure{Reason: words}
	for _, r := range rs {
		f.Status = statusCode.FindString(r.Status)
		if r.Diagnostic != "" {
			f.Reason = words + ": " + mail.Words(r.Diagnostic)
		}
	}
	return f
}

// said returns the operator's words in a failure's reason.
func said(reason string) string {
	_, words, _ := strings.Cut(reason, ": ")
	return strings.TrimPrefix(words, "smtp; ")
}

var statusCode = regexp.MustCompile(`^[245]\.\d{1,3}\.\d{1,3}\b`)
