// Package lane says by which lane a copy goes: which receiving mail operator
// takes it, how many copies may be on their way to that operator at once, and in
// which message group of the queue a copy waits. One lane never delays another.
//
// A lanes file ships with Todoku; an operator may lay a file of his own over it
// (Load). What a slot limits is how many copies Todoku hands over at the same
// time. Sent through a relay or through Amazon SES, it is they who open the
// connections to the receiver.
package lane

import (
	"fmt"
	"hash/fnv"
	"strconv"
	"strings"

	"golang.org/x/net/publicsuffix"

	"github.com/todoku/todoku/shared/lang"
	"github.com/todoku/todoku/shared/queue"
)

// Limits of a lane. MaxName leaves room for the rest of a message group (Place).
const (
	MaxSlots = 100
	MaxName  = queue.MaxIDBytes - len("#199.") - MaxAlert
)

// Lane is one receiving mail operator.
type Lane struct {
	// Name identifies the lane in groups, records and logs: a name from the lanes
	// file, without a dot, or the domain of an operator that is not in it, with one.
	Name  string
	Label lang.Text // what people read
	// Slots is how many copies may be on their way at once, 1 to MaxSlots.
	Slots int
}

// Listed reports whether the lanes file has the lane: no name in the file has a dot, and
// every other has one. Of the others nothing is known.
func (l Lane) Listed() bool { return !strings.Contains(l.Name, ".") }

// Slot returns the slot of a contact, 0 to Slots-1, the same in every process: where
// a copy goes that is not one of many (a fan-out deals slots out in turn).
func (l Lane) Slot(contactID string) int {
	return int(mix(hash(contactID)) % uint64(l.Slots))
}

// Group returns the queue's message group of a slot, "lane#slot". Different lanes
// have different groups.
func (l Lane) Group(slot int) string { return l.Name + "#" + strconv.Itoa(slot) }

func hash(s string) uint64 {
	h := fnv.New64a()
	h.Write([]byte(s))
	return h.Sum64()
}

// mix spreads FNV's upper bits over the lower ones, of which the lowest is no more
// than the parity of the input (the finalizer of MurmurHash3).
func mix(h uint64) uint64 {
	h = (h ^ h>>33) * 0xff51afd7ed558ccd
	h = (h ^ h>>33) * 0xc4ceb9fe1a85ec53
	return h ^ h>>33
}

// Lanes are the lanes of an installation. They do not change once loaded, so they
// are safe for concurrent use.
type Lanes struct {
	lanes    []Lane // those of the file, in its order
	fallback Lane   // without name and label
	byDomain map[string]int
	byMX     map[string]int
	hosts    map[string][]string // mail hosts that are known, by domain; see With
}

// All returns the lanes of the file, in its order, without those that domains
// outside of it make.
func (ls *Lanes) All() []Lane { return append([]Lane(nil), ls.lanes...) }

// With returns the same lanes, with mail hosts that are known of domains: Of then
// answers for these as OfMX does.
func (ls *Lanes) With(hosts map[string][]string) *Lanes {
	c := *ls
	c.hosts = hosts
	return &c
}

// Lists reports whether the file has the domain itself, not only one above it.
func (ls *Lanes) Lists(domain string) bool {
	_, ok := ls.byDomain[normalize(domain)]
	return ok
}

// Of returns the lane of a mail domain (A-labels). Unless its mail hosts are known
// (With), the domain alone tells: the lane of the file that has it or a domain
// above it, else a lane of its own, named by its registrable domain, so that all
// subdomains of a provider share one.
func (ls *Lanes) Of(domain string) Lane { return ls.OfMX(domain, ls.hosts[normalize(domain)]) }

// OfMX returns the lane of a domain whose mail hosts are known, most preferred
// first. The first host that belongs to an operator of the file decides, then
// the domain. What the file does not know goes by the registrable domain of the
// most preferred host, so that the domains of one hosting company share a lane. A
// null MX (RFC 7505) is ignored.
func (ls *Lanes) OfMX(domain string, mx []string) Lane {
	domain = normalize(domain)
	operator := domain
	for i := len(mx) - 1; i >= 0; i-- {
		if host := normalize(mx[i]); host != "" {
			operator = host
		}
	}
	for _, host := range mx {
		if l, ok := ls.find(ls.byMX, normalize(host)); ok {
			return l
		}
	}
	if l, ok := ls.find(ls.byDomain, domain); ok {
		return l
	}
	return ls.Named(registrable(operator))
}

// Named returns the lane with the name, as it stands in a record or a group. A
// name that is not in the file is that of an operator outside of it.
func (ls *Lanes) Named(name string) Lane {
	for _, l := range ls.lanes {
		if l.Name == name {
			return l
		}
	}
	l := ls.fallback
	l.Name = boundName(name)
	l.Label = lang.Text{JA: l.Name, EN: l.Name}
	return l
}

// find looks domain up by its longest known suffix.
func (ls *Lanes) find(index map[string]int, domain string) (Lane, bool) {
	for domain != "" {
		if i, ok := index[domain]; ok {
			return ls.lanes[i], true
		}
		_, domain, _ = strings.Cut(domain, ".")
	}
	return Lane{}, false
}

func normalize(domain string) string {
	return strings.ToLower(strings.TrimSuffix(domain, "."))
}

// registrable returns the domain that was registered to hold domain. One that is
// not below a public suffix keeps its whole name, and a dot, which no name in the
// file has.
func registrable(domain string) string {
	if r, err := publicsuffix.EffectiveTLDPlusOne(domain); err == nil {
		return r
	}
	if strings.Contains(domain, ".") {
		return domain
	}
	return domain + "."
}

// boundName makes name fit for a message group. Names from mail domains fit
// already, but for the longest; what does not is cut and told apart by its hash.
func boundName(name string) string {
	if len(name) <= MaxName && !strings.ContainsFunc(name, unfit) {
		return name
	}
	cut := strings.Map(func(r rune) rune {
		if unfit(r) {
			return '-'
		}
		return r
	}, name)
	sum := fmt.Sprintf("~%016x", hash(name))
	return cut[:min(len(cut), MaxName-len(sum))] + sum
}

// unfit reports whether r cannot be in a lane's name: groups are printable ASCII,
// and # comes before the slot.
func unfit(r rune) bool { return r <= ' ' || r >= 0x7f || r == '#' }
