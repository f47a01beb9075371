// Package address takes mail addresses as people paste them and makes them fit
// to send to, or says in a sentence what to do about them.
//
// Intake forgives: names around the address, full-width letters, invisible
// characters and stray punctuation are put aside. It never guesses. What could
// be read in two ways is refused, and a likely typing error is only offered as a
// suggestion (Suggest, Doubts), because a corrected address is another person's
// mailbox.
//
// No error of this package holds a local part: an error's text may reach a log.
package address

import (
	"regexp"
	"slices"
	"strings"

	"golang.org/x/net/idna"
	"golang.org/x/net/publicsuffix"
)

// Limits of RFC 5321, sections 4.5.3.1.1 and 4.5.3.1.3, in octets. A path is 256
// with its angle brackets, which leaves 254 for the mailbox.
const (
	MaxLocal   = 64
	MaxMailbox = 254
)

// Address is one mailbox, as Parse returns it. It is comparable, but two
// spellings of one mailbox differ: compare Key.
type Address struct {
	// Local is the part before the @ without quotes, its case kept: RFC 5321
	// leaves the meaning of case to the receiver.
	Local string
	// Domain is the part after the @ in lower case, internationalised labels as
	// A-labels (RFC 5890). It has at least one dot.
	Domain string
}

// Key identifies the mailbox: addresses with the same key are one contact. No
// operator known to Todoku gives two people addresses that differ in case only.
func (a Address) Key() string {
	return strings.ToLower(a.Local) + "@" + a.Domain
}

// String returns the address as its owner writes it: unquoted, and with an
// internationalised domain in its own script. Parse accepts it. Use Mailbox to
// send.
func (a Address) String() string {
	domain, err := idna.ToUnicode(a.Domain)
	if err != nil {
		domain = a.Domain
	}
	return a.Local + "@" + domain
}

// Mailbox returns the address as RFC 5321 writes it between the angle brackets
// of RCPT: ASCII only, at most MaxMailbox long, the local part quoted if it is
// not a dot-string.
func (a Address) Mailbox() string {
	if isDotString(a.Local) {
		return a.Local + "@" + a.Domain
	}
	return `"` + a.Local + `"@` + a.Domain
}

// MailboxOf returns an address as it is stored, by String, in the form of Mailbox. What is
// no address stays as it is: whoever sends to it hears why that cannot be.
func MailboxOf(stored string) string {
	a, err := Parse(stored)
	if err != nil {
		return stored
	}
	return a.Mailbox()
}

// dottedDomains belong to the carriers that gave out local parts with two dots
// in a row, or with a dot at either end, until March 2009. Such addresses are
// still in use. Subdomains count.
//
// For docomo and au the carriers say so. i.softbank.jp is named in the help pages
// of several mail senders. au.com is here because a customer who moves from
// ezweb.ne.jp keeps the local part. SoftBank's other domains, formerly Vodafone
// and J-Phone, are reported always to have kept to the rule.
var dottedDomains = []string{"docomo.ne.jp", "ezweb.ne.jp", "au.com", "i.softbank.jp"}

func allowsDots(domain string) bool {
	return slices.ContainsFunc(dottedDomains, func(d string) bool { return under(domain, d) })
}

// isDotString reports whether the dots of local stand where RFC 5321 allows them
// without quotes.
func isDotString(local string) bool {
	return !strings.HasPrefix(local, ".") && !strings.HasSuffix(local, ".") && !strings.Contains(local, "..")
}

// rolePattern matches local parts that stand for a function, not for a person:
// those of RFC 2142 and the usual ones of senders that nobody reads.
var rolePattern = regexp.MustCompile(`^(?:info|inquiry|contact|office|sales|support|help|admin|administrator|` +
	`root|webmaster|hostmaster|postmaster|mailer-daemon|abuse|security|marketing|news|soumu|somu|jimu|jimushitsu|` +
	`(?:no|do-?not|donot)[-_.]?reply)$`)

// IsRole reports whether the address looks like a function (info@, noreply@)
// rather than a person. Such an address can be a guardian's; it is a reason to
// ask, not to refuse.
func (a Address) IsRole() bool {
	return rolePattern.MatchString(strings.ToLower(a.Local))
}

// listPattern matches local parts of mailing lists and of their machinery (RFC
// 2142, section 6, and the usual programs).
var listPattern = regexp.MustCompile(`^(?:ml|list|all|everyone|members|majordomo|listserv|mailman|subscribe|unsubscribe)$` +
	`|^(?:ml|list|all)[-_.]|[-_.](?:ml|list|all|members|request|owner|bounces|subscribe|unsubscribe)$`)

// listDomains are services that give out nothing but lists. Subdomains count.
var listDomains = []string{"googlegroups.com", "groups.io", "freeml.com", "groups.outlook.com"}

// listLabels begin the domains that people use for their lists: ml.example.jp.
var listLabels = regexp.MustCompile(`^(?:ml|lists?|groups)[.]`)

// IsList reports whether the address looks like a mailing list: what is sent there
// reaches people whom the school does not know, each with the link to answer. It is
// a reason to ask, not to refuse.
func (a Address) IsList() bool {
	for _, d := range listDomains {
		if under(a.Domain, d) {
			return true
		}
	}
	return listPattern.MatchString(strings.ToLower(a.Local)) || listLabels.MatchString(a.Domain)
}

// HasKnownEnding reports whether the domain ends in a top-level domain that
// existed when the public suffix list of this build was made, or in one that
// RFC 2606 sets aside for examples and tests.
func (a Address) HasKnownEnding() bool {
	return knownEnding(a.ending())
}

func (a Address) ending() string { return a.Domain[strings.LastIndexByte(a.Domain, '.')+1:] }

func knownEnding(tld string) bool {
	if tld == "example" || tld == "test" {
		return true
	}
	// Asked below a label: some countries are listed as "*.ck" only.
	_, icann := publicsuffix.PublicSuffix("x." + tld)
	return icann
}

// under reports whether domain is parent or one of its subdomains.
func under(domain, parent string) bool {
	rest, ok := strings.CutSuffix(domain, parent)
	return ok && (rest == "" || strings.HasSuffix(rest, "."))
}
