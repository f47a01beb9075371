package sesfake

import (
	"encoding/json"
	"net/mail"
	"strings"
	"time"
)

// Step is one event in the life of a message.
type Step struct {
	Kind    Kind
	After   time.Duration // from when the message was accepted
	Type    string        // of a bounce, "Permanent"; of a delay, "MailboxFull"; of a complaint, "abuse"
	SubType string        // of a bounce, "General"
	Status  string        // RFC 3463, "5.1.1"
	Words   string        // of the operator, "550 5.1.1 Unknown user"
}

// Kind is the eventType of an event.
type Kind string

// The kinds of event that SES publishes about a message of its own.
const (
	Send             Kind = "Send"
	Delivery         Kind = "Delivery"
	DeliveryDelay    Kind = "DeliveryDelay"
	Bounce           Kind = "Bounce"
	Complaint        Kind = "Complaint"
	Reject           Kind = "Reject"
	RenderingFailure Kind = "Rendering Failure"
)

// Steps that come often.
var (
	sent      = Step{Kind: Send}
	delivered = Step{Kind: Delivery, After: time.Second}
	unknown   = Step{Kind: Bounce, After: time.Second, Type: "Permanent", SubType: "General", Status: "5.1.1", Words: "550 5.1.1 user unknown"}
	listed    = Step{Kind: Bounce, After: time.Second, Type: "Permanent", SubType: "OnAccountSuppressionList", Status: "5.1.1", Words: "not sent: the address is on the account's suppression list"}
	vacation  = Step{Kind: Bounce, After: 2 * time.Second, Type: "Transient", SubType: "General", Status: "5.7.1", Words: "out of office"}
	abuse     = Step{Kind: Complaint, After: 2 * time.Second, Type: "abuse"}
)

// Simulator is what SES's mailbox simulator does; other addresses get their mail.
// https://docs.aws.amazon.com/ses/latest/dg/send-an-email-from-console.html
func Simulator(to string) []Step {
	name, ok := strings.CutSuffix(to, "@simulator.amazonses.com")
	if !ok {
		return []Step{sent, delivered}
	}
	name, _, _ = strings.Cut(name, "+")
	switch name {
	case "bounce":
		return []Step{sent, unknown}
	case "ooto":
		return []Step{sent, delivered, vacation}
	case "complaint":
		return []Step{sent, delivered, abuse}
	case "suppressionlist":
		return []Step{sent, listed}
	}
	return []Step{sent, delivered}
}

// Notification wraps a message as SNS does for a queue, unless raw delivery is on.
func Notification(message []byte, topicARN, id string, at time.Time) []byte {
	return marshal(map[string]string{
		"Type": "Notification", "MessageId": id, "TopicArn": topicARN,
		"Subject": "Amazon SES Email Event Notification", "Message": string(message),
		"Timestamp": stamp(at), "SignatureVersion": "1", "Signature": "EXAMPLE",
		"SigningCertURL": "https://sns.us-east-1.amazonaws.com/SimpleNotificationService-0.pem",
		"UnsubscribeURL": "https://sns.us-east-1.amazonaws.com/?Action=Unsubscribe",
	})
}

// object is a JSON object.
type object = map[string]any

// event returns the JSON of one step of m, as documented in
// https://docs.aws.amazon.com/ses/latest/dg/event-publishing-retrieving-sns-contents.html
func event(m Message, s Step, tries time.Duration) []byte {
	at := stamp(m.At.Add(s.After))
	e := object{"eventType": s.Kind, "mail": mailObject(m)}
	switch s.Kind {
	case Send:
		e["send"] = object{}
	case Delivery:
		e["delivery"] = object{
			"timestamp": at, "processingTimeMillis": s.After.Milliseconds(), "recipients": []string{m.To},
			"smtpResponse": "250 2.0.0 OK", "reportingMTA": "a1.smtp-out.us-east-1.amazonses.com",
		}
	case DeliveryDelay:
		e["deliveryDelay"] = object{
			"timestamp": at, "delayType": s.Type, "expirationTime": stamp(m.At.Add(tries)),
			"delayedRecipients": []object{{"emailAddress": m.To, "status": s.Status, "diagnosticCode": "smtp; " + s.Words}},
		}
	case Bounce:
		e["bounce"] = object{
			"bounceType": s.Type, "bounceSubType": s.SubType, "timestamp": at, "feedbackId": m.ID + "-feedback",
			"bouncedRecipients": []object{{"emailAddress": m.To, "action": "failed", "status": s.Status, "diagnosticCode": "smtp; " + s.Words}},
			"reportingMTA":      "dns; a1.smtp-out.us-east-1.amazonses.com",
		}
	case Complaint:
		e["complaint"] = object{
			"complainedRecipients": []object{{"emailAddress": m.To}}, "timestamp": at, "feedbackId": m.ID + "-feedback",
			"complaintSubType": nil, "complaintFeedbackType": s.Type, "arrivalDate": at, "userAgent": "Example-FBL/1.0",
		}
	case Reject:
		e["reject"] = object{"reason": "Bad content"}
	case RenderingFailure:
		e["failure"] = object{"errorMessage": s.Words, "templateName": "none"}
	}
	return marshal(e)
}

func mailObject(m Message) object {
	header, from, subject := []object{}, m.From, ""
	if parsed, err := mail.ReadMessage(strings.NewReader(string(m.Raw))); err == nil {
		from, subject = parsed.Header.Get("From"), parsed.Header.Get("Subject")
		for _, name := range []string{"From", "To", "Subject", "Date"} {
			header = append(header, object{"name": name, "value": parsed.Header.Get(name)})
		}
	}
	tags := map[string][]string{
		"ses:operation": {"SendEmail"}, "ses:configuration-set": {m.ConfigurationSet}, "ses:source-ip": {"192.0.2.1"},
		"ses:from-domain": {m.From[strings.LastIndexByte(m.From, '@')+1:]}, "ses:caller-identity": {"dispatch"},
	}
	for name, value := range m.Tags {
		tags[name] = []string{value}
	}
	return object{
		"timestamp": stamp(m.At), "source": m.From, "sendingAccountId": "123456789012", "messageId": m.ID,
		"sourceArn":   "arn:aws:ses:us-east-1:123456789012:identity/" + m.From[strings.LastIndexByte(m.From, '@')+1:],
		"destination": []string{m.To}, "headersTruncated": false, "headers": header,
		"commonHeaders": object{"from": []string{from}, "to": []string{m.To}, "messageId": m.ID, "subject": subject},
		"tags":          tags,
	}
}

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

// marshal writes what is made of strings, numbers and lists, which cannot fail.
func marshal(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return b
}
