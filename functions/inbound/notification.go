package inbound

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"time"

	"github.com/todoku/todoku/shared/mail/incoming"
)

// notification is what Todoku reads of what SES publishes when a mail comes in:
// https://docs.aws.amazon.com/ses/latest/dg/receiving-email-notifications-contents.html
type notification struct {
	Type string `json:"notificationType"`
	Mail struct {
		Timestamp time.Time `json:"timestamp"`
		Source    string    `json:"source"` // of the envelope; "<>" or "" for a bounce
		MessageID string    `json:"messageId"`
	} `json:"mail"`
	Receipt struct {
		Recipients  []string `json:"recipients"`
		Spam        status   `json:"spamVerdict"`
		Virus       status   `json:"virusVerdict"`
		SPF         status   `json:"spfVerdict"`
		DKIM        status   `json:"dkimVerdict"`
		DMARC       status   `json:"dmarcVerdict"`
		DMARCPolicy string   `json:"dmarcPolicy,omitempty"` // only of a mail that failed
		Action      struct {
			Type     string `json:"type"`
			Encoding string `json:"encoding"` // UTF8 or BASE64
		} `json:"action"`
	} `json:"receipt"`
	Content string `json:"content"`
}

// status is a verdict of SES: PASS, FAIL, GRAY, PROCESSING_FAILED.
type status struct {
	Status string `json:"status"`
}

func (s status) verdict() incoming.Verdict {
	switch s.Status {
	case "PASS":
		return incoming.Pass
	case "FAIL":
		return incoming.Fail
	}
	return incoming.None
}

func statusOf(v incoming.Verdict) status {
	return status{map[incoming.Verdict]string{incoming.Pass: "PASS", incoming.Fail: "FAIL", incoming.None: "GRAY"}[v]}
}

// wrapped is what SNS puts around it unless raw delivery is on.
type wrapped struct {
	Type    string `json:"Type"`
	Message string `json:"Message"`
}

// errForeign says that a message is no mail that came in: SES's first message on a
// topic is plain text, and another action's has no content.
var errForeign = errors.New("inbound: not a mail that came in")

// parse reads the body of a queue message.
func parse(body string) (incoming.Mail, error) {
	var w wrapped
	if json.Unmarshal([]byte(body), &w) == nil && w.Type == "Notification" {
		body = w.Message
	}
	var n notification
	if err := json.Unmarshal([]byte(body), &n); err != nil || n.Type != "Received" || n.Content == "" {
		return incoming.Mail{}, errForeign
	}
	raw := []byte(n.Content)
	if n.Receipt.Action.Encoding == "BASE64" {
		var err error
		if raw, err = base64.StdEncoding.DecodeString(n.Content); err != nil {
			return incoming.Mail{}, errForeign
		}
	}
	return incoming.Read(raw, n.envelope())
}

func (n *notification) envelope() incoming.Envelope {
	r := &n.Receipt
	e := incoming.Envelope{From: n.Mail.Source, To: r.Recipients, At: n.Mail.Timestamp, Verdicts: incoming.Verdicts{
		SPF: r.SPF.verdict(), DKIM: r.DKIM.verdict(), DMARC: r.DMARC.verdict(), Spam: r.Spam.verdict(), Virus: r.Virus.verdict(),
	}}
	if e.From == "<>" {
		e.From = ""
	}
	if e.Verdicts.DMARC == incoming.Fail && r.DMARCPolicy != "quarantine" && r.DMARCPolicy != "reject" {
		e.Verdicts.DMARC = incoming.None // its domain asks for no consequences (RFC 7489, section 6.3)
	}
	return e
}

// Notification returns the body of a message for a Handler: a mail that a server
// other than SES has received, in SES's words. id is the server's own.
func Notification(raw []byte, e incoming.Envelope, id string, at time.Time) (string, error) {
	var n notification
	n.Type = "Received"
	n.Mail.Timestamp, n.Mail.Source, n.Mail.MessageID = at.UTC(), e.From, id
	r := &n.Receipt
	r.Recipients = e.To
	r.Spam, r.Virus = statusOf(e.Verdicts.Spam), statusOf(e.Verdicts.Virus)
	r.SPF, r.DKIM, r.DMARC = statusOf(e.Verdicts.SPF), statusOf(e.Verdicts.DKIM), statusOf(e.Verdicts.DMARC)
	if e.Verdicts.DMARC == incoming.Fail {
		r.DMARCPolicy = "reject"
	}
	r.Action.Type, r.Action.Encoding = "SNS", "BASE64"
	n.Content = base64.StdEncoding.EncodeToString(raw)
	body, err := json.Marshal(n)
	return string(body), err
}
