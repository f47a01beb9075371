package sesfake

import (
	"encoding/base64"
	"time"
)

// Incoming is a mail that SES receives for the account.
type Incoming struct {
	Raw        []byte
	Source     string // of the envelope
	Recipients []string
	ID         string
	At         time.Time
	SPF, DKIM  string // PASS, FAIL, GRAY
	DMARC      string
	Policy     string // of the sender's domain; SES tells it of mail that failed
}

// Received returns the message that SES publishes of an incoming mail, as
// documented in
// https://docs.aws.amazon.com/ses/latest/dg/receiving-email-notifications-examples.html
func Received(m Incoming) []byte {
	verdict := func(status string) object { return object{"status": status} }
	receipt := object{
		"timestamp": stamp(m.At), "processingTimeMillis": 213, "recipients": m.Recipients,
		"spamVerdict": verdict("PASS"), "virusVerdict": verdict("PASS"),
		"spfVerdict": verdict(m.SPF), "dkimVerdict": verdict(m.DKIM), "dmarcVerdict": verdict(m.DMARC),
		"action": object{"type": "SNS", "topicArn": "arn:aws:sns:us-east-1:000000000000:mails", "encoding": "BASE64"},
	}
	if m.DMARC == "FAIL" {
		receipt["dmarcPolicy"] = m.Policy
	}
	return marshal(object{
		"notificationType": "Received",
		"mail": object{
			"timestamp": stamp(m.At), "source": m.Source, "messageId": m.ID, "destination": m.Recipients,
			"headersTruncated": false, "headers": []object{{"name": "Return-Path", "value": "<" + m.Source + ">"}},
			"commonHeaders": object{"returnPath": m.Source, "to": m.Recipients},
		},
		"receipt": receipt,
		"content": base64.StdEncoding.EncodeToString(m.Raw),
	})
}
