// Package incoming reads mail that strangers send in: who it is from, whether a
// person wrote it, and what it says in plain text.
//
// Whatever comes, reading ends soon and takes no more memory than a few times the
// size of the mail: parts, nesting and lengths have limits. Attachments are passed
// over unread. A mail that is no mail is an error; one that is only odd (a charset
// that does not exist, base64 cut off) is read as far as it goes, because a guardian
// behind an odd program has no other.
package incoming

import (
	"bytes"
	"errors"
	"mime"
	"net/mail"
	"regexp"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/todoku/todoku/shared/address"
)

// Limits. What is beyond them is cut off or passed over, except for MaxBytes.
const (
	// MaxBytes is the largest mail. SES hands on no larger one through SNS and
	// bounces it (https://docs.aws.amazon.com/ses/latest/dg/receiving-email-action-sns.html),
	// so that both modes refuse alike.
	MaxBytes   = 150 << 10
	MaxText    = 16 << 10 // bytes of text
	MaxSubject = 1 << 10  // bytes of the subject
	maxParts   = 20       // parts of one mail, all levels together
	maxDepth   = 5        // parts within parts
)

// Errors of Read.
var (
	ErrTooLarge = errors.New("incoming: the mail is too large")
	ErrNoMail   = errors.New("incoming: not a mail")
	// ErrFrom says that the mail does not name one address of which it is.
	ErrFrom = errors.New("incoming: the mail has not one From address")
)

// Envelope is what was said of a mail when it was handed over.
type Envelope struct {
	From     string    // of MAIL FROM; "": a bounce, or another mail that must not be answered
	To       []string  // of RCPT TO, those that are ours
	At       time.Time // when; zero: nobody knows
	Verdicts Verdicts
}

// Verdict is what a check of the sender has come to.
type Verdict string

// The verdicts. None is that of a check that could not be made, or of a domain that
// says nothing of the kind.
const (
	Pass Verdict = "pass"
	Fail Verdict = "fail"
	None Verdict = ""
)

// Verdicts are what the checks have come to. Who receives the mail makes them: SES,
// or on one machine its SMTP server. What a header says of them is never believed.
type Verdicts struct {
	SPF   Verdict // of the envelope's From, by RFC 7208
	DKIM  Verdict // of any signature, by RFC 6376
	DMARC Verdict // of the From field, by RFC 7489
	Spam  Verdict // Fail: it is
	Virus Verdict // Fail: it has one
}

// Forged reports whether it is certain, as far as such checks go, that the mail is
// not from whom it names, or that no person sent it. A domain that publishes
// nothing cannot be told from a forger's; such mail passes.
func (v Verdicts) Forged() bool {
	switch {
	case v.Spam == Fail, v.Virus == Fail, v.DMARC == Fail:
		return true
	case v.DMARC == Pass:
		return false
	}
	return v.SPF == Fail && v.DKIM != Pass
}

// Mail is a mail that came in.
type Mail struct {
	Envelope
	ID      string          // Message-ID, "" if it has none
	Sender  address.Address // the From field
	Subject string
	Date    time.Time // when it was written, by the clock of its writer; zero: it does not say
	// Text is what the mail says, lines ending in \n, with what it quotes: the first
	// plain text, or what is left of the first HTML without its marks.
	Text string
	// Automatic says why the mail is not one that a person has just written, ""
	// if it seems to be. It must not be answered, or two programs may go on
	// answering each other (RFC 3834, section 2).
	Automatic string
}

// Read reads a mail of which the envelope is known. It fails with ErrTooLarge,
// ErrNoMail or ErrFrom; a mail that fails with ErrFrom is read all the same.
func Read(raw []byte, e Envelope) (Mail, error) {
	if len(raw) > MaxBytes {
		return Mail{}, ErrTooLarge
	}
	msg, err := mail.ReadMessage(bytes.NewReader(raw))
	if err != nil {
		return Mail{}, ErrNoMail // whose text may quote the mail
	}
	m := Mail{Envelope: e, ID: id(msg.Header), Subject: subject(msg.Header), Date: date(msg.Header), Automatic: automatic(msg.Header, e)}
	r := reader{}
	r.part(header(msg.Header), msg.Body, 0)
	m.Text = r.result()
	m.Sender, err = sender(msg.Header)
	return m, err
}

func id(h mail.Header) string {
	const most = 250
	s := strings.TrimSpace(h.Get("Message-Id"))
	return strings.ToValidUTF8(s[:min(len(s), most)], "")
}

func date(h mail.Header) time.Time {
	t, err := h.Date()
	if err != nil {
		return time.Time{}
	}
	return t.UTC()
}

func subject(h mail.Header) string {
	raw := h.Get("Subject")
	s, err := words.DecodeHeader(raw)
	if err != nil || !strings.Contains(raw, "=?") {
		s = decode(raw, "")
	}
	return clip(oneLine(s), MaxSubject)
}

var words = mime.WordDecoder{CharsetReader: charsetReader}

// oneLine puts a text into one line and drops what is not to be seen.
func oneLine(s string) string {
	return strings.Join(strings.FieldsFunc(strings.ToValidUTF8(s, "\uFFFD"), func(r rune) bool { return r <= ' ' || r == 0x7f }), " ")
}

// clip cuts s at a whole character.
func clip(s string, most int) string {
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "")
}

// oneMailbox is a From field with one address in brackets, as programs write it
// that do not care for RFC 5322: carriers gave out local parts with two dots in a
// row. What stands before it may hold no bracket and no comma, unless in quotes.
var oneMailbox = regexp.MustCompile(`^(?:"(?:[^"\\]|\\.)*"|[^<>",;:@()])*<([^<>\s,;:()]+)>\s*$`)

// sender returns the address of the From field.
func sender(h mail.Header) (address.Address, error) {
	fields := h["From"]
	if len(fields) != 1 {
		return address.Address{}, ErrFrom
	}
	mailbox, ok := mailboxOf(fields[0])
	if !ok {
		return address.Address{}, ErrFrom
	}
	a, err := address.Parse(mailbox)
	if err != nil || !plain(a, mailbox) {
		return address.Address{}, ErrFrom
	}
	return a, nil
}

// plain reports whether a is what a mailbox says, but for quotes and the case of the
// domain. Where intake forgives more, it names another domain than the one of which
// whoever handed the mail over has judged whether the mail is forged.
func plain(a address.Address, mailbox string) bool {
	at, own := strings.LastIndexByte(mailbox, '@'), a.String()
	local, domain := strings.Trim(mailbox[:max(at, 0)], `"`), mailbox[at+1:]
	isASCII := strings.IndexFunc(domain, func(r rune) bool { return r >= utf8.RuneSelf }) < 0
	return local == a.Local && (isASCII && strings.EqualFold(domain, a.Domain) || domain == own[strings.LastIndexByte(own, '@')+1:])
}

// mailboxOf returns the one mailbox of a field.
func mailboxOf(field string) (string, bool) {
	parser := mail.AddressParser{WordDecoder: &words}
	if list, err := parser.ParseList(field); err == nil {
		if len(list) != 1 {
			return "", false
		}
		return list[0].Address, true
	}
	if m := oneMailbox.FindStringSubmatch(field); m != nil {
		return m[1], true
	}
	bare := strings.TrimSpace(field)
	return bare, !strings.ContainsAny(bare, "<>\",;:() \t")
}

// automatic says why a mail is not from a person, "" if it seems to be.
func automatic(h mail.Header, e Envelope) string {
	if e.From == "" {
		return "it has no sender to return to"
	}
	if s := firstWord(h.Get("Auto-Submitted")); s != "" && s != "no" {
		return "Auto-Submitted"
	}
	if s := firstWord(h.Get("Precedence")); s == "bulk" || s == "list" || s == "junk" || s == "auto_reply" {
		return "Precedence"
	}
	for _, name := range []string{"List-Id", "List-Unsubscribe", "List-Post", "X-Autoreply", "X-Autorespond", "X-Autorespond-From", "X-Loop"} {
		if h.Get(name) != "" {
			return name
		}
	}
	for name := range h {
		if strings.HasPrefix(name, "X-Todoku-") {
			return "it is one of ours"
		}
	}
	local, _, _ := strings.Cut(strings.ToLower(e.From), "@")
	if machine.MatchString(local) {
		return "its sender is a program"
	}
	return ""
}

// machine matches the local parts of senders that nobody reads.
var machine = regexp.MustCompile(`^(?:mailer-daemon|postmaster|majordomo|listserv|(?:no|do-?not|donot)[-_.]?reply)$|[-_.](?:request|owner|bounces?)$|^(?:owner|bounces?)[-_.+]`)

// firstWord returns a field's value without parameters and comments.
func firstWord(s string) string {
	s, _, _ = strings.Cut(s, ";")
	s, _, _ = strings.Cut(s, "(")
	return strings.ToLower(strings.TrimSpace(s))
}
