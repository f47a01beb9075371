package smtpin

import (
	"bytes"
	"context"
	"net"
	"strings"

	"blitiri.com.ar/go/spf"
	"github.com/emersion/go-msgauth/dkim"
	"github.com/emersion/go-msgauth/dmarc"
	"golang.org/x/net/publicsuffix"

	"github.com/todoku/todoku/shared/mail/incoming"
)

// checker checks who a mail is from: SPF (RFC 7208), DKIM (RFC 6376) and DMARC (RFC
// 7489). What cannot be judged, because DNS does not answer for example, has no
// verdict. An Authentication-Results header is never looked at: whoever reaches
// this server can write one.
type checker struct{ *net.Resolver }

// message is a mail with how it came.
type message struct {
	raw  []byte
	ip   net.IP
	helo string
	from string // of the envelope
}

// maxSignatures bounds the DKIM signatures that are looked at; each is a question
// to DNS.
const maxSignatures = 5

func (c checker) check(ctx context.Context, m message) incoming.Verdicts {
	var v incoming.Verdicts
	v.SPF = c.spf(ctx, m)
	s := c.dkim(ctx, m.raw)
	v.DKIM = s.verdict
	v.DMARC = c.dmarc(ctx, m, v, s)
	return v
}

// spf judges by the address of the peer. One in a private network is a relay of
// the school's own, which hands on the mail of others: it says nothing.
func (c checker) spf(ctx context.Context, m message) incoming.Verdict {
	if ours(m.ip) {
		return incoming.None
	}
	result, _ := spf.CheckHostWithSender(m.ip, m.helo, m.from, spf.WithContext(ctx), spf.WithResolver(c.Resolver))
	switch result {
	case spf.Pass:
		return incoming.Pass
	case spf.Fail:
		return incoming.Fail
	}
	return incoming.None
}

// signatures are what DKIM says of a mail.
type signatures struct {
	verdict incoming.Verdict
	domains []string // whose signatures hold
	unsure  bool     // there is one whose key could not be asked for
}

func (c checker) dkim(ctx context.Context, raw []byte) (s signatures) {
	found, _ := dkim.VerifyWithOptions(bytes.NewReader(raw), &dkim.VerifyOptions{
		LookupTXT:        func(domain string) ([]string, error) { return c.LookupTXT(ctx, domain) },
		MaxVerifications: maxSignatures,
	})
	for _, f := range found {
		switch {
		case f.Err == nil:
			s.domains = append(s.domains, strings.ToLower(f.Domain))
		case dkim.IsTempFail(f.Err):
			s.unsure = true
		default:
			s.verdict = incoming.Fail
		}
	}
	if len(s.domains) > 0 {
		s.verdict = incoming.Pass
	}
	return s
}

// dmarc judges the From field. Fail is only said of a domain that asks for
// consequences, and only if all was checked that it could pass by.
func (c checker) dmarc(ctx context.Context, m message, v incoming.Verdicts, s signatures) incoming.Verdict {
	mail, err := incoming.Read(m.raw, incoming.Envelope{From: m.from})
	if err != nil {
		return incoming.None
	}
	record, policy := c.policy(ctx, mail.Sender.Domain)
	if record == nil {
		return incoming.None
	}
	for _, signer := range s.domains {
		if aligned(signer, mail.Sender.Domain, record.DKIMAlignment) {
			return incoming.Pass
		}
	}
	_, envelope, _ := strings.Cut(strings.ToLower(m.from), "@")
	if v.SPF == incoming.Pass && aligned(envelope, mail.Sender.Domain, record.SPFAlignment) {
		return incoming.Pass
	}
	unsure := s.unsure || v.SPF == incoming.None && aligned(envelope, mail.Sender.Domain, record.SPFAlignment)
	if unsure || policy == dmarc.PolicyNone {
		return incoming.None
	}
	return incoming.Fail
}

// policy returns the record of a domain, or else of the domain that was registered,
// and which of its policies counts; nil if there is none.
func (c checker) policy(ctx context.Context, domain string) (*dmarc.Record, dmarc.Policy) {
	options := &dmarc.LookupOptions{LookupTXT: func(domain string) ([]string, error) { return c.LookupTXT(ctx, domain) }}
	if r, err := dmarc.LookupWithOptions(domain, options); err == nil {
		return r, r.Policy
	}
	above := organisation(domain)
	if above == domain {
		return nil, ""
	}
	r, err := dmarc.LookupWithOptions(above, options)
	if err != nil {
		return nil, ""
	}
	if r.SubdomainPolicy != "" {
		return r, r.SubdomainPolicy
	}
	return r, r.Policy
}

func aligned(a, b string, mode dmarc.AlignmentMode) bool {
	if mode == dmarc.AlignmentStrict {
		return a == b
	}
	return organisation(a) == organisation(b)
}

// organisation returns the domain that was registered (RFC 7489, section 3.2).
func organisation(domain string) string {
	if d, err := publicsuffix.EffectiveTLDPlusOne(domain); err == nil {
		return d
	}
	return domain
}
