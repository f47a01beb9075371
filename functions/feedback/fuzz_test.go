package feedback

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/aws/aws-lambda-go/events"

	"github.com/todoku/todoku/shared/mail"
)

// FuzzParse: whatever the far mail host wrote into its refusal, reading ends, and what is
// kept of it is short, is text, and names no address.
func FuzzParse(f *testing.F) {
	samples, err := filepath.Glob("../../events/feedback*.json")
	if err != nil || len(samples) == 0 {
		f.Fatalf("no samples: %v", err)
	}
	for _, name := range samples {
		text, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		var e events.SQSEvent
		if err := json.Unmarshal(text, &e); err != nil {
			f.Fatal(err)
		}
		for _, m := range e.Records {
			f.Add(m.Body)
		}
	}
	for kind, more := range map[string]string{
		"Reject":        `"reject":{"reason":"for a@b.example"}`,
		"Reject ":       `"reject":{"reason":"taro＠docomo.ne.jp unknown \u202e\u001b[31m\u200bx"}`,
		"DeliveryDelay": `"deliveryDelay":{"delayType":"a@b","delayedRecipients":[{"status":"4.2.1 a@b","diagnosticCode":"\ud800 smtp; 421 <a@b>"}]}`,
		"Bounce":        `"bounce":{"bounceType":"a@b","bounceSubType":"` + strings.Repeat("long", 200) + `","bouncedRecipients":[{"status":"5.1.1"}]}`,
		"Delivery":      `"delivery":{"processingTimeMillis":-9223372036854775808}`,
		"Delivery ":     `"delivery":{"processingTimeMillis":9223372036854775807}`,
	} {
		kind = strings.TrimSpace(kind)
		f.Add(fmt.Sprintf(`{"eventType":%q,"mail":{"tags":{"alert":["01k41zq2a0aaaaaaaaaaaaaaa1"],"class":["c"],"family":["01k41zq2a0aaaaaaaaaaaaaaf1"],`+
			`"contact":["01k41zq2a0aaaaaaaaaaaaaac1"],"round":["0"]}},%s}`, kind, more))
	}
	f.Fuzz(func(t *testing.T, body string) {
		r, err := parse(body)
		if err != nil {
			return
		}
		kept := r.why.Reason
		if strings.ContainsAny(kept, "@＠") || utf8.RuneCountInString(kept) > 2*mail.MaxWords+len(": ") || !utf8.ValidString(kept) || strings.ContainsFunc(kept, isHidden) {
			t.Errorf("kept: %q", kept)
		}
		if strings.ContainsAny(r.why.Status, " @") || r.took < 0 {
			t.Errorf("kept: %q, %v", r.why.Status, r.took)
		}
	})
}

func isHidden(r rune) bool { return !unicode.IsGraphic(r) }
