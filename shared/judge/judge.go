// Package judge says what a mail operator meant when it did not take a mail.
//
// Operators answer with a number, sometimes with a status code of RFC 3463, and with
// words that each writes in its own way. Three things make that hard to read:
//
//   - The same words mean different things. docomo and au say "Unknown user" of an
//     address that does not exist, and of one whose owner filters the school's mail;
//     docomo says so, too, of everybody when the school's own DMARC is broken.
//   - The same thing has many numbers. A full mailbox is 452, 552, 4.2.2 or 5.2.2.
//   - SES reports by type and sub-type, of which some are SES's own: it may not have
//     asked the operator at all.
//
// So a class is told from all that is known (Of), and what follows from it is not
// decided on one refusal alone (Event, Decide). Everything here is a pure function.
//
// Where the words come from: docs/decisions/0025-judging-bounces.md.
package judge

import (
	"regexp"
	"strconv"
	"strings"
)

// Class is what an operator meant.
type Class string

// The classes. Only the first two say anything about whether the address works.
const (
	Unknown   Class = "unknown"   // there is no such address, the operator says
	Filtered  Class = "filtered"  // its owner's own filter refuses the mail
	Full      Class = "full"      // the mailbox is full
	Policy    Class = "policy"    // the operator refuses the school's mail, and says so: DMARC, SPF, a blocklist
	Content   Class = "content"   // it refuses what is in the mail
	Size      Class = "size"      // the mail is too large
	Temporary Class = "temporary" // it was tried for long, and given up
	Listed    Class = "listed"    // SES did not ask: the address is on its suppression list
	Unclear   Class = "unclear"   // nothing of all that is known of it, or a policy that may be one recipient's
	// Complaint is no refusal: its guardian reported a mail as spam.
	Complaint Class = "complaint"
)

// Classes lists all classes.
var Classes = []Class{Unknown, Filtered, Full, Policy, Content, Size, Temporary, Listed, Unclear}

// Evidence is what is known of a refusal. What is not known is left empty.
type Evidence struct {
	Lane      string // the operator, as package lane names it
	Code      int    // SMTP reply code; 0: that in Text, if there is one
	Status    string // RFC 3463, such as "5.1.1"
	Text      string // the operator's words
	AfterData bool   // it answered to the mail, not to the address (RFC 5321, RCPT)
	Bounce    string // bounceType of SES: Permanent, Transient, Undetermined; "": the reply was seen
	SubType   string // bounceSubType of SES
}

// Of returns the class of a refusal.
func Of(e Evidence) Class {
	if c, ok := bySubType[e.SubType]; ok && e.Bounce != "" {
		return c
	}
	code := e.code()
	words := strings.ToLower(e.Text)
	switch {
	case is(e.Status, codesFull), mailboxFull.MatchString(words):
		return Full
	case tooOften.MatchString(words):
		return Temporary
	case e.Bounce == "Transient" && noDomain.MatchString(words):
		return Unknown // SES asks for a domain that is not there until the mail's time is over
	case code >= 400 && code < 500, strings.HasPrefix(e.Status, "4."), e.Bounce == "Transient":
		return Temporary
	case is(e.Status, codesFiltered):
		return Filtered
	case is(e.Status, codesPolicy), policyWords.MatchString(words):
		return Policy
	case is(e.Status, codesSize), tooLarge.MatchString(words):
		return Size
	case unknownUser.MatchString(words):
		return e.unknownOrFiltered(words)
	case filterWords.MatchString(words):
		return Filtered
	case strings.HasPrefix(e.Status, "5.6."), contentWords.MatchString(words):
		return Content
	case code == 552:
		return Full // RFC 5321, 4.2.3: exceeded storage allocation
	case is(e.Status, codesUnknown):
		return e.unknownOrFiltered(words)
	case code == 550 && e.Status == "", e.Bounce == "Permanent" && e.Status == "" && code == 0:
		return e.unknownOrFiltered(words)
	}
	return Unclear
}

// bySubType are the sub-types of SES that say all by themselves
// (https://docs.aws.amazon.com/ses/latest/dg/notification-contents.html#bounce-types).
var bySubType = map[string]Class{
	"Suppressed":               Listed,
	"OnAccountSuppressionList": Listed,
	"OnTenantSuppressionList":  Listed,
	"NoEmail":                  Unknown,
	"MailboxFull":              Full,
	"MessageTooLarge":          Size,
	"ContentRejected":          Content,
	"AttachmentRejected":       Content,
}

// code returns the SMTP reply code, if need be from the operator's words, where SES's
// diagnosticCode has it ("smtp; 550 5.1.1 ...").
func (e Evidence) code() int {
	if e.Code != 0 {
		return e.Code
	}
	m := replyCode.FindStringSubmatch(e.Text)
	if m == nil {
		return 0
	}
	n, _ := strconv.Atoi(m[1])
	return n
}

var replyCode = regexp.MustCompile(`(?:^|[\s;])([45]\d\d)(?:[ -]|$)`)

// unknownOrFiltered tells the two apart where an operator does: docomo and au refuse
// an address that does not exist when they hear it, and one whose owner filters the
// mail when they have seen the mail; au then leaves the address out.
func (e Evidence) unknownOrFiltered(words string) Class {
	carrier := e.Lane == "docomo" || e.Lane == "au"
	if carrier && (e.AfterData || nameless.MatchString(words)) {
		return Filtered
	}
	return Unknown
}

var nameless = regexp.MustCompile(`(?:^|550 ): user unknown`)

// is reports whether a status is one of a list; "5.7.60*" stands for what begins so.
func is(status string, list []string) bool {
	for _, s := range list {
		if prefix, ok := strings.CutSuffix(s, "*"); ok && strings.HasPrefix(status, prefix) || s == status {
			return true
		}
	}
	return false
}

// Status codes that say all by themselves: RFC 3463, RFC 7372 (authentication of
// mail), and those of Google and Microsoft, which add their own below 5.7.
var (
	codesFull    = []string{"4.2.2", "5.2.2"}
	codesSize    = []string{"5.2.3", "5.3.4"}
	codesUnknown = []string{"5.1.0", "5.1.1", "5.1.2", "5.1.3", "5.1.6", "5.1.10", "5.2.1", "5.4.1", "5.4.4", "5.4.310"}
	// Microsoft's, of a recipient who takes mail from some senders only
	// (https://learn.microsoft.com/en-us/exchange/mail-flow-best-practices/non-delivery-reports-in-exchange-online/non-delivery-reports-in-exchange-online).
	codesFiltered = []string{"5.7.12*", "5.7.133", "5.7.134", "5.7.135", "5.7.136"}
	codesPolicy   = []string{
		"5.7.20", "5.7.21", "5.7.22", "5.7.23", "5.7.24", "5.7.25", "5.7.26", "5.7.27", "5.7.28", "5.7.29", "5.7.30",
		"5.7.509", "5.7.511", "5.7.515", "5.7.60*", "5.7.61*", "5.7.62*", "5.7.63*", "5.7.64*", "5.7.7*",
	}
)

// Words, in lower case. The order in which Of looks at them matters: "recipient
// address rejected: unknown user" stands beside 5.7.1.
var (
	mailboxFull = regexp.MustCompile(`too much mail data|mailbox (is )?full|over ?quota|quota ?(is )?(exceed|full)|exceed\w* (the )?(storage|quota|mailbox)|out of (storage|space)|insufficient (system )?storage|容量`)
	tooOften    = regexp.MustCompile(`receiving mail (at a rate|too (quickly|fast))`) // Google, of one recipient, with 5.2.1
	noDomain    = regexp.MustCompile(`unable to look ?up dns|dns (server )?(look ?up|record).*(fail|not found|error)|(host|domain)( or domain)?( name)? not found|no such domain|invalid domain|nxdomain`)
	policyWords = regexp.MustCompile(`\bdmarc\b|\bspf\b|\bdkim\b|unauthenticated|authentication (information|checks|level|failed)|` +
		`not (meet|pass) .*authentication|black ?list|block ?list|\b(dns|r)bl\b|spamhaus|spamcop|barracuda|reputation|` +
		`\bptr\b|reverse dns|banned|blocked using|client host .*(blocked|rejected)|` +
		`\[hm0\d\]|\[cs0\d\]|local policy|policy reasons|(sender|from) (address |domain )?(rejected|.*does not exist)|^(553 )?\S+\.\S+ does not exist|s3150|ts0\d|not authorized to send (e-?mail|mail|messages)`)
	tooLarge    = regexp.MustCompile(`too (large|big)|message size|size (limit|exceed)|larger than|maximum .*size`)
	unknownUser = regexp.MustCompile(`unknown user|user (is )?unknown|user not (found|known)|no such (user|recipient|mailbox|address|person)|invalid (recipient|mailbox|address|user)|` +
		`(does not|doesn't|do not) (exist|have an? \S*\s*account)|doesn't have a .*account|not a valid (mailbox|user|recipient)|mailbox (unavailable|not found|is (disabled|inactive|unavailable))|` +
		`address (does not exist|not found|rejected: access denied)|account .*(is )?(disabled|inactive|does not exist)|recipient (not found|unknown|does not exist)|unrouteable|host (or domain name )?not found|no such domain`)
	filterWords = regexp.MustCompile(`only accept\w* mail from|refused by (the )?(recipient|user)|recipient (has )?(refused|rejected|blocked)|not accepting (mail|messages) from|` +
		`not authorized to send to the recipient|allowed.senders list`)
	contentWords = regexp.MustCompile(`\bspam\b|unsolicited|virus|malware|phish|content (was )?(rejected|filter|is not)|message content|bad content|line too long|attachment|suspicious`)
)
