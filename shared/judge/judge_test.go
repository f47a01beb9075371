package judge_test

import (
	"strings"
	"testing"
	"time"

	"github.com/todoku/todoku/shared/judge"
)

// TestOf are texts that operators send, as they publish them or as senders report
// them; addresses are replaced.
func TestOf(t *testing.T) {
	type e = judge.Evidence
	tests := []struct {
		name string
		e    e
		want judge.Class
	}{
		{"docomo, no such address", e{Lane: "docomo", Code: 550, Text: "Unknown user (address)"}, judge.Unknown},
		{"docomo, the owner's filter", e{Lane: "docomo", Code: 550, Text: "Unknown user (address)", AfterData: true}, judge.Filtered},
		{"docomo, by SES", e{Lane: "docomo", Bounce: "Permanent", SubType: "General", Status: "5.1.1", Text: "smtp; 550 5.1.1 (address) Unknown user"}, judge.Unknown},
		{"docomo, full", e{Lane: "docomo", Code: 552, Text: "Too much mail data (address)"}, judge.Full},
		{"docomo, 101st recipient", e{Lane: "docomo", Code: 554, Text: "too many recipients"}, judge.Unclear},
		{"docomo, a long line", e{Lane: "docomo", Code: 500, Text: "Line Too Long"}, judge.Content},
		{"docomo, nothing but the number", e{Lane: "docomo", Code: 550}, judge.Unknown},
		{"au, no such address", e{Lane: "au", Code: 550, Text: "(address): User unknown"}, judge.Unknown},
		{"au, the owner's filter", e{Lane: "au", Code: 550, Text: ": User unknown"}, judge.Filtered},
		{"au, the filter by SES", e{Lane: "au", Bounce: "Permanent", SubType: "General", Text: "smtp; 550 : User unknown"}, judge.Filtered},
		{"softbank, no such address", e{Lane: "softbank", Code: 550, Text: "Invalid recipient: (address)"}, judge.Unknown},
		{"softbank, after the mail it is still unknown", e{Lane: "softbank", Code: 550, Text: "Invalid recipient: (address)", AfterData: true}, judge.Unknown},
		{"softbank, the sender's domain", e{Lane: "softbank", Code: 553, Text: "school.example.jp does not exist"}, judge.Policy},
		{"yahoo, no such address", e{Lane: "yahoo-jp", Code: 554, Text: "delivery error: dd This user doesn't have a yahoo.co.jp account (address) [-5] - mta7149.mail.djm.ynwp.yahoo.co.jp", AfterData: true}, judge.Unknown},
		{"yahoo, a pause", e{Lane: "yahoo-jp", Code: 421, Text: "Message from (192.0.2.1) temporarily deferred - 4.16.50"}, judge.Temporary},
		{"yahoo, a blocklist", e{Lane: "yahoo-jp", Code: 553, Status: "5.7.1", Text: "[BL21] Connections will not be accepted from 192.0.2.1, because the ip is in Spamhaus's list"}, judge.Policy},
		{"google, no such address", e{Lane: "google", Code: 550, Status: "5.1.1", Text: "The email account that you tried to reach does not exist. Please try double-checking the recipient's email address for typos"}, judge.Unknown},
		{"google, disabled", e{Lane: "google", Code: 550, Status: "5.2.1", Text: "The email account that you tried to reach is disabled."}, judge.Unknown},
		{"google, too much mail for one", e{Lane: "google", Code: 550, Status: "5.2.1", Text: "The user you are trying to contact is receiving mail at a rate that prevents additional messages from being delivered."}, judge.Temporary},
		{"google, full", e{Lane: "google", Code: 452, Status: "4.2.2", Text: "The email account that you tried to reach is over quota."}, judge.Full},
		{"google, full for good", e{Lane: "google", Code: 552, Status: "5.2.2", Text: "The recipient's inbox is out of storage space"}, judge.Full},
		{"google, DMARC", e{Lane: "google", Code: 550, Status: "5.7.26", Text: "Unauthenticated email from school.example.jp is not accepted due to domain's DMARC policy."}, judge.Policy},
		{"google, authentication", e{Lane: "google", Code: 550, Status: "5.7.1", Text: "This message does not have authentication information or fails to pass authentication checks."}, judge.Policy},
		{"google, rate of spam", e{Lane: "google", Code: 421, Status: "4.7.28", Text: "Our system has detected an unusual rate of unsolicited mail"}, judge.Temporary},
		{"google, spam", e{Lane: "google", Code: 550, Status: "5.7.1", Text: "Our system has detected that this message is likely unsolicited mail."}, judge.Content},
		{"google, size", e{Lane: "google", Code: 552, Status: "5.3.4", Text: "Your message exceeded Google's message size limits."}, judge.Size},
		{"icloud, no such address", e{Lane: "apple", Code: 550, Status: "5.1.1", Text: "(address): user does not exist"}, judge.Unknown},
		{"icloud, DMARC", e{Lane: "apple", Code: 554, Status: "5.7.1", Text: "Your message was rejected due to school.example.jp's DMARC policy."}, judge.Policy},
		{"icloud, local policy", e{Lane: "apple", Code: 554, Status: "5.7.1", Text: "[HM08] Message rejected due to local policy."}, judge.Policy},
		{"icloud, full", e{Lane: "apple", Code: 552, Status: "5.2.2", Text: "(address): user is over quota"}, judge.Full},
		{"icloud, the top of the hour", e{Lane: "apple", Code: 451, Status: "4.7.1", Text: "Service unavailable - try again later"}, judge.Temporary},
		{"microsoft, no such address", e{Lane: "microsoft", Code: 550, Status: "5.5.0", Text: "Requested action not taken: mailbox unavailable (S2017062302)."}, judge.Unknown},
		{"microsoft, no such address at a company", e{Lane: "microsoft", Code: 550, Status: "5.4.1", Text: "Recipient address rejected: Access denied."}, judge.Unknown},
		{"microsoft, authentication", e{Lane: "microsoft", Code: 550, Status: "5.7.515", Text: "Access denied, sending domain SCHOOL.EXAMPLE.JP does not meet the required authentication level."}, judge.Policy},
		{"microsoft, block list", e{Lane: "microsoft", Code: 550, Status: "5.7.1", Text: "Unfortunately, messages from [192.0.2.1] weren't sent. Please contact your Internet service provider since part of their network is on our block list (S3150)."}, judge.Policy},
		{"microsoft, banned", e{Lane: "microsoft", Code: 550, Status: "5.7.606", Text: "Access denied, banned sending IP [192.0.2.1]"}, judge.Policy},
		{"microsoft, later", e{Lane: "microsoft", Code: 451, Status: "4.7.650", Text: "The mail server has been temporarily rate limited due to IP reputation."}, judge.Temporary},
		{"postfix, no such address", e{Code: 550, Status: "5.1.1", Text: "(address): Recipient address rejected: User unknown in local recipient table"}, judge.Unknown},
		{"a provider that says 5.7.1 of an unknown user", e{Code: 550, Status: "5.7.1", Text: "(address): Recipient address rejected: Unknown user"}, judge.Unknown},
		{"postfix, a blocklist", e{Code: 554, Status: "5.7.1", Text: "Service unavailable; Client host [192.0.2.1] blocked using zen.spamhaus.org"}, judge.Policy},
		{"google, an address that may not send by itself", e{Lane: "google", Code: 550, Status: "5.7.1", Text: "The IP you're using to send mail is not authorized to send email directly to our servers."}, judge.Policy},
		{"google, a policy of the recipient's domain", e{Lane: "google", Code: 550, Status: "5.7.1", Text: "The user or domain that you are sending to (or from) has a policy that prohibited the mail that you sent."}, judge.Unclear},
		{"microsoft, a recipient who takes mail from some only", e{Lane: "microsoft", Code: 550, Status: "5.7.124", Text: "Sender not in allowed-senders list"}, judge.Filtered},
		{"microsoft, a restricted recipient", e{Lane: "microsoft", Code: 550, Status: "5.7.129", Text: "RESOLVER.RST.RestrictedToRecipientsPermission; not authorized to send to the recipient"}, judge.Filtered},
		{"microsoft, a restricted recipient by words", e{Lane: "microsoft", Code: 550, Status: "5.7.1", Text: "RESOLVER.RST.NotAuthorized; not authorized to send to the recipient"}, judge.Filtered},
		{"microsoft, a closed group", e{Lane: "microsoft", Code: 550, Status: "5.7.133", Text: "RESOLVER.RST.SenderNotAuthenticatedForGroup; authentication required"}, judge.Filtered},
		{"a policy without a reason", e{Code: 554, Status: "5.7.1", Text: "rejected"}, judge.Unclear},
		{"a policy that may be the recipient's", e{Code: 550, Status: "5.7.1", Text: "Delivery not authorized, message refused"}, judge.Unclear},
		{"greylisting", e{Code: 450, Status: "4.2.0", Text: "Greylisted, see postgrey"}, judge.Temporary},
		{"size, in the old way", e{Code: 552, Text: "Message size exceeds fixed maximum message size"}, judge.Size},
		{"a virus", e{Code: 554, Status: "5.6.0", Text: "virus found"}, judge.Content},
		{"no such domain", e{Code: 550, Status: "5.1.2", Text: "Host or domain name not found"}, judge.Unknown},
		{"SES, its list", e{Bounce: "Permanent", SubType: "OnAccountSuppressionList", Status: "5.1.1", Text: "not sent"}, judge.Listed},
		{"SES, its global list", e{Bounce: "Permanent", SubType: "Suppressed"}, judge.Listed},
		{"SES, NoEmail", e{Bounce: "Permanent", SubType: "NoEmail"}, judge.Unknown},
		{"SES, permanent and no more", e{Bounce: "Permanent", SubType: "General"}, judge.Unknown},
		{"SES, permanent by policy", e{Bounce: "Permanent", SubType: "General", Status: "5.7.26", Text: "smtp; 550-5.7.26 Unauthenticated email"}, judge.Policy},
		{"SES, no such domain", e{Bounce: "Transient", SubType: "General", Status: "4.4.7", Text: "smtp; 554 4.4.7 Message expired: unable to deliver in 840 minutes.<421 4.4.0 Unable to lookup DNS for docomo.ne.jo>"}, judge.Unknown},
		{"SES, no such domain, at once", e{Bounce: "Transient", SubType: "General", Status: "5.4.4", Text: "smtp; 550 5.4.4 Invalid domain"}, judge.Unknown},
		{"SES, out of time", e{Bounce: "Transient", SubType: "General", Status: "4.4.7", Text: "smtp; 550 4.4.7 Message expired: unable to deliver in 840 minutes."}, judge.Temporary},
		{"SES, full", e{Bounce: "Transient", SubType: "MailboxFull", Status: "5.2.2"}, judge.Full},
		{"SES, too large", e{Bounce: "Transient", SubType: "MessageTooLarge"}, judge.Size},
		{"SES, content", e{Bounce: "Transient", SubType: "ContentRejected"}, judge.Content},
		{"SES, attachment", e{Bounce: "Transient", SubType: "AttachmentRejected"}, judge.Content},
		{"SES, out of office", e{Bounce: "Transient", SubType: "General", Status: "5.7.1", Text: "out of office"}, judge.Temporary},
		{"SES, undetermined", e{Bounce: "Undetermined", SubType: "Undetermined"}, judge.Unclear},
		{"nothing", e{}, judge.Unclear},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := judge.Of(tt.e); got != tt.want {
				t.Errorf("%+v is %s, want %s", tt.e, got, tt.want)
			}
		})
	}
}

func TestEvent(t *testing.T) {
	tests := []struct {
		name string
		kind judge.Class
		t    judge.Tally
		want bool
	}{
		{"one", judge.Unknown, judge.Tally{Alike: 1, Proven: 1, Settled: 1}, false},
		{"two proven, nothing else settled", judge.Unknown, judge.Tally{Alike: 2, Proven: 2, Settled: 2}, false},
		{"three proven, nothing else settled", judge.Unknown, judge.Tally{Alike: 3, Proven: 3, Settled: 3}, true},
		{"three proven of a hundred", judge.Unknown, judge.Tally{Alike: 3, Proven: 3, Settled: 100}, false},
		{"half are refused, as they are after the mail", judge.Filtered, judge.Tally{Alike: 20, Proven: 20, Settled: 40}, true},
		{"a bad class list: one in ten", judge.Unknown, judge.Tally{Alike: 20, Settled: 200}, false},
		{"a new class list, and nothing is taken", judge.Unknown, judge.Tally{Alike: 10, Settled: 12}, true},
		{"a small operator, never verified", judge.Unknown, judge.Tally{Alike: 4, Settled: 4}, false},
		{"two do not say why", judge.Unclear, judge.Tally{Alike: 2, Proven: 2, Settled: 300}, false},
		{"nobody's mail is taken, and it is not said why", judge.Unclear, judge.Tally{Alike: 3, Proven: 3, Settled: 4}, true},
		{"two name DMARC", judge.Policy, judge.Tally{Alike: 2, Settled: 300}, true},
		{"one names DMARC", judge.Policy, judge.Tally{Alike: 1, Settled: 1}, false},
		{"a text that nobody takes", judge.Content, judge.Tally{Alike: 12, Proven: 12, Settled: 12}, true},
		{"full mailboxes", judge.Full, judge.Tally{Alike: 50, Proven: 50, Settled: 50}, false},
		{"SES's list", judge.Listed, judge.Tally{Alike: 50, Proven: 50, Settled: 50}, false},
		{"nothing", judge.Unknown, judge.Tally{}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := judge.Event(tt.kind, tt.t); got != tt.want {
				t.Errorf("got %t", got)
			}
		})
	}
}

func TestMistaken(t *testing.T) {
	for name, tt := range map[string]struct {
		kind judge.Class
		t    judge.Tally
		want bool
	}{
		"most was taken":                 {judge.Unknown, judge.Tally{Alike: 10, Settled: 110}, true},
		"some was taken":                 {judge.Filtered, judge.Tally{Alike: 10, Settled: 50}, false},
		"nothing more is known":          {judge.Unknown, judge.Tally{Alike: 10, Settled: 9}, false},
		"nothing is known":               {judge.Unknown, judge.Tally{}, false},
		"most was taken, two name DMARC": {judge.Policy, judge.Tally{Alike: 2, Settled: 300}, false},
	} {
		if got := judge.Mistaken(tt.kind, tt.t); got != tt.want {
			t.Errorf("%s: %t", name, got)
		}
	}
}

func TestCloses(t *testing.T) {
	now := time.Date(2026, 4, 7, 8, 0, 0, 0, time.UTC)
	days := func(n int) time.Time { return now.Add(-time.Duration(n) * 24 * time.Hour) }
	tests := []struct {
		name  string
		class judge.Class
		c     judge.Contact
		want  bool
	}{
		{"never verified, unknown", judge.Unknown, judge.Contact{}, true},
		{"never verified, filtered", judge.Filtered, judge.Contact{}, true},
		{"never verified, on SES's list", judge.Listed, judge.Contact{}, true},
		{"never verified, full", judge.Full, judge.Contact{}, false},
		{"never verified, policy", judge.Policy, judge.Contact{}, false},
		{"never verified, unclear", judge.Unclear, judge.Contact{}, false},
		{"confirmed, the first time", judge.Unknown, judge.Contact{Confirmed: true}, false},
		{"confirmed, and the reminder, too", judge.Unknown, judge.Contact{Confirmed: true, Refused: now.Add(-time.Hour)}, false},
		{"confirmed, the second time", judge.Unknown, judge.Contact{Confirmed: true, Refused: days(7)}, true},
		{"confirmed, on SES's list", judge.Listed, judge.Contact{Confirmed: true, Refused: days(7)}, false},
		{"answered lately, the second time", judge.Unknown, judge.Contact{Confirmed: true, Answered: days(30), Refused: days(7)}, false},
		{"answered lately without a confirmation", judge.Unknown, judge.Contact{Answered: days(30)}, false},
		{"answered long ago, the second time", judge.Unknown, judge.Contact{Answered: days(300), Refused: days(7)}, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := judge.Closes(tt.class, tt.c, now); got != tt.want {
				t.Errorf("got %t", got)
			}
		})
	}
}

func TestEveryClassHasWords(t *testing.T) {
	for _, c := range append(judge.Classes, "of another version") {
		if c.Says().JA == "" || c.Says().EN == "" || c.Do().JA == "" || c.Do().EN == "" {
			t.Errorf("%s is not in words", c)
		}
	}
}

// FuzzOf: whatever an operator says, it has one class, which does not depend on case,
// and nothing temporary ever speaks against an address.
func FuzzOf(f *testing.F) {
	f.Add("docomo", 550, "5.1.1", "Unknown user", true, "", "")
	f.Add("au", 0, "", "smtp; 550 : User unknown", false, "Permanent", "General")
	f.Add("", 451, "4.7.1", "user unknown, try again later", false, "", "")
	f.Fuzz(func(t *testing.T, lane string, code int, status, text string, afterData bool, bounce, subType string) {
		e := judge.Evidence{Lane: lane, Code: code, Status: status, Text: text, AfterData: afterData, Bounce: bounce, SubType: subType}
		c := judge.Of(e)
		if c.Says().JA == "" {
			t.Errorf("%q has no words", c)
		}
		if code >= 400 && code < 500 && bounce == "" && c.Speaks() {
			t.Errorf("%+v is temporary, and closes a contact as %s", e, c)
		}
		if isASCII(text) {
			e.Text = strings.ToUpper(text)
			if got := judge.Of(e); got != c {
				t.Errorf("%q is %s, in capitals %s", text, c, got)
			}
		}
	})
}

func isASCII(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return r > 0x7e }) < 0
}
