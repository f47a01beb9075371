// Package mailhost asks DNS by which hosts a mail domain receives its mail, and
// whether it receives any. That decides two things: an address that no mail can
// reach is told to whoever enters it, and the lane of a domain is that of the
// operator of its hosts (package lane).
//
// Only a definite answer refuses. DNS that fails, is slow, or is not there at all
// says nothing of a domain: the address is taken, and its lane is found by the
// domain alone.
package mailhost

import (
	"cmp"
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/todoku/todoku/shared/problem"
)

// Resolver asks DNS. A *net.Resolver is one.
type Resolver interface {
	// LookupMX returns the MX records of a name.
	LookupMX(ctx context.Context, name string) ([]*net.MX, error)
	// LookupNetIP returns the addresses of a host.
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
}

// State is what DNS says of a domain.
type State int

const (
	// Later means that DNS gave no answer that could be believed: ask later, and
	// refuse nobody.
	Later State = iota
	// Receives means that the domain has hosts for its mail.
	Receives
	// Nowhere means that the domain has neither MX nor address records, or does not
	// exist (RFC 5321, section 5.1).
	Nowhere
	// Null means that the domain says itself that it takes no mail (RFC 7505).
	Null
)

// Answer is what DNS says of a domain.
type Answer struct {
	State State
	// Hosts are the domain's mail hosts, most preferred first, in lower case and
	// without the dot at the end; for a domain that receives by its address record
	// alone, the domain. There are none unless State is Receives.
	Hosts []string
}

// Problem returns what to tell who entered an address of the domain, nil if there
// is nothing to tell. Its kind is problem.Invalid.
func (a Answer) Problem(domain string) *problem.Error {
	switch a.State {
	case Nowhere:
		return problem.New(problem.Invalid,
			"「@%s」にはメールを届けられません。このドメインが見つからないか、メールの受け取り先がありません。「@」の後ろの綴りを確かめてください。",
			"Mail cannot be delivered to @%s: there is no such domain, or nothing there that takes mail. Check the spelling after the @ sign.", domain)
	case Null:
		return problem.New(problem.Invalid,
			"「@%s」は、メールを受け取らないドメインです。ふだんメールを読んでいる、別のアドレスを入力してください。",
			"@%s is a domain that takes no mail. Enter another address, one at which you read your mail.", domain)
	}
	return nil
}

const (
	// perDomain is how long one domain's answer is waited for: a resolver that
	// works takes far less, and somebody waits with a form before them.
	perDomain = 2 * time.Second
	// maxHosts bounds what is kept of a domain; five are many.
	maxHosts = 10
)

// ask asks the resolver itself.
func ask(ctx context.Context, r Resolver, domain string) Answer {
	ctx, cancel := context.WithTimeout(ctx, perDomain)
	defer cancel()
	name := domain + "." // no search list: it is complete
	records, err := r.LookupMX(ctx, name)
	switch {
	case len(records) > 0: // some may be unusable, which is what err would say
		return ofRecords(records)
	case err != nil && !absent(err):
		return Answer{}
	}
	addresses, err := r.LookupNetIP(ctx, "ip", name)
	switch {
	case len(addresses) > 0:
		return Answer{State: Receives, Hosts: []string{domain}}
	case err == nil || absent(err):
		return Answer{State: Nowhere}
	}
	return Answer{}
}

// ofRecords judges MX records, of which there is at least one.
func ofRecords(records []*net.MX) Answer {
	records = slices.Clone(records)
	slices.SortStableFunc(records, func(a, b *net.MX) int {
		return cmp.Or(cmp.Compare(a.Pref, b.Pref), strings.Compare(a.Host, b.Host))
	})
	var hosts []string
	for _, r := range records {
		if host := strings.ToLower(strings.TrimSuffix(r.Host, ".")); host != "" {
			hosts = append(hosts, host)
		}
	}
	if len(hosts) == 0 {
		return Answer{State: Null}
	}
	return Answer{State: Receives, Hosts: hosts[:min(len(hosts), maxHosts)]}
}

// absent reports whether err is DNS's word that there is no such record.
func absent(err error) bool {
	var e *net.DNSError
	return errors.As(err, &e) && e.IsNotFound
}
