package doctor

import (
	"context"
	"net"
	"net/netip"
	"slices"
	"strings"

	"blitiri.com.ar/go/spf"
	"golang.org/x/net/publicsuffix"

	"github.com/todoku/todoku/shared/lang"
)

// maxLookups is how many questions to DNS a receiver asks for one record (RFC 7208,
// section 4.6.4).
const maxLookups = 10

const rfcSPF = "https://www.rfc-editor.org/rfc/rfc7208#section-"

var whySPF = lang.Text{
	JA: "Googleやdocomoなどは、SPFで送信元が確かめられないメールを遅らせ、拒否し、または黙って捨てます。",
	EN: "Google, docomo and others delay, refuse or silently drop mail whose source SPF does not name.",
}

// spf looks at the SPF record of the MAIL FROM domain.
func (x *exam) spf(ctx context.Context, m Mail) verdict {
	domain := m.envelope()
	records, err := x.spfRecords(ctx, domain)
	if err != nil {
		x.find(silent("spf", domain))
		return unsure
	}
	f := Finding{Check: "spf", Level: Fail, About: domain, Why: whySPF}
	switch len(records) {
	case 0:
		f.ID, f.Link, f.Record = "spf-missing", rfcSPF+"3", x.spfRecord(domain, "v=spf1 ~all", m)
		f.What = lang.T("%s にSPFレコードがありません。", "%s has no SPF record.", domain)
		f.Fix = lang.T("次のレコードをDNSに追加してください。", "Add this record to DNS.")
		if len(x.senders(m)) == 0 { // it would permit nobody, and have all mail fail
			f.Record = ""
			f.Fix = lang.T("メールがどこから外へ出るかが、わかっていません。中継サーバーの管理者に、SPFに書く値（include: または ip4:）をたずね、「v=spf1 その値 ~all」をDNSに追加してください。--send-ip で外へ出るアドレスを指定すると、レコードを示します。",
				"It is not known from where mail leaves. Ask who runs the relay what SPF must name (include: or ip4:), and add “v=spf1 THAT ~all” to DNS. With --send-ip, the address from which mail leaves, the record is shown here.")
		}
		x.find(f)
		return fails
	case 1:
		return x.spfOne(ctx, m, records[0])
	}
	f.ID, f.Link, f.Record = "spf-several", rfcSPF+"3.2", x.spfRecord(domain, merged(records), m)
	f.What = lang.T("%s にSPFレコードが %d 個あります。", "%s has %d SPF records.", domain, len(records))
	f.Why = lang.Text{JA: "2個以上あると、受信側はSPF全体を誤りとして扱います。" + whySPF.JA, EN: "With more than one, receivers take SPF as a whole for broken. " + whySPF.EN}
	f.Fix = lang.T("すべてを消し、次の1個にまとめてください。", "Remove all of them, and put this one in their place.")
	x.find(f)
	return fails
}

func (x *exam) spfRecords(ctx context.Context, domain string) ([]string, error) {
	all, err := x.txt(ctx, domain)
	return slices.DeleteFunc(all, func(s string) bool {
		s = strings.ToLower(s)
		return s != "v=spf1" && !strings.HasPrefix(s, "v=spf1 ")
	}), err
}

// spfOne looks at the one record of a domain.
func (x *exam) spfOne(ctx context.Context, m Mail, record string) verdict {
	domain := m.envelope()
	w := walk{x: x, seen: map[string]bool{}}
	w.record(ctx, domain, record)
	f := Finding{Check: "spf", Level: Fail, About: domain, Why: whySPF}
	switch {
	case w.silent != "":
		x.find(silent("spf", w.silent))
		return unsure
	case w.broken != "":
		f.ID, f.Link = "spf-broken", rfcSPF+"4.6"
		f.What = lang.T("%s のSPFレコードの「%s」が誤っています。", "In the SPF record of %s, “%s” is wrong.", domain, w.broken)
		f.Fix = lang.T("その部分の綴りを直すか、消してください。今の内容: %s", "Correct the spelling of that part, or remove it. It is now: %s", record)
		x.find(f)
		return fails
	case w.lookups > maxLookups:
		f.ID, f.Link = "spf-lookups", rfcSPF+"4.6.4"
		f.What = lang.T("%s のSPFレコードは、DNSを %d 回引かせます。上限は %d 回です。", "The SPF record of %s takes %d DNS lookups; %d are allowed.", domain, w.lookups, maxLookups)
		f.Fix = lang.T("使っていない業者の include: を消し、a や mx は ip4: に書き換えてください。引かれる順: %s", "Remove the include: of providers that you no longer use, and write ip4: in the place of a and mx. In order: %s", strings.Join(w.terms, " "))
		x.find(f)
		return fails
	case w.open:
		f.ID, f.Level, f.Link, f.Record = "spf-open", Warn, rfcSPF+"5.1", line(domain, "TXT", quote(strings.Replace(strings.Replace(record, "+all", "~all", 1), " all", " ~all", 1)))
		f.What = lang.T("%s のSPFレコードは +all で終わり、誰にでも名乗らせています。", "The SPF record of %s ends in +all and lets anybody use the domain.", domain)
		f.Fix = lang.T("次のレコードに置き換えてください。", "Put this record in its place.")
		x.find(f)
	}
	return x.spfSender(ctx, m, record, w)
}

// spfSender looks whether the record names what sends.
func (x *exam) spfSender(ctx context.Context, m Mail, record string, w walk) verdict {
	domain := m.envelope()
	f := Finding{
		Check: "spf", ID: "spf-sender", Level: Fail, About: domain, Why: whySPF, Link: rfcSPF + "5",
		Record: x.spfRecord(domain, record, m),
		Fix:    lang.T("今のレコードを、次のものに置き換えてください。", "Put this record in the place of the present one."),
	}
	for _, include := range m.Includes {
		if !w.seen[include] {
			f.What = lang.T("%s のSPFレコードに、メールを送る %s が入っていません。", "The SPF record of %s does not include %s, which sends the mail.", domain, include)
			x.find(f)
			return fails
		}
	}
	for _, a := range m.Sources {
		if x.spfPasses(ctx, domain, a) != passes {
			f.What = lang.T("%s のSPFレコードに、メールを送るアドレス %s が入っていません。", "The SPF record of %s does not name %s, from which the mail leaves.", domain, a)
			x.find(f)
			return fails
		}
	}
	if len(m.Includes)+len(m.Sources) == 0 {
		return x.spfRelay(ctx, m, w, f)
	}
	x.saw("spf", domain, "%s のSPFは、送信元を認めています（DNS %d回）。", "SPF of %s passes what sends (%d lookups).", domain, w.lookups)
	return passes
}

// spfRelay guesses, as it is not known from where the relay sends: from the addresses
// that it receives at, or from what its own organisation publishes.
func (x *exam) spfRelay(ctx context.Context, m Mail, w walk, f Finding) verdict {
	if x.Relay == nil || private(x.Relay.Host) {
		return unsure
	}
	domain, host := m.envelope(), x.Relay.Host
	for included := range w.seen {
		if included != domain && organisation(included) == organisation(host) {
			x.saw("spf", domain, "%s のSPFは %s を含みます（DNS %d回）。", "SPF of %s includes %s (%d lookups).", domain, included, w.lookups)
			return passes
		}
	}
	found, err := x.addresses(ctx, host)
	if err != nil {
		return unsure // the relay's own check says so
	}
	for _, a := range found {
		if x.spfPasses(ctx, domain, a) == passes {
			x.saw("spf", domain, "%s のSPFは中継サーバー %s を認めています（DNS %d回）。", "SPF of %s passes the relay %s (%d lookups).", domain, host, w.lookups)
			return passes
		}
	}
	f.What = lang.T("%s のSPFレコードに、メール中継サーバー %s が入っていないようです。", "The SPF record of %s does not seem to name the relay %s.", domain, host)
	f.Fix = lang.T("中継サーバーの業者が案内する include: を加えてください。案内が見当たらなければ、次のレコードに置き換えます。", "Add the include: that the relay's provider publishes. If there is none, put this record in the place of the present one.")
	x.find(f)
	return fails
}

func (x *exam) spfPasses(ctx context.Context, domain string, a netip.Addr) verdict {
	result, _ := spf.CheckHostWithSender(net.IP(a.AsSlice()), domain, "postmaster@"+domain, spf.WithContext(ctx), spf.WithResolver(rooted{x.DNS}))
	switch result {
	case spf.Pass:
		return passes
	case spf.TempError:
		return unsure
	}
	return fails
}

// rooted asks for complete names, so that no search list is tried.
type rooted struct{ Resolver }

func (r rooted) LookupTXT(ctx context.Context, name string) ([]string, error) {
	return r.Resolver.LookupTXT(ctx, strings.TrimSuffix(name, ".")+".")
}

func (r rooted) LookupMX(ctx context.Context, name string) ([]*net.MX, error) {
	return r.Resolver.LookupMX(ctx, strings.TrimSuffix(name, ".")+".")
}

// walk follows a record as far as a receiver can be made to, and counts. A library
// that evaluates stops at the first match, and so does not see what comes after it.
type walk struct {
	x       *exam
	seen    map[string]bool // domains included
	terms   []string        // that cost a question
	lookups int
	broken  string // a term
	silent  string // a domain
	open    bool
}

// maxWalk bounds the questions of a walk.
const maxWalk = 30

func (w *walk) record(ctx context.Context, domain, record string) {
	w.seen[domain] = true
	for _, term := range strings.Fields(record)[1:] {
		name, value := split(term)
		switch name {
		case "all":
			w.open = w.open || len(w.seen) == 1 && !strings.ContainsAny(term[:1], "-~?")
		case "a", "mx", "ptr", "exists":
			w.cost(term)
		case "include", "redirect":
			w.cost(term)
			w.follow(ctx, term, value)
		case "ip4", "ip6":
			if !isNetwork(value) {
				w.broken = term
			}
		default:
			if !strings.Contains(term, "=") { // what is not known, but a modifier, is ignored
				w.broken = term
			}
		}
	}
}

func (w *walk) cost(term string) {
	w.lookups++
	w.terms = append(w.terms, term)
}

func (w *walk) follow(ctx context.Context, term, domain string) {
	domain = strings.ToLower(strings.TrimSuffix(domain, "."))
	if w.lookups > maxWalk || w.seen[domain] || strings.Contains(domain, "%") {
		return
	}
	records, err := w.x.spfRecords(ctx, domain)
	switch {
	case err != nil:
		w.silent = domain
	case len(records) != 1:
		w.broken = term
	default:
		w.record(ctx, domain, records[0])
	}
}

// split takes a term apart: "-include:x" is "include" and "x", "a/24" is "a".
func split(term string) (name, value string) {
	term = strings.TrimLeft(term, "+-~?")
	i := strings.IndexAny(term, ":=/")
	if i < 0 {
		return strings.ToLower(term), ""
	}
	return strings.ToLower(term[:i]), term[i+1:]
}

func isNetwork(s string) bool {
	if _, err := netip.ParsePrefix(s); err == nil {
		return true
	}
	_, err := netip.ParseAddr(s)
	return err == nil
}

// spfRecord returns the record with what sends added to it, before its end.
func (x *exam) spfRecord(domain, record string, m Mail) string {
	terms := strings.Fields(record)
	at := slices.IndexFunc(terms, func(t string) bool { n, _ := split(t); return n == "all" || n == "redirect" })
	if at < 0 {
		at = len(terms)
	}
	for _, t := range x.senders(m) {
		if !slices.Contains(terms, t) {
			terms = slices.Insert(terms, at, t)
			at++
		}
	}
	return line(domain, "TXT", quote(strings.Join(terms, " ")))
}

// senders are the terms that name what sends.
func (x *exam) senders(m Mail) (terms []string) {
	for _, i := range m.Includes {
		terms = append(terms, "include:"+i)
	}
	for _, a := range m.Sources {
		terms = append(terms, ipTerm(a))
	}
	if len(terms) == 0 && x.Relay != nil && !private(x.Relay.Host) {
		if a, err := netip.ParseAddr(x.Relay.Host); err == nil {
			return []string{ipTerm(a)}
		}
		return []string{"a:" + x.Relay.Host}
	}
	return terms
}

func ipTerm(a netip.Addr) string {
	if a.Is4() {
		return "ip4:" + a.String()
	}
	return "ip6:" + a.String()
}

// merged makes one record of several: every term once, the mildest end last.
func merged(records []string) string {
	terms := []string{"v=spf1"}
	for _, r := range records {
		for _, t := range strings.Fields(r)[1:] {
			if n, _ := split(t); n != "all" && !slices.Contains(terms, t) {
				terms = append(terms, t)
			}
		}
	}
	return strings.Join(append(terms, "~all"), " ")
}

// line writes a record as the outputs of the deployment do.
func line(name, kind, value string) string { return name + " " + kind + " " + value }

func quote(s string) string { return `"` + s + `"` }

// organisation returns the domain that was registered (RFC 7489, section 3.2).
func organisation(domain string) string {
	if d, err := publicsuffix.EffectiveTLDPlusOne(domain); err == nil {
		return d
	}
	return domain
}

// private reports whether a host is this machine, or one beside it.
func private(host string) bool {
	a, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && (a.IsLoopback() || a.IsPrivate() || a.IsLinkLocalUnicast())
}
