// Package doctor looks at everything outside of Todoku that must be right for a mail
// to reach a guardian: DNS, the relay, the machine. What it finds it says in terms of
// what a guardian would notice, with what to do about it.
//
// A check is a small function over what Setup injects. It distinguishes "it is wrong"
// from "nobody answered": DNS that is silent is never taken for a record that is not
// there.
package doctor

import (
	"cmp"
	"context"
	"crypto/x509"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/todoku/todoku/shared/lang"
)

// Level says how bad a finding is.
type Level string

// The levels, the worst first.
const (
	// Fail means that guardians are not told, or will not be.
	Fail Level = "fail"
	// Warn means that some are not told, or that it will fail before long.
	Warn Level = "warn"
	// Unknown means that it could not be looked at.
	Unknown Level = "unknown"
)

var order = map[Level]int{Fail: 0, Warn: 1, Unknown: 2}

// Finding is something that is not as it should be.
type Finding struct {
	Check string    `json:"check"` // one of those of Names
	ID    string    `json:"id"`    // stable, for scripts: spf-missing
	Level Level     `json:"level"`
	About string    `json:"about,omitempty"` // a domain, an address, a host
	What  lang.Text `json:"what"`
	Why   lang.Text `json:"why"` // what a guardian would notice
	Fix   lang.Text `json:"fix"`
	// Record is the DNS record to add or to put in the place of the present one, as
	// NAME TYPE VALUE; "": none is to be changed, or it is not known.
	Record string `json:"record,omitempty"`
	Link   string `json:"link"` // the standard, or the provider's page
}

// Fact is something that was seen and is as it should be.
type Fact struct {
	Check string    `json:"check"`
	About string    `json:"about,omitempty"`
	Text  lang.Text `json:"text"`
}

// Report is the outcome of one examination.
type Report struct {
	At       time.Time `json:"at"`
	Findings []Finding `json:"findings"` // the worst first
	Facts    []Fact    `json:"facts"`
}

// Worst returns the worst level of the findings, "" if there are none.
func (r Report) Worst() Level {
	if len(r.Findings) == 0 {
		return ""
	}
	return r.Findings[0].Level
}

// Resolver asks DNS. A *net.Resolver is one.
type Resolver interface {
	LookupTXT(ctx context.Context, name string) ([]string, error)
	LookupMX(ctx context.Context, name string) ([]*net.MX, error)
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
	LookupIPAddr(ctx context.Context, host string) ([]net.IPAddr, error)
	LookupAddr(ctx context.Context, addr string) ([]string, error)
}

// Mail is how mail of one From domain leaves.
type Mail struct {
	From     string // domain of the From address, A-labels
	Envelope string // domain of MAIL FROM; "": From
	Address  string // a From address of it, to be offered to the relay
	// FreeMail says that From is a mail operator's domain, in which no school can make
	// a record.
	FreeMail bool
	// Selectors are those of the DKIM keys; none: not known.
	Selectors []string
	// Includes are domains whose SPF record must be included: the provider's.
	Includes []string
	// Sources are the addresses that mail leaves from; none: not known.
	Sources []netip.Addr
	// Pending are records that the provider waits for, as NAME TYPE VALUE.
	Pending []string
}

func (m Mail) envelope() string { return cmp.Or(m.Envelope, m.From) }

// Setup says what to look at, and with what. What is zero is not looked at.
type Setup struct {
	Mails []Mail
	Relay *Relay // nil: mail leaves by an API, or not at all
	// Own are the machine's own public addresses, if mail leaves from it directly.
	Own     []netip.Addr
	Lists   []Blocklist
	Web     string // address of the pages
	Inbound string // domain to which guardians send mail

	Clock  func(context.Context) (time.Duration, error) // by how much the clock is wrong
	Disk   func() (Disk, error)
	Backup func() (time.Time, error) // of the last; zero: none yet

	// More are checks of where it runs, such as those of Amazon SES.
	More []func(context.Context) ([]Finding, []Fact)

	WebCAs *x509.CertPool // for Web; nil: the system's

	DNS  Resolver // nil: nothing that needs DNS is looked at
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	Now  func() time.Time
}

const (
	// Timeout bounds an examination: somebody waits for the page.
	Timeout = 25 * time.Second
	// perStep bounds one question or connection.
	perStep = 5 * time.Second
)

// exam is one examination under way.
type exam struct {
	Setup
	mu  sync.Mutex
	rep Report
}

func (x *exam) find(f ...Finding) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.rep.Findings = append(x.rep.Findings, f...)
}

func (x *exam) saw(check, about, ja, en string, args ...any) {
	x.note(check, about, lang.T(ja, en, args...))
}

func (x *exam) note(check, about string, text lang.Text) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.rep.Facts = append(x.rep.Facts, Fact{check, about, text})
}

// Examine looks at everything side by side, for at most Timeout.
func Examine(ctx context.Context, s Setup) Report {
	ctx, cancel := context.WithTimeout(ctx, Timeout)
	defer cancel()
	if s.Dial == nil {
		s.Dial = new(net.Dialer).DialContext
	}
	if s.Now == nil {
		s.Now = time.Now
	}
	x := &exam{Setup: s, rep: Report{At: s.Now(), Findings: []Finding{}, Facts: []Fact{}}}
	var all sync.WaitGroup
	for _, look := range x.looks() {
		all.Go(func() { look(ctx) })
	}
	all.Wait()
	slices.SortFunc(x.rep.Findings, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(order[a.Level], order[b.Level]), cmp.Compare(a.Check, b.Check), cmp.Compare(a.About, b.About), cmp.Compare(a.ID, b.ID))
	})
	slices.SortFunc(x.rep.Facts, func(a, b Fact) int {
		return cmp.Or(cmp.Compare(a.Check, b.Check), cmp.Compare(a.About, b.About), cmp.Compare(a.Text.EN, b.Text.EN))
	})
	return x.rep
}

func (x *exam) looks() []func(context.Context) {
	looks := []func(context.Context){x.clock, x.disk, x.backup, x.web, x.relay}
	if x.DNS != nil {
		for _, m := range x.Mails {
			looks = append(looks, func(ctx context.Context) { x.domain(ctx, m) })
		}
		for _, a := range x.Own {
			looks = append(looks, func(ctx context.Context) { x.address(ctx, a) })
		}
		looks = append(looks, x.inbound)
	}
	for _, more := range x.More {
		looks = append(looks, func(ctx context.Context) {
			findings, facts := more(ctx)
			x.mu.Lock()
			defer x.mu.Unlock()
			x.rep.Findings = append(x.rep.Findings, findings...)
			x.rep.Facts = append(x.rep.Facts, facts...)
		})
	}
	return looks
}

// domain looks at the records of one From domain. DMARC is judged last: it asks
// whether one of the others would pass.
func (x *exam) domain(ctx context.Context, m Mail) {
	if m.FreeMail {
		x.find(freeMail(m))
		return
	}
	var v verdicts
	v.spf = x.spf(ctx, m)
	v.dkim = x.dkim(ctx, m)
	x.dmarc(ctx, m, v)
	x.mx(ctx, m.From)
	if m.envelope() != m.From {
		x.mx(ctx, m.envelope())
	}
}

// freeMail is the first thing that goes wrong in a small school: its address is one
// of a free-mail operator.
func freeMail(m Mail) Finding {
	return Finding{
		Check: "dmarc", ID: "from-free-mail", Level: Fail, About: m.From,
		What: lang.T("差出人アドレスが、メール事業者のドメイン %s のものです。", "The From address is in %s, a mail operator's domain.", m.From),
		Why: lang.T("他人のドメインを名乗るメールとして、携帯各社やGmailが拒否したり、何も言わずに捨てたりします。保護者には届きません。",
			"Carriers and Gmail refuse or silently drop mail that claims a domain which did not send it. Guardians get nothing."),
		Fix:  lang.T("学校や教育委員会のドメイン（例 school.example.jp）のアドレスを差出人にしてください。", "Use an address in a domain of the school or its board of education, such as school.example.jp."),
		Link: "https://www.rfc-editor.org/rfc/rfc7489#section-3.1",
	}
}

// verdict is whether receivers will find a proof in order.
type verdict int

const (
	unsure verdict = iota
	passes
	fails
)

type verdicts struct{ spf, dkim verdict }

// Names are what the checks are called.
var Names = map[string]lang.Text{
	"spf":       lang.T("送信元の証明（SPF）", "Proof of the sender (SPF)"),
	"dkim":      lang.T("電子署名（DKIM）", "Signature (DKIM)"),
	"dmarc":     lang.T("なりすまし対策（DMARC）", "Policy against forgery (DMARC)"),
	"mx":        lang.T("返信の受け取り先（MX）", "Where replies go (MX)"),
	"inbound":   lang.T("空メールの受け取り", "Guardians' empty mail"),
	"reverse":   lang.T("逆引き", "Reverse DNS"),
	"blocklist": lang.T("拒否リスト", "Blocklists"),
	"relay":     lang.T("メール中継サーバー", "Mail relay"),
	"web":       lang.T("保護者のページ", "Guardians' pages"),
	"clock":     lang.T("時計", "Clock"),
	"disk":      lang.T("ディスク", "Disk"),
	"backup":    lang.T("バックアップ", "Backup"),
	"ses":       lang.T("Amazon SES", "Amazon SES"),
}
